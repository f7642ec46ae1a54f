//! `timeline.parquet`: zstd, row groups of 32,768 rows, microsecond UTC times, the same bytes for the same rows.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc;

use casetrace_model::{COLUMNS, Value};
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, Field, LazyFrame, ParquetCompression, ParquetReader,
    ParquetWriter, PlRefPath, PlSmallStr, Scalar, ScanArgsParquet, Schema, SerReader, StatisticsOptions,
};

use crate::builder::TimelineBuilder;
use crate::error::TimelineError;
use crate::frame::{Rows, schema};
use crate::timeline::{ColumnId, Timeline};
use crate::write::Naming;

/// Rows of a row group.
const GROUP_ROWS: u32 = 32 << 10;

/// Writes the timeline; returns the size in bytes. Two row groups are in memory as frames at a time.
pub fn write_parquet<W: Write + Send>(timeline: &Timeline, out: W) -> Result<u64, TimelineError> {
    write_labelled_parquet(timeline, None, out)
}

/// The same with a text column in front that has one value in all rows: name and value. So rows of many cases can lie in one table.
pub fn write_labelled_parquet<W: Write + Send>(
    timeline: &Timeline,
    label: Option<(&str, &str)>,
    out: W,
) -> Result<u64, TimelineError> {
    let failed = || TimelineError::frame("write Parquet of");
    let mut schema = (*schema()).clone();
    if let Some((name, _)) = label {
        schema
            .insert_at_index(0, name.into(), DataType::String)
            .map_err(failed())?;
    }
    let mut writer = ParquetWriter::new(out)
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::default())
        .batched(&schema)
        .map_err(failed())?;
    let columns: Vec<ColumnId> = ColumnId::all().collect();
    groups(timeline, &columns, |mut frame| {
        if let Some((name, value)) = label {
            let column =
                Column::new_scalar(name.into(), Scalar::from(PlSmallStr::from(value)), frame.height());
            frame.insert_column(0, column).map_err(failed())?;
        }
        frame.align_chunks_par();
        writer.write_batch(&frame).map_err(failed())
    })?;
    writer.finish().map_err(failed())
}

/// Hands over the rows in frames of [`GROUP_ROWS`]; the next is made while one is taken.
fn groups(
    timeline: &Timeline,
    columns: &[ColumnId],
    mut take: impl FnMut(DataFrame) -> Result<(), TimelineError>,
) -> Result<(), TimelineError> {
    let len = timeline.len() as u32;
    let starts = (0..len).step_by(GROUP_ROWS as usize);
    let frame = |start: u32| {
        let end = start.saturating_add(GROUP_ROWS).min(len);
        timeline.frame(columns, &Rows::Range(start..end))
    };
    if len <= GROUP_ROWS {
        return starts.map(frame).try_for_each(|frame| take(frame?));
    }
    std::thread::scope(|scope| {
        let (made, frames) = mpsc::sync_channel(0);
        // Ends when the taker is gone.
        scope.spawn(move || starts.map(frame).try_for_each(|frame| made.send(frame).ok()));
        frames.into_iter().try_for_each(|frame| take(frame?))
    })
}

/// A Parquet file that takes one timeline after another.
pub struct ParquetExport<W: Write + Send> {
    writer: BatchedWriter<W>,
    columns: Vec<ColumnId>,
    names: Vec<PlSmallStr>,
}

impl<W: Write + Send> ParquetExport<W> {
    /// Begins a file of some columns.
    pub fn new(out: W, columns: Vec<ColumnId>, naming: Naming) -> Result<Self, TimelineError> {
        let names: Vec<PlSmallStr> = columns
            .iter()
            .map(|c| PlSmallStr::from_str(&naming.of(*c)))
            .collect();
        let all = schema();
        let fields = columns
            .iter()
            .zip(&names)
            .filter_map(|(column, name)| Some(Field::new(name.clone(), all.get(column.name())?.clone())));
        let writer = ParquetWriter::new(out)
            .with_compression(ParquetCompression::Zstd(None))
            .with_statistics(StatisticsOptions::default())
            .batched(&Schema::from_iter(fields))
            .map_err(TimelineError::frame("write Parquet of"))?;
        Ok(Self {
            writer,
            columns,
            names,
        })
    }

