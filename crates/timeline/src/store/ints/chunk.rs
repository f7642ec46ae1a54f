//! A chunk of numbers in as few bits as its own values need.
//!
//! Most columns of a chunk count up (record numbers, offsets, times) or take few values (codes of a dictionary, ports). So a value is
//! kept as its distance from a line through the chunk, in as many bits as the largest of these distances has: a column of numbers
//! that follow each other takes none.

use std::sync::Arc;

use super::pages::{self, Page};
use crate::store::Spill;

/// Times are counted in 100 ns by most sources; dividing by it spares seven bits.
const TICK: u64 = 100;

/// What is read at a time. A value of up to [`WIDEST`] bits lies in it wherever it begins.
const WORD: usize = size_of::<u64>();

/// Bits of the widest value that is packed: a word less the seven bits that may be in front of it.
const WIDEST: u32 = 57;

/// The values of a chunk's rows.
#[derive(Debug, Clone)]
pub(super) enum Chunk {
    Same(u64),
    Packed(Box<Packed>),
}

/// Values that differ: a line, and how far each is from it.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    line: Line,
    bits: Bits,
}

/// Distances, as many bits each as the line says, the lowest first; then bytes for the last one's word.
#[derive(Debug, Clone)]
enum Bits {
    Memory(Box<[u8]>),
    File(Page),
}

/// The value of row `i` is `base + step × (slope × i + distance)`, wrapping.
#[derive(Debug, Clone, Copy)]
struct Line {
    base: u64,
    step: u64,
    slope: u64,
    width: u32,
}

/// Values that are at hand.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    line: Line,
    mask: u64,
    bits: &'a [u8],
}

impl View<'_> {
    pub(super) fn get(self, at: usize) -> u64 {
        let bit = at * self.line.width as usize;
        let word = self.bits.get(bit / 8..).and_then(<[u8]>::first_chunk);
        let distance = word.map_or(0, |word| u64::from_le_bytes(*word) >> (bit % 8) & self.mask);
        let steps = self.line.slope.wrapping_mul(at as u64).wrapping_add(distance);
        self.line.base.wrapping_add(self.line.step.wrapping_mul(steps))
    }
}

impl Packed {
    /// Runs `f` on the values; many of a chunk are best read at once.
    pub(super) fn open<R>(&self, f: impl FnOnce(View<'_>) -> R) -> R {
        match &self.bits {
            Bits::Memory(bits) => f(self.view(bits)),
            Bits::File(page) => pages::open(page, |bits| f(self.view(bits))),
        }
    }

    fn view<'a>(&self, bits: &'a [u8]) -> View<'a> {
        View {
            line: self.line,
            mask: mask(self.line.width),
            bits,
        }
    }

    fn get(&self, at: usize) -> u64 {
        self.open(|view| view.get(at))
    }
}

fn mask(width: u32) -> u64 {
    u64::MAX.checked_shr(u64::BITS - width).unwrap_or(0)
}

/// How far values are from a line: the lowest distance, and the bits that the highest one needs above it.
struct Fit {
    slope: u64,
    lowest: u64,
    width: u32,
}

impl Fit {
    /// `steps` are the chunk's values, counted from the smallest.
    fn through(steps: &[u64], slope: u64) -> Self {
        let (mut lowest, mut highest) = (i64::MAX, i64::MIN);
        for distance in distances(steps, slope) {
            (lowest, highest) = (lowest.min(distance), highest.max(distance));
        }
        Self {
            slope,
            lowest: lowest as u64,
            width: u64::BITS - highest.wrapping_sub(lowest).cast_unsigned().leading_zeros(),
        }
    }
}

/// Wrapping: so far from the line that the sign turns is further than anything that is packed, or comes back when it is unpacked.
fn distances(steps: &[u64], slope: u64) -> impl Iterator<Item = i64> {
    (0..)
        .zip(steps)
        .map(move |(row, step): (u64, &u64)| step.wrapping_sub(slope.wrapping_mul(row)).cast_signed())
}

impl Chunk {
    /// Packs values, of which nothing is left in place; beyond the budget of `spill` they go to its file.
    pub(super) fn of(values: &mut [u64], spill: Option<&Arc<Spill>>) -> Self {
        let (mut base, mut top) = (u64::MAX, 0);
        for value in &*values {
            (base, top) = (base.min(*value), top.max(*value));
        }
        let range = top.saturating_sub(base);
        if range == 0 {
            return Self::Same(base);
        }
        let step = to_steps(values, base, range);
        let fit = fit(values, range / step);
        let bits = pack(values, &fit);
        Self::Packed(Box::new(Packed {
            line: Line {
                base: base.wrapping_add(step.wrapping_mul(fit.lowest)),
                step,
                slope: fit.slope,
                width: fit.width,
            },
            bits: match spill.and_then(|spill| Page::write(spill, &bits)) {
                Some(page) => Bits::File(page),
                None => Bits::Memory(bits),
            },
        }))
    }

