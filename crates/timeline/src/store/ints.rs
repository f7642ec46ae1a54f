//! A sequence of numbers in chunks, each as narrow as its own values allow.
//!
//! Rows lie in the order in which their members were decoded, so a column that one member never fills is a run of one value
//! there and costs nothing, whatever other members put into it.

mod chunk;
mod pages;
mod spread;

use std::sync::Arc;

use super::Spill;
use chunk::Chunk;
pub(crate) use spread::Spread;

/// Rows of a chunk.
pub(super) const CHUNK: usize = 8192;

/// Neighbours in a list that lie in one chunk.
fn runs(rows: &[u32]) -> impl Iterator<Item = &[u32]> {
    rows.chunk_by(|a, b| *a as usize / CHUNK == *b as usize / CHUNK)
}

/// What a list of rows has in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gathered<T> {
    /// All the same.
    Same(T),
    /// One value a row.
    Each(Vec<T>),
}

impl<T: Copy> Gathered<T> {
    /// The value of the row at a place in the list.
    pub(crate) fn at(&self, at: usize) -> Option<T> {
        match self {
            Self::Same(value) => Some(*value),
            Self::Each(values) => values.get(at).copied(),
        }
    }
}

/// Numbers by row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ints {
    chunks: Vec<Chunk>,
    /// The rows behind the last whole chunk: `same` of them with one value, or `rest`.
    open: Open,
    /// Takes chunks that would be too much for memory.
    spill: Option<Arc<Spill>>,
}

#[derive(Debug, Clone, Default)]
struct Open {
    value: u64,
    same: usize,
    rest: Vec<u64>,
}

impl Open {
    fn len(&self) -> usize {
        self.same + self.rest.len()
    }

    fn get(&self, at: usize) -> Option<u64> {
        match at.checked_sub(self.same) {
            None => Some(self.value),
            Some(at) => self.rest.get(at).copied(),
        }
    }

    /// Takes one value; the chunk is not full.
    fn push(&mut self, value: u64) {
        if self.rest.is_empty() && (self.same == 0 || self.value == value) {
            self.value = value;
            self.same += 1;
        } else {
            self.begin_rest();
            self.rest.push(value);
        }
    }

    /// From now on each value stands by itself, also those so far.
    fn begin_rest(&mut self) {
        if self.same > 0 {
            self.rest.resize(self.same, self.value);
            self.same = 0;
        }
    }

    /// Takes up to `count` times `value`, at most to the chunk's end; returns how many.
    fn take(&mut self, value: u64, count: usize) -> usize {
        let taken = count.min(CHUNK - self.len());
        if self.rest.is_empty() && (self.same == 0 || self.value == value) {
            self.value = value;
            self.same += taken;
        } else {
            self.begin_rest();
            self.rest.resize(self.rest.len() + taken, value);
        }
        taken
    }

    /// Takes values up to the chunk's end; returns how many.
    fn take_each(&mut self, values: &[u64]) -> usize {
        let Some(first) = values.first() else { return 0 };
        if self.rest.is_empty() {
            let same = values.iter().take_while(|value| *value == first);
            return self.take(*first, same.count());
        }
        let taken = values.len().min(CHUNK - self.len());
        self.rest
            .extend_from_slice(values.get(..taken).unwrap_or_default());
        taken
    }

    /// The chunk as it is kept; the next one is begun in the same memory.
    fn close(&mut self, spill: Option<&Arc<Spill>>) -> Chunk {
        if self.rest.is_empty() {
            self.same = 0;
            return Chunk::Same(self.value);
        }
        let chunk = Chunk::of(&mut self.rest, spill);
        self.rest.clear();
        chunk
    }
}

impl Ints {
    #[cfg(test)]
    fn len(&self) -> usize {
        self.chunks.len() * CHUNK + self.open.len()
    }

    /// Chunks from now on go there.
    pub(super) fn spill_to(&mut self, spill: &Arc<Spill>) {
        self.spill = Some(Arc::clone(spill));
    }

    fn close(&mut self) {
        let chunk = self.open.close(self.spill.as_ref());
        self.chunks.push(chunk);
    }

    pub(crate) fn push(&mut self, value: u64) {
        self.open.push(value);
        if self.open.len() == CHUNK {
            self.close();
        }
    }

