//! Results of many cases as tables: what `batch` publishes for one case, and what a query over all of them reads.
//!
//! Every table has the case's name in its first column, `bundle`, and the same types whatever the case holds, so that files of
//! different cases can be read as one table by polars, DuckDB, pyarrow and Spark.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use casetrace_model::time;
use casetrace_rules::{Finding, Status};
use casetrace_timeline::{Cells, ColumnId, Timeline, parse_number_text, read_members};
use polars::prelude::{
    Column, DataFrame, IntoLazy, LazyFrame, ParquetCompression, ParquetReader, ParquetWriter, PlRefPath,
    PolarsError, ScanArgsParquet, SerReader, StatisticsOptions, UnionArgs, col, concat, lit,
};

use crate::analyze::{CaseResult, put_inventory, put_texts};
use crate::error::RunError;
use crate::inventory::ReadOutcome;
use crate::output::{CaseFolder, names};

/// File of the findings table.
const FINDINGS: &str = "findings.parquet";
/// File of the table of remarks on data quality.
const QUALITY: &str = "quality.parquet";
/// File of the table with one row a case.
const BUNDLE: &str = "bundle.parquet";
/// Tables across cases.
pub const DATASET_TABLES: [&str; 4] = ["timeline", "findings", "quality", "bundles"];

/// What was written for a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetFiles {
    /// Rows of the timeline.
    pub rows: u64,
    /// Findings that stand.
    pub findings: u64,
    /// Month of the last row with a time, `2026-03`.
    pub month: Option<String>,
    /// Table and file.
    pub tables: Vec<(&'static str, &'static str)>,
}

/// Writes a case folder with a `bundle` column in its timeline, and the case's part of the other tables.
pub fn write_dataset(result: &CaseResult, folder: &Path, bundle: &str) -> Result<DatasetFiles, RunError> {
    let folder = CaseFolder::create(folder)?;
    let timeline = &result.rows.timeline;
    folder.put_labelled_timeline(timeline, Some(("bundle", bundle)))?;
    put_texts(&folder, result)?;
    put_inventory(&folder, result)?;
    put_frame(&folder, FINDINGS, findings(result, bundle))?;
    put_frame(&folder, QUALITY, quality(result, bundle))?;
    put_frame(&folder, BUNDLE, one_row(result, bundle))?;
    let active = result
        .findings
        .findings
        .iter()
        .filter(|f| f.status == Status::Active);
    Ok(DatasetFiles {
        rows: timeline.len() as u64,
        findings: active.count() as u64,
        month: timeline
            .span()
            .and_then(|(_, last)| time::to_rfc3339(last).get(..7).map(str::to_owned)),
        tables: vec![
            ("timeline", names::TIMELINE),
            ("findings", FINDINGS),
            ("quality", QUALITY),
            ("bundles", BUNDLE),
        ],
    })
}

fn put_frame(folder: &CaseFolder, name: &str, frame: Result<DataFrame, PolarsError>) -> Result<(), RunError> {
    let mut frame = frame.map_err(failed)?;
    folder.put(name, |out| {
        writer(out).finish(&mut frame).map(drop).map_err(io::Error::other)
    })
}

fn writer<W: io::Write>(out: W) -> ParquetWriter<W> {
    ParquetWriter::new(out)
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::default())
}

#[expect(clippy::needless_pass_by_value, reason = "used as a map_err function")]
fn failed(error: PolarsError) -> RunError {
    RunError::Definition(error.to_string())
}

/// A text column with its type even if every cell is null.
fn text<I: Iterator<Item = Option<String>>>(name: &str, cells: I) -> Column {
    let cells: Vec<Option<String>> = cells.collect();
    Column::new(name.into(), cells)
}

/// A list as text, null if empty.
fn joined<S: AsRef<str>>(list: impl IntoIterator<Item = S>) -> Option<String> {
    let list: Vec<String> = list.into_iter().map(|item| item.as_ref().to_owned()).collect();
    (!list.is_empty()).then(|| list.join(","))
}

fn findings(result: &CaseResult, bundle: &str) -> Result<DataFrame, PolarsError> {
    let found = &result.findings;
    let all = &found.findings;
    let whole = Whole::of(&result.rows.timeline);
    let column = |name: &str, get: &dyn Fn(&Finding) -> Option<String>| text(name, all.iter().map(get));
    let host = |f: &Finding| joined(&f.hosts).or_else(|| joined(&found.case.hosts));
    let columns = vec![
        column("bundle", &|_| Some(bundle.to_owned())),
        column("rule_id", &|f| Some(f.rule_id.clone())),
        column("title", &|f| Some(f.title.clone())),
        column("family", &|f| Some(f.family.clone())),
        column("confidence", &|f| Some(f.confidence.as_str().to_owned())),
        column("status", &|f| Some(f.status.as_str().to_owned())),
        column("severity", &|f| Some(f.severity.as_str().to_owned())),
        Column::new("rank".into(), all.iter().map(|f| f.rank).collect::<Vec<_>>()),
        column("subject", &|f| f.subject.clone()),
        column("context", &|f| Some(f.context.as_str().to_owned())),
        column("first_ts", &|f| f.first_ts.clone()),
        column("last_ts", &|f| f.last_ts.clone()),
        Column::new("count".into(), all.iter().map(|f| f.count).collect::<Vec<_>>()),
        column("codes", &|f| joined(&f.codes)),
        column("consequence_of", &|f| joined(&f.consequence_of)),
        column("tenant_id", &|_| whole.tenant.clone()),
        column("host", &host),
        column("user", &|_| whole.user.clone()),
        column("tool_version", &|_| Some(found.tool_version.clone())),
        column("rules_version", &|_| Some(found.rules_version.clone())),
    ];
    DataFrame::new(all.len(), columns)
}

