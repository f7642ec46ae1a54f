//! Takes secrets out of values: passwords, tokens, cookies, authorization headers (names in `pipelines/etl/secrets.tsv`).
//!
//! The shape stays (which header, which parameter, which scheme), the value becomes `***`.

use std::collections::HashSet;
use std::sync::LazyLock;

const MASK: &str = "***";
/// Anything shorter cannot be told from an ordinary word.
const SHORTEST_TOKEN: usize = 20;

struct Names {
    fields: HashSet<String>,
    parameters: HashSet<&'static str>,
    headers: HashSet<&'static str>,
    /// First letters (bits) of parameters and headers by length: nearly all words are told apart by that.
    firsts: [u32; 64],
}

impl Names {
    fn note(&mut self, name: &str) {
        if let (Some(bit), Some(letters)) = (first_letter(name), self.firsts.get_mut(name.len())) {
            *letters |= bit;
        }
    }

    /// False for words that are no parameter and no header.
    fn may_know(&self, word: &str) -> bool {
        match (first_letter(word), self.firsts.get(word.len())) {
            (Some(bit), Some(letters)) => letters & bit != 0,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

fn first_letter(word: &str) -> Option<u32> {
    let letter = word.bytes().next()?.to_ascii_lowercase();
    letter.is_ascii_lowercase().then(|| 1 << (letter - b'a'))
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let mut names = Names {
        fields: HashSet::new(),
        parameters: HashSet::new(),
        headers: HashSet::new(),
        firsts: [0; 64],
    };
    for [kind, name] in crate::table::rows(include_str!("../../../pipelines/etl/secrets.tsv")) {
        if kind != "field" {
            names.note(name);
        }
        match kind {
            "field" => drop(names.fields.insert(name.to_ascii_lowercase())),
            "parameter" => drop(names.parameters.insert(name)),
            _ => drop(names.headers.insert(name)),
        }
    }
    names
});

/// True if the whole value of the event field `name` is secret.
pub(crate) fn is_secret_field(name: &str) -> bool {
    NAMES.fields.contains(&name.to_ascii_lowercase())
}

/// The masked form of a field that is secret as a whole.
pub(crate) fn whole(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| MASK.to_owned())
}

/// The value without secrets; `None` if there is none in it.
pub(crate) fn value(text: &str) -> Option<String> {
    if text.len() < 6 || !may_hold_secret(text.as_bytes()) {
        return None;
    }
    let mut out = String::new();
    let mut rest = text;
    let mut changed = false;
    while let Some((keep, skip)) = next_secret(rest) {
        out.push_str(rest.get(..keep).unwrap_or_default());
        out.push_str(MASK);
        rest = rest.get(keep + skip..).unwrap_or_default();
        changed = true;
    }
    out.push_str(rest);
    changed.then_some(out)
}

fn may_hold_secret(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const LOW: u64 = ONES * 0x7f;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    // Eight bytes at a time; the top bit of each tells whether it is one of the signs. No sum carries into the next byte.
    let found = words.iter().chain(std::iter::once(&last)).fold(0, |found, word| {
        let word = u64::from_le_bytes(*word);
        let is = |sign: u8| {
            let other = word ^ (ONES * u64::from(sign));
            !(((other & LOW) + LOW) | other) & !LOW
        };
        found | is(b'=') | is(b':') | is(b'>') | is(b' ')
    });
    found != 0 || bytes.starts_with(b"eyJ")
}

/// Where the next secret value starts, and how long it is.
fn next_secret(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    while let Some(rest) = text.get(from..) {
        let start = from + rest.bytes().position(|b| b.is_ascii_alphabetic())?;
        let len = text.get(start..)?.bytes().take_while(is_word).count();
        let word = text.get(start..start + len)?;
        let behind = text.get(start + len..)?;
        if let Some(found) = secret_word(word, behind) {
            return Some((start + found.0, found.1));
        }
        from = start + len;
    }
    None
}

/// A secret that begins with `word`: offset from the word's start, length.
fn secret_word(word: &str, behind: &str) -> Option<(usize, usize)> {
    if word.starts_with("eyJ") && word.len() > SHORTEST_TOKEN {
        return Some((
            0,
            word.len()
                + span(behind, |b| {
                    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'=' | b'+' | b'/')
                }),
        ));
    }
    if word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("pop") {
        let token = behind.strip_prefix(' ')?;
        let len = span(token, |b| {
            !b.is_ascii_whitespace() && !matches!(b, b'"' | b',' | b'\'')
        });
        return (len >= SHORTEST_TOKEN).then_some((word.len() + 1, len));
    }
    let names = &*NAMES;
    if !names.may_know(word) {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    if names.headers.contains(lower.as_str()) && behind.starts_with(':') {
        return header(word, behind);
    }
    if !names.parameters.contains(lower.as_str()) {
        return None;
    }
    let separator = span(behind, |b| {
        matches!(b, b'"' | b'\'' | b' ' | b'=' | b':' | b'>' | b'\\')
    });
    let signs = behind.get(..separator)?;
    // A plain colon in a sentence ("code: 5") is no parameter; a quoted or assigned value is.
    let assigned = signs.contains(['=', '>']) || (signs.contains(':') && signs.contains('"'));
    if !assigned {
        return None;
    }
    let value = behind.get(separator..)?;
    let quoted = signs.ends_with(['"', '\'']);
    let len = span(value, |b| match b {
        b'"' | b'\'' | b'\n' => false,
        b'&' | b'<' | b' ' | b',' | b'}' | b';' | b'\r' | b'#' => quoted,
        _ => true,
    });
    (len > 0 && value.get(..len) != Some(MASK)).then_some((word.len() + separator, len))
}

/// The value of a secret header, the scheme of an authorization left in place.
fn header(word: &str, behind: &str) -> Option<(usize, usize)> {
    let blank = 1 + span(behind.get(1..)?, |b| b == b' ');
    let value = behind.get(blank..)?;
    let line = span(value, |b| b != b'\r' && b != b'\n');
    let scheme = match word.to_ascii_lowercase().ends_with("authorization") {
        true => value.get(..line)?.find(' ').map_or(0, |at| at + 1),
        false => 0,
    };
    (line > scheme && value.get(scheme..line) != Some(MASK))
        .then_some((word.len() + blank + scheme, line - scheme))
}

/// Length of the longest prefix all of whose bytes `fit`; ends at a character boundary.
fn span(text: &str, fit: impl Fn(u8) -> bool) -> usize {
    text.bytes()
        .position(|b| b.is_ascii() && !fit(b))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_secrets_are_seen_at_every_place() {
        for len in 0..20 {
            let plain = "x".repeat(len) + "é<;\u{7f}";
            assert!(!may_hold_secret(plain.as_bytes()));
            for sign in ["=", ":", ">", " "] {
                assert!(may_hold_secret(format!("{}{sign}y", "x".repeat(len)).as_bytes()));
            }
        }
        assert!(may_hold_secret(b"eyJ"));
    }

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let jwt = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEyMyJ9.e30.sig";
        let cases = [
            (
                "https://h/cb?code=0.AAA&client-request-id=1#id_token=abc",
                "https://h/cb?code=***&client-request-id=1#id_token=***",
            ),
            (
                "GET / HTTP/1.1\r\nAuthorization: Negotiate YII\r\nHost: h\r\n",
                "GET / HTTP/1.1\r\nAuthorization: Negotiate ***\r\nHost: h\r\n",
            ),
            ("Cookie: a=b; c=d\r\nX: y", "Cookie: ***\r\nX: y"),
            (
                r#"{"access_token":"abc","n":1}"#,
                r#"{"access_token":"***","n":1}"#,
            ),
            ("<o:Password>pw</o:Password>", "<o:Password>***</o:Password>"),
            (
                "grant_type=password&username=u&password=p%40",
                "grant_type=password&username=u&password=***",
            ),
            ("got Bearer AAAABBBBCCCCDDDDEEEEFFFF, ok", "got Bearer ***, ok"),
        ];
        for (given, expected) in cases {
            assert_eq!(value(given).as_deref(), Some(expected));
            assert_eq!(value(expected), None, "{expected}");
        }
        assert_eq!(
            value(&format!("token was {jwt}!")).as_deref(),
            Some("token was ***!")
        );
        for plain in [
            "error code: 0x80072ee7",
            "state machine",
            "https://h/p?x=1",
            "a=b",
            "",
            "Authorization",
        ] {
            assert_eq!(value(plain), None, "{plain}");
        }
        assert!(is_secret_field("password") && !is_secret_field("UserName"));
    }
}
