//! The log file: events in, bytes out, whole or damaged on purpose.

use super::chunk::{CHUNK, Chunk};
use super::tree::Shape;
use crate::bytes::Bytes;
use crate::event::Event;

/// An event log under construction.
#[derive(Debug, Clone)]
pub struct Evtx {
    computer: String,
    first_record: u64,
    events: Vec<Event>,
    dirty: bool,
    bad_chunk: Option<usize>,
    bad_checksum: Option<usize>,
    truncate: Option<usize>,
}

impl Evtx {
    /// A log of one computer, records numbered from 1.
    pub fn new(computer: &str) -> Self {
        Self {
            computer: computer.to_owned(),
            first_record: 1,
            events: vec![],
            dirty: false,
            bad_chunk: None,
            bad_checksum: None,
            truncate: None,
        }
    }

    /// Number of the first record.
    #[must_use]
    pub fn first_record(mut self, number: u64) -> Self {
        self.first_record = number;
        self
    }

    /// Adds an event.
    #[must_use]
    pub fn event(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    /// Adds events.
    #[must_use]
    pub fn events(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.events.extend(events);
        self
    }

    /// As copied from a running machine: dirty flag set, file header behind the chunks.
    #[must_use]
    pub fn dirty(mut self) -> Self {
        self.dirty = true;
        self
    }

    /// Overwrites the magic of the n-th chunk.
    #[must_use]
    pub fn bad_chunk(mut self, index: usize) -> Self {
        self.bad_chunk = Some(index);
        self
    }

    /// Breaks the checksum of the n-th chunk's records.
    #[must_use]
    pub fn bad_checksum(mut self, index: usize) -> Self {
        self.bad_checksum = Some(index);
        self
    }

    /// Cuts the file.
    #[must_use]
    pub fn truncate_at(mut self, offset: usize) -> Self {
        self.truncate = Some(offset);
        self
    }

    fn chunks(&self) -> Vec<Vec<u8>> {
        let mut chunks = vec![];
        let mut chunk = Chunk::new();
        for (number, event) in (self.first_record..).zip(&self.events) {
            let shape = Shape::of(event, number, &self.computer);
            if !chunk.add(&shape, number, event.at.filetime()) {
                let full = std::mem::replace(&mut chunk, Chunk::new());
                chunks.push(full.finish());
                // An event larger than an empty chunk can't be written; Windows refuses it too.
                chunk.add(&shape, number, event.at.filetime());
            }
        }
        if !chunk.is_empty() || chunks.is_empty() {
            chunks.push(chunk.finish());
        }
        chunks
    }

    /// The file.
    pub fn write(&self) -> Vec<u8> {
        let mut chunks = self.chunks();
        if let Some(chunk) = self.bad_chunk.and_then(|i| chunks.get_mut(i)) {
            chunk[..8].copy_from_slice(b"BadChnk\0");
        }
        if let Some(chunk) = self.bad_checksum.and_then(|i| chunks.get_mut(i)) {
            chunk[52] ^= 0xff;
        }
        let mut out = match self.dirty {
            true => head(1, self.first_record, true),
            false => head(chunks.len(), self.first_record + self.events.len() as u64, false),
        };
        for chunk in chunks {
            debug_assert_eq!(chunk.len(), CHUNK);
            out.extend_from_slice(&chunk);
        }
        out.truncate(self.truncate.unwrap_or(usize::MAX));
        out
    }
}

/// The file header: how many chunks follow, and which number the next record would have.
pub fn head(chunks: usize, next_record: u64, dirty: bool) -> Vec<u8> {
    let mut head = Bytes::new();
    head.raw(b"ElfFile\0")
        .u64(0)
        .u64((chunks as u64).saturating_sub(1))
        .u64(next_record);
    head.u32(128)
        .u16(1)
        .u16(3)
        .u16(4096)
        .u16(chunks as u16)
        .fill(0, 76);
    let crc = crc32fast::hash(&head.0);
    head.u32(u32::from(dirty)).u32(crc).fill(0, 4096 - 128);
    head.take()
}
