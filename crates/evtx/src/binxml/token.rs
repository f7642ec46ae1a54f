//! The tokens of a template definition or of a fragment (MS-EVEN6 2.2.12).

use super::cursor::Cursor;

/// One token; texts are UTF-16LE bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Token<'c> {
    Open {
        name: &'c [u8],
        dependency: Option<u16>,
    },
    /// The tag is complete, content follows.
    CloseTag,
    /// The element is complete, without content.
    CloseEmpty,
    End,
    Text(&'c [u8]),
    Attribute {
        name: &'c [u8],
    },
    Slot {
        id: u16,
        kind: u8,
    },
    Character(u16),
}

/// The dependency of an element that depends on no slot.
const NO_DEPENDENCY: u16 = 0xffff;

/// Calls `visit` with the tokens at `start..start + len`; `None` for tokens that a plan does not hold, and as soon as
/// `visit` says so. Only in template definitions do elements state their dependencies.
pub(super) fn walk<'c>(
    chunk: &'c [u8],
    start: usize,
    len: usize,
    dependencies: bool,
    mut visit: impl FnMut(Token<'c>) -> Option<()>,
) -> Option<()> {
    let end = start.checked_add(len)?;
    let data = chunk.get(..end)?;
    let mut cursor = Cursor::new(data, start);
    while cursor.at() < end {
        let token = match cursor.u8()? {
            0x00 => return Some(()),
            tag @ (0x01 | 0x41) => {
                let dependency = if dependencies {
                    cursor.u16()?
                } else {
                    NO_DEPENDENCY
                };
                let dependency = (dependency != NO_DEPENDENCY).then_some(dependency);
                cursor.u32()?;
                let name = name(&mut cursor, chunk)?;
                if tag == 0x41 {
                    cursor.u32()?;
                }
                Token::Open { name, dependency }
            }
            0x02 => Token::CloseTag,
            0x03 => Token::CloseEmpty,
            0x04 => Token::End,
            0x05 | 0x45 => {
                if cursor.u8()? != super::value::STRING {
                    return None;
                }
                let units = cursor.u16()?;
                Token::Text(cursor.take(usize::from(units) * 2)?)
            }
            0x06 | 0x46 => Token::Attribute {
                name: name(&mut cursor, chunk)?,
            },
            0x07 | 0x47 => {
                let units = cursor.u16()?;
                Token::Text(cursor.take(usize::from(units) * 2)?)
            }
            0x08 | 0x48 => Token::Character(cursor.u16()?),
            0x09 | 0x49 => Token::Character(entity(name(&mut cursor, chunk)?)?),
            0x0d | 0x0e => Token::Slot {
                id: cursor.u16()?,
                kind: cursor.u8()?,
            },
            0x0f => {
                cursor.take(3)?;
                continue;
            }
            _ => return None,
        };
        visit(token)?;
    }
    Some(())
}

/// The character of an entity that XML knows without a declaration; CAPI2 has them in addresses.
fn entity(name: &[u8]) -> Option<u16> {
    Some(u16::from(match name {
        b"a\0m\0p\0" => b'&',
        b"l\0t\0" => b'<',
        b"g\0t\0" => b'>',
        b"q\0u\0o\0t\0" => b'"',
        b"a\0p\0o\0s\0" => b'\'',
        _ => return None,
    }))
}

/// A name by its offset in the chunk; it may stand right behind the reference, which is then stepped over.
fn name<'c>(cursor: &mut Cursor<'c>, chunk: &'c [u8]) -> Option<&'c [u8]> {
    let offset = cursor.u32()? as usize;
    let mut entry = Cursor::new(chunk, offset);
    entry.u32()?;
    entry.u16()?;
    let units = entry.u16()?;
    let name = entry.take(usize::from(units) * 2)?;
    if cursor.at() == offset {
        cursor.take(4 + 2 + 2 + usize::from(units) * 2 + 2)?;
    }
    Some(name)
}
