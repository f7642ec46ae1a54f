//! TraceLogging: events that carry their own schema.
//!
//! Source: etl-format §4, checked there on 737 real events. Limits: structures nest at most [`MAX_DEPTH`] deep, a blob
//! describes at most [`MAX_FIELDS`] fields.

use super::{Count, Field, FieldKind, In, Length, Origin, Out, Schema, ValueType};
use crate::bytes::Cursor;

/// Nesting of structures; the format's own library stops at 8.
const MAX_DEPTH: usize = 8;
/// A blob of 64 KiB cannot hold more useful fields.
const MAX_FIELDS: usize = 2048;

/// The event's name inside a schema blob (extended item 11).
pub(crate) fn event_name(blob: &[u8]) -> &[u8] {
    let mut cursor = Cursor::new(blob);
    cursor.u16();
    skip_tags(&mut cursor);
    cursor.bytes_nul()
}

/// Tag bytes go on while bit 7 is set.
fn skip_tags(cursor: &mut Cursor<'_>) {
    while cursor.u8().is_some_and(|tag| tag & 0x80 != 0) {}
}

/// The provider's name inside a traits blob (extended item 12).
pub(crate) fn provider_name(blob: &[u8]) -> &[u8] {
    let mut cursor = Cursor::new(blob);
    cursor.u16();
    cursor.bytes_nul()
}

/// Reads a schema blob; a damaged one describes the fields before the damage.
pub(crate) fn parse(blob: &[u8]) -> Schema {
    let mut cursor = Cursor::new(blob);
    let size = usize::from(cursor.u16().unwrap_or(0));
    let mut cursor = Cursor::new(blob.get(2..size.min(blob.len())).unwrap_or_default());
    skip_tags(&mut cursor);
    let name = String::from_utf8_lossy(cursor.bytes_nul()).into_owned();
    let mut tree = Vec::new();
    let mut budget = MAX_FIELDS;
    while !cursor.is_empty() {
        let Some(node) = node(&mut cursor, 0, &mut budget) else {
            break;
        };
        tree.push(node);
    }
    let mut schema = Schema {
        name: Some(name.into()),
        top_level: tree.len(),
        ..Schema::empty(Origin::TraceLogging)
    };
    flatten(tree, &mut schema.fields);
    schema.finish()
}

/// A field with its members, before all are put in one list.
struct Node {
    field: Field,
    members: Vec<Node>,
}

fn node(cursor: &mut Cursor<'_>, depth: usize, budget: &mut usize) -> Option<Node> {
    *budget = budget.checked_sub(1)?;
    let name = String::from_utf8_lossy(cursor.bytes_nul()).into_owned();
    let input = cursor.u8()?;
    let mut output = 0;
    if input & 0x80 != 0 {
        let byte = cursor.u8()?;
        if byte & 0x80 != 0 {
            skip_tags(cursor);
        }
        output = byte & 0x7f;
    }
    let count = match input & 0x60 {
        0x20 => Count::Fixed(cursor.u16()?),
        0x40 => Count::Prefixed,
        0x60 => {
            // Custom type information says how to show the value, not how it is stored.
            let len = cursor.u16()?;
            cursor.take(usize::from(len))?;
            Count::One
        }
        _ => Count::One,
    };
    let mut members = Vec::new();
    let kind = match input & 0x1f {
        STRUCT => {
            if depth >= MAX_DEPTH {
                return None;
            }
            for _ in 0..output {
                members.push(node(cursor, depth + 1, budget)?);
            }
            FieldKind::Struct {
                first: 0,
                members: usize::from(output),
            }
        }
        number => value_kind(number, output)?,
    };
    Some(Node {
        field: Field {
            name: name.into(),
            kind,
            count,
        },
        members,
    })
}

const STRUCT: u8 = 24;

fn value_kind(number: u8, output: u8) -> Option<FieldKind> {
    let output = out_type(output);
    let input = match number {
        14 | 25 => In::CountedBinary,
        22 => In::CountedUtf16,
        23 => In::CountedAnsi,
        // A 16-bit number shown as text is a UTF-16 unit, an 8-bit one a character.
        6 if output == Out::Text => In::Char16,
        4 if matches!(output, Out::Text | Out::Utf8) => In::Char8,
        _ => In::from_tdh(u16::from(number)).filter(|input| !matches!(input, In::Binary | In::Pointer))?,
    };
    Some(FieldKind::Value(ValueType {
        input,
        output,
        length: Length::None,
        map: None,
    }))
}

fn out_type(number: u8) -> Out {
    match number {
        2 => Out::Text,
        3 => Out::Boolean,
        4 | 37 => Out::Hex,
        5 | 6 | 18 => Out::Unsigned,
        7 => Out::Port,
        8 => Out::Ipv4,
        9 => Out::Ipv6,
        10 => Out::SocketAddress,
        11 | 12 | 35 | 36 => Out::Utf8,
        13 => Out::Win32,
        14 => Out::NtStatus,
        15 => Out::HResult,
        16 | 38 => Out::FileTime,
        17 => Out::Signed,
        _ => Out::Default,
    }
}

/// Puts one level into the list, then the members of its structures behind it.
fn flatten(level: Vec<Node>, fields: &mut Vec<Field>) {
    let start = fields.len();
    let mut below = Vec::new();
    for node in level {
        fields.push(node.field);
        below.push(node.members);
    }
    for (i, members) in below.into_iter().enumerate() {
        if members.is_empty() {
            continue;
        }
        let at = fields.len();
        if let Some(Field {
            kind: FieldKind::Struct { first, .. },
            ..
        }) = fields.get_mut(start + i)
        {
            *first = at;
        }
        flatten(members, fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(body: &[u8]) -> Vec<u8> {
        let mut blob = u16::try_from(body.len() + 2).unwrap_or(0).to_le_bytes().to_vec();
        blob.extend_from_slice(body);
        blob
    }

    #[test]
    fn structures_arrays_and_tags_are_read() {
        // Event tag of two bytes, one plain field, an array of structures with two members, a fixed array.
        let schema = parse(&blob(
            b"\x81\x02Ev\0a\0\x08s\0\xd8\x02m\0\x88\x84\x01n\0\x01f\0\x24\x03\0",
        ));
        assert_eq!(schema.name.as_deref(), Some("Ev"));
        assert_eq!(schema.top_level, 3);
        let names: Vec<&str> = schema.fields.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["a", "s", "f", "m", "n"]);
        assert!(matches!(
            schema.fields[1].kind,
            FieldKind::Struct { first: 3, members: 2 }
        ));
        assert_eq!(schema.fields[1].count, Count::Prefixed);
        assert_eq!(schema.fields[2].count, Count::Fixed(3));
    }

    #[test]
    fn nesting_and_damage_end_the_list() {
        let deep = b"\0Ev\0"
            .iter()
            .copied()
            .chain(b"s\0\x98\x01".repeat(40))
            .collect::<Vec<_>>();
        assert_eq!(parse(&blob(&deep)).top_level, 0);
        assert_eq!(parse(&[]).top_level, 0);
        assert_eq!(parse(&blob(b"\0Ev\0a\0")).top_level, 0);
    }
}
