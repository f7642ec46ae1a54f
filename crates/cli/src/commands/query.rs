//! `casetrace query`: SQL over finished cases.

use std::io::Write;
use std::path::PathBuf;

use casetrace_pipeline::{replace, tables};
use casetrace_timeline::{frame_cell, query, write_frame_csv, write_frame_jsonl};
use comfy_table::{ContentArrangement, Table, presets};
use polars::prelude::{DataFrame, ParquetWriter};

use super::timeline::refused;
use crate::args::{Query, QueryFormat};
use crate::exit::Failure;
use crate::{input, terminal};

/// Rows shown as a table; longer results want a file format.
const MAX_TABLE_ROWS: usize = 200;

/// Runs the statement.
pub(crate) fn run(args: &Query, out: &mut dyn Write) -> Result<(), Failure> {
    let Some((sql, cases)) = args.cases_and_sql.split_last() else {
        return Err(Failure::Usage("name a case folder and a statement".to_owned()));
    };
    let cases: Vec<PathBuf> = cases.iter().map(PathBuf::from).collect();
    let frame = query(tables(&cases).map_err(input::failure)?, sql).map_err(refused)?;
    match &args.output {
        None => write(frame, args.format, out),
        Some(path) => {
            let failed = |error| Failure::io(&path.display().to_string(), &error);
            replace(path, failed, |file| write(frame, args.format, file))
        }
    }
}

fn write(mut frame: DataFrame, format: QueryFormat, out: &mut dyn Write) -> Result<(), Failure> {
    match format {
        QueryFormat::Csv => Ok(write_frame_csv(&frame, out)?),
        QueryFormat::Jsonl => Ok(write_frame_jsonl(&frame, out)?),
        QueryFormat::Parquet => {
            let mut bytes = Vec::new();
            ParquetWriter::new(&mut bytes)
                .finish(&mut frame)
                .map_err(|error| Failure::Internal(format!("Parquet: {error}")))?;
            Ok(out.write_all(&bytes)?)
        }
        QueryFormat::Table => table(&frame, out),
    }
}

fn table(frame: &DataFrame, out: &mut dyn Write) -> Result<(), Failure> {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(frame.get_column_names().iter().map(|name| name.as_str()));
    for row in 0..frame.height().min(MAX_TABLE_ROWS) {
        table.add_row(frame.columns().iter().map(|column| {
            column
                .get(row)
                .map(|value| terminal::lines(&frame_cell(&value)))
                .unwrap_or_default()
        }));
    }
    writeln!(out, "{table}")?;
    if frame.height() > MAX_TABLE_ROWS {
        writeln!(
            out,
            "{} of {} rows; write all of them with --format csv",
            MAX_TABLE_ROWS,
            frame.height()
        )?;
    }
    Ok(())
}
