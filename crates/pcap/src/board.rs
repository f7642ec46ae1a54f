//! Who works on what: batches that wait for each lane, and the threads that take turns at them.
//!
//! A lane is a share of the shards. It is worked on by one thread at a time, batch after batch in file order, by
//! whichever thread is free: no thread is bound to a lane, so that an uneven share of the traffic leaves none idle. A
//! thread goes on with lanes it has worked on before, though: their connections lie in its processor's cache, and
//! memory it asked for goes back to it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::batch::{Batch, LANES};

/// How often a thread looks again before it sleeps: the next batch or lane is mostly tens of microseconds away, and to wake a
/// thread takes as long.
const LOOKS: usize = 32;

/// About a microsecond.
fn pause() {
    for _ in 0..64 {
        std::hint::spin_loop();
    }
}

/// Batches to do, and threads that wait for them.
#[derive(Default)]
pub(crate) struct Board {
    state: Mutex<State>,
    /// There is something to do, or nothing will ever be again.
    work: Condvar,
    /// A batch is done.
    done: Condvar,
}

#[derive(Default)]
struct State {
    lanes: [Lane; LANES],
    /// Lanes that have not finished the batch, of each batch under way; oldest first.
    left: VecDeque<usize>,
    /// Number of the oldest batch under way.
    oldest: u64,
    /// Threads that wait: a signal costs a system call, so it is only given to somebody.
    idle: usize,
    collector_waits: bool,
    over: bool,
}

#[derive(Default)]
struct Lane {
    waiting: VecDeque<(u64, Arc<Batch>)>,
    busy: bool,
    /// The thread that worked on it last.
    thread: usize,
}

/// One batch's share of one lane, to be worked off by the thread that holds this.
pub(crate) struct Task<'a> {
    board: &'a Board,
    pub(crate) lane: usize,
    number: u64,
    batch: Option<Arc<Batch>>,
}

impl Task<'_> {
    pub(crate) fn batch(&self) -> Option<&Batch> {
        self.batch.as_deref()
    }
}

