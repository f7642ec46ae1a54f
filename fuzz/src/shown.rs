//! What an execution shows of what it did: kinds of rows, codes of diagnostics, verdicts, counts in steps.
//!
//! A check calls [`note`] for what could be seen from outside; whoever runs it takes the marks with [`take`]. They stand
//! in for coverage: an input that shows something new has reached code that no input before it had. Marks are kept per
//! thread and bounded; nobody who doesn't take them pays more than the hashing.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::stored::fnv;

/// Marks of one execution; more are not told.
const MAX_MARKS: usize = 1024;

thread_local! {
    static MARKS: RefCell<BTreeSet<u64>> = const { RefCell::new(BTreeSet::new()) };
}

/// Something of this sort, in words and a number, was seen.
pub fn note(sort: &str, words: &str, number: u64) {
    let mark = [sort.as_bytes(), &[0xff], words.as_bytes(), &[0xff]]
        .into_iter()
        .fold(fnv(&number.to_le_bytes(), None), |hash, part| {
            fnv(part, Some(hash))
        });
    MARKS.with_borrow_mut(|marks| {
        if marks.len() < MAX_MARKS {
            marks.insert(mark);
        }
    });
}

/// So many of something: exact below four, else by power of two.
pub fn count(sort: &str, words: &str, count: usize) {
    let step = if count < 4 {
        count as u64
    } else {
        u64::from(count.ilog2()) + 2
    };
    note(sort, words, step);
}

/// What was noted on this thread since the last call, in order.
pub fn take() -> BTreeSet<u64> {
    MARKS.with_borrow_mut(std::mem::take)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_apart_what_differs_and_are_bounded() {
        take();
        note("kind", "a", 0);
        note("kind", "a", 0);
        note("kinda", "", 0);
        note("kind", "a", 1);
        assert_eq!(take().len(), 3);
        for size in [4, 5, 7] {
            count("rows", "", size);
        }
        assert_eq!(take().len(), 1);
        (0..5000).for_each(|number| note("kind", "", number));
        assert_eq!(take().len(), MAX_MARKS);
        assert!(take().is_empty());
    }
}
