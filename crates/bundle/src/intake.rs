//! Reads one member to its end in one pass: hash, size, limits, and storage.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{channel, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use casetrace_model::Limits;
use sha2::{Digest, Sha256};

use crate::store::{Bytes, Spool};

/// Members up to this size stay in memory while [`MEMORY_TOTAL`] lasts.
const MEMORY_MEMBER: usize = 4 << 20;
/// Memory that small members may use together.
const MEMORY_TOTAL: usize = 128 << 20;
/// Ratios say nothing about small members: a page of zeros compresses a thousandfold.
const RATIO_FROM: u64 = 64 << 20;
/// Bytes the probe looks at.
pub(crate) const HEAD: usize = 64 << 10;
const CHUNK: usize = 128 << 10;
/// Chunks that may be read before they are stored.
const CHUNKS_AHEAD: usize = 4;
/// Bytes that may be lost in front of damage inside a compressed stream.
const SMALL_STEP: usize = 256;

/// How reading a member ended.
#[derive(Debug)]
pub(crate) enum End {
    Complete,
    /// A limit of [`Limits`] by field name.
    Limit(&'static str),
    /// The container's decoder gave up.
    Broken(io::Error),
}

/// One member as read.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) bytes: Bytes,
    pub(crate) size: u64,
    /// `None` while it is still worked out.
    pub(crate) sha256: Option<[u8; 32]>,
    pub(crate) head: Vec<u8>,
    pub(crate) end: End,
}

/// What a member (or its solid block) costs in the container, to judge the expansion ratio.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stored {
    /// Compressed bytes; 0 = unknown, no ratio check.
    pub(crate) bytes: u64,
    /// Already expanded from the same compressed bytes.
    pub(crate) expanded: u64,
}

/// Counts and stores what comes out of all containers of one case.
#[derive(Debug)]
pub(crate) struct Intake {
    limits: Limits,
    spool: Spool,
    memory_left: usize,
    total: u64,
    /// Reading buffer, kept as most members are small.
    chunk: Vec<u8>,
    /// Large members may be hashed and stored beside being read.
    aside: bool,
}

/// A member while it is read.
struct Reading<'r> {
    reader: &'r mut dyn Read,
    stored: Stored,
    size: u64,
    hash: Sha256,
}

impl Intake {
    /// With more than one of `threads`, large members are hashed and stored on another.
    pub(crate) fn new(limits: Limits, spool: Spool, threads: usize) -> Self {
        Self {
            aside: threads > 1,
            limits,
            spool,
            memory_left: MEMORY_TOTAL,
            total: 0,
            chunk: vec![0; CHUNK],
        }
    }