impl Drop for Task<'_> {
    /// Also runs when the work panics: nobody waits for it then, and the scope of the threads says what happened.
    fn drop(&mut self) {
        // Let go of before the batch counts as done, so that the collector is its only owner.
        self.batch = None;
        self.board.finished(self.lane, self.number);
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a batch to all lanes that have units in it.
    pub(crate) fn submit(&self, batch: &Arc<Batch>) {
        let mut state = self.lock();
        let number = state.oldest + state.left.len() as u64;
        let mut left = 0;
        for (lane, share) in state.lanes.iter_mut().zip(&batch.shares) {
            if !share.is_empty() {
                lane.waiting.push_back((number, Arc::clone(batch)));
                left += 1;
            }
        }
        state.left.push_back(left);
        let wake = state.idle > 0;
        drop(state);
        if wake {
            self.work.notify_all();
        }
    }

    /// Something for a thread to do now.
    pub(crate) fn claim(&self, thread: usize) -> Option<Task<'_>> {
        let mut state = self.lock();
        self.take(&mut state, thread)
    }

    /// Something to do, waited for; `None` when nothing will come any more.
    pub(crate) fn wait_for_task(&self, thread: usize) -> Option<Task<'_>> {
        let mut state = self.lock();
        let mut looks = 0;
        loop {
            if let Some(task) = self.take(&mut state, thread) {
                return Some(task);
            }
            if state.over {
                return None;
            }
            if looks < LOOKS {
                looks += 1;
                drop(state);
                pause();
                state = self.lock();
                continue;
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Of the thread's own lanes the one that is furthest behind, or else of all.
    fn take(&self, state: &mut State, thread: usize) -> Option<Task<'_>> {
        let free = state.lanes.iter_mut().enumerate().filter(|(_, lane)| !lane.busy);
        let (_, at, lane) = free
            .filter_map(|(at, lane)| Some((lane.waiting.front()?.0, at, lane)))
            .min_by_key(|(number, at, lane)| (lane.thread != thread, *number, *at))?;
        let (number, batch) = lane.waiting.pop_front()?;
        (lane.busy, lane.thread) = (true, thread);
        Some(Task {
            board: self,
            lane: at,
            number,
            batch: Some(batch),
        })
    }

    fn finished(&self, lane: usize, number: u64) {
        let mut state = self.lock();
        let mut more = false;
        if let Some(lane) = state.lanes.get_mut(lane) {
            lane.busy = false;
            more = !lane.waiting.is_empty();
        }
        let at = number.wrapping_sub(state.oldest) as usize;
        if let Some(left) = state.left.get_mut(at) {
            *left -= 1;
        }
        let (done, wake) = (
            state.collector_waits && (more || state.left.front() == Some(&0)),
            more && state.idle > 0,
        );
        drop(state);
        if done {
            self.done.notify_all();
        }
        if wake {
            self.work.notify_one();
        }
    }

    /// How many shares of batches nobody works on.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().lanes.iter().map(|lane| lane.waiting.len()).sum()
    }

    /// True if the oldest batch is done; it is no longer counted then.
    pub(crate) fn retire(&self) -> bool {
        let mut state = self.lock();
        let done = state.left.front() == Some(&0);
        if done {
            state.left.pop_front();
            state.oldest += 1;
        }
        done
    }

    /// Waits until the oldest batch is done or there is something to do for it.
    pub(crate) fn wait_for_news(&self) {
        let idle = |lane: &Lane| lane.busy || lane.waiting.is_empty();
        let nothing =
            |state: &State| state.left.front().is_some_and(|left| *left > 0) && state.lanes.iter().all(idle);
        for _ in 0..LOOKS {
            if !nothing(&self.lock()) {
                return;
            }
            pause();
        }
        let mut state = self.lock();
        if nothing(&state) {
            state.collector_waits = true;
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.collector_waits = false;
        }
        drop(state);
    }

    /// Nothing will come any more.
    pub(crate) fn close(&self) {
        self.lock().over = true;
        self.work.notify_all();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::batch::Span;
    use crate::unit::Unit;

    fn submit(board: &Board, shards: &[u8]) {
        let mut batch = Batch::default();
        for shard in shards {
            batch.push(&Unit::end(*shard, 0), Span::Joined(0, 0), LANES);
        }
        board.submit(&Arc::new(batch));
    }

    #[test]
    fn a_lane_has_one_worker_and_batches_end_in_order() {
        let board = Board::default();
        submit(&board, &[0, 1]);
        submit(&board, &[0, 2]);
        let (first, second) = (board.claim(0).unwrap(), board.claim(0).unwrap());
        assert_eq!((first.lane, second.lane), (0, 1));
        // Lane 0 is busy with the first batch, so only lane 2 can go on to the second.
        let third = board.claim(0).unwrap();
        assert_eq!(third.lane, 2);
        assert!(board.claim(0).is_none());
        drop((second, third));
        assert!(!board.retire());
        drop(first);
        assert!(board.retire() && !board.retire());
        let last = board.wait_for_task(0).unwrap();
        assert_eq!((last.lane, last.batch().map(|b| b.shares[0].len())), (0, Some(1)));
        drop(last);
        board.wait_for_news();
        assert!(board.retire());
        board.close();
        assert!(board.wait_for_task(0).is_none());
    }

    #[test]
    fn a_thread_keeps_to_its_lanes_while_they_have_work() {
        let board = Board::default();
        submit(&board, &[0, 1]);
        let (mine, others) = (board.claim(1).unwrap(), board.claim(2).unwrap());
        assert_eq!((mine.lane, others.lane), (0, 1));
        drop((mine, others));
        submit(&board, &[0, 1]);
        submit(&board, &[1]);
        let first = board.claim(2).unwrap();
        assert_eq!(first.lane, 1);
        drop(first);
        // Its own lane of a later batch comes before one of another thread; that comes when there is no other.
        let (second, third) = (board.claim(2).unwrap(), board.claim(2).unwrap());
        assert_eq!((second.lane, second.number), (1, 2));
        assert_eq!((third.lane, third.number), (0, 1));
    }

    #[test]
    fn nobody_waits_for_a_worker_that_panicked() {
        let board = Board::default();
        submit(&board, &[3]);
        let worker = std::panic::AssertUnwindSafe(|| {
            let _task = board.claim(0);
            panic!("on purpose");
        });
        assert!(std::panic::catch_unwind(worker).is_err());
        assert!(board.retire());
    }

    #[test]
    fn batches_without_packets_are_done_at_once() {
        let board = Board::default();
        submit(&board, &[]);
        assert!(board.claim(0).is_none() && board.retire());
    }
}
