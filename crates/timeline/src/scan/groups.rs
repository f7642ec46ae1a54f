//! Rows grouped by kind, provider and event id, and what conditions say of a group before any of its rows is looked at.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use polars::prelude::PlHashMap;
use rayon::prelude::*;

use super::{Open, TASK_ROWS};
use crate::condition::{Condition, Known};
use crate::store::Gathered;
use crate::timeline::{ColumnId, Timeline};

/// Rows, ascending, with what they have in common.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) known: Known<'a>,
    pub(super) rows: Vec<u32>,
}

/// Codes of kind and provider, and the event id.
type Key = (u32, u32, Option<u64>);

/// Conditions that can be true for a kind, and for a kind and provider; most are ruled out there, once for all
/// event ids.
#[derive(Debug)]
struct Candidates<'c, 'k> {
    conditions: &'c [&'c Condition],
    by_kind: PlHashMap<&'k str, Vec<usize>>,
    by_provider: PlHashMap<(&'k str, Option<&'k str>), Vec<usize>>,
}

impl<'c, 'k> Candidates<'c, 'k> {
    fn new(conditions: &'c [&'c Condition]) -> Self {
        Self {
            conditions,
            by_kind: PlHashMap::default(),
            by_provider: PlHashMap::default(),
        }
    }

    fn of(&mut self, known: &Known<'k>) -> &[usize] {
        let conditions = self.conditions;
        let possible =
            |i: &usize, known: &Known<'_>| conditions.get(*i).is_some_and(|c| c.decide(known) != Some(false));
        let of_kind = self.by_kind.entry(known.kind).or_insert_with(|| {
            let known = Known {
                provider: None,
                event_id: None,
                ..*known
            };
            (0..conditions.len()).filter(|i| possible(i, &known)).collect()
        });
        let key = (known.kind, known.provider.flatten());
        self.by_provider.entry(key).or_insert_with(|| {
            let known = Known {
                event_id: None,
                ..*known
            };
            of_kind.iter().copied().filter(|i| possible(i, &known)).collect()
        })
    }
}

/// What conditions say of groups before a row is looked at, decided once for all tasks and slices.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    timeline: &'a Timeline,
    decided: Mutex<(Candidates<'a, 'a>, PlHashMap<Key, bool>)>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(timeline: &'a Timeline, conditions: &'a [&'a Condition]) -> Self {
        let decided = Mutex::new((Candidates::new(conditions), PlHashMap::default()));
        Self { timeline, decided }
    }

    /// Whether of the group that has this key and this row.
    fn is(&self, key: Key, row: u32) -> bool {
        let mut decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        let (candidates, asked) = &mut *decided;
        *asked.entry(key).or_insert_with(|| {
            let known = known(self.timeline, key, row);
            let conditions = candidates.conditions;
            let mut candidates = candidates.of(&known).iter().filter_map(|i| conditions.get(*i));
            candidates.any(|condition| condition.decide(&known) != Some(false))
        })
    }

    /// Conditions that are true for the whole group, and those it leaves open.
    pub(super) fn of(&self, known: &Known<'a>) -> (Vec<usize>, Vec<Open>) {
        let mut decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        let candidates = &mut decided.0;
        let conditions = candidates.conditions;
        let (mut certain, mut open) = (Vec::new(), Vec::new());
        for i in candidates.of(known) {
            let Some(condition) = conditions.get(*i) else {
                continue;
            };
            match condition.decide(known) {
                Some(false) => {}
                Some(true) => certain.push(*i),
                None => open.push((*i, condition.decide_cheap(known) == Some(true))),
            }
        }
        (certain, open)
    }
}

/// The rows of a slice that are asked for, by what is known of them.
pub(super) fn groups<'a>(
    timeline: &'a Timeline,
    asked: &Asked<'a>,
    slice: Range<u32>,
) -> impl Iterator<Item = Group<'a>> {
    let starts: Vec<u32> = slice.clone().step_by(TASK_ROWS).collect();
    let task = |start: &u32| {
        grouped(
            timeline,
            asked,
            *start..slice.end.min(start.saturating_add(TASK_ROWS as u32)),
        )
    };
    let parts: Vec<Vec<(Key, Vec<u32>)>> = starts.par_iter().map(task).collect();
    let mut place: PlHashMap<Key, usize> = PlHashMap::default();
    let mut runs: Vec<(Key, Vec<Vec<u32>>)> = Vec::new();
    for (key, rows) in parts.into_iter().flatten() {
        let at = *place.entry(key).or_insert_with(|| {
            runs.push((key, Vec::new()));
            runs.len() - 1
        });
        if let Some((_, of_key)) = runs.get_mut(at) {
            of_key.push(rows);
        }
    }
    runs.into_iter().map(move |(key, runs)| {
        // Each as large as it must be, and its parts gone before the next.
        let rows = runs.concat();
        let known = known(timeline, key, rows.first().copied().unwrap_or(0));
        Group { known, rows }
    })
}

fn columns() -> Option<[ColumnId; 3]> {
    Some([
        ColumnId::of("kind")?,
        ColumnId::of("provider")?,
        ColumnId::of("event_id")?,
    ])
}

/// The rows of one task that are asked for, by what is known of them, in the order of first rows.
fn grouped(timeline: &Timeline, asked: &Asked<'_>, rows: Range<u32>) -> Vec<(Key, Vec<u32>)> {
    let Some([kind, provider, event_id]) = columns() else {
        return Vec::new();
    };
    let mut place: PlHashMap<Key, usize> = PlHashMap::default();
    let mut groups: Vec<(Key, Option<Vec<u32>>)> = Vec::new();
    let mut last = usize::MAX;
    let rows: Vec<u32> = rows.collect();
    let places = timeline.places(&rows);
    let [kind, provider] = [kind, provider].map(|column| timeline.codes_at(column, &places));
    let event_id = timeline.numbers_at(event_id, &places);
    for (at, row) in rows.into_iter().enumerate() {
        let code = |codes: &Gathered<u64>| codes.at(at).unwrap_or(0) as u32;
        let key = (code(&kind), code(&provider), event_id.at(at).flatten());
        if groups.get(last).is_none_or(|(known, _)| *known != key) {
            last = *place.entry(key).or_insert_with(|| {
                groups.push((key, asked.is(key, row).then(Vec::new)));
                groups.len() - 1
            });
        }
        if let Some((_, Some(rows))) = groups.get_mut(last) {
            rows.push(row);
        }
    }
    let asked = groups.into_iter().filter_map(|(key, rows)| Some((key, rows?)));
    asked.collect()
}

/// What is known of all rows that have the key of this one.
fn known(timeline: &Timeline, key: Key, row: u32) -> Known<'_> {
    let text = |name| ColumnId::of(name).and_then(|column| timeline.text(column, row));
    Known {
        kind: text("kind").unwrap_or(""),
        provider: Some(text("provider")),
        event_id: Some(key.2.and_then(|id| u32::try_from(id).ok())),
    }
}
