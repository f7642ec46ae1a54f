//! What damage starts from: the seeds, and inputs that showed something new.
//!
//! Large seeds are costly: they are drawn as a piece of themselves mostly. Inputs after which a check noted something for
//! the first time in this run ([`shown`](crate::shown)) are kept and damaged further, so that what needs two steps is found
//! in two steps. The same seed number draws the same inputs: nothing here looks at a clock.

use std::collections::{BTreeSet, HashSet};

use crate::mutate::{Dice, mutate};

/// Seeds above this are mostly drawn as a piece.
const SMALL: usize = 4 << 10;
/// Every so-manieth draw of a large seed takes all of it.
const WHOLE: usize = 8;
/// Every so-manieth draw of what was kept is a seed instead.
const SEEDS: usize = 4;
/// Inputs that are kept beside the seeds, and their bytes; when there are more, new ones take the place of old ones.
const MAX_KEPT: usize = 512;
const MAX_KEPT_BYTES: usize = 8 << 20;
/// Different marks that count as new. An input can name fields, so there is no end of them.
const MAX_MARKS: usize = 1 << 14;

/// Inputs to start from.
#[derive(Debug, Default)]
pub struct Pool {
    seeds: Vec<Vec<u8>>,
    kept: Vec<Vec<u8>>,
    kept_bytes: usize,
    /// Where the next input goes when there is room for no more.
    oldest: usize,
    marks: HashSet<u64>,
    guided: bool,
    piece: Vec<u8>,
}

impl Pool {
    /// A pool of these seeds; nothing else joins them unless it is `guided`.
    pub fn new(seeds: Vec<Vec<u8>>, guided: bool) -> Self {
        Self {
            seeds,
            guided,
            ..Self::default()
        }
    }

    /// The seeds as they were given.
    pub fn seeds(&self) -> &[Vec<u8>] {
        &self.seeds
    }

    /// Inputs that were kept so far.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Different marks so far.
    pub fn marks(&self) -> usize {
        self.marks.len()
    }

    /// Writes a damaged input into `out`; false if there is nothing to start from.
    pub fn draw(&mut self, dice: &mut Dice, out: &mut Vec<u8>) -> bool {
        // Any of them; when many are kept, the seeds still have their share, as damage upon damage leads nowhere.
        let any = dice.below(self.seeds.len() + self.kept.len());
        let from = match any < self.seeds.len() || dice.below(SEEDS) == 0 {
            true => &self.seeds,
            false => &self.kept,
        };
        let Some(base) = dice.one(from) else { return false };
        if base.len() <= SMALL || dice.below(WHOLE) == 0 {
            mutate(base, &self.seeds, dice, out);
        } else {
            cut(base, dice, &mut self.piece);
            mutate(&self.piece, &self.seeds, dice, out);
        }
        true
    }

    /// Keeps an input if one of its marks is new.
    pub fn learn(&mut self, input: &[u8], marks: &BTreeSet<u64>) {
        let before = self.marks.len();
        for mark in marks {
            if self.marks.len() < MAX_MARKS {
                self.marks.insert(*mark);
            }
        }
        if self.guided && self.marks.len() > before {
            self.keep(input);
        }
    }

    /// Marks of a seed are known; the seed itself is there already.
    pub fn know(&mut self, marks: BTreeSet<u64>) {
        self.marks
            .extend(marks.into_iter().take(MAX_MARKS - self.marks.len()));
    }

    fn keep(&mut self, input: &[u8]) {
        let full = self.kept.len() >= MAX_KEPT || self.kept_bytes + input.len() > MAX_KEPT_BYTES;
        if !full {
            self.kept_bytes += input.len();
            self.kept.push(input.to_vec());
            return;
        }
        let at = self.oldest;
        self.oldest = (at + 1) % self.kept.len().max(1);
        if let Some(slot) = self.kept.get_mut(at)
            && self.kept_bytes - slot.len() + input.len() <= MAX_KEPT_BYTES
        {
            self.kept_bytes = self.kept_bytes - slot.len() + input.len();
            *slot = input.to_vec();
        }
    }
}

/// The head of a large input and a run from behind it: formats tell what they are at their start, archives at their end
/// too, and logs repeat in between.
fn cut(base: &[u8], dice: &mut Dice, out: &mut Vec<u8>) {
    let size = (256 << dice.below(6)) + dice.below(256);
    let head = match dice.below(3) {
        0 => size,
        1 => size / 2,
        _ => size / 8,
    };
    let (head, rest) = base.split_at(head.min(base.len()));
    let length = size.saturating_sub(head.len()).min(rest.len());
    let start = match dice.below(2) {
        0 => rest.len() - length,
        _ => dice.below(rest.len() - length + 1),
    };
    out.clear();
    out.extend_from_slice(head);
    out.extend_from_slice(rest.get(start..start + length).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(of: &[u64]) -> BTreeSet<u64> {
        of.iter().copied().collect()
    }

    #[test]
    fn only_what_shows_something_new_is_kept() {
        let mut pool = Pool::new(vec![b"seed".to_vec()], true);
        pool.know(marks(&[1, 2]));
        pool.learn(b"old", &marks(&[2]));
        assert_eq!(pool.kept(), 0);
        pool.learn(b"new", &marks(&[2, 3]));
        pool.learn(b"again", &marks(&[3]));
        assert_eq!(pool.kept, [b"new".to_vec()]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut pool = Pool::new(vec![b"seed".to_vec()], true);
        for mark in 0..3000 {
            pool.learn(&vec![0; 1 << (mark % 19)], &marks(&[mark]));
            assert!(pool.kept.len() <= MAX_KEPT);
            let bytes: usize = pool.kept.iter().map(Vec::len).sum();
            assert!(bytes <= MAX_KEPT_BYTES && bytes == pool.kept_bytes);
        }
        assert!(pool.kept.len() > 100, "{}", pool.kept.len());
        (0..40_000).for_each(|mark| pool.learn(b"x", &marks(&[mark])));
        assert_eq!(pool.marks.len(), MAX_MARKS);
    }

    #[test]
    fn large_seeds_are_drawn_in_pieces_and_whole() {
        let large: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut pool = Pool::new(vec![large.clone()], true);
        let (mut dice, mut out) = (Dice::new(1), Vec::new());
        let sizes: Vec<usize> = std::iter::repeat_with(|| {
            assert!(pool.draw(&mut dice, &mut out), "there is a seed");
            out.len()
        })
        .take(1000)
        .collect();
        let whole = sizes.iter().filter(|size| **size > 300_000).count();
        assert!((60..200).contains(&whole), "{whole}");
        let small = sizes.iter().filter(|size| **size < 20_000).count();
        assert!(small > 700, "{small}");
        for _ in 0..200 {
            cut(&large, &mut dice, &mut out);
            assert!(!out.is_empty() && out.len() < 20_000);
            assert_eq!(
                out.first_chunk::<28>(),
                large.first_chunk::<28>(),
                "the head stays"
            );
        }
        assert!(!Pool::default().draw(&mut dice, &mut out));
    }
}
