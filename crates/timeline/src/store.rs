//! How columns lie in memory: texts as dictionary codes, numbers as plain vectors, long texts in pages.
//!
//! A column that was never filled costs nothing; one with up to 255 different texts costs one byte a row.
//! Row numbers are `u32`: a timeline has at most 4,294,967,295 rows.

use std::sync::{Arc, OnceLock};

use casetrace_model::{Text, Value};
use polars::prelude::{NewChunkedArray, PlHashMap, PlSmallStr, StringChunked};

/// Bytes of one page of long texts.
const PAGE_BYTES: usize = 8 << 20;

/// Dictionary codes of a text column, as narrow as its dictionary allows; 0 is null.
#[derive(Debug, Clone)]
pub(crate) enum Codes {
    Empty(usize),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
}

impl Codes {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Empty(len) => *len,
            Self::U8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::U32(v) => v.len(),
        }
    }

    pub(crate) fn get(&self, row: usize) -> u32 {
        match self {
            Self::Empty(_) => 0,
            Self::U8(v) => v.get(row).copied().map_or(0, u32::from),
            Self::U16(v) => v.get(row).copied().map_or(0, u32::from),
            Self::U32(v) => v.get(row).copied().unwrap_or(0),
        }
    }

    pub(crate) fn push(&mut self, code: u32) {
        match self {
            Self::Empty(len) if code == 0 => *len += 1,
            Self::U8(v) if code <= u32::from(u8::MAX) => v.push(code as u8),
            Self::U16(v) if code <= u32::from(u16::MAX) => v.push(code as u16),
            Self::U32(v) => v.push(code),
            _ => {
                self.widen(code);
                self.push(code);
            }
        }
    }

    /// Makes room for `code`, which does not fit yet.
    fn widen(&mut self, code: u32) {
        let rows = 0..self.len();
        *self = match code {
            0..=0xff => Self::U8(rows.map(|r| self.get(r) as u8).collect()),
            0x100..=0xffff => Self::U16(rows.map(|r| self.get(r) as u16).collect()),
            _ => Self::U32(rows.map(|r| self.get(r)).collect()),
        };
    }

    fn gather(&self, rows: &[u32]) -> Self {
        match self {
            Self::Empty(_) => Self::Empty(rows.len()),
            Self::U8(v) => Self::U8(gather(v, rows)),
            Self::U16(v) => Self::U16(gather(v, rows)),
            Self::U32(v) => Self::U32(gather(v, rows)),
        }
    }
}

fn gather<T: Copy + Default>(values: &[T], rows: &[u32]) -> Vec<T> {
    rows.iter()
        .map(|&r| values.get(r as usize).copied().unwrap_or_default())
        .collect()
}

/// A text column: different texts once, rows as codes.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextStore {
    dict: Arc<Vec<Text>>,
    index: PlHashMap<Text, u32>,
    last: u32,
    codes: Codes,
    /// The dictionary as a polars column, made when first needed.
    series: Arc<OnceLock<StringChunked>>,
}

impl Default for Codes {
    fn default() -> Self {
        Self::Empty(0)
    }
}

impl TextStore {
    fn code_of(&mut self, text: &str) -> u32 {
        // Neighbouring rows usually say the same.
        if self.text(self.last) == Some(text) {
            return self.last;
        }
        self.last = match self.index.get(text) {
            Some(code) => *code,
            None => {
                let dict = Arc::make_mut(&mut self.dict);
                let text = Text::from(text);
                dict.push(text.clone());
                let code = u32::try_from(dict.len()).unwrap_or(u32::MAX);
                self.index.insert(text, code);
                code
            }
        };
        self.last
    }

    pub(crate) fn push(&mut self, text: Option<&str>) {
        let code = text.map_or(0, |text| self.code_of(text));
        self.codes.push(code);
    }

    fn append(&mut self, other: &Self) {
        let mapped: Vec<u32> = other.dict.iter().map(|text| self.code_of(text)).collect();
        for row in 0..other.codes.len() {
            let code = other.codes.get(row);
            let code = (code as usize)
                .checked_sub(1)
                .and_then(|i| mapped.get(i))
                .copied()
                .unwrap_or(0);
            self.codes.push(code);
        }
    }

    /// The text of a code; `None` for 0.
    pub(crate) fn text(&self, code: u32) -> Option<&str> {
        self.dict.get((code as usize).checked_sub(1)?).map(Text::as_str)
    }

    pub(crate) fn code(&self, row: usize) -> u32 {
        self.codes.get(row)
    }

    pub(crate) fn dict(&self) -> &[Text] {
        &self.dict
    }

