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
mod groups;
mod masks;
mod numbers;
mod sets;
#[cfg(test)]
mod tests;
mod together;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::alone::Alone;
use crate::condition::Condition;
use crate::error::SqlError;
use crate::timeline::Timeline;
use cheap::Tested;
use costly::Left;
use groups::{Asked, groups};
use masks::Mask;
pub(crate) use masks::member_column;

/// Rows that one thread tests at a time.
const TASK_ROWS: usize = if cfg!(test) { 150 } else { 128 << 10 };

/// Rows that are grouped and tested at a time; bounds memory, about 40 bytes a row. Conditions are planned anew for each
/// such slice, so there are few.
const SLICE_ROWS: usize = if cfg!(test) { 300 } else { 6 << 20 };

/// Conditions over a timeline.
#[derive(Debug)]
pub struct Scan<'a> {
    timeline: &'a Timeline,
    conditions: &'a [&'a Condition],
}

type Hits = (usize, Result<Vec<u32>, SqlError>);

/// A condition that has to be tested, and whether its cheap part is known to hold.
type Open = (usize, bool);

/// Rows that leave the same conditions open.
type OpenRows = (Vec<Open>, Vec<Vec<u32>>);

impl<'a> Scan<'a> {
    /// Nothing is looked at before [`run`](Self::run).
    pub fn new(timeline: &'a Timeline, conditions: &'a [&'a Condition]) -> Self {
        Self { timeline, conditions }
    }

    /// For each condition the rows that match, ascending; or why it could not be evaluated.
    pub fn run(&self) -> Vec<Result<Vec<u32>, SqlError>> {
        let asked = Asked::new(self.timeline, self.conditions);
        let mut out: Vec<Result<Vec<u32>, SqlError>> =
            self.conditions.iter().map(|_| Ok(Vec::new())).collect();
        for slice in slices(self.timeline.len()) {
            let more = self.run_slice(&asked, slice);
            out.iter_mut()
                .zip(more)
                .for_each(|(so_far, more)| merge(so_far, more));
        }
        out
    }

    /// The same for some of the rows.
    fn run_slice(&self, asked: &Asked<'a>, slice: Range<u32>) -> Vec<Result<Vec<u32>, SqlError>> {
        let mut out: Vec<Result<Vec<u32>, SqlError>> =
            self.conditions.iter().map(|_| Ok(Vec::new())).collect();
        let mut add = |i: usize, hits| {
            if let Some(rows) = out.get_mut(i) {
                merge(rows, hits);
            }
        };
        // Groups that leave the same conditions open are tested together.
        let mut alike: BTreeMap<Vec<Open>, Vec<Vec<u32>>> = BTreeMap::new();
        for group in groups(self.timeline, asked, slice) {
            let (certain, open) = asked.of(&group.known);
            for i in certain {
                add(i, Ok(group.rows.clone()));
            }
            if !open.is_empty() {
                alike.entry(open).or_default().push(group.rows);
            }
        }
        let open_rows: Vec<OpenRows> = alike
            .into_par_iter()
            .map(|(open, rows)| (open, pieces(rows)))
            .collect();
        let mut left: Vec<Left> = open_rows.iter().map(|_| Left::new()).collect();
        for (group, Tested { hits, left: more }) in self.cheap(&open_rows) {
            hits.into_iter().for_each(|(i, hits)| add(i, hits));
            if let Some(left) = left.get_mut(group) {
                left.extend(more);
            }
        }
        drop(open_rows);
        for (i, hits) in self.costly(&left) {
            add(i, hits);
        }
        // They come in runs, which this sort merges.
        out.par_iter_mut().flatten().for_each(|rows| rows.sort());
        out
    }
}

/// Rows in as few slices as are allowed, equally long.
fn slices(rows: usize) -> impl Iterator<Item = Range<u32>> {
    let count = rows.div_ceil(SLICE_ROWS).max(1);
    let len = rows.div_ceil(count).max(1);
    (0..rows)
        .step_by(len)
        .map(move |start| start as u32..(start + len).min(rows) as u32)
}

/// Rows of groups that are tested together: those of large groups where they are, those of small ones in one list.
fn pieces(groups: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
    let (mut large, small): (Vec<_>, Vec<_>) = groups.into_iter().partition(|rows| rows.len() >= TASK_ROWS);
    if !small.is_empty() {
        large.push(small.concat());
    }
    large
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

/// The first error stays.
fn merge(so_far: &mut Result<Vec<u32>, SqlError>, hits: Result<Vec<u32>, SqlError>) {
    match (so_far, hits) {
        (Ok(rows), Ok(more)) => rows.extend(more),
        (so_far @ Ok(_), Err(error)) => *so_far = Err(error),
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
