//! Packets of a read buffer, a few at a time, on the calling thread.
//!
//! All connections of a few packets are looked up before the first packet is worked on: the processor then fetches them
//! from memory at a time, where it would wait for one after the other.

use casetrace_model::Sink;

use crate::analyzer::Analyzer;
use crate::batch::{Span, span_of};
use crate::shard::LOOK_AHEAD;
use crate::unit::{Unit, What};

/// Rows that are handed over together; more would no longer be in the nearest cache.
const ROWS: usize = 8;

/// Packets that were opened but not worked on.
#[derive(Default)]
pub(crate) struct Ahead {
    waiting: Vec<(Unit, Span)>,
    /// Datagrams put together from fragments: those do not lie in the buffer.
    joined: Vec<u8>,
}

impl Ahead {
    pub(crate) fn push(&mut self, unit: &Unit, payload: &[u8], buffer: &[u8]) {
        let span = span_of(
            payload,
            (buffer.as_ptr() as usize, buffer.len()),
            &mut self.joined,
        );
        self.waiting.push((*unit, span));
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= LOOK_AHEAD
    }

    /// Works on all that wait; rows go to `sink` when there are some.
    pub(crate) fn run(&mut self, analyzer: &mut Analyzer, buffer: &[u8], sink: &mut dyn Sink) {
        let mut slots = [None; LOOK_AHEAD + 2];
        for (slot, (unit, _)) in slots.iter_mut().zip(&self.waiting) {
            *slot = analyzer.locate(unit);
        }
        for (slot, (unit, _)) in slots.iter().zip(&self.waiting) {
            analyzer.touch(unit, *slot);
        }
        let slots = slots.iter().copied().chain(std::iter::repeat(None));
        for ((unit, span), slot) in self.waiting.iter().zip(slots) {
            if let What::Tick = unit.what {
                analyzer.tick(unit, sink);
                continue;
            }
            analyzer.unit(unit, slot, span.of(buffer, &self.joined));
            // A few rows at a time: each time the code that makes them has to give way to the code that hands them on.
            if analyzer.rows() >= ROWS {
                analyzer.drain(sink);
            }
        }
        self.waiting.clear();
        self.joined.clear();
    }
}
