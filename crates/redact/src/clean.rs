//! Remembers texts in which no secret was found, because the same ones come row after row.
//!
//! Each thread remembers for itself, a fixed number of texts in fixed places: a text takes the place of whatever hashes there. A hit
//! is compared with the whole text, so hashes that collide cost time and never a secret.

use std::cell::RefCell;

use ahash::RandomState;
use memchr::arch::all::is_equal;

/// Texts that are remembered, of each sort.
const PLACES: usize = 4096;
/// Shorter texts are looked at as fast as they are found.
const MIN_TEXT: usize = 16;
/// Longer ones are rarely seen twice.
const MAX_TEXT: usize = 384;

/// What texts were looked at as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sort {
    /// Texts of their own.
    Text,
    /// Whole `fields` objects.
    Fields,
}

/// A text and its hash, which mostly spares a look at the text where another one is.
#[derive(Clone, Default)]
struct Known {
    hash: u64,
    text: String,
}

struct Clean {
    hasher: RandomState,
    texts: Vec<Known>,
    fields: Vec<Known>,
}

thread_local! {
    static CLEAN: RefCell<Clean> = const {
        RefCell::new(Clean {
            hasher: RandomState::with_seeds(1, 2, 3, 4),
            texts: Vec::new(),
            fields: Vec::new(),
        })
    };
}

impl Clean {
    fn hash(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }

    fn knows(&mut self, sort: Sort, hash: u64, text: &str) -> bool {
        let known = self.places(sort).get(hash as usize % PLACES);
        // Faster than the comparison of some C libraries, which goes byte by byte.
        known.is_some_and(|known| known.hash == hash && is_equal(known.text.as_bytes(), text.as_bytes()))
    }

    fn remember(&mut self, sort: Sort, hash: u64, text: &str) {
        let places = self.places(sort);
        places.resize(PLACES, Known::default());
        if let Some(known) = places.get_mut(hash as usize % PLACES) {
            // In its memory.
            known.text.clear();
            known.text.push_str(text);
            known.hash = hash;
        }
    }

    fn places(&mut self, sort: Sort) -> &mut Vec<Known> {
        match sort {
            Sort::Text => &mut self.texts,
            Sort::Fields => &mut self.fields,
        }
    }
}

/// What `look` makes of a text; it is not asked about texts it left as they are a short while ago. It must always give the same for
/// a text of a sort.
pub(crate) fn unless_known(sort: Sort, text: &str, look: impl FnOnce() -> Option<String>) -> Option<String> {
    if !(MIN_TEXT..=MAX_TEXT).contains(&text.len()) {
        return look();
    }
    let (hash, known) = CLEAN.with_borrow_mut(|clean| {
        let hash = clean.hash(text);
        (hash, clean.knows(sort, hash, text))
    });
    if known {
        return None;
    }
    let new = look();
    if new.is_none() {
        CLEAN.with_borrow_mut(|clean| clean.remember(sort, hash, text));
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn only_texts_that_stay_are_passed_by_and_only_as_the_same_sort() {
        let asked = Cell::new(0);
        let look = |sort, text: &str, new: Option<&str>| {
            unless_known(sort, text, || {
                asked.set(asked.get() + 1);
                new.map(str::to_owned)
            })
        };
        for _ in 0..3 {
            assert_eq!(look(Sort::Text, "nothing is in this text", None), None);
        }
        assert_eq!(asked.replace(0), 1);
        assert_eq!(look(Sort::Fields, "nothing is in this text", None), None);
        assert_eq!(asked.replace(0), 1);
        for _ in 0..3 {
            let new = look(Sort::Text, "a password is in this text", Some("***"));
            assert_eq!(new.as_deref(), Some("***"));
            assert_eq!(look(Sort::Text, "short", None), None);
            assert_eq!(look(Sort::Text, &"long ".repeat(100), None), None);
        }
        assert_eq!(asked.replace(0), 9);
    }

    #[test]
    fn texts_that_lost_their_place_are_looked_at_again() {
        let asked = Cell::new(0);
        let text = |n: usize| format!("this is the text number {n}");
        for n in (0..3 * PLACES).chain(0..3 * PLACES) {
            unless_known(Sort::Text, &text(n), || {
                asked.set(asked.get() + 1);
                None
            });
        }
        assert!(asked.get() >= 5 * PLACES, "{}", asked.get());
    }
}
