//! Secrets behind an encoding: percent-encoded text and base64.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::prefilter::{MIN_BASE64, is_base64};
use crate::secrets::MASK;

/// Longest run that is decoded; what is larger is a file, not a value.
const MAX_RUN: usize = 256 << 10;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Masks every base64 run whose text `inner` would change; `None` if there is none.
pub(crate) fn base64(text: &str, inner: &dyn Fn(&str) -> bool) -> Option<String> {
    let mut out = String::new();
    let mut done = 0;
    for (start, end) in runs(text) {
        let run = text.get(start..end).unwrap_or_default();
        if let Some(decoded) = decode(run)
            && inner(&decoded)
        {
            out.push_str(text.get(done..start).unwrap_or_default());
            out.push_str(MASK);
            done = end;
        }
    }
    (done > 0).then(|| {
        out.push_str(text.get(done..).unwrap_or_default());
        out
    })
}

/// True if a run is text behind base64.
pub(crate) fn holds_base64_text(text: &str) -> bool {
    runs(text).any(|(start, end)| text.get(start..end).is_some_and(|run| decode(run).is_some()))
}

/// Runs of base64 characters that are long enough, their padding included.
fn runs(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + bytes.get(at..)?.iter().position(|b| is_base64(*b))?;
            let len = bytes.get(start..)?.iter().take_while(|b| is_base64(**b)).count();
            let padding = bytes
                .get(start + len..)?
                .iter()
                .take(2)
                .take_while(|b| **b == b'=')
                .count();
            at = start + len + padding;
            if (MIN_BASE64..=MAX_RUN).contains(&len) {
                return Some((start, at));
            }
        }
    })
}

/// The run as text, in UTF-8 or UTF-16; `None` if it is no text.
fn decode(run: &str) -> Option<String> {
    let hex_like = run.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if hex_like {
        return None;
    }
    let engine = if run.contains(['-', '_']) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    // A look at the start spares decoding paths and other words.
    let mut probe = [0; MIN_BASE64];
    let len = engine.decode_slice(run.get(..MIN_BASE64)?, &mut probe).ok()?;
    if !is_texty(probe.get(..len)?) {
        return None;
    }
    let body = run.trim_end_matches('=');
    let whole = body.len() - usize::from(body.len() % 4 == 1);
    text_of(&engine.decode(body.get(..whole)?).ok()?)
}

fn is_texty(bytes: &[u8]) -> bool {
    let good = |b: &u8| (b' '..=b'~').contains(b) || matches!(b, b'\t' | b'\r' | b'\n');
    let plain = bytes.iter().filter(|b| good(b)).count();
    let zeros = bytes.iter().filter(|b| **b == 0).count();
    plain * 10 >= bytes.len() * 9 || (zeros * 3 >= bytes.len() && (plain + zeros) * 10 >= bytes.len() * 9)
}

fn text_of(bytes: &[u8]) -> Option<String> {
    if bytes.iter().filter(|b| **b == 0).count() * 3 >= bytes.len() {
        let odd = bytes.first() == Some(&0);
        let units = bytes.chunks_exact(2).map(|pair| match odd {
            true => u16::from_be_bytes([pair[0], pair[1]]),
            false => u16::from_le_bytes([pair[0], pair[1]]),
        });
        return Some(
            char::decode_utf16(units)
                .map(|c| c.unwrap_or('\u{fffd}'))
                .collect(),
        );
    }
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// Decodes each percent-encoded word, lets `inner` change it, and encodes the result again; `None` if nothing changed.
pub(crate) fn percent(text: &str, inner: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let mut done = 0;
    for (start, end) in words(text) {
        let word = text.get(start..end).unwrap_or_default();
        let Some(decoded) = unescape(word) else { continue };
        if let Some(changed) = inner(&decoded) {
            out.push_str(text.get(done..start).unwrap_or_default());
            escape_into(&mut out, &changed);
            done = end;
        }
    }
    (done > 0).then(|| {
        out.push_str(text.get(done..).unwrap_or_default());
        out
    })
}

/// Stretches between delimiters that hold an escape.
fn words(text: &str) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut start = 0;
    let delimiter = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '"' | '\'' | '<' | '>' | '&' | '?' | '#' | '=' | '\\' | ',' | ';' | '(' | ')'
            )
    };
    for part in text.split_inclusive(delimiter) {
        let word = part.trim_end_matches(delimiter);
        if word.contains('%') {
            out.push((start, start + word.len()));
        }
        start += part.len();
    }
    out
}

/// The word without escapes; `None` if there is no valid one.
fn unescape(word: &str) -> Option<String> {
    let bytes = word.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut changed = false;
    while let Some(byte) = bytes.get(at) {
        let escape = bytes
            .get(at + 1..at + 3)
            .filter(|_| *byte == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok());
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                out.push(value);
                at += 3;
                changed = true;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    changed.then(|| String::from_utf8_lossy(&out).into_owned())
}

fn escape_into(out: &mut String, text: &str) {
    use std::fmt::Write;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~*/:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_looked_into() {
        let secretive = |text: &str| text.contains("password=");
        for encoded in [
            STANDARD.encode("user=me&password=hunter2"),
            URL_SAFE.encode("user=me&password=hunter2???>>"),
        ] {
            assert_eq!(
                base64(&format!("x {encoded} y"), &secretive).as_deref(),
                Some("x *** y")
            );
        }
        let wide: Vec<u8> = "password=hunter2"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(base64(&STANDARD.encode(wide), &secretive).as_deref(), Some("***"));
        assert_eq!(
            base64("Microsoft/Windows/CurrentVersion/Internet", &secretive),
            None
        );
    }

    #[test]
    fn percent_encoding_is_looked_through() {
        let shout = |text: &str| text.contains('@').then(|| text.replace("a@b", "c@d"));
        assert_eq!(
            percent("x=1&login_hint=a%40b&y", &shout).as_deref(),
            Some("x=1&login_hint=c%40d&y")
        );
        assert_eq!(percent("100% of 5%", &shout), None);
    }
}
