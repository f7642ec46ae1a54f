//! One value out of a line of `reg query` or of an export.

use std::borrow::Cow;

/// Name, type and data as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) kind: Cow<'a, str>,
    pub(super) data: Cow<'a, str>,
    /// The bytes of binary data.
    pub(super) bytes: Vec<u8>,
}

/// `    name    REG_SZ    data`; the default value's name is localised.
pub(super) fn query(text: &str) -> Option<Value<'_>> {
    let rest = text.strip_prefix("    ").or_else(|| text.strip_prefix('\t'))?;
    let at = rest.find("    REG_").or_else(|| rest.find("\tREG_"))?;
    let (name, rest) = rest.split_at_checked(at)?;
    let rest = rest.trim_start();
    let (kind, data) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let data = data.trim();
    let name = if matches!(name.trim(), "(既定)" | "(Standard)" | "(par défaut)") {
        "(Default)"
    } else {
        name.trim()
    };
    let bytes = if kind == "REG_BINARY" {
        hex(data)
    } else {
        Vec::new()
    };
    Some(Value {
        name: name.into(),
        kind: kind.into(),
        data: data.into(),
        bytes,
    })
}

/// `"name"="text"`, `"name"=dword:00000001`, `"name"=hex(2):…`, `@=…`
pub(super) fn export(text: &str) -> Option<Value<'_>> {
    let (name, data) = if let Some(rest) = text.strip_prefix("@=") {
        (Cow::Borrowed("(Default)"), rest)
    } else {
        let rest = text.strip_prefix('"')?;
        let end = closing_quote(rest)?;
        let (name, rest) = rest.split_at_checked(end)?;
        (unescape(name), rest.strip_prefix("\"=")?)
    };
    let data = data.trim();
    if let Some(text) = data.strip_prefix('"') {
        let end = closing_quote(text).unwrap_or(text.len());
        let data = unescape(text.get(..end)?);
        return Some(Value {
            name,
            kind: "REG_SZ".into(),
            data,
            bytes: Vec::new(),
        });
    }
    if let Some(number) = data.strip_prefix("dword:") {
        let data =
            u32::from_str_radix(number.trim(), 16).map_or_else(|_| number.to_owned(), |n| format!("{n:#x}"));
        return Some(Value {
            name,
            kind: "REG_DWORD".into(),
            data: data.into(),
            bytes: Vec::new(),
        });
    }
    let (tag, digits) = data.split_once(':')?;
    let bytes = hex(digits);
    let (kind, data) = match tag {
        "hex(1)" => ("REG_SZ", utf16(&bytes)),
        "hex(2)" => ("REG_EXPAND_SZ", utf16(&bytes)),
        "hex(7)" => ("REG_MULTI_SZ", utf16(&bytes)),
        "hex(b)" => ("REG_QWORD", quad(&bytes)),
        "hex" => ("REG_BINARY", digits.replace([',', ' '], "").to_uppercase()),
        tag if tag.starts_with("hex(") => ("REG_BINARY", digits.replace([',', ' '], "").to_uppercase()),
        _ => return None,
    };
    Some(Value {
        name,
        kind: kind.into(),
        data: data.into(),
        bytes,
    })
}

/// Offset of the first quote that is not escaped.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at)
    })
}

fn unescape(text: &str) -> Cow<'_, str> {
    if text.contains('\\') {
        text.replace("\\\\", "\\").replace("\\\"", "\"").into()
    } else {
        text.into()
    }
}

/// Bytes of `46,00` or `4600`.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks_exact(2)
        .filter_map(|pair| {
            std::str::from_utf8(pair)
                .ok()
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        })
        .collect()
}

/// UTF-16LE with its ends; several strings are joined by `\0` as `reg query` does.
fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let text = String::from_utf16_lossy(&units);
    text.trim_end_matches('\0').replace('\0', "\\0")
}

fn quad(bytes: &[u8]) -> String {
    let mut all = [0; 8];
    for (to, from) in all.iter_mut().zip(bytes) {
        *to = *from;
    }
    format!("{:#x}", u64::from_le_bytes(all))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn both_dialects_give_the_same_values() {
        let value = query("    SchUseStrongCrypto    REG_DWORD    0x1").unwrap();
        assert_eq!(
            (value.name.as_ref(), value.kind.as_ref(), value.data.as_ref()),
            ("SchUseStrongCrypto", "REG_DWORD", "0x1")
        );
        assert_eq!(
            export("\"SchUseStrongCrypto\"=dword:00000001").unwrap().data,
            "0x1"
        );
        assert_eq!(query("    (既定)    REG_SZ    ").unwrap().name, "(Default)");
        assert_eq!(
            export(r#""a\"b"="C:\\x""#).unwrap(),
            Value {
                name: "a\"b".into(),
                kind: "REG_SZ".into(),
                data: "C:\\x".into(),
                bytes: vec![]
            }
        );
        assert_eq!(
            export("@=hex(7):61,00,00,00,62,00,00,00,00,00").unwrap().data,
            "a\\0b"
        );
        assert_eq!(
            export("\"n\"=hex(b):01,00,00,00,00,00,00,00").unwrap().data,
            "0x1"
        );
        assert!(export("\"broken").is_none());
        assert!(query("no value").is_none());
    }
}
