//! Slot values as Windows shows them.
//!
//! `None` means that the value is of a type or shape left to the slower way.

use casetrace_model::time;

/// UTF-16 text.
pub(super) const STRING: u8 = 1;
/// Nested binary XML.
pub(super) const BINXML: u8 = 0x21;
/// An array of UTF-16 texts.
pub(super) const STRINGS: u8 = 0x81;
const NULL: u8 = 0;
const FILETIME: u8 = 17;

/// A slot's value: its type and its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'c> {
    pub(super) kind: u8,
    pub(super) bytes: &'c [u8],
}

impl Value<'_> {
    /// Not set: elements that depend on it are left out.
    pub(super) fn is_null(&self) -> bool {
        self.kind == NULL || (self.kind == BINXML && self.bytes.is_empty())
    }

    /// The value of an unsigned or hexadecimal number.
    pub(super) fn unsigned(&self) -> Option<u64> {
        Some(match (self.kind, self.bytes) {
            (4, [byte]) => u64::from(*byte),
            (6, bytes) => u64::from(u16::from_le_bytes(bytes.try_into().ok()?)),
            (8 | 20, bytes) => u64::from(u32::from_le_bytes(bytes.try_into().ok()?)),
            (10 | 21, bytes) => u64::from_le_bytes(bytes.try_into().ok()?),
            _ => return None,
        })
    }

    /// The instant of a FILETIME, nanoseconds since 1970.
    pub(super) fn instant(&self) -> Option<i64> {
        match self.kind {
            FILETIME => time::from_filetime(u64::from_le_bytes(self.bytes.try_into().ok()?)),
            _ => None,
        }
    }

    /// Appends the value's text; true if nothing in it needs escaping in JSON, as far as a quick look tells.
    pub(super) fn write(&self, out: &mut String) -> Option<bool> {
        match self.kind {
            STRING => utf16(self.bytes, out),
            2 => ascii(self.bytes, out).map(|()| false),
            // Numbers, times, ids: digits, letters and signs between them.
            _ => self.write_plain(out).map(|()| true),
        }
    }

    fn write_plain(&self, out: &mut String) -> Option<()> {
        use std::fmt::Write;
        let bytes = self.bytes;
        let shown = match self.kind {
            NULL => Ok(()),
            3 => return push_signed(out, i8::from_le_bytes(bytes.try_into().ok()?).into()),
            5 => return push_signed(out, i16::from_le_bytes(bytes.try_into().ok()?).into()),
            7 => return push_signed(out, i32::from_le_bytes(bytes.try_into().ok()?).into()),
            9 => return push_signed(out, i64::from_le_bytes(bytes.try_into().ok()?)),
            4 | 6 | 8 | 10 => return push_number(out, self.unsigned()?, 10),
            13 => match i32::from_le_bytes(bytes.try_into().ok()?) {
                0 => out.write_str("false"),
                1 => out.write_str("true"),
                // GroupPolicy keeps bit masks in booleans.
                mask => write!(out, "{mask}"),
            },
            14 => {
                bytes
                    .iter()
                    .for_each(|byte| push_hex(out, *byte, b"0123456789ABCDEF"));
                Ok(())
            }
            15 => return guid(bytes, out),
            16 if bytes.len() == 4 => write!(out, "{:#x}", u32::from_le_bytes(bytes.try_into().ok()?)),
            16 => write!(out, "{:#x}", u64::from_le_bytes(bytes.try_into().ok()?)),
            FILETIME => {
                let shown = time::to_rfc3339(self.instant()?);
                // Nine digits are kept for time; a FILETIME has seven.
                write!(out, "{}Z", shown.get(..27)?)
            }
            18 => return system_time(bytes, out),
            19 => return sid(bytes, out),
            20 | 21 => {
                out.push_str("0x");
                return push_number(out, self.unsigned()?, 16);
            }
            _ => return None,
        };
        shown.ok()
    }
}

