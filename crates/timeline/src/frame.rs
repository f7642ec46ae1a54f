//! Frames for the rows and columns somebody needs.

use std::ops::Range;
use std::sync::Arc;

use casetrace_model::{COLUMNS, ColumnType};
use polars::prelude::{
    ChunkTake, Column, DataFrame, DataType, Field, IdxCa, Int64Chunked, IntoColumn, IntoSeries,
    NewChunkedArray, PlSmallStr, Schema, SchemaRef, StringChunkedBuilder, TimeUnit, TimeZone, UInt8Chunked,
    UInt16Chunked, UInt32Chunked, UInt64Chunked,
};
use rayon::prelude::*;

use crate::error::TimelineError;
use crate::store::{LongReader, LongStore, Store, TextStore};
use crate::timeline::{ColumnId, Timeline};

/// Which rows.
#[derive(Debug, Clone)]
pub enum Rows<'a> {
    /// Neighbours.
    Range(Range<u32>),
    /// Any, in this order.
    List(&'a [u32]),
}

impl Rows<'_> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::List(list) => list.len(),
        }
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row numbers.
    pub fn iter(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Self::Range(range) => Box::new(range.clone()),
            Self::List(list) => Box::new(list.iter().copied()),
        }
    }

    pub(crate) fn map<T>(&self, f: impl FnMut(u32) -> T) -> impl Iterator<Item = T> {
        self.iter().map(f)
    }
}

fn data_type(ty: ColumnType) -> DataType {
    match ty {
        ColumnType::Str => DataType::String,
        ColumnType::U8 => DataType::UInt8,
        ColumnType::U16 => DataType::UInt16,
        ColumnType::U32 => DataType::UInt32,
        ColumnType::U64 => DataType::UInt64,
        ColumnType::I64 => DataType::Int64,
        ColumnType::Timestamp => DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)),
    }
}

/// The polars schema of the timeline.
pub fn schema() -> SchemaRef {
    Arc::new(Schema::from_iter(
        COLUMNS.iter().map(|c| Field::new(c.name.into(), data_type(c.ty))),
    ))
}

impl Timeline {
    /// A frame of some columns and rows; texts share the bytes of the timeline's dictionaries.
    pub fn frame(&self, columns: &[ColumnId], rows: &Rows<'_>) -> Result<DataFrame, TimelineError> {
        let made = columns
            .par_iter()
            .map(|column| self.frame_column(*column, rows))
            .collect::<Result<Vec<_>, _>>()?;
        DataFrame::new(rows.len(), made).map_err(TimelineError::frame("make a frame of"))
    }

    /// Everything as one frame; for small timelines.
    pub fn to_frame(&self) -> Result<DataFrame, TimelineError> {
        self.frame(
            &ColumnId::all().collect::<Vec<_>>(),
            &Rows::Range(0..self.len() as u32),
        )
    }

    fn frame_column(&self, column: ColumnId, rows: &Rows<'_>) -> Result<Column, TimelineError> {
        let name = PlSmallStr::from_static(column.name());
        let Some(store) = self.store(column) else {
            let micros = rows.map(|row| self.ts_ns(row).map(|ns| ns.div_euclid(1000)));
            let ca = Int64Chunked::from_iter_options(name, micros);
            let times = ca.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
            return Ok(times.into_series().into_column());
        };
        let number = |row| store.unsigned_at(self.place(row));
        Ok(match store {
            Store::Text(s) => self.text_column(s, name, rows)?,
            Store::Long(s) => long_column(s, name, rows.map(|row| self.place(row))),
            Store::Signed(_) => {
                let numbers = rows.map(|row| store.signed_at(self.place(row)));
                Int64Chunked::from_iter_options(name, numbers).into_column()
            }
            Store::Unsigned(_, 0xff) => {
                UInt8Chunked::from_iter_options(name, rows.map(|r| number(r).map(|v| v as u8))).into_column()
            }
            Store::Unsigned(_, 0xffff) => {
                UInt16Chunked::from_iter_options(name, rows.map(|r| number(r).map(|v| v as u16)))
                    .into_column()
            }
            Store::Unsigned(_, 0xffff_ffff) => {
                UInt32Chunked::from_iter_options(name, rows.map(|r| number(r).map(|v| v as u32)))
                    .into_column()
            }
            Store::Unsigned(..) => UInt64Chunked::from_iter_options(name, rows.map(number)).into_column(),
        })
    }

    fn text_column(
        &self,
        store: &TextStore,
        name: PlSmallStr,
        rows: &Rows<'_>,
    ) -> Result<Column, TimelineError> {
        if store.dict().is_empty() {
            return Ok(Column::full_null(name, rows.len(), &DataType::String));
        }
        let places = rows.map(|row| store.code(self.place(row)).checked_sub(1));
        let places = IdxCa::from_iter_options(PlSmallStr::EMPTY, places);
        let taken = store
            .series()
            .take(&places)
            .map_err(TimelineError::frame("make a frame of"))?;
        Ok(taken.with_name(name).into_column())
    }
}

fn long_column(store: &LongStore, name: PlSmallStr, places: impl Iterator<Item = usize>) -> Column {
    let mut reader = LongReader::new(store);
    let mut texts = StringChunkedBuilder::new(name, places.size_hint().0);
    places.for_each(|place| texts.append_value(reader.text(place)));
    texts.finish().into_column()
}
