//! Many small questions to a file system or store at once. What they cost is mostly waiting: for a disk, a file server, a store.

use std::sync::{Mutex, PoisonError};

/// Questions under way at a time; more than a machine has cores, because answers are waited for and not computed.
const ABREAST: usize = 8;
/// Items a thread takes at a time.
const AT_ONCE: usize = 16;

/// What `ask` says of each item, in the items' order.
pub(crate) fn ask_all<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() <= AT_ONCE {
        return items.iter().map(ask).collect();
    }
    let parts = Mutex::new(items.chunks(AT_ONCE).enumerate());
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut answered = Vec::new();
        while let Some((number, part)) = next() {
            answered.push((number, part.iter().map(&ask).collect::<Vec<R>>()));
        }
        answered
    };
    let mut answered = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..ABREAST).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .flat_map(|answers| answers.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Vec<_>>()
    });
    answered.sort_unstable_by_key(|(number, _)| *number);
    answered.into_iter().flat_map(|(_, part)| part).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::{ABREAST, AT_ONCE, ask_all};

    #[test]
    fn answers_keep_the_order_of_the_questions() {
        for count in [0, 1, AT_ONCE, AT_ONCE + 1, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = items.iter().map(|item| item * 2).collect();
            assert_eq!(ask_all(&items, |item| item * 2), doubled, "{count}");
        }
    }

    /// Ends only if all of them wait at one moment.
    #[test]
    fn many_questions_wait_side_by_side() {
        let barrier = Barrier::new(ABREAST);
        let items = vec![(); ABREAST * AT_ONCE];
        ask_all(&items, |()| barrier.wait());
    }
}
