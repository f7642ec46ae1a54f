//! Collects rows and sorts them.
//!
//! Order: time (rows without one last), artifact, record, then the order in which the artifact's decoder emitted them. One
//! artifact goes into one builder, so the result does not depend on how many builders worked side by side.

use std::sync::Arc;

use casetrace_model::{COLUMNS, ColumnType, Row, Value};
use rayon::prelude::*;

use crate::store::{Spill, Store, TextStore};
use crate::timeline::{ColumnId, Timeline};

/// Takes rows in any order; [`finish`](Self::finish) sorts them.
#[derive(Debug)]
pub struct TimelineBuilder {
    /// One for each of [`COLUMNS`] but `ts`, which is computed from `ts_ns`.
    stores: Vec<Store>,
    len: usize,
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

    fn with(spill: Option<&Arc<Spill>>) -> Self {
        let columns = COLUMNS.iter().skip(1);
        Self {
            stores: columns.map(|c| empty_store(c.name, c.ty, spill)).collect(),
            len: 0,
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
    pub fn push(&mut self, artifact: &str, host: Option<&str>, row: Row) {
        let mut stores = self.stores.iter_mut();
        row.for_each(|name, value| match name {
            "ts" => {}
            _ => {
                let Some(store) = stores.next() else { return };
                store.push(match (name, value) {
                    ("artifact", _) => Value::Str(artifact),
                    ("host", Value::Null) => host.map_or(Value::Null, Value::Str),
                    ("fields", Value::Str("")) => Value::Str("{}"),
                    (_, value) => value,
                });
            }
        });
        self.len += 1;
    }

    /// Adds one row given as values in the order of [`COLUMNS`] without `ts`.
    pub fn push_values<'a>(&mut self, values: impl IntoIterator<Item = Value<'a>>) {
        for (store, value) in self.stores.iter_mut().zip(values) {
            store.push(value);
        }
        self.len += 1;
    }

    /// Adds the rows of another builder, which worked on other artifacts.
    pub fn append(&mut self, other: Self) {
        if self.len == 0 {
            *self = other;
            return;
        }
        self.stores
            .par_iter_mut()
            .zip(other.stores)
            .for_each(|(mine, theirs)| mine.append(theirs));
        self.len += other.len;
    }

    /// Sorts.
    pub fn finish(self) -> Timeline {
        let order = self.order();
        Timeline::from_stores(self.finished(), order)
    }

    /// Keeps the order of pushing.
    pub(crate) fn finish_sorted(self) -> Timeline {
        let order = (0..u32::try_from(self.len).unwrap_or(u32::MAX)).collect();
        Timeline::from_stores(self.finished(), order)
    }

    fn finished(mut self) -> Vec<Store> {
        self.stores.par_iter_mut().for_each(Store::finish);
        self.stores
    }

    /// Rows in the order of the timeline. Nothing is moved: rows of one member stay together, where they pack well.
    fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..u32::try_from(self.len).unwrap_or(u32::MAX)).collect();
        let (Some(ts), Some(Store::Text(artifact)), Some(record)) =
            (self.store("ts_ns"), self.store("artifact"), self.store("record"))
        else {
            return order;
        };
        let rank = ranks(artifact);
        // Times decide nearly always, so they are unpacked; the rest is looked up when they agree.
        let times: Vec<Option<i64>> = (0..self.len).map(|row| ts.signed_at(row)).collect();
        let time = |row: u32| {
            let ts = times.get(row as usize).copied().flatten();
            (ts.is_none(), ts)
        };
        let rest = |row: u32| {
            let row = row as usize;
            let artifact = rank.get(artifact.code(row) as usize).copied().unwrap_or(0);
            (artifact, record.unsigned_at(row))
        };
        // Stable: rows that agree in everything keep their decoder's order.
        order.par_sort_by(|a, b| time(*a).cmp(&time(*b)).then_with(|| rest(*a).cmp(&rest(*b))));
        order
    }

    fn store(&self, name: &str) -> Option<&Store> {
        self.stores.get(ColumnId::of(name)?.store()?)
    }
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
