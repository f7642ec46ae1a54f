//! Heads of HTTP/1 requests and responses.
//!
//! Source: RFC 9112, parsed by `httparse` with its lenient options, because broken proxies are the point. Heads over
//! 64 KiB or with more than 128 fields are not read.

use casetrace_model::Text;
use httparse::{EMPTY_HEADER, Header, ParserConfig};

/// Longest head.
pub(crate) const MAX_HEAD: usize = 64 << 10;
const MAX_FIELDS: usize = 128;

/// A request's or response's head.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    /// Method of a request.
    pub(crate) method: Option<Text>,
    /// Target of a request as sent.
    pub(crate) target: String,
    /// Status of a response.
    pub(crate) status: u16,
    /// Reason phrase of a response.
    pub(crate) reason: Text,
    /// `HTTP/1.1`.
    pub(crate) version: &'static str,
    /// All names in lower case, bytes outside ASCII as Latin 1.
    names: String,
    values: Values,
    /// Where name and value of each field end; they begin where those of the one before end.
    ends: Vec<(u32, u32)>,
}

/// The bytes of all values of a head.
///
/// Nearly always they are text, which is found out once for all: value by value it takes several times longer.
#[derive(Debug, Clone)]
enum Values {
    /// Text, and whether it is without control characters.
    Text(String, bool),
    Bytes(Vec<u8>),
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Text without control characters.
    Plain(&'a str),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl Default for Values {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl Values {
    fn new(bytes: Vec<u8>) -> Self {
        let plain = !crate::emit::has_control(&bytes);
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text, plain),
            Err(error) => Self::Bytes(error.into_bytes()),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text, _) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    fn get(&self, range: std::ops::Range<usize>) -> Value<'_> {
        let text = match self {
            Self::Text(text, plain) => text.get(range.clone()).map(|text| (text, *plain)),
            Self::Bytes(_) => None,
        };
        match text {
            Some((text, true)) => Value::Plain(text),
            Some((text, false)) => Value::Text(text),
            // Perhaps text all the same, among other values that are none.
            None => Value::Bytes(self.as_bytes().get(range).unwrap_or_default()),
        }
    }
}

impl<'a> Value<'a> {
    pub(crate) fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Plain(text) | Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    fn trimmed(self) -> Option<&'a str> {
        match self {
            Self::Plain(text) | Self::Text(text) => Some(text.trim()),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(str::trim),
        }
    }
}

/// Length of the longest method below.
const MAX_METHOD: usize = 16;

const METHODS: &[&str] = &[
    "GET",
    "POST",
    "PUT",
    "HEAD",
    "DELETE",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
    "MERGE",
    "CHECKOUT",
    "NOTIFY",
    "M-SEARCH",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "BITS_POST",
    "CCM_POST",
    "RPC_CONNECT",
    "RPC_IN_DATA",
    "RPC_OUT_DATA",
    "SSTP_DUPLEX_POST",
    "POLL",
    "BCOPY",
    "BMOVE",
    "BDELETE",
    "BPROPFIND",
    "BPROPPATCH",
    "PURGE",
    "LABEL",
    "ACL",
    "BIND",
    "MKACTIVITY",
    "UPDATE",
];

/// True if `bytes` begin like a request line (or are a piece of one too short to tell apart).
pub(crate) fn starts_request(bytes: &[u8]) -> bool {
    if !bytes.first().is_some_and(u8::is_ascii_uppercase) {
        return false;
    }
    // Longer than any method: bodies and binary data are not searched to their end.
    let front = bytes.get(..MAX_METHOD + 1).unwrap_or(bytes);
    match front.iter().position(|b| *b == b' ') {
        Some(at) => METHODS.iter().any(|m| Some(m.as_bytes()) == front.get(..at)),
        None => front.len() >= 2 && METHODS.iter().any(|m| m.as_bytes().starts_with(front)),
    }
}

/// True if `bytes` begin like a status line.
pub(crate) fn starts_response(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.") || (bytes.len() >= 4 && b"HTTP/1.".starts_with(bytes))
}

