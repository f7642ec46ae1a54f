//! Data-quality rules: over the timeline, or over the inventory.

use std::collections::BTreeSet;

use casetrace_timeline::polars::prelude::{Column, DataFrame, IntoLazy, PlHashMap};
use casetrace_timeline::{Cells, ColumnId, Condition, SqlError, Timeline};

use crate::engine::Context;
use crate::engine::groups::Interner;
use crate::engine::hits::linked;
use crate::error::RuleError;
use crate::file::{From, Per};
use crate::findings::QualityFinding;
use crate::pack::RulePack;
use crate::rule::{ConditionId, Phrase, QualityCondition, QualityMatcher, QualityRule};
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

/// What quality rules are asked about.
struct Evidence<'a> {
    timeline: &'a Timeline,
    results: &'a [Result<Vec<u32>, SqlError>],
    inventory: Option<DataFrame>,
}

impl Evidence<'_> {
    fn of_timeline(&self, id: ConditionId) -> Result<&[u32], SqlError> {
        match self.results.get(id) {
            Some(result) => result.as_ref().map(Vec::as_slice).map_err(SqlError::clone),
            None => Ok(&[]),
        }
    }

    fn rows(&self, condition: &QualityCondition) -> Result<Vec<u32>, SqlError> {
        match condition {
            QualityCondition::Timeline(id) => self.of_timeline(*id).map(<[u32]>::to_vec),
            QualityCondition::Inventory(condition) => {
                let Some(frame) = &self.inventory else {
                    return Ok(Vec::new());
                };
                inventory_rows(frame, condition)
            }
        }
    }
}

impl RulePack {
    /// What is to be said of the evidence, and rules that could not be asked. A rule that fails says nothing: what it
    /// did not find is not missing.
    pub(crate) fn evaluate_quality(
        &self,
        timeline: &Timeline,
        results: &[Result<Vec<u32>, SqlError>],
        context: &Context<'_>,
    ) -> (Vec<QualityFinding>, Vec<RuleError>) {
        let evidence = Evidence {
            timeline,
            results,
            inventory: inventory_frame(context.members),
        };
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        for rule in &self.quality {
            match remarks(rule, &evidence, context) {
                Ok(found) => out.extend(found),
                Err(error) => errors.push(RuleError::while_running(&rule.file, &rule.id, &error)),
            }
        }
        (out, errors)
    }
}

fn remarks(
    rule: &QualityRule,
    evidence: &Evidence<'_>,
    context: &Context<'_>,
) -> Result<Vec<QualityFinding>, SqlError> {
    if let Some(condition) = &rule.if_present
        && evidence.rows(condition)?.is_empty()
    {
        return Ok(Vec::new());
    }
    let table = Table {
        timeline: evidence.timeline,
        members: context.members,
        from: rule.from,
    };
    match &rule.matcher {
        QualityMatcher::Absent(condition) if evidence.rows(condition)?.is_empty() => {
            Ok(vec![entry(rule, table, &[], context)])
        }
        QualityMatcher::Absent(_) => Ok(Vec::new()),
        QualityMatcher::Present(condition) => {
            let mut found = evidence.rows(condition)?;
            if let Some(link) = &rule.not_near {
                let others = evidence.of_timeline(link.condition)?;
                let host: Vec<ColumnId> = ColumnId::of("host").into_iter().collect();
                found = linked(evidence.timeline, &host, found, link, others);
            }
            let groups = groups(rule, table, found);
            let entries = groups.iter().take(MAX_ENTRIES);
            Ok(entries.map(|rows| entry(rule, table, rows, context)).collect())
        }
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

fn inventory_rows(frame: &DataFrame, condition: &Condition) -> Result<Vec<u32>, SqlError> {
    let failed = |error| SqlError::new(format!("{error}."));
    let hits = frame.clone().lazy().select([condition.expr()?.alias("hit")]);
    let hits = hits.collect().map_err(failed)?;
    let mask = hits
        .column("hit")
        .and_then(|column| column.bool())
        .map_err(failed)?;
    let hit = |row: &usize| mask.get(if mask.len() == 1 { 0 } else { *row }) == Some(true);
    Ok((0..frame.height()).filter(hit).map(|row| row as u32).collect())
}

/// Numbers cells, equal for all spellings of one computer or user.
struct Ids<'a> {
    table: Table<'a>,
    cells: Cells<'a>,
    interner: Interner,
}

impl Ids<'_> {
    fn of(&mut self, column: &Cell<'_>, row: u32) -> u32 {
        match column {
            Cell::Timeline(key) => self.interner.of(&mut self.cells, key, row),
            Cell::Inventory(name) => {
                let text = self.table.cell(row, name);
                text.map_or(0, |text| self.interner.intern(&text))
            }
        }
    }
}

/// A column of the table.
enum Cell<'a> {
    Timeline(Key),
    Inventory(&'a str),
}

impl<'a> Cell<'a> {
    fn of(table: Table<'_>, column: &'a str) -> Option<Self> {
        match table.from {
            From::Timeline => Key::parse(column).map(Self::Timeline),
            From::Inventory => Some(Self::Inventory(column)),
        }
    }
}

/// Splits rows into entries and drops those that are too few.
fn groups(rule: &QualityRule, table: Table<'_>, rows: Vec<u32>) -> Vec<Vec<u32>> {
    let mut ids = Ids {
        table,
        cells: Cells::new(table.timeline),
        interner: Interner::default(),
    };
    let by_artifact = rule.per == Per::Artifact && rule.same.is_empty();
    let artifact = if table.from == From::Timeline {
        "artifact"
    } else {
        "path"
    };
    let same: Vec<&str> = match by_artifact {
        true => vec![artifact],
        false => rule.same.iter().map(String::as_str).collect(),
    };
    let same: Vec<Cell<'_>> = same
        .into_iter()
        .filter_map(|name| Cell::of(table, name))
        .collect();
    let mut split: PlHashMap<Vec<u32>, Vec<u32>> = PlHashMap::default();
    let mut key = Vec::new();
    for row in rows {
        key.clear();
        key.extend(same.iter().map(|column| ids.of(column, row)));
        // Rows that lack the value that must be equal are equal to nothing.
        if !rule.same.is_empty() && key.iter().all(|id| *id == 0) {
            continue;
        }
        match split.get_mut(&key) {
            Some(rows) => rows.push(row),
            None => {
                split.insert(key.clone(), vec![row]);
            }
        }
    }
    let distinct = rule.min_distinct.as_ref();
    let distinct = distinct.and_then(|(column, count)| Some((Cell::of(table, column)?, *count)));
    split.retain(|_, rows| {
        let mut seen = BTreeSet::new();
        rows.len() >= rule.min_count
            && distinct.as_ref().is_none_or(|(column, count)| {
                seen.extend(rows.iter().map(|row| ids.of(column, *row)).filter(|id| *id > 0));
                seen.len() >= *count
            })
    });
    let mut split: Vec<(Vec<u32>, Vec<u32>)> = split.into_iter().collect();
    let names = |key: &[u32]| -> Vec<String> {
        let name = |id: &u32| ids.interner.name(*id).unwrap_or_default().to_owned();
        key.iter().map(name).collect()
    };
    split.sort_by_cached_key(|(key, _)| names(key));
    split.into_iter().map(|(_, rows)| rows).collect()
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
