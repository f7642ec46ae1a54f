//! Reads one file: sniff, choose a format, run its reader, say what was met.

use std::io::{self, Cursor, Read};

use casetrace_model::{Diagnostic, JsonObject, Row, Sink, Source};

use crate::blocks::drive;
use crate::encoding::Seen;
use crate::format::{Format, Head, Reader, choose};
use crate::lines::{Lines, Utf8};
use crate::output::Output;
use crate::{Options, TextResult};

/// Bytes that detection looks at.
const HEAD: u64 = 64 << 10;

/// Reads `input` to its end.
///
/// Shape: rows in file order with `record` = first line of the fact. Errors: none; an input that can't be read
/// further ends in a `TextReadFailed` diagnostic. Memory is bounded by the line limit plus what one block
/// (a dsregcmd run, an HTTP exchange, a JSON record) holds.
pub fn decode(input: &mut dyn Read, options: &Options, sink: &mut dyn Sink) -> TextResult {
    let mut head = Vec::new();
    let failed = input.take(HEAD).read_to_end(&mut head).err();
    let known = Head::new(&head, &options.name);
    let format = choose(&known);
    drop(known);
    let mut out = Output::new(sink, options, format.name());
    if let Some(error) = failed {
        out.diagnostic(read_failed(&error, head.len() as u64));
    }
    let mut all = Cursor::new(head).chain(input);
    let (encoding, lines) = match format.0.reader {
        Reader::Binary => binary(&mut all, &mut out),
        Reader::Stream(read) => {
            let mut text = Utf8::new(&mut all);
            read(&mut text, &mut out);
            drain(&mut text);
            close(
                &mut out,
                text.pieces.seen,
                text.pieces.error.take(),
                text.pieces.offset(),
            );
            (text.pieces.seen.name(), text.lines())
        }
        _ => {
            let mut lines = Lines::new(&mut all, options.limits.max_line_bytes);
            drive(&mut lines, format.0, &mut out);
            close(
                &mut out,
                lines.pieces.seen,
                lines.pieces.error.take(),
                lines.pieces.offset(),
            );
            (lines.pieces.seen.name(), lines.count())
        }
    };
    finish(out, format, encoding, lines)
}

fn finish(mut out: Output<'_>, format: Format, encoding: &'static str, lines: u64) -> TextResult {
    if out.rows == 0 && lines > 0 {
        out.encoding = encoding;
        unread_row(format.name(), lines, &mut out);
    }
    let container = &mut out.inspection.container;
    container.insert("format", format.name().into());
    container.insert("encoding", encoding.into());
    container.insert("lines", lines.into());
    out.inspection.records = lines;
    let hinted = out.hinted;
    TextResult {
        inspection: out.finish(),
        hinted,
        format,
        encoding,
        lines,
    }
}

/// Reads what a stream reader left, so that lines are counted to the end.
fn drain(text: &mut Utf8<'_>) {
    use std::io::BufRead;
    while let Ok(ready) = text.fill_buf()
        && !ready.is_empty()
    {
        let n = ready.len();
        text.consume(n);
    }
}

/// Remarks on encodings and on an input that broke off.
fn close(out: &mut Output<'_>, seen: Seen, error: Option<io::Error>, offset: u64) {
    if seen.is_mixed() {
        out.diagnostic(Diagnostic::new(
            casetrace_model::Severity::Info,
            "TextMixedEncodings",
            "Lines of this file are in different encodings; each was read in its own.",
        ));
    }
    if seen.malformed {
        out.diagnostic(Diagnostic::warning(
            "TextMalformed",
            "Some characters are not valid in the file's encoding and were replaced.",
        ));
    }
    if let Some(error) = error {
        out.diagnostic(read_failed(&error, offset));
    }
    out.progress(offset);
}

fn read_failed(error: &io::Error, offset: u64) -> Diagnostic {
    let message = format!("Reading stopped ({}); what follows is missing.", error.kind());
    Diagnostic::error("TextReadFailed", message).at(offset)
}

/// Counts the bytes of a file that is no text and says so in one row.
fn binary(input: &mut dyn Read, out: &mut Output<'_>) -> (&'static str, u64) {
    let (bytes, failed) = match io::copy(input, &mut io::sink()) {
        Ok(bytes) => (bytes, None),
        Err(error) => (0, Some(error)),
    };
    out.diagnostic(failed.map_or_else(
        || {
            let message = "The file is not text and no reader knows it; it is inventoried only.";
            Diagnostic::warning("TextBinary", message).at(0).lost(bytes)
        },
        |error| read_failed(&error, 0),
    ));
    crate::formats::unknown::binary_row(bytes, out);
    ("binary", 0)
}

/// A file that looked like a format but held nothing of it is still inventoried.
fn unread_row(format: &str, lines: u64, out: &mut Output<'_>) {
    let mut row = Row::new(Source::Text, "text.unknown", 1);
    row.message = format!("Text that looks like {format} but holds no such record, {lines} lines");
    let encoding = out.encoding;
    row.fields = JsonObject::new()
        .num("lines", lines)
        .str("encoding", encoding)
        .str("format", format)
        .finish();
    out.row(row);
}
