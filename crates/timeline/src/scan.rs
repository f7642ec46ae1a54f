//! Many conditions over one timeline, each only on rows it can match.
//!
//! Rows are grouped once by kind, provider and event id. For each group a condition is decided by partial evaluation:
//! most are never true there and cost nothing, many are always true. The others are evaluated on frames with the columns
//! they read, first without members of `fields` and there once for rows that agree in all of them ([`cheap`]); members
//! are parsed last, once a row for all conditions ([`costly`]).

mod cheap;
mod costly;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use polars::prelude::{
    BooleanChunked, DataFrame, Expr, Float64Chunked, Int64Chunked, IntoColumn, IntoLazy, NewChunkedArray,
    PlHashMap, PlSmallStr, PolarsResult, StringChunked,
};
use rayon::prelude::*;

use crate::condition::{Condition, Known};
use crate::error::SqlError;
use crate::members::{Member, MemberType, number, time};
use crate::timeline::{ColumnId, Timeline};

/// A timeline with its rows grouped.
#[derive(Debug)]
pub struct Scan<'a> {
    timeline: &'a Timeline,
    groups: Vec<Group<'a>>,
}

#[derive(Debug)]
struct Group<'a> {
    known: Known<'a>,
    rows: Vec<u32>,
}

type Hits = (usize, Result<Vec<u32>, SqlError>);

/// Conditions whose cheap part holds for these rows (ascending), and that also read members.
type Survivors = Vec<(usize, Vec<u32>)>;

/// A condition that has to be tested, and whether its cheap part is known to hold.
type Open = (usize, bool);

/// Conditions that can be true for a kind, and for a kind and provider; most are ruled out there, once for all
/// event ids.
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

impl<'a> Scan<'a> {
    /// Groups the rows.
    pub fn new(timeline: &'a Timeline) -> Self {
        let mut place: PlHashMap<(u32, u32, Option<u64>), usize> = PlHashMap::default();
        let mut groups: Vec<Group<'a>> = Vec::new();
        let columns = [
            ColumnId::of("kind"),
            ColumnId::of("provider"),
            ColumnId::of("event_id"),
        ];
        let [Some(kind), Some(provider), Some(event_id)] = columns else {
            return Self { timeline, groups };
        };
        for row in 0..timeline.len() as u32 {
            let code = |column| timeline.code(column, row).unwrap_or(0);
            let id = timeline.number(event_id, row);
            let at = *place.entry((code(kind), code(provider), id)).or_insert_with(|| {
                groups.push(Group {
                    known: Known {
                        kind: timeline.text(kind, row).unwrap_or(""),
                        provider: Some(timeline.text(provider, row)),
                        event_id: Some(id.and_then(|id| u32::try_from(id).ok())),
                    },
                    rows: Vec::new(),
                });
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(at) {
                group.rows.push(row);
            }
        }
        Self { timeline, groups }
    }

    /// The timeline it was made of.
    pub fn timeline(&self) -> &'a Timeline {
        self.timeline
    }

    /// For each condition the rows that match, ascending; or why it could not be evaluated.
    pub fn run(&self, conditions: &[&Condition]) -> Vec<Result<Vec<u32>, SqlError>> {
        let mut out: Vec<Result<Vec<u32>, SqlError>> = conditions.iter().map(|_| Ok(Vec::new())).collect();
        let mut candidates = Candidates::new(conditions);
        // Groups that leave the same conditions open are tested together.
        let mut open_rows: BTreeMap<Vec<Open>, Vec<u32>> = BTreeMap::new();
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
                open_rows.entry(open).or_default().extend(&group.rows);
            }
        }
        open_rows
            .par_iter_mut()
            .for_each(|(_, rows)| rows.sort_unstable());
        let groups: Vec<(&[Open], &[u32])> = open_rows
            .iter()
            .map(|(open, rows)| (open.as_slice(), rows.as_slice()))
            .collect();
        let tested: Vec<(Vec<Hits>, Survivors)> =
            side_by_side(&groups, |(open, rows)| vec![self.cheap(conditions, rows, open)]);
        let (found, survivors): (Vec<Vec<Hits>>, Vec<Survivors>) = tested.into_iter().unzip();
        let costly = self.costly(conditions, &survivors);
        for (i, hits) in found.into_iter().flatten().chain(costly) {
            merge(&mut out, i, hits);
        }
        out.par_iter_mut().flatten().for_each(|rows| rows.sort_unstable());
        out
    }

    /// How many groups and rows a condition would look at: (always true, to be evaluated).
    pub fn estimate(&self, condition: &Condition) -> (usize, usize) {
        let mut sum = (0, 0);
        for group in &self.groups {
            match condition.decide(&group.known) {
                Some(true) => sum.0 += group.rows.len(),
                None => sum.1 += group.rows.len(),
                Some(false) => {}
            }
        }
        sum
    }
}

