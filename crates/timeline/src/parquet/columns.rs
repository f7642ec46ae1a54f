//! Rows of a timeline as columns of a row group, straight from the stores.
//!
//! Polars' own writer takes frames: for each text of each row it makes a view, hashes it to see whether a dictionary is worth it, and
//! hashes it again to build one. The stores know all that already.

use std::cmp::Reverse;
use std::ops::Range;

use polars::io::parquet::write::BatchedWriter;
use polars_arrow::array::{Array, PrimitiveArray};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::types::NativeType;
use polars_parquet::parquet::encoding::Encoding;
use polars_parquet::parquet::schema::types::{ParquetType, PrimitiveType};
use polars_parquet::write::{CompressionOptions, StatisticsOptions, Version, WriteOptions, array_to_columns};
use rayon::prelude::*;

use super::pages::{Packer, Packers, Pages};
use super::texts::Texts;
use crate::alone::Alone;
use crate::error::TimelineError;
use crate::store::{Gathered, LongReader, NumStore, Spread, Store, TextStore};
use crate::timeline::{ColumnId, Timeline};

/// Columns in which hardly two neighbours agree: a dictionary would only be tried in vain.
const DIFFERENT: [&str; 3] = ["ts", "ts_ns", "record"];

/// Fewer rows are not worth another thread.
const FEW_ROWS: usize = 1 << 12;

/// What a column is made of.
enum Origin<'a> {
    /// One text in all rows.
    Label(&'a str),
    Time(&'a NumStore),
    Signed(&'a NumStore),
    Unsigned(&'a NumStore, u64),
    Text(&'a TextStore, Texts),
    Long(LongReader<'a>, Texts),
}

/// A column on its way into a file.
struct Writing<'a> {
    /// Its place in the file.
    place: usize,
    from: Origin<'a>,
    encoding: Encoding,
    ty: ParquetType,
    of: PrimitiveType,
}

/// The columns of a timeline on their way into a file.
pub(super) struct Columns<'a> {
    timeline: &'a Timeline,
    columns: Vec<Writing<'a>>,
    packers: Packers,
}

impl<'a> Columns<'a> {
    /// The columns of a file, as its schema has them: the label, if there is one, and then those of the timeline.
    pub(super) fn new(
        timeline: &'a Timeline,
        label: Option<&'a str>,
        columns: &[ColumnId],
        types: Vec<(ParquetType, PrimitiveType)>,
    ) -> Self {
        let labels = label.map(|label| (Origin::Label(label), Encoding::RleDictionary));
        let columns = columns.iter().filter_map(|column| {
            let encoding = match DIFFERENT.contains(&column.name()) {
                true => Encoding::Plain,
                false => Encoding::RleDictionary,
            };
            Some((origin(timeline, *column)?, encoding))
        });
        let columns = labels.into_iter().chain(columns).zip(types).enumerate();
        let mut columns: Vec<Writing<'a>> = columns
            .map(|(place, ((from, encoding), (ty, of)))| Writing {
                place,
                from,
                encoding,
                ty,
                of,
            })
            .collect();
        // Those that take longest first, so that no thread is left with one at the end.
        columns.sort_by_key(|column| (!matches!(column.from, Origin::Long(..)), Reverse(column.place)));
        Self {
            timeline,
            columns,
            packers: Packers::default(),
        }
    }

    /// The pages of a row group by column.
    pub(super) fn group(&mut self, rows: Range<u32>) -> Result<Vec<Pages>, TimelineError> {
        let places = self.timeline.places_of(rows);
        let spread = Spread::of(places);
        let packers = &self.packers;
        let pages = |column: &mut Writing<'_>| {
            let pages = packers.with(|packer| column.pages(places, &spread, packer))?;
            Ok((column.place, pages))
        };
        let pages: Result<Vec<(usize, Pages)>, TimelineError> =
            match Alone::is_on() || places.len() < FEW_ROWS {
                true => self.columns.iter_mut().map(pages).collect(),
                false => self.columns.par_iter_mut().with_max_len(1).map(pages).collect(),
            };
        let mut pages = pages?;
        pages.sort_by_key(|(place, _)| *place);
        Ok(pages.into_iter().map(|(_, pages)| pages).collect())
    }
}

fn origin(timeline: &Timeline, column: ColumnId) -> Option<Origin<'_>> {
    let store = timeline.store(column).or_else(|| {
        let exact = ColumnId::of("ts_ns")?;
        timeline.store(exact)
    })?;
    Some(match store {
        Store::Signed(store) if column.store().is_none() => Origin::Time(store),
        Store::Signed(store) => Origin::Signed(store),
        Store::Unsigned(store, largest) => Origin::Unsigned(store, *largest),
        Store::Text(store) => Origin::Text(store, Texts::default()),
        Store::Long(store) => Origin::Long(LongReader::new(store), Texts::default()),
    })
}

impl Writing<'_> {
    fn pages(
        &mut self,
        places: &[u32],
        spread: &Spread,
        packer: &mut Packer,
    ) -> Result<Pages, TimelineError> {
        let rows = places.len();
        let of = &self.of;
        let array = match &mut self.from {
            Origin::Label(label) => {
                let text = |_| Some(*label);
                return Texts::default().of_codes(&Gathered::Same(1), rows, text, of, packer);
            }
            Origin::Text(store, texts) => {
                let text = |code| store.text(code);
                return texts.of_codes(&store.spread(spread), rows, text, of, packer);
            }
            Origin::Long(reader, texts) => {
                let each = |take: &mut dyn FnMut(&str)| {
                    places.iter().for_each(|place| take(reader.text(*place as usize)));
                };
                return texts.of_texts(rows, each, of, packer);
            }
            Origin::Time(store) => numbers(store, spread, |v| Store::signed_of(v).div_euclid(1000)),
            Origin::Signed(store) => numbers(store, spread, Store::signed_of),
            Origin::Unsigned(store, 0xff) => numbers(store, spread, |v| v as u8),
            Origin::Unsigned(store, 0xffff) => numbers(store, spread, |v| v as u16),
            Origin::Unsigned(store, 0xffff_ffff) => numbers(store, spread, |v| v as u32),
            Origin::Unsigned(store, _) => numbers(store, spread, |v| v),
        };
        match array {
            Some(array) => self.of_array(array, packer),
            None => {
                let none = |_| None;
                Texts::default().of_codes(&Gathered::Same(0), rows, none, of, packer)
            }
        }
    }

    fn of_array(&self, array: Box<dyn Array>, packer: &mut Packer) -> Result<Pages, TimelineError> {
        let failed = || TimelineError::frame("write Parquet of");
        let columns =
            array_to_columns(array, self.ty.clone(), options(), &[self.encoding]).map_err(failed())?;
        let pages = columns.into_iter().flatten();
        pages.map(|page| packer.page(page.map_err(failed())?)).collect()
    }
}

