//! Many rows of many columns: where they lie is worked out once, and then each column is gone through chunk by chunk.
//!
//! Rows in the order of time change from member to member, and so from chunk to chunk. Asked one by one, each would have to look up
//! its chunk and what kind it is, in every column.

use std::collections::BTreeMap;

use super::{CHUNK, Chunk, Gathered, Ints, NumStore};

/// A list of rows by the chunk they lie in; the same for every column.
#[derive(Debug)]
pub(crate) struct Spread {
    rows: usize,
    /// The number of a chunk, and its rows: their places in the list and in the chunk.
    runs: Vec<(usize, Vec<(u32, u16)>)>,
}

impl Spread {
    /// Rows given by their places in the store.
    pub(crate) fn of(places: &[u32]) -> Self {
        let mut runs: Vec<(usize, Vec<(u32, u16)>)> = Vec::new();
        let mut known: BTreeMap<usize, usize> = BTreeMap::new();
        for (at, place) in (0..).zip(places) {
            let place = *place as usize;
            let run = *known.entry(place / CHUNK).or_insert_with(|| {
                runs.push((place / CHUNK, Vec::new()));
                runs.len() - 1
            });
            if let Some((_, rows)) = runs.get_mut(run) {
                rows.push((at, (place % CHUNK) as u16));
            }
        }
        Self {
            rows: places.len(),
            runs,
        }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }
}

/// Writes what `value` gives for places in a chunk to places in a list.
fn put(rows: &[(u32, u16)], into: &mut [u64], value: impl Fn(usize) -> u64) {
    for (to, from) in rows {
        if let Some(slot) = into.get_mut(*to as usize) {
            *slot = value(usize::from(*from));
        }
    }
}

impl Chunk {
    fn spread(&self, rows: &[(u32, u16)], into: &mut [u64]) {
        match self {
            Self::Same(value) => put(rows, into, |_| *value),
            Self::Packed(packed) => packed.open(|view| put(rows, into, |at| view.get(at))),
        }
    }
}

impl Ints {
    /// The value of each of these rows, or the one of all; 0 for a row that is not there.
    pub(crate) fn spread(&self, spread: &Spread) -> Gathered<u64> {
        if let Some(value) = self.common_of(spread) {
            return Gathered::Same(value);
        }
        let mut into = vec![0; spread.rows];
        for (number, rows) in &spread.runs {
            match self.chunks.get(*number) {
                Some(chunk) => chunk.spread(rows, &mut into),
                None => put(rows, &mut into, |at| self.get(number * CHUNK + at).unwrap_or(0)),
            }
        }
        Gathered::Each(into)
    }

    /// The value that all these rows have, if that shows without looking at each.
    fn common_of(&self, spread: &Spread) -> Option<u64> {
        let mut values = spread
            .runs
            .iter()
            .map(|(number, _)| match self.chunks.get(*number) {
                Some(Chunk::Same(value)) => Some(*value),
                Some(_) => None,
                None => self.open.rest.is_empty().then_some(self.open.value),
            });
        let first = values.next()??;
        values.all(|value| value == Some(first)).then_some(first)
    }
}

impl NumStore {
    /// The numbers of rows, and 1 for those that have one.
    pub(crate) fn spread(&self, spread: &Spread) -> (Gathered<u64>, Gathered<u64>) {
        (self.values.spread(spread), self.valid.spread(spread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_any_order_are_what_each_is() {
        let mut ints = Ints::default();
        let value = |row: u64| match row / CHUNK as u64 {
            0 => 7,
            1 => row % 2,
            2 => row % 200,
            3 => row * 100,
            4 => row << 40,
            5 => row % 60_000,
            6 => row * 1_000_003,
            _ => 9,
        };
        let all = 8 * CHUNK as u64 + 90;
        (0..all).for_each(|row| ints.push(value(row)));
        let each = |rows: &[u32]| -> Vec<u64> { rows.iter().map(|row| value(u64::from(*row))).collect() };
        // Back and forth between far places, as members change in time.
        let rows: Vec<u32> = (0..all as u32 / 2)
            .flat_map(|row| [row, all as u32 - 1 - row])
            .collect();
        assert_eq!(ints.spread(&Spread::of(&rows)), Gathered::Each(each(&rows)));
        for same in [&[3, 5, 8_000][..], &[8 * CHUNK as u32, 8 * CHUNK as u32 + 1]] {
            assert_eq!(
                ints.spread(&Spread::of(same)),
                Gathered::Same(value(u64::from(same[0])))
            );
        }
        let mixed = [1, 8 * CHUNK as u32];
        assert_eq!(ints.spread(&Spread::of(&mixed)), Gathered::Each(vec![7, 9]));
        assert_eq!(ints.spread(&Spread::of(&[])), Gathered::Each(Vec::new()));
    }

    #[test]
    fn nulls_are_told_apart() {
        let mut store = NumStore::default();
        (0..20_000_u64).for_each(|row| store.push((row % 3 == 0).then_some(row)));
        let rows: Vec<u32> = (0..20_000).rev().collect();
        let (values, valid) = store.spread(&Spread::of(&rows));
        for (at, row) in rows.iter().enumerate() {
            let got = (valid.at(at) == Some(1)).then(|| values.at(at)).flatten();
            assert_eq!(got, store.get(*row as usize));
        }
    }
}