/// Appends UTF-16LE text up to its first NUL; characters that XML does not allow show as `_`, as Windows does. True if
/// nothing in the text needs escaping in JSON, as far as a quick look tells.
pub(super) fn utf16(bytes: &[u8], out: &mut String) -> Option<bool> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let mut rest = bytes;
    while let Some(shorter) = rest.strip_suffix(&[0, 0]) {
        rest = shorter;
    }
    let mut needs_no_escape = true;
    out.reserve(rest.len() / 2);
    while !rest.is_empty() {
        let (block, tail) = rest.split_at(rest.len().min(2 * BLOCK));
        let mut text = [0; BLOCK];
        let Some(plain) = narrow(block, &mut text) else {
            needs_no_escape = false;
            break;
        };
        needs_no_escape &= plain;
        out.push_str(std::str::from_utf8(text.get(..block.len() / 2)?).ok()?);
        rest = tail;
    }
    let units = rest.chunks_exact(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    for c in char::decode_utf16(units.take_while(|unit| *unit != 0)) {
        out.push(match c.ok()? {
            blank @ ('\t' | '\n' | '\r') => blank,
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => '_',
            plain => plain,
        });
    }
    Some(needs_no_escape)
}

/// Units that are narrowed at a time; most texts are shorter.
const BLOCK: usize = 64;
/// A number in each of four units.
const fn each(unit: u64) -> u64 {
    unit << 48 | unit << 32 | unit << 16 | unit
}

/// Narrows a block that is printable ASCII all through; whether it is also free of quotes and backslashes.
///
/// Four units are looked at together: a sum or difference sets a bit of its unit where that is out of range, and a
/// carry out of one that is not changes nothing about the answer.
fn narrow(block: &[u8], text: &mut [u8; BLOCK]) -> Option<bool> {
    let (words, rest) = block.as_chunks::<8>();
    let (mut odd, mut special) = (0, 0);
    let mut four = |units: u64| {
        odd |= (units & each(0xff80))
            | (units.wrapping_sub(each(0x20)) & each(0x8000))
            | (units.wrapping_add(each(1)) & each(0x80));
        special |= (units ^ each(u64::from(b'"'))).wrapping_sub(each(1))
            | (units ^ each(u64::from(b'\\'))).wrapping_sub(each(1));
        let pairs = (units | units >> 8) & 0x0000_ffff_0000_ffff;
        ((pairs | pairs >> 16) as u32).to_le_bytes()
    };
    let (to, _) = text.as_chunks_mut::<4>();
    for (to, word) in to.iter_mut().zip(words) {
        *to = four(u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let mut last = each(u64::from(b' ')).to_le_bytes();
        last.get_mut(..rest.len())?.copy_from_slice(rest);
        *to.get_mut(words.len())? = four(u64::from_le_bytes(last));
    }
    (odd == 0).then_some(special & each(0x8000) == 0)
}

/// Appends an ANSI string if all of it is ASCII; other code pages are the crate's work.
fn ascii(bytes: &[u8], out: &mut String) -> Option<()> {
    for byte in bytes.iter().filter(|byte| **byte != 0) {
        out.push(match byte {
            b'\t' | b'\n' | b'\r' | b' '..=0x7f => char::from(*byte),
            0..=0x1f => '_',
            _ => return None,
        });
    }
    Some(())
}

/// Appends a SYSTEMTIME: year, month, day of week, day, hour, minute, second, millisecond.
fn system_time(bytes: &[u8], out: &mut String) -> Option<()> {
    use std::fmt::Write;
    let mut units = bytes
        .chunks_exact(2)
        .filter_map(|pair| pair.try_into().ok().map(u16::from_le_bytes));
    let [year, month, _, day, hour, minute, second, ms] =
        std::array::from_fn(|_| units.next().unwrap_or(u16::MAX));
    let fits = year <= 9999 && (1..=12).contains(&month) && (1..=31).contains(&day);
    if bytes.len() != 16 || !fits || hour > 23 || minute > 59 || second > 59 || ms > 999 {
        return None;
    }
    write!(
        out,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}0000Z"
    )
    .ok()
}

/// The items of an array of strings, each of which ends in a NUL.
pub(super) fn strings(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut items = Vec::new();
    let mut start = 0;
    for (index, unit) in bytes.chunks_exact(2).enumerate() {
        if unit == [0, 0] {
            items.push(bytes.get(start..index * 2)?);
            start = index * 2 + 2;
        }
    }
    (start == bytes.len()).then_some(items)
}

fn push_signed(out: &mut String, number: i64) -> Option<()> {
    if number < 0 {
        out.push('-');
    }
    push_number(out, number.unsigned_abs(), 10)
}

