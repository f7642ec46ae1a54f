//! Schemas that merging put into the file: TRACE_EVENT_INFO and EVENT_MAP_INFO.
//!
//! Source: etl-format §5. Limits: [`MAX_FIELDS`] fields of one event, [`MAX_ENTRIES`] of one map.

use std::collections::HashMap;
use std::sync::Arc;

use casetrace_model::Text;

use super::{Count, Field, FieldKind, In, Length, Origin, Out, Schema, ValueMap, ValueType};
use crate::Guid;
use crate::bytes::{u8_at, u16_at, u32_at, utf16_until_nul};

const MAX_FIELDS: usize = 4096;
const MAX_ENTRIES: usize = 65_536;
const HEAD: usize = 112;
const PROPERTY: usize = 24;

/// Maps of all providers by provider and name.
pub(crate) type Maps = HashMap<(Guid, String), Arc<ValueMap>>;

/// What a schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InfoKey {
    pub(crate) provider: Guid,
    /// Class of a MOF event, task of a manifest event.
    pub(crate) class: Guid,
    pub(crate) id: u16,
    pub(crate) version: u8,
    pub(crate) opcode: u8,
    /// Described by MOF rather than a manifest.
    pub(crate) is_classic: bool,
}

/// Reads one EVENT_MAP_INFO behind its provider GUID.
pub(crate) fn parse_map(payload: &[u8]) -> Option<((Guid, String), ValueMap)> {
    let provider = Guid::at(payload.get(..16)?, 0);
    let info = payload.get(16..)?;
    let name = text(info, u32_at(info, 0))?;
    let flags = u32_at(info, 4);
    let count = (u32_at(info, 8) as usize).min(MAX_ENTRIES);
    // Pattern maps and maps from texts have no numbers to look up.
    if info.len() < 16 || flags & 4 != 0 || u32_at(info, 12) != 0 {
        return None;
    }
    let entries = info.get(16..)?.chunks_exact(8).take(count);
    let entries = entries
        .filter_map(|entry| Some((u32_at(entry, 4), text(info, u32_at(entry, 0))?)))
        .collect();
    Some((
        (provider, name),
        ValueMap {
            bits: flags & 2 != 0,
            entries,
        },
    ))
}

/// Reads one TRACE_EVENT_INFO.
pub(crate) fn parse_info(info: &[u8], maps: &Maps) -> Option<(InfoKey, Schema)> {
    let head = info.get(..HEAD)?;
    let key = InfoKey {
        provider: Guid::at(head, 0),
        class: Guid::at(head, 16),
        id: u16_at(head, 32),
        version: u8_at(head, 34),
        opcode: u8_at(head, 37),
        is_classic: u32_at(head, 48) == 1,
    };
    let count = (u32_at(head, 100) as usize).min(MAX_FIELDS);
    let top_level = (u32_at(head, 104) as usize).min(count);
    let named = |at: usize| {
        text(info, u32_at(head, at))
            .filter(|t| !t.is_empty())
            .map(Text::from)
    };
    let mut schema = Schema {
        provider: named(52),
        channel: named(60),
        task: named(68),
        opcode: named(72),
        message: named(76).map(|t| t.to_string()),
        ..Schema::empty(Origin::Embedded)
    };
    let properties = info.get(HEAD..)?.chunks_exact(PROPERTY).take(count);
    for property in properties {
        schema.fields.push(field(info, property, key.provider, maps)?);
    }
    schema.top_level = top_level.min(schema.fields.len());
    Some((key, schema.finish()))
}

const IS_STRUCT: u32 = 1;
const LENGTH_IN_FIELD: u32 = 2;
const COUNT_IN_FIELD: u32 = 4;
const FIXED_COUNT: u32 = 0x20;

fn field(info: &[u8], property: &[u8], provider: Guid, maps: &Maps) -> Option<Field> {
    let flags = u32_at(property, 0);
    let name = text(info, u32_at(property, 4)).unwrap_or_default();
    let (count, length) = (u16_at(property, 16), u16_at(property, 18));
    let count = match count {
        index if flags & COUNT_IN_FIELD != 0 => Count::Field(index),
        0 | 1 if flags & FIXED_COUNT == 0 => Count::One,
        n => Count::Fixed(n),
    };
    let kind = if flags & IS_STRUCT != 0 {
        FieldKind::Struct {
            first: usize::from(u16_at(property, 8)),
            members: usize::from(u16_at(property, 10)),
        }
    } else {
        let input = In::from_tdh(u16_at(property, 8))?;
        let map = text(info, u32_at(property, 12)).and_then(|map| maps.get(&(provider, map)).cloned());
        let length = match length {
            index if flags & LENGTH_IN_FIELD != 0 => Length::Field(index),
            0 => Length::None,
            n => Length::Fixed(n),
        };
        FieldKind::Value(ValueType {
            input,
            output: Out::from_tdh(u16_at(property, 10)),
            length,
            map,
        })
    };
    Some(Field {
        name: name.into(),
        kind,
        count,
    })
}

/// Texts of manifest origin end in one extra space (a line break before).
fn text(info: &[u8], at: u32) -> Option<String> {
    if at == 0 {
        return None;
    }
    let mut text = utf16_until_nul(info.get(at as usize..)?);
    text.truncate(text.trim_end().len());
    Some(text)
}
