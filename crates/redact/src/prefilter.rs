//! Tells in one pass over the bytes whether a text can hold a secret at all.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use crate::tables::{IDENTITY_SPELLINGS, Reach, SECRET_SPELLINGS};

/// Shapes that are secrets without a name.
const SHAPES: &[&str] = &[
    "eyj",
    "bearer ",
    "basic ",
    "negotiate ",
    "ntlm ",
    "pop ",
    "kerberos ",
    "private key",
    "assertion",
    "tlrmtvnt",
    "yii",
    "sharedaccess",
    "binarysecuritytoken",
    "://",
    "aqab",
    "0.a",
    "1.a",
    "m.c",
    "doi",
];

/// Base64 shorter than this holds no named secret.
pub(crate) const MIN_BASE64: usize = 20;

static LITERALS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let mut words: Vec<String> = SHAPES
        .iter()
        .filter(|w| **w != "://")
        .map(|w| (*w).to_owned())
        .collect();
    for (name, reach) in SECRET_SPELLINGS.iter() {
        let spellings = [(*name).to_owned(), name.replace('_', "-"), name.replace('_', "")];
        for spelling in spellings {
            match reach {
                Reach::Parameter => words
                    .extend(["=", "\"", "\\", "'", "%3d", "%22", ">"].map(|end| format!("{spelling}{end}"))),
                _ => words.push(spelling),
            }
        }
    }
    words.sort();
    words.dedup();
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(aho_corasick::AhoCorasickKind::DFA))
        .build(words)
        .ok()
});

/// True if a pattern might match.
pub(crate) fn may_hold_secret(text: &str) -> bool {
    LITERALS.as_ref().is_none_or(|words| words.is_match(text)) || has_user_info(text)
}

/// First letters of each spelling, up to the first joint: after it a pattern allows any.
static NAMES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let mut words: Vec<&str> = IDENTITY_SPELLINGS
        .iter()
        .filter_map(|(name, _)| name.split(['_', ' ']).next())
        .collect();
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

/// `scheme://user:password@host`.
fn has_user_info(text: &str) -> bool {
    text.contains("://") && text.contains('@')
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
