//! Tells in one pass over the bytes whether a text can hold a secret at all.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use casetrace_model::Words;

use crate::secrets::PARAMETER_BLANKS;
use crate::tables::{IDENTITY_SPELLINGS, Reach, SECRET_SPELLINGS};

/// Secrets that show by themselves: how each begins, exactly as spelled.
const SHAPES: &[&str] = &[
    "eyJ", "TlRMTVNT", "YII", "oYI", "doI", "YIGD", "AQABAAA", "0.A", "1.A", "M.C", "M.R",
];

/// Letters that patterns take for an `s` and a `k`: a word with one of them is not found as spelled, so any pattern may match.
const FOLDED: [&str; 2] = ["\u{17f}", "\u{212a}"];

/// Words in front of secrets, in any case, with what they tell.
const WORDS: &[(&str, Telling)] = &[
    ("bearer", Telling::SCHEMES),
    ("basic", Telling::SCHEMES),
    ("digest", Telling::SCHEMES),
    ("negotiate", Telling::SCHEMES),
    ("ntlm", Telling::SCHEMES),
    ("pop", Telling::SCHEMES),
    ("kerberos", Telling::SCHEMES),
    ("private key", Telling::BLOCKS),
    ("assertion", Telling::BLOCKS),
    ("password", Telling::OPTIONS),
    ("secret", Telling::OPTIONS),
    ("passphrase", Telling::OPTIONS),
    ("token", Telling::OPTIONS),
    ("sharedaccess", Telling::NONE),
    ("binarysecuritytoken", Telling::NONE),
];

/// Which patterns may match a text; names in front of values are looked for in every text that tells anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Telling(u8);

impl Telling {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const BLOCKS: Self = Self(1);
    pub(crate) const SHAPES: Self = Self(2);
    pub(crate) const SCHEMES: Self = Self(4);
    pub(crate) const USER_INFO: Self = Self(8);
    pub(crate) const OPTIONS: Self = Self(16);
    pub(crate) const ALL: Self = Self(u8::MAX);

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Base64 shorter than this holds no named secret.
pub(crate) const MIN_BASE64: usize = 20;

/// All literals as one automaton, the [`SHAPES`] before [`FOLDED`] letters before the words.
struct Literals {
    search: Words,
    /// What each word tells besides that a name may stand there.
    tells: Vec<Telling>,
}

static LITERALS: LazyLock<Option<Literals>> = LazyLock::new(|| {
    let mut words: Vec<String> = WORDS.iter().map(|(word, _)| (*word).to_owned()).collect();
    for (name, reach) in SECRET_SPELLINGS.iter() {
        for spelling in spellings(name) {
            match reach {
                Reach::Parameter => {
                    let colons = PARAMETER_BLANKS.map(|blanks| format!("{blanks}:"));
                    let others = ["=", "\"", "\\", "'", "%3d", "%3a", "%22"].map(ToOwned::to_owned);
                    words.extend(
                        colons
                            .into_iter()
                            .chain(others)
                            .map(|end| spelling.clone() + &end),
                    );
                }
                _ => words.push(spelling),
            }
        }
    }
    words.sort();
    words.dedup();
    let shapes = SHAPES.iter().map(|shape| (*shape).to_owned());
    let told_by = |word: &String| {
        let known = WORDS.iter().find(|(known, _)| known == word);
        known.map_or(Telling::NONE, |(_, telling)| *telling)
    };
    let tells = words.iter().map(told_by).collect();
    let folded = FOLDED.iter().map(|letter| (*letter).to_owned());
    let search = Words::new(shapes.chain(folded).chain(words))?;
    Some(Literals { search, tells })
});

/// A name with its parts joined in every way: `x_api_key`, `x-api_key`, `xapi-key` …
fn spellings(name: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    for (i, part) in name.split('_').enumerate() {
        let joints: &[&str] = if i == 0 { &[""] } else { &["_", "-", " ", ""] };
        out = out
            .iter()
            .flat_map(|start| joints.iter().map(move |joint| format!("{start}{joint}{part}")))
            .collect();
    }
    out
}

/// True if a pattern might match.
pub(crate) fn may_hold_secret(text: &str) -> bool {
    telling(text).is_some()
}

/// Which patterns might match; `None` if none does.
pub(crate) fn telling(text: &str) -> Option<Telling> {
    let Some(literals) = LITERALS.as_ref() else {
        return Some(Telling::ALL);
    };
    let bytes = text.as_bytes();
    let (mut any, mut all) = (false, Telling::NONE);
    literals.search.each(text, |literal, range| {
        if let Some(shape) = SHAPES.get(literal) {
            if is_shape(bytes, range, shape) {
                (any, all) = (true, all.and(Telling::SHAPES));
            }
            return;
        }
        match literal.checked_sub(SHAPES.len() + FOLDED.len()) {
            // Unlike shapes, words tell of patterns that are less strict about where they stand.
            Some(word) => {
                any |= is_word(bytes, range);
                let told = literals.tells.get(word).copied();
                all = all.and(told.unwrap_or(Telling::NONE));
            }
            None => (any, all) = (true, Telling::ALL),
        }
    });
    if has_user_info(text) {
        (any, all) = (true, all.and(Telling::USER_INFO));
    }
    any.then_some(all)
}

/// The literal in its own case, where a word begins (`OAQABAAA` is a spelling of its own).
fn is_shape(text: &[u8], at: Range<usize>, shape: &str) -> bool {
    let before = text.get(..at.start).and_then(<[u8]>::last);
    let begins =
        before.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_' || *b == b'O' && shape == "AQABAAA");
    (begins || escape_before(text, at.start)) && text.get(at) == Some(shape.as_bytes())
}

/// A literal that is no part of a longer word: names count as a whole (`state`, not `NewState`).
fn is_word(text: &[u8], at: Range<usize>) -> bool {
    let before = text.get(..at.start).and_then(<[u8]>::last);
    let after = text.get(at.end);
    let begins = before.is_none_or(|b| !b.is_ascii_alphabetic()) || escape_before(text, at.start);
    // Some literals carry the separator, which ends the word whatever follows.
    let separated = text
        .get(at)
        .is_some_and(|word| word.contains(&b'%') || word.last().is_some_and(|b| !b.is_ascii_alphanumeric()));
    let ends = separated || after.is_none_or(|b| !b.is_ascii_alphanumeric());
    begins && ends
}

/// True if the letters in front may belong to an escape (`\\n`, `\\u000a`) in JSON that is looked at unread.
fn escape_before(text: &[u8], at: usize) -> bool {
    text.get(at.saturating_sub(6)..at)
        .is_some_and(|before| before.contains(&b'\\'))
}

/// First letters of each spelling, up to the first joint: after it a pattern allows any.
static NAMES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let mut words: Vec<&str> = IDENTITY_SPELLINGS
        .iter()
        .filter_map(|(name, _)| name.split(['_', ' ']).next())
        .collect();
    words.extend(FOLDED);
    words.sort_unstable();
    words.dedup();
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(aho_corasick::AhoCorasickKind::DFA))
        .build(words)
        .ok()
});

