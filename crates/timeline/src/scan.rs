//! Many conditions over one timeline, each only on rows it can match.
//!
//! Rows are grouped by kind, provider and event id. For each group a condition is decided by partial evaluation: most are
//! never true there and cost nothing, many are always true; rows of groups where none can be true are not even listed. The
//! others are evaluated on frames with the columns they read, once for rows that agree in all of them; first without members of `fields` ([`cheap`]), which are read
//! last and only of the rows that are left, once a row for all conditions ([`costly`]).

mod batch;
mod cheap;
mod costly;
mod few;
mod masks;
mod numbers;
mod sets;
#[cfg(test)]
mod tests;
mod together;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use polars::prelude::PlHashMap;
use rayon::prelude::*;

use crate::alone::Alone;
use crate::condition::{Condition, Known};
use crate::error::SqlError;
use crate::store::Gathered;
use crate::timeline::{ColumnId, Timeline};
use cheap::Tested;
use costly::Left;
use masks::Mask;
pub(crate) use masks::member_column;

/// Rows that one thread tests at a time.
const TASK_ROWS: usize = if cfg!(test) { 150 } else { 128 << 10 };

/// Conditions over a timeline, with the rows grouped that any of them can match.
#[derive(Debug)]
pub struct Scan<'a> {
    timeline: &'a Timeline,
    conditions: &'a [&'a Condition],
    groups: Vec<Group<'a>>,
}

#[derive(Debug)]
struct Group<'a> {
    known: Known<'a>,
    rows: Vec<u32>,
}

type Hits = (usize, Result<Vec<u32>, SqlError>);

/// A condition that has to be tested, and whether its cheap part is known to hold.
type Open = (usize, bool);

/// Rows that leave the same conditions open.
type OpenRows<'r> = (Vec<Open>, Vec<Cow<'r, [u32]>>);

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

/// Which groups any condition can be true for, each decided once for all tasks.
#[derive(Debug)]
struct Asked<'a> {
    timeline: &'a Timeline,
    decided: Mutex<(Candidates<'a, 'a>, PlHashMap<Key, bool>)>,
}

impl<'a> Asked<'a> {
    fn new(timeline: &'a Timeline, conditions: &'a [&'a Condition]) -> Self {
        let decided = Mutex::new((Candidates::new(conditions), PlHashMap::default()));
        Self { timeline, decided }
    }

    /// Of the group that has this key and this row.
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
}

impl<'a> Scan<'a> {
    /// Groups the rows.
    pub fn new(timeline: &'a Timeline, conditions: &'a [&'a Condition]) -> Self {
        let starts: Vec<u32> = (0..timeline.len() as u32).step_by(TASK_ROWS).collect();
        let asked = Asked::new(timeline, conditions);
        let parts: Vec<Vec<(Key, Vec<u32>)>> = starts
            .par_iter()
            .map(|start| grouped(timeline, &asked, *start))
            .collect();
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
        let groups = runs.into_iter().map(|(key, runs)| {
            // Each as large as it must be, and its parts gone before the next.
            let rows = runs.concat();
            let known = known(timeline, key, rows.first().copied().unwrap_or(0));
            Group { known, rows }
        });
        Self {
            timeline,
            conditions,
            groups: groups.collect(),
        }
    }

    /// For each condition the rows that match, ascending; or why it could not be evaluated.
    pub fn run(&self) -> Vec<Result<Vec<u32>, SqlError>> {
        let conditions = self.conditions;
        let mut out: Vec<Result<Vec<u32>, SqlError>> = conditions.iter().map(|_| Ok(Vec::new())).collect();
        let mut candidates = Candidates::new(conditions);
        // Groups that leave the same conditions open are tested together.
        let mut alike: BTreeMap<Vec<Open>, Vec<&[u32]>> = BTreeMap::new();
        for group in &self.groups {
            let mut open = Vec::new();
            for i in candidates.of(&group.known) {
                let Some(condition) = conditions.get(*i) else {
                    continue;
                };
                match condition.decide(&group.known) {
                    Some(false) => {}
                    Some(true) => merge(&mut out, *i, Ok(group.rows.clone())),
                    None => open.push((*i, condition.decide_cheap(&group.known) == Some(true))),
                }
            }
            if !open.is_empty() {
                alike.entry(open).or_default().push(&group.rows);
            }
        }
        let open_rows: Vec<OpenRows<'_>> = alike
            .into_par_iter()
            .map(|(open, rows)| (open, pieces(&rows)))
            .collect();
        let mut left: Vec<Left> = open_rows.iter().map(|_| Left::new()).collect();
        for (group, Tested { hits, left: more }) in self.cheap(conditions, &open_rows) {
            hits.into_iter().for_each(|(i, hits)| merge(&mut out, i, hits));
            if let Some(left) = left.get_mut(group) {
                left.extend(more);
            }
        }
        drop(open_rows);
        for (i, hits) in self.costly(conditions, &left) {
            merge(&mut out, i, hits);
        }
        // They come in runs, which this sort merges.
        out.par_iter_mut().flatten().for_each(|rows| rows.sort());
        out
    }
}

/// Rows of groups that are tested together: those of large groups where they are, those of small ones in one list.
fn pieces<'r>(groups: &[&'r [u32]]) -> Vec<Cow<'r, [u32]>> {
    let (large, small): (Vec<_>, Vec<_>) = groups.iter().partition(|rows| rows.len() >= TASK_ROWS);
    let small = (!small.is_empty()).then(|| Cow::Owned(small.concat()));
    large.into_iter().map(Cow::Borrowed).chain(small).collect()
}

