//! Heads of HTTP/1 requests and responses.
//!
//! Source: RFC 9112, parsed by `httparse` with its lenient options, because broken proxies are the point. Heads over
//! 64 KiB or with more than 128 fields are not read.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use casetrace_model::Text;
use httparse::{Header, ParserConfig};

use super::fields::{ASKED, Asked, FieldNames};

/// Longest head.
pub(crate) const MAX_HEAD: usize = 64 << 10;
const MAX_FIELDS: usize = 128;

/// A request's or response's head; its values lie where they were received.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head<'a> {
    /// Method of a request.
    pub(crate) method: Option<Text>,
    /// Target of a request as sent.
    pub(crate) target: Cow<'a, str>,
    /// Status of a response.
    pub(crate) status: u16,
    /// Reason phrase of a response.
    pub(crate) reason: Text,
    /// `HTTP/1.1`.
    pub(crate) version: &'static str,
    fields: Vec<Field<'a>>,
    /// Where the first field of each name that is asked for stands, counted from 1.
    first: [u8; ASKED],
    /// Bytes of all names and values.
    size: usize,
}

/// A header field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    /// Number of its name among [`FieldNames`].
    pub(super) name: u16,
    asked: Option<Asked>,
    pub(super) value: Value<'a>,
}

/// A field's value as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    /// Bytes of a head that is not all text; perhaps text all the same.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(crate) fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    fn trimmed(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text.trim()),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(str::trim),
        }
    }
}

/// The bytes of a head, as text too if they are.
///
/// Nearly always they are, which is found out once for all: value by value it takes several times longer.
struct Source<'a> {
    bytes: &'a [u8],
    text: Option<&'a str>,
}

impl<'a> Source<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let text = std::str::from_utf8(bytes).ok();
        Self { bytes, text }
    }

    /// A part of the bytes as a value.
    fn value(&self, part: &'a [u8]) -> Value<'a> {
        let at = (part.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        match self
            .text
            .and_then(|text| text.get(at..at.checked_add(part.len())?))
        {
            Some(text) => Value::Text(text),
            None => Value::Bytes(part),
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
pub(crate) fn parse_cut<'a>(bytes: &'a [u8], is_request: bool, names: &mut FieldNames) -> Option<Head<'a>> {
    if bytes.is_empty() {
        return None;
    }
    fallback(bytes, is_request, names).filter(|head| {
        if is_request {
            !head.target.is_empty()
        } else {
            head.status >= 100
        }
    })
}

/// Reads a whole head.
pub(crate) fn parse<'a>(bytes: &'a [u8], is_request: bool, names: &mut FieldNames) -> Option<Head<'a>> {
    let mut space = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_FIELDS];
    if is_request {
        let mut found = httparse::Request::new(&mut []);
        let read = config().parse_request_with_uninit_headers(&mut found, bytes, &mut space);
        if read.is_err() {
            return fallback(bytes, true, names);
        }
        let head = Head {
            method: Some(Text::new(found.method?)),
            target: Cow::Borrowed(found.path?),
            version: version(found.version?),
            ..Head::default()
        };
        return Some(with_fields(head, bytes, found.headers, names));
    }
    let mut found = httparse::Response::new(&mut []);
    let read = config().parse_response_with_uninit_headers(&mut found, bytes, &mut space);
    if read.is_err() {
        return fallback(bytes, false, names);
    }
    let head = Head {
        status: found.code?,
        reason: crate::emit::clean_text(found.reason?.as_bytes(), 128),
        version: version(found.version?),
        ..Head::default()
    };
    Some(with_fields(head, bytes, found.headers, names))
}

fn version(minor: u8) -> &'static str {
    if minor == 0 { "HTTP/1.0" } else { "HTTP/1.1" }
}

fn with_fields<'a>(
    mut head: Head<'a>,
    bytes: &'a [u8],
    fields: &[Header<'a>],
    names: &mut FieldNames,
) -> Head<'a> {
    let source = Source::new(bytes);
    names.begin();
    head.fields.reserve_exact(fields.len());
    for field in fields {
        head.add(names, field.name.as_bytes(), source.value(field.value));
    }
    head
}

/// Start lines and fields that the strict reader refuses: odd versions, raw bytes in the target.
fn fallback<'a>(bytes: &'a [u8], is_request: bool, names: &mut FieldNames) -> Option<Head<'a>> {
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
        head.target = Cow::Owned(match rest.rsplit_once(" HTTP/") {
            Some((target, _)) => target.to_owned(),
            // Without a version this is HTTP/0.9 or no request at all, unless the line is cut.
            None if cut => rest.to_owned(),
            None => return None,
        });
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
    let source = Source::new(bytes);
    names.begin();
    for line in lines.take(MAX_FIELDS) {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        head.add(names, name.trim_ascii(), source.value(value));
    }
    Some(head)
}

impl<'a> Head<'a> {
    /// The first value of a field, as text.
    pub(crate) fn field(&self, asked: Asked) -> Option<&'a str> {
        let at = self.first.get(asked as usize)?.checked_sub(1)?;
        self.fields.get(usize::from(at))?.value.trimmed()
    }

    /// All values of a field that are text.
    pub(crate) fn values(&self, asked: Asked) -> impl Iterator<Item = &'a str> {
        let from = match self.first.get(asked as usize).and_then(|at| at.checked_sub(1)) {
            Some(at) => self.fields.get(usize::from(at)..).unwrap_or_default(),
            None => &[],
        };
        from.iter()
            .filter(move |field| field.asked == Some(asked))
            .filter_map(|field| field.value.trimmed())
    }

    fn add(&mut self, names: &mut FieldNames, name: &[u8], value: Value<'a>) {
        let number = names.number(name);
        let asked = names.get(number).and_then(|name| name.asked);
        self.size += name.len() + value.as_bytes().len();
        self.fields.push(Field {
            name: number,
            asked,
            value,
        });
        // At most 128 fields are added.
        if let Some(first) = asked.and_then(|asked| self.first.get_mut(asked as usize))
            && *first == 0
        {
            *first = self.fields.len() as u8;
        }
    }

    /// Bytes of all names and values.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// A head with only these fields; for tests of what reads them.
    #[cfg(test)]
    pub(crate) fn of_fields(fields: &[(&str, &'a str)]) -> Self {
        let (mut head, mut names) = (Self::default(), FieldNames::default());
        for (name, value) in fields {
            head.add(&mut names, name.as_bytes(), Value::Text(value));
        }
        head
    }

    /// True if a comma-separated field holds `token`.
    pub(crate) fn has_token(&self, asked: Asked, token: &str) -> bool {
        self.values(asked)
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
        let names = &mut FieldNames::default();
        let head = parse(&bytes[..end], true, names).unwrap();
        assert_eq!((head.method.as_deref(), &*head.target), (Some("GET"), "/a b"));
        assert_eq!(head.field(Asked::Host), Some("x"));
        let head = parse(
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: NTLM\r\n\r\n",
            false,
            names,
        )
        .unwrap();
        assert_eq!(
            (head.status, head.field(Asked::ProxyAuthenticate)),
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
