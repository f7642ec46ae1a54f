//! Bodies: where they end, and their first bytes.
//!
//! Source: RFC 9112 section 6 and 7. Bodies are walked over; the first 8 KiB as sent are kept to see what they are
//! (decompressed up to 32 KiB).

use std::borrow::Cow;
use std::io::Read;

use super::inflate::Inflater;

/// Bytes of a body that are kept as sent.
const MAX_SAMPLE: usize = 8 << 10;
/// Bytes of the sample after decompression.
pub(super) const MAX_INFLATED: usize = 32 << 10;
/// A chunk-size line, extensions included.
const MAX_LINE: usize = 1024;

/// Where in its body a message is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Body {
    /// No body (left).
    #[default]
    None,
    /// So many bytes to come.
    Length(u64),
    /// Everything until the connection ends.
    UntilClose,
    /// In the line before a chunk.
    ChunkSize(Vec<u8>),
    /// In a chunk, its CRLF included.
    Chunk(u64),
    /// Behind the last chunk, in trailer lines.
    Trailer(Vec<u8>),
}

impl Body {
    pub(crate) fn chunked() -> Self {
        Self::ChunkSize(Vec::new())
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }

    /// Takes bytes of the body; returns how many belong to it. Content goes to `sample`.
    pub(crate) fn take(&mut self, data: &[u8], sample: &mut Sample) -> usize {
        let mut used = 0;
        while used < data.len() && !self.is_over() {
            let rest = data.get(used..).unwrap_or_default();
            used += self.step(rest, sample);
        }
        used
    }

    fn step(&mut self, rest: &[u8], sample: &mut Sample) -> usize {
        match self {
            Self::None => 0,
            Self::UntilClose => {
                sample.add(rest);
                rest.len()
            }
            Self::Length(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                sample.add(rest.get(..n).unwrap_or_default());
                *left -= n as u64;
                n
            }
            Self::Chunk(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                // The last two bytes are the CRLF behind the chunk.
                let content = usize::try_from(left.saturating_sub(2))
                    .unwrap_or(usize::MAX)
                    .min(n);
                sample.add(rest.get(..content).unwrap_or_default());
                *left -= n as u64;
                if *left == 0 {
                    *self = Self::chunked();
                }
                n
            }
            // Nearly all lines before a chunk lie in one segment and need no copy.
            Self::ChunkSize(line) if line.is_empty() => match memchr::memchr(b'\n', rest) {
                Some(end) if end <= MAX_LINE => {
                    let line = rest.get(..end).unwrap_or_default();
                    *self = chunk(line.strip_suffix(b"\r").unwrap_or(line));
                    end + 1
                }
                _ => self.size_line(rest),
            },
            Self::ChunkSize(_) => self.size_line(rest),
            Self::Trailer(line) => {
                let (n, whole) = take_line(line, rest);
                if whole && line.is_empty() || line.len() > MAX_LINE {
                    *self = Self::None;
                } else if whole {
                    line.clear();
                }
                n
            }
        }
    }

    /// Takes bytes of the line before a chunk, which lies in several segments.
    fn size_line(&mut self, rest: &[u8]) -> usize {
        let Self::ChunkSize(line) = self else { return 0 };
        match take_line(line, rest) {
            (n, false) => {
                if line.len() > MAX_LINE {
                    *self = Self::UntilClose;
                }
                n
            }
            (n, true) => {
                *self = chunk(line);
                n
            }
        }
    }
}

/// Moves bytes up to and with the line feed into `line` (without the line end).
fn take_line(line: &mut Vec<u8>, rest: &[u8]) -> (usize, bool) {
    let Some(end) = memchr::memchr(b'\n', rest) else {
        line.extend_from_slice(rest.get(..MAX_LINE + 1).unwrap_or(rest));
        return (rest.len(), false);
    };
    line.extend_from_slice(rest.get(..end).unwrap_or_default());
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    (end + 1, true)
}

fn chunk(line: &[u8]) -> Body {
    let line = line.trim_ascii_start();
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let text = std::str::from_utf8(line.get(..digits).unwrap_or_default());
    match u64::from_str_radix(text.unwrap_or_default(), 16) {
        Ok(0) => Body::Trailer(Vec::new()),
        Ok(size) => Body::Chunk(size.saturating_add(2)),
        // Not a chunk after all; what follows can't be framed.
        Err(_) => Body::UntilClose,
    }
}

/// The first bytes of a body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    bytes: Vec<u8>,
    pub(crate) total: u64,
    limit: usize,
}

impl Sample {
    /// A sample that keeps as much as a body of this media type deserves.
    pub(crate) fn new(generous: bool, media_type: Option<&str>) -> Self {
        let picture = |t: &str| {
            ["image/", "video/", "audio/", "font/"]
                .iter()
                .any(|p| t.starts_with(p))
        };
        let limit = match media_type {
            _ if generous => 8 * MAX_SAMPLE,
            Some(found) if picture(found) => 512,
            _ => MAX_SAMPLE,
        };
        Self {
            limit,
            ..Self::default()
        }
    }

    /// The same in memory that was used before.
    pub(crate) fn within(mut self, memory: Vec<u8>) -> Self {
        self.bytes = memory;
        self
    }

