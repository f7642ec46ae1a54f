//! Error numbers in free text, and which of several names the cause best.

use std::sync::LazyLock;

use casetrace_model::{Text, code};
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
