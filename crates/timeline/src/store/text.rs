//! A text column: different texts once, rows as codes.

use std::sync::{Arc, OnceLock};

use casetrace_model::Text;
use memchr::arch::all::is_equal;
use polars::prelude::{NewChunkedArray, PlHashMap, PlSmallStr, StringChunked};

use super::Spill;
use super::ints::{Gathered, Ints, Spread};

/// Codes are places in the dictionary plus one; 0 is null.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextStore {
    dict: Arc<Vec<Text>>,
    index: PlHashMap<Text, u32>,
    last: u32,
    codes: Ints,
    /// The dictionary as a polars column, made when first needed.
    series: Arc<OnceLock<StringChunked>>,
}

impl TextStore {
    fn code_of(&mut self, text: &str) -> u32 {
        // Neighbouring rows usually say the same.
        let last = self.text(self.last).map(str::as_bytes);
        // Faster than the comparison of some C libraries, which goes byte by byte.
        if last.is_some_and(|last| is_equal(last, text.as_bytes())) {
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

    pub(super) fn spill_to(&mut self, spill: &Arc<Spill>) {
        self.codes.spill_to(spill);
    }

    pub(crate) fn push(&mut self, text: Option<&str>) {
        let code = text.map_or(0, |text| self.code_of(text));
        self.codes.push(u64::from(code));
    }

    /// Adds nulls.
    pub(super) fn push_nulls(&mut self, count: usize) {
        self.codes.push_run(0, count);
    }

    pub(super) fn append(&mut self, other: Self) {
        let mapped: Vec<u32> = other.dict.iter().map(|text| self.code_of(text)).collect();
        self.codes.append(other.codes, |code| {
            let place = usize::try_from(code).ok().and_then(|code| code.checked_sub(1));
            place
                .and_then(|place| mapped.get(place))
                .copied()
                .map_or(0, u64::from)
        });
    }

    /// The text of a code; `None` for 0.
    pub(crate) fn text(&self, code: u32) -> Option<&str> {
        self.dict.get((code as usize).checked_sub(1)?).map(Text::as_str)
    }

    pub(crate) fn code(&self, row: usize) -> u32 {
        self.codes
            .get(row)
            .and_then(|code| u32::try_from(code).ok())
            .unwrap_or(0)
    }

    /// The code of each of these rows, or the one of all.
    pub(crate) fn codes(&self, rows: &[u32]) -> Gathered<u64> {
        self.codes.of(rows)
    }

    /// The same for rows whose chunks are known.
    pub(crate) fn spread(&self, spread: &Spread) -> Gathered<u64> {
        self.codes.spread(spread)
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

    /// The same rows with other texts; `None` if nothing changes.
    pub(super) fn map(&self, f: &mut dyn FnMut(&str) -> Option<String>) -> Option<Self> {
        let mapped: Vec<Option<String>> = self.dict.iter().map(|text| f(text)).collect();
        if mapped.iter().all(Option::is_none) {
            return None;
        }
        let dict = self.dict.iter().zip(mapped);
        let dict = dict
            .map(|(old, new)| new.map_or(old.clone(), Text::from))
            .collect();
        Some(Self {
            dict: Arc::new(dict),
            codes: self.codes.clone(),
            ..Self::default()
        })
    }

    /// Nothing will be added: the index is not needed any more.
    pub(super) fn finish(&mut self) {
        self.index = PlHashMap::default();
        self.codes.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_their_texts_over_chunks_and_appends() {
        let (mut a, mut b) = (TextStore::default(), TextStore::default());
        a.push(None);
        for i in 0..20_000 {
            a.push(Some(&i.to_string()));
        }
        b.push(Some("7"));
        b.push(None);
        b.push(Some("new"));
        a.append(b);
        a.finish();
        let text = |row| a.text(a.code(row));
        assert_eq!(text(0), None);
        assert_eq!(text(8), Some("7"));
        assert_eq!(text(20_000), Some("19999"));
        assert_eq!(a.code(8), a.code(20_001));
        assert_eq!(text(20_002), None);
        assert_eq!(text(20_003), Some("new"));
    }
}
