//! The timeline as text: JSON lines, CSV, CSV for Excel, Timesketch JSON lines, log2timeline CSV.
//!
//! All are written row by row from the columns in memory. Times are RFC 3339 with nine digits.

use std::borrow::Cow;
use std::io::{self, Write};

use casetrace_model::Value;
use casetrace_model::time::to_rfc3339;

use crate::timeline::{ColumnId, Timeline};

/// What became of the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows in the output.
    pub rows: u64,
    /// Rows that the format can't express (Timesketch needs a time).
    pub left_out: u64,
}

fn rows(timeline: &Timeline) -> std::ops::Range<u32> {
    0..timeline.len() as u32
}

fn all(timeline: &Timeline) -> Written {
    Written {
        rows: timeline.len() as u64,
        left_out: 0,
    }
}

/// A JSON string literal.
fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn json_cell(value: Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Str(text) => json_text(text),
        Value::U64(v) => v.to_string(),
        Value::I64(v) => v.to_string(),
        Value::TimeNs(ns) => json_text(&to_rfc3339(ns)),
    }
}

fn text_cell(value: Value<'_>) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::Str(text) => Cow::Borrowed(text),
        Value::U64(v) => Cow::Owned(v.to_string()),
        Value::I64(v) => Cow::Owned(v.to_string()),
        Value::TimeNs(ns) => Cow::Owned(to_rfc3339(ns)),
    }
}

/// Quotes a CSV cell where RFC 4180 wants it.
pub(crate) fn csv_cell(text: &str) -> Cow<'_, str> {
    if text.contains(['"', ',', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

/// A cell that a spreadsheet would run as a formula gets an apostrophe in front.
fn guarded(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        text
    }
}

/// One JSON object a line, with all the given columns (null where unknown).
pub fn write_jsonl(timeline: &Timeline, columns: &[ColumnId], out: &mut dyn Write) -> io::Result<Written> {
    let mut line = String::new();
    for row in rows(timeline) {
        line.clear();
        for column in columns {
            line.push(if line.is_empty() { '{' } else { ',' });
            line.push_str(&format!(
                "\"{}\":{}",
                column.name(),
                json_cell(timeline.value(*column, row))
            ));
        }
        writeln!(out, "{line}}}")?;
    }
    Ok(all(timeline))
}

/// CSV with a header, RFC 4180 quoting, line feed.
pub fn write_csv(timeline: &Timeline, columns: &[ColumnId], out: &mut dyn Write) -> io::Result<Written> {
    delimited(timeline, columns, out, "\n", |cell| cell)
}

/// CSV that Excel opens by double click: byte order mark, CR LF, and no cell is taken for a formula.
pub fn write_excel(timeline: &Timeline, columns: &[ColumnId], out: &mut dyn Write) -> io::Result<Written> {
    out.write_all("\u{feff}".as_bytes())?;
    delimited(timeline, columns, out, "\r\n", guarded)
}

fn delimited(
    timeline: &Timeline,
    columns: &[ColumnId],
    out: &mut dyn Write,
    end: &str,
    guard: impl Fn(Cow<'_, str>) -> Cow<'_, str>,
) -> io::Result<Written> {
    let header: Vec<&str> = columns.iter().map(|c| c.name()).collect();
    write!(out, "{}{end}", header.join(","))?;
    for row in rows(timeline) {
        for (i, column) in columns.iter().enumerate() {
            if i > 0 {
                out.write_all(b",")?;
            }
            let cell = guard(text_cell(timeline.value(*column, row)));
            out.write_all(csv_cell(&cell).as_bytes())?;
        }
        out.write_all(end.as_bytes())?;
    }
    Ok(all(timeline))
}

/// Timesketch's JSON lines: `message`, `datetime`, `timestamp` (µs), `timestamp_desc` and every known column.
///
/// Rows without a time are left out, because Timesketch refuses them.
pub fn write_timesketch(
    timeline: &Timeline,
    columns: &[ColumnId],
    out: &mut dyn Write,
) -> io::Result<Written> {
    let mut written = Written::default();
    let (message, kind) = (ColumnId::of("message"), ColumnId::of("kind"));
    let cell = |column: Option<ColumnId>, row| column.and_then(|c| timeline.text(c, row)).unwrap_or("");
    for row in rows(timeline) {
        let Some(ns) = timeline.ts_ns(row) else {
            written.left_out += 1;
            continue;
        };
        // Timesketch wants a message; the kind is the least one can say.
        let said = Some(cell(message, row))
            .filter(|m| !m.is_empty())
            .unwrap_or_else(|| cell(kind, row));
        write!(
            out,
            "{{\"message\":{},\"timestamp\":{},\"datetime\":{},\"timestamp_desc\":{}",
            json_text(said),
            ns.div_euclid(1000),
            json_text(&to_rfc3339(ns)),
            json_text(cell(kind, row)),
        )?;
        for column in columns.iter().filter(|c| !matches!(c.name(), "ts" | "message")) {
            let value = timeline.value(*column, row);
            if value != Value::Null {
                write!(out, ",\"{}\":{}", column.name(), json_cell(value))?;
            }
        }
        writeln!(out, "}}")?;
        written.rows += 1;
    }
    Ok(written)
}

/// The 17 columns of log2timeline's CSV.
const L2T_HEADER: &str = "date,time,timezone,MACB,source,sourcetype,type,user,host,short,desc,version,filename,inode,notes,format,extra";

/// log2timeline's CSV; rows without time have its own null date.
pub fn write_l2tcsv(timeline: &Timeline, out: &mut dyn Write) -> io::Result<Written> {
    writeln!(out, "{L2T_HEADER}")?;
    let column = |name| ColumnId::of(name);
    let [
        source,
        kind,
        provider,
        user,
        host,
        message,
        artifact,
        record,
        fields,
    ] = [
        "source", "kind", "provider", "user", "host", "message", "artifact", "record", "fields",
    ]
    .map(column);
    for row in rows(timeline) {
        let cell = |column: Option<ColumnId>| {
            column.map_or(Cow::Borrowed(""), |c| text_cell(timeline.value(c, row)))
        };
        let (date, time) = l2t_time(timeline.ts_ns(row));
        let said = one_line(&cell(message));
        let short: String = said.chars().take(80).collect();
        let format = format!("casetrace/{}", cell(source));
        let cells = [
            &date,
            &time,
            "UTC",
            "....",
            &cell(source).to_uppercase(),
            &cell(provider),
            &cell(kind),
            &cell(user),
            &cell(host),
            &short,
            &said,
            "2",
            &cell(artifact),
            &cell(record),
            "",
            &format,
            &one_line(&cell(fields)),
        ];
        let cells: Vec<Cow<'_, str>> = cells.into_iter().map(csv_cell).collect();
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(all(timeline))
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// `MM/DD/YYYY` and `HH:MM:SS`.
fn l2t_time(ts_ns: Option<i64>) -> (String, String) {
    let text = ts_ns.map(to_rfc3339).unwrap_or_default();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    if ts_ns.is_none() {
        return ("00/00/0000".to_owned(), "--:--:--".to_owned());
    }
    (
        format!("{}/{}/{}", part(5..7), part(8..10), part(0..4)),
        part(11..19).to_owned(),
    )
}
