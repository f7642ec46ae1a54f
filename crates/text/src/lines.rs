//! Text lines of any encoding out of a byte stream, in bounded memory.
//!
//! [`Pieces`] cuts the stream at line ends and hands out decoded pieces of at most one block; [`Lines`] joins
//! them to lines and drops what goes beyond the line limit; [`Utf8`] hands the pieces on as one UTF-8 stream
//! for JSON and XML, whose lines may be as long as the file.

use std::io::{self, BufRead, Read};

use encoding_rs::{Decoder, Encoding, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::encoding::{Seen, Unit, code_page, decode_console, is_console, mark, unit_at};

/// Bytes read at a time, and the longest piece.
const BLOCK: usize = 64 << 10;

/// How a piece ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With a line end, or the end of the file.
    Line,
    /// In the middle of a line.
    Part,
    /// There was nothing left.
    Eof,
}

/// Decoded pieces of lines.
pub(crate) struct Pieces<'r> {
    input: &'r mut dyn Read,
    window: Vec<u8>,
    start: usize,
    base: u64,
    eof: bool,
    unit: Unit,
    page: Option<&'static Encoding>,
    decoder: Option<Decoder>,
    /// What was met so far.
    pub(crate) seen: Seen,
    /// The error that ended reading.
    pub(crate) error: Option<io::Error>,
}

impl<'r> Pieces<'r> {
    pub(crate) fn new(input: &'r mut dyn Read) -> Self {
        Self {
            input,
            window: Vec::with_capacity(2 * BLOCK),
            start: 0,
            base: 0,
            eof: false,
            unit: Unit::Byte,
            page: None,
            decoder: None,
            seen: Seen::default(),
            error: None,
        }
    }

    /// Offset of the next byte to be decoded.
    pub(crate) fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Appends the next piece, without its line end, to `out`.
    pub(crate) fn next(&mut self, out: &mut String) -> End {
        if self.decoder.is_none() {
            self.fill_to(BLOCK.min(4096));
            self.begin_line();
            if self.rest().is_empty() {
                return End::Eof;
            }
        }
        loop {
            if let Some(end) = self.line_end() {
                self.take(end, true, out);
                return End::Line;
            }
            if self.eof {
                let end = self.rest().len();
                self.take(end, true, out);
                return if end == 0 { End::Eof } else { End::Line };
            }
            let have = self.rest().len();
            if have >= BLOCK {
                self.take(have & !1, false, out);
                return End::Part;
            }
            self.fill_to(have + 1);
        }
    }

    fn rest(&self) -> &[u8] {
        self.window.get(self.start..).unwrap_or_default()
    }

    /// Reads until `want` bytes are there or the input ends.
    fn fill_to(&mut self, want: usize) {
        while self.rest().len() < want && !self.eof {
            self.window.drain(..self.start);
            self.base += self.start as u64;
            self.start = 0;
            let have = self.window.len();
            self.window.resize(have + BLOCK, 0);
            let target = self.window.get_mut(have..).unwrap_or_default();
            let got = match self.input.read(target) {
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.window.truncate(have);
                    continue;
                }
                Err(error) => {
                    self.error = Some(error);
                    0
                }
            };
            self.window.truncate(have + got);
            self.eof = got == 0;
        }
    }

    /// Looks at the unit of the coming line; a mark in the middle of a file is left by appended files.
    fn begin_line(&mut self) {
        if let Some((unit, length)) = mark(self.rest()) {
            self.unit = unit;
            self.start += length;
            self.seen.utf8_mark |= unit == Unit::Byte;
            self.seen.wide_mark |= unit != Unit::Byte;
        } else {
            self.unit = unit_at(self.rest(), self.unit);
        }
    }

    /// Length of the line with its end, if the end is in the window.
    fn line_end(&self) -> Option<usize> {
        let rest = self.rest();
        let wide = |at: &usize| match self.unit {
            Unit::Byte => true,
            Unit::Utf16Le => at.is_multiple_of(2) && rest.get(at + 1) == Some(&0),
            Unit::Utf16Be => at % 2 == 1 && rest.get(at - 1) == Some(&0),
        };
        let at = memchr::memchr_iter(b'\n', rest).find(wide)?;
        Some(if self.unit == Unit::Utf16Le {
            at + 2
        } else {
            at + 1
        })
    }

    /// Decodes `length` bytes into `out`.
    fn take(&mut self, length: usize, last: bool, out: &mut String) {
        let from = self.start;
        self.start += length;
        let raw = self.window.get(from..from + length).unwrap_or_default();
        if last && self.decoder.is_none() && self.unit == Unit::Byte {
            whole_line(raw, &mut self.page, &mut self.seen, out);
        } else {
            let decoder = self.decoder.get_or_insert_with(|| {
                part_encoding(raw, self.unit, self.page, &mut self.seen).new_decoder_without_bom_handling()
            });
            self.seen.malformed |= run_decoder(decoder, raw, last, out);
            if last {
                self.decoder = None;
            }
        }
        if last {
            let text = out.trim_end_matches(['\n', '\r']).len();
            out.truncate(text);
        }
    }
}