    /// The dictionary as a polars column; rows are taken from it by code − 1, so that all frames share its bytes.
    pub(crate) fn series(&self) -> &StringChunked {
        self.series.get_or_init(|| {
            StringChunked::from_iter_values(PlSmallStr::EMPTY, self.dict.iter().map(Text::as_str))
        })
    }

    fn gather(&self, rows: &[u32]) -> Self {
        Self {
            dict: Arc::clone(&self.dict),
            index: PlHashMap::default(),
            last: 0,
            codes: self.codes.gather(rows),
            series: Arc::clone(&self.series),
        }
    }
}

/// Place of one long text.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    page: u32,
    start: u32,
    len: u32,
}

/// A column of mostly different texts (`message`, `fields`), kept back to back in pages.
#[derive(Debug, Clone, Default)]
pub(crate) struct LongStore {
    pages: Vec<Arc<String>>,
    open: String,
    spans: Vec<Span>,
}

impl LongStore {
    pub(crate) fn push(&mut self, text: &str) {
        if !self.open.is_empty() && self.open.len() + text.len() > PAGE_BYTES {
            self.close();
        }
        self.spans.push(Span {
            page: self.pages.len() as u32,
            start: self.open.len() as u32,
            // Decoders cap values at kilobytes; a longer text could not have been pushed whole anyway.
            len: u32::try_from(text.len()).unwrap_or(0),
        });
        self.open.push_str(text);
    }

    fn close(&mut self) {
        let mut page = std::mem::take(&mut self.open);
        page.shrink_to_fit();
        self.pages.push(Arc::new(page));
    }

    pub(crate) fn text(&self, row: usize) -> &str {
        let Some(span) = self.spans.get(row) else {
            return "";
        };
        let page = self
            .pages
            .get(span.page as usize)
            .map_or(self.open.as_str(), |page| page.as_str());
        page.get(span.start as usize..span.start as usize + span.len as usize)
            .unwrap_or("")
    }

    fn append(&mut self, mut other: Self) {
        other.close();
        if !self.open.is_empty() {
            self.close();
        }
        let first = self.pages.len() as u32;
        self.spans.extend(other.spans.iter().map(|s| Span {
            page: s.page + first,
            ..*s
        }));
        self.pages.append(&mut other.pages);
    }

    fn gather(&mut self, rows: &[u32]) -> Self {
        if !self.open.is_empty() {
            self.close();
        }
        Self {
            pages: self.pages.clone(),
            open: String::new(),
            spans: gather(&self.spans, rows),
        }
    }
}

/// A number column; allocates with its first value.
#[derive(Debug, Clone, Default)]
pub(crate) struct NumStore<T> {
    values: Vec<T>,
    /// One bit a row; empty means all null.
    valid: Vec<u64>,
    len: usize,
}

impl<T: Copy + Default> NumStore<T> {
    pub(crate) fn push(&mut self, value: Option<T>) {
        let row = self.len;
        self.len += 1;
        if value.is_none() && self.values.is_empty() {
            return;
        }
        self.values.resize(row, T::default());
        self.values.push(value.unwrap_or_default());
        self.valid.resize(row / 64 + 1, 0);
        if let (Some(_), Some(word)) = (value, self.valid.last_mut()) {
            *word |= 1 << (row % 64);
        }
    }

    pub(crate) fn get(&self, row: usize) -> Option<T> {
        let word = self.valid.get(row / 64)?;
        (word >> (row % 64) & 1 == 1)
            .then(|| self.values.get(row).copied())
            .flatten()
    }

    fn append(&mut self, other: &Self) {
        for row in 0..other.len {
            self.push(other.get(row));
        }
    }

    fn gather(&self, rows: &[u32]) -> Self {
        let mut out = Self::default();
        if self.values.is_empty() {
            out.len = rows.len();
        } else {
            rows.iter().for_each(|&r| out.push(self.get(r as usize)));
        }
        out
    }
}

/// One column.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    Text(TextStore),
    Long(LongStore),
    U8(NumStore<u8>),
    U16(NumStore<u16>),
    U32(NumStore<u32>),
    U64(NumStore<u64>),
    I64(NumStore<i64>),
}

impl Store {
    /// Takes a value as rows visit it; a number that does not fit its column becomes null.
    pub(crate) fn push(&mut self, value: Value<'_>) {
        let unsigned = match value {
            Value::U64(v) => Some(v),
            _ => None,
        };
        match self {
            Self::Text(s) => s.push(if let Value::Str(text) = value {
                Some(text)
            } else {
                None
            }),
            Self::Long(s) => s.push(if let Value::Str(text) = value { text } else { "" }),
            Self::U8(s) => s.push(unsigned.and_then(|v| v.try_into().ok())),
            Self::U16(s) => s.push(unsigned.and_then(|v| v.try_into().ok())),
            Self::U32(s) => s.push(unsigned.and_then(|v| v.try_into().ok())),
            Self::U64(s) => s.push(unsigned),
            Self::I64(s) => s.push(match value {
                Value::I64(v) => Some(v),
                _ => None,
            }),
        }
    }

