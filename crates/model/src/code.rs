//! Error-code algebra: one spelling for the many ways Windows prints the same number.
//!
//! `-2145648607`, `2149318689`, `0x801C0021` and `801C0021` are one HRESULT; `12007`, `0x2ee7`, `0x80072ee7`
//! and `0xcaa82ee7` are one WinHTTP failure in four wrappers.

use crate::Text;

/// `0x801c0021` from a 32-bit value.
pub fn hex32(value: u32) -> Text {
    let mut text = *b"0x00000000";
    for (place, digit) in text.iter_mut().skip(2).enumerate() {
        *digit = b"0123456789abcdef"[(value >> (28 - 4 * place) & 15) as usize];
    }
    Text::from(std::str::from_utf8(&text).unwrap_or_default())
}

/// Reads `0x…` hex, or decimal (signed 32-bit or unsigned), as Windows tools print error numbers.
///
/// Bare hex without `0x` is taken only with eight digits of which one is a letter, so that decimal stays decimal.
pub fn parse_number(text: &str) -> Option<u32> {
    // Nearly all are plain decimals; nine digits always fit.
    if (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(text.bytes().fold(0, |n, digit| n * 10 + u32::from(digit - b'0')));
    }
    let text = text
        .trim()
        .trim_end_matches(['.', ',', ')', ']'])
        .trim_start_matches(['(', '[']);
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let value = u64::from_str_radix(hex, 16).ok()?;
        // A sign-extended 64-bit HRESULT is the same code.
        return u32::try_from(value)
            .ok()
            .or_else(|| (value >> 32 == 0xffff_ffff).then_some(value as u32));
    }
    if text.len() == 8
        && text.bytes().all(|b| b.is_ascii_hexdigit())
        && text.bytes().any(|b| b.is_ascii_alphabetic())
    {
        return u32::from_str_radix(text, 16).ok();
    }
    let value: i64 = text.parse().ok()?;
    u32::try_from(value)
        .ok()
        .or_else(|| i32::try_from(value).ok().map(|v| v as u32))
}

/// The Win32 / WinHTTP number inside a wrapper: HRESULT facility 7, ADAL `0xcaa8….`, or the bare number.
pub fn win32_of(code: u32) -> Option<u32> {
    match code >> 16 {
        0x8007 | 0xcaa8 => Some(code & 0xffff),
        0 => Some(code),
        _ => None,
    }
}

/// The canonical form of a number: WinHTTP and WinINet numbers (12000–12199) as HRESULT, ADAL's wrapper of them
/// likewise, everything else as it is.
pub fn canonical(code: u32) -> u32 {
    match code {
        12_000..=12_199 => 0x8007_0000 | code,
        0xcaa8_2ee0..=0xcaa8_2fa7 => 0x8007_0000 | (code & 0xffff),
        _ => code,
    }
}

/// The `error_code` column for a number.
pub fn normalise(code: u32) -> Text {
    hex32(canonical(code))
}

/// All `AADSTS` codes in `text`, as `AADSTS50126`, in order of appearance.
pub fn find_aadsts(text: &str) -> impl Iterator<Item = Text> + '_ {
    // The shortest code has ten characters; most texts that are asked are numbers.
    let worth = text.len() >= 10 && text.bytes().any(|b| b == b'A');
    let text = if worth { text } else { "" };
    text.match_indices("AADSTS").filter_map(|(at, _)| {
        let digits: &str = &text[at + 6..];
        let n = digits.bytes().take_while(u8::is_ascii_digit).count();
        (4..=8).contains(&n).then(|| Text::from(&text[at..at + 6 + n]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_one_code() {
        for text in [
            "-2145648607",
            "2149318689",
            "0x801C0021",
            "801C0021",
            " (0x801c0021) ",
            "0xffffffff801c0021",
        ] {
            assert_eq!(parse_number(text), Some(0x801c_0021), "{text}");
        }
        assert_eq!(parse_number("12345678"), Some(12_345_678));
        assert_eq!(parse_number("0x1ffffffff"), None);
        assert_eq!(normalise(12007), "0x80072ee7");
        assert_eq!(normalise(0xcaa8_2ee7), "0x80072ee7");
        assert_eq!(win32_of(0x8007_2ee7), Some(12007));
    }

    #[test]
    fn aadsts_codes_are_found_in_text() {
        let text = "a AADSTS50126: bad. AADSTSx AADSTS9002341";
        assert_eq!(
            find_aadsts(text).collect::<Vec<_>>(),
            ["AADSTS50126", "AADSTS9002341"]
        );
    }
}