    /// Expanded bytes so far.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn exhausted(&self) -> bool {
        self.total >= self.limits.max_total_bytes
    }

    /// Stores what `reader` gives. `Err` means our own storage failed, not the input.
    pub(crate) fn take(&mut self, reader: &mut dyn Read, stored: Stored) -> io::Result<Taken> {
        let mut chunk = std::mem::take(&mut self.chunk);
        let taken = self.take_through(&mut chunk, reader, stored, self.aside);
        self.chunk = chunk;
        taken
    }

    /// As [`take`](Self::take), in small steps: a decompressor that meets damage loses what it had in hand for the step.
    pub(crate) fn take_in_small_steps(&mut self, reader: &mut dyn Read, stored: Stored) -> io::Result<Taken> {
        self.take_through(&mut [0; SMALL_STEP], reader, stored, false)
    }

    /// Forgets what was taken last, so that it can be taken again.
    pub(crate) fn give_back(&mut self, taken: Taken) {
        self.total = self.total.saturating_sub(taken.size);
        match taken.bytes {
            Bytes::Memory(bytes) => self.memory_left += bytes.len(),
            Bytes::Spool { start, .. } => self.spool.rewind(start),
            Bytes::Disk(_) | Bytes::Absent => {}
        }
    }

    fn take_through(
        &mut self,
        chunk: &mut [u8],
        reader: &mut dyn Read,
        stored: Stored,
        aside: bool,
    ) -> io::Result<Taken> {
        let mut sink = Storing::new(self.spool.end());
        let mut reading = Reading {
            reader,
            stored,
            size: 0,
            hash: Sha256::new(),
        };
        let end = loop {
            let (n, end) = self.step(&mut reading, chunk);
            let bytes = chunk.get(..n).unwrap_or_default();
            reading.hash.update(bytes);
            sink.push(bytes, &mut self.spool, self.memory_left)?;
            if let Some(end) = end {
                break end;
            }
            if aside && sink.spooling {
                break self.take_aside(&mut reading)?;
            }
        };
        let (bytes, head) = sink.finish(&mut self.spool, &mut self.memory_left)?;
        Ok(Taken {
            bytes,
            size: reading.size,
            sha256: Some(reading.hash.finalize().into()),
            head,
            end,
        })
    }

    /// Reads once; how many of the bytes count, and the end if it is there.
    fn step(&mut self, reading: &mut Reading<'_>, chunk: &mut [u8]) -> (usize, Option<End>) {
        let n = loop {
            match reading.reader.read(chunk) {
                Ok(0) => return (0, Some(End::Complete)),
                Ok(n) => break n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (0, Some(End::Broken(error))),
            }
        };
        let (keep, limit) = self.allowed(reading.size, n as u64, reading.stored);
        reading.size += keep as u64;
        self.total += keep as u64;
        (keep, limit.map(End::Limit))
    }

    /// The rest of a large member: one thread hashes and one spools what was read while this one reads on, as each of the three takes
    /// about as long. The input is read in the same steps, so that a limit cuts it at the same place.
    fn take_aside(&mut self, reading: &mut Reading<'_>) -> io::Result<End> {
        let nowhere = Spool::new(PathBuf::new());
        let mut spool = std::mem::replace(&mut self.spool, nowhere);
        let mut hash = std::mem::take(&mut reading.hash);
        let (hashing, spooling) = (&mut hash, &mut spool);
        let done = thread::scope(|scope| {
            let (filled, to_hash) = sync_channel::<(Vec<u8>, usize)>(CHUNKS_AHEAD);
            let (hashed, to_store) = sync_channel::<(Vec<u8>, usize)>(CHUNKS_AHEAD);
            let (emptied, spare) = channel();
            let storing = scope.spawn(move || -> io::Result<()> {
                for (chunk, n) in to_store {
                    spooling.append(chunk.get(..n).unwrap_or_default())?;
                    // Nobody waits for it any more at the end.
                    let _ = emptied.send(chunk);
                }
                Ok(())
            });
            let hasher = scope.spawn(move || {
                for (chunk, n) in to_hash {
                    hashing.update(chunk.get(..n).unwrap_or_default());
                    if hashed.send((chunk, n)).is_err() {
                        break;
                    }
                }
            });
            let end = loop {
                let mut chunk = spare.try_recv().unwrap_or_else(|_| vec![0; CHUNK]);
                let (n, end) = self.step(reading, &mut chunk);
                // Refused if storing failed, which it says below.
                let refused = filled.send((chunk, n)).is_err();
                match end {
                    Some(end) => break end,
                    None if refused => break End::Complete,
                    None => {}
                }
            };
            drop(filled);
            joined(hasher);
            joined(storing).map(|()| end)
        });
        (self.spool, reading.hash) = (spool, hash);
        done
    }

    /// The bytes that the probe looks at, or as many as there are.
    pub(crate) fn head_of(reader: &mut dyn Read) -> Vec<u8> {
        let mut head = Vec::new();
        // What can't be read is told when the whole file is.
        let _ = reader.take(HEAD as u64).read_to_end(&mut head);
        head
    }

    /// Hashes what lies on disk anyway; nothing is stored and `max_total_bytes` (expanded bytes) does not apply.
    pub(crate) fn hash_in_place(reader: &mut dyn Read) -> (u64, [u8; 32], Vec<u8>, End) {
        let mut hash = Sha256::new();
        let mut head = Vec::new();
        let mut size = 0_u64;
        let mut chunk = vec![0_u8; CHUNK];
        let end = loop {
            match reader.read(&mut chunk) {
                Ok(0) => break End::Complete,
                Ok(n) => {
                    let bytes = chunk.get(..n).unwrap_or_default();
                    hash.update(bytes);
                    size += n as u64;
                    let room = HEAD.saturating_sub(head.len()).min(n);
                    head.extend_from_slice(bytes.get(..room).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break End::Broken(error),
            }
        };
        (size, hash.finalize().into(), head, end)
    }

    /// How many of the next `n` bytes may be kept, and the limit that cuts them.
    fn allowed(&self, size: u64, n: u64, stored: Stored) -> (usize, Option<&'static str>) {
        let after = size.saturating_add(n);
        let expanded = after.saturating_add(stored.expanded);
        let checks = [
            (
                self.limits.max_member_bytes.saturating_sub(size),
                "max_member_bytes",
            ),
            (
                self.limits.max_total_bytes.saturating_sub(self.total),
                "max_total_bytes",
            ),
        ];
        let (room, name) = if checks[0].0 <= checks[1].0 {
            checks[0]
        } else {
            checks[1]
        };
        if room < n {
            return (usize::try_from(room).unwrap_or(0), Some(name));
        }
        let over = stored.bytes > 0
            && expanded > RATIO_FROM
            && expanded / stored.bytes.max(1) > self.limits.max_ratio;
        (usize::try_from(n).unwrap_or(0), over.then_some("max_ratio"))
    }
}

/// What a thread gives; its panic goes on here.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Bytes on their way to memory or spool.
struct Storing {
    memory: Vec<u8>,
    head: Vec<u8>,
    spool_start: u64,
    spooling: bool,
}

impl Storing {
    fn new(spool_start: u64) -> Self {
        Self {
            memory: Vec::new(),
            head: Vec::new(),
            spool_start,
            spooling: false,
        }
    }

    fn push(&mut self, bytes: &[u8], spool: &mut Spool, memory_left: usize) -> io::Result<()> {
        if self.spooling {
            return spool.append(bytes);
        }
        self.memory.extend_from_slice(bytes);
        if self.memory.len() > MEMORY_MEMBER.min(memory_left) {
            self.start_spooling(spool)?;
        }
        Ok(())
    }

    fn start_spooling(&mut self, spool: &mut Spool) -> io::Result<()> {
        self.spooling = true;
        spool.append(&self.memory)?;
        self.memory.truncate(HEAD);
        self.head = std::mem::take(&mut self.memory);
        Ok(())
    }

    fn finish(mut self, spool: &mut Spool, memory_left: &mut usize) -> io::Result<(Bytes, Vec<u8>)> {
        if self.spooling {
            return Ok((spool.range_from(self.spool_start), self.head));
        }
        *memory_left = memory_left.saturating_sub(self.memory.len());
        self.head = self
            .memory
            .get(..self.memory.len().min(HEAD))
            .unwrap_or_default()
            .to_vec();
        Ok((Bytes::Memory(Arc::from(self.memory)), self.head))
    }
}