/// How polars makes pages of numbers; compressing them is our part.
fn options() -> WriteOptions {
    WriteOptions {
        statistics: StatisticsOptions::default(),
        version: Version::V1,
        compression: CompressionOptions::Uncompressed,
        data_page_size: None,
    }
}

/// Numbers of rows; `None` if no row has one.
fn numbers<T: NativeType>(
    store: &NumStore,
    spread: &Spread,
    to: impl Fn(u64) -> T,
) -> Option<Box<dyn Array>> {
    let (values, valid) = store.spread(spread);
    // Pages must not depend on how much of this shows without a look at the rows.
    let present: Option<Bitmap> = match valid {
        Gathered::Same(0) => return None,
        Gathered::Same(_) => None,
        Gathered::Each(valid) => match valid.iter().filter(|valid| **valid == 1).count() {
            0 => return None,
            all if all == valid.len() => None,
            _ => Some(valid.into_iter().map(|valid| valid == 1).collect()),
        },
    };
    let values = match values {
        Gathered::Same(value) => vec![to(value); spread.len()],
        Gathered::Each(values) => values.into_iter().map(to).collect(),
    };
    let array = PrimitiveArray::from_vec(values).with_validity(present);
    Some(array.boxed())
}

/// The types of a file's columns.
pub(super) fn types<W: std::io::Write>(writer: &mut BatchedWriter<W>) -> Vec<(ParquetType, PrimitiveType)> {
    let schema = writer.parquet_schema();
    let leaves = schema.columns().iter();
    let leaves = leaves.map(|column| column.descriptor.primitive_type.clone());
    schema.fields().iter().cloned().zip(leaves).collect()
}
