//! The portal's CSV: quoted fields may hold line ends, headers repeat and end in blanks.

use std::io::BufRead;

use casetrace_model::Diagnostic;

use super::columns;
use super::rows::{self, SignIn};
use crate::format::{Head, score};
use crate::lines::Utf8;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    let Some(first) = head.first(1).next() else {
        return score::NO;
    };
    let known = first
        .split([',', ';', '\t'])
        .filter(|cell| columns::name(cell.trim_matches('"')).is_some())
        .count();
    let hint = if head.named("signin") { score::NAME / 2 } else { 0 };
    match known {
        8.. => score::CERTAIN + hint,
        4.. => score::LIKELY + hint,
        _ => score::NO,
    }
}

/// Bytes of one record; a quote that never closes must not swallow the file.
const RECORD_LIMIT: usize = 1 << 20;

pub(crate) fn read(text: &mut Utf8<'_>, out: &mut Output<'_>) {
    let mut parser = Parser::default();
    let mut names: Vec<String> = Vec::new();
    let mut first_line = 1;
    let mut line = 1;
    while let Ok(block) = text.fill_buf()
        && !block.is_empty()
    {
        let length = block.len();
        for byte in block.iter().copied() {
            line += u64::from(byte == b'\n');
            if parser.take(byte) {
                let fields = parser.finish();
                deliver(&mut names, fields, first_line, &mut parser, out);
                first_line = line;
            } else if parser.size() > RECORD_LIMIT {
                let message =
                    format!("The record from line {first_line} has no end within the limit; it was dropped.");
                out.diagnostic(
                    Diagnostic::warning("SigninRecordTooLong", message).lost(parser.size() as u64),
                );
                parser.reset();
            }
        }
        text.consume(length);
    }
    if parser.size() > 0 {
        let fields = parser.finish();
        deliver(&mut names, fields, first_line, &mut parser, out);
    }
    if names.is_empty() {
        out.diagnostic(Diagnostic::warning(
            "SigninNoHeader",
            "The export has no header line; nothing could be read.",
        ));
    }
}

/// The first record names the columns, the others are sign-ins.
fn deliver(
    names: &mut Vec<String>,
    fields: Vec<String>,
    line: u64,
    parser: &mut Parser,
    out: &mut Output<'_>,
) {
    if fields.iter().all(|field| field.trim().is_empty()) {
        return;
    }
    if !names.is_empty() {
        let values = names
            .iter()
            .cloned()
            .zip(fields.into_iter().map(|value| value.trim().to_owned()));
        return SignIn {
            values: values.collect(),
        }
        .emit(line, out);
    }
    let mut headers = fields;
    if let [only] = headers.as_slice()
        && let Some(separator) = [b';', b'\t']
            .into_iter()
            .find(|separator| only.contains(char::from(*separator)))
    {
        parser.separator = separator;
        headers = only
            .split(char::from(separator))
            .map(|cell| cell.trim_matches('"').to_owned())
            .collect();
    }
    *names = rows::names(&headers);
    out.config(
        line,
        "signin_export",
        &headers.len().to_string(),
        &[("columns", &headers.join(","))],
    );
}

struct Parser {
    separator: u8,
    record: Vec<u8>,
    fields: Vec<Vec<u8>>,
    /// Bytes in `fields`.
    held: usize,
    quoted: bool,
    after_quote: bool,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            separator: b',',
            record: Vec::new(),
            fields: Vec::new(),
            held: 0,
            quoted: false,
            after_quote: false,
        }
    }
}

impl Parser {
    /// Takes a byte; true at the end of a record.
    fn take(&mut self, byte: u8) -> bool {
        if self.quoted {
            match (byte, self.after_quote) {
                (b'"', true) => {
                    self.record.push(b'"');
                    self.after_quote = false;
                    return false;
                }
                (b'"', false) => {
                    self.after_quote = true;
                    return false;
                }
                (_, false) => {
                    self.record.push(byte);
                    return false;
                }
                (_, true) => {
                    self.quoted = false;
                    self.after_quote = false;
                }
            }
        }
        match byte {
            b'"' if self.record.is_empty() => self.quoted = true,
            b'\n' => return self.size() > 0,
            b'\r' => {}
            byte if byte == self.separator => {
                // An empty field costs memory too.
                self.held += self.record.len() + size_of::<Vec<u8>>();
                self.fields.push(std::mem::take(&mut self.record));
            }
            byte => self.record.push(byte),
        }
        false
    }

    fn size(&self) -> usize {
        self.record.len() + self.held
    }

    fn reset(&mut self) {
        self.record.clear();
        self.fields.clear();
        self.held = 0;
        (self.quoted, self.after_quote) = (false, false);
    }

    fn finish(&mut self) -> Vec<String> {
        self.fields.push(std::mem::take(&mut self.record));
        let fields = std::mem::take(&mut self.fields);
        self.reset();
        fields
            .into_iter()
            .map(|field| String::from_utf8_lossy(&field).into_owned())
            .collect()
    }
}
