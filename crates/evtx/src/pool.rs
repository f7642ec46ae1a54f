//! Work on several chunks at a time with results in the order of the input.
//!
//! The calling thread reads chunks and hands out results; `threads` workers decode. At most `2 * threads` chunks are
//! under way, so memory does not grow with the log:
//!
//! ```text
//! next() ──► jobs (shared queue) ──► workers ──► done (number, result) ──► reorder ──► take()
//! ```

use std::collections::BTreeMap;
use std::sync::{Mutex, mpsc};
use std::thread;

/// Calls `work` on every item of `next` and `take` on every result, in order. `worker` makes one worker's state.
pub(crate) fn in_order<I: Send, R: Send, W>(
    threads: usize,
    mut next: impl FnMut() -> Option<I>,
    worker: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, I) -> R + Sync,
    mut take: impl FnMut(R),
) {
    if threads <= 1 {
        let mut state = worker();
        while let Some(item) = next() {
            take(work(&mut state, item));
        }
        return;
    }
    let (jobs, queue) = mpsc::channel::<(u64, I)>();
    let queue = Mutex::new(queue);
    let (done, results) = mpsc::channel::<(u64, R)>();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (done, queue, worker, work) = (done.clone(), &queue, &worker, &work);
            scope.spawn(move || {
                let mut state = worker();
                loop {
                    let job = match queue.lock() {
                        Ok(queue) => queue.recv(),
                        Err(_) => return,
                    };
                    let Ok((number, item)) = job else { return };
                    if done.send((number, work(&mut state, item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut waiting = BTreeMap::new();
        let (mut sent, mut taken) = (0_u64, 0_u64);
        loop {
            while sent - taken < 2 * threads as u64 {
                let Some(item) = next() else { break };
                if jobs.send((sent, item)).is_err() {
                    break;
                }
                sent += 1;
            }
            if sent == taken {
                break;
            }
            let Ok((number, result)) = results.recv() else {
                break;
            };
            waiting.insert(number, result);
            while let Some(result) = waiting.remove(&taken) {
                taken += 1;
                take(result);
            }
        }
        drop(jobs);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_with_any_number_of_threads() {
        for threads in [0, 1, 2, 5] {
            let mut items = 0..500_u64;
            let mut seen = Vec::new();
            in_order(
                threads,
                || items.next(),
                || 0_u64,
                |state, item| {
                    *state += 1;
                    if item % 7 == 0 {
                        thread::yield_now();
                    }
                    item * 2
                },
                |result| seen.push(result),
            );
            assert_eq!(seen, (0..500).map(|n| n * 2).collect::<Vec<_>>());
        }
    }
}
