//! Error numbers in free text, and which of several names the cause best.

use std::sync::LazyLock;

use casetrace_model::{Text, Words, code};
use regex::Regex;

static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?P<sts>AADSTS\d{4,8}|MSIS\d{3,5})\b|(?:error ?code|code|HRESULT|error|status|\bhr)\s{0,2}[:=]?\s{0,2}\(?(?:0x(?P<short>[0-9a-f]{1,8})\b|(?P<bare>[89c][0-9a-f]{7})\b|(?P<dec>-\d{9,10})\b)|\b0x(?P<hex>[0-9a-f]{8})\b",
    )
    .ok()
});

/// Codes of one record, in order of appearance, without repeats and without successes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Codes {
    all: Vec<Text>,
}

/// Codes kept of one record.
const MOST: usize = 24;

impl Codes {
    /// All codes in `text`.
    pub(crate) fn of(text: &str) -> Self {
        let mut codes = Self::default();
        codes.add(text);
        codes
    }

    /// Adds the codes in `text`.
    pub(crate) fn add(&mut self, text: &str) {
        if !may_hold(text) {
            return;
        }
        let Some(regex) = NUMBER.as_ref() else { return };
        for found in regex.captures_iter(text) {
            if let Some(sts) = found.name("sts") {
                self.push(Text::from(sts.as_str().to_ascii_uppercase()));
            } else if let Some(hex) = found.name("hex") {
                // Small numbers without a label are return values, flags and addresses.
                self.hex(hex.as_str(), 0x4000_0000);
            } else if let Some(hex) = found.name("bare").or(found.name("short")) {
                self.hex(hex.as_str(), 1);
            } else if let Some(value) = found.name("dec").and_then(|dec| code::parse_number(dec.as_str())) {
                self.number(value);
            }
        }
    }

    fn hex(&mut self, digits: &str, least: u32) {
        if let Ok(value) = u32::from_str_radix(digits, 16)
            && value >= least
        {
            self.number(value);
        }
    }

    /// Adds a number unless it means success.
    pub(crate) fn number(&mut self, value: u32) {
        if value != 0 {
            self.push(code::normalise(value));
        }
    }

    fn push(&mut self, code: Text) {
        if self.all.len() < MOST && !self.all.contains(&code) {
            self.all.push(code);
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Text] {
        &self.all
    }

    /// The one nearest to the cause: what the server said, then network failures, then failures, then the rest.
    pub(crate) fn best(&self) -> Option<&Text> {
        let mut best: Option<(&Text, u8)> = None;
        for code in &self.all {
            let rank = rank(code);
            if best.is_none_or(|(_, other)| rank > other) {
                best = Some((code, rank));
            }
        }
        best.map(|(code, _)| code)
    }
}

/// What the pattern's matches begin with, in any case; a longer label ends with one of these.
const WORDS: [&str; 8] = ["0x", "aadsts", "msis", "code", "hresult", "error", "status", "hr"];

static SEARCH: LazyLock<Option<Words>> = LazyLock::new(|| Words::new(WORDS));

/// False if the pattern can't match: most lines have no code, but words that announce one.
fn may_hold(text: &str) -> bool {
    let Some(search) = SEARCH.as_ref() else {
        return true;
    };
    // The pattern knows further spellings of some letters, as `ſ` for `s`.
    let mut may = !text.is_ascii();
    search.each(text, |word, range| {
        let after = text.as_bytes().get(range.end..).unwrap_or_default();
        may |= announces(word, after);
    });
    may
}

/// True if a number follows on one of [`WORDS`].
fn announces(word: usize, after: &[u8]) -> bool {
    let digit = |of: fn(&u8) -> bool| after.first().is_some_and(of);
    match word {
        0 => digit(u8::is_ascii_hexdigit),
        1 | 2 => digit(u8::is_ascii_digit),
        // Hexadecimal with its prefix is found by the prefix.
        _ => {
            let sign = |b: &&u8| b.is_ascii_whitespace() || matches!(**b, 0x0b | b':' | b'=' | b'(');
            let signs = after.iter().take_while(sign).count();
            match after.get(signs..).unwrap_or_default() {
                [b'-', digit, ..] => digit.is_ascii_digit(),
                digits => digits
                    .first_chunk::<8>()
                    .is_some_and(|eight| eight.iter().all(u8::is_ascii_hexdigit)),
            }
        }
    }
}

fn rank(code: &str) -> u8 {
    if code.starts_with("AADSTS") {
        return 7;
    }
    if code.starts_with("MSIS") {
        return 6;
    }
    match code::parse_number(code) {
        // WinHTTP and WinINet numbers say which step of the network failed.
        Some(value) if (0x8007_2ee0..=0x8007_2fa7).contains(&value) => 5,
        // Pending and "see the log" say nothing about the cause.
        Some(0xcaa1_000e | 0xcaa1_002d | 0x801c_0021) => 2,
        Some(value) if value >> 16 == 0x4aa9 || value >> 16 == 0x4aa5 => 1,
        Some(value) if value >= 0x8000_0000 => 4,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece() -> impl Strategy<Value = String> {
        let pieces: Vec<&str> = "0x|0X|AADSTS|aadsts|MSIS|code|Code|errorCode|error code|HRESULT|error|Status|hr|HR|:|=|(| |  |\t|\u{b}|\u{a0}|é|ſ|-|\
            -2145648607|801c0021|C000006D|c00000|80072ee2|50126|9605|0|x|9|f|g|,"
            .split('|')
            .collect();
        prop::sample::select(pieces).prop_map(ToOwned::to_owned)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn what_the_pattern_finds_was_expected(pieces in prop::collection::vec(piece(), 1..9)) {
            let text = pieces.concat();
            let found = NUMBER.as_ref().is_some_and(|pattern| pattern.is_match(&text));
            prop_assert!(!found || may_hold(&text), "{:?}", text);
        }
    }

    #[test]
    fn the_nearest_code_wins() {
        let codes = Codes::of("Client ErrorCode : 0x801c001d, FAIL [0x801c0021/0x80072ee2] HRESULT: 0x0");
        assert_eq!(codes.all(), ["0x801c001d", "0x801c0021", "0x80072ee2"]);
        assert_eq!(codes.best().map(|c| c.as_str()), Some("0x80072ee2"));
        let codes = Codes::of("AdalErrorCode: 0x2ee6 error 0xcaa1000e AADSTS50126: x");
        assert_eq!(codes.all(), ["0x80072ee6", "0xcaa1000e", "AADSTS50126"]);
        assert_eq!(codes.best().map(|c| c.as_str()), Some("AADSTS50126"));
        assert_eq!(Codes::of("at 0x7d7121565cd0 and 0x00000000").all().len(), 0);
        assert_eq!(
            Codes::of("hr=80230619 code: -2145648607").all(),
            ["0x80230619", "0x801c0021"]
        );
    }
}
