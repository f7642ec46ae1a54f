//! The order of a timeline's rows.
//!
//! Times are sorted piece by piece: rows are dealt into pieces of neighbouring times first, so that only a piece's times are unpacked
//! at once. What it takes beside the order itself does not grow with the rows.

use rayon::prelude::*;

use crate::store::{Store, TextStore};
use crate::timeline::ColumnId;

/// Rows of a piece, about.
const PIECE: usize = 1 << 16;

/// Times looked at for each piece, to find where it should end.
const SAMPLES: usize = 16;

/// Rows in the order of the timeline. Nothing is moved: rows of one member stay together, where they pack well.
pub(crate) fn order(stores: &[Store], len: usize) -> Vec<u32> {
    let store = |name: &str| stores.get(ColumnId::of(name)?.store()?);
    let (Some(ts), Some(Store::Text(artifact)), Some(record)) =
        (store("ts_ns"), store("artifact"), store("record"))
    else {
        return (0..len as u32).collect();
    };
    let keys = Keys {
        ts,
        artifact,
        record,
        rank: ranks(artifact),
    };
    let (mut order, ends) = deal(len, |row| keys.time(row));
    let mut pieces = Vec::with_capacity(ends.len());
    let (mut rest, mut start) = (order.as_mut_slice(), 0);
    for end in ends {
        let (piece, behind) = rest.split_at_mut(end - start);
        pieces.push(piece);
        (rest, start) = (behind, end);
    }
    pieces.into_par_iter().for_each(|piece| keys.sort(piece));
    order
}

/// What decides the order.
struct Keys<'a> {
    ts: &'a Store,
    artifact: &'a TextStore,
    record: &'a Store,
    rank: Vec<u32>,
}

impl Keys<'_> {
    /// Rows without a time come last, behind those of the last time there is.
    fn time(&self, row: u32) -> i64 {
        self.ts.signed_at(row as usize).unwrap_or(i64::MAX)
    }

    /// What decides where times agree.
    fn rest(&self, row: u32) -> (bool, u32, Option<u64>) {
        let row = row as usize;
        let timeless = self.ts.signed_at(row).is_none();
        let code = self.artifact.code(row) as usize;
        let artifact = self.rank.get(code).copied().unwrap_or(0);
        (timeless, artifact, self.record.unsigned_at(row))
    }

    /// Stable: rows that agree in everything keep their decoder's order.
    fn sort(&self, piece: &mut [u32]) {
        let one_time = piece.windows(2).all(|pair| match pair {
            [a, b] => self.time(*a) == self.time(*b),
            _ => true,
        });
        if one_time {
            // However many they are: they need no times beside them.
            piece.sort_by_key(|row| self.rest(*row));
            return;
        }
        let mut timed: Vec<(i64, u32)> = piece.iter().map(|row| (self.time(*row), *row)).collect();
        timed.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| self.rest(a.1).cmp(&self.rest(b.1))));
        piece
            .iter_mut()
            .zip(timed)
            .for_each(|(slot, (_, row))| *slot = row);
    }
}

/// Rows by pieces of neighbouring times, in their old order within a piece; and where each piece ends. Equal times are in one piece.
fn deal(len: usize, time: impl Fn(u32) -> i64) -> (Vec<u32>, Vec<usize>) {
    let rows = 0..u32::try_from(len).unwrap_or(u32::MAX);
    if len <= PIECE {
        return (rows.collect(), vec![len]);
    }
    let bounds = bounds(len, &time);
    let mut ends = vec![0; bounds.len() + 1];
    let mut pieces = Pieces::new(&bounds);
    for row in rows.clone() {
        if let Some(count) = ends.get_mut(pieces.of(time(row))) {
            *count += 1;
        }
    }
    let mut start = 0;
    for end in &mut ends {
        // For now where the piece begins; it moves on with each row.
        start += std::mem::replace(end, start);
    }
    let mut order = vec![0; rows.len()];
    for row in rows {
        let Some(next) = ends.get_mut(pieces.of(time(row))) else {
            continue;
        };
        if let Some(slot) = order.get_mut(*next) {
            *slot = row;
        }
        *next += 1;
    }
    (order, ends)
}

/// Finds the piece of a time; quickest in that of the last one, where most are.
struct Pieces<'a> {
    bounds: &'a [i64],
    last: usize,
    times: (i64, i64),
}

impl<'a> Pieces<'a> {
    fn new(bounds: &'a [i64]) -> Self {
        // Nothing lies between these.
        let times = (i64::MAX, i64::MIN);
        Self {
            bounds,
            last: 0,
            times,
        }
    }

    fn of(&mut self, time: i64) -> usize {
        if time < self.times.0 || self.times.1 <= time {
            self.last = self.bounds.partition_point(|bound| *bound <= time);
            let bound = |at: Option<usize>| at.and_then(|at| self.bounds.get(at)).copied();
            let first = bound(self.last.checked_sub(1)).unwrap_or(i64::MIN);
            self.times = (first, bound(Some(self.last)).unwrap_or(i64::MAX));
        }
        self.last
    }
}

/// The first times of all pieces but the first, from a sample.
fn bounds(len: usize, time: impl Fn(u32) -> i64) -> Vec<i64> {
    let mut sample: Vec<i64> = (0..len)
        .step_by(PIECE / SAMPLES)
        .map(|row| time(row as u32))
        .collect();
    sample.sort_unstable();
    let mut bounds: Vec<i64> = sample.into_iter().skip(SAMPLES).step_by(SAMPLES).collect();
    bounds.dedup();
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
        let (mut order, ends) = deal(times.len(), |row| times[row as usize]);
        let mut start = 0;
        for end in ends {
            order[start..end].sort_by_key(|row| times[*row as usize]);
            start = end;
        }
        assert_eq!(start, times.len(), "the pieces are all of it");
        order
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
}
