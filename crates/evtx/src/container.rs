//! The file around the chunks: its header, and the chunks in the order they were written.
//!
//! Source: libyal's EVTX format page; observed in dirty live copies. The header counts chunks in 16 bits and lags
//! behind on a log that was not closed, so the file's size decides. A wrapped log begins at its oldest chunk.

use std::io::{self, Read, SeekFrom};

use casetrace_model::{Diagnostic, ReadSeek};
use evtx::{EvtxFileHeader, HeaderFlags};

/// Bytes before the first chunk.
pub(crate) const HEADER_BYTES: u64 = 4_096;
/// Bytes of a chunk.
pub(crate) const CHUNK_BYTES: u64 = 65_536;
/// What a chunk begins with.
pub(crate) const CHUNK_MAGIC: &[u8; 8] = b"ElfChnk\0";

/// An opened log.
pub(crate) struct Container {
    input: Box<dyn ReadSeek + Send>,
    /// The file header, unless it is damaged.
    pub(crate) header: Option<EvtxFileHeader>,
    /// Whole chunks in the file, empty ones included.
    pub(crate) chunks: u64,
    /// Bytes of the file.
    pub(crate) bytes: u64,
    oldest: u64,
    next: u64,
}

/// One chunk's bytes, or why they are not there.
pub(crate) struct RawChunk {
    pub(crate) number: u64,
    pub(crate) data: Vec<u8>,
}

impl RawChunk {
    /// Where the chunk begins in the file.
    pub(crate) fn offset(&self) -> u64 {
        offset_of(self.number)
    }
}

pub(crate) fn offset_of(chunk: u64) -> u64 {
    HEADER_BYTES.saturating_add(chunk.saturating_mul(CHUNK_BYTES))
}

impl Container {
    /// Reads the header and finds the oldest chunk. Errors: the file is no event log, or cannot be read.
    pub(crate) fn open(mut input: Box<dyn ReadSeek + Send>) -> Result<Self, Diagnostic> {
        let read_failed =
            |_: io::Error| Diagnostic::error("EvtxReadFailed", "The log could not be read; copy it again.");
        let bytes = input.seek(SeekFrom::End(0)).map_err(read_failed)?;
        input.rewind().map_err(read_failed)?;
        let mut head = Vec::new();
        input
            .by_ref()
            .take(HEADER_BYTES)
            .read_to_end(&mut head)
            .map_err(read_failed)?;
        let header = EvtxFileHeader::from_bytes(&head).ok();
        let chunks = bytes.saturating_sub(HEADER_BYTES) / CHUNK_BYTES;
        let mut container = Self {
            input,
            header,
            chunks,
            bytes,
            oldest: 0,
            next: 0,
        };
        let found = container.find_oldest();
        if container.header.is_none() && !found {
            return Err(Diagnostic::error(
                "EvtxNotALog",
                "Neither a file header nor a chunk of an event log is in this file; it is empty, cut off or not an .evtx.",
            ));
        }
        Ok(container)
    }

    /// Finds the chunk with the lowest record ids; false if no chunk has a header.
    fn find_oldest(&mut self) -> bool {
        let mut lowest = u64::MAX;
        let mut found = false;
        for number in 0..self.chunks {
            let mut head = [0; 40];
            let at = SeekFrom::Start(offset_of(number));
            if self.input.seek(at).is_err() || self.input.read_exact(&mut head).is_err() {
                break;
            }
            let word = |at: usize| {
                head.get(at..at + 8)
                    .and_then(|b| b.try_into().ok())
                    .map_or(0, u64::from_le_bytes)
            };
            if head.starts_with(CHUNK_MAGIC) {
                found = true;
                let (first, last) = (word(24), word(32));
                if first <= last && first < lowest {
                    (lowest, self.oldest) = (first, number);
                }
            }
        }
        found
    }

    /// The next chunk in the order of writing; `None` at the end. Chunks of nothing but zeroes are left out.
    pub(crate) fn next_chunk(&mut self) -> Option<Result<RawChunk, Diagnostic>> {
        while self.next < self.chunks {
            let number = (self.oldest + self.next) % self.chunks;
            self.next += 1;
            let at = offset_of(number);
            let Ok(data) = self.chunk_at(at) else {
                let lost = Diagnostic::warning(
                    "EvtxReadFailed",
                    "A chunk could not be read; its events are missing.",
                );
                return Some(Err(lost.at(at).lost(CHUNK_BYTES)));
            };
            if data.iter().any(|byte| *byte != 0) {
                return Some(Ok(RawChunk { number, data }));
            }
        }
        None
    }

    /// Reads a whole chunk into memory that is not cleared before.
    fn chunk_at(&mut self, at: u64) -> io::Result<Vec<u8>> {
        let mut data = Vec::with_capacity(CHUNK_BYTES as usize);
        self.input.seek(SeekFrom::Start(at))?;
        let read = self.input.by_ref().take(CHUNK_BYTES).read_to_end(&mut data)?;
        if read as u64 == CHUNK_BYTES {
            Ok(data)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Bytes after the last whole chunk.
    pub(crate) fn tail_bytes(&self) -> u64 {
        self.bytes.saturating_sub(HEADER_BYTES) % CHUNK_BYTES
    }

    /// True if the log was copied while it was written to.
    pub(crate) fn is_dirty(&self) -> bool {
        self.header
            .as_ref()
            .is_some_and(|header| header.flags.contains(HeaderFlags::DIRTY))
    }
}
