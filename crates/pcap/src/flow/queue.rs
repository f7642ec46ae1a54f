//! Segments that wait for the bytes in front of them.

use std::collections::VecDeque;

use super::{Arrival, Shared};
use crate::emit::{Memo, Seen};

/// Segments, and bytes of them, that wait in one direction.
pub(super) const MAX_WAITING: usize = 256;
const MAX_WAITING_BYTES: usize = 512 << 10;

/// Room of a buffer that is used again, and the shortest segment that deserves one.
const BUFFER: usize = 1536;
const SHORT: usize = 512;
/// Buffers and lists that are kept for the next ones.
const MAX_SPARE: usize = 64;

/// Memory of segments that wait no longer: the next ones find it in the cache, where an allocator gives what was free for
/// longest.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    buffers: Vec<Vec<u8>>,
    #[expect(clippy::vec_box, reason = "the boxes are what is used again")]
    lists: Vec<Box<Segments>>,
}

impl Spare {
    fn copy(&mut self, bytes: &[u8]) -> Vec<u8> {
        if !(SHORT..=BUFFER).contains(&bytes.len()) {
            return bytes.to_vec();
        }
        let mut buffer = self.buffers.pop().unwrap_or_else(|| Vec::with_capacity(BUFFER));
        buffer.extend_from_slice(bytes);
        buffer
    }

    fn keep(&mut self, mut buffer: Vec<u8>) {
        if (BUFFER..2 * BUFFER).contains(&buffer.capacity()) && self.buffers.len() < MAX_SPARE {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }

    fn keep_list(&mut self, mut list: Box<Segments>) {
        list.bytes = 0;
        for waiting in list.list.drain(..) {
            self.keep(waiting.bytes);
        }
        if list.list.capacity() <= 8 && self.lists.len() < MAX_SPARE {
            self.lists.push(list);
        }
    }
}

/// What stands for bytes that nobody will look at.
static UNREAD: [u8; 64 << 10] = [0; 64 << 10];

/// A segment that came too early.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) seq: u32,
    pub(super) wire_len: u32,
    /// Empty if nobody will look at them.
    bytes: Vec<u8>,
    len: u32,
    pub(super) seen: Seen,
}

/// The segments of one direction that wait, in the order they came.
///
/// Boxed while there are any: most connections never have one.
#[derive(Default)]
pub(super) struct Queue(Option<Box<Segments>>);

#[derive(Debug, Default)]
struct Segments {
    list: VecDeque<Waiting>,
    bytes: usize,
}

impl Waiting {
    /// Its bytes, or as many others.
    pub(super) fn data(&self) -> &[u8] {
        match self.bytes.is_empty() {
            true => UNREAD.get(..self.len as usize).unwrap_or_default(),
            false => &self.bytes,
        }
    }

    /// Gives its memory back.
    pub(super) fn give_back(self, memo: &mut Memo) {
        memo.segments.keep(self.bytes);
    }
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|waiting| waiting.list.is_empty())
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.list.len())
    }

    pub(super) fn first(&self) -> Option<&Waiting> {
        self.0.as_ref()?.list.front()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.0.iter().flat_map(|waiting| &waiting.list)
    }

    /// True if there is no room for more.
    pub(super) fn is_full(&self) -> bool {
        let full = |waiting: &Segments| waiting.list.len() > MAX_WAITING || waiting.bytes > MAX_WAITING_BYTES;
        self.0.as_deref().is_some_and(full)
    }

    /// Keeps a segment, without its bytes if they are `unread`; they count among those of all flows either way, so that
    /// ceilings fall the same.
    pub(super) fn push(&mut self, seq: u32, arrival: &Arrival<'_>, unread: bool, shared: &mut Shared<'_>) {
        let spare = &mut shared.out.memo.segments;
        let waiting = self
            .0
            .get_or_insert_with(|| spare.lists.pop().unwrap_or_default());
        waiting.list.push_back(Waiting {
            seq,
            wire_len: arrival.wire_len,
            bytes: match unread && arrival.payload.len() <= UNREAD.len() {
                true => Vec::new(),
                false => spare.copy(arrival.payload),
            },
            len: arrival.payload.len() as u32,
            seen: arrival.seen,
        });
        waiting.bytes += arrival.payload.len();
        *shared.waiting_bytes += arrival.payload.len();
    }

    /// Takes the first segment that begins at `next` or in front of it; its memory should be given back.
    pub(super) fn take(&mut self, next: u32, shared: &mut Shared<'_>) -> Option<Waiting> {
        let waiting = self.0.as_mut()?;
        let ready = |w: &Waiting| w.seq.wrapping_sub(next) as i32 <= 0;
        let at = waiting.list.iter().position(ready)?;
        let found = waiting.list.remove(at)?;
        waiting.bytes -= found.len as usize;
        *shared.waiting_bytes = shared.waiting_bytes.saturating_sub(found.len as usize);
        if waiting.list.is_empty() {
            self.clear(shared);
        }
        Some(found)
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self, shared: &mut Shared<'_>) {
        if let Some(waiting) = self.0.take() {
            *shared.waiting_bytes = shared.waiting_bytes.saturating_sub(waiting.bytes);
            shared.out.memo.segments.keep_list(waiting);
        }
    }
}