    /// Many values; what kind of chunk it is is asked once for all.
    pub(super) fn gather(&self, at: impl Iterator<Item = usize>, into: &mut Vec<u64>) {
        match self {
            Self::Same(value) => into.extend(at.map(|_| *value)),
            Self::Packed(packed) => packed.open(|view| into.extend(at.map(|at| view.get(at)))),
        }
    }

    pub(super) fn get(&self, at: usize) -> u64 {
        match self {
            Self::Same(value) => *value,
            Self::Packed(packed) => packed.get(at),
        }
    }
}

/// Counts values from `base`, the smallest, in steps; returns what a step is.
fn to_steps(values: &mut [u64], base: u64, range: u64) -> u64 {
    values.iter_mut().for_each(|value| *value -= base);
    if range <= u64::from(u8::MAX) || !values.iter().all(|value| value.is_multiple_of(TICK)) {
        return 1;
    }
    values.iter_mut().for_each(|value| *value /= TICK);
    TICK
}

/// The best of two lines: a level one, and one from end to end, where values rise.
fn fit(steps: &[u64], range: u64) -> Fit {
    let mut fit = Fit {
        slope: 0,
        lowest: 0,
        width: u64::BITS - range.leading_zeros(),
    };
    let (first, last) = (steps.first().unwrap_or(&0), steps.last().unwrap_or(&0));
    let gaps = (steps.len() as u64).saturating_sub(1).max(1);
    if let Some(slope @ 1..) = last.checked_sub(*first).map(|rise| rise / gaps) {
        let rising = Fit::through(steps, slope);
        if rising.width < fit.width {
            fit = rising;
        }
    }
    if fit.width > WIDEST {
        // Words one behind the other: each begins with a byte.
        fit.width = u64::BITS;
    }
    fit
}

fn pack(steps: &[u64], fit: &Fit) -> Box<[u8]> {
    let bytes = (steps.len() * fit.width as usize).div_ceil(8) + WORD;
    let mut bits = Vec::with_capacity(bytes + WORD);
    // A word, and how much of it is full.
    let (mut word, mut full) = (0_u64, 0);
    for distance in distances(steps, fit.slope) {
        let distance = distance.cast_unsigned().wrapping_sub(fit.lowest);
        word |= distance << full;
        full += fit.width;
        if full >= u64::BITS {
            bits.extend_from_slice(&word.to_le_bytes());
            full -= u64::BITS;
            // What did not fit.
            word = distance.checked_shr(fit.width - full).unwrap_or(0);
        }
    }
    bits.extend_from_slice(&word.to_le_bytes());
    bits.resize(bytes, 0);
    bits.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn width(values: &[u64]) -> Option<u32> {
        match Chunk::of(&mut values.to_vec(), None) {
            Chunk::Packed(packed) => Some(packed.line.width),
            Chunk::Same(_) => None,
        }
    }

    #[test]
    fn chunks_are_as_narrow_as_their_values() {
        assert!(matches!(Chunk::of(&mut [7; 10], None), Chunk::Same(7)));
        assert_eq!(width(&[7, 8, 7]), Some(1));
        assert_eq!(width(&[0, 5, 3, 255, 0]), Some(8));
        assert_eq!(width(&[0, 6_000_000, 100]), Some(16));
        assert_eq!(width(&[5, 6_000_006, 5]), Some(23));
        // Around the end of what 64 bits hold, neighbours still are neighbours.
        assert_eq!(width(&[0, u64::MAX, 3]), Some(2));
        assert_eq!(width(&[0, u64::MAX / 2, 3]), Some(64));
    }

    #[test]
    fn numbers_that_follow_each_other_take_nothing_but_their_line() {
        let records: Vec<u64> = (1_000_000..1_008_192).collect();
        assert_eq!(width(&records), Some(0));
        let offsets: Vec<u64> = (0..8192).map(|row| row * 56 + row % 8).collect();
        assert_eq!(width(&offsets), Some(3));
    }

    fn values() -> impl Strategy<Value = Vec<u64>> {
        let one = prop_oneof![0u64..9, 0u64..1 << 40, any::<u64>()];
        let each = prop::collection::vec(one, 1..300);
        let line = (
            any::<u64>(),
            0u64..1 << 45,
            prop::collection::vec(0u64..5000, 1..300),
        )
            .prop_map(|(base, slope, noise)| {
                let row = |(row, noise): (u64, u64)| base.wrapping_add(slope * row).wrapping_add(noise);
                (0..).zip(noise).map(row).collect()
            });
        prop_oneof![each, line]
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out(values in values(), file in any::<bool>()) {
            let folder = tempfile::tempdir().unwrap();
            let spill = file.then(|| Spill::new(folder.path(), 0));
            let chunk = Chunk::of(&mut values.clone(), spill.as_ref());
            let got: Vec<u64> = (0..values.len()).map(|at| chunk.get(at)).collect();
            prop_assert_eq!(&got, &values);
            let mut gathered = Vec::new();
            chunk.gather(0..values.len(), &mut gathered);
            prop_assert_eq!(gathered, values);
        }
    }
}
