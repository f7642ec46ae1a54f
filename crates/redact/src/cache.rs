//! Remembers what became of texts, because the same values come row after row.
//!
//! A hit is compared with the whole text, so a collision of hashes costs time and never a wrong answer. Full shards are
//! emptied: memory stays below [`SHARDS`] × [`ENTRIES`] × [`MAX_TEXT`] bytes twice over, in practice a few megabytes.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

const SHARDS: usize = 16;
const ENTRIES: usize = 4096;
/// Longer texts are rarely seen twice.
const MAX_TEXT: usize = 1024;

/// What a text was looked at for: the number of a set of known names, and the name of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Scope<'a> {
    pub(crate) names: u64,
    pub(crate) field: &'a str,
}

struct Entry {
    names: u64,
    field: Box<str>,
    text: Box<str>,
    new: Option<Box<str>>,
}

/// Texts and what became of them; `None` for those that stay.
pub(crate) struct Cache {
    hasher: RandomState,
    shards: [Mutex<HashMap<u64, Entry>>; SHARDS],
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::new(HashMap::new())),
        }
    }
}

impl Cache {
    /// What `make` gives for `text`, asked at most once while it is remembered.
    pub(crate) fn get(
        &self,
        scope: Scope<'_>,
        text: &str,
        make: impl FnOnce() -> Option<String>,
    ) -> Option<String> {
        if text.len() > MAX_TEXT || scope.field.len() > MAX_TEXT {
            return make();
        }
        let hash = self.hasher.hash_one((scope, text));
        let Some(shard) = self.shards.get(hash as usize % SHARDS) else {
            return make();
        };
        let lock = || shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = lock().get(&hash)
            && (entry.names, &*entry.field, &*entry.text) == (scope.names, scope.field, text)
        {
            return entry.new.as_deref().map(str::to_owned);
        }
        let new = make();
        let mut entries = lock();
        if entries.len() >= ENTRIES {
            entries.clear();
        }
        entries.insert(
            hash,
            Entry {
                names: scope.names,
                field: scope.field.into(),
                text: text.into(),
                new: new.as_deref().map(Box::from),
            },
        );
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn each_text_is_worked_on_once_per_scope() {
        let (cache, asked) = (Cache::default(), Cell::new(0));
        let get = |names, field, text: &str| {
            cache.get(Scope { names, field }, text, || {
                asked.set(asked.get() + 1);
                Some(format!("{names}{field}{text}"))
            })
        };
        for _ in 0..3 {
            assert_eq!(get(1, "a", "x").as_deref(), Some("1ax"));
            assert_eq!(get(2, "a", "x").as_deref(), Some("2ax"));
            assert_eq!(get(1, "b", "x").as_deref(), Some("1bx"));
        }
        assert_eq!(asked.get(), 3);
        for n in 0..200_000 {
            assert_eq!(get(1, "n", &n.to_string()), Some(format!("1n{n}")));
        }
        let kept: usize = cache.shards.iter().map(|s| s.lock().map_or(0, |s| s.len())).sum();
        assert!(kept <= SHARDS * ENTRIES, "{kept}");
    }
}
