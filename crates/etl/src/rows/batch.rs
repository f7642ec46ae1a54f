//! Records copied out of the merged sequence, to be worked on by another thread.

use super::builder::{RowBuilder, Rows, Scratch};
use crate::container::record::{Event, HeaderKind};

/// When a batch is large enough.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) bytes: usize,
    pub(super) records: usize,
}

/// Copied records on their way to a thread.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) number: usize,
    bytes: Vec<u8>,
    records: Vec<Copied>,
}

#[derive(Debug, Clone, Copy)]
struct Copied {
    start: usize,
    len: usize,
    kind: HeaderKind,
    raw_ts: u64,
    processor: u16,
    ordinal: u64,
    machine_pointer: u8,
}

impl Batch {
    /// An empty batch with room for all of it.
    pub(super) fn with_size(size: Size) -> Self {
        Self {
            number: 0,
            bytes: Vec::with_capacity(size.bytes + size.bytes / 8),
            records: Vec::with_capacity(size.records),
        }
    }

    pub(super) fn push(&mut self, event: &Event<'_>) {
        self.records.push(Copied {
            start: self.bytes.len(),
            len: event.bytes.len(),
            kind: event.kind,
            raw_ts: event.raw_ts,
            processor: event.processor,
            ordinal: event.ordinal,
            machine_pointer: event.machine_pointer,
        });
        self.bytes.extend_from_slice(event.bytes);
    }

    pub(super) fn is_full(&self, size: Size) -> bool {
        self.bytes.len() >= size.bytes || self.records.len() >= size.records
    }

    pub(super) fn build(&self, builder: &RowBuilder<'_>, scratch: &mut Scratch, out: &mut impl Rows) {
        for record in &self.records {
            let bytes = self.bytes.get(record.start..record.start + record.len);
            let event = Event {
                bytes: bytes.unwrap_or_default(),
                kind: record.kind,
                raw_ts: record.raw_ts,
                processor: record.processor,
                ordinal: record.ordinal,
                machine_pointer: record.machine_pointer,
            };
            builder.build(&event, scratch, out);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }
}
