//! A text column of one row group: its different texts once, and rows as places among them.
//!
//! The timeline's columns have dictionaries of their own, so no text is hashed or compared for most columns; only `message` and
//! `fields` are looked at row by row.

use std::hash::BuildHasher;

use memchr::arch::all::is_equal;
use polars::prelude::{PlFixedStateQuality, PlHashMap};
use polars_arrow::bitmap::Bitmap;
use polars_parquet::parquet::encoding::Encoding;
use polars_parquet::parquet::schema::types::PrimitiveType;
use polars_parquet::parquet::statistics::ParquetStatistics;

use super::pages::{Packer, Pages, Present, begin, keys};
use crate::error::TimelineError;
use crate::store::Gathered;

/// More different text than this is written row by row, so that a reader needs not hold it all to read some.
const MAX_DICTIONARY: usize = if cfg!(test) { 64 << 10 } else { 16 << 20 };
/// Bytes of a page of texts that stand row by row.
const PAGE_BYTES: usize = 1 << 20;
/// Longer texts are no bounds that help a reader to pass a row group by.
const MAX_BOUND: usize = 64;

/// Texts of a row group. Kept from one to the next for its memory.
#[derive(Default)]
pub(super) struct Texts {
    /// The different texts as Parquet has them: length in four bytes, then the text.
    plain: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// The places of rows that have a text.
    keys: Vec<u32>,
    /// By number in the column's own dictionary: the place plus one here.
    places: Vec<u32>,
    /// The numbers that have a place.
    placed: Vec<u32>,
    /// By hash: the place of a text that has it.
    hashes: PlHashMap<u64, u32>,
    page: Vec<u8>,
}

impl Texts {
    fn clear(&mut self) {
        for number in self.placed.drain(..) {
            if let Some(place) = self.places.get_mut(number as usize) {
                *place = 0;
            }
        }
        self.plain.clear();
        self.ends.clear();
        self.keys.clear();
        self.hashes.clear();
    }

    fn add(&mut self, text: &str) -> u32 {
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.plain.extend_from_slice(&len.to_le_bytes());
        self.plain.extend_from_slice(text.as_bytes());
        self.ends.push(self.plain.len());
        self.ends.len() as u32 - 1
    }

    /// A text with its length in front.
    fn entry(&self, place: u32) -> &[u8] {
        let end = |at: usize| self.ends.get(at).copied().unwrap_or(0);
        let start = (place as usize).checked_sub(1).map_or(0, end);
        self.plain.get(start..end(place as usize)).unwrap_or_default()
    }

    fn text(&self, place: u32) -> &[u8] {
        self.entry(place).get(4..).unwrap_or_default()
    }

