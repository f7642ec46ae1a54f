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
        // One word's product still shows the pattern of an unlucky key; a second multiplication, by a fixed number
        // (2^64 over the golden ratio), spreads neighbours for every key.
        let product = u128::from(self.sum) * 0x9e37_79b9_7f4a_7c15;
        product as u64 ^ (product >> 64) as u64
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

    fn filled(keyed: Keyed, bits: u64) -> usize {
        let key = |port: u16| FlowKey::new((Addr::v4([10, 0, 0, 1]), port), (Addr::v4([10, 0, 0, 2]), 443));
        let found: std::collections::HashSet<u64> =
            (0..4096).map(|port| keyed.hash_one(key(port)) & bits).collect();
        found.len()
    }

    #[test]
    fn keyed_hashes_spread_neighbours_whatever_the_key() {
        // Keys from a fixed sequence (SplitMix64), so the test says the same on every run.
        let mut state = 0_u64;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed ^ (mixed >> 27)
        };
        for _ in 0..200 {
            let (seed, by) = (next(), next() | 1);
            let keyed = Keyed { seed, by };
            // 4,096 random numbers fill about 63 % of 4,096 buckets; half of that would be a poor hash.
            for bits in [0xfff, 0xfff << 52] {
                let buckets = filled(keyed, bits);
                assert!(
                    buckets > 1300,
                    "{buckets} buckets of {bits:#x} for {seed:#x}, {by:#x}"
                );
            }
            assert_eq!(filled(keyed, u64::MAX), 4096, "{seed:#x}, {by:#x}");
        }
    }

    #[test]
    fn every_table_has_a_key_of_its_own() {
        let (one, other) = (Keyed::default(), Keyed::default());
        assert_ne!(one.hash_one(1_u64), other.hash_one(1_u64));
    }
}