/// True if `name: value` with an identity's name might be there.
pub(crate) fn may_name_identity(text: &str) -> bool {
    text.contains([':', '=']) && NAMES.as_ref().is_none_or(|names| names.is_match(text))
}

/// True if something might show as an identity by its form: each form has a joint.
pub(crate) fn may_hold_form(text: &str) -> bool {
    text.bytes()
        .any(|b| matches!(b, b'.' | b':' | b'-' | b'@' | b'\\' | b'/'))
}

/// `scheme://user:password@host`.
fn has_user_info(text: &str) -> bool {
    // The rarer of the two first.
    memchr::memchr(b'@', text.as_bytes()).is_some() && text.contains("://")
}

/// True if there is a run of base64 characters that is worth decoding; GUIDs and other hex is not.
pub(crate) fn may_hold_base64(text: &str) -> bool {
    let (mut run, mut hex_only) = (0, true);
    for byte in text.bytes() {
        if !is_base64(byte) {
            (run, hex_only) = (0, true);
            continue;
        }
        run += 1;
        hex_only &= byte.is_ascii_hexdigit() || byte == b'-';
        if run >= MIN_BASE64 && !hex_only {
            return true;
        }
    }
    false
}

/// Standard and URL-safe alphabets.
pub(crate) fn is_base64(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut i = 0;
        while i < 256 {
            let b = i as u8;
            table[i] = b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_');
            i += 1;
        }
        table
    };
    TABLE[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets;
    use proptest::prelude::*;

    #[test]
    fn parts_of_longer_words_are_no_names() {
        for quiet in [
            r#"{"NewState":"8","ErrorCode":"5"}"#,
            "WINDOWS_PLATFORM.COM 10.A0",
            "tokenization of statements",
        ] {
            assert!(!may_hold_secret(quiet), "{quiet}");
        }
        for telling in [
            r#"{"State":"8"}"#,
            r#"{"x":"a\nstate=b"}"#,
            "oYIK0",
            "M.R3_BAY",
            "-OAQABAAA",
            "Access Token: a",
            "x-token",
        ] {
            assert!(may_hold_secret(telling), "{telling}");
        }
    }

    /// No joints on their own: `ctx-=` counts as `ctx`, but nobody writes that.
    fn piece() -> impl Strategy<Value = String> {
        let names: Vec<String> = SECRET_SPELLINGS
            .iter()
            .flat_map(|(name, _)| ["_", "-", ""].map(|joint| name.replace('_', joint)))
            .collect();
        let fixed: Vec<&str> = "\\|\"|'|:|=|=>| |  |\t|\u{a0}|:\"|  :\"|code|語|%3D|%22|<|>|/|?|&|.|n|x|9|Bearer |basic |POP+|eyJabcdefgh1|TlRMTVNTUAAB1|\
            doIEabc|0.AXoAabc|OAQABAAAx1|M.R3_BAY.x|://|@|\n|-----BEGIN RSA PRIVATE KEY-----|<saml:Assertion>|--password |\
            -clientſecret |Baſic 1234abcdE|/passphrase,|é|http://u:p@h|M.C1_|TlRMTVNTUA|%20|TOKEN|\u{212a}"
            .split('|')
            .collect();
        prop_oneof![
            prop::sample::select(names),
            prop::sample::select(fixed).prop_map(ToOwned::to_owned),
            "[A-Za-z0-9]{1,24}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn what_is_masked_was_expected_and_by_which_pattern(pieces in prop::collection::vec(piece(), 1..10)) {
            let text = pieces.concat();
            let masked = secrets::mask(&text);
            let telling = telling(&text);
            prop_assert_eq!(telling.is_some(), may_hold_secret(&text), "{}", text);
            match telling {
                Some(telling) => prop_assert_eq!(secrets::mask_where(&text, telling), masked, "{}", text),
                None => prop_assert_eq!(&masked, &text),
            }
        }
    }
}
