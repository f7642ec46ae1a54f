//! The order of a timeline's rows.
//!
//! Rows are sorted piece by piece: they are dealt into pieces of neighbouring keys first, so that only a piece's keys are unpacked
//! at once, and pieces are sorted side by side. What it takes beside the order itself does not grow with the rows.

use std::ops::Range;

use rayon::prelude::*;

use crate::store::{Gathered, Store, TextStore};
use crate::timeline::ColumnId;

/// Rows of a piece, about.
const PIECE: usize = 1 << 16;

/// Keys looked at for each piece, to find where it should end.
const SAMPLES: usize = 16;

/// Rows of which one is looked at.
const STRIDE: usize = PIECE / SAMPLES;

/// Rows whose keys are unpacked at a time where all rows are gone through.
const BLOCK: usize = 1 << 13;

/// Rows in the order of the timeline. Nothing is moved: rows of one member stay together, where they pack well.
pub(crate) fn order(stores: &[Store], len: usize) -> Vec<u32> {
    let store = |name: &str| stores.get(ColumnId::of(name)?.store()?);
    let (Some(ts), Some(Store::Text(artifact)), Some(record)) =
        (store("ts_ns"), store("artifact"), store("record"))
    else {
        return (0..len as u32).collect();
    };
    let columns = Columns {
        ts,
        artifact,
        record,
        rank: ranks(artifact),
    };
    sorted(len, |rows| columns.keys(rows))
}

/// What decides the order: the time (rows without one last), the artifact, the record.
type Key = (i64, bool, u32, Option<u64>);

/// Where it is found.
struct Columns<'a> {
    ts: &'a Store,
    artifact: &'a TextStore,
    record: &'a Store,
    rank: Vec<u32>,
}

impl Columns<'_> {
    /// The keys of rows, best given in order.
    fn keys(&self, rows: &[u32]) -> Vec<Key> {
        let (times, records) = (numbers(self.ts, rows), numbers(self.record, rows));
        let codes = self.artifact.codes(rows);
        let key = |at| {
            let time = times.at(at).flatten().map(Store::signed_of);
            let code = codes.at(at).and_then(|code| usize::try_from(code).ok());
            let rank = code.and_then(|code| self.rank.get(code)).copied();
            let record = records.at(at).flatten();
            (
                time.unwrap_or(i64::MAX),
                time.is_none(),
                rank.unwrap_or(0),
                record,
            )
        };
        (0..rows.len()).map(key).collect()
    }
}

fn numbers(store: &Store, rows: &[u32]) -> Gathered<Option<u64>> {
    match store {
        Store::Unsigned(store, _) | Store::Signed(store) => store.of(rows),
        Store::Text(_) | Store::Long(_) => Gathered::Same(None),
    }
}

/// Rows by their keys. Stable: rows that agree in everything keep their decoder's order.
fn sorted<K: Ord + Copy + Send>(len: usize, keys: impl Fn(&[u32]) -> Vec<K> + Sync) -> Vec<u32> {
    let (mut order, ends) = deal(len, &keys);
    let mut pieces = Vec::with_capacity(ends.len());
    let (mut rest, mut start) = (order.as_mut_slice(), 0);
    for end in ends {
        let (piece, behind) = rest.split_at_mut(end - start);
        pieces.push(piece);
        (rest, start) = (behind, end);
    }
    pieces.into_par_iter().for_each(|piece| sort_piece(piece, &keys));
    order
}

fn sort_piece<K: Ord + Copy>(piece: &mut [u32], keys: impl Fn(&[u32]) -> Vec<K>) {
    // Many pieces are in order as they are, and the largest ones, whose keys are all the same, always.
    let mut last = None;
    let in_order = piece.chunks(BLOCK).all(|rows| {
        let keys = keys(rows);
        let in_order = keys.is_sorted() && last <= keys.first().copied();
        last = keys.last().copied();
        in_order
    });
    if in_order {
        return;
    }
    let mut keyed: Vec<(K, u32)> = keys(piece).into_iter().zip(piece.iter().copied()).collect();
    keyed.sort_by_key(|(key, _)| *key);
    for (slot, (_, row)) in piece.iter_mut().zip(keyed) {
        *slot = row;
    }
}

/// Rows by pieces of neighbouring keys, in their old order within a piece; and where each piece ends. Equal keys are in one piece.
fn deal<K: Ord + Copy>(len: usize, keys: impl Fn(&[u32]) -> Vec<K>) -> (Vec<u32>, Vec<usize>) {
    let rows = 0..u32::try_from(len).unwrap_or(u32::MAX);
    if len <= PIECE {
        return (rows.collect(), vec![len]);
    }
    let bounds = bounds(len, &keys);
    let mut ends = vec![0; bounds.len() + 1];
    let mut pieces = Pieces::new(&bounds);
    each(rows.clone(), &keys, |_, key| {
        if let Some(count) = ends.get_mut(pieces.of(key)) {
            *count += 1;
        }
    });
    let mut start = 0;
    for end in &mut ends {
        // For now where the piece begins; it moves on with each row.
        start += std::mem::replace(end, start);
    }
    let mut order = vec![0; rows.len()];
    each(rows, &keys, |row, key| {
        let Some(next) = ends.get_mut(pieces.of(key)) else {
            return;
        };
        if let Some(slot) = order.get_mut(*next) {
            *slot = row;
        }
        *next += 1;
    });
    (order, ends)
}