/// Appends digits; most fields are numbers, and the formatter of the standard library is made for more than that.
fn push_number(out: &mut String, mut number: u64, base: u64) -> Option<()> {
    if base == 10 {
        out.push_str(itoa::Buffer::new().format(number));
        return Some(());
    }
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        *digits.get_mut(start)? = *b"0123456789abcdef".get((number % base) as usize)?;
        number /= base;
        if number == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(digits.get(start..)?).ok()?);
    Some(())
}

fn push_hex(out: &mut String, byte: u8, digits: &[u8; 16]) {
    for nibble in [byte >> 4, byte & 15] {
        out.push(digits.get(usize::from(nibble)).copied().map_or('0', char::from));
    }
}

fn guid(bytes: &[u8], out: &mut String) -> Option<()> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let mut text = [b'-'; 38];
    (text[0], text[37]) = (b'{', b'}');
    let mut place = 1;
    for (i, from) in ORDER.into_iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            place += 1;
        }
        text[place] = DIGITS[usize::from(bytes[from] >> 4)];
        text[place + 1] = DIGITS[usize::from(bytes[from] & 15)];
        place += 2;
    }
    out.push_str(std::str::from_utf8(&text).ok()?);
    Some(())
}

fn sid(bytes: &[u8], out: &mut String) -> Option<()> {
    let [revision, count, a, b, c, d, e, f, parts @ ..] = bytes else {
        return None;
    };
    if parts.len() != usize::from(*count) * 4 {
        return None;
    }
    let authority = u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f]);
    out.push_str("S-");
    push_number(out, u64::from(*revision), 10)?;
    out.push('-');
    push_number(out, authority, 10)?;
    for part in parts.chunks_exact(4) {
        out.push('-');
        push_number(out, u32::from_le_bytes(part.try_into().ok()?).into(), 10)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: u8, bytes: &[u8]) -> Option<String> {
        let mut out = String::new();
        Value { kind, bytes }.write(&mut out).map(|_| out)
    }

    #[test]
    fn values_look_as_windows_shows_them() {
        let sid = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
        let guid = *b"\x9c\xbc\xe9\x4d\x7a\xb2\xc9\x43\x89\x94\x09\x15\xf1\xa5\xe2\x4f";
        for (kind, bytes, text) in [
            (7, &(-2_145_648_509_i32).to_le_bytes()[..], "-2145648509"),
            (20, &0x801c_0083_u32.to_le_bytes(), "0x801c0083"),
            (21, &0_u64.to_le_bytes(), "0x0"),
            (13, &1_i32.to_le_bytes(), "true"),
            (13, &6_i32.to_le_bytes(), "6"),
            (14, &[0, 0xab], "00AB"),
            (15, &guid, "{4de9bc9c-b27a-43c9-8994-0915f1a5e24f}"),
            (
                17,
                &133_500_000_001_234_567_u64.to_le_bytes(),
                "2024-01-17T21:20:00.1234567Z",
            ),
            (19, &sid, "S-1-5-32-544"),
            (1, b"a\0\x01\0\n\0\xe9\0\0\0x\0", "a_\né"),
            (2, b"a\x01b\0", "a_b"),
            (
                18,
                &[0xe8, 7, 5, 0, 3, 0, 22, 0, 3, 0, 11, 0, 55, 0, 7, 0],
                "2024-05-22T03:11:55.0070000Z",
            ),
        ] {
            assert_eq!(shown(kind, bytes).as_deref(), Some(text), "{kind}");
        }
    }

    #[test]
    fn texts_of_any_length_and_content_are_narrowed() {
        for len in [0, 1, 3, 4, 7, 63, 64, 65, 200] {
            for odd in ["", "\"", "\\", "\u{7f}", "é", "\u{1f600}", "~", " ", "\t"] {
                let text = format!("{}{odd}{}", "x".repeat(len), "y".repeat(len));
                let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                let mut out = String::new();
                let plain = utf16(&bytes, &mut out);
                assert_eq!(out, text);
                let needs = text.chars().any(|c| matches!(c, '"' | '\\' | '\x7f' | '\t'));
                assert!(plain.is_some_and(|plain| !(plain && needs)), "{text:?}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_slower_way() {
        for (kind, bytes) in [
            (8, &b"\0"[..]),
            (1, b"a"),
            (1, b"\0\xd8"),
            (2, b"\xe9"),
            (0x81, b"a\0"),
            (19, b"\x01\x05"),
        ] {
            assert_eq!(shown(kind, bytes), None, "{kind}");
        }
    }
}
