//! What is wrong with collections: remarks on quality, cases that could not be analysed, clocks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::fleet::percent;
use crate::question::Answer;
use crate::records::Failure;

/// Computers shown among the clocks.
const MAX_CLOCKS: usize = 30;
/// Cases named of one kind of failure.
const MAX_NAMED: usize = 10;
/// Tools shown.
const MAX_COLLECTORS: usize = 20;
/// Clocks this close are right; Kerberos breaks at five minutes.
const FINE_MS: u64 = 60_000;

/// One remark on the data, over all cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QualityRow {
    /// `DQ-01` …
    pub id: String,
    /// Its title.
    pub title: String,
    /// Cases with it.
    pub cases: u64,
    /// Of all cases.
    pub percent: u64,
    /// One of them.
    pub example: String,
}

/// One collection tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CollectorRow {
    /// Its name; `plain` for files that no known tool collected.
    pub collector: String,
    /// Cases it made.
    pub cases: u64,
    /// Cases of which some part is damaged, unreadable or missing.
    pub incomplete: u64,
    /// Of its cases.
    pub percent: u64,
    /// Cases with a member that was read in part.
    pub damaged: u64,
    /// Cases with a member that could not be read.
    pub unreadable: u64,
    /// Cases without a member the collection speaks of.
    pub missing: u64,
}

/// Failures of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureRow {
    /// `unreadable`, `crash`, `memory`, …
    pub class: String,
    /// Cases.
    pub cases: u64,
    /// Of them, how many are not tried again.
    pub permanent: u64,
    /// The first few.
    pub named: Vec<String>,
}

/// The clock of the computers of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClockRow {
    /// The computers.
    pub hosts: String,
    /// Cases with them.
    pub cases: u64,
    /// Of them, in how many the rule on clocks stands.
    pub findings: u64,
    /// The largest difference among the cases, in seconds: positive if the servers are ahead; nothing where only the rule knows.
    pub offset_s: Option<i64>,
    /// The case it is from.
    pub example: String,
}

/// Remarks, those of most cases first.
pub(crate) fn quality(answer: &Answer, all_cases: usize) -> Vec<QualityRow> {
    let mut rows: Vec<QualityRow> = answer
        .rows()
        .map(|i| QualityRow {
            id: answer.text(i, "id"),
            title: answer.text(i, "title"),
            cases: answer.count(i, "cases"),
            percent: percent(answer.count(i, "cases"), all_cases as u64),
            example: answer.text(i, "example"),
        })
        .collect();
    rows.sort_by(|a, b| (b.cases, &a.id).cmp(&(a.cases, &b.id)));
    rows
}

/// Collection tools, those of most cases first.
pub(crate) fn collectors(answer: &Answer) -> Vec<CollectorRow> {
    let mut rows: Vec<CollectorRow> = answer
        .rows()
        .map(|i| CollectorRow {
            collector: answer.text(i, "collector"),
            cases: answer.count(i, "cases"),
            incomplete: answer.count(i, "incomplete"),
            percent: percent(answer.count(i, "incomplete"), answer.count(i, "cases")),
            damaged: answer.count(i, "damaged"),
            unreadable: answer.count(i, "unreadable"),
            missing: answer.count(i, "missing"),
        })
        .collect();
    rows.sort_by(|a, b| (b.cases, &a.collector).cmp(&(a.cases, &b.collector)));
    rows.truncate(MAX_COLLECTORS);
    rows
}

/// Failures by kind.
pub(crate) fn failures(failures: &[Failure]) -> Vec<FailureRow> {
    let mut kinds: BTreeMap<&str, (BTreeSet<&str>, u64)> = BTreeMap::new();
    for failure in failures {
        let kind = kinds.entry(failure.class.as_str()).or_default();
        kind.1 += u64::from(kind.0.insert(&failure.bundle) && failure.permanent);
    }
    let mut rows: Vec<FailureRow> = kinds
        .into_iter()
        .map(|(class, (bundles, permanent))| FailureRow {
            class: class.to_owned(),
            cases: bundles.len() as u64,
            permanent,
            named: bundles.into_iter().take(MAX_NAMED).map(str::to_owned).collect(),
        })
        .collect();
    rows.sort_by(|a, b| (b.cases, &a.class).cmp(&(a.cases, &b.class)));
    rows
}

/// Clocks that are off, the worst first; the number of cases whose clock was read; and how many are not shown.
pub(crate) fn clocks(answer: &Answer) -> (Vec<ClockRow>, usize, usize) {
    let mut hosts: BTreeMap<String, (ClockRow, u64)> = BTreeMap::new();
    for i in answer.rows() {
        let offset = answer.number(i, "clock_offset_ms");
        let off = offset.unwrap_or(0).unsigned_abs();
        let finding = !answer.text(i, "finding").is_empty();
        if off <= FINE_MS && !finding {
            continue;
        }
        let name = answer.text(i, "hosts");
        let (row, worst) = hosts
            .entry(name.clone())
            .or_insert_with(|| (ClockRow::of(name), 0));
        row.cases += 1;
        row.findings += u64::from(finding);
        if row.example.is_empty() || off > *worst {
            *worst = off;
            row.offset_s = offset.map(|ms| ms / 1000);
            row.example = answer.text(i, "bundle");
        }
    }
    let mut rows: Vec<(ClockRow, u64)> = hosts.into_values().collect();
    rows.sort_by(|a, b| (b.1, &a.0.hosts).cmp(&(a.1, &b.0.hosts)));
    let more = rows.len().saturating_sub(MAX_CLOCKS);
    rows.truncate(MAX_CLOCKS);
    (
        rows.into_iter().map(|(row, _)| row).collect(),
        answer.rows().len(),
        more,
    )
}

impl ClockRow {
    fn of(hosts: String) -> Self {
        Self {
            hosts,
            cases: 0,
            findings: 0,
            offset_s: None,
            example: String::new(),
        }
    }
}
