//! JSON exports: an array, an object with a `value` array, or one object a line; each record is parsed alone, so a
//! file of any size is read in the memory of its largest record.

use std::io::BufRead;

use casetrace_model::Diagnostic;
use serde_json::Value;

use super::rows::SignIn;
use crate::format::{Head, score};
use crate::lines::Utf8;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    let start = head.start(1);
    if start != "{" && start != "[" {
        return score::NO;
    }
    let names = [
        "\"createdDateTime\"",
        "\"userPrincipalName\"",
        "\"correlationId\"",
        "\"appDisplayName\"",
        "\"ResultType\"",
        "\"SignInLogs\"",
        "\"conditionalAccessStatus\"",
    ];
    match names.iter().filter(|name| head.text.contains(**name)).count() {
        3.. => score::CERTAIN,
        2 => score::LIKELY,
        _ => score::NO,
    }
}

/// Bytes of one record.
const RECORD_LIMIT: usize = 4 << 20;

pub(crate) fn read(text: &mut Utf8<'_>, out: &mut Output<'_>) {
    let mut cutter = Cutter::default();
    let mut records = 0;
    while let Ok(block) = text.fill_buf()
        && !block.is_empty()
    {
        let length = block.len();
        for byte in block.iter().copied() {
            let Some(line) = cutter.take(byte) else { continue };
            let record = std::mem::take(&mut cutter.record);
            let Ok(value) = serde_json::from_slice::<Value>(&record) else {
                out.diagnostic(
                    Diagnostic::warning(
                        "SigninRecordInvalid",
                        format!("The record from line {line} is not valid JSON; it was left out."),
                    )
                    .lost(record.len() as u64),
                );
                continue;
            };
            records += 1;
            emit(&value, line, out);
        }
        text.consume(length);
    }
    if cutter.depth > 0 || cutter.overflow > 0 {
        out.diagnostic(
            Diagnostic::warning(
                "SigninTruncated",
                "The export ends in the middle of a record or one exceeds the limit; that record is missing.",
            )
            .lost(cutter.record.len() as u64 + cutter.overflow),
        );
    }
    if records == 0 {
        out.diagnostic(Diagnostic::warning(
            "SigninEmpty",
            "No sign-in record was found in the export.",
        ));
    }
}

/// Finds the objects that are records: those directly in an array, or at the top.
#[derive(Default)]
struct Cutter {
    /// What is open around the record: `[` and wrapper objects.
    outer: Vec<u8>,
    /// Nesting inside the record; 0 outside.
    depth: usize,
    record: Vec<u8>,
    in_text: bool,
    escaped: bool,
    line: u64,
    first: u64,
    /// Bytes dropped of a record beyond the limit.
    overflow: u64,
}

impl Cutter {
    /// Takes a byte; the first line of a record when it is complete.
    fn take(&mut self, byte: u8) -> Option<u64> {
        self.line += u64::from(byte == b'\n');
        if self.depth == 0 {
            self.outside(byte);
            return None;
        }
        if self.record.len() < RECORD_LIMIT {
            self.record.push(byte);
        } else {
            self.overflow += 1;
        }
        if self.in_text {
            let closes = byte == b'"' && !self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            self.in_text = !closes;
            return None;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        // A wrapper object announces its records with a "value" or "records" array.
        if byte == b'[' && self.depth == 2 && wraps(&self.record) {
            self.record.clear();
            self.depth = 0;
            self.outer.extend_from_slice(b"{[");
            return None;
        }
        (self.depth == 0).then_some(self.first)
    }

    fn outside(&mut self, byte: u8) {
        match byte {
            b'{' => {
                self.depth = 1;
                self.first = self.line + 1;
                self.record.clear();
                self.record.push(byte);
            }
            b'[' if self.outer.len() < 8 => self.outer.push(byte),
            b']' | b'}' => drop(self.outer.pop()),
            _ => {}
        }
    }
}

/// True for `{ …"value": [` and the like, before any sign-in member.
fn wraps(record: &[u8]) -> bool {
    let text = String::from_utf8_lossy(record.get(record.len().saturating_sub(40)..).unwrap_or_default())
        .replace(char::is_whitespace, "");
    text.ends_with("\"value\":[") || text.ends_with("\"records\":[") || text.ends_with("\"signIns\":[")
}

/// Flattens one record into named values and writes it.
fn emit(value: &Value, line: u64, out: &mut Output<'_>) {
    let Value::Object(members) = value else { return };
    let mut row = SignIn::default();
    for (name, value) in members {
        if name == "properties"
            && let Value::Object(inner) = value
        {
            for (name, value) in inner {
                flatten(name, value, 0, &mut row);
            }
        } else {
            flatten(name, value, 0, &mut row);
        }
    }
    row.emit(line, out);
}

fn flatten(path: &str, value: &Value, depth: usize, row: &mut SignIn) {
    match value {
        Value::Null => {}
        Value::String(text) => row.push(path, text),
        Value::Object(members) if depth < 3 => {
            for (name, value) in members {
                flatten(&format!("{path}.{name}"), value, depth + 1, row);
            }
        }
        other => row.push(path, &other.to_string()),
    }
}
