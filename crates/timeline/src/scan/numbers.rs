//! Rows numbered by what they have in some columns, so that a condition is evaluated once for rows that agree.
//!
//! Most columns have few values, and rows of one kind agree in most of them; a million rows often come to some hundred.

use polars::prelude::PlHashMap;

use crate::store::{Gathered, Store};
use crate::timeline::{ColumnId, Timeline};

/// Columns in which hardly two rows agree.
pub(super) const WIDE: [&str; 5] = ["ts", "ts_ns", "record", "flow_id", "message"];

/// Largest table from a number and a value to the next number; it stays in the processor's cache.
const MAX_TABLE: usize = 1 << 17;

/// Rows of a list, by place, with a number each that tells apart those that differ.
#[derive(Debug)]
pub(super) struct Numbers {
    /// The number of each row.
    of: Vec<u32>,
    count: usize,
}

impl Numbers {
    /// All rows under one number.
    pub(super) fn new(rows: usize) -> Self {
        Self {
            of: vec![0; rows],
            count: rows.min(1),
        }
    }

    /// Each row under its own number.
    pub(super) fn each(rows: usize) -> Self {
        Self {
            of: (0..rows as u32).collect(),
            count: rows,
        }
    }

    /// Tells rows apart that differ in a column, too; given are their places in the store. `None` once too few agree to be worth it.
    pub(super) fn by_column(self, timeline: &Timeline, column: ColumnId, places: &[u32]) -> Option<Self> {
        match timeline.store(column)? {
            Store::Text(store) => match store.codes(places) {
                Gathered::Same(_) => Some(self),
                Gathered::Each(codes) => {
                    self.by_codes(codes.into_iter().map(|code| code as u32), store.dict().len() + 1)
                }
            },
            Store::Unsigned(store, _) | Store::Signed(store) => match store.of(places) {
                Gathered::Same(_) => Some(self),
                Gathered::Each(values) => self.by(values.into_iter()),
            },
            // Hardly two rows agree.
            Store::Long(_) => None,
        }
    }

    /// The same for codes below `codes`.
    pub(super) fn by_codes(mut self, values: impl Iterator<Item = u32>, codes: usize) -> Option<Self> {
        let size = self.count.saturating_mul(codes);
        if size > MAX_TABLE {
            return self.by(values.map(|code| Some(u64::from(code))));
        }
        let mut table = vec![u32::MAX; size];
        let mut count = 0;
        for (code, number) in values.zip(&mut self.of) {
            if let Some(slot) = table.get_mut(*number as usize * codes + code as usize) {
                if *slot == u32::MAX {
                    *slot = count;
                    count += 1;
                }
                *number = *slot;
            }
        }
        self.count = count as usize;
        self.if_few()
    }

    /// The same for any values.
    pub(super) fn by(mut self, values: impl Iterator<Item = Option<u64>>) -> Option<Self> {
        let mut numbers: PlHashMap<(u32, Option<u64>), u32> = PlHashMap::default();
        let mut last = ((u32::MAX, None), 0);
        for (value, number) in values.zip(&mut self.of) {
            let key = (*number, value);
            if last.0 != key {
                let next = numbers.len() as u32;
                last = (key, *numbers.entry(key).or_insert(next));
            }
            *number = last.1;
        }
        self.count = numbers.len();
        self.if_few()
    }

    fn if_few(self) -> Option<Self> {
        (self.count <= self.of.len() / 4).then_some(self)
    }

    /// The rows, given in full, whose number's mask is true.
    pub(super) fn chosen(&self, rows: &[u32], mask: &[bool]) -> Vec<u32> {
        let hit = |number: &u32| mask.get(*number as usize) == Some(&true);
        let rows = rows.iter().zip(&self.of);
        rows.filter(|(_, number)| hit(number))
            .map(|(row, _)| *row)
            .collect()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The number of each row.
    pub(super) fn of(&self) -> &[u32] {
        &self.of
    }

    /// The place of the first row of each number, ascending.
    pub(super) fn first(&self) -> Vec<u32> {
        let mut first = Vec::with_capacity(self.count);
        for (at, number) in self.of.iter().enumerate() {
            // Numbers are given in the order of their first rows.
            if *number as usize == first.len() {
                first.push(at as u32);
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn rows_that_agree_share_a_number_however_it_is_found() {
        let a = |row: u32| row % 3;
        let b = |row: u32| row / 7 % 2;
        let rows = 0..1_000u32;
        let table = Numbers::new(1_000).by_codes(rows.clone().map(a), 3).unwrap();
        let table = table.by_codes(rows.clone().map(b), 2).unwrap();
        let any = |value: u32| Some(u64::from(value));
        let hashed = Numbers::new(1_000).by(rows.clone().map(a).map(any)).unwrap();
        let hashed = hashed.by_codes(rows.clone().map(b), MAX_TABLE).unwrap();
        assert_eq!(table.of(), hashed.of());
        assert_eq!(table.count(), 6);
        assert_eq!(table.first(), [0, 1, 2, 7, 8, 9]);
        assert!(table.by(rows.map(any)).is_none(), "all differ");
    }
}
