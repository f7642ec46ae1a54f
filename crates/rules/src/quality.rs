//! Data-quality rules: over the timeline, or over the inventory.

use std::collections::{BTreeMap, BTreeSet};

use casetrace_timeline::polars::prelude::{Column, DataFrame, IntoLazy};
use casetrace_timeline::{ColumnId, Condition, Timeline};

use crate::engine::hits::linked;
use crate::engine::{Context, Matches};
use crate::file::{From, Per};
use crate::findings::QualityFinding;
use crate::pack::RulePack;
use crate::rule::{Phrase, QualityCondition, QualityMatcher, QualityRule};
use crate::template::Key;

/// Columns of the inventory in conditions.
pub(crate) const INVENTORY_COLUMNS: &[&str] = &[
    "path",
    "name",
    "kind",
    "encoding",
    "outcome",
    "size",
    "sha256",
    "rows",
    "codes",
    "clock_offset_s",
    "clock_reference",
    "clock_pairs",
    "clock_basis",
];

/// Entries one quality rule may make.
const MAX_ENTRIES: usize = 50;

/// One member of the inventory, as rules see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InventoryMember {
    /// Logical path.
    pub path: String,
    /// What it was decoded as.
    pub kind: String,
    /// Text encoding, if it is text.
    pub encoding: String,
    /// `ok`, `partial`, `empty`, `missing`, `skipped`, `failed`.
    pub outcome: String,
    /// Bytes.
    pub size: u64,
    /// Of the content.
    pub sha256: String,
    /// Rows it gave.
    pub rows: u64,
    /// Codes of its diagnostics.
    pub codes: Vec<String>,
    /// Seconds its clock is ahead of the reference's, if both can be compared.
    pub clock_offset_s: Option<i64>,
    /// The member it is compared with; `servers` for times that servers print.
    pub clock_reference: String,
    /// Facts that both have.
    pub clock_pairs: u64,
    /// What they have in common.
    pub clock_basis: String,
}

impl InventoryMember {
    /// File name, lower case.
    fn name(&self) -> String {
        self.path
            .rsplit(['/', '\\'])
            .next()
            .unwrap_or(&self.path)
            .to_lowercase()
    }

    fn cell(&self, column: &str) -> Option<String> {
        let text = match column {
            "path" => self.path.clone(),
            "name" => self.name(),
            "kind" => self.kind.clone(),
            "encoding" => self.encoding.clone(),
            "outcome" => self.outcome.clone(),
            "sha256" => self.sha256.clone(),
            "size" => self.size.to_string(),
            "rows" => self.rows.to_string(),
            "codes" => self.codes.join(", "),
            "clock_offset_s" => return self.clock_offset_s.map(|s| s.to_string()),
            "clock_reference" => self.clock_reference.clone(),
            "clock_pairs" => self.clock_pairs.to_string(),
            "clock_basis" => self.clock_basis.clone(),
            _ => return None,
        };
        Some(text).filter(|t| !t.is_empty())
    }
}

/// Where rows of a quality rule come from.
#[derive(Clone, Copy)]
struct Table<'a> {
    timeline: &'a Timeline,
    members: &'a [InventoryMember],
    from: From,
}

impl Table<'_> {
    fn cell(&self, row: u32, column: &str) -> Option<String> {
        match self.from {
            From::Timeline => Key::parse(column)?.value(self.timeline, row),
            From::Inventory => self.members.get(row as usize)?.cell(column),
        }
    }

    fn artifact(&self, row: u32) -> String {
        self.cell(
            row,
            if self.from == From::Timeline {
                "artifact"
            } else {
                "path"
            },
        )
        .unwrap_or_default()
    }
}

