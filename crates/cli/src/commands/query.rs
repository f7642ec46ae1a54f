//! `casetrace query`: SQL over finished cases.

use std::io::Write;
use std::path::PathBuf;

use casetrace_batch::{Location, MAX_FETCHED, StoreUri, fetch_tables};
use casetrace_pipeline::{DATASET_TABLES, dataset_tables, replace, tables};
use casetrace_timeline::{frame_cell, query, write_frame_csv, write_frame_jsonl};
use comfy_table::{ContentArrangement, Table, presets};
use polars::prelude::{DataFrame, LazyFrame, ParquetWriter};
use tempfile::TempDir;

use super::batch;
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
    let source = Source::open(cases, sql)?;
    let tables = source.tables()?;
    let frame = quietly(|| query(tables, sql)).map_err(refused)?;
    match &args.output {
        None => write(frame, args.format, out),
        Some(path) => {
            let failed = |error| Failure::io(&path.display().to_string(), &error);
            replace(path, failed, |file| write(frame, args.format, file))
        }
    }
}

/// A panic of polars becomes an error with its words, so nothing else need be said of it.
fn quietly<T>(ask: impl FnOnce() -> T) -> T {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let answer = ask();
    std::panic::set_hook(usual);
    answer
}

/// What is asked: folders, or the tables of a batch output fetched from an object store for the length of the question.
enum Source {
    Folders(Vec<PathBuf>),
    Fetched(TempDir),
}

impl Source {
    fn open(cases: &[String], sql: &str) -> Result<Self, Failure> {
        let places = cases.iter().map(|case| Location::parse(case));
        let places: Vec<Location> = places.collect::<Result<_, _>>().map_err(batch::failure)?;
        match places.as_slice() {
            [Location::Store(store)] => Self::fetch(store, sql),
            many => {
                let folders = many.iter().map(|place| place.folder().map(PathBuf::from));
                folders.collect::<Option<_>>().map(Self::Folders).ok_or_else(|| {
                    Failure::Usage(
                        "an object store is queried by itself: name one, and no folders beside it".to_owned(),
                    )
                })
            }
        }
    }

    fn fetch(store: &StoreUri, sql: &str) -> Result<Self, Failure> {
        let tables = named(sql);
        if tables.is_empty() {
            return Err(Failure::Usage(format!(
                "the statement names no table of a batch output; there are {}",
                DATASET_TABLES.join(", ")
            )));
        }
        let failed = |error| Failure::io("the folder for temporary files", &error);
        let folder = tempfile::Builder::new()
            .prefix("casetrace-query-")
            .tempdir()
            .map_err(failed)?;
        fetch_tables(store, &tables, folder.path(), MAX_FETCHED).map_err(batch::failure)?;
        Ok(Self::Fetched(folder))
    }

    fn tables(&self) -> Result<Vec<(&'static str, LazyFrame)>, Failure> {
        match self {
            Self::Folders(folders) => tables(folders).map_err(input::failure),
            // The folder's name would say nothing to anybody.
            Self::Fetched(folder) => dataset_tables(folder.path())
                .map_err(|_| Failure::Usage("nothing is published there in the tables asked for".to_owned())),
        }
    }
}

/// The tables of a batch output whose names stand in the statement, be it only in a comment.
fn named(sql: &str) -> Vec<&'static str> {
    let words: Vec<String> = sql
        .split(|ch: char| !ch.is_alphanumeric() && ch != '_')
        .map(str::to_lowercase)
        .collect();
    DATASET_TABLES
        .into_iter()
        .filter(|table| words.iter().any(|word| word == table))
        .collect()
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

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn only_tables_the_statement_names_are_fetched() {
        assert_eq!(
            named("SELECT * FROM Findings f JOIN bundles USING (bundle)"),
            ["findings", "bundles"]
        );
        assert_eq!(named("SELECT bundle FROM my_findings"), Vec::<&str>::new());
    }
}
