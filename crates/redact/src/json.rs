//! Walks the `fields` object and changes text values in place; everything else stays byte for byte.

use std::borrow::Cow;

/// Rebuilds `json` with every text value replaced by what `change` gives for it (with the nearest member name, empty
/// at top level). `None` if nothing changed.
pub(crate) fn map_strings(
    json: &str,
    change: &mut dyn FnMut(&str, &str) -> Option<String>,
) -> Option<String> {
    let bytes = json.as_bytes();
    let mut out = String::new();
    let mut done = 0;
    let mut at = 0;
    let mut key = String::new();
    while let Some(offset) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|b| *b == b'"'))
    {
        let start = at + offset;
        let Some(end) = end_of_string(bytes, start) else {
            break;
        };
        let text = unescape(json.get(start + 1..end).unwrap_or_default());
        at = end + 1;
        let is_key = bytes
            .get(at..)
            .is_some_and(|rest| rest.trim_ascii_start().first() == Some(&b':'));
        if is_key {
            key.clear();
            key.push_str(&text);
            continue;
        }
        if let Some(changed) = change(&key, &text) {
            out.push_str(json.get(done..start).unwrap_or_default());
            escape_into(&mut out, &changed);
            done = at;
        }
    }
    (done > 0).then(|| {
        out.push_str(json.get(done..).unwrap_or_default());
        out
    })
}

fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut high: Option<u16> = None;
    while let Some(ch) = chars.next() {
        if ch != '\\' {
            out.push(ch);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let hex: String = chars.by_ref().take(4).collect();
                let unit = u16::from_str_radix(&hex, 16).unwrap_or(0xfffd);
                push_unit(&mut out, &mut high, unit);
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    Cow::Owned(out)
}

/// Surrogates come as two escapes.
fn push_unit(out: &mut String, high: &mut Option<u16>, unit: u16) {
    if (0xd800..0xdc00).contains(&unit) {
        *high = Some(unit);
        return;
    }
    let units = high.take().into_iter().chain([unit]);
    out.extend(char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')));
}

fn escape_into(out: &mut String, text: &str) {
    use std::fmt::Write;
    out.push('"');
    for ch in text.chars() {
        match ch {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' | '\x7f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(ch));
            }
            _ => out.push(ch),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_the_wanted_values_change() {
        let json = r#"{"a":"x\"y\u00e9\ud83d\ude00","n":1.50, "b":{"a":"x"},"l":["x","z"],"x":"q"}"#;
        let mut seen = Vec::new();
        let changed = map_strings(json, &mut |key, text| {
            seen.push((key.to_owned(), text.to_owned()));
            (text == "x").then(|| "N\"\n".to_owned())
        });
        assert_eq!(
            changed.as_deref(),
            Some(r#"{"a":"x\"y\u00e9\ud83d\ude00","n":1.50, "b":{"a":"N\"\n"},"l":["N\"\n","z"],"x":"q"}"#)
        );
        assert_eq!(seen[0], ("a".to_owned(), "x\"yé😀".to_owned()));
        assert!(serde_json::from_str::<serde_json::Value>(&changed.unwrap()).is_ok());
        assert_eq!(map_strings(json, &mut |_, _| None), None);
        for cut in (0..json.len()).filter(|at| json.is_char_boundary(*at)) {
            map_strings(&json[..cut], &mut |_, text| Some(text.to_owned()));
        }
    }
}
