//! Where connections are, told by a part of their hash: a look at the table is no look at the connections.

use std::hash::BuildHasher;

use hashbrown::HashTable;

use crate::net::addr::FlowKey;
use crate::net::keyed::Keyed;

/// 32 bits of a key's hash. Two connections can share them, so that a connection that was found is to be held against the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(u32);

impl Tag {
    pub(crate) fn of(keyed: Keyed, key: &FlowKey) -> Self {
        Self((keyed.hash_one(key) >> 32) as u32)
    }

    /// The table's hash: all of it can be made from the tag, so that a table that grows needs no connection either.
    fn hash(self) -> u64 {
        u64::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Slot numbers of connections by tag.
#[derive(Debug, Default)]
pub(crate) struct Index {
    slots: HashTable<(Tag, u32)>,
}

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// A slot with this tag, mostly the right one.
    pub(crate) fn guess(&self, tag: Tag) -> Option<u32> {
        self.find(tag, |_| true)
    }

    /// The slot with this tag that `is` the one looked for.
    pub(crate) fn find(&self, tag: Tag, is: impl Fn(u32) -> bool) -> Option<u32> {
        let found = self
            .slots
            .find(tag.hash(), |(known, at)| *known == tag && is(*at));
        found.map(|(_, at)| *at)
    }

    /// Adds a slot that is not there yet.
    pub(crate) fn insert(&mut self, tag: Tag, at: u32) {
        self.slots
            .insert_unique(tag.hash(), (tag, at), |(tag, _)| tag.hash());
    }

    pub(crate) fn remove(&mut self, tag: Tag, at: u32) {
        if let Ok(entry) = self.slots.find_entry(tag.hash(), |known| *known == (tag, at)) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_that_share_a_tag_are_told_apart() {
        let mut index = Index::default();
        for at in 0..100 {
            index.insert(Tag(at % 7), at);
        }
        for at in 0..100 {
            assert_eq!(index.find(Tag(at % 7), |found| found == at), Some(at));
        }
        assert!(index.guess(Tag(3)).is_some_and(|at| at % 7 == 3));
        for at in (0..100).filter(|at| at % 7 == 3) {
            index.remove(Tag(3), at);
        }
        assert_eq!((index.guess(Tag(3)), index.len()), (None, 86));
    }
}
