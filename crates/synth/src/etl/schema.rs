//! EventMetadata records: the schema that merging puts into a trace, one TRACE_EVENT_INFO per kind of event.
//!
//! Source: tdh.h (TRACE_EVENT_INFO, EVENT_PROPERTY_INFO). Names end in a blank, as manifest names do.

use super::container::Etl;
use crate::bytes::Bytes;
use crate::event::{Event, Value};
use crate::moment::Moment;

const EVENT_METADATA: &str = "bbccf6c1-6cd1-48c4-80ff-839482e37671";

impl Etl {
    /// Adds the schema of an event like `sample`, as merging does at the end of a session. A counted field's
    /// length is the field in front of it.
    pub fn schema(&mut self, sample: &Event, at: Moment) -> &mut Self {
        self.classic(EVENT_METADATA, 32, 0, at, &trace_event_info(sample))
    }
}

fn trace_event_info(event: &Event) -> Vec<u8> {
    let head = 112;
    let strings_at = head + 24 * event.fields.len();
    let mut strings = Bytes::new();
    let mut text = |t: &str| {
        let at = strings_at + strings.len();
        strings.utf16z(&format!("{t} "));
        at as u32
    };
    let provider = text(event.provider.name);
    let names: Vec<u32> = event.fields.iter().map(|(name, _)| text(name)).collect();
    let mut b = Bytes::new();
    b.guid(event.provider.guid).fill(0, 16);
    b.u16(event.id)
        .u8(event.version)
        .u8(16)
        .u8(event.level)
        .u8(event.opcode)
        .u16(event.task)
        .u64(event.keywords);
    b.u32(0).u32(provider).fill(0, 44);
    let count = event.fields.len() as u32;
    b.u32(count).u32(count).u32(1);
    for (index, (_, value)) in event.fields.iter().enumerate() {
        let (kind, size, counted) = tdh_type(value);
        let length = if counted {
            index.saturating_sub(1) as u16
        } else {
            size
        };
        b.u32(if counted { 2 } else { 0 })
            .u32(names.get(index).copied().unwrap_or(0));
        b.u16(kind).u16(0).u32(0).u16(1).u16(length).u32(0);
    }
    b.raw(&strings.0);
    b.take()
}

/// TDH input type, fixed size, and whether the length is another field.
fn tdh_type(value: &Value) -> (u16, u16, bool) {
    match value {
        Value::Text(_) => (1, 0, false),
        Value::TextCounted(_) => (1, 0, true),
        Value::Ansi(_) => (2, 0, false),
        Value::AnsiCounted(_) => (2, 0, true),
        Value::U8(_) => (4, 1, false),
        Value::U16(_) => (6, 2, false),
        Value::I32(_) => (7, 4, false),
        Value::U32(_) => (8, 4, false),
        Value::U64(_) => (10, 8, false),
        Value::Bool(_) => (13, 4, false),
        Value::Binary(_) => (14, 0, true),
        Value::Guid(_) => (15, 16, false),
        Value::Pointer(_) => (16, 8, false),
        Value::Time(_) => (17, 8, false),
        Value::Sid(_) => (19, 0, false),
        Value::Hex32(_) => (20, 4, false),
        Value::Hex64(_) => (21, 8, false),
    }
}
