//! Runs the decoder on bytes made by a test and looks into the rows.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "tests")]

use casetrace_model::{Collected, Row, Value as Cell};
use casetrace_text::{Options, TextResult, decode};
use serde_json::Value;

/// What one file gave.
pub struct Read {
    pub rows: Vec<Row>,
    pub codes: Vec<&'static str>,
    pub result: TextResult,
}

/// Reads `bytes` as a file called `name`.
pub fn read(name: &str, bytes: &[u8]) -> Read {
    read_with(
        &Options {
            name: name.to_owned(),
            ..Options::default()
        },
        bytes,
    )
}

/// Reads `bytes` with options.
pub fn read_with(options: &Options, bytes: &[u8]) -> Read {
    let mut sink = Collected::default();
    let mut input = bytes;
    let result = decode(&mut input, options, &mut sink);
    let codes = sink.diagnostics.iter().map(|d| d.code).collect();
    Read {
        rows: sink.rows,
        codes,
        result,
    }
}

/// The row's `fields` as JSON.
pub fn fields(row: &Row) -> Value {
    serde_json::from_str(if row.fields.is_empty() { "{}" } else { &row.fields }).unwrap()
}

/// One value of `fields` as text.
pub fn field(row: &Row, name: &str) -> String {
    match &fields(row)[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Read {
    /// Rows of a kind.
    pub fn kind(&self, kind: &'static str) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.kind == kind)
    }

    /// The only row of a kind.
    pub fn only(&self, kind: &'static str) -> &Row {
        let all: Vec<_> = self.kind(kind).collect();
        assert_eq!(
            all.len(),
            1,
            "{kind}: {:#?}",
            all.iter().map(|r| &r.message).collect::<Vec<_>>()
        );
        all[0]
    }

    /// The value of a setting, empty if it was not read.
    pub fn config(&self, name: &str) -> String {
        self.kind("config")
            .find(|row| field(row, "name") == name)
            .map_or(String::new(), |row| field(row, "value"))
    }

    /// The section of a dsregcmd run.
    pub fn section(&self, name: &str) -> &Row {
        self.kind("dsregcmd.section")
            .find(|row| field(row, "section") == name)
            .unwrap()
    }
}

/// The row's time in RFC 3339, to the second.
pub fn at(row: &Row) -> String {
    row.ts_ns.map_or(String::new(), |ts| {
        casetrace_model::time::to_rfc3339(ts)[..19].to_owned()
    })
}

/// A column as text.
pub fn column(row: &Row, name: &str) -> String {
    let mut found = String::new();
    row.for_each(|column, value| {
        if column == name {
            found = match value {
                Cell::Null => String::new(),
                Cell::Str(text) => text.to_owned(),
                Cell::U64(number) => number.to_string(),
                Cell::I64(number) | Cell::TimeNs(number) => number.to_string(),
            };
        }
    });
    found
}

/// UTF-16LE with mark and CR LF, as PowerShell 5 redirects.
pub fn wide(text: &str) -> Vec<u8> {
    let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Code page 932 with CR LF, as Add-Content writes on a Japanese system.
pub fn cp932(text: &str) -> Vec<u8> {
    encoding_rs::SHIFT_JIS
        .encode(&text.replace('\n', "\r\n"))
        .0
        .into_owned()
}