fn quality(result: &CaseResult, bundle: &str) -> Result<DataFrame, PolarsError> {
    let found = &result.findings;
    let all = &found.data_quality;
    let column = |name: &str, get: &dyn Fn(&casetrace_rules::QualityFinding) -> Option<String>| {
        text(name, all.iter().map(get))
    };
    let columns = vec![
        column("bundle", &|_| Some(bundle.to_owned())),
        column("id", &|q| Some(q.id.clone())),
        column("title", &|q| Some(q.title.clone())),
        column("artifact", &|q| q.artifact.clone()),
        column("severity", &|q| Some(q.severity.as_str().to_owned())),
        column("summary", &|q| Some(q.summary.clone())),
        column("what_is_lost", &|q| Some(q.what_is_lost.clone())),
        column("tool_version", &|_| Some(found.tool_version.clone())),
        column("rules_version", &|_| Some(found.rules_version.clone())),
    ];
    DataFrame::new(all.len(), columns)
}

fn one_row(result: &CaseResult, bundle: &str) -> Result<DataFrame, PolarsError> {
    let rows = &result.rows;
    let found = &result.findings;
    let whole = Whole::of(&rows.timeline);
    let one = |name: &str, value: Option<String>| text(name, std::iter::once(value));
    let number = |name: &str, value: u64| Column::new(name.into(), vec![value]);
    let outcomes = |wanted: &[ReadOutcome]| {
        let hit = rows.members.iter().filter(|m| wanted.contains(&m.outcome));
        hit.count() as u64
    };
    let active = |f: &&Finding| f.status == Status::Active;
    let lost = outcomes(&[ReadOutcome::Partial, ReadOutcome::Failed, ReadOutcome::Missing]);
    let span = rows.timeline.span();
    let columns = vec![
        one("bundle", Some(bundle.to_owned())),
        one("name", Some(rows.name.clone())),
        one("hosts", joined(&found.case.hosts)),
        one("tenant_id", whole.tenant),
        one("first_ts", span.map(|(first, _)| time::to_rfc3339(first))),
        one("last_ts", span.map(|(_, last)| time::to_rfc3339(last))),
        number("inputs", rows.inputs.len() as u64),
        number("bytes", rows.inputs.iter().map(|i| i.size).sum()),
        number("members", rows.members.len() as u64),
        number("rows", rows.timeline.len() as u64),
        number("findings", found.findings.iter().filter(active).count() as u64),
        number("members_partial", outcomes(&[ReadOutcome::Partial])),
        number("members_failed", outcomes(&[ReadOutcome::Failed])),
        number("members_missing", outcomes(&[ReadOutcome::Missing])),
        Column::new("clock_offset_ms".into(), vec![whole.clock_offset_ms]),
        one(
            "collector",
            joined(&rows.collections).or_else(|| Some("plain".to_owned())),
        ),
        one("status", Some(if lost > 0 { "partial" } else { "ok" }.to_owned())),
        one("tool_version", Some(found.tool_version.clone())),
        one("rules_version", Some(found.rules_version.clone())),
    ];
    DataFrame::new(1, columns)
}

/// What holds for a case as a whole.
struct Whole {
    /// If the rows name just one.
    tenant: Option<String>,
    /// If the rows name just one.
    user: Option<String>,
    /// Median difference between servers' `Date` headers and the recording's clock.
    clock_offset_ms: Option<f64>,
}

impl Whole {
    fn of(timeline: &Timeline) -> Self {
        Self {
            tenant: only(timeline, "tenant_id"),
            user: only(timeline, "user"),
            clock_offset_ms: clock_offset_ms(timeline),
        }
    }
}

fn only(timeline: &Timeline, column: &str) -> Option<String> {
    let distinct = timeline.distinct(ColumnId::of(column)?);
    let folded: BTreeSet<String> = distinct.iter().map(|t| t.to_lowercase()).collect();
    match (folded.len(), distinct.first()) {
        (1, Some(text)) => Some(text.to_string()),
        _ => None,
    }
}

