//! `timeline.parquet`: zstd, row groups of 32,768 rows, microsecond UTC times, the same bytes for the same rows.

mod columns;
mod pages;
mod texts;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc;

use casetrace_model::{COLUMNS, Value};
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{
    AnyValue, DataFrame, DataType, Field, LazyFrame, ParquetCompression, ParquetReader, ParquetWriter,
    PlRefPath, PlSmallStr, ScanArgsParquet, Schema, SerReader, StatisticsOptions,
};

use self::columns::{Columns, types};
use self::pages::Pages;
use crate::builder::TimelineBuilder;
use crate::error::TimelineError;
use crate::frame::schema;
use crate::timeline::{ColumnId, Timeline};
use crate::write::Naming;

/// Rows of a row group.
const GROUP_ROWS: u32 = 32 << 10;

/// Writes the timeline; returns the size in bytes. The pages of two row groups are in memory at a time.
pub fn write_parquet<W: Write + Send>(timeline: &Timeline, out: W) -> Result<u64, TimelineError> {
    write_labelled_parquet(timeline, None, out)
}

/// The same with a text column in front that has one value in all rows: name and value. So rows of many cases can lie in one table.
pub fn write_labelled_parquet<W: Write + Send>(
    timeline: &Timeline,
    label: Option<(&str, &str)>,
    out: W,
) -> Result<u64, TimelineError> {
    let mut schema = (*schema()).clone();
    if let Some((name, _)) = label {
        schema
            .insert_at_index(0, name.into(), DataType::String)
            .map_err(TimelineError::frame("write Parquet of"))?;
    }
    let columns: Vec<ColumnId> = ColumnId::all().collect();
    let mut writer = begin(out, &schema)?;
    groups(timeline, label.map(|(_, value)| value), &columns, &mut writer)?;
    writer.finish().map_err(TimelineError::frame("write Parquet of"))
}

fn begin<W: Write + Send>(out: W, schema: &Schema) -> Result<BatchedWriter<W>, TimelineError> {
    ParquetWriter::new(out)
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::default())
        .batched(schema)
        .map_err(TimelineError::frame("write Parquet of"))
}

/// Writes the rows in groups of [`GROUP_ROWS`]; the next is made while one is written.
fn groups<W: Write + Send>(
    timeline: &Timeline,
    label: Option<&str>,
    columns: &[ColumnId],
    writer: &mut BatchedWriter<W>,
) -> Result<(), TimelineError> {
    let len = timeline.len() as u32;
    let mut columns = Columns::new(timeline, label, columns, types(writer));
    let mut groups = (0..len).step_by(GROUP_ROWS as usize).map(|start| {
        let end = start.saturating_add(GROUP_ROWS).min(len);
        Ok((u64::from(end - start), columns.group(start..end)?))
    });
    let mut write = |group: Result<(u64, Vec<Pages>), TimelineError>| {
        let (rows, pages) = group?;
        writer
            .write_row_group(rows, &pages)
            .map_err(TimelineError::frame("write Parquet of"))
    };
    if len <= GROUP_ROWS {
        return groups.try_for_each(write);
    }
    std::thread::scope(|scope| {
        let (made, pages) = mpsc::sync_channel(0);
        // Ends when the writer is gone.
        scope.spawn(move || groups.try_for_each(|group| made.send(group).ok()));
        pages.into_iter().try_for_each(&mut write)
    })
}

/// A Parquet file that takes one timeline after another.
pub struct ParquetExport<W: Write + Send> {
    writer: BatchedWriter<W>,
    columns: Vec<ColumnId>,
}

impl<W: Write + Send> ParquetExport<W> {
    /// Begins a file of some columns.
    pub fn new(out: W, columns: Vec<ColumnId>, naming: Naming) -> Result<Self, TimelineError> {
        let all = schema();
        let fields = columns.iter().filter_map(|column| {
            let name = PlSmallStr::from_str(&naming.of(*column));
            Some(Field::new(name, all.get(column.name())?.clone()))
        });
        let writer = begin(out, &Schema::from_iter(fields))?;
        Ok(Self { writer, columns })
    }

