//! Collects rows and sorts them.
//!
//! Order: time (rows without one last), artifact, record, then the order in which the artifact's decoder emitted them. One
//! artifact goes into one builder, so the result does not depend on how many builders worked side by side.

use std::borrow::Borrow;
use std::sync::Arc;

use casetrace_model::{COLUMNS, ColumnType, Row, Value};
use rayon::prelude::*;

use crate::order::order;
use crate::store::{Spill, Store};
use crate::timeline::Timeline;

/// Takes rows in any order; [`finish`](Self::finish) sorts them.
#[derive(Debug)]
pub struct TimelineBuilder {
    /// One for each of [`COLUMNS`] but `ts`, which is computed from `ts_ns`.
    columns: Vec<Filled>,
    len: usize,
    /// For codes and numbers.
    numbers: Option<Arc<Spill>>,
}

/// A column, up to the last row that had a value in it: most columns of a row are empty, and so cost nothing.
#[derive(Debug)]
struct Filled {
    store: Store,
    rows: usize,
}

impl Filled {
    /// Takes the value of a row that is not before the last one.
    #[inline(never)]
    fn push(&mut self, row: usize, value: Value<'_>) {
        self.fill(row);
        self.store.push(value);
        self.rows = row + 1;
    }

    /// Adds what is missing up to so many rows.
    fn fill(&mut self, rows: usize) {
        if let Some(missing @ 1..) = rows.checked_sub(self.rows) {
            self.store.push_nulls(missing);
            self.rows = rows;
        }
    }
}

/// Columns whose value is not only the row's.
const HOST: usize = place_of("host");
const ARTIFACT: usize = place_of("artifact");
const FIELDS: usize = place_of("fields");

/// The place of a column among [`COLUMNS`].
const fn place_of(name: &str) -> usize {
    let mut place = 0;
    while place < COLUMNS.len() && !same(COLUMNS[place].name.as_bytes(), name.as_bytes()) {
        place += 1;
    }
    place
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    a.len() == b.len() && at == a.len()
}

impl Default for TimelineBuilder {
    fn default() -> Self {
        Self::new()
    }
}

fn empty_store(name: &str, ty: ColumnType, spill: Option<&Arc<Spill>>) -> Store {
    match ty {
        ColumnType::Str if matches!(name, "message" | "fields") => Store::long(spill.cloned()),
        ColumnType::Str => Store::text(),
        ColumnType::U8 => Store::unsigned(u64::from(u8::MAX)),
        ColumnType::U16 => Store::unsigned(u64::from(u16::MAX)),
        ColumnType::U32 => Store::unsigned(u64::from(u32::MAX)),
        ColumnType::U64 => Store::unsigned(u64::MAX),
        ColumnType::I64 | ColumnType::Timestamp => Store::signed(),
    }
}

impl TimelineBuilder {
    /// No rows yet; all of them will be in memory.
    pub fn new() -> Self {
        Self::with(None)
    }

    /// No rows yet; packed texts beyond `spill`'s budget will be in its file. Builders that are joined share one.
    pub fn with_spill(spill: &Arc<Spill>) -> Self {
        Self::with(Some(spill))
    }

    /// Codes and numbers beyond the budget of `spill` will be in its file. Joining packs them anew: what is joined should have another
    /// one, which then goes away with it, or none if it is small.
    #[must_use]
    pub fn numbers_in(mut self, spill: &Arc<Spill>) -> Self {
        self.numbers = Some(Arc::clone(spill));
        self.spill_numbers();
        self
    }

    fn spill_numbers(&mut self) {
        let Some(spill) = &self.numbers else { return };
        self.columns
            .iter_mut()
            .for_each(|column| column.store.spill_to(spill));
    }

    fn with(spill: Option<&Arc<Spill>>) -> Self {
        let columns = COLUMNS.iter().skip(1);
        Self {
            columns: columns
                .map(|c| Filled {
                    store: empty_store(c.name, c.ty, spill),
                    rows: 0,
                })
                .collect(),
            len: 0,
            numbers: None,
        }
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True before the first row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a row of `artifact`; `host` is used where the row itself names no computer.
    // Lent or given: a row is large, and handing it on would copy it.
    pub fn push(&mut self, artifact: &str, host: Option<&str>, row: impl Borrow<Row>) {
        let mut place = 0;
        row.borrow().for_each(|_, value| {
            let value = match (place, value) {
                (ARTIFACT, _) => Value::Str(artifact),
                (HOST, Value::Null) => host.map_or(Value::Null, Value::Str),
                (FIELDS, Value::Str("")) => Value::Str("{}"),
                (_, value) => value,
            };
            self.put(place, value);
            place += 1;
        });
        self.len += 1;
    }

    /// Adds one row given as values in the order of [`COLUMNS`] without `ts`.
    pub fn push_values<'a>(&mut self, values: impl IntoIterator<Item = Value<'a>>) {
        for (place, value) in (1..).zip(values) {
            self.put(place, value);
        }
        self.len += 1;
    }

    /// Takes the value of the row that is being added, by the place of its column among [`COLUMNS`].
    // Inlined, so that an empty cell is passed by where it is looked at.
    #[inline(always)]
    fn put(&mut self, place: usize, value: Value<'_>) {
        if matches!(value, Value::Null | Value::TimeNs(_)) {
            return;
        }
        if let Some(column) = place.checked_sub(1).and_then(|at| self.columns.get_mut(at)) {
            column.push(self.len, value);
        }
    }

    /// Adds the rows of another builder, which worked on other artifacts.
    pub fn append(&mut self, other: Self) {
        if self.len == 0 {
            // Taken as it is; what comes from now on goes where ours does.
            let numbers = self.numbers.take();
            *self = Self { numbers, ..other };
            self.spill_numbers();
            return;
        }
        let (mine, theirs) = (self.len, other.len);
        self.columns
            .par_iter_mut()
            .zip(other.columns)
            .for_each(|(column, mut more)| {
                // Rows without a value at the end of both may wait on.
                if more.rows > 0 {
                    column.fill(mine);
                    more.fill(theirs);
                    column.store.append(more.store);
                    column.rows = mine + theirs;
                }
            });
        self.len += other.len;
    }

    /// Sorts.
    pub fn finish(self) -> Timeline {
        let (stores, len) = self.finished();
        let order = order(&stores, len);
        Timeline::from_stores(stores, order)
    }

    /// Keeps the order of pushing.
    pub(crate) fn finish_sorted(self) -> Timeline {
        let (stores, len) = self.finished();
        Timeline::from_stores(stores, (0..u32::try_from(len).unwrap_or(u32::MAX)).collect())
    }

    /// Whole columns, and the number of rows.
    fn finished(self) -> (Vec<Store>, usize) {
        let finished = |mut column: Filled| {
            column.fill(self.len);
            column.store.finish();
            column.store
        };
        (self.columns.into_par_iter().map(finished).collect(), self.len)
    }
}
