//! Rows to a taker while members are decoded, so that memory does not grow with the input.
//!
//! Members are decoded one after the other in path order. Rows go on in parts of [`PART_ROWS`], each sorted by time in
//! itself; an input with fewer rows is one part and therefore sorted as a whole. Sorting more than that needs
//! all rows, which is what a finished case is for.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use casetrace_timeline::{Timeline, TimelineBuilder};

/// Rows of a part.
pub const PART_ROWS: usize = 256 << 10;
/// Rows that one member holds back before it hands them over.
const MEMBER_ROWS: usize = PART_ROWS / 4;

/// Takes rows away from members that have many.
pub(crate) trait Relief: Sync {
    /// Takes the rows if there are enough of them.
    fn relieve(&self, builder: &mut TimelineBuilder);
}

/// Where parts go.
pub(crate) struct Outlet<'a> {
    state: Mutex<State<'a>>,
}

struct State<'a> {
    pending: TimelineBuilder,
    take: &'a mut (dyn FnMut(Timeline) -> ControlFlow<()> + Send),
    stopped: bool,
    parts: u64,
}

impl<'a> Outlet<'a> {
    pub(crate) fn new(take: &'a mut (dyn FnMut(Timeline) -> ControlFlow<()> + Send)) -> Self {
        Self {
            state: Mutex::new(State {
                pending: TimelineBuilder::new(),
                take,
                stopped: false,
                parts: 0,
            }),
        }
    }

    /// Takes rows.
    pub(crate) fn add(&self, rows: TimelineBuilder) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.pending.append(rows);
        if state.pending.len() >= PART_ROWS {
            state.flush();
        }
    }

    /// Hands over what is left; returns how many parts there were.
    pub(crate) fn close(self) -> u64 {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !state.pending.is_empty() {
            state.flush();
        }
        state.parts
    }
}

impl Relief for Outlet<'_> {
    fn relieve(&self, builder: &mut TimelineBuilder) {
        if builder.len() >= MEMBER_ROWS {
            self.add(std::mem::take(builder));
        }
    }
}

impl State<'_> {
    fn flush(&mut self) {
        let rows = std::mem::take(&mut self.pending);
        if !self.stopped {
            self.parts += 1;
            self.stopped = (self.take)(rows.finish()).is_break();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casetrace_model::{Row, Source};

    #[test]
    fn parts_are_bounded_and_a_taker_can_stop() {
        for stop_after in [u64::MAX, 1] {
            let (mut sizes, mut parts) = (Vec::new(), 0_u64);
            let mut take = |part: Timeline| {
                sizes.push(part.len());
                parts += 1;
                if parts >= stop_after {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            let outlet = Outlet::new(&mut take);
            let mut builder = TimelineBuilder::new();
            for record in 0..600_000 {
                builder.push("a", None, Row::new(Source::Text, "log.line", record));
                outlet.relieve(&mut builder);
                assert!(builder.len() < MEMBER_ROWS);
            }
            outlet.add(builder);
            let said = outlet.close();
            assert_eq!(said, parts);
            assert!(
                sizes.iter().all(|size| *size < PART_ROWS + MEMBER_ROWS),
                "{sizes:?}"
            );
            if stop_after == 1 {
                assert_eq!(parts, 1);
            } else {
                assert_eq!(sizes.iter().sum::<usize>(), 600_000);
            }
        }
    }
}