/// Works on one task a thread. Threads of their own: a worker of a pool that waits for polars would take up the next
/// task meanwhile, and the one after, each with its frame.
fn side_by_side<T: Sync, R: Send>(tasks: &[T], work: impl Fn(&T) -> Vec<R> + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..rayon::current_num_threads().clamp(1, tasks.len().max(1)) {
            scope.spawn(|| {
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let results = work(task);
                    found
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(results);
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn merge(out: &mut [Result<Vec<u32>, SqlError>], i: usize, hits: Result<Vec<u32>, SqlError>) {
    let Some(slot) = out.get_mut(i) else { return };
    match (slot, hits) {
        (Ok(rows), Ok(more)) => rows.extend(more),
        (slot @ Ok(_), Err(error)) => *slot = Err(error),
        (Err(_), _) => {}
    }
}

/// The mask of each expression over a frame. One bad expression does not take the others with it.
fn evaluate(frame: &DataFrame, exprs: &[(usize, Expr)]) -> Vec<(usize, Result<BooleanChunked, SqlError>)> {
    let all = masks(frame, exprs.iter().map(|(_, e)| e.clone()).collect());
    let one = |expr: &Expr| {
        masks(frame, vec![expr.clone()])
            .map_err(|e| SqlError::new(format!("{e}.")))?
            .pop()
            .ok_or_else(|| SqlError::new("The condition gives no result."))
    };
    let results: Vec<Result<BooleanChunked, SqlError>> = match all {
        Ok(masks) => masks.into_iter().map(Ok).collect(),
        Err(_) => exprs.iter().map(|(_, e)| one(e)).collect(),
    };
    exprs.iter().map(|(i, _)| *i).zip(results).collect()
}

/// What becomes of each expression if not even its frame can be made.
fn all_failed(exprs: &[(usize, Expr)], error: &impl std::fmt::Display) -> Vec<Hits> {
    let failed = |i: &usize| (*i, Err(SqlError::new(error.to_string())));
    exprs.iter().map(|(i, _)| failed(i)).collect()
}

/// Evaluates boolean expressions.
pub(crate) fn masks(frame: &DataFrame, exprs: Vec<Expr>) -> PolarsResult<Vec<BooleanChunked>> {
    let named = exprs
        .into_iter()
        .enumerate()
        .map(|(i, e)| e.alias(PlSmallStr::from_string(i.to_string())))
        .collect::<Vec<_>>();
    let result = frame.clone().lazy().select(named).collect()?;
    result
        .columns()
        .iter()
        .map(|column| Ok(column.as_materialized_series().bool()?.clone()))
        .collect()
}

/// Rows whose mask is true; a constant condition has a mask of one.
pub(crate) fn chosen(rows: &[u32], mask: &BooleanChunked) -> Vec<u32> {
    if mask.len() == 1 && rows.len() > 1 {
        return if mask.get(0) == Some(true) {
            rows.to_vec()
        } else {
            Vec::new()
        };
    }
    rows.iter()
        .zip(mask.iter())
        .filter(|(_, hit)| *hit == Some(true))
        .map(|(row, _)| *row)
        .collect()
}

/// A polars column of one member's values.
pub(crate) fn member_column<'v>(
    member: &Member,
    values: impl Iterator<Item = Option<&'v str>>,
) -> polars::prelude::Column {
    let name = PlSmallStr::from_string(member.column());
    match member.ty {
        MemberType::Text => StringChunked::from_iter_options(name, values).into_column(),
        MemberType::Number => {
            Float64Chunked::from_iter_options(name, values.map(|v| v.and_then(number))).into_column()
        }
        MemberType::Time => {
            Int64Chunked::from_iter_options(name, values.map(|v| v.and_then(time))).into_column()
        }
    }
}
