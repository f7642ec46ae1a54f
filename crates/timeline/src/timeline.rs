//! The finished timeline: cells, rows by number, and derived timelines.

use std::sync::Arc;

use casetrace_model::{COLUMNS, Text, Value};
use rayon::prelude::*;

use crate::error::{TimelineError, nearest};
use crate::store::Store;

/// A column by its place in [`COLUMNS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(usize);

impl ColumnId {
    /// The column of that name.
    pub fn of(name: &str) -> Option<Self> {
        COLUMNS.iter().position(|c| c.name == name).map(Self)
    }

    /// All columns in output order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..COLUMNS.len()).map(Self)
    }

    /// Columns by user-given names, in their order; none given means all.
    pub fn resolve(names: &[String]) -> Result<Vec<Self>, TimelineError> {
        if names.is_empty() {
            return Ok(Self::all().collect());
        }
        let find = |name: &String| {
            let name = name.trim();
            Self::of(&name.to_ascii_lowercase()).ok_or_else(|| TimelineError::UnknownColumn {
                name: name.to_owned(),
                suggestion: nearest(name, COLUMNS.iter().map(|c| c.name)),
            })
        };
        names.iter().map(find).collect()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        COLUMNS.get(self.0).map_or("", |c| c.name)
    }

    /// Where its store is; `ts` has none.
    pub(crate) fn store(self) -> Option<usize> {
        self.0.checked_sub(1)
    }
}

/// Sorted rows of a case. Cloning is cheap.
///
/// Shape: rows are numbered from 0 in time order; the columns are those of [`COLUMNS`].
#[derive(Debug, Clone)]
pub struct Timeline {
    stores: Vec<Arc<Store>>,
    len: usize,
}

impl Timeline {
    pub(crate) fn from_stores(stores: Vec<Store>, len: usize) -> Self {
        Self {
            stores: stores.into_iter().map(Arc::new).collect(),
            len,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn store(&self, column: ColumnId) -> Option<&Store> {
        self.stores.get(column.store()?).map(Arc::as_ref)
    }

    /// One cell; `Null` outside the table.
    pub fn value(&self, column: ColumnId, row: u32) -> Value<'_> {
        match self.store(column) {
            Some(store) => store.value(row as usize),
            None => self.ts_ns(row).map_or(Value::Null, Value::TimeNs),
        }
    }

    /// One cell of a text column.
    pub fn text(&self, column: ColumnId, row: u32) -> Option<&str> {
        match self.value(column, row) {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// One cell of an unsigned number column.
    pub fn number(&self, column: ColumnId, row: u32) -> Option<u64> {
        match self.value(column, row) {
            Value::U64(number) => Some(number),
            _ => None,
        }
    }

    /// The exact time of a row in nanoseconds since 1970.
    pub fn ts_ns(&self, row: u32) -> Option<i64> {
        // `ts_ns` is the first stored column.
        match self.stores.first().map(Arc::as_ref) {
            Some(Store::I64(store)) => store.get(row as usize),
            _ => None,
        }
    }

    /// The dictionary code of a text cell: 0 for null, equal for equal texts of one column. Long columns have none.
    pub fn code(&self, column: ColumnId, row: u32) -> Option<u32> {
        match self.store(column) {
            Some(Store::Text(store)) => Some(store.code(row as usize)),
            _ => None,
        }
    }

    /// The different values of a text column in no useful order (code 1 first).
    pub fn distinct(&self, column: ColumnId) -> &[Text] {
        match self.store(column) {
            Some(Store::Text(store)) => store.dict(),
            _ => &[],
        }
    }

    /// First and last time.
    pub fn span(&self) -> Option<(i64, i64)> {
        let first = self.ts_ns(0)?;
        // Rows without time are at the end.
        let timed = partition_point(self.len, |row| self.ts_ns(row).is_some());
        Some((first, self.ts_ns(timed.checked_sub(1)?)?))
    }

    /// Rows with a time at or after `ts_ns` begin here.
    pub fn lower_bound(&self, ts_ns: i64) -> u32 {
        partition_point(self.len, |row| self.ts_ns(row).is_some_and(|t| t < ts_ns))
    }

    /// A timeline of the given rows in the given order.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Self {
        let stores = self
            .stores
            .par_iter()
            .map(|store| Arc::new((**store).clone().gather(rows)))
            .collect();
        Self {
            stores,
            len: rows.len(),
        }
    }

    /// Replaces texts (for redaction): `f` gets the column's name and a text and returns the new one, or `None` to
    /// keep it. Repeated texts of dictionary columns are asked for once.
    #[must_use]
    pub fn map_text(&self, mut f: impl FnMut(&'static str, &str) -> Option<String>) -> Self {
        let columns = ColumnId::all().skip(1);
        let stores = self.stores.iter().zip(columns).map(|(store, column)| {
            match store.map_text(&mut |text| f(column.name(), text)) {
                Some(mapped) => Arc::new(mapped),
                None => Arc::clone(store),
            }
        });
        Self {
            stores: stores.collect(),
            len: self.len,
        }
    }
}

fn partition_point(len: usize, before: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, len as u32);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
