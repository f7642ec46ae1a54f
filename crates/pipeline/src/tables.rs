//! The tables `timeline`, `findings`, `inventory`, `attempts` and `attempt_rows` of finished cases, for SQL.

use std::fs;
use std::path::{Path, PathBuf};

use casetrace_rules::{Attempt, AttemptRow, Attempts, Findings};
use casetrace_timeline::scan_parquet;
use polars::prelude::{Column, DataFrame, IntoLazy, LazyFrame, PolarsError, UnionArgs, concat, lit};

use crate::dataset::{dataset_tables, is_dataset};
use crate::error::RunError;
use crate::inventory::Inventory;
use crate::output::{load_inventory, names};

/// The tables over one case or several; with several, each has a column `case_name`.
///
/// A batch output instead of case folders gives its tables `timeline`, `findings`, `quality` and `bundles`.
///
/// Shape: `timeline` as in the schema; `findings` one row a finding; `inventory` one row a member; `attempts` one row an
/// attempt; `attempt_rows` one row for each of its rows, to be joined with the timeline by artifact, record and kind. Cases
/// of a version that wrote no attempts have none.
pub fn tables(cases: &[PathBuf]) -> Result<Vec<(&'static str, LazyFrame)>, RunError> {
    if let [folder] = cases
        && is_dataset(folder)
    {
        return dataset_tables(folder);
    }
    let mut timelines = Vec::new();
    let mut findings = Vec::new();
    let mut inventories = Vec::new();
    let mut attempts = Vec::new();
    let mut attempt_rows = Vec::new();
    for folder in cases {
        let inventory = load_inventory(folder)?;
        let name = inventory.name.clone();
        let label = |frame: LazyFrame| frame.with_column(lit(name.clone()).alias("case_name"));
        timelines.push(label(scan_parquet(&folder.join(names::TIMELINE))?));
        let frame =
            |result: Result<DataFrame, PolarsError>| result.map(|f| label(f.lazy())).map_err(polars_failed);
        findings.push(frame(findings_frame(&document(folder, names::FINDINGS)?))?);
        inventories.push(frame(inventory_frame(&inventory))?);
        let stories: Attempts = match folder.join(names::ATTEMPTS).is_file() {
            true => document(folder, names::ATTEMPTS)?,
            false => Attempts::default(),
        };
        attempts.push(frame(attempts_frame(&stories))?);
        attempt_rows.push(frame(attempt_rows_frame(&stories))?);
    }
    let union = |mut frames: Vec<LazyFrame>| match (frames.len(), frames.pop()) {
        (1, Some(only)) => Ok(only),
        (_, last) => concat(
            frames.into_iter().chain(last).collect::<Vec<_>>(),
            UnionArgs::default(),
        )
        .map_err(polars_failed),
    };
    Ok(vec![
        ("timeline", union(timelines)?),
        ("findings", union(findings)?),
        ("inventory", union(inventories)?),
        ("attempts", union(attempts)?),
        ("attempt_rows", union(attempt_rows)?),
    ])
}

fn document<T: serde::de::DeserializeOwned>(folder: &Path, name: &str) -> Result<T, RunError> {
    let wrong = |reason: String| RunError::Case {
        path: folder.to_owned(),
        reason: format!("{name}: {reason}"),
    };
    let text = fs::read_to_string(folder.join(name)).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}

#[expect(clippy::needless_pass_by_value, reason = "used as a map_err function")]
fn polars_failed(error: PolarsError) -> RunError {
    RunError::Definition(error.to_string())
}

fn findings_frame(findings: &Findings) -> Result<DataFrame, PolarsError> {
    let all = &findings.findings;
    let text = |name: &str, get: &dyn Fn(&casetrace_rules::Finding) -> Option<String>| {
        Column::new(name.into(), all.iter().map(get).collect::<Vec<Option<String>>>())
    };
    let columns = vec![
        text("rule_id", &|f| Some(f.rule_id.clone())),
        text("title", &|f| Some(f.title.clone())),
        text("family", &|f| Some(f.family.clone())),
        text("confidence", &|f| Some(f.confidence.as_str().to_owned())),
        text("status", &|f| Some(f.status.as_str().to_owned())),
        text("severity", &|f| Some(f.severity.as_str().to_owned())),
        Column::new("rank".into(), all.iter().map(|f| f.rank).collect::<Vec<_>>()),
        text("consequence_of", &|f| Some(f.consequence_of.join(","))),
        text("first_ts", &|f| f.first_ts.clone()),
        text("last_ts", &|f| f.last_ts.clone()),
        Column::new("count".into(), all.iter().map(|f| f.count).collect::<Vec<_>>()),
        text("subject", &|f| f.subject.clone()),
        text("context", &|f| Some(f.context.as_str().to_owned())),
        text("hosts", &|f| Some(f.hosts.join(","))),
        text("codes", &|f| Some(f.codes.join(","))),
        text("explanation", &|f| Some(f.explanation.clone())),
    ];
    DataFrame::new(all.len(), columns)
}

