//! Frames for the rows and columns somebody needs.

use std::ops::Range;
use std::sync::Arc;

use casetrace_model::{COLUMNS, ColumnType};
use polars::prelude::ChunkTake;
use polars::prelude::{
    Column, DataFrame, DataType, Field, IdxCa, Int64Chunked, IntoColumn, IntoSeries, NewChunkedArray,
    PlSmallStr, Schema, SchemaRef, StringChunked, TimeUnit, TimeZone, UInt8Chunked, UInt16Chunked,
    UInt32Chunked, UInt64Chunked,
};

use crate::error::TimelineError;
use crate::store::{Store, TextStore};
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

    pub(crate) fn map<T>(&self, mut f: impl FnMut(usize) -> T) -> impl Iterator<Item = T> {
        self.iter().map(move |row| f(row as usize))
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
            .iter()
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
            let micros = rows.map(|row| self.ts_ns(row as u32).map(|ns| ns.div_euclid(1000)));
            let ca = Int64Chunked::from_iter_options(name, micros);
            let times = ca.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
            return Ok(times.into_series().into_column());
        };
        Ok(match store {
            Store::Text(s) => text_column(s, name, rows)?,
            Store::Long(s) => StringChunked::from_iter_values(name, rows.map(|r| s.text(r))).into_column(),
            Store::U8(s) => UInt8Chunked::from_iter_options(name, rows.map(|r| s.get(r))).into_column(),
            Store::U16(s) => UInt16Chunked::from_iter_options(name, rows.map(|r| s.get(r))).into_column(),
            Store::U32(s) => UInt32Chunked::from_iter_options(name, rows.map(|r| s.get(r))).into_column(),
            Store::U64(s) => UInt64Chunked::from_iter_options(name, rows.map(|r| s.get(r))).into_column(),
            Store::I64(s) => Int64Chunked::from_iter_options(name, rows.map(|r| s.get(r))).into_column(),
        })
    }
}

fn text_column(store: &TextStore, name: PlSmallStr, rows: &Rows<'_>) -> Result<Column, TimelineError> {
    if store.dict().is_empty() {
        return Ok(Column::full_null(name, rows.len(), &DataType::String));
    }
    let places = rows.map(|row| store.code(row).checked_sub(1));
    let places = IdxCa::from_iter_options(PlSmallStr::EMPTY, places);
    let taken = store
        .series()
        .take(&places)
        .map_err(TimelineError::frame("make a frame of"))?;
    Ok(taken.with_name(name).into_column())
}
