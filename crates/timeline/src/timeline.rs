//! The finished timeline: cells, rows by number, and derived timelines.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use casetrace_model::{COLUMNS, Row, Source, Text, Value};
use polars::prelude::PlHashMap;

use crate::error::{TimelineError, nearest};
use crate::store::{Gathered, LongReader, Store};

/// Kind of the row that stands for a text nobody reads.
const UNKNOWN_TEXT: &str = "text.unknown";

/// A column by its place in [`COLUMNS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(usize);

impl ColumnId {
    /// The column of that name.
    pub fn of(name: &str) -> Option<Self> {
        // Asked for row by row in places.
        static PLACES: LazyLock<PlHashMap<&'static str, usize>> = LazyLock::new(|| {
            let names = COLUMNS.iter().enumerate();
            names.map(|(place, column)| (column.name, place)).collect()
        });
        PLACES.get(name).copied().map(Self)
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
    /// Where each row lies in the stores.
    order: Arc<Vec<u32>>,
}

impl Timeline {
    pub(crate) fn from_stores(stores: Vec<Store>, order: Vec<u32>) -> Self {
        Self {
            stores: stores.into_iter().map(Arc::new).collect(),
            order: Arc::new(order),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(crate) fn store(&self, column: ColumnId) -> Option<&Store> {
        self.stores.get(column.store()?).map(Arc::as_ref)
    }

    /// Where a row lies in the stores; behind all of them for a row that is not there.
    pub(crate) fn place(&self, row: u32) -> usize {
        self.order
            .get(row as usize)
            .map_or(usize::MAX, |place| *place as usize)
    }

    /// Where neighbouring rows lie in the stores.
    pub(crate) fn places_of(&self, rows: Range<u32>) -> &[u32] {
        self.order
            .get(rows.start as usize..rows.end as usize)
            .unwrap_or_default()
    }

    /// Where rows lie in the stores.
    pub(crate) fn places(&self, rows: &[u32]) -> Vec<u32> {
        let place = |row: &u32| self.order.get(*row as usize).copied().unwrap_or(u32::MAX);
        rows.iter().map(place).collect()
    }

    /// [`Self::code`] of rows given by their places.
    pub(crate) fn codes_at(&self, column: ColumnId, places: &[u32]) -> Gathered<u64> {
        match self.store(column) {
            Some(Store::Text(store)) => store.codes(places),
            _ => Gathered::Same(0),
        }
    }

    /// [`Self::number`] of rows given by their places.
    pub(crate) fn numbers_at(&self, column: ColumnId, places: &[u32]) -> Gathered<Option<u64>> {
        match self.store(column) {
            Some(Store::Unsigned(store, _)) => store.of(places),
            _ => Gathered::Same(None),
        }
    }

    /// One cell; `Null` outside the table.
    ///
    /// A cell of `message` or `fields` unpacks the hundreds of rows around it and keeps them; to go through many rows, use
    /// [`long_reader`](Self::long_reader).
    pub fn value(&self, column: ColumnId, row: u32) -> Value<'_> {
        if row as usize >= self.len() {
            return Value::Null;
        }
        match self.store(column) {
            Some(store) => store.value(self.place(row)),
            None => self.ts_ns(row).map_or(Value::Null, Value::TimeNs),
        }
    }

    /// Reads `message` or `fields` of many rows in bounded memory; `None` for other columns.
    pub fn long_reader(&self, column: ColumnId) -> Option<LongCells<'_>> {
        match self.store(column)? {
            Store::Long(store) => Some(LongCells {
                timeline: self,
                reader: LongReader::new(store),
            }),
            _ => None,
        }
    }

    /// Rows as decoders made them, one after the other in bounded memory.
    pub fn rows(&self, rows: Range<u32>) -> impl Iterator<Item = Row> + '_ {
        let columns: Vec<ColumnId> = ColumnId::all().skip(1).collect();
        let mut long: Vec<_> = columns.iter().map(|c| self.long_reader(*c)).collect();
        let end = rows.end.min(u32::try_from(self.len()).unwrap_or(u32::MAX));
        (rows.start..end).map(move |number| {
            let mut row = Row::new(Source::Text, "", 0);
            for (column, reader) in columns.iter().zip(&mut long) {
                match reader {
                    Some(reader) => row.set(column.name(), Value::Str(reader.text(number))),
                    None => row.set(column.name(), self.value(*column, number)),
                }
            }
            row
        })
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
        self.stores.first()?.signed_at(self.place(row))
    }

    /// The dictionary code of a text cell: 0 for null, equal for equal texts of one column. Long columns have none.
    pub fn code(&self, column: ColumnId, row: u32) -> Option<u32> {
        match self.store(column) {
            Some(Store::Text(store)) => Some(store.code(self.place(row))),
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

    /// True if a row says something: is more than the note that a text has no known form.
    pub fn has_facts(&self) -> bool {
        let kinds = ColumnId::of("kind").map_or(&[] as &[Text], |kind| self.distinct(kind));
        kinds.iter().any(|kind| kind.as_str() != UNKNOWN_TEXT)
    }

    /// First and last time.
    pub fn span(&self) -> Option<(i64, i64)> {
        let first = self.ts_ns(0)?;
        // Rows without time are at the end.
        let timed = partition_point(self.len(), |row| self.ts_ns(row).is_some());
        Some((first, self.ts_ns(timed.checked_sub(1)?)?))
    }

    /// Rows with a time at or after `ts_ns` begin here.
    pub fn lower_bound(&self, ts_ns: i64) -> u32 {
        partition_point(self.len(), |row| self.ts_ns(row).is_some_and(|t| t < ts_ns))
    }

    /// A timeline of the given rows in the given order. Rows that are not there are left out.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Self {
        let order = rows
            .iter()
            .filter_map(|row| self.order.get(*row as usize).copied());
        Self {
            stores: self.stores.clone(),
            order: Arc::new(order.collect()),
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
            order: Arc::clone(&self.order),
        }
    }
}

/// Cells of one long column, read one after the other.
#[derive(Debug)]
pub struct LongCells<'a> {
    timeline: &'a Timeline,
    reader: LongReader<'a>,
}

impl LongCells<'_> {
    /// The text of a row; empty for a row that is not there.
    pub fn text(&mut self, row: u32) -> &str {
        self.reader.text(self.timeline.place(row))
    }
}

/// Texts of many rows in bounded memory: unlike [`Timeline::text`], it forgets blocks of `message` and `fields` again.
#[derive(Debug)]
pub struct Cells<'a> {
    timeline: &'a Timeline,
    long: Vec<(ColumnId, LongCells<'a>)>,
}

impl<'a> Cells<'a> {
    /// Nothing is unpacked yet.
    pub fn new(timeline: &'a Timeline) -> Self {
        let long = ColumnId::all().filter_map(|column| Some((column, timeline.long_reader(column)?)));
        Self {
            timeline,
            long: long.collect(),
        }
    }

    /// The timeline they are of.
    pub fn timeline(&self) -> &'a Timeline {
        self.timeline
    }

    /// One cell of a text column.
    pub fn text(&mut self, column: ColumnId, row: u32) -> Option<&str> {
        match self.long.iter_mut().find(|(long, _)| *long == column) {
            Some((_, cells)) => ((row as usize) < self.timeline.len()).then(|| cells.text(row)),
            None => self.timeline.text(column, row),
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