    /// Adds values.
    fn extend(&mut self, mut values: &[u64]) {
        while !values.is_empty() {
            let taken = self.open.take_each(values);
            values = values.get(taken..).unwrap_or_default();
            if self.open.len() == CHUNK {
                self.close();
            }
        }
    }

    /// Adds `count` times `value`.
    pub(crate) fn push_run(&mut self, value: u64, mut count: usize) {
        while count > 0 {
            count -= self.open.take(value, count);
            if self.open.len() == CHUNK {
                self.close();
            }
        }
    }

    pub(crate) fn get(&self, row: usize) -> Option<u64> {
        match self.chunks.get(row / CHUNK) {
            Some(chunk) => Some(chunk.get(row % CHUNK)),
            None => self.open.get(row.checked_sub(self.chunks.len() * CHUNK)?),
        }
    }

    /// The value that all these rows have, if that shows without looking at each.
    fn common(&self, rows: &[u32]) -> Option<u64> {
        let mut common = None;
        for run in runs(rows) {
            let value = match self.chunk(run)? {
                Chunk::Same(value) => *value,
                _ => return None,
            };
            if *common.get_or_insert(value) != value {
                return None;
            }
        }
        common
    }

    /// The value of each of these rows; 0 where there is none. Rows are best given in order, so that those of a chunk are neighbours.
    fn gather(&self, rows: &[u32]) -> Vec<u64> {
        let mut into = Vec::with_capacity(rows.len());
        for run in runs(rows) {
            let at = run.iter().map(|row| *row as usize % CHUNK);
            match self.chunk(run) {
                Some(chunk) => chunk.gather(at, &mut into),
                None => into.extend(run.iter().map(|row| self.get(*row as usize).unwrap_or(0))),
            }
        }
        into
    }

    /// The closed chunk of a run's rows.
    fn chunk(&self, run: &[u32]) -> Option<&Chunk> {
        self.chunks.get(*run.first()? as usize / CHUNK)
    }

    /// The value of each of these rows, or the one of all.
    pub(super) fn of(&self, rows: &[u32]) -> Gathered<u64> {
        match self.common(rows) {
            Some(value) => Gathered::Same(value),
            None => Gathered::Each(self.gather(rows)),
        }
    }

    /// Adds the numbers of `other`, each changed by `map`.
    pub(crate) fn append(&mut self, other: Self, map: impl Fn(u64) -> u64) {
        let mut values = Vec::new();
        for chunk in &other.chunks {
            match chunk {
                Chunk::Same(value) => self.push_run(map(*value), CHUNK),
                chunk => {
                    values.clear();
                    chunk.gather(0..CHUNK, &mut values);
                    values.iter_mut().for_each(|value| *value = map(*value));
                    self.extend(&values);
                }
            }
        }
        self.push_run(map(other.open.value), other.open.same);
        let mut rest = other.open.rest;
        rest.iter_mut().for_each(|value| *value = map(*value));
        self.extend(&rest);
    }

    /// Nothing will be added.
    pub(crate) fn finish(&mut self) {
        self.open.rest.shrink_to_fit();
        self.chunks.shrink_to_fit();
    }
}

/// A nullable number column.
#[derive(Debug, Clone, Default)]
pub(crate) struct NumStore {
    values: Ints,
    /// 1 where there is a value.
    valid: Ints,
    /// The last value, repeated for nulls, which then cost nothing.
    last: u64,
}

impl NumStore {
    pub(crate) fn push(&mut self, value: Option<u64>) {
        self.last = value.unwrap_or(self.last);
        self.values.push(self.last);
        self.valid.push(u64::from(value.is_some()));
    }

    pub(super) fn spill_to(&mut self, spill: &Arc<Spill>) {
        self.values.spill_to(spill);
        self.valid.spill_to(spill);
    }

    /// Adds nulls.
    pub(super) fn push_nulls(&mut self, count: usize) {
        self.values.push_run(self.last, count);
        self.valid.push_run(0, count);
    }

    pub(crate) fn get(&self, row: usize) -> Option<u64> {
        (self.valid.get(row)? == 1)
            .then(|| self.values.get(row))
            .flatten()
    }