    /// Writes rows, in row groups of their own.
    pub fn rows(&mut self, timeline: &Timeline) -> Result<(), TimelineError> {
        let failed = || TimelineError::frame("write Parquet of");
        let (names, writer) = (&self.names, &mut self.writer);
        groups(timeline, &self.columns, |mut frame| {
            frame.set_column_names(names).map_err(failed())?;
            frame.align_chunks_par();
            writer.write_batch(&frame).map_err(failed())
        })
    }

    /// Ends the file; returns its size in bytes.
    pub fn finish(self) -> Result<u64, TimelineError> {
        self.writer
            .finish()
            .map_err(TimelineError::frame("write Parquet of"))
    }
}

/// Reads a timeline written by [`write_parquet`], this version's or another's: missing columns are null, unknown ones are left out.
pub fn read_parquet(path: &Path) -> Result<Timeline, TimelineError> {
    let mut builder = TimelineBuilder::new();
    frames(path, |frame| {
        push_frame(&mut builder, frame);
        Ok::<(), TimelineError>(())
    })?;
    Ok(builder.finish_sorted())
}

/// Hands the rows of a timeline file to `take` in order, a row group at a time; no more are in memory.
///
/// Errors: those of the file, and what `take` gives, which ends the reading.
pub fn read_parquet_parts<E: From<TimelineError>>(
    path: &Path,
    mut take: impl FnMut(Timeline) -> Result<(), E>,
) -> Result<(), E> {
    frames(path, |frame| {
        let mut builder = TimelineBuilder::new();
        push_frame(&mut builder, frame);
        take(builder.finish_sorted())
    })
}

fn frames<E: From<TimelineError>>(
    path: &Path,
    mut take: impl FnMut(&DataFrame) -> Result<(), E>,
) -> Result<(), E> {
    let open = || File::open(path).map_err(TimelineError::io("open"));
    let failed = || TimelineError::frame("read Parquet of");
    let mut reader = ParquetReader::new(open()?);
    let present = reader.schema().map_err(failed())?;
    let wanted: Vec<String> = COLUMNS
        .iter()
        .map(|c| c.name)
        .filter(|n| present.contains(n))
        .map(ToOwned::to_owned)
        .collect();
    let rows = reader.num_rows().map_err(failed())?;
    let metadata = reader.get_metadata().map_err(failed())?.clone();
    for start in (0..rows).step_by(GROUP_ROWS as usize) {
        let mut part = ParquetReader::new(open()?);
        part.set_metadata(metadata.clone());
        let part = part
            .with_columns(Some(wanted.clone()))
            .with_slice(Some((start, GROUP_ROWS as usize)));
        take(&part.finish().map_err(failed())?)?;
    }
    Ok(())
}

fn push_frame(builder: &mut TimelineBuilder, frame: &DataFrame) {
    let series: Vec<_> = COLUMNS
        .iter()
        .skip(1)
        .map(|c| frame.column(c.name).ok().map(|c| c.as_materialized_series()))
        .collect();
    for row in 0..frame.height() {
        let cells = series.iter().map(|s| {
            s.and_then(|s| s.get(row).ok())
                .map_or(Value::Null, |v| value_of(&v))
        });
        let cells: Vec<Value<'_>> = cells.collect();
        builder.push_values(cells);
    }
}

fn value_of<'a>(value: &AnyValue<'a>) -> Value<'a> {
    match value {
        AnyValue::String(text) => Value::Str(text),
        AnyValue::UInt8(v) => Value::U64(u64::from(*v)),
        AnyValue::UInt16(v) => Value::U64(u64::from(*v)),
        AnyValue::UInt32(v) => Value::U64(u64::from(*v)),
        AnyValue::UInt64(v) => Value::U64(*v),
        AnyValue::Int64(v) => Value::I64(*v),
        _ => Value::Null,
    }
}

/// A finished timeline file as a lazy frame, of which queries read only what they need.
pub fn scan_parquet(path: &Path) -> Result<LazyFrame, TimelineError> {
    let path = PlRefPath::try_from_path(path).map_err(TimelineError::frame("open"))?;
    let args = ScanArgsParquet {
        glob: false,
        ..ScanArgsParquet::default()
    };
    LazyFrame::scan_parquet(path, args).map_err(TimelineError::frame("open"))
}