    /// Its memory, emptied.
    pub(crate) fn into_memory(mut self) -> Vec<u8> {
        self.bytes.clear();
        self.bytes
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.limit.saturating_sub(self.bytes.len());
        if self.bytes.capacity() == 0 && room > 0 {
            // Most bodies that do not fit one segment fill the sample.
            self.bytes.reserve_exact(if bytes.len() >= 1024 {
                self.limit.min(2 * MAX_SAMPLE)
            } else {
                bytes.len()
            });
        }
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    pub(crate) fn is_full(&self) -> bool {
        self.limit <= MAX_SAMPLE && self.bytes.len() >= self.limit
    }

    pub(crate) fn raw(&self) -> &[u8] {
        &self.bytes
    }

    /// The sample with its content encoding undone, as far as it goes.
    pub(crate) fn decoded<'a>(&'a self, coding: Coding, inflater: &'a mut Inflater) -> Cow<'a, [u8]> {
        match coding {
            Coding::Gzip => inflater.gzip(self.raw()).into(),
            Coding::Deflate => {
                // Sent with the zlib frame by the book, without it by habit.
                let zlib = inflate(flate2::read::ZlibDecoder::new(self.raw()));
                if zlib.is_empty() {
                    inflate(flate2::read::DeflateDecoder::new(self.raw())).into()
                } else {
                    zlib.into()
                }
            }
            Coding::Plain | Coding::Other => Cow::Borrowed(&self.bytes),
        }
    }
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain,
    Gzip,
    Deflate,
    /// In a way that can't be undone here (br, zstd), or in several.
    Other,
}

impl Coding {
    /// By the value of `Content-Encoding`.
    pub(crate) fn of(encoding: Option<&str>) -> Self {
        let Some(encoding) = encoding else {
            return Self::Plain;
        };
        let is = |name: &str| encoding.eq_ignore_ascii_case(name);
        match () {
            () if is("gzip") || is("x-gzip") => Self::Gzip,
            () if is("deflate") => Self::Deflate,
            () if is("identity") => Self::Plain,
            () => Self::Other,
        }
    }
}

/// What comes out before the cut end of the input makes the decoder fail.
fn inflate(reader: impl Read) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader = reader.take(MAX_INFLATED as u64);
    let mut piece = [0_u8; 2048];
    while let Ok(n @ 1..) = reader.read(&mut piece) {
        out.extend_from_slice(piece.get(..n).unwrap_or_default());
    }
    out
}

/// What a body looks like: `json`, `xml`, `html`, `text`, `empty` or `binary`.
pub(crate) fn kind_of(bytes: &[u8]) -> &'static str {
    let text = bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(bytes)
        .trim_ascii_start();
    let begins = |with: &str| {
        text.get(..with.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()))
    };
    if text.is_empty() {
        return "empty";
    }
    if begins("<!doctype html") || begins("<html") || begins("<head") || begins("<body") || begins("<script")
    {
        return "html";
    }
    // Pages often start with a comment or an XML declaration before <html>.
    if begins("<!--") || begins("<?xml") || begins("<!doctype") {
        let head = text.get(..1024).unwrap_or(text).to_ascii_lowercase();
        if memchr::memmem::find(&head, b"<html").is_some() {
            return "html";
        }
    }
    if text.first() == Some(&b'<') {
        return "xml";
    }
    if matches!(text.first(), Some(b'{' | b'[')) {
        return "json";
    }
    // All bytes, many at a time.
    let start = bytes.get(..512).unwrap_or(bytes);
    let odd = start.iter().fold(false, |odd, b| {
        odd | ((*b < 0x20) & !((*b == b'\t') | (*b == b'\n') | (*b == b'\r') | (*b == 0x0c)))
    });
    if odd { "binary" } else { "text" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_however_they_are_cut() {
        let wire = b"4;x=y\r\nWiki\r\n6\r\npedia \r\n0\r\nTrailer: x\r\n\r\nHTTP/1.1";
        for cut in 1..wire.len() {
            let (mut body, mut sample, mut left) = (Body::chunked(), Sample::new(false, None), Vec::new());
            for piece in wire.chunks(cut) {
                let used = body.take(piece, &mut sample);
                left.extend_from_slice(&piece[used..]);
            }
            assert_eq!(sample.raw(), b"Wikipedia ", "cut {cut}");
            assert_eq!(left, b"HTTP/1.1", "cut {cut}");
        }
    }

    #[test]
    fn nonsense_sizes_do_not_overflow() {
        let mut body = Body::chunked();
        let mut sample = Sample::default();
        assert_eq!(body.take(b"ffffffffffffffff\r\nabc", &mut sample), 21);
        let mut body = Body::chunked();
        assert_eq!(body.take(b"zz\r\nabc", &mut sample), 7);
        assert_eq!(body, Body::UntilClose);
    }

    #[test]
    fn bodies_are_told_by_their_start() {
        let cases: [(&[u8], &str); 8] = [
            (b" {\"a\":1}", "json"),
            (b"<?xml version=\"1.0\"?><s:Envelope>", "xml"),
            (b"<!DOCTYPE html><html>", "html"),
            (b"<!-- c --><HTML>", "html"),
            (b"", "empty"),
            (b"hello", "text"),
            (b"\x00\x01", "binary"),
            (b"\xef\xbb\xbf<html>", "html"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(kind_of(bytes), expected, "{bytes:?}");
        }
    }
}
