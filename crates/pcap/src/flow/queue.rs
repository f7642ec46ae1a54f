//! Segments that wait for the bytes in front of them.

use std::collections::VecDeque;

use super::Arrival;
use crate::emit::Seen;

/// Segments, and bytes of them, that wait in one direction.
pub(super) const MAX_WAITING: usize = 256;
const MAX_WAITING_BYTES: usize = 512 << 10;

/// A segment that came too early.
pub(super) struct Waiting {
    pub(super) seq: u32,
    pub(super) wire_len: u32,
    pub(super) data: Vec<u8>,
    pub(super) seen: Seen,
}

/// The segments of one direction that wait, in the order they came.
///
/// Boxed while there are any: most connections never have one.
#[derive(Default)]
pub(super) struct Queue(Option<Box<Segments>>);

#[derive(Default)]
struct Segments {
    list: VecDeque<Waiting>,
    bytes: usize,
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

    /// Keeps a segment; its bytes count in `shared_bytes` too.
    pub(super) fn push(&mut self, seq: u32, arrival: &Arrival<'_>, shared_bytes: &mut usize) {
        let waiting = self.0.get_or_insert_default();
        waiting.list.push_back(Waiting {
            seq,
            wire_len: arrival.wire_len,
            data: arrival.payload.to_vec(),
            seen: arrival.seen,
        });
        waiting.bytes += arrival.payload.len();
        *shared_bytes += arrival.payload.len();
    }

    /// Takes the first segment that begins at `next` or in front of it.
    pub(super) fn take(&mut self, next: u32, shared_bytes: &mut usize) -> Option<Waiting> {
        let waiting = self.0.as_mut()?;
        let ready = |w: &Waiting| w.seq.wrapping_sub(next) as i32 <= 0;
        let at = waiting.list.iter().position(ready)?;
        let found = waiting.list.remove(at)?;
        waiting.bytes -= found.data.len();
        *shared_bytes = shared_bytes.saturating_sub(found.data.len());
        if waiting.list.is_empty() {
            self.0 = None;
        }
        Some(found)
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self, shared_bytes: &mut usize) {
        if let Some(waiting) = self.0.take() {
            *shared_bytes = shared_bytes.saturating_sub(waiting.bytes);
        }
    }
}