/// Codes of kind and provider, and the event id.
type Key = (u32, u32, Option<u64>);

fn columns() -> Option<[ColumnId; 3]> {
    Some([
        ColumnId::of("kind")?,
        ColumnId::of("provider")?,
        ColumnId::of("event_id")?,
    ])
}

/// The rows of one task that are asked for, by what is known of them, in the order of first rows.
fn grouped(timeline: &Timeline, asked: &Asked<'_>, start: u32) -> Vec<(Key, Vec<u32>)> {
    let Some([kind, provider, event_id]) = columns() else {
        return Vec::new();
    };
    let mut place: PlHashMap<Key, usize> = PlHashMap::default();
    let mut groups: Vec<(Key, Option<Vec<u32>>)> = Vec::new();
    let mut last = usize::MAX;
    let end = start.saturating_add(TASK_ROWS as u32).min(timeline.len() as u32);
    let rows: Vec<u32> = (start..end).collect();
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

/// Works on one task a thread; results are in the order of tasks. Threads of their own: a worker of a pool that waits for
/// polars would take up the next task meanwhile, and the one after, each with its frame.
pub fn side_by_side<T: Send, R: Send>(tasks: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    if Alone::is_on() || tasks.len() < 2 {
        return tasks.into_iter().map(work).collect();
    }
    let threads = rayon::current_num_threads().clamp(1, tasks.len());
    let tasks = Mutex::new(tasks.into_iter().enumerate());
    let next = || tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((number, task)) = next() {
                    let result = (number, work(task));
                    done.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

fn merge(out: &mut [Result<Vec<u32>, SqlError>], i: usize, hits: Result<Vec<u32>, SqlError>) {
    let Some(slot) = out.get_mut(i) else { return };
    match (slot, hits) {
        (Ok(rows), Ok(more)) => rows.extend(more),
        (slot @ Ok(_), Err(error)) => *slot = Err(error),
        (Err(_), _) => {}
    }
}

/// What becomes of each expression if not even its frame can be made.
fn all_failed(exprs: usize, error: &impl std::fmt::Display) -> Vec<Mask> {
    (0..exprs)
        .map(|_| Err(SqlError::new(error.to_string())))
        .collect()
}

/// Rows whose mask is true.
fn chosen(rows: &[u32], mask: &[bool]) -> Vec<u32> {
    let hit = rows.iter().zip(mask).filter(|(_, hit)| **hit);
    hit.map(|(row, _)| *row).collect()
}