/// Length of the head at the start of `bytes`, its empty line included.
///
/// `from` is how far an earlier look got.
pub(crate) fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from.saturating_sub(3);
    while let Some(rest) = bytes.get(at..) {
        let line_end = at + memchr::memchr(b'\n', rest)?;
        match bytes.get(line_end + 1..)? {
            [b'\n', ..] => return Some(line_end + 2),
            [b'\r', b'\n', ..] => return Some(line_end + 3),
            _ => at = line_end + 1,
        }
    }
    None
}

fn config() -> ParserConfig {
    let mut config = ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .ignore_invalid_headers_in_responses(true)
        .ignore_invalid_headers_in_requests(true);
    config
}

/// Reads what there is of a head whose end is missing.
pub(crate) fn parse_cut(bytes: &[u8], is_request: bool) -> Option<Head> {
    fallback(bytes, is_request).filter(|head| {
        if is_request {
            !head.target.is_empty()
        } else {
            head.status >= 100
        }
    })
}

/// Reads a whole head.
pub(crate) fn parse(bytes: &[u8], is_request: bool) -> Option<Head> {
    let mut space = [EMPTY_HEADER; MAX_FIELDS];
    if is_request {
        let mut found = httparse::Request::new(&mut space);
        if config().parse_request(&mut found, bytes).is_err() {
            return fallback(bytes, true);
        }
        let method = Some(Text::new(found.method?));
        let target = String::from(found.path?);
        let head = Head {
            method,
            target,
            version: version(found.version?),
            ..Head::default()
        };
        return Some(with_fields(head, found.headers));
    }
    let mut found = httparse::Response::new(&mut space);
    if config().parse_response(&mut found, bytes).is_err() {
        return fallback(bytes, false);
    }
    let reason = crate::emit::clean_text(found.reason?.as_bytes(), 128);
    let head = Head {
        status: found.code?,
        reason,
        version: version(found.version?),
        ..Head::default()
    };
    Some(with_fields(head, found.headers))
}

fn version(minor: u8) -> &'static str {
    if minor == 0 { "HTTP/1.0" } else { "HTTP/1.1" }
}