fn clock_offset_ms(timeline: &Timeline) -> Option<f64> {
    let (kind, fields) = (ColumnId::of("kind")?, ColumnId::of("fields")?);
    let code = timeline
        .distinct(kind)
        .iter()
        .position(|k| k == "http.response")? as u32
        + 1;
    let mut cells = Cells::new(timeline);
    let mut offsets: Vec<f64> = (0..timeline.len() as u32)
        .filter(|row| timeline.code(kind, *row) == Some(code))
        .filter_map(|row| {
            let found = read_members(cells.text(fields, row)?, &["server_date_offset_ms"]);
            parse_number_text(found.first()?.as_deref()?)
        })
        .collect();
    offsets.sort_by(f64::total_cmp);
    offsets.get(offsets.len() / 2).copied()
}

/// True if `folder` is the output of a batch: tables across cases instead of one case's files.
pub fn is_dataset(folder: &Path) -> bool {
    folder.join("cases").is_dir() && !folder.join(names::TIMELINE).exists()
}

/// The tables of a batch output, each with a column `month`.
pub fn dataset_tables(root: &Path) -> Result<Vec<(&'static str, LazyFrame)>, RunError> {
    let mut tables = Vec::new();
    for table in DATASET_TABLES {
        let mut months = Vec::new();
        for (month, folder) in months_of(&root.join(table))? {
            let files = parquet_files(&folder)?;
            if files.is_empty() {
                continue;
            }
            let scan = scan(&files).map_err(failed)?;
            months.push(scan.with_column(lit(month).alias("month")));
        }
        if !months.is_empty() {
            tables.push((table, concat(months, UnionArgs::default()).map_err(failed)?));
        }
    }
    if tables.is_empty() {
        return Err(RunError::Case {
            path: root.to_owned(),
            reason: "no case is published yet".to_owned(),
        });
    }
    Ok(tables)
}

fn scan(files: &[PathBuf]) -> Result<LazyFrame, PolarsError> {
    let paths = files
        .iter()
        .map(|file| PlRefPath::try_from_path(file))
        .collect::<Result<Vec<_>, _>>()?;
    let args = ScanArgsParquet {
        glob: false,
        ..ScanArgsParquet::default()
    };
    LazyFrame::scan_parquet_files(paths.into(), args)
}

fn listing(folder: &Path) -> Result<Vec<PathBuf>, RunError> {
    let wrong = |source| RunError::Input {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong(error)),
    };
    let mut all = Vec::new();
    for entry in entries {
        all.push(entry.map_err(wrong)?.path());
    }
    all.sort();
    Ok(all)
}

fn months_of(table: &Path) -> Result<Vec<(String, PathBuf)>, RunError> {
    let month = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.strip_prefix("month=")?.to_owned();
        Some((name, path))
    };
    Ok(listing(table)?.into_iter().filter_map(month).collect())
}

/// Files of a partition; sidecars and files in the making begin with an underscore or a dot.
fn parquet_files(folder: &Path) -> Result<Vec<PathBuf>, RunError> {
    let visible = |path: &PathBuf| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        name.is_some_and(|name| name.ends_with(".parquet") && !name.starts_with(['_', '.']))
    };
    Ok(listing(folder)?.into_iter().filter(visible).collect())
}

/// Writes the rows of `earlier` but those of the cases in `without`, then all rows of `inputs`, file by file, into one file of the
/// same table; returns their number.
pub fn join_parquet(
    earlier: Option<&Path>,
    without: &[String],
    inputs: &[PathBuf],
    output: &Path,
) -> Result<u64, RunError> {
    let wrong = |source| RunError::Output {
        path: output.to_owned(),
        source,
    };
    let mut batched = None;
    let mut rows = 0;
    let all = earlier
        .map(|input| (input, without))
        .into_iter()
        .chain(inputs.iter().map(|input| (input.as_path(), &[] as &[String])));
    for (input, without) in all {
        let mut frame = keep(read(input)?, without).map_err(failed)?;
        frame.align_chunks_par();
        let batched = match &mut batched {
            Some(batched) => batched,
            none => {
                let file = io::BufWriter::new(File::create(output).map_err(wrong)?);
                let begun = writer(file).batched(frame.schema()).map_err(failed)?;
                none.insert(begun)
            }
        };
        if frame.height() > 0 {
            batched.write_batch(&frame).map_err(failed)?;
        }
        rows += frame.height() as u64;
    }
    if let Some(batched) = batched {
        batched.finish().map_err(failed)?;
    }
    Ok(rows)
}

fn read(input: &Path) -> Result<DataFrame, RunError> {
    let file = File::open(input).map_err(|source| RunError::Input {
        path: input.to_owned(),
        source,
    })?;
    ParquetReader::new(file).finish().map_err(failed)
}

fn keep(frame: DataFrame, without: &[String]) -> Result<DataFrame, PolarsError> {
    if without.is_empty() {
        return Ok(frame);
    }
    let wanted = without
        .iter()
        .fold(lit(true), |all, id| all.and(col("bundle").neq(lit(id.as_str()))));
    frame.lazy().filter(wanted).collect()
}
