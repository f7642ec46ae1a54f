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

    /// Appends the value's text.
    pub(super) fn write(&self, out: &mut String) -> Option<()> {
        use std::fmt::Write;
        let bytes = self.bytes;
        let shown = match self.kind {
            NULL => Ok(()),
            STRING => return utf16(bytes, out),
            2 => return ascii(bytes, out),
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

/// Appends UTF-16LE text up to its first NUL; characters that XML does not allow show as `_`, as Windows does.
pub(super) fn utf16(bytes: &[u8], out: &mut String) -> Option<()> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let (block, tail) = rest.split_at(rest.len().min(2 * BLOCK));
        let mut text = [0; BLOCK];
        let Some(text) = plain_block(block, &mut text) else {
            break;
        };
        out.push_str(std::str::from_utf8(text).ok()?);
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
    Some(())
}

/// Units that are narrowed at a time; most texts are shorter.
const BLOCK: usize = 128;

/// The text of a block if it is printable ASCII all through.
fn plain_block<'t>(block: &[u8], text: &'t mut [u8; BLOCK]) -> Option<&'t [u8]> {
    let units = block.as_chunks::<2>().0;
    // One pass without early end, so that several units are narrowed at once.
    let odd = text.iter_mut().zip(units).fold(0_u8, |odd, (to, [low, high])| {
        *to = *low;
        odd | high | u8::from(low.wrapping_sub(b' ') > b'~' - b' ')
    });
    if odd == 0 { text.get(..units.len()) } else { None }
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
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    out.push('{');
    for (i, at) in [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
        .into_iter()
        .enumerate()
    {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        push_hex(out, *bytes.get(at)?, b"0123456789abcdef");
    }
    out.push('}');
    Some(())
}

fn sid(bytes: &[u8], out: &mut String) -> Option<()> {
    use std::fmt::Write;
    let [revision, count, a, b, c, d, e, f, parts @ ..] = bytes else {
        return None;
    };
    if parts.len() != usize::from(*count) * 4 {
        return None;
    }
    let authority = u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f]);
    write!(out, "S-{revision}-{authority}").ok()?;
    for part in parts.chunks_exact(4) {
        write!(out, "-{}", u32::from_le_bytes(part.try_into().ok()?)).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: u8, bytes: &[u8]) -> Option<String> {
        let mut out = String::new();
        Value { kind, bytes }.write(&mut out).map(|()| out)
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