fn attempts_frame(attempts: &Attempts) -> Result<DataFrame, PolarsError> {
    let all = &attempts.attempts;
    let text = |name: &str, get: &dyn Fn(&Attempt) -> Option<String>| {
        Column::new(name.into(), all.iter().map(get).collect::<Vec<Option<String>>>())
    };
    let columns = vec![
        text("attempt_id", &|a| Some(a.attempt_id.clone())),
        text("kind", &|a| Some(a.kind.clone())),
        text("host", &|a| a.host.clone()),
        text("user", &|a| a.user.clone()),
        text("context", &|a| Some(a.context.as_str().to_owned())),
        text("started", &|a| a.started.clone()),
        text("ended", &|a| a.ended.clone()),
        text("outcome", &|a| Some(a.outcome.as_str().to_owned())),
        text("error_code", &|a| a.error_code.clone()),
        text("error_symbol", &|a| a.error_symbol.clone()),
        text("correlation_ids", &|a| Some(a.correlation_ids.join(","))),
        Column::new("rows".into(), all.iter().map(|a| a.rows).collect::<Vec<_>>()),
        text("sources", &|a| Some(a.sources.join(","))),
        text("findings", &|a| Some(a.findings.join(","))),
        text("summary", &|a| Some(a.summary.clone())),
    ];
    DataFrame::new(all.len(), columns)
}

fn attempt_rows_frame(attempts: &Attempts) -> Result<DataFrame, PolarsError> {
    let all: Vec<(&str, &AttemptRow)> = attempts
        .attempts
        .iter()
        .flat_map(|a| a.steps.iter().map(|row| (a.attempt_id.as_str(), row)))
        .collect();
    let text = |name: &str, get: &dyn Fn(&AttemptRow) -> Option<String>| {
        let values = all.iter().map(|(_, row)| get(row));
        Column::new(name.into(), values.collect::<Vec<Option<String>>>())
    };
    let ids: Vec<&str> = all.iter().map(|(id, _)| *id).collect();
    let columns = vec![
        Column::new("attempt_id".into(), ids),
        Column::new(
            "ordinal".into(),
            all.iter().map(|(_, r)| r.ordinal).collect::<Vec<_>>(),
        ),
        text("artifact", &|r| Some(r.artifact.clone())),
        Column::new(
            "record".into(),
            all.iter().map(|(_, r)| r.record).collect::<Vec<_>>(),
        ),
        text("ts", &|r| r.ts.clone()),
        text("source", &|r| Some(r.source.clone())),
        text("kind", &|r| Some(r.kind.clone())),
        text("role", &|r| Some(r.role.as_str().to_owned())),
        text("step", &|r| r.step.clone()),
        text("link", &|r| Some(r.link.as_str().to_owned())),
        text("server_name", &|r| r.server_name.clone()),
        text("outcome", &|r| r.outcome.clone()),
        text("error_code", &|r| r.error_code.clone()),
        text("message", &|r| Some(r.message.clone())),
    ];
    DataFrame::new(all.len(), columns)
}

fn inventory_frame(inventory: &Inventory) -> Result<DataFrame, PolarsError> {
    let all = &inventory.members;
    let text = |name: &str, get: &dyn Fn(&crate::InventoryMember) -> Option<String>| {
        Column::new(name.into(), all.iter().map(get).collect::<Vec<Option<String>>>())
    };
    let columns = vec![
        text("path", &|m| Some(m.path.clone())),
        Column::new("size".into(), all.iter().map(|m| m.size).collect::<Vec<_>>()),
        text("sha256", &|m| Some(m.sha256.clone())),
        text("kind", &|m| Some(m.kind.clone())),
        text("format", &|m| m.format.clone()),
        text("encoding", &|m| m.encoding.clone()),
        text("outcome", &|m| Some(m.outcome.as_str().to_owned())),
        Column::new("rows".into(), all.iter().map(|m| m.rows).collect::<Vec<_>>()),
        Column::new(
            "records".into(),
            all.iter().map(|m| m.records).collect::<Vec<_>>(),
        ),
        text("first", &|m| m.first.clone()),
        text("last", &|m| m.last.clone()),
        text("codes", &|m| Some(m.codes().join(","))),
    ];
    DataFrame::new(all.len(), columns)
}
