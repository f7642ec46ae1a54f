//! A quick hash with a random key, for tables whose keys an attacker chooses.

use std::hash::{BuildHasher, Hasher};

/// Hashes for tables of conversations, keyed anew for each table: whoever chooses addresses and ports can't choose
/// where they collide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyed {
    seed: u64,
    by: u64,
}

impl Default for Keyed {
    fn default() -> Self {
        // The standard library's random keys, stretched to two numbers.
        let random = std::hash::RandomState::new();
        Self {
            seed: random.hash_one(0),
            by: random.hash_one(1) | 1,
        }
    }
}

impl BuildHasher for Keyed {
    type Hasher = KeyedHasher;
    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher {
            sum: self.seed,
            by: self.by,
        }
    }
}

/// Folds each word in with one wide multiplication.
pub(crate) struct KeyedHasher {
    sum: u64,
    by: u64,
}

impl Hasher for KeyedHasher {
    fn finish(&self) -> u64 {
        self.sum
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.sum ^ word) * u128::from(self.by);
        // Neither half alone depends on all bits; adding the key keeps zero from sticking.
        self.sum = (product as u64 ^ (product >> 64) as u64).wrapping_add(self.by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::addr::{Addr, FlowKey};

    #[test]
    fn keyed_hashes_spread_neighbours_and_differ_between_tables() {
        let key = |port: u16| FlowKey::new((Addr::v4([10, 0, 0, 1]), port), (Addr::v4([10, 0, 0, 2]), 443));
        let (one, other) = (Keyed::default(), Keyed::default());
        let hashes = |keyed: Keyed, bits: u64| {
            let found: std::collections::HashSet<u64> =
                (0..4096).map(|port| keyed.hash_one(key(port)) & bits).collect();
            found.len()
        };
        // 4,096 random numbers fill about 63 % of 4,096 buckets; half of that would be a poor hash.
        assert!(hashes(one, 0xfff) > 1300 && hashes(one, 0xfff << 52) > 1300);
        assert_eq!(hashes(one, u64::MAX), 4096);
        assert_ne!(one.hash_one(key(1)), other.hash_one(key(1)));
    }
}
