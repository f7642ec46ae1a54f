//! The packets of one read buffer on their way to the workers, and their rows on the way back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use casetrace_model::{Packet, PacketSink, Text};

use crate::router::Router;
use crate::rows::{Place, Rows};
use crate::unit::{Unit, What};

/// Where a unit's payload lies.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Span {
    /// In the read buffer.
    Read(u32, u32),
    /// Among the datagrams put together from fragments.
    Joined(u32, u32),
}

/// Shares of the shards that are worked on independently, at most; a power of two, at most as many as shards.
pub(crate) const LANES: usize = 8;

/// How many of them so many threads need. Few are better: a share of a batch is then longer, and fewer lists of rows are
/// under way.
pub(crate) fn lanes_for(threads: usize) -> usize {
    (2 * threads.clamp(1, LANES)).next_power_of_two().min(LANES)
}

/// A unit, its number in the batch, and its payload.
pub(crate) type Item = (u32, Unit, Span);

/// Packets of one read buffer.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) data: Vec<u8>,
    joined: Vec<u8>,
    units: u32,
    /// The units of each lane.
    pub(crate) shares: [Vec<Item>; LANES],
    /// What came of each lane's share.
    outputs: [Mutex<Output>; LANES],
}

/// What came of one lane's share of one batch.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) rows: Rows,
    pub(crate) resolved: Vec<(Place, Text, Text)>,
    /// The thread that filled it.
    pub(crate) thread: usize,
}

impl Batch {
    /// Adds a unit to the share of its lane, of so many lanes.
    pub(crate) fn push(&mut self, unit: &Unit, span: Span, lanes: usize) {
        let number = self.units;
        self.units += 1;
        if let What::Tick = unit.what {
            self.shares
                .iter_mut()
                .take(lanes)
                .for_each(|share| share.push((number, *unit, span)));
            return;
        }
        if let Some(share) = self.shares.get_mut(usize::from(unit.shard) & (lanes - 1)) {
            share.push((number, *unit, span));
        }
    }

    /// A thread that panicked leaves what it had; the scope will say that it did.
    pub(crate) fn output(&self, lane: usize) -> Option<MutexGuard<'_, Output>> {
        let output = self.outputs.get(lane)?;
        Some(output.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn clear(&mut self) {
        self.units = 0;
        self.joined.clear();
        self.shares.iter_mut().for_each(Vec::clear);
    }
}

/// Collects the units of the buffer being parsed.
pub(crate) struct Collector<'a> {
    pub(crate) router: &'a mut Router,
    pub(crate) batch: &'a mut Batch,
    pub(crate) lanes: usize,
    /// Address of the first byte of the buffer, to tell where a payload lies in it.
    pub(crate) buffer: (usize, usize),
}

impl PacketSink for Collector<'_> {
    fn packet(&mut self, packet: &Packet<'_>) {
        let Self {
            router,
            batch,
            lanes,
            buffer,
        } = self;
        router.route(packet, |unit, payload| {
            let span = span_of(payload, *buffer, &mut batch.joined);
            batch.push(unit, span, *lanes);
        });
    }
}

impl Batch {
    pub(crate) fn payload(&self, span: Span) -> &[u8] {
        span.of(&self.data, &self.joined)
    }
}

/// Where a payload lies: in the buffer (address and length), or among the joined datagrams, which it is added to.
pub(crate) fn span_of(payload: &[u8], buffer: (usize, usize), joined: &mut Vec<u8>) -> Span {
    let at = (payload.as_ptr() as usize).wrapping_sub(buffer.0);
    if at.checked_add(payload.len()).is_some_and(|end| end <= buffer.1) {
        return Span::Read(at as u32, payload.len() as u32);
    }
    let start = joined.len();
    joined.extend_from_slice(payload);
    Span::Joined(start as u32, payload.len() as u32)
}

impl Span {
    /// The bytes, given both places they can lie in.
    pub(crate) fn of<'a>(self, read: &'a [u8], joined: &'a [u8]) -> &'a [u8] {
        let (from, at, len) = match self {
            Self::Read(at, len) => (read, at, len),
            Self::Joined(at, len) => (joined, at, len),
        };
        from.get(at as usize..at as usize + len as usize)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_have_lanes_to_choose_from() {
        let lanes = [0, 1, 2, 3, 4, usize::MAX].map(lanes_for);
        assert_eq!(lanes, [2, 2, 4, LANES, LANES, LANES]);
    }
}
