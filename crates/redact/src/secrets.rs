//! Secrets in plain text: behind names, and by shape.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::announced::{Announced, Names};
use crate::prefilter::Telling;
use crate::tables::{Reach, secret};

/// What a secret becomes.
pub(crate) const MASK: &str = "***";

/// What may stand between the name of a parameter and its colon.
pub(crate) const PARAMETER_BLANKS: [&str; 6] = ["", " ", "  ", "   ", "    ", "\t"];

/// Values that say something about a secret without being one.
const HARMLESS: &[&str] = &[
    "***",
    "true",
    "false",
    "yes",
    "no",
    "none",
    "null",
    "(null)",
    "nil",
    "empty",
    "set",
    "unset",
    "required",
    "expired",
    "invalid",
    "missing",
    "incorrect",
    "wrong",
    "unknown",
    "failed",
    "success",
    "is",
    "and",
    "or",
    "not",
    "n/a",
    "-",
    "[]",
    "{}",
    "0",
    "1",
];

/// An authentication scheme with its credentials. Words begin as in ASCII, here and below: Japanese text has no blanks in
/// front of them, and the searches stay with their fast engine.
static SCHEME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(?-u:\b)(bearer|pop|basic|negotiate|ntlm|kerberos|digest)(\s+|%20|\+)([A-Za-z0-9+/._~-]{8,}={0,2})",
    )
    .ok()
});

/// Secrets that show by themselves: JWT and JWE, NTLM, SPNEGO and Kerberos blobs, refresh tokens of Entra ID and
/// Microsoft accounts.
static SHAPED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        (?-u:\b)eyJ[A-Za-z0-9_-]{8,}(?:(?:\.|%2[eE])[A-Za-z0-9_-]*){0,5}
      | (?-u:\b)TlRMTVNTUA[A-Za-z0-9+/_-]*={0,2}
      | (?-u:\b)(?:YII[A-Za-z0-9+/]|oYI[A-Za-z0-9+/]|doI[EFG]|YIGD)[A-Za-z0-9+/_-]{40,}={0,2}
      | (?-u:\b)[01]\.A[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9_-]{8,})*
      | (?-u:\b)O?AQABAAA[A-Za-z0-9_-]{20,}
      | (?-u:\b)M\.[CR]\d+_[A-Za-z0-9_.!*$-]{20,}",
    )
    .ok()
});

/// Keys and assertions as blocks; cut ones are masked to the end.
static BLOCKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?xs)
        (?P<pem>-----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----) .*? (?P<pem_end> -----END\ [A-Z\ ]*PRIVATE\ KEY----- | \z )
      | (?P<xml><(?:[A-Za-z0-9]+:)?Assertion(?-u:\b)[^>]*>) .*? (?P<xml_end> </(?:[A-Za-z0-9]+:)?Assertion> | \z )",
    )
    .ok()
});

/// `user:password@` in a URL.
static USER_INFO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([A-Za-z][A-Za-z0-9+.-]{1,20}://)([^\s/?#@"'<>\\]{1,200})@"#).ok());

/// Command line options with a blank before the value.
static OPTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)((?:^|[\s'",\[])(?:-{1,2}|/)(?:password|client-?secret|federated-?token|access-?token|secret|passphrase)["']?(?:\s|,)\s{0,3}["']?)([^\s"'\\,\]-][^\s"'\\,\]]{2,})"#).ok()
});

/// `text` without secrets.
pub(crate) fn mask(text: &str) -> Cow<'_, str> {
    mask_where(text, Telling::ALL)
}

