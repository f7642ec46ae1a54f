//! Takes secrets out of what is shown: credentials in headers, tokens and codes in URLs and bodies.
//!
//! The shape stays (which header, which parameter, which scheme), the value becomes `***`. Error codes, ids and
//! user names stay; hiding identities is the redaction stage's job.

use std::borrow::Cow;

use casetrace_model::Text;

const MASK: &str = "***";

/// Most bytes of a header value that are shown.
pub(crate) const MAX_VALUE: usize = 512;

/// Query, form and JSON names whose values must not be shown.
const SECRETS: &[&[u8]] = &[
    b"access_token",
    b"api_key",
    b"apikey",
    b"assertion",
    b"authorization",
    b"client_assertion",
    b"client_secret",
    b"code",
    b"code_verifier",
    b"cookie",
    b"ctx",
    b"device_code",
    b"flowtoken",
    b"id_token",
    b"id_token_hint",
    b"key",
    b"nonce",
    b"otp",
    b"passwd",
    b"password",
    b"pin",
    b"primaryrefreshtoken",
    b"prt",
    b"pwd",
    b"refresh_token",
    b"request",
    b"request_nonce",
    b"saml_assertion",
    b"samlrequest",
    b"samlresponse",
    b"sas",
    b"secret",
    b"session",
    b"session_state",
    b"sessionid",
    b"sid",
    b"sig",
    b"signature",
    b"state",
    b"ticket",
    b"token",
    b"user_code",
    b"usertoken",
    b"wresult",
];

/// For each first letter a bit for each length that a secret name beginning with it has: most words need no more.
const SECRET_LENGTHS: [u32; 26] = {
    let mut lengths = [0; 26];
    let mut at = 0;
    while at < SECRETS.len() {
        lengths[(SECRETS[at][0] - b'a') as usize] |= 1 << SECRETS[at].len();
        at += 1;
    }
    lengths
};

/// True for a query, form or JSON name whose value must not be shown.
fn is_secret(name: &str) -> bool {
    let first = name.bytes().next().unwrap_or(0).to_ascii_lowercase();
    let lengths = SECRET_LENGTHS.get(usize::from(first.wrapping_sub(b'a')));
    let maybe = lengths.is_some_and(|lengths| name.len() < 32 && lengths >> name.len() & 1 == 1);
    maybe
        && SECRETS
            .iter()
            .any(|secret| secret.eq_ignore_ascii_case(name.as_bytes()))
}

/// A URL with user info and secret parameters masked, cut to 2,048 characters.
pub(crate) fn url(text: &str) -> Text {
    match masked_url(text) {
        Cow::Borrowed(text) => Text::new(text),
        Cow::Owned(text) => Text::from(text),
    }
}

/// The two parts around `://`; its colon is mostly the first one.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(b':', text.as_bytes().get(from..)?)?;
        if let Some(rest) = text.get(at..)?.strip_prefix("://") {
            return Some((text.get(..at)?, rest));
        }
        from = at + 1;
    }
}

/// Length of the part of a URL behind its scheme that names the host.
fn authority_len(rest: &str) -> usize {
    memchr::memchr3(b'/', b'?', b'#', rest.as_bytes()).unwrap_or(rest.len())
}

fn masked_url(text: &str) -> Cow<'_, str> {
    let text = cut(text, 2048);
    let scheme = split_scheme(text);
    // Where the last @ of the authority stands, what is in front of it left out.
    let host = scheme.and_then(|(_, rest)| {
        let authority = rest.get(..authority_len(rest))?;
        rest.get(memchr::memrchr(b'@', authority.as_bytes())?..)
    });
    let rest = host.unwrap_or(text);
    let start = memchr::memchr3(b'?', b'#', b';', rest.as_bytes());
    if host.is_none() && start.is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + MASK.len());
    if let (Some((scheme, _)), Some(_)) = (scheme, host) {
        out.push_str(scheme);
        out.push_str("://");
        out.push_str(MASK);
    }
    let start = start.unwrap_or(rest.len());
    out.push_str(rest.get(..start).unwrap_or_default());
    form_into(&mut out, rest.get(start..).unwrap_or_default());
    Cow::Owned(out)
}

/// What stands between `name=value` pairs.
static SEPARATORS: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 7 {
        table[b"&?#; \r\n"[at] as usize] = true;
        at += 1;
    }
    table
};

/// `name=value` pairs with secret values masked; separators are kept as they are.
fn form_into(out: &mut String, text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        let separates = |b: u8| SEPARATORS[usize::from(b)];
        let end = rest.bytes().position(separates).unwrap_or(rest.len());
        let pair = rest.get(..end).unwrap_or_default();
        let equals = memchr::memchr(b'=', pair.as_bytes());
        match equals.and_then(|at| Some((pair.get(..at)?, pair.get(at + 1..)?))) {
            Some((name, value)) if !value.is_empty() && (is_secret(name) || looks_like_token(value)) => {
                out.push_str(name);
                out.push('=');
                out.push_str(MASK);
            }
            _ => out.push_str(pair),
        }
        let separator = rest.get(end..).and_then(|tail| tail.chars().next());
        out.extend(separator);
        rest = rest
            .get(end + separator.map_or(0, char::len_utf8)..)
            .unwrap_or_default();
    }
}