    /// The value of each of these rows, or the one of all.
    pub(crate) fn of(&self, rows: &[u32]) -> Gathered<Option<u64>> {
        match self.valid.of(rows) {
            Gathered::Same(0) => Gathered::Same(None),
            Gathered::Same(_) => match self.values.of(rows) {
                Gathered::Same(value) => Gathered::Same(Some(value)),
                Gathered::Each(values) => Gathered::Each(values.into_iter().map(Some).collect()),
            },
            Gathered::Each(valid) => {
                let values = self.values.gather(rows).into_iter().zip(valid);
                Gathered::Each(
                    values
                        .map(|(value, valid)| (valid == 1).then_some(value))
                        .collect(),
                )
            }
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.values.append(other.values, |value| value);
        self.valid.append(other.valid, |value| value);
    }

    pub(super) fn finish(&mut self) {
        self.values.finish();
        self.valid.finish();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn many_rows_at_once_are_what_each_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = NumStore::default();
        let value = |row: u64| match row / CHUNK as u64 {
            0 => Some(7),
            1 => Some(row % 2),
            2 => row.is_multiple_of(3).then_some(row % 200),
            3 => Some(row * 100),
            4 => Some(row << 40),
            5 => None,
            _ => Some(row % 60_000),
        };
        let all = 7 * CHUNK as u64 + 90;
        // The first three chunks stay in memory.
        (0..all).for_each(|row| {
            if row == 3 * CHUNK as u64 {
                store.spill_to(&Spill::new(folder.path(), 0));
            }
            store.push(value(row));
        });
        // Every third, backwards from some place on, and one behind the end.
        let rows: Vec<u32> = (0..all as u32)
            .step_by(3)
            .chain((100..50_000).rev().step_by(7))
            .chain([u32::MAX])
            .collect();
        let each = |rows: &[u32]| {
            rows.iter()
                .map(|row| store.get(*row as usize))
                .collect::<Vec<_>>()
        };
        let Gathered::Each(got) = store.of(&rows) else {
            panic!("they differ")
        };
        assert_eq!(got, each(&rows));
        assert_eq!(store.of(&[3, 5, 8_000]), Gathered::Same(Some(7)));
        let nulls: Vec<u32> = (5 * CHUNK as u32..6 * CHUNK as u32).collect();
        assert_eq!(store.of(&nulls), Gathered::Same(None));
    }

    #[test]
    fn a_lost_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::new(folder.path(), 0);
        let mut store = NumStore::default();
        store.spill_to(&spill);
        // More chunks than a thread keeps.
        (0..600 * CHUNK as u64).for_each(|row| store.push(Some(row % 1000)));
        assert!(spill.written() > 0);
        assert_eq!(store.get(12_345), Some(345));
        assert_eq!(spill.trouble(), None);
        spill.cut();
        assert_eq!(store.get(599 * CHUNK), Some(0));
        let trouble = spill.trouble().unwrap();
        assert!(trouble.starts_with("at byte "), "{trouble}");
    }

    #[test]
    fn nulls_differ_from_zero() {
        let mut store = NumStore::default();
        for row in 0..20_000u64 {
            store.push((row % 3 == 0).then_some(row % 5));
        }
        assert_eq!(store.get(0), Some(0));
        assert_eq!(store.get(1), None);
        assert_eq!(store.get(19_998), Some(19_998 % 5));
        assert_eq!(store.get(20_000), None);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            runs in prop::collection::vec((prop_oneof![0u64..4, any::<u64>()], 1usize..9_000), 0..12),
            cut in 0usize..12,
            files in any::<[bool; 2]>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut expected = Vec::new();
            let (mut a, mut b) = (Ints::default(), Ints::default());
            for (ints, _) in [&mut a, &mut b].into_iter().zip(files).filter(|(_, file)| *file) {
                ints.spill_to(&Spill::new(folder.path(), 0));
            }
            for (i, (value, count)) in runs.iter().enumerate() {
                expected.extend(std::iter::repeat_n(*value, *count));
                if i < cut { a.push_run(*value, *count) } else { b.push_run(*value, *count) }
            }
            a.append(b, |value| value);
            prop_assert_eq!(a.len(), expected.len());
            for row in (0..expected.len()).step_by(97) {
                prop_assert_eq!(a.get(row).unwrap(), expected[row]);
            }
            prop_assert_eq!(a.get(expected.len()), None);
        }
    }
}
