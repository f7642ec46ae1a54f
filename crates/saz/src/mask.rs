//! Takes credentials out of what is shown. The shape stays (which header, which parameter, which scheme), the value
//! becomes `***`; error codes, ids and user names stay.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::exchange::cut;

const MASK: &str = "***";
const MAX_URL: usize = 2048;
const MAX_HEADER: usize = 512;

/// Lower-case name → whether it counts outside of parameters, too.
static NAMES: LazyLock<HashMap<&'static str, bool>> = LazyLock::new(|| {
    include_str!("../../../pipelines/saz/secret_names.tsv")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("name\t"))
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, place)| (name, place == "any"))
        .collect()
});

fn is_secret(name: &str) -> bool {
    let bare = name.rsplit(':').next().unwrap_or(name);
    bare.len() <= 32 && NAMES.contains_key(bare.to_ascii_lowercase().as_str())
}

/// A URL with user info and secret parameters masked.
pub(crate) fn url(text: &str) -> String {
    let text = cut(text, MAX_URL);
    let (prefix, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(authority_end);
    let mut out = prefix;
    match authority.rsplit_once('@') {
        Some((_, host)) => {
            out.push_str(MASK);
            out.push('@');
            out.push_str(host);
        }
        None => out.push_str(authority),
    }
    let query = tail.find(['?', '#', ';']).unwrap_or(tail.len());
    let (path, parameters) = tail.split_at(query);
    out.push_str(
        &path
            .split('/')
            .map(|part| if is_token(part) { MASK } else { part })
            .collect::<Vec<_>>()
            .join("/"),
    );
    form_into(&mut out, parameters);
    out
}

/// `name=value` pairs; separators are kept as they are.
fn form_into(out: &mut String, text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(['&', '?', '#', ';', ' ', '\r', '\n'])
            .unwrap_or(rest.len());
        let (pair, tail) = rest.split_at(end);
        match pair.split_once('=') {
            Some((name, value))
                if !value.is_empty() && (is_secret(name) || is_token(value) || has_nested(value)) =>
            {
                out.push_str(name);
                out.push('=');
                out.push_str(MASK);
            }
            _ => out.push_str(pair),
        }
        let separator = tail.chars().next();
        out.extend(separator);
        rest = tail
            .get(separator.map_or(0, char::len_utf8)..)
            .unwrap_or_default();
    }
}

/// A URL inside a parameter that itself carries a secret parameter (`wctx=…code%3D…`).
fn has_nested(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    lower.match_indices("%3d").any(|(at, _)| {
        let name = lower.get(..at).unwrap_or_default();
        let start = name.rfind(['%', '&', '=']).map_or(0, |i| i + 1);
        let name = name.get(start..).unwrap_or_default();
        // After `%26` or `%3f` the two hex digits stick to the name.
        is_secret(name) || name.get(2..).is_some_and(is_secret)
    })
}

/// A JSON web token, or something as long and random as one.
fn is_token(value: &str) -> bool {
    if value.starts_with("eyJ") && value.len() > 20 {
        return true;
    }
    let token_chars = value.len() >= 200
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.+/=%".contains(&b));
    token_chars && value.bytes().any(|b| b.is_ascii_digit()) && value.bytes().any(|b| b.is_ascii_uppercase())
}

/// A header value fit to be shown.
pub(crate) fn header(name: &str, value: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "authorization" | "proxy-authorization" => return scheme_only(value),
        "www-authenticate" | "proxy-authenticate" | "authentication-info" | "proxy-authentication-info" => {
            return challenge(value);
        }
        "location" | "content-location" | "referer" | "origin" => return url(value),
        "cookie" | "set-cookie" | "cookie2" => return cookie(value),
        _ => {}
    }
    let parts = [
        "token",
        "secret",
        "password",
        "api-key",
        "apikey",
        "cookie",
        "credential",
        "assertion",
        "x-ms-refresh",
        "signature",
    ];
    if parts.iter().any(|part| name.contains(part)) && name != "x-ms-token-type" || is_token(value) {
        return MASK.to_owned();
    }
    cut(value, MAX_HEADER).to_owned()
}

/// `Bearer ***`.
fn scheme_only(value: &str) -> String {
    match value.trim().split_once(' ') {
        Some((scheme, _)) if scheme.len() <= 32 => format!("{scheme} {MASK}"),
        _ => MASK.to_owned(),
    }
}

/// NTLM and Negotiate blobs are masked; parameters of other schemes stay.
fn challenge(value: &str) -> String {
    let scheme = value.split(' ').next().unwrap_or_default();
    let blob = scheme.eq_ignore_ascii_case("ntlm") || scheme.eq_ignore_ascii_case("negotiate");
    if blob && value.len() > scheme.len() + 1 {
        scheme_only(value)
    } else {
        cut(value, MAX_HEADER).to_owned()
    }
}

/// Cookie names without their values.
fn cookie(value: &str) -> String {
    let parts: Vec<String> = value
        .split(';')
        .take(32)
        .map(|part| match part.split_once('=') {
            Some((name, _)) => format!("{}={MASK}", cut(name.trim(), 64)),
            // A value without name is all secret, except for the two attributes that have none.
            None if ["secure", "httponly"].contains(&part.trim().to_ascii_lowercase().as_str()) => {
                part.trim().to_owned()
            }
            None => MASK.to_owned(),
        })
        .collect();
    parts.join("; ")
}

