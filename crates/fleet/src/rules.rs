//! How often each rule stands, by period.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use casetrace_rules::RulePack;
use serde::Serialize;

use crate::calendar::Calendar;
use crate::fleet::{Case, Options, percent};
use crate::question::Answer;

/// Rules shown.
const MAX_RULES: usize = 40;

/// One period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeriodHead {
    /// `2026-03` or `2026-W10`.
    pub name: String,
    /// Cases of it.
    pub cases: u64,
}

/// One rule in one period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// Cases in which it stands.
    pub cases: u64,
    /// Of the cases of the period.
    pub percent: u64,
}

/// One rule over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleRow {
    /// The rule.
    pub rule_id: String,
    /// Its title, without the subject of a case.
    pub title: String,
    /// `critical` … `info`.
    pub severity: String,
    /// Cases in which it stands.
    pub cases: u64,
    /// Of all cases.
    pub percent: u64,
    /// Cases in which nothing else explains it.
    pub causes: u64,
    /// One cell a period.
    pub cells: Vec<Cell>,
    /// `up`, `down` or `same`: the newest period against all before it; empty where one of them has no cases.
    pub trend: &'static str,
}

/// The periods with their cases.
pub(crate) fn periods(calendar: &Calendar, cases: &[Case]) -> Vec<PeriodHead> {
    let mut heads: Vec<PeriodHead> = calendar
        .names()
        .iter()
        .map(|name| PeriodHead {
            name: name.clone(),
            cases: 0,
        })
        .collect();
    for case in cases {
        if let Some(head) = calendar.place(&case.day).and_then(|at| heads.get_mut(at)) {
            head.cases += 1;
        }
    }
    heads
}

/// Rules that stood, most cases first (what only informs comes last), and how many are not shown.
pub(crate) fn rules(
    hits: &Answer,
    titles: &Answer,
    calendar: &Calendar,
    heads: &[PeriodHead],
    all_cases: usize,
    options: &Options,
) -> (Vec<RuleRow>, usize) {
    let mut rows: BTreeMap<String, RuleRow> = BTreeMap::new();
    let words = titles_of(titles, options);
    for i in hits.rows() {
        let id = hits.text(i, "rule_id");
        let row = rows.entry(id.clone()).or_insert_with(|| empty(id, &words, heads));
        let cases = hits.count(i, "cases");
        row.cases += cases;
        row.causes += hits.count(i, "causes");
        let place = calendar.place(&hits.text(i, "day"));
        if let Some(cell) = place.and_then(|at| row.cells.get_mut(at)) {
            cell.cases += cases;
        }
    }
    let mut rows: Vec<RuleRow> = rows
        .into_values()
        .map(|row| finish(row, heads, all_cases))
        .collect();
    rows.sort_by_key(|row| {
        let info = row.severity == "info";
        (info, Reverse(row.cases), Reverse(row.causes), row.rule_id.clone())
    });
    let more = rows.len().saturating_sub(MAX_RULES);
    rows.truncate(MAX_RULES);
    (rows, more)
}

fn empty(id: String, words: &BTreeMap<String, (String, String)>, heads: &[PeriodHead]) -> RuleRow {
    let (title, severity) = words.get(&id).cloned().unwrap_or_default();
    RuleRow {
        rule_id: id,
        title,
        severity,
        cases: 0,
        percent: 0,
        causes: 0,
        cells: heads.iter().map(|_| Cell { cases: 0, percent: 0 }).collect(),
        trend: "",
    }
}

fn finish(mut row: RuleRow, heads: &[PeriodHead], all_cases: usize) -> RuleRow {
    row.percent = percent(row.cases, all_cases as u64);
    for (cell, head) in row.cells.iter_mut().zip(heads) {
        cell.percent = percent(cell.cases, head.cases);
    }
    row.trend = trend(&row.cells, heads);
    row
}

/// The newest share of cases against the share over all periods before; five points apart is a change.
fn trend(cells: &[Cell], heads: &[PeriodHead]) -> &'static str {
    let (Some((newest, older)), Some((head, older_heads))) = (cells.split_last(), heads.split_last()) else {
        return "";
    };
    let base: u64 = older_heads.iter().map(|head| head.cases).sum();
    if base == 0 || head.cases == 0 {
        return "";
    }
    let before = percent(older.iter().map(|cell| cell.cases).sum(), base);
    match newest.percent {
        now if now >= before + 5 => "up",
        now if now + 5 <= before => "down",
        _ => "same",
    }
}

/// Title and severity by rule: in the language of the report if the built-in pack has the rule, else as the cases say.
fn titles_of(titles: &Answer, options: &Options) -> BTreeMap<String, (String, String)> {
    let pack = RulePack::builtin().pack;
    let of_pack = |id: &str| {
        let rule = pack.rule(id)?;
        let title = rule.title.get(options.lang).replace("{subject}", "…");
        Some((title, rule.severity.as_str().to_owned()))
    };
    titles
        .rows()
        .map(|i| {
            let id = titles.text(i, "rule_id");
            let found = of_pack(&id).unwrap_or_else(|| (titles.text(i, "title"), titles.text(i, "severity")));
            (id, found)
        })
        .collect()
}