/// Goes through rows and their keys.
fn each<K: Copy>(rows: Range<u32>, keys: impl Fn(&[u32]) -> Vec<K>, mut f: impl FnMut(u32, K)) {
    let mut block = Vec::with_capacity(BLOCK);
    for start in rows.clone().step_by(BLOCK) {
        block.clear();
        block.extend(start..rows.end.min(start.saturating_add(BLOCK as u32)));
        for (row, key) in block.iter().zip(keys(&block)) {
            f(*row, key);
        }
    }
}

/// Where a piece begins: with rows of this key, or with those behind it. So what many rows have has a piece of its own.
type Bound<K> = (K, bool);

/// Finds the piece of a key; quickest in that of the last one, where most are.
struct Pieces<'a, K> {
    bounds: &'a [Bound<K>],
    last: usize,
}

impl<'a, K: Ord + Copy> Pieces<'a, K> {
    fn new(bounds: &'a [Bound<K>]) -> Self {
        Self { bounds, last: 0 }
    }

    fn of(&mut self, key: K) -> usize {
        let key = (key, false);
        let first = self.last.checked_sub(1).and_then(|at| self.bounds.get(at));
        let next = self.bounds.get(self.last);
        if first.is_some_and(|first| key < *first) || next.is_some_and(|next| *next <= key) {
            self.last = self.bounds.partition_point(|bound| *bound <= key);
        }
        self.last
    }
}

/// Where all pieces but the first begin, from a sample: a row of each [`STRIDE`], not always in the same place of it, as members repeat
/// themselves.
fn bounds<K: Ord + Copy>(len: usize, keys: impl Fn(&[u32]) -> Vec<K>) -> Vec<Bound<K>> {
    let row = |stride: usize| stride * STRIDE + (stride.wrapping_mul(0x9e37_79b1) >> 7) % STRIDE;
    let sample = (0..len.div_ceil(STRIDE)).map(row).filter(|row| *row < len);
    let sample: Vec<u32> = sample.map(|row| row as u32).collect();
    let mut sample = keys(&sample);
    sample.sort_unstable();
    let firsts: Vec<K> = sample.into_iter().skip(SAMPLES).step_by(SAMPLES).collect();
    let mut bounds = Vec::with_capacity(firsts.len());
    for same in firsts.chunk_by(|a, b| a == b) {
        bounds.extend(
            same.iter()
                .take(2)
                .zip([false, true])
                .map(|(key, behind)| (*key, behind)),
        );
    }
    bounds
}

/// Alphabetical place of each dictionary code.
fn ranks(store: &TextStore) -> Vec<u32> {
    let mut codes: Vec<u32> = (0..=store.dict().len() as u32).collect();
    codes.sort_by_key(|code| store.text(*code));
    let mut rank = vec![0; codes.len()];
    for (place, code) in codes.into_iter().enumerate() {
        if let Some(slot) = rank.get_mut(code as usize) {
            *slot = place as u32;
        }
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where the rows would be after one stable sort.
    fn sorted(times: &[i64]) -> Vec<u32> {
        let mut rows: Vec<u32> = (0..times.len() as u32).collect();
        rows.sort_by_key(|row| times[*row as usize]);
        rows
    }

    fn dealt_and_sorted(times: &[i64]) -> Vec<u32> {
        super::sorted(times.len(), |rows| {
            rows.iter().map(|row| times[*row as usize]).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn pieces_side_by_side_are_one_order(
            members in prop::collection::vec((any::<i16>(), 0i64..50, 1usize..60_000), 3..9),
            timeless in 0usize..70_000,
        ) {
            let mut times = Vec::new();
            for (start, step, rows) in members {
                times.extend((0..rows as i64).map(|row| i64::from(start) + row * step - row % 7));
            }
            times.extend(std::iter::repeat_n(i64::MAX, timeless));
            prop_assert_eq!(dealt_and_sorted(&times), sorted(&times));
        }
    }

    #[test]
    fn the_ends_of_time_are_times() {
        let times: Vec<i64> = (0..200_000)
            .map(|row| [i64::MAX, 3, i64::MIN, 0][row % 4])
            .collect();
        assert_eq!(dealt_and_sorted(&times), sorted(&times));
    }

    #[test]
    fn what_many_rows_have_has_a_piece_of_its_own() {
        let times: Vec<i64> = (0..400_000)
            .map(|row| if row % 4 == 0 { row } else { 7 })
            .collect();
        let (order, ends) = deal(times.len(), |rows| {
            rows.iter().map(|row| times[*row as usize]).collect()
        });
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let pieces: Vec<&[u32]> = starts
            .zip(&ends)
            .map(|(start, end)| &order[start..*end])
            .collect();
        let largest = pieces.iter().max_by_key(|piece| piece.len()).expect("pieces");
        assert!(largest.len() >= 300_000);
        assert!(largest.iter().all(|row| times[*row as usize] == 7));
        assert_eq!(dealt_and_sorted(&times), sorted(&times));
    }
}