/// A JWT, or base64 so long that it carries something.
pub(crate) fn looks_like_token(value: &str) -> bool {
    value.starts_with("eyJ") && value.len() > 40
}

/// What a header field's value may show, told by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderKind {
    /// All of it, unless it looks like a token.
    Plain,
    /// Nothing.
    Secret,
    /// Credentials: their scheme.
    Credentials,
    /// Everything but the blobs of NTLM and Negotiate.
    Challenge,
    /// A URL without its secrets.
    Url,
    /// Names of cookies.
    Cookies,
    /// All of it: names a kind of token.
    TokenType,
}

impl HeaderKind {
    /// The kind of the field called `name`, in lower case.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "authorization" | "proxy-authorization" => Self::Credentials,
            "www-authenticate"
            | "proxy-authenticate"
            | "authentication-info"
            | "proxy-authentication-info" => Self::Challenge,
            "location" | "content-location" | "referer" | "origin" => Self::Url,
            "cookie" | "set-cookie" | "cookie2" => Self::Cookies,
            "x-ms-token-type" => Self::TokenType,
            _ if names_secret(name.as_bytes()) => Self::Secret,
            _ => Self::Plain,
        }
    }
}

/// A header value fit to be shown.
pub(crate) fn header(kind: HeaderKind, value: &str) -> Cow<'_, str> {
    match kind {
        HeaderKind::Credentials => scheme_only(value),
        HeaderKind::Challenge => challenge(value),
        HeaderKind::Url => masked_url(value),
        HeaderKind::Cookies => Cow::Owned(cookie(value)),
        HeaderKind::Secret => Cow::Borrowed(MASK),
        HeaderKind::Plain if looks_like_token(value) => Cow::Borrowed(MASK),
        HeaderKind::Plain | HeaderKind::TokenType => Cow::Borrowed(cut(value, MAX_VALUE)),
    }
}

/// True if a word of the header name ends like the name of a secret.
fn names_secret(name: &[u8]) -> bool {
    let ends = |word_end: usize| {
        let name = name.get(..word_end).unwrap_or_default();
        match name.last() {
            Some(b'n') => {
                name.ends_with(b"token") || name.ends_with(b"assertion") || name.ends_with(b"session")
            }
            Some(b't') => name.ends_with(b"secret"),
            Some(b'd') => name.ends_with(b"password"),
            Some(b'y') => name.ends_with(b"apikey"),
            Some(b'e') => name.ends_with(b"cookie"),
            Some(b'l') => name.ends_with(b"credential"),
            Some(b's') => name.ends_with(b"credentials"),
            _ => false,
        }
    };
    let separators = name.iter().enumerate().filter(|(_, b)| matches!(b, b'-' | b'_'));
    separators.map(|(at, _)| at).any(ends) || ends(name.len()) || name.ends_with(b"api-key")
}

/// `Bearer ***`.
fn scheme_only(value: &str) -> Cow<'_, str> {
    match value.split_once(' ') {
        Some((scheme, _)) => Cow::Owned([cut(scheme, 32), " ", MASK].concat()),
        None => Cow::Borrowed(MASK),
    }
}

/// A challenge: NTLM and Negotiate blobs are masked, parameters of other schemes stay.
fn challenge(value: &str) -> Cow<'_, str> {
    let scheme = value.split(' ').next().unwrap_or_default();
    let blob = scheme.eq_ignore_ascii_case("ntlm") || scheme.eq_ignore_ascii_case("negotiate");
    if blob && value.len() > scheme.len() + 1 {
        scheme_only(value)
    } else {
        Cow::Borrowed(cut(value, MAX_VALUE))
    }
}

/// Cookie names without their values.
fn cookie(value: &str) -> String {
    let mut out = String::with_capacity(64);
    let mut rest = Some(value);
    for i in 0..32 {
        let Some(text) = rest else { break };
        let end = memchr::memchr(b';', text.as_bytes());
        let part = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
        rest = end.and_then(|at| text.get(at + 1..));
        if i > 0 {
            out.push_str("; ");
        }
        match memchr::memchr(b'=', part.as_bytes()) {
            Some(at) => {
                out.push_str(cut(part.get(..at).unwrap_or_default().trim(), 64));
                out.push('=');
                out.push_str(MASK);
            }
            None => out.push_str(cut(part.trim(), 64)),
        }
    }
    out
}

