//! Masks credentials in everything that is handed on: tokens, codes, passwords, cookies, assertions.
//!
//! Values are replaced by `***`; names stay, so that a reader sees what was there. Patterns never swallow a quote
//! or a backslash, so masking a JSON text leaves it JSON.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::telling::{Telling, telling};

// Words begin as in ASCII: Japanese text has no blanks in front of them, and the searches stay with their fast engine.

/// What may stand right in front of a value: a quote, and characters that JSON escapes. A backslash never stands alone, as the mask
/// behind it would make an escape that JSON does not know.
const OPENING: &str = r#"(?:\\(?:u[0-9a-f]{4}|["'bfnrt/\\])|["']){0,4}"#;

/// Named values: query and form parameters, JSON members, command line options.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let names = "refresh_token|access_token|id_token|client_secret|client_assertion|assertion|password|passwd|pwd|\
                 session_key_jwe|device_code|user_code|code_verifier|authorization_code|secret|sas_token|sig\
                 |x-ms-refreshtokencredential|x-ms-devicecredential|SAMLResponse|samlp|otc|bulk_aad_jwt";
    Regex::new(&format!(
        r#"(?i)(?-u:\b)({names})(\\?["']?\s{{0,40}}[=:]\s{{0,4}}{OPENING}|\s+\\?["'])([^\s"'\\&,;}}\]]{{4,}})"#
    ))
    .ok()
});

/// Whole header values: cookies, and credentials of schemes without a name of their own.
static HEADER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(
        r#"(?i)(?-u:\b)((?:set-cookie2?|cookie|(?:proxy-)?authorization)\\?["']?\s{{0,40}}:\s?{OPENING}(?:(?:bearer|basic|negotiate|ntlm|pop|digest)\s)?)([^\r\n"'\\*][^\r\n"'\\]{{3,}})"#,
    ))
    .ok()
});

/// Session cookies of the sign-in service wherever they stand.
static SESSION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)(?-u:\b)(ESTS[A-Z]*|SignInStateCookie|x-ms-RefreshTokenCredential|x-ms-DeviceCredential)=([^\s"'\\;,&]{8,})"#).ok()
});

/// The OAuth authorization code: `code` alone is too common a word to be masked everywhere.
static CODE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([?&]code=|["']code["']\s?:\s?\[?\\?["'])([^\s"'\\&,;\]]{16,})"#).ok());

/// Schemes with their credentials, and everything that looks like a JSON web token.
static BEARER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(?-u:\b)(bearer|basic|negotiate|ntlm|pop)\s+([A-Za-z0-9+/_=.~-]{16,})|(?-u:\b)(ey)[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*",
    )
    .ok()
});

/// Command line options with a blank before the value.
static OPTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)((?:\s|'|")(?:-p|--password|--client-secret|--federated-token|-ClientSecret|-AccessToken|-Password)['"]?[,\s]\s{0,3}['"]?)([^\s"'\\,\]]{3,})"#,
    )
    .ok()
});

/// Credentials in a URL's authority.
static USERINFO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(https?://[^\s/:@"'\\]{1,100}:)([^\s/@"'\\]{1,200})@"#).ok());

/// A word that every pattern above needs; most texts have none and are spared the patterns. [`telling`] says the same of
/// texts in ASCII.
static HINT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)token\\?["']?\s*[=:]|token\s+\\?["']|-accesstoken|-federated-token|secret|passw|pwd|assertion|jwe|[?&]code=|["']code["']|_code|code_|saml|otc|sig=|sig\W|cookie|authorization|(?-u:\b)ests|credential|bearer|basic|negotiate|ntlm|pop |pop\t|ey[A-Za-z0-9_-]{10}|-p\W|://[^/\s]{1,300}@"#,
    )
    .ok()
});

/// `text` without credentials.
pub(crate) fn mask(text: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(text);
    let telling = match telling(text) {
        Some(Some(telling)) => telling,
        Some(None) => return out,
        None if HINT.as_ref().is_some_and(|hint| !hint.is_match(text)) => return out,
        None => Telling::ALL,
    };
    for (pattern, what, with) in PATTERNS {
        // What was masked may have brought something together.
        if telling.has(*what) || matches!(out, Cow::Owned(_)) {
            apply(&mut out, pattern, with);
        }
    }
    out
}

/// A pattern, what tells that it may match, and what becomes of a match.
type Pattern = (&'static LazyLock<Option<Regex>>, Telling, &'static str);

/// In the order in which they are applied.
const PATTERNS: &[Pattern] = &[
    (&BEARER, Telling::BEARER, "$1$3 ***"),
    (&NAMED, Telling::NAMED, "$1$2***"),
    (&HEADER, Telling::HEADER, "$1***"),
    (&SESSION, Telling::SESSION, "$1=***"),
    (&CODE, Telling::CODE, "$1***"),
    (&OPTION, Telling::OPTION, "$1***"),
    (&USERINFO, Telling::USERINFO, "$1***@"),
];

