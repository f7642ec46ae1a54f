//! `https://host:443 "GET /path HTTP/1.1" 200 1589`, as urllib3 prints an exchange.

use std::sync::LazyLock;

use regex::Regex;

/// The parts of an exchange.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exchange<'a> {
    /// Scheme and host, without the port that goes without saying.
    pub(super) base: &'a str,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) status: &'a str,
}

static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^(?P<base>https?://[^\s"]+?)(?::(?:443|80))? "(?P<method>[A-Z]+) (?P<path>\S+) HTTP/[\d.]+" (?P<status>\d{3}) (?P<size>\S+)"#).ok()
});

/// The exchange that `text` begins with.
pub(super) fn exchange(text: &str) -> Option<Exchange<'_>> {
    match text.is_ascii() {
        true => by_hand(text),
        // Blanks and digits of other scripts are left to the pattern.
        false => by_pattern(text),
    }
}

fn by_pattern(text: &str) -> Option<Exchange<'_>> {
    let found = PATTERN.as_ref()?.captures(text)?;
    let part = |name| found.name(name).map(|m| m.as_str());
    Some(Exchange {
        base: part("base")?,
        method: part("method")?,
        path: part("path")?,
        status: part("status")?,
    })
}

/// The same of a text in ASCII.
fn by_hand(text: &str) -> Option<Exchange<'_>> {
    let host = text
        .strip_prefix("http")
        .map(|rest| rest.strip_prefix('s').unwrap_or(rest))?
        .strip_prefix("://")?;
    let scheme = text.len() - host.len();
    let end = host.find(|c: char| is_blank(c) || c == '"')?;
    let (whole, rest) = text.split_at_checked(scheme + end)?;
    let short = whole.strip_suffix(":443").or_else(|| whole.strip_suffix(":80"));
    let base = short.filter(|short| short.len() > scheme).unwrap_or(whole);
    let (method, rest) = rest.strip_prefix(" \"")?.split_once(' ')?;
    let (path, rest) = rest.split_at_checked(rest.find(is_blank)?)?;
    let version = rest.strip_prefix(" HTTP/")?;
    let rest = version.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let has_version = rest.len() < version.len();
    let (status, rest) = rest.strip_prefix("\" ")?.split_at_checked(3)?;
    let size = rest.strip_prefix(' ')?;
    let fits = base.len() > scheme
        && !method.is_empty()
        && method.bytes().all(|b| b.is_ascii_uppercase())
        && !path.is_empty()
        && has_version
        && status.bytes().all(|b| b.is_ascii_digit())
        && size.starts_with(|c: char| !is_blank(c));
    fits.then_some(Exchange {
        base,
        method,
        path,
        status,
    })
}

/// Blanks of Unicode that are ASCII.
fn is_blank(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exchanges_have_their_parts() {
        let parts = |text| exchange(text).map(|e| (e.base, e.method, e.path, e.status));
        assert_eq!(
            parts("https://a.b:443 \"GET /c?d=e HTTP/1.1\" 200 1589"),
            Some(("https://a.b", "GET", "/c?d=e", "200"))
        );
        assert_eq!(
            parts("http://a:8080 \"POST / HTTP/1.1\" 407 None rest"),
            Some(("http://a:8080", "POST", "/", "407"))
        );
        assert_eq!(
            parts("https://é.b:80 \"GET /\u{e9} HTTP/2\" 404 0"),
            Some(("https://é.b", "GET", "/é", "404"))
        );
        assert_eq!(parts("https://a.b \"GET /c HTTP/1.1\" 200 "), None);
        assert_eq!(parts("Starting new HTTPS connection (1): a.b:443"), None);
    }

    fn parts() -> impl Strategy<Value = String> {
        let one = |values: &'static [&'static str]| prop::sample::select(values);
        (
            one(&[
                "https://",
                "http://",
                "httpss://",
                "ftp://",
                "https:/",
                " http://",
            ]),
            one(&["a.b", "a", "", ":", "[::1]", "a\"b", "a b", "u:p@h", "a:80", "é"]),
            one(&[":443", ":80", "", ":8080", ":443:443", ":4", "443"]),
            one(&[" \"", " ", "\"", "\t\"", "  \""]),
            one(&["GET", "POST", "get", "", "GET ", "G\tT"]),
            one(&[
                " /c",
                " /",
                " ",
                "  /c",
                " /a b",
                " /\u{b}",
                " \"",
                " /c HTTP/1.1\" 200 1 /d",
            ]),
            one(&[
                " HTTP/1.1",
                " HTTP/",
                " HTTP/2",
                " HTTP/.",
                "HTTP/1.1",
                "\tHTTP/1.1",
            ]),
            one(&["\" ", "\"", "\"\t", " "]),
            one(&["200 ", "20 ", "2000 ", "407", "200\t", "20x "]),
            one(&["12", "", " 1", "None x", "\u{c}", "é", "1\n2"]),
        )
            .prop_map(|(a, b, c, d, e, f, g, h, i, j)| [a, b, c, d, e, f, g, h, i, j].concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn by_hand_is_as_by_pattern(text in parts()) {
            if text.is_ascii() {
                prop_assert_eq!(by_hand(&text), by_pattern(&text), "{:?}", text);
            }
        }
    }
}