/// The start of a body, secrets masked, at most `limit` bytes.
///
/// A value that the cut leaves open is masked to its end.
pub(crate) fn body(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(limit.min(text.len()) + 16);
    // Secrets that begin behind the cut are not shown anyway.
    let mut rest = cut(text, limit);
    while !rest.is_empty() && out.len() < limit {
        let Some((at, name_len)) = next_secret(rest) else {
            out.push_str(rest);
            break;
        };
        out.push_str(rest.get(..at + name_len).unwrap_or_default());
        let (separator, value) = value_span(rest.get(at + name_len..).unwrap_or_default());
        let tail = rest.get(at + name_len..).unwrap_or_default();
        out.push_str(tail.get(..separator).unwrap_or_default());
        if value > 0 {
            out.push_str(MASK);
        }
        rest = tail.get(separator + value..).unwrap_or_default();
    }
    cut(&out, limit).to_owned()
}

/// The first secret name (or a bare JWT) in `text`: its place, and how much of it to keep.
fn next_secret(text: &str) -> Option<(usize, usize)> {
    // Words are ASCII, so that their ends are places where the text may be cut.
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(rest) = bytes.get(from..) {
        let start = from + rest.iter().position(u8::is_ascii_alphabetic)?;
        let rest = text.get(start..)?;
        let in_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let end = rest.bytes().position(|b| !in_word(&b)).unwrap_or(rest.len());
        let word = rest.get(..end)?;
        if word.starts_with("eyJ") && word.len() > 16 {
            return Some((start, 0));
        }
        if is_secret(word) {
            let follows = rest.get(end..)?.trim_start_matches(['"', '\'', ' ']);
            if follows.starts_with(['=', ':', '>']) {
                return Some((start, end));
            }
        }
        from = start + end;
    }
    None
}

/// Bytes of separator and of value behind a secret name.
fn value_span(text: &str) -> (usize, usize) {
    let separator = text.len()
        - text
            .trim_start_matches(['"', '\'', ' ', '=', ':', '>', '\t'])
            .len();
    let value = text.get(separator..).unwrap_or_default();
    // Inside quotes the value ends at the quote; elsewhere at what can't be part of a value.
    let quoted = text.get(..separator).is_some_and(|s| s.ends_with(['"', '\'']));
    let end = if quoted {
        value.find(['"', '\'', '\n'])
    } else {
        value.find(['&', '<', ' ', '"', '\'', ',', '}', ';', '\r', '\n'])
    };
    (separator, end.unwrap_or(value.len()))
}

/// At most `limit` bytes, cut between characters.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_keep_their_shape_without_secrets() {
        let cases = [
            ("http://a/b", "http://a/b"),
            ("http://u:p@a/b?x=1", "http://***@a/b?x=1"),
            (
                "/cb?code=0.AAA&state=xyz&client-request-id=6b5d#access_token=eyJ",
                "/cb?code=***&state=***&client-request-id=6b5d#access_token=***",
            ),
            ("/x?v=eyJhbGciOiJSUzI1NiIsImtpZCI6IjEyMzQ1Njc4OTAifQ", "/x?v=***"),
            ("a:443", "a:443"),
            ("a:b://u:p@c", "a:b://***@c"),
        ];
        for (given, expected) in cases {
            assert_eq!(url(given), expected);
        }
    }

    #[test]
    fn headers_lose_credentials_only() {
        let header = |name, value| header(HeaderKind::of(name), value).into_owned();
        assert_eq!(header("authorization", "Bearer abc"), "Bearer ***");
        assert_eq!(header("proxy-authenticate", "NTLM TlRMTVNTUAAC"), "NTLM ***");
        assert_eq!(
            header("proxy-authenticate", "Basic realm=\"x\""),
            "Basic realm=\"x\""
        );
        assert_eq!(
            header("set-cookie", "a=1; Path=/; Secure"),
            "a=***; Path=***; Secure"
        );
        assert_eq!(
            header("x-squid-error", "ERR_ACCESS_DENIED 0"),
            "ERR_ACCESS_DENIED 0"
        );
        assert_eq!(header("x-api-key", "1"), "***");
    }

    #[test]
    fn bodies_lose_tokens_even_when_cut_inside_one() {
        let json =
            r#"{"error":"invalid_grant","access_token":"abc","n":1,"error_description":"AADSTS50126: no"}"#;
        assert_eq!(
            body(json, 256),
            r#"{"error":"invalid_grant","access_token":"***","n":1,"error_description":"AADSTS50126: no"}"#
        );
        assert_eq!(
            body("grant_type=password&username=u&password=p%40", 256),
            "grant_type=password&username=u&password=***"
        );
        assert_eq!(body("password=secretsecret", 12), "password=***");
        assert_eq!(
            body("<o:Password>secret</o:Password>", 256),
            "<o:Password>***</o:Password>"
        );
        assert_eq!(
            body("jwt eyJhbGciOiJSUzI1NiIs.x y", 256),
            "jwt ***y".replace("***y", "*** y")
        );
    }
}