impl RulePack {
    pub(crate) fn evaluate_quality(
        &self,
        timeline: &Timeline,
        matches: &Matches,
        context: &Context<'_>,
    ) -> Vec<QualityFinding> {
        let inventory = inventory_frame(context.members);
        let rows = |condition: &QualityCondition| match condition {
            QualityCondition::Timeline(id) => matches.get(*id).cloned().unwrap_or_default(),
            QualityCondition::Inventory(condition) => inventory_rows(inventory.as_ref(), condition),
        };
        let mut out = Vec::new();
        for rule in &self.quality {
            if rule.if_present.as_ref().is_some_and(|c| rows(c).is_empty()) {
                continue;
            }
            let table = Table {
                timeline,
                members: context.members,
                from: rule.from,
            };
            match &rule.matcher {
                QualityMatcher::Absent(condition) if rows(condition).is_empty() => {
                    out.push(entry(rule, table, &[], context));
                }
                QualityMatcher::Absent(_) => {}
                QualityMatcher::Present(condition) => {
                    let mut found = rows(condition);
                    if let Some(link) = &rule.not_near {
                        let others = matches.get(link.condition).map(Vec::as_slice).unwrap_or_default();
                        let host: Vec<ColumnId> = ColumnId::of("host").into_iter().collect();
                        found = linked(timeline, &host, found, link, others);
                    }
                    let groups = groups(rule, table, found);
                    out.extend(
                        groups
                            .iter()
                            .take(MAX_ENTRIES)
                            .map(|rows| entry(rule, table, rows, context)),
                    );
                }
            }
        }
        out
    }
}

fn inventory_frame(members: &[InventoryMember]) -> Option<DataFrame> {
    let text = |name: &'static str| {
        Column::new(
            name.into(),
            members
                .iter()
                .map(|m| m.cell(name))
                .collect::<Vec<Option<String>>>(),
        )
    };
    let number = |name: &'static str, value: fn(&InventoryMember) -> u64| {
        Column::new(name.into(), members.iter().map(value).collect::<Vec<u64>>())
    };
    let columns = INVENTORY_COLUMNS.iter().map(|name| match *name {
        "size" => number("size", |m| m.size),
        "rows" => number("rows", |m| m.rows),
        "clock_pairs" => number("clock_pairs", |m| m.clock_pairs),
        "clock_offset_s" => Column::new(
            "clock_offset_s".into(),
            members
                .iter()
                .map(|m| m.clock_offset_s)
                .collect::<Vec<Option<i64>>>(),
        ),
        name => text(name),
    });
    DataFrame::new(members.len(), columns.collect()).ok()
}

fn inventory_rows(frame: Option<&DataFrame>, condition: &Condition) -> Vec<u32> {
    let evaluate = |frame: &DataFrame| {
        let mask = frame
            .clone()
            .lazy()
            .select([condition.expr().alias("hit")])
            .collect()
            .ok()?;
        let mask = mask.column("hit").ok()?.bool().ok()?.clone();
        let hit = |row: usize| mask.get(if mask.len() == 1 { 0 } else { row }) == Some(true);
        Some(
            (0..frame.height())
                .filter(|row| hit(*row))
                .map(|row| row as u32)
                .collect(),
        )
    };
    frame.and_then(evaluate).unwrap_or_default()
}

/// Splits rows into entries and drops those that are too few.
fn groups(rule: &QualityRule, table: Table<'_>, rows: Vec<u32>) -> Vec<Vec<u32>> {
    let mut split: BTreeMap<Vec<String>, Vec<u32>> = BTreeMap::new();
    for row in rows {
        let mut key: Vec<String> = rule
            .same
            .iter()
            .map(|c| table.cell(row, c).unwrap_or_default())
            .collect();
        // Rows that lack the value that must be equal are equal to nothing.
        if !rule.same.is_empty() && key.iter().all(String::is_empty) {
            continue;
        }
        if rule.per == Per::Artifact && rule.same.is_empty() {
            key.push(table.artifact(row));
        }
        split.entry(key).or_default().push(row);
    }
    split.retain(|_, rows| {
        let distinct = |column: &str| {
            rows.iter()
                .filter_map(|r| table.cell(*r, column))
                .collect::<BTreeSet<_>>()
                .len()
        };
        rows.len() >= rule.min_count && rule.min_distinct.as_ref().is_none_or(|(c, n)| distinct(c) >= *n)
    });
    split.into_values().collect()
}

fn entry(rule: &QualityRule, table: Table<'_>, rows: &[u32], context: &Context<'_>) -> QualityFinding {
    let lookup = |hole: &str| match hole {
        "count" => Some(rows.len().to_string()),
        column => rows.iter().find_map(|row| table.cell(*row, column)),
    };
    let text = |phrase: &Phrase| phrase.get(context.lang).render(&lookup);
    QualityFinding {
        id: rule.id.clone(),
        title: text(&rule.title),
        artifact: rows
            .first()
            .filter(|_| rule.per == Per::Artifact)
            .map(|row| table.artifact(*row)),
        severity: rule.severity,
        summary: text(&rule.summary),
        what_is_lost: text(&rule.what_is_lost),
        ask_customer: rule.ask_customer.iter().map(text).collect(),
    }
}