    /// The value of a row.
    pub(crate) fn value(&self, row: usize) -> Value<'_> {
        let number = |v: Option<u64>| v.map_or(Value::Null, Value::U64);
        match self {
            Self::Text(s) => s.text(s.code(row)).map_or(Value::Null, Value::Str),
            Self::Long(s) => Value::Str(s.text(row)),
            Self::U8(s) => number(s.get(row).map(u64::from)),
            Self::U16(s) => number(s.get(row).map(u64::from)),
            Self::U32(s) => number(s.get(row).map(u64::from)),
            Self::U64(s) => number(s.get(row)),
            Self::I64(s) => s.get(row).map_or(Value::Null, Value::I64),
        }
    }

    /// Adds the rows of `other`, which is of the same kind.
    pub(crate) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.append(&b),
            (Self::Long(a), Self::Long(b)) => a.append(b),
            (Self::U8(a), Self::U8(b)) => a.append(&b),
            (Self::U16(a), Self::U16(b)) => a.append(&b),
            (Self::U32(a), Self::U32(b)) => a.append(&b),
            (Self::U64(a), Self::U64(b)) => a.append(&b),
            (Self::I64(a), Self::I64(b)) => a.append(&b),
            _ => debug_assert!(false, "both sides come from the same column table"),
        }
    }

    /// The given rows in the given order; dictionaries and pages are shared.
    pub(crate) fn gather(&mut self, rows: &[u32]) -> Self {
        match self {
            Self::Text(s) => Self::Text(s.gather(rows)),
            Self::Long(s) => Self::Long(s.gather(rows)),
            Self::U8(s) => Self::U8(s.gather(rows)),
            Self::U16(s) => Self::U16(s.gather(rows)),
            Self::U32(s) => Self::U32(s.gather(rows)),
            Self::U64(s) => Self::U64(s.gather(rows)),
            Self::I64(s) => Self::I64(s.gather(rows)),
        }
    }

    /// Replaces texts; each different one is asked for once (long ones once a row).
    pub(crate) fn map_text(&self, f: &mut dyn FnMut(&str) -> Option<String>) -> Option<Self> {
        match self {
            Self::Text(s) => {
                let mapped: Vec<Option<String>> = s.dict.iter().map(|text| f(text)).collect();
                if mapped.iter().all(Option::is_none) {
                    return None;
                }
                let dict = s
                    .dict
                    .iter()
                    .zip(mapped)
                    .map(|(old, new)| new.map_or(old.clone(), Text::from));
                let (dict, codes) = (Arc::new(dict.collect()), s.codes.clone());
                Some(Self::Text(TextStore {
                    dict,
                    codes,
                    ..TextStore::default()
                }))
            }
            Self::Long(s) => {
                let mut out = LongStore::default();
                for row in 0..s.spans.len() {
                    let old = s.text(row);
                    match f(old) {
                        Some(new) => out.push(&new),
                        None => out.push(old),
                    }
                }
                Some(Self::Long(out))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn codes_widen_and_keep_their_values() {
        let mut store = TextStore::default();
        store.push(None);
        for i in 0..70_000 {
            store.push(Some(&i.to_string()));
        }
        store.push(Some("7"));
        assert!(matches!(store.codes, Codes::U32(_)));
        assert_eq!(store.text(store.code(0)), None);
        assert_eq!(store.text(store.code(8)), Some("7"));
        assert_eq!(store.text(store.code(69_999)), Some("69998"));
        assert_eq!(store.code(8), store.code(70_001));
    }

    #[test]
    fn numbers_know_null_from_zero() {
        let mut store = NumStore::<u16>::default();
        for row in 0..200_u16 {
            store.push((row > 70 && row % 3 == 0).then_some(row - row));
        }
        assert_eq!(store.get(69), None);
        assert_eq!(store.get(72), Some(0));
        assert_eq!(store.get(73), None);
        assert_eq!(store.get(500), None);
        assert_eq!(store.gather(&[72, 0]).get(0).unwrap(), 0);
    }

    #[test]
    fn long_texts_survive_page_ends_and_appends() {
        let big = "x".repeat(PAGE_BYTES - 10);
        let mut a = LongStore::default();
        a.push(&big);
        a.push("é, the end");
        let mut b = LongStore::default();
        b.push("b");
        b.push("");
        a.append(b);
        let c = a.gather(&[3, 2, 1]);
        assert_eq!([c.text(0), c.text(1), c.text(2)], ["", "b", "é, the end"]);
    }
}