/// `text` without secrets, where `telling` is what [`prefilter::telling`](crate::prefilter::telling) said of it.
pub(crate) fn mask_where(text: &str, telling: Telling) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(text);
    // What was masked may have brought something together.
    let may = |out: &Cow<'_, str>, what| telling.has(what) || matches!(out, Cow::Owned(_));
    if may(&out, Telling::BLOCKS) {
        replace(&mut out, &BLOCKS, block);
    }
    if may(&out, Telling::SHAPES) {
        replace(&mut out, &SHAPED, |c| {
            (!c[0].ends_with(MASK)).then(|| MASK.to_owned())
        });
    }
    if may(&out, Telling::SCHEMES) {
        replace(&mut out, &SCHEME, scheme);
    }
    if may(&out, Telling::USER_INFO) {
        replace(&mut out, &USER_INFO, |c| {
            (!c[2].ends_with(MASK)).then(|| format!("{}{MASK}@", &c[1]))
        });
    }
    if may(&out, Telling::OPTIONS) {
        replace(&mut out, &OPTION, |c| Some(format!("{}{MASK}", &c[1])));
    }
    if let Some(masked) = named(&out) {
        out = Cow::Owned(masked);
    }
    out
}

/// A block, with its first and last lines.
fn block(found: &Captures<'_>) -> Option<String> {
    let part = |one: &str, other: &str| {
        let part = found.name(one).or_else(|| found.name(other));
        part.map_or("", |m| m.as_str())
    };
    Some(format!(
        "{}{MASK}{}",
        part("pem", "xml"),
        part("pem_end", "xml_end")
    ))
}

/// Replaces matches for which `with` gives something else than what is there.
pub(crate) fn replace(
    text: &mut Cow<'_, str>,
    pattern: &LazyLock<Option<Regex>>,
    with: impl Fn(&Captures<'_>) -> Option<String>,
) {
    let Some(regex) = pattern.as_ref() else { return };
    let mut out = String::new();
    let mut done = 0;
    for found in regex.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        if let Some(new) = with(&found).filter(|new| new != whole.as_str()) {
            out.push_str(text.get(done..whole.start()).unwrap_or_default());
            out.push_str(&new);
            done = whole.end();
        }
    }
    if done > 0 {
        out.push_str(text.get(done..).unwrap_or_default());
        *text = Cow::Owned(out);
    }
}

/// `Bearer abc…` but not `Basic authentication` or `Bearer authorization_uri="…"`.
fn scheme(found: &Captures<'_>) -> Option<String> {
    let token = &found[3];
    let parameter = token.ends_with('=') && !token.ends_with("==") && !token.len().is_multiple_of(4);
    let mixed = token
        .bytes()
        .any(|b| b.is_ascii_digit() || matches!(b, b'+' | b'/' | b'=' | b'_'))
        || (token.bytes().any(|b| b.is_ascii_uppercase())
            && token.bytes().skip(1).any(|b| b.is_ascii_uppercase()));
    (mixed && !parameter).then(|| format!("{}{}{MASK}", &found[1], &found[2]))
}

/// Masks values behind secret names; `None` if there is none.
fn named(text: &str) -> Option<String> {
    let mut names = Names::new(text);
    let mut out = String::new();
    let mut done = 0;
    let mut from = 0;
    while let Some(Announced { name, separator }) = names.next(from) {
        // A name may be the value of the one before (`grant_type=password&…`): go on right behind it.
        from = name.end;
        let before = text.get(..name.start).unwrap_or_default();
        let (end, name) = (separator.end, text.get(name).unwrap_or_default());
        // Dotted names (`response.access_token`) count by their last part.
        let bare = name.rsplit('.').next().unwrap_or_default();
        let Some(reach) = secret(bare) else { continue };
        let sep = text.get(separator).unwrap_or_default();
        if sep.ends_with('>') && sep != "=>" && !opens_tag(before) {
            continue;
        }
        if reach == Reach::Parameter && !is_parameter(before, sep) {
            continue;
        }
        let rest = text.get(end..).unwrap_or_default();
        let len = value_len(rest, sep, reach);
        let value = rest.get(..len).unwrap_or_default();
        if len == 0 || !worth_masking(value, reach) {
            continue;
        }
        out.push_str(text.get(done..end).unwrap_or_default());
        out.push_str(&masked(value, reach));
        done = end + len;
        from = done;
    }
    (done > 0).then(|| {
        out.push_str(text.get(done..).unwrap_or_default());
        out
    })
}