/// Decodes a complete line of bytes.
fn whole_line(raw: &[u8], page: &mut Option<&'static Encoding>, seen: &mut Seen, out: &mut String) {
    if let Ok(text) = std::str::from_utf8(raw) {
        let ascii = text.is_ascii();
        seen.utf8 |= !ascii;
        seen.ascii |= ascii && text.len() > 2;
        out.push_str(text);
        return;
    }
    let encoding = code_page(raw, *page);
    *page = Some(encoding);
    if encoding == WINDOWS_1252 && is_console(raw) {
        seen.cp850 = true;
        return decode_console(raw, out);
    }
    seen.cp932 |= encoding == SHIFT_JIS;
    seen.cp1252 |= encoding == WINDOWS_1252;
    out.push_str(&encoding.decode_without_bom_handling(raw).0);
}

/// The encoding to use for a line that is too long to be judged as a whole, or is UTF-16.
fn part_encoding(
    raw: &[u8],
    unit: Unit,
    page: Option<&'static Encoding>,
    seen: &mut Seen,
) -> &'static Encoding {
    match unit {
        Unit::Utf16Le => {
            seen.wide_le = true;
            UTF_16LE
        }
        Unit::Utf16Be => {
            seen.wide_be = true;
            UTF_16BE
        }
        Unit::Byte => {
            let valid = match std::str::from_utf8(raw) {
                Ok(_) => true,
                // A sequence cut by the block's end is no fault.
                Err(error) => error.error_len().is_none(),
            };
            if valid {
                seen.utf8 |= !raw.is_ascii();
                seen.ascii |= raw.is_ascii();
                return UTF_8;
            }
            let encoding = code_page(raw, page);
            seen.cp932 |= encoding == SHIFT_JIS;
            seen.cp1252 |= encoding == WINDOWS_1252;
            encoding
        }
    }
}

fn run_decoder(decoder: &mut Decoder, raw: &[u8], last: bool, out: &mut String) -> bool {
    out.reserve(decoder.max_utf8_buffer_length(raw.len()).unwrap_or(raw.len() * 3));
    let (_, _, malformed) = decoder.decode_to_string(raw, out, last);
    malformed
}

/// One line of text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    /// 1-based.
    pub(crate) number: u64,
    /// Byte offset of its start in the file.
    pub(crate) offset: u64,
    /// Without its end; cut at the line limit.
    pub(crate) text: &'a str,
    /// Bytes that were dropped at the limit.
    pub(crate) cut_bytes: u64,
}

/// Lines with their numbers and offsets.
pub(crate) struct Lines<'r> {
    /// The source of the lines.
    pub(crate) pieces: Pieces<'r>,
    text: String,
    number: u64,
    limit: usize,
}

impl<'r> Lines<'r> {
    /// Lines longer than `limit` bytes of UTF-8 are cut.
    pub(crate) fn new(input: &'r mut dyn Read, limit: usize) -> Self {
        Self {
            pieces: Pieces::new(input),
            text: String::new(),
            number: 0,
            limit: limit.max(256),
        }
    }

    /// Lines read so far.
    pub(crate) fn count(&self) -> u64 {
        self.number
    }

    /// The next line.
    pub(crate) fn next(&mut self) -> Option<Line<'_>> {
        self.text.clear();
        let offset = self.pieces.offset();
        let mut end = self.pieces.next(&mut self.text);
        if end == End::Eof {
            return None;
        }
        let mut cut_bytes = 0;
        while end == End::Part {
            let (from, kept) = (self.pieces.offset(), self.text.len());
            end = self.pieces.next(&mut self.text);
            if kept >= self.limit {
                cut_bytes += self.pieces.offset() - from;
                self.text.truncate(kept);
            }
        }
        if self.text.len() > self.limit {
            let keep = floor_boundary(&self.text, self.limit);
            cut_bytes += (self.text.len() - keep) as u64;
            self.text.truncate(keep);
        }
        self.number += 1;
        Some(Line {
            number: self.number,
            offset,
            text: &self.text,
            cut_bytes,
        })
    }
}