    /// Writes rows, in row groups of their own.
    pub fn rows(&mut self, timeline: &Timeline) -> Result<(), TimelineError> {
        groups(timeline, None, &self.columns, &mut self.writer)
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use casetrace_model::{Level, Row, Source};

    use super::*;

    /// Rows in several groups: columns without a value, with one, with few and with a different one in each row.
    fn varied(rows: u64) -> Timeline {
        let mut builder = TimelineBuilder::new();
        for n in 0..rows {
            let mut row = Row::new(Source::Etl, "event", n);
            if n % 7 != 0 {
                row = row.at((n as i64 - 500) * 1_234_567);
            }
            row.message = format!("message {} é", n % 1000);
            // In some groups few texts, in others more than a dictionary may hold.
            let many = if n / 20_000 == 1 { n } else { n % 10 };
            row.fields = format!(r#"{{"n":"{many}","text":"{}"}}"#, "x".repeat(n as usize % 30));
            row.host = (n < 40_000).then(|| format!("PC{}", n % 3).as_str().into());
            row.url = n.is_multiple_of(3).then(|| {
                format!("https://a/{}", "y".repeat(n as usize % 100))
                    .as_str()
                    .into()
            });
            row.correlation_id = Some(format!("{n:036}").as_str().into());
            row.level = Some(Level::Info);
            row.event_id = (n % 5 != 0).then_some(n as u32 % 1000);
            row.event_version = (n > 60_000).then_some(n as u8);
            row.keywords = Some(n << 50);
            row.src_port = (n % 2 == 0).then_some(n as u16);
            builder.push(&format!("a{}.etl", n % 4), None, row);
        }
        builder.finish()
    }

    fn all(timeline: &Timeline) -> impl Iterator<Item = Row> {
        timeline.rows(0..timeline.len() as u32)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("timeline.parquet");
        for rows in [0, 1, 5_000, 70_000] {
            let timeline = varied(rows);
            let size = write_parquet(&timeline, File::create(&path).unwrap()).unwrap();
            assert_eq!(size, path.metadata().unwrap().len());
            let again = read_parquet(&path).unwrap();
            assert!(all(&timeline).eq(all(&again)), "{rows} rows");
        }
    }

    #[test]
    fn the_same_rows_give_the_same_bytes() {
        let timeline = varied(70_000);
        let written = || {
            let mut out = Vec::new();
            write_parquet(&timeline, &mut out).unwrap();
            out
        };
        let first = written();
        assert!(first == written());
        let alone = crate::Alone::begin();
        assert!(first == written());
        drop(alone);
    }

    #[test]
    fn bounds_tell_where_not_to_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("timeline.parquet");
        write_labelled_parquet(
            &varied(70_000),
            Some(("case", "c 1")),
            File::create(&path).unwrap(),
        )
        .unwrap();
        let frame = scan_parquet(&path).unwrap();
        let count = |condition: polars::prelude::Expr| {
            let found = frame.clone().filter(condition).collect().unwrap();
            found.height()
        };
        use polars::prelude::{col, lit};
        assert_eq!(count(col("case").eq(lit("c 1"))), 70_000);
        assert_eq!(count(col("case").eq(lit("c 2"))), 0);
        assert_eq!(count(col("host").eq(lit("PC1"))), 13_333);
        assert_eq!(count(col("host").is_null()), 30_000);
        assert_eq!(count(col("correlation_id").eq(lit(format!("{:036}", 69_999)))), 1);
        assert_eq!(count(col("message").eq(lit("message 7 é"))), 70);
        assert_eq!(count(col("event_id").eq(lit(999_u32))), 70);
        assert_eq!(count(col("ts_ns").is_null()), 10_000);
        assert_eq!(count(col("record").gt(lit(69_989_u64))), 10);
    }
}
