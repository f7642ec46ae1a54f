//! Which rows belong to one finding.
//!
//! Rows have a key: what they are about, then the scope columns. An unknown part fits everything; rows that know more
//! narrow a group down. `(PC1, ?)` and `(?, login.example)` become one group `(PC1, login.example)`, and a row of `(PC2, ?)`
//! then starts its own.

use casetrace_model::Value;
use casetrace_timeline::polars::prelude::PlHashMap;
use casetrace_timeline::{Cells, ColumnId, Timeline};

use crate::engine::scope::{comparable, compatible};
use crate::rule::{About, Evidence, Rule};
use crate::template::Key;
use crate::words::Role;

/// Different keys looked at for one rule; more would be a rule without focus.
const MAX_KEYS: usize = 2_000;

/// Rows of one finding-to-be, by evidence number.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    key: Vec<u32>,
    /// What it is about, if known.
    pub(crate) subject: Option<String>,
    pub(crate) rows: Vec<Vec<u32>>,
}

impl Group {
    /// True if a row's key contradicts nothing that is known.
    fn fits(&self, key: &[u32]) -> bool {
        self.key
            .iter()
            .zip(key)
            .all(|(a, b)| *a == 0 || *b == 0 || a == b)
    }

    fn narrow(&mut self, key: &[u32]) {
        for (mine, other) in self.key.iter_mut().zip(key) {
            if *mine == 0 {
                *mine = *other;
            }
        }
    }
}

/// Turns values into small numbers, equal for all spellings of one computer or user; 0 is unknown.
#[derive(Default)]
pub(crate) struct Interner {
    texts: PlHashMap<String, u32>,
    names: Vec<String>,
    /// Dictionary codes seen before.
    codes: PlHashMap<(ColumnId, u32), u32>,
}

impl Interner {
    pub(crate) fn intern(&mut self, text: &str) -> u32 {
        if let Some(id) = self.texts.get(text) {
            return *id;
        }
        self.names.push(text.to_owned());
        let id = self.names.len() as u32;
        self.texts.insert(text.to_owned(), id);
        id
    }

    pub(crate) fn of(&mut self, cells: &mut Cells<'_>, key: &Key, row: u32) -> u32 {
        let Key::Column(column) = key else {
            return key.value_of(cells, row).map_or(0, |text| self.intern(&text));
        };
        let timeline = cells.timeline();
        match timeline.code(*column, row) {
            Some(0) => 0,
            Some(code) => match self.codes.get(&(*column, code)) {
                Some(id) => *id,
                None => {
                    let text = timeline.text(*column, row);
                    let id = text.map_or(0, |text| self.intern(&comparable(column.name(), text)));
                    self.codes.insert((*column, code), id);
                    id
                }
            },
            None => match timeline.value(*column, row) {
                Value::Null => 0,
                _ => key.value_of(cells, row).map_or(0, |text| self.intern(&text)),
            },
        }
    }

    pub(crate) fn name(&self, id: u32) -> Option<&str> {
        self.names.get((id as usize).checked_sub(1)?).map(String::as_str)
    }
}

/// Keys with the rows that have them, by evidence number.
#[derive(Default)]
struct Keyed {
    list: Vec<(Vec<u32>, Vec<Vec<u32>>)>,
    places: PlHashMap<Vec<u32>, usize>,
    /// The place of the last key; neighbours often have the same.
    last: usize,
}

impl Keyed {
    fn push(&mut self, key: &[u32], row: u32, evidence: usize, of: usize) {
        if self.list.get(self.last).is_none_or(|(last, _)| last != key) {
            self.last = match self.places.get(key) {
                Some(place) => *place,
                None => {
                    self.places.insert(key.to_vec(), self.list.len());
                    self.list.push((key.to_vec(), vec![Vec::new(); of]));
                    self.list.len() - 1
                }
            };
        }
        let slots = self.list.get_mut(self.last).map(|(_, slots)| slots);
        if let Some(slot) = slots.and_then(|slots| slots.get_mut(evidence)) {
            slot.push(row);
        }
    }
}

/// Groups the rows of a rule's evidence. Also says whether keys were left out.
pub(crate) fn group(timeline: &Timeline, rule: &Rule, hits: &[Vec<u32>]) -> (Vec<Group>, bool) {
    let mut interner = Interner::default();
    let mut cells = Cells::new(timeline);
    let mut keyed = Keyed::default();
    let mut key = Vec::new();
    for (i, (evidence, rows)) in rule.evidence.iter().zip(hits).enumerate() {
        for row in rows {
            key_of(&mut cells, rule, evidence, &mut interner, *row, &mut key);
            keyed.push(&key, *row, i, rule.evidence.len());
        }
    }
    let mut keys = keyed.list;
    keys.sort_by_key(|(key, slots)| {
        let unknown = key.iter().filter(|part| **part == 0).count();
        (unknown, slots.iter().flatten().min().copied(), key.clone())
    });
    let cut = keys.len() > MAX_KEYS;
    keys.truncate(MAX_KEYS);
    (merge(rule, keys, &interner), cut)
}

fn key_of(
    cells: &mut Cells<'_>,
    rule: &Rule,
    evidence: &Evidence,
    interner: &mut Interner,
    row: u32,
    into: &mut Vec<u32>,
) {
    into.clear();
    into.push(match (&evidence.about, &rule.about) {
        (About::Key(key), _) | (About::Rule, Some(key)) => interner.of(cells, key, row),
        (About::Any, _) | (About::Rule, None) => 0,
    });
    for column in &rule.scope {
        into.push(interner.of(cells, &Key::Column(*column), row));
    }
}

fn makes_findings(role: Role) -> bool {
    matches!(role, Role::Decisive | Role::Supporting | Role::Weak)
}

/// Most specific keys first; each joins all groups it fits and narrows them, or starts its own.
fn merge(rule: &Rule, keys: Vec<(Vec<u32>, Vec<Vec<u32>>)>, interner: &Interner) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let anchors = |slots: &[Vec<u32>]| {
        rule.evidence
            .iter()
            .zip(slots)
            .any(|(e, rows)| makes_findings(e.role) && !rows.is_empty())
    };
    for (key, slots) in keys.iter().filter(|(_, slots)| anchors(slots)) {
        let mut joined = false;
        for group in groups.iter_mut().filter(|g| g.fits(key)) {
            group.narrow(key);
            joined = true;
        }
        if !joined {
            let rows = vec![Vec::new(); slots.len()];
            groups.push(Group {
                key: key.clone(),
                subject: None,
                rows,
            });
        }
    }
    for group in &mut groups {
        let own: Vec<_> = keys
            .iter()
            .filter(|(key, _)| group.fits(key))
            .map(|(_, slots)| slots)
            .collect();
        for slots in own {
            for (mine, rows) in group.rows.iter_mut().zip(slots) {
                mine.extend(rows);
            }
        }
        group.rows.iter_mut().for_each(|rows| rows.sort_unstable());
        group.subject = group
            .key
            .first()
            .and_then(|id| interner.name(*id))
            .map(ToOwned::to_owned);
    }
    groups
}

/// True if a row fits the scope (not the subject) of a group's rows; for absence and coverage.
pub(crate) fn scope_fits(timeline: &Timeline, rule: &Rule, anchors: &[u32], row: u32) -> bool {
    rule.scope
        .iter()
        .all(|column| anchors.is_empty() || anchors.iter().any(|a| compatible(timeline, *column, *a, row)))
}
