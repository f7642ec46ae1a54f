//! The timeline as text: JSON lines, CSV, CSV for Excel, Timesketch JSON lines, log2timeline CSV.
//!
//! An [`Export`] is begun once and then takes one timeline after another, so that its caller decides how many rows are
//! in memory. Times are RFC 3339 with nine digits. Formats as their readers define them: RFC 4180; Timesketch's import
//! documentation (`message`, `datetime`, `timestamp_desc`); the 17 columns of log2timeline.

use std::borrow::Cow;
use std::io::{self, Write};

use casetrace_model::time::to_rfc3339;
use casetrace_model::{COLUMNS, Value};

use crate::timeline::{ColumnId, Timeline};

/// What became of the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows in the output.
    pub rows: u64,
    /// Rows that the format can't express (Timesketch needs a time).
    pub left_out: u64,
}

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// One JSON object a line, with all the given columns (null where unknown).
    Jsonl,
    /// CSV with a header, RFC 4180 quoting, line feed.
    Csv,
    /// CSV that Excel opens by double click: byte order mark, CR LF, and no cell is taken for a formula.
    Excel,
    /// JSON lines with `message`, `datetime`, `timestamp` (µs), `timestamp_desc` and every known column. Rows without a time
    /// are left out, because Timesketch refuses them.
    Timesketch,
    /// log2timeline's CSV; rows without time have its own null date.
    L2tcsv,
}

/// What the columns are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// As in the schema.
    #[default]
    Columns,
    /// As in the Elastic Common Schema; columns it has no field for are `casetrace.NAME`.
    Ecs,
}

impl Naming {
    /// The name of a column.
    pub fn of(self, column: ColumnId) -> Cow<'static, str> {
        let ecs = || {
            COLUMNS
                .iter()
                .find(|c| c.name == column.name())
                .map_or("", |c| c.ecs)
        };
        match (self, column.name()) {
            (Self::Columns, name) => Cow::Borrowed(name),
            (Self::Ecs, name) => match ecs() {
                "" => Cow::Owned(format!("casetrace.{name}")),
                ecs => Cow::Borrowed(ecs),
            },
        }
    }
}

/// One text output.
#[derive(Debug, Clone)]
pub struct Export {
    format: TextFormat,
    columns: Vec<ColumnId>,
    names: Vec<Cow<'static, str>>,
    bom: bool,
}

impl Export {
    /// An output of some columns; formats with a fixed layout have their own.
    pub fn new(format: TextFormat, columns: Vec<ColumnId>, naming: Naming) -> Self {
        Self {
            names: columns.iter().map(|column| naming.of(*column)).collect(),
            bom: format == TextFormat::Excel,
            format,
            columns,
        }
    }

    /// With a byte order mark in front, which tells Excel and PowerShell that it is UTF-8; [`TextFormat::Excel`] always has one.
    #[must_use]
    pub fn with_bom(mut self, bom: bool) -> Self {
        self.bom |= bom;
        self
    }

    /// Writes what stands before the first row.
    pub fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.bom {
            out.write_all("\u{feff}".as_bytes())?;
        }
        let header = || {
            self.names
                .iter()
                .map(|name| csv_cell(name))
                .collect::<Vec<_>>()
                .join(",")
        };
        match self.format {
            TextFormat::Jsonl | TextFormat::Timesketch => Ok(()),
            TextFormat::Csv => writeln!(out, "{}", header()),
            TextFormat::Excel => write!(out, "{}\r\n", header()),
            TextFormat::L2tcsv => writeln!(out, "{L2T_HEADER}"),
        }
    }

    /// Writes the rows of `timeline`.
    pub fn rows(&self, timeline: &Timeline, out: &mut dyn Write) -> io::Result<Written> {
        match self.format {
            TextFormat::Jsonl => self.jsonl(timeline, out),
            TextFormat::Csv => self.delimited(timeline, out, "\n", |cell| cell),
            TextFormat::Excel => self.delimited(timeline, out, "\r\n", guarded),
            TextFormat::Timesketch => self.timesketch(timeline, out),
            TextFormat::L2tcsv => l2tcsv(timeline, out),
        }
    }

    fn named(&self) -> impl Iterator<Item = (&str, ColumnId)> {
        self.names
            .iter()
            .map(|name| &**name)
            .zip(self.columns.iter().copied())
    }

    fn jsonl(&self, timeline: &Timeline, out: &mut dyn Write) -> io::Result<Written> {
        for row in rows(timeline) {
            let mut before = "{";
            for (name, column) in self.named() {
                write!(out, "{before}\"{name}\":")?;
                json_cell(timeline.value(column, row), out)?;
                before = ",";
            }
            out.write_all(if before == "{" { b"{}\n" } else { b"}\n" })?;
        }
        Ok(all(timeline))
    }

    fn delimited(
        &self,
        timeline: &Timeline,
        out: &mut dyn Write,
        end: &str,
        guard: impl Fn(Cow<'_, str>) -> Cow<'_, str>,
    ) -> io::Result<Written> {
        for row in rows(timeline) {
            for (i, column) in self.columns.iter().enumerate() {
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

    fn timesketch(&self, timeline: &Timeline, out: &mut dyn Write) -> io::Result<Written> {
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
            let others = self
                .named()
                .filter(|(_, c)| !matches!(c.name(), "ts" | "message"));
            for (name, column) in others {
                let value = timeline.value(column, row);
                if value != Value::Null {
                    write!(out, ",\"{name}\":")?;
                    json_cell(value, out)?;
                }
            }
            writeln!(out, "}}")?;
            written.rows += 1;
        }
        Ok(written)
    }
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

fn json_cell(value: Value<'_>, out: &mut dyn Write) -> io::Result<()> {
    match value {
        Value::Null => out.write_all(b"null"),
        Value::Str(text) => serde_json::to_writer(&mut *out, text).map_err(io::Error::from),
        Value::U64(v) => write!(out, "{v}"),
        Value::I64(v) => write!(out, "{v}"),
        Value::TimeNs(ns) => write!(out, "\"{}\"", to_rfc3339(ns)),
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

/// A cell that a spreadsheet would run as a formula gets an apostrophe in front, and so does one that would be one after
/// blanks are trimmed.
fn guarded(text: Cow<'_, str>) -> Cow<'_, str> {
    let first = text.trim_start_matches([' ', '\u{a0}', '\u{3000}']);
    if first.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        Cow::Owned(format!("'{text}"))
    } else {
        text
    }
}

/// The 17 columns of log2timeline's CSV.
const L2T_HEADER: &str = "date,time,timezone,MACB,source,sourcetype,type,user,host,short,desc,version,filename,inode,notes,format,extra";

fn l2tcsv(timeline: &Timeline, out: &mut dyn Write) -> io::Result<Written> {
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
