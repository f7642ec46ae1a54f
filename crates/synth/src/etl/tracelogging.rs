//! TraceLogging events: they carry their own schema in two extended items.
//!
//! Source: TraceLoggingProvider.h of the Windows SDK.

use sha1::{Digest, Sha1};

use super::container::Etl;
use super::record::Extended;
use crate::bytes::Bytes;
use crate::event::{Event, Provider, Value};
use crate::moment::Moment;

/// The GUID TraceLogging derives from a provider's name, as text.
pub fn provider_guid(name: &str) -> String {
    const NAMESPACE: [u8; 16] = [
        0x48, 0x2c, 0x2d, 0xb2, 0xc3, 0x90, 0x47, 0xc8, 0x87, 0xf8, 0x1a, 0x15, 0xbf, 0xc1, 0x30, 0xfb,
    ];
    let mut hash = Sha1::new();
    hash.update(NAMESPACE);
    for unit in name.to_uppercase().encode_utf16() {
        hash.update(unit.to_be_bytes());
    }
    let mut g: Vec<u8> = hash.finalize().iter().take(16).copied().collect();
    g[7] = g[7] & 0x0f | 0x50;
    let hex = |order: &[usize]| order.iter().map(|i| format!("{:02x}", g[*i])).collect::<String>();
    format!(
        "{}-{}-{}-{}-{}",
        hex(&[3, 2, 1, 0]),
        hex(&[5, 4]),
        hex(&[7, 6]),
        hex(&[8, 9]),
        hex(&[10, 11, 12, 13, 14, 15])
    )
}

/// A self-describing event.
#[derive(Debug, Clone)]
pub struct TraceLogging {
    provider: String,
    name: String,
    at: Moment,
    pid: u32,
    level: u8,
    fields: Vec<(String, Value)>,
}

impl TraceLogging {
    /// An event without fields.
    pub fn new(provider: &str, name: &str, at: Moment) -> Self {
        Self {
            provider: provider.into(),
            name: name.into(),
            at,
            pid: 712,
            level: 5,
            fields: vec![],
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the writing process.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = pid;
        self
    }

    /// Sets the level.
    #[must_use]
    pub fn level(mut self, level: u8) -> Self {
        self.level = level;
        self
    }

    fn schema(&self) -> Vec<u8> {
        let mut b = Bytes::new();
        b.u16(0).u8(0).asciiz(&self.name);
        for (name, value) in &self.fields {
            b.asciiz(name).u8(in_type(value));
        }
        sized(b)
    }

    fn traits(&self) -> Vec<u8> {
        let mut b = Bytes::new();
        b.u16(0).asciiz(&self.provider);
        sized(b)
    }

    /// Adds the event to a trace.
    pub fn add_to(&self, etl: &mut Etl) {
        let guid: &'static str = "";
        let provider = Provider {
            name: "",
            guid,
            channel: "",
        };
        let mut event = Event::new(provider, 0, self.at)
            .process(self.pid, self.pid + 4)
            .level(self.level);
        // Counted texts and blobs have their byte length in front; plain ones are as in manifest payloads.
        for (name, value) in &self.fields {
            let length = match value {
                Value::TextCounted(t) => Some(t.encode_utf16().count() * 2),
                Value::AnsiCounted(t) => Some(t.len()),
                Value::Binary(b) => Some(b.len()),
                _ => None,
            };
            if let Some(length) = length {
                event = event.field("", Value::U16(length as u16));
            }
            event = event.field(name, value.clone());
        }
        let items = [
            Extended {
                kind: 12,
                data: self.traits(),
            },
            Extended {
                kind: 11,
                data: self.schema(),
            },
        ];
        let mut bytes = super::record::event_header(&event, etl.raw_ts(self.at), 11, &items, false);
        let guid = crate::bytes::guid_bytes(&provider_guid(&self.provider));
        if let Some(place) = bytes.get_mut(24..40) {
            place.copy_from_slice(&guid);
        }
        etl.record(0, self.at, bytes);
    }
}

fn sized(mut b: Bytes) -> Vec<u8> {
    let size = b.len() as u16;
    b.patch(0, &size.to_le_bytes());
    b.take()
}

fn in_type(value: &Value) -> u8 {
    match value {
        Value::Text(_) => 1,
        Value::Ansi(_) => 2,
        Value::U8(_) => 4,
        Value::U16(_) => 6,
        Value::I32(_) => 7,
        Value::U32(_) => 8,
        Value::U64(_) => 10,
        Value::Bool(_) => 13,
        Value::Binary(_) => 14,
        Value::Guid(_) => 15,
        Value::Time(_) => 17,
        Value::Sid(_) => 19,
        Value::Hex32(_) => 20,
        Value::Hex64(_) | Value::Pointer(_) => 21,
        Value::TextCounted(_) => 22,
        Value::AnsiCounted(_) => 23,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_names_hash_to_their_known_guids() {
        assert_eq!(
            provider_guid("Microsoft.Windows.Security.TokenBroker"),
            "077b8c4a-e425-578d-f1ac-6fdf1220ff68"
        );
    }
}