/// True right behind `<` or `<prefix:`.
fn opens_tag(before: &str) -> bool {
    let Some((_, tag)) = before.rsplit_once('<') else {
        return false;
    };
    tag.is_empty()
        || tag
            .strip_suffix(':')
            .is_some_and(|prefix| prefix.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Inside a query, a form body or a JSON object. In front of the sign stand a quote or a few blanks, which the search for
/// literals knows; a tag is none of these.
fn is_parameter(before: &str, sep: &str) -> bool {
    let blanks = sep.len() - sep.trim_start().len();
    let plain = sep
        .get(..blanks)
        .is_some_and(|blanks| PARAMETER_BLANKS.contains(&blanks));
    let sign = sep
        .get(blanks..)
        .is_some_and(|sign| blanks == 0 || sign.starts_with(':'));
    if !plain || !sign || sep.ends_with('>') && !sep.ends_with("=>") {
        return false;
    }
    let quoted = sep.contains(['"', '\'']) && sep.contains(':') || sep.contains("%22");
    let joined = before.is_empty()
        || before.ends_with(['?', '&', '#', ';'])
        || before.to_ascii_lowercase().ends_with("%26")
        || before.to_ascii_lowercase().ends_with("%3f")
        || before.ends_with("amp;");
    quoted || (joined && (sep.starts_with('=') || sep.starts_with('%')))
}

/// Bytes of the value in `rest`.
fn value_len(rest: &str, sep: &str, reach: Reach) -> usize {
    let quote = sep.chars().next_back().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quote {
        // Inside JSON in JSON the quotes are escaped.
        let escaped = sep.ends_with("\\\"") || sep.ends_with("\\'");
        let end = if escaped {
            rest.find(['\\', '\n'])
        } else {
            end_of_quote(rest, quote)
        };
        return end.unwrap_or(rest.len());
    }
    if sep.ends_with('>') && !sep.contains("=>") {
        return rest.find('<').unwrap_or(rest.len());
    }
    if reach == Reach::Line {
        return rest.find(['\r', '\n', '"']).unwrap_or(rest.len());
    }
    let lower = if sep.starts_with('%') {
        encoded_end(rest)
    } else {
        None
    };
    let plain = rest
        .find([
            ' ', '\t', '\r', '\n', '&', '"', '\'', '<', '>', ',', ';', '}', ']', ')', '\\',
        ])
        .unwrap_or(rest.len());
    lower.unwrap_or(plain).min(plain)
}

/// The closing quote; a doubled backslash before it does not escape it.
fn end_of_quote(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, ch) in rest.char_indices() {
        match ch {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote || c == '\n' => return Some(at),
            _ => {}
        }
    }
    None
}

/// Where a URL-encoded value ends: an encoded `&`, quote or comma.
fn encoded_end(rest: &str) -> Option<usize> {
    let lower = rest.to_ascii_lowercase();
    ["%26", "%22", "%2c", "%7d"]
        .iter()
        .filter_map(|end| lower.find(end))
        .min()
}

fn worth_masking(value: &str, reach: Reach) -> bool {
    let bare = value.trim().trim_end_matches(['.', '!', '?']);
    if bare.is_empty() || is_masked(bare) || HARMLESS.contains(&bare.to_ascii_lowercase().as_str()) {
        return false;
    }
    if reach != Reach::TokenLike {
        return true;
    }
    let digits = bare.bytes().filter(u8::is_ascii_digit).count();
    let letters = bare.bytes().filter(u8::is_ascii_alphabetic).count();
    let guid = bare.len() <= 38
        && bare
            .bytes()
            .all(|b| b.is_ascii_hexdigit() || matches!(b, b'-' | b'{' | b'}'));
    bare.len() >= 16 && digits >= 2 && letters >= 4 && !guid && !bare.contains(' ')
}

/// A mask, or one in front of signs alone, which stay when the value's end was masked for another reason.
fn is_masked(value: &str) -> bool {
    let signs = |rest: &str| !rest.contains(char::is_alphanumeric);
    value.ends_with(MASK) || value.strip_prefix(MASK).is_some_and(signs)
}

/// The scheme of an `Authorization` value stays; of cookies, the names.
fn masked(value: &str, reach: Reach) -> String {
    if reach != Reach::Line {
        return MASK.to_owned();
    }
    if value.contains('=') && value.contains(';') {
        let parts: Vec<String> = value
            .split(';')
            .map(|part| {
                part.split_once('=')
                    .map_or_else(|| MASK.to_owned(), |(name, _)| format!("{}={MASK}", name.trim()))
            })
            .collect();
        return parts.join("; ");
    }
    match value.trim().split_once(' ') {
        Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphabetic()) && scheme.len() <= 16 => {
            format!("{scheme} {MASK}")
        }
        _ => MASK.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_names_stay() {
        for (text, expected) in [
            (
                "Authorization: Bearer abc.def-123456",
                "Authorization: Bearer ***",
            ),
            (
                "Cookie: ESTSAUTH=1.Abc; x=2\nnext",
                "Cookie: ESTSAUTH=***; x=***\nnext",
            ),
            (
                "grant_type=password&password=p%40ss&x=1",
                "grant_type=password&password=***&x=1",
            ),
            (
                "https://a/cb?code=0.AXy&state=12",
                "https://a/cb?code=***&state=***",
            ),
            ("https://u:p@proxy:8080/", "https://***@proxy:8080/"),
            (
                r#"{"access_token":"opaque","n":1}"#,
                r#"{"access_token":"***","n":1}"#,
            ),
            (
                r#"{\"client_secret\": \"s3cr3t\"}"#,
                r#"{\"client_secret\": \"***\"}"#,
            ),
            (
                "<o:Password Type=\"x\">geheim</o:Password>",
                "<o:Password Type=\"x\">***</o:Password>",
            ),
            (
                "<saml:Assertion ID=\"1\">abc</saml:Assertion> z",
                "<saml:Assertion ID=\"1\">***</saml:Assertion> z",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMII\n",
                "-----BEGIN RSA PRIVATE KEY-----***",
            ),
            (
                "https://x.blob.core.windows.net/c?sv=1&sig=Ab%2B1%3D&se=2",
                "https://x.blob.core.windows.net/c?sv=1&sig=***&se=2",
            ),
            (
                "AccountName=a;AccountKey=Zm9v;End=1",
                "AccountName=a;AccountKey=***;End=1",
            ),
            (
                "az login -u me --password hunter2 --tenant t",
                "az login -u me --password *** --tenant t",
            ),
            (
                "WWW-Authenticate: NTLM TlRMTVNTUAACAAAA",
                "WWW-Authenticate: NTLM ***",
            ),
            (
                "x-ms-RefreshTokenCredential: eyJhbGciOiJIUzI1NiJ9.e30.abc",
                "x-ms-RefreshTokenCredential: ***",
            ),
        ] {
            assert_eq!(mask(text), expected);
            assert_eq!(mask(expected), expected, "twice");
        }
    }

    #[test]
    fn what_only_talks_about_secrets_stays() {
        for text in [
            "AADSTS50126: Invalid username or password. Error code: 50126",
            "Status code: 0x801c001d",
            "Credential Type : Password",
            "AzureAdPrt : YES",
            "WWW-Authenticate: Bearer authorization_uri=\"https://login.windows.net/x\"",
            "Proxy-Authenticate: Negotiate, NTLM, Basic realm=\"x\"",
            "Basic authentication failed",
            "the request: GET /x",
            "grant_type=password",
            "state: connected; session: 17",
            "Password=***",
            "PasswordExpired=false",
        ] {
            assert_eq!(mask(text), text);
        }
    }
}
