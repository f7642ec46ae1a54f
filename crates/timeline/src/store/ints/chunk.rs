//! A chunk of numbers in as few bits as its own values need.
//!
//! Most columns of a chunk count up (record numbers, offsets, times) or take few values (codes of a dictionary, ports). So a value is
//! kept as its distance from a line through the chunk, in as many bits as the largest of these distances has: a column of numbers
//! that follow each other takes none.

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
    /// No packing helps.
    Whole(Box<[u64]>),
}

/// The value of row `i` is `base + step × (slope × i + distance)`, wrapping.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    base: u64,
    step: u64,
    slope: u64,
    mask: u64,
    width: u32,
    /// Distances, `width` bits each, the lowest first; then bytes for the last one's word.
    bits: Box<[u8]>,
}

impl Packed {
    pub(super) fn get(&self, at: usize) -> u64 {
        let bit = at * self.width as usize;
        let word = self.bits.get(bit / 8..).and_then(<[u8]>::first_chunk);
        let distance = word.map_or(0, |word| u64::from_le_bytes(*word) >> (bit % 8) & self.mask);
        let steps = self.slope.wrapping_mul(at as u64).wrapping_add(distance);
        self.base.wrapping_add(self.step.wrapping_mul(steps))
    }
}

/// How values are packed: their lowest distance from a line, and the bits that the highest one needs above it.
struct Line {
    slope: u64,
    lowest: u64,
    width: u32,
}

impl Line {
    /// `steps` are the chunk's values, counted from the smallest.
    fn through(steps: impl Iterator<Item = u64>, slope: u64) -> Self {
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
fn distances(steps: impl Iterator<Item = u64>, slope: u64) -> impl Iterator<Item = i64> {
    (0..)
        .zip(steps)
        .map(move |(row, step): (u64, u64)| step.wrapping_sub(slope.wrapping_mul(row)).cast_signed())
}

impl Chunk {
    pub(super) fn of(values: &[u64]) -> Self {
        let (mut base, mut top) = (u64::MAX, 0);
        for value in values {
            (base, top) = (base.min(*value), top.max(*value));
        }
        let range = top.saturating_sub(base);
        if range == 0 {
            return Self::Same(base);
        }
        let ticks = range > u64::from(u8::MAX) && values.iter().all(|v| (v - base).is_multiple_of(TICK));
        let step = if ticks { TICK } else { 1 };
        let steps = || values.iter().map(|value| (value - base) / step);
        let mut line = Line {
            slope: 0,
            lowest: 0,
            width: u64::BITS - (range / step).leading_zeros(),
        };
        // A line from end to end; it would spare codes and flags nothing.
        let (first, last) = (steps().next().unwrap_or(0), steps().next_back().unwrap_or(0));
        if let Some(slope @ 1..) = last
            .checked_sub(first)
            .map(|rise| rise / (values.len() as u64 - 1).max(1))
        {
            let rising = Line::through(steps(), slope);
            if rising.width < line.width {
                line = rising;
            }
        }
        if line.width > WIDEST {
            return Self::Whole(values.into());
        }
        Self::Packed(Box::new(Packed {
            base: base.wrapping_add(step.wrapping_mul(line.lowest)),
            step,
            slope: line.slope,
            mask: (1 << line.width) - 1,
            width: line.width,
            bits: pack(steps(), values.len(), &line),
        }))
    }

    /// Many values; what kind of chunk it is is asked once for all.
    pub(super) fn gather(&self, at: impl Iterator<Item = usize>, into: &mut Vec<u64>) {
        match self {
            Self::Same(value) => into.extend(at.map(|_| *value)),
            Self::Packed(packed) => into.extend(at.map(|at| packed.get(at))),
            Self::Whole(values) => into.extend(at.map(|at| values.get(at).copied().unwrap_or(0))),
        }
    }

    pub(super) fn get(&self, at: usize) -> u64 {
        match self {
            Self::Same(value) => *value,
            Self::Packed(packed) => packed.get(at),
            Self::Whole(values) => values.get(at).copied().unwrap_or(0),
        }
    }
}

fn pack(steps: impl Iterator<Item = u64>, count: usize, line: &Line) -> Box<[u8]> {
    let width = line.width as usize;
    let mut bits = vec![0; (count * width).div_ceil(8) + WORD];
    for (row, distance) in distances(steps, line.slope).enumerate() {
        let bit = row * width;
        let Some(word) = bits.get_mut(bit / 8..).and_then(<[u8]>::first_chunk_mut) else {
            break;
        };
        let distance = distance.cast_unsigned().wrapping_sub(line.lowest);
        *word = (u64::from_le_bytes(*word) | distance << (bit % 8)).to_le_bytes();
    }
    bits.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn width(values: &[u64]) -> Option<u32> {
        match Chunk::of(values) {
            Chunk::Packed(packed) => Some(packed.width),
            Chunk::Same(_) | Chunk::Whole(_) => None,
        }
    }

    #[test]
    fn chunks_are_as_narrow_as_their_values() {
        assert!(matches!(Chunk::of(&[7; 10]), Chunk::Same(7)));
        assert_eq!(width(&[7, 8, 7]), Some(1));
        assert_eq!(width(&[0, 5, 3, 255, 0]), Some(8));
        assert_eq!(width(&[0, 6_000_000, 100]), Some(16));
        assert_eq!(width(&[5, 6_000_006, 5]), Some(23));
        // Around the end of what 64 bits hold, neighbours still are neighbours.
        assert_eq!(width(&[0, u64::MAX, 3]), Some(2));
        assert!(matches!(Chunk::of(&[0, u64::MAX / 2, 3]), Chunk::Whole(_)));
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
        fn what_is_packed_comes_out(values in values()) {
            let chunk = Chunk::of(&values);
            let got: Vec<u64> = (0..values.len()).map(|at| chunk.get(at)).collect();
            prop_assert_eq!(&got, &values);
            let mut gathered = Vec::new();
            chunk.gather(0..values.len(), &mut gathered);
            prop_assert_eq!(gathered, values);
        }
    }
}
