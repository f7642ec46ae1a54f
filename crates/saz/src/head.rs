//! HTTP/1 heads as recorded, through `httparse` with its tolerant settings.
//!
//! Fiddler writes what was on the wire, so odd header names and missing reasons occur; HTTP/2 sessions are written
//! with version `HTTP/2` in a head of the same shape.

use crate::body::{Body, Framing};
use crate::exchange::Message;

const MAX_HEADERS: usize = 256;

/// Reads a head and looks at the body behind it; `None` if it is no HTTP.
pub(crate) fn parse(bytes: &[u8], request: bool) -> Option<Message> {
    let mut fields = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
    let (first, rest) = first_line(bytes)?;
    let mut message = if request {
        request_line(first)?
    } else {
        status_line(first)?
    };
    let (headers_len, headers) = match httparse::parse_headers(rest, &mut fields) {
        Ok(httparse::Status::Complete((used, headers))) => (used, headers.iter().map(owned).collect()),
        // Cut, or with lines that are no headers: take what reads as one.
        _ => lenient(rest),
    };
    message.headers = headers;
    let raw = rest.get(headers_len..).unwrap_or_default();
    let framing = Framing {
        chunked: message
            .header("transfer-encoding")
            .is_some_and(|v| v.to_ascii_lowercase().contains("chunked")),
        encoding: message
            .header("content-encoding")
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase(),
    };
    message.body = Body::from_wire(raw, &framing);
    Some(message)
}

fn owned(header: &httparse::Header<'_>) -> (String, String) {
    (
        header.name.to_owned(),
        String::from_utf8_lossy(header.value).into_owned(),
    )
}

fn first_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().take(64 << 10).position(|b| *b == b'\n')?;
    let line = std::str::from_utf8(bytes.get(..end)?).ok()?;
    Some((line.trim_end_matches('\r'), bytes.get(end + 1..)?))
}

fn request_line(line: &str) -> Option<Message> {
    let (method, rest) = line.split_once(' ')?;
    let (target, version) = rest.rsplit_once(' ').unwrap_or((rest, ""));
    let token = !method.is_empty()
        && method.len() <= 32
        && method
            .bytes()
            .all(|b| b.is_ascii_alphabetic() || b == b'_' || b == b'-');
    token.then(|| Message {
        method: method.to_ascii_uppercase(),
        target: target.trim().to_owned(),
        version: version.trim_start_matches("HTTP/").to_owned(),
        ..Message::default()
    })
}

fn status_line(line: &str) -> Option<Message> {
    let (version, rest) = line.strip_prefix("HTTP/")?.split_once(' ')?;
    let (status, reason) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
    Some(Message {
        status: status.trim().parse().ok()?,
        reason: reason.trim().to_owned(),
        version: version.to_owned(),
        ..Message::default()
    })
}

/// `name: value` lines up to the first empty one.
fn lenient(bytes: &[u8]) -> (usize, Vec<(String, String)>) {
    let mut headers = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len() - 1);
        at += end + 1;
        let line = String::from_utf8_lossy(rest.get(..=end).unwrap_or_default());
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && headers.len() < MAX_HEADERS
        {
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    (at, headers)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn heads_are_read_as_recorded() {
        let message = parse(
            b"GET https://a.example/x HTTP/1.1\r\nHost: a.example\r\nX: 1\r\n\r\nbody",
            true,
        )
        .unwrap();
        assert_eq!(
            (message.method.as_str(), message.target.as_str()),
            ("GET", "https://a.example/x")
        );
        assert_eq!(message.header("host"), Some("a.example"));
        let message = parse(b"HTTP/2 403\r\nbad header line\r\nVia: 1.1 proxy\r\n\r\n", false).unwrap();
        assert_eq!((message.status, message.header("via")), (403, Some("1.1 proxy")));
        assert!(parse(b"\x16\x03\x01 binary\n", true).is_none());
        assert!(parse(b"", false).is_none());
    }
}