/// The start of a body (form, JSON, XML, text), at most `limit` bytes; a value that the cut leaves open is masked to its end.
pub(crate) fn body(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(limit + 64);
    let mut rest = text;
    while !rest.is_empty() && out.len() < limit {
        let Some(found) = next_secret(rest) else {
            out.push_str(rest);
            break;
        };
        let (before, after) = rest.split_at(found.value_at);
        out.push_str(before);
        out.push_str(MASK);
        rest = after.get(found.value_len..).unwrap_or_default();
    }
    let clean: String = cut(&out, limit)
        .chars()
        .map(|c| {
            if c.is_control() && !matches!(c, '\t' | '\n' | '\r') {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    clean
}

struct Found {
    value_at: usize,
    value_len: usize,
}

/// The next value to mask: behind a secret name and a separator, or a word that is a token itself.
fn next_secret(text: &str) -> Option<Found> {
    let mut from = 0;
    loop {
        let start = from + text.get(from..)?.find(|c: char| c.is_ascii_alphanumeric())?;
        let rest = text.get(start..)?;
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "_-.+/%".contains(c)))
            .unwrap_or(rest.len());
        let word = rest.get(..end)?;
        if is_token(word) {
            return Some(Found {
                value_at: start,
                value_len: end,
            });
        }
        let name_end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .unwrap_or(rest.len());
        let name = rest.get(..name_end)?;
        if let Some((separator, value_len)) = is_secret(name)
            .then(|| value_span(rest.get(name_end..)?))
            .flatten()
        {
            return Some(Found {
                value_at: start + name_end + separator,
                value_len,
            });
        }
        from = start + name_end.max(1);
    }
}

/// Bytes of separator and of value behind a secret name; `None` if what follows is no value.
fn value_span(text: &str) -> Option<(usize, usize)> {
    let separator = text.len()
        - text
            .trim_start_matches(['"', '\'', '\\', ' ', '=', ':', '\t'])
            .len();
    let mut head = text.get(..separator)?;
    let mut separator = separator;
    // An element: the value starts behind the end of the tag.
    let element = !head.contains(['=', ':'])
        && text
            .get(separator..)?
            .starts_with(|c: char| c == '>' || c.is_ascii_alphabetic());
    if element {
        separator = text.find('>')? + 1;
        head = "";
        if text.get(..separator)?.contains(['<', '{', '\n']) {
            return None;
        }
    } else if !head.contains(['=', ':']) {
        return None;
    }
    let value = text.get(separator..)?;
    let len = if head.ends_with(['"', '\'']) {
        value.find(['"', '\'', '\n'])
    } else if element {
        value.find('<')
    } else {
        value.find(['&', '<', ' ', '"', '\'', ',', '}', ';', '\r', '\n'])
    };
    let len = len.unwrap_or(value.len());
    (len > 0 && !value.starts_with(MASK)).then_some((separator, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_keep_their_shape_without_secrets() {
        for (text, expected) in [
            ("http://u:p@a/b?x=1", "http://***@a/b?x=1"),
            (
                "/cb?code=0.AAA&client-request-id=6b5d#access_token=eyJ",
                "/cb?code=***&client-request-id=6b5d#access_token=***",
            ),
            (
                "https://a/x?v=eyJhbGciOiJSUzI1NiIsImtpZCI6IjEyMzQ",
                "https://a/x?v=***",
            ),
            (
                "https://a/x?ru=https%3A%2F%2Fb%3Fcode%3DSECRET",
                "https://a/x?ru=***",
            ),
            ("login.example:443", "login.example:443"),
            (
                "https://a/organizations/v2.0/.well-known/openid-configuration",
                "https://a/organizations/v2.0/.well-known/openid-configuration",
            ),
        ] {
            assert_eq!(url(text), expected);
        }
    }

    #[test]
    fn headers_keep_scheme_and_names() {
        assert_eq!(header("Authorization", "Bearer abc"), "Bearer ***");
        assert_eq!(header("Cookie", "ESTSAUTH=1.A; x=2"), "ESTSAUTH=***; x=***");
        assert_eq!(header("Set-Cookie", "a=1; Secure"), "a=***; Secure");
        assert_eq!(header("x-ms-RefreshTokenCredential", "eyJ"), "***");
        assert_eq!(header("Proxy-Authenticate", "NTLM TlRMTVNTUAAC"), "NTLM ***");
        assert_eq!(
            header("Proxy-Authenticate", "Basic realm=\"x\""),
            "Basic realm=\"x\""
        );
        assert_eq!(header("Via", "1.1 proxy"), "1.1 proxy");
    }

    #[test]
    fn bodies_show_errors_but_no_secrets() {
        assert_eq!(
            body(
                r#"{"error":"invalid_grant","access_token":"abc","error_description":"AADSTS50126: no"}"#,
                256
            ),
            r#"{"error":"invalid_grant","access_token":"***","error_description":"AADSTS50126: no"}"#
        );
        assert_eq!(
            body("grant_type=password&username=u&password=p%40&x=1", 256),
            "grant_type=password&username=u&password=***&x=1"
        );
        assert_eq!(
            body("<o:Password Type=\"t\">secret</o:Password>", 256),
            "<o:Password Type=\"t\">***</o:Password>"
        );
        assert_eq!(body("password=secretsecret", 12), "password=***");
        assert!(!body(r#"{"x":"{\"client_secret\":\"s3cr3t\"}"}"#, 256).contains("s3cr3t"));
        assert_eq!(body("your password is wrong", 256), "your password is wrong");
        assert_eq!(body("code: ***", 256), "code: ***");
    }
}