/// The largest char boundary not above `at`.
pub(crate) fn floor_boundary(text: &str, at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// The whole file as one stream of UTF-8.
pub(crate) struct Utf8<'r> {
    /// The source of the text.
    pub(crate) pieces: Pieces<'r>,
    text: String,
    used: usize,
    lines: u64,
}

impl<'r> Utf8<'r> {
    pub(crate) fn new(input: &'r mut dyn Read) -> Self {
        Self {
            pieces: Pieces::new(input),
            text: String::new(),
            used: 0,
            lines: 0,
        }
    }

    /// Lines handed out so far.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }
}

impl Read for Utf8<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let n = ready.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..n), ready.get(..n)) {
            to.copy_from_slice(from);
        }
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Utf8<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.used >= self.text.len() {
            self.text.clear();
            self.used = 0;
            match self.pieces.next(&mut self.text) {
                End::Eof => break,
                End::Line => {
                    self.lines += 1;
                    self.text.push('\n');
                }
                End::Part => {}
            }
        }
        Ok(self.text.as_bytes().get(self.used..).unwrap_or_default())
    }

    fn consume(&mut self, n: usize) {
        self.used = self.used.saturating_add(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8], limit: usize) -> (Vec<(u64, u64, String, u64)>, &'static str) {
        let mut input = bytes;
        let mut lines = Lines::new(&mut input, limit);
        let mut all = Vec::new();
        while let Some(line) = lines.next() {
            all.push((line.number, line.offset, line.text.to_owned(), line.cut_bytes));
        }
        (all, lines.pieces.seen.name())
    }

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn mixed_files_keep_every_line_and_its_offset() {
        let mut bytes = vec![0xff, 0xfe];
        bytes.extend(wide("構成\r\nline two\r\n"));
        let tail = bytes.len() as u64;
        bytes.extend(SHIFT_JIS.encode("追加された行です\r\nplain\r\n").0.as_ref());
        bytes.extend(wide("wide again\r\n"));
        let (all, name) = lines(&bytes, 1000);
        let texts: Vec<_> = all.iter().map(|l| l.2.as_str()).collect();
        assert_eq!(
            texts,
            ["構成", "line two", "追加された行です", "plain", "wide again"]
        );
        assert_eq!(all[2].1, tail);
        assert_eq!(name, "mixed");
    }

    #[test]
    fn long_lines_are_cut_and_counted() {
        let mut bytes = vec![b'a'; 300_000];
        bytes.extend(b"\nnext");
        let (all, name) = lines(&bytes, 1000);
        // The line end is among the bytes not looked at.
        assert_eq!((all[0].2.len(), all[0].3), (1000, 299_001));
        assert_eq!((all[1].0, all[1].1, all[1].2.as_str()), (2, 300_001, "next"));
        assert_eq!(name, "ascii");
    }

    #[test]
    fn a_long_japanese_line_survives_block_ends() {
        for (bytes, name) in [
            (wide(&"漢字".repeat(60_000)), "utf-16le"),
            ("漢字".repeat(60_000).into_bytes(), "utf-8"),
            (
                SHIFT_JIS.encode(&"かな漢字".repeat(30_000)).0.into_owned(),
                "cp932",
            ),
        ] {
            let mut bytes = bytes;
            if name == "utf-16le" {
                bytes.splice(0..0, wide("x\r\n"));
            }
            let (all, seen) = lines(&bytes, 1 << 20);
            let last = &all[all.len() - 1].2;
            assert_eq!(last.chars().count(), 120_000, "{name}");
            assert!(!last.contains('\u{fffd}'));
            assert_eq!(seen, name);
        }
    }

    #[test]
    fn a_stream_gives_the_same_text() {
        let mut input: &[u8] = b"\xef\xbb\xbfa\r\nb";
        let mut out = String::new();
        let mut stream = Utf8::new(&mut input);
        assert!(stream.read_to_string(&mut out).is_ok());
        assert_eq!(out, "a\nb\n");
        assert_eq!(stream.pieces.seen.name(), "utf-8-bom");
    }
}
