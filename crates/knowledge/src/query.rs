//! How a question is read, and how one number is spelled in the name spaces it appears in.

use casetrace_model::{Text, code};

use crate::table::Fact;

/// A question, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Query<'a> {
    /// An event id, of any provider or of the one named.
    Event { provider: Option<&'a str>, id: u32 },
    /// A number in a name space that was named (`http 407`, `AADSTS50126`).
    Scoped { namespace: &'static str, value: u32 },
    /// A bare number; `hex` tells that it was written so.
    Number { value: u32, hex: bool },
    /// A symbol, host name or other word.
    Word(&'a str),
}

/// Words before a number that name the space it belongs to.
const SCOPES: &[(&str, &str)] = &[
    ("aadsts", "aadsts"),
    ("http", "http"),
    ("tls", "tls"),
    ("alert", "tls"),
    ("kerberos", "kerberos"),
    ("krb", "kerberos"),
    ("kdc", "kerberos"),
    ("ldap", "ldap"),
    ("dns", "dns"),
    ("rcode", "dns"),
    ("winhttp", "winhttp"),
    ("wininet", "winhttp"),
    ("win32", "win32"),
];

/// Words before a number that say nothing about it.
const NOISE: &[&str] = &[
    "hr",
    "hresult",
    "error",
    "code",
    "ntstatus",
    "status",
    "エラー",
    "コード",
];

const EVENT_WORDS: &[&str] = &["eventid", "event id", "event", "イベント id", "イベント"];

/// Reads a question. Never fails: what is no number is a word.
pub(crate) fn read(text: &str) -> Query<'_> {
    let text = text.trim().trim_matches(['"', '\'', '`']).trim();
    if let Some(query) = scoped(text).or_else(|| event(text)) {
        return query;
    }
    match number(text) {
        Some((value, hex)) => Query::Number { value, hex },
        None => Query::Word(text),
    }
}

/// Splits `word`, then blank, colon, equals sign, slash or nothing, then the rest, if `text` starts with the word.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let head = text.get(..word.len())?;
    let rest = text.get(word.len()..)?;
    head.eq_ignore_ascii_case(word)
        .then(|| rest.trim_start_matches([' ', ':', '=', '/', '#']))
}

fn scoped(text: &str) -> Option<Query<'_>> {
    SCOPES.iter().find_map(|(word, namespace)| {
        let (value, _) = number(after(text, word)?)?;
        Some(Query::Scoped { namespace, value })
    })
}

fn event(text: &str) -> Option<Query<'_>> {
    if let Some(id) = EVENT_WORDS.iter().find_map(|word| plain(after(text, word)?)) {
        return Some(Query::Event { provider: None, id });
    }
    let (provider, id) = text.rsplit_once(['/', ' ', ':'])?;
    let id = plain(id)?;
    let provider = provider.trim_end_matches(['/', ' ', ':']);
    let provider = ["event id", "event", "イベント"]
        .iter()
        .find_map(|word| strip_suffix_ignore_case(provider, word))
        .unwrap_or(provider)
        .trim_end();
    let is_name = provider.chars().next().is_some_and(char::is_alphabetic);
    let is_noise = NOISE.iter().any(|word| provider.eq_ignore_ascii_case(word));
    (is_name && !is_noise && number(provider).is_none()).then_some(Query::Event {
        provider: Some(provider),
        id,
    })
}

fn strip_suffix_ignore_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    text.get(at..)?
        .eq_ignore_ascii_case(suffix)
        .then(|| text.get(..at))
        .flatten()
}

fn plain(text: &str) -> Option<u32> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// A number in any spelling, with or without a word such as `hr=` before it.
fn number(text: &str) -> Option<(u32, bool)> {
    for word in NOISE {
        if let Some(rest) = after(text, word).filter(|rest| rest.len() < text.len()) {
            // After "hr=" eight digits are hex even if none is a letter.
            let hex = *word == "hr" && rest.len() == 8 && rest.bytes().all(|b| b.is_ascii_hexdigit());
            return if hex {
                Some((u32::from_str_radix(rest, 16).ok()?, true))
            } else {
                number(rest)
            };
        }
    }
    // One source document prints a doubled minus.
    let text = text
        .strip_prefix('-')
        .filter(|rest| rest.starts_with('-'))
        .unwrap_or(text);
    let value = code::parse_number(text)?;
    let digits = text.trim_start_matches(['(', '[', '-']);
    Some((
        value,
        !digits
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b')' || b == b'.' || b == b','),
    ))
}

/// The code as people write it.
pub(crate) fn shown(fact: &Fact) -> Text {
    match fact.namespace.as_str() {
        "aadsts" => Text::from(format!("AADSTS{}", fact.code)),
        _ => fact.code.clone(),
    }
}

/// Other spellings of a fact's number: decimal of an HRESULT, HRESULT and ADAL form of a Win32 number.
pub(crate) fn spellings(fact: &Fact) -> Vec<Text> {
    let Some(value) = fact.value.filter(|_| !fact.is_event) else {
        return Vec::new();
    };
    match fact.namespace.as_str() {
        "winhttp" => vec![
            code::hex32(0x8007_0000 | value),
            code::hex32(0xcaa8_0000 | value),
            signed(0x8007_0000 | value),
        ],
        "win32" if value <= 0xffff => vec![code::hex32(0x8007_0000 | value), signed(0x8007_0000 | value)],
        "cloudap" => vec![code::hex32(value & 0xbfff_ffff), signed(value)],
        "kerberos" => vec![Text::from(format!("{value:#x}"))],
        "http" | "tls" | "ldap" | "dns" | "aadsts" | "win32" => Vec::new(),
        _ => vec![signed(value)],
    }
}

fn signed(value: u32) -> Text {
    Text::from(value.cast_signed().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_as_meant() {
        let number = |value, hex| Query::Number { value, hex };
        assert_eq!(read("0x801C0021"), number(0x801c_0021, true));
        assert_eq!(read("--1073445695"), number(0xc004_84c1, false));
        assert_eq!(read("hr=80230402"), number(0x8023_0402, true));
        assert_eq!(read("hr=800700CE,"), number(0x8007_00ce, true));
        assert_eq!(
            read("AADSTS50126"),
            Query::Scoped {
                namespace: "aadsts",
                value: 50126
            }
        );
        assert_eq!(
            read("http 407"),
            Query::Scoped {
                namespace: "http",
                value: 407
            }
        );
        assert_eq!(
            read("event 304"),
            Query::Event {
                provider: None,
                id: 304
            }
        );
        assert_eq!(
            read("イベント ID 304"),
            Query::Event {
                provider: None,
                id: 304
            }
        );
        assert_eq!(
            read("Microsoft-Windows-AAD/1098"),
            Query::Event {
                provider: Some("Microsoft-Windows-AAD"),
                id: 1098
            }
        );
        assert_eq!(
            read("UDR event 304"),
            Query::Event {
                provider: Some("UDR"),
                id: 304
            }
        );
        assert_eq!(read("STATUS_LOGON_FAILURE"), Query::Word("STATUS_LOGON_FAILURE"));
        assert_eq!(read("エ"), Query::Word("エ"));
        assert_eq!(read(""), Query::Word(""));
    }
}