    /// The pages of rows given by their numbers in a dictionary, 0 for those without a text.
    pub(super) fn of_codes<'t>(
        &mut self,
        codes: &Gathered<u64>,
        rows: usize,
        text: impl Fn(u32) -> Option<&'t str>,
        of: &PrimitiveType,
        packer: &mut Packer,
    ) -> Result<Pages, TimelineError> {
        self.clear();
        match codes {
            Gathered::Same(0) => self.coded(Present::None, rows, rows, of, packer),
            Gathered::Same(code) => {
                self.add(text(*code as u32).unwrap_or_default());
                self.keys.resize(rows, 0);
                self.coded(Present::All, rows, 0, of, packer)
            }
            Gathered::Each(codes) => {
                for code in codes.iter().filter(|code| **code != 0) {
                    let key = self.place(*code as u32, &text);
                    self.keys.push(key);
                }
                let nulls = rows - self.keys.len();
                if nulls == 0 || nulls == rows {
                    let present = if nulls == 0 { Present::All } else { Present::None };
                    return self.coded(present, rows, nulls, of, packer);
                }
                let present: Bitmap = codes.iter().map(|code| *code != 0).collect();
                self.coded(Present::Some(&present), rows, nulls, of, packer)
            }
        }
    }

    /// The place of a number of the column's dictionary.
    fn place<'t>(&mut self, code: u32, text: &impl Fn(u32) -> Option<&'t str>) -> u32 {
        if self.places.len() <= code as usize {
            self.places.resize(code as usize + 1, 0);
        }
        let known = self.places.get(code as usize).copied().unwrap_or(0);
        if let Some(place) = known.checked_sub(1) {
            return place;
        }
        let place = self.add(text(code).unwrap_or_default());
        if let Some(known) = self.places.get_mut(code as usize) {
            *known = place + 1;
        }
        self.placed.push(code);
        place
    }

    /// The pages of texts as they come.
    pub(super) fn of_texts(
        &mut self,
        rows: usize,
        each: impl FnOnce(&mut dyn FnMut(&str)),
        of: &PrimitiveType,
        packer: &mut Packer,
    ) -> Result<Pages, TimelineError> {
        self.clear();
        each(&mut |text| {
            let key = self.find(text);
            self.keys.push(key);
        });
        if self.plain.len() > MAX_DICTIONARY {
            return self.row_by_row(of, packer);
        }
        self.coded(Present::All, rows, 0, of, packer)
    }

    /// The place of a text that may be there already. Two texts with one hash are both there, the second as often as it comes.
    fn find(&mut self, text: &str) -> u32 {
        let hash = PlFixedStateQuality::default().hash_one(text);
        match self.hashes.get(&hash) {
            Some(place) if is_equal(self.text(*place), text.as_bytes()) => *place,
            Some(_) => self.add(text),
            None => {
                let place = self.add(text);
                self.hashes.insert(hash, place);
                place
            }
        }
    }

    fn coded(
        &mut self,
        present: Present<'_>,
        rows: usize,
        nulls: usize,
        of: &PrimitiveType,
        packer: &mut Packer,
    ) -> Result<Pages, TimelineError> {
        let mut page = std::mem::take(&mut self.page);
        begin(&mut page, present, rows)?;
        keys(&mut page, &self.keys, self.ends.len())?;
        let dictionary = packer.dictionary(&self.plain, self.ends.len())?;
        let statistics = self.statistics(nulls);
        let data = packer.data(&page, rows, Encoding::RleDictionary, statistics, of)?;
        self.page = page;
        Ok(vec![dictionary, data])
    }

    fn row_by_row(&mut self, of: &PrimitiveType, packer: &mut Packer) -> Result<Pages, TimelineError> {
        let mut page = std::mem::take(&mut self.page);
        let mut pages = Pages::new();
        let mut left = self.keys.as_slice();
        while !left.is_empty() {
            let mut bytes = 0;
            let fits = left.iter().take_while(|key| {
                let before = bytes;
                bytes += self.entry(**key).len();
                before == 0 || bytes <= PAGE_BYTES
            });
            let (rows, behind) = left.split_at(fits.count());
            left = behind;
            begin(&mut page, Present::All, rows.len())?;
            rows.iter()
                .for_each(|key| page.extend_from_slice(self.entry(*key)));
            let statistics = unbound(0);
            pages.push(packer.data(&page, rows.len(), Encoding::Plain, statistics, of)?);
        }
        self.page = page;
        Ok(pages)
    }

    /// What a reader learns without reading: the first and the last text in the order of their bytes, unless one is long.
    fn statistics(&self, nulls: usize) -> ParquetStatistics {
        let texts = || (0..self.ends.len() as u32).map(|place| self.text(place));
        let short = texts().all(|text| text.len() <= MAX_BOUND);
        let bound = |text: Option<&[u8]>| text.filter(|_| short).map(<[u8]>::to_vec);
        ParquetStatistics {
            min_value: bound(texts().min()),
            max_value: bound(texts().max()),
            ..unbound(nulls)
        }
    }
}

fn unbound(nulls: usize) -> ParquetStatistics {
    ParquetStatistics {
        max: None,
        min: None,
        null_count: Some(nulls as i64),
        distinct_count: None,
        max_value: None,
        min_value: None,
        is_max_value_exact: None,
        is_min_value_exact: None,
    }
}