fn apply(text: &mut Cow<'_, str>, pattern: &LazyLock<Option<Regex>>, with: &str) {
    if let Some(regex) = pattern.as_ref()
        && let Cow::Owned(masked) = regex.replace_all(text, with)
    {
        *text = Cow::Owned(masked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece() -> impl Strategy<Value = String> {
        let words: Vec<&str> = "token|access_token|refresh_token|sas_token|-AccessToken|-federated-token|--federated-token|client_secret|-ClientSecret|secret|password|passwd|pwd|\
            client_assertion|session_key_jwe|bulk_aad_jwt|SAMLResponse|samlp|otc|code|?code|&code|\"code\"|'Code'|device_code|code_verifier|_code|sig|signal|cookie|\
            set-cookie2|Cookie|Proxy-Authorization|authorization|ests|ESTSAUTH|requests|SignInStateCookie|x-ms-RefreshTokenCredential|credential|Bearer|basic|\
            negotiate|NTLM|pop|ey|eyJ0eXAiOiJ|key|-p|--password|http|https|://|u:p@h|@|***"
            .split('|')
            .collect();
        let signs: Vec<&str> =
            "=|:|=> |: |\"|'|\\|\\\"|,|;|&|.|-|_|/| |  |\t|\u{b}|\u{c}|\r\n|\u{1c}|é|ſ|\u{212a}|\u{a0}|{|}|]"
                .split('|')
                .collect();
        prop_oneof![
            4 => prop::sample::select(words).prop_map(ToOwned::to_owned),
            4 => prop::sample::select(signs).prop_map(ToOwned::to_owned),
            2 => "[A-Za-z0-9_-]{1,20}",
            1 => (95..306_usize).prop_map(|n| "x".repeat(n)),
        ]
    }

    /// All patterns over every text that has a hint.
    fn by_patterns(text: &str) -> Cow<'_, str> {
        let mut out = Cow::Borrowed(text);
        if HINT.as_ref().is_some_and(|hint| hint.is_match(text)) {
            for (pattern, _, with) in PATTERNS {
                apply(&mut out, pattern, with);
            }
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn what_is_told_is_what_the_patterns_find(pieces in prop::collection::vec(piece(), 1..12)) {
            let text = pieces.concat();
            if let Some(telling) = telling(&text) {
                let hint = HINT.as_ref().is_some_and(|hint| hint.is_match(&text));
                prop_assert_eq!(telling.is_some(), hint, "{:?}", text);
                for (pattern, what, _) in PATTERNS {
                    let found = pattern.as_ref().is_some_and(|pattern| pattern.is_match(&text));
                    prop_assert!(!found || telling.is_none_or(|telling| telling.has(*what)), "{:?} {:?}", what, text);
                }
            }
            prop_assert_eq!(mask(&text), by_patterns(&text));
        }
    }

    #[test]
    fn the_longest_user_info_is_told_of() {
        for (user, password) in [(100, 199), (100, 200), (99, 201), (1, 200), (101, 100), (98, 200)] {
            let text = format!("x https://{}:{}@h", "u".repeat(user), "p".repeat(password));
            assert_eq!(mask(&text), by_patterns(&text), "{user} {password}");
            let text = format!("basic {text}");
            assert_eq!(mask(&text), by_patterns(&text), "{user} {password}");
        }
    }

    #[test]
    fn credentials_go_and_names_stay() {
        for (text, secret) in [
            ("Authorization: Bearer abcdefghijklmnop.qrstuvw", "qrstuvw"),
            ("認証Bearer abcdefghijklmnop.qrstuvw", "qrstuvw"),
            (
                "x eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJodHRw.c2lnbmF0dXJl y",
                "c2lnbmF0dXJl",
            ),
            (
                "grant_type=refresh_token&refresh_token=0.AXXXsecret&x=1",
                "AXXXsecret",
            ),
            (r#"{"access_token":"opaque-value","n":1}"#, "opaque-value"),
            (
                "http://localhost:8400/?code=0.AVYAbcdefghijklmnop&state=1",
                "AVYA",
            ),
            ("['login', '-u', 'me', '-p', 'hunter22']", "hunter22"),
            ("az login --service-principal -p hunter22 --tenant x", "hunter22"),
            ("Cookie: ESTSAUTH=abcdefgh", "abcdefgh"),
            ("Cookie: a=1; b=second-cookie", "second-cookie"),
            (
                r#"{"h":{"Set-Cookie":"a=1; b=second-cookie; path=/","x":"y"}}"#,
                "second-cookie",
            ),
            ("Authorization: SharedAccessSignature sr=x&sig2=abcdef", "abcdef"),
            ("see ESTSAUTHPERSISTENT=abcdefghi there", "abcdefghi"),
            (r#"{"x":"Sig=\u0000topsecret"}"#, "topsecret"),
            (r#"{"x":"Cookie: \t\u0001topsecret"}"#, "topsecret"),
            ("HTTPS_PROXY=http://user:hunter22@proxy:8080", "hunter22"),
            (r#"{"x":"{\"client_secret\": \"topsecret\"}"}"#, "topsecret"),
        ] {
            let masked = mask(text);
            assert!(!masked.contains(secret), "{masked}");
            assert!(masked.contains("***"), "{masked}");
            let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
            assert_eq!(json(text), json(&masked), "{masked}");
        }
        for plain in [
            "Status code: 0x801c001d",
            "error code: 50126 for user",
            "Credential Type : Password",
            "-p 80",
        ] {
            assert_eq!(mask(plain), plain);
        }
    }
}
