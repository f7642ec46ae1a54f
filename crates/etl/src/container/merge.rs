//! Records of all processors in one order of time.
//!
//! Each processor's buffers, sorted by sequence number, form one stream that is in order by itself; buffers of different
//! processors lie in the file as they were flushed. A merge of the streams needs one expanded buffer of each:
//!
//! ```text
//! processor 0   [seq 1 ....][seq 4 ...]      \
//! processor 1   [seq 2 ......][seq 7 ..]      >  smallest (time, processor) first
//! processor 3   [seq 3 .][seq 5 .....]       /
//! ```
//!
//! Circular files need nothing more: the sort undoes the rotation. A file whose processors together would need more
//! memory than the ceiling is merged group of processors by group.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::input::Input;
use super::load::{Payload, load, payload_len};
use super::record::{Event, RecordHead};
use super::scan::BufferAt;
use crate::expand::Compression;

/// Expanded bytes that all streams together may hold.
const MEMORY_CEILING: usize = 128 << 20;

/// One processor's buffers.
struct Stream<'a> {
    processor: u16,
    buffers: Vec<BufferAt>,
    next_buffer: usize,
    payload: Payload<'a>,
    at: usize,
    head: Option<RecordHead>,
    raw_ts: u64,
}

/// The merged sequence of records; made by [`EtlReader::events`](crate::EtlReader::events).
pub struct Events<'r, 'a> {
    input: &'r mut Input<'a>,
    compression: Compression,
    machine_pointer: u8,
    streams: Vec<Stream<'a>>,
    /// First stream of each group that fits into memory together.
    groups: Vec<usize>,
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    current: Option<usize>,
    ordinal: u64,
    bytes_done: u64,
    error: Option<std::io::Error>,
}

impl<'r, 'a> Events<'r, 'a> {
    pub(crate) fn new(
        input: &'r mut Input<'a>,
        buffers: &[BufferAt],
        compression: Compression,
        machine_pointer: u8,
    ) -> Self {
        let streams = streams_of(buffers);
        let groups = groups_of(&streams);
        Self {
            input,
            compression,
            machine_pointer,
            streams,
            groups,
            heap: BinaryHeap::new(),
            current: None,
            ordinal: 0,
            bytes_done: 0,
            error: None,
        }
    }

    /// The next record in order of time; borrowed until the next call.
    #[expect(
        clippy::should_implement_trait,
        reason = "the record borrows from the reader, which Iterator cannot express"
    )]
    pub fn next(&mut self) -> Option<Event<'_>> {
        let index = self.advance()?;
        self.ordinal += 1;
        let stream = self.streams.get(index)?;
        let head = stream.head?;
        let bytes = stream.payload.bytes().get(stream.at..)?.get(..head.size)?;
        Some(Event {
            bytes,
            kind: head.kind,
            raw_ts: stream.raw_ts,
            processor: stream.processor,
            ordinal: self.ordinal,
            machine_pointer: self.machine_pointer,
        })
    }

    /// Bytes of the file that were worked through.
    pub fn bytes_done(&self) -> u64 {
        self.bytes_done
    }

    /// The error that ended a stream early, if the source failed.
    pub fn take_error(&mut self) -> Option<std::io::Error> {
        self.error.take()
    }

    /// True if the processors are merged in several groups, so that time jumps back between them.
    pub fn is_partly_ordered(&self) -> bool {
        self.groups.len() > 1
    }

    fn advance(&mut self) -> Option<usize> {
        if let Some(index) = self.current.take()
            && self.step(index)
        {
            let raw_ts = self.streams.get(index)?.raw_ts;
            // Most records are followed by one of the same processor.
            if self
                .heap
                .peek()
                .is_none_or(|Reverse(top)| (raw_ts, index) <= *top)
            {
                self.current = Some(index);
                return self.current;
            }
            self.heap.push(Reverse((raw_ts, index)));
        }
        while self.heap.is_empty() && !self.groups.is_empty() {
            self.open_group();
        }
        self.current = self.heap.pop().map(|Reverse((_, index))| index);
        self.current
    }

    fn open_group(&mut self) {
        let first = self.groups.remove(0);
        let end = self.groups.first().copied().unwrap_or(self.streams.len());
        for index in first..end {
            if self.next_buffer(index)
                && let Some(stream) = self.streams.get(index)
            {
                self.heap.push(Reverse((stream.raw_ts, index)));
            }
        }
    }

    /// Moves a stream to its next record.
    fn step(&mut self, index: usize) -> bool {
        let Some(stream) = self.streams.get_mut(index) else {
            return false;
        };
        let len = stream.head.map_or(0, |head| head.size);
        stream.at += len.next_multiple_of(8);
        stream.read_head() || self.next_buffer(index)
    }

    /// Loads buffers of a stream until one has a record.
    fn next_buffer(&mut self, index: usize) -> bool {
        let Some(stream) = self.streams.get_mut(index) else {
            return false;
        };
        while let Some(buffer) = stream.buffers.get(stream.next_buffer) {
            stream.next_buffer += 1;
            self.bytes_done += buffer.stored as u64;
            let spare = std::mem::replace(&mut stream.payload, Payload::Lent(&[])).recycle();
            match load(self.input, buffer, self.compression, spare) {
                Ok((payload, _)) => stream.payload = payload,
                Err(error) => {
                    self.error = Some(error);
                    return false;
                }
            }
            stream.at = 0;
            if stream.read_head() {
                return true;
            }
        }
        stream.payload = Payload::Lent(&[]);
        false
    }
}

impl Stream<'_> {
    #[inline]
    fn read_head(&mut self) -> bool {
        self.head = self.payload.bytes().get(self.at..).and_then(RecordHead::parse);
        if let Some(head) = self.head {
            // Messages without a time belong right behind what came before them.
            self.raw_ts = head.raw_ts.unwrap_or(self.raw_ts);
        }
        self.head.is_some()
    }
}

fn streams_of(buffers: &[BufferAt]) -> Vec<Stream<'static>> {
    let mut sorted = buffers.to_vec();
    sorted.sort_by_key(|b| (b.header.processor, b.header.sequence, b.at));
    sorted
        .chunk_by(|a, b| a.header.processor == b.header.processor)
        .map(|own| Stream {
            processor: own.first().map_or(0, |b| b.header.processor),
            buffers: own.to_vec(),
            next_buffer: 0,
            payload: Payload::Lent(&[]),
            at: 0,
            head: None,
            raw_ts: 0,
        })
        .collect()
}

fn groups_of(streams: &[Stream<'_>]) -> Vec<usize> {
    let mut groups = Vec::new();
    let mut held = usize::MAX;
    for (index, stream) in streams.iter().enumerate() {
        let largest = stream.buffers.iter().map(payload_len).max().unwrap_or(0);
        if held.saturating_add(largest) > MEMORY_CEILING {
            groups.push(index);
            held = 0;
        }
        held += largest;
    }
    groups
}
