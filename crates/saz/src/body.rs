//! A bounded look at a body: chunking and compression undone for its first 64 KiB.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

const MAX_SAMPLE: usize = 64 << 10;
/// Compressed bytes that are looked at for the sample.
const MAX_RAW: usize = 256 << 10;

/// How a body was put on the wire.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    pub(crate) chunked: bool,
    /// Lower-case `Content-Encoding`.
    pub(crate) encoding: String,
}

/// The start of a body, and its size as recorded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body {
    pub(crate) sample: Vec<u8>,
    pub(crate) total: u64,
    /// The content encoding could not be undone; the sample is empty.
    pub(crate) opaque: bool,
}

impl Body {
    pub(crate) fn from_wire(raw: &[u8], framing: &Framing) -> Self {
        let total = raw.len() as u64;
        let raw = raw.get(..raw.len().min(MAX_RAW)).unwrap_or_default();
        // Fiddler may have removed chunking without the header; then the bytes do not parse as chunks.
        let plain = if framing.chunked {
            unchunk(raw).unwrap_or_else(|| raw.to_vec())
        } else {
            raw.to_vec()
        };
        Self::decoded(&plain, &framing.encoding, total)
    }

    /// A body that comes without transfer framing.
    pub(crate) fn decoded(bytes: &[u8], encoding: &str, total: u64) -> Self {
        let sample = match encoding {
            "gzip" | "x-gzip" => inflate(MultiGzDecoder::new(bytes)),
            "deflate" => Some(inflate(ZlibDecoder::new(bytes)).unwrap_or_default())
                .filter(|out| !out.is_empty())
                .or_else(|| inflate(DeflateDecoder::new(bytes))),
            "br" | "zstd" | "compress" => None,
            _ => Some(
                bytes
                    .get(..bytes.len().min(MAX_SAMPLE))
                    .unwrap_or_default()
                    .to_vec(),
            ),
        };
        // Fiddler may also have decoded the body and left the header.
        let looks_plain = bytes.first().is_some_and(|b| matches!(b, b'{' | b'[' | b'<'));
        match sample {
            Some(sample) => Self {
                sample,
                total,
                opaque: false,
            },
            None if looks_plain => Self {
                sample: bytes
                    .get(..bytes.len().min(MAX_SAMPLE))
                    .unwrap_or_default()
                    .to_vec(),
                total,
                opaque: false,
            },
            None => Self {
                sample: Vec::new(),
                total,
                opaque: total > 0,
            },
        }
    }

    /// `json`, `xml`, `html`, `text`, `binary` or `empty`, by content.
    pub(crate) fn kind(&self) -> &'static str {
        if self.opaque {
            return "binary";
        }
        let text = self.sample.trim_ascii_start();
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        if self.total == 0 || text.is_empty() {
            return "empty";
        }
        let head = text
            .get(..text.len().min(1024))
            .unwrap_or_default()
            .to_ascii_lowercase();
        let has = |needle: &[u8]| head.windows(needle.len()).any(|w| w == needle);
        match text.first() {
            Some(b'{') => "json",
            Some(b'[') if has(b"\"") || text.len() < 3 => "json",
            Some(b'<') if has(b"<html") || has(b"<!doctype html") || has(b"<head") || has(b"<body") => "html",
            Some(b'<') => "xml",
            _ if text
                .iter()
                .take(1024)
                .filter(|b| matches!(b, 0..=8 | 14..=31))
                .count()
                > 4 =>
            {
                "binary"
            }
            _ => "text",
        }
    }
}

/// What comes out before the limit or the damage; `None` if nothing does.
fn inflate(decoder: impl Read) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    // A cut stream ends in an error after giving its good part.
    let _ = decoder.take(MAX_SAMPLE as u64).read_to_end(&mut out);
    (!out.is_empty()).then_some(out)
}

/// Joins chunks, up to the first damage; `None` if the bytes do not start with a chunk.
fn unchunk(raw: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = raw;
    loop {
        let end = rest.iter().take(64).position(|b| *b == b'\n');
        let size = end
            .and_then(|end| std::str::from_utf8(rest.get(..end)?).ok())
            .and_then(|line| {
                usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16).ok()
            });
        let (Some(end), Some(size)) = (end, size) else {
            return (!out.is_empty()).then_some(out);
        };
        if size == 0 {
            return Some(out);
        }
        let data = rest.get(end + 1..).unwrap_or_default();
        out.extend_from_slice(data.get(..size.min(data.len())).unwrap_or_default());
        rest = data.get(size.saturating_add(2)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::io::Write;

    use super::*;

    #[test]
    fn chunked_gzip_is_undone_and_bounded() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(br#"{"error":"x"}"#).unwrap();
        encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
        let gzip = encoder.finish().unwrap();
        let mut wire = Vec::new();
        for chunk in gzip.chunks(100) {
            wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        let framing = Framing {
            chunked: true,
            encoding: "gzip".into(),
        };
        let body = Body::from_wire(&wire, &framing);
        assert_eq!((body.kind(), body.sample.len()), ("json", MAX_SAMPLE));
        let cut = Body::from_wire(&wire[..60], &framing);
        assert_eq!(cut.kind(), "json");
        assert_eq!(Body::from_wire(b"plain text", &framing).kind(), "binary");
    }

    #[test]
    fn kinds_come_from_content() {
        for (bytes, kind) in [
            ("{\"a\":1}", "json"),
            ("<!DOCTYPE html><html>", "html"),
            ("<?xml version=\"1.0\"?><s:Envelope/>", "xml"),
            ("hello", "text"),
            ("", "empty"),
            ("\u{0}\u{1}\u{2}\u{3}\u{4}\u{5}", "binary"),
        ] {
            assert_eq!(
                Body::from_wire(bytes.as_bytes(), &Framing::default()).kind(),
                kind,
                "{bytes}"
            );
        }
    }
}
