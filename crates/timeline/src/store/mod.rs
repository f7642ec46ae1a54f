//! How columns lie in memory: texts as dictionary codes, numbers in narrow chunks, long texts in compressed blocks.
//!
//! Chunks and blocks may also lie in unnamed temporary files ([`Spill`]), so that a case of any size fits into memory. Row numbers are `u32`: a timeline has at most 4,294,967,295 rows.

mod ints;
mod long;
mod spill;
mod text;

use std::sync::Arc;

use casetrace_model::Value;

pub(crate) use ints::{Gathered, NumStore, Spread};
pub(crate) use long::{LongReader, LongStore};
pub use spill::Spill;
pub(crate) use text::TextStore;

/// Signed numbers are kept in the order of their values.
const SIGN: u64 = 1 << 63;

/// One column.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    Text(TextStore),
    Long(LongStore),
    /// With the largest value the column's type holds.
    Unsigned(NumStore, u64),
    Signed(NumStore),
}

impl Store {
    pub(crate) fn text() -> Self {
        Self::Text(TextStore::default())
    }

    pub(crate) fn long(spill: Option<Arc<Spill>>) -> Self {
        Self::Long(LongStore::with_spill(spill))
    }

    pub(crate) fn unsigned(largest: u64) -> Self {
        Self::Unsigned(NumStore::default(), largest)
    }

    pub(crate) fn signed() -> Self {
        Self::Signed(NumStore::default())
    }

    /// Codes and numbers from now on go to that file, beyond its budget. Long texts have a file of their own.
    pub(crate) fn spill_to(&mut self, spill: &Arc<Spill>) {
        match self {
            Self::Text(store) => store.spill_to(spill),
            Self::Unsigned(store, _) | Self::Signed(store) => store.spill_to(spill),
            Self::Long(_) => {}
        }
    }

    /// Takes a value as rows visit it; a number that does not fit its column becomes null.
    pub(crate) fn push(&mut self, value: Value<'_>) {
        match (self, value) {
            (Self::Text(store), Value::Str(text)) => store.push(Some(text)),
            (Self::Text(store), _) => store.push(None),
            (Self::Long(store), Value::Str(text)) => store.push(text),
            (Self::Long(store), _) => store.push(""),
            (Self::Unsigned(store, largest), Value::U64(v)) => store.push((v <= *largest).then_some(v)),
            (Self::Signed(store), Value::I64(v)) => store.push(Some(v as u64 ^ SIGN)),
            (Self::Unsigned(store, _) | Self::Signed(store), _) => store.push(None),
        }
    }

    /// Takes as many nulls, at a time.
    pub(crate) fn push_nulls(&mut self, count: usize) {
        match self {
            Self::Text(store) => store.push_nulls(count),
            Self::Long(store) => (0..count).for_each(|_| store.push("")),
            Self::Unsigned(store, _) | Self::Signed(store) => store.push_nulls(count),
        }
    }

    /// The value of a row.
    pub(crate) fn value(&self, row: usize) -> Value<'_> {
        match self {
            Self::Text(store) => store.text(store.code(row)).map_or(Value::Null, Value::Str),
            Self::Long(store) => Value::Str(store.text(row)),
            Self::Unsigned(store, _) => store.get(row).map_or(Value::Null, Value::U64),
            Self::Signed(_) => self.signed_at(row).map_or(Value::Null, Value::I64),
        }
    }

    /// The value of a row of an unsigned column.
    pub(crate) fn unsigned_at(&self, row: usize) -> Option<u64> {
        match self {
            Self::Unsigned(store, _) => store.get(row),
            _ => None,
        }
    }

    /// The value of a row of a signed column.
    pub(crate) fn signed_at(&self, row: usize) -> Option<i64> {
        match self {
            Self::Signed(store) => store.get(row).map(Self::signed_of),
            _ => None,
        }
    }

    /// The number that a signed column keeps so.
    pub(crate) fn signed_of(kept: u64) -> i64 {
        (kept ^ SIGN) as i64
    }

    /// Adds the rows of `other`, which is of the same kind.
    pub(crate) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.append(b),
            (Self::Long(a), Self::Long(b)) => a.append(b),
            (Self::Unsigned(a, _), Self::Unsigned(b, _)) | (Self::Signed(a), Self::Signed(b)) => a.append(b),
            _ => debug_assert!(false, "both sides come from the same column table"),
        }
    }

    /// Nothing will be added.
    pub(crate) fn finish(&mut self) {
        match self {
            Self::Text(store) => store.finish(),
            Self::Long(store) => store.finish(),
            Self::Unsigned(store, _) | Self::Signed(store) => store.finish(),
        }
    }

    /// Replaces texts; each different one is asked for once (long ones once a row).
    pub(crate) fn map_text(&self, f: &mut dyn FnMut(&str) -> Option<String>) -> Option<Self> {
        match self {
            Self::Text(store) => store.map(f).map(Self::Text),
            Self::Long(store) => Some(Self::Long(store.map(f))),
            Self::Unsigned(..) | Self::Signed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_fit_are_null_and_signs_are_kept() {
        let mut ports = Store::unsigned(u64::from(u16::MAX));
        ports.push(Value::U64(443));
        ports.push(Value::U64(70_000));
        assert_eq!(ports.value(0), Value::U64(443));
        assert_eq!(ports.value(1), Value::Null);
        let mut times = Store::signed();
        for v in [-5, 0, i64::MAX, i64::MIN] {
            times.push(Value::I64(v));
        }
        assert_eq!(times.value(0), Value::I64(-5));
        assert_eq!(times.value(2), Value::I64(i64::MAX));
        assert_eq!(times.value(3), Value::I64(i64::MIN));
    }
}