fn with_fields(mut head: Head, fields: &[Header<'_>]) -> Head {
    head.names
        .reserve_exact(fields.iter().map(|f| f.name.len()).sum());
    let mut values = Vec::with_capacity(fields.iter().map(|f| f.value.len()).sum());
    head.ends.reserve_exact(fields.len());
    for field in fields {
        // Names of this reader are tokens, all of it ASCII.
        head.names.push_str(field.name);
        head.end_field(&mut values, field.value);
    }
    head.values = Values::new(values);
    head.names.make_ascii_lowercase();
    head
}

/// Start lines and fields that the strict reader refuses: odd versions, raw bytes in the target.
fn fallback(bytes: &[u8], is_request: bool) -> Option<Head> {
    let cut = !bytes.contains(&b'\n');
    let mut lines = bytes
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = crate::emit::clean_text(lines.next()?, 8192);
    let mut words = first.splitn(if is_request { 2 } else { 3 }, ' ');
    let mut head = Head {
        version: "HTTP/1.1",
        ..Head::default()
    };
    if is_request {
        head.method = Some(Text::new(words.next()?));
        let rest = words.next()?;
        head.target = match rest.rsplit_once(" HTTP/") {
            Some((target, _)) => target.to_owned(),
            // Without a version this is HTTP/0.9 or no request at all, unless the line is cut.
            None if cut => rest.to_owned(),
            None => return None,
        };
    } else {
        head.version = if words.next()?.ends_with('0') {
            "HTTP/1.0"
        } else {
            "HTTP/1.1"
        };
        let digits: String = words
            .next()?
            .trim()
            .chars()
            .take_while(char::is_ascii_digit)
            .take(4)
            .collect();
        head.status = digits.parse().ok()?;
        head.reason = Text::new(words.next().unwrap_or_default());
    }
    let mut values = Vec::new();
    for line in lines.take(MAX_FIELDS) {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        head.add(&mut values, name.trim_ascii(), value);
    }
    head.values = Values::new(values);
    Some(head)
}

impl Head {
    /// The first value of a field, as text; `name` in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.raw_values(name).next()?.trimmed()
    }

    fn add(&mut self, values: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        self.names
            .extend(name.iter().map(|b| char::from(b.to_ascii_lowercase())));
        self.end_field(values, value);
    }

    fn end_field(&mut self, values: &mut Vec<u8>, value: &[u8]) {
        values.extend_from_slice(value);
        self.ends.push((self.names.len() as u32, values.len() as u32));
    }

    /// Bytes of all names and values.
    pub(crate) fn size(&self) -> usize {
        self.names.len() + self.values.as_bytes().len()
    }

    /// Names in lower case, and values as sent.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        let mut start = (0, 0);
        self.ends.iter().map(move |(name_end, value_end)| {
            let end = (*name_end as usize, *value_end as usize);
            let field = (self.names.get(start.0..end.0), self.values.get(start.1..end.1));
            start = end;
            (field.0.unwrap_or_default(), field.1)
        })
    }

    /// All values of a field that are text; `name` in lower case.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.raw_values(name).filter_map(Value::trimmed)
    }

    /// All values of a field as sent. Most names differ in length already, and a dozen are asked for in each head.
    fn raw_values<'a>(&'a self, name: &str) -> impl Iterator<Item = Value<'a>> {
        let (names, wanted) = (self.names.as_bytes(), name.as_bytes());
        let mut start = (0, 0);
        self.ends.iter().filter_map(move |(name_end, value_end)| {
            let end = (*name_end as usize, *value_end as usize);
            let (from, value_from) = std::mem::replace(&mut start, end);
            let found = end.0 - from == wanted.len() && names.get(from..end.0) == Some(wanted);
            found.then(|| self.values.get(value_from..end.1))
        })
    }

    /// A head with only these fields; for tests of what reads them.
    #[cfg(test)]
    pub(crate) fn of_fields(fields: &[(&str, &str)]) -> Self {
        let (mut head, mut values) = (Self::default(), Vec::new());
        for (name, value) in fields {
            head.add(&mut values, name.as_bytes(), value.as_bytes());
        }
        head.values = Values::new(values);
        head
    }

    /// True if a comma-separated field holds `token`.
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .flat_map(|v| v.split(','))
            .any(|t| t.trim().eq_ignore_ascii_case(token))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn heads_are_found_and_read() {
        let bytes = b"GET /a b HTTP/1.1\r\nHost: x\r\nBad Name : y\r\n\r\nrest";
        let end = end_of_head(bytes, 0).unwrap();
        assert_eq!(&bytes[end..], b"rest");
        let head = parse(&bytes[..end], true).unwrap();
        assert_eq!(
            (head.method.as_deref(), head.target.as_str()),
            (Some("GET"), "/a b")
        );
        assert_eq!(head.field("host"), Some("x"));
        let head = parse(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: NTLM\r\n\r\n",
            false,
        )
        .unwrap();
        assert_eq!(
            (head.status, head.field("proxy-authenticate")),
            (407, Some("NTLM"))
        );
        assert_eq!(end_of_head(b"GET / HTTP/1.1\nHost: x\n\n", 0), Some(24));
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\nHost: x\r\n", 0), None);
    }

    #[test]
    fn request_lines_are_told_from_noise() {
        assert!(starts_request(b"CONNECT a:443") && starts_request(b"GE") && starts_request(b"GET /"));
        assert!(!starts_request(b"G") && !starts_request(b"GETX / ") && !starts_request(b"220 smtp"));
        assert!(starts_response(b"HTTP/1.0 200") && !starts_response(b"HTTP/2 200"));
        assert!(METHODS.iter().all(|m| m.len() <= MAX_METHOD));
        assert!(starts_request(b"SSTP_DUPLEX_POST /sra") && !starts_request(b"SSTP_DUPLEX_POSTX /sra"));
    }
}
