//! Many conditions over one timeline, each only on rows it can match.
//!
//! Rows are grouped once by kind, provider and event id. For each group a condition is decided by partial evaluation:
//! most are never true there and cost nothing, many are always true. Only for the others are frames made, in
//! blocks, with the columns they read; members of `fields` are parsed last, once a row for all conditions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use polars::prelude::{
    BooleanChunked, DataFrame, Expr, Float64Chunked, Int64Chunked, IntoColumn, IntoLazy, NewChunkedArray,
    PlHashMap, PlSmallStr, PolarsResult, StringChunked,
};
use rayon::prelude::*;

use crate::condition::{Condition, Known};
use crate::error::{SqlError, TimelineError};
use crate::frame::Rows;
use crate::members::{Member, MemberType, number, read_members, time};
use crate::timeline::{ColumnId, Timeline};

/// Rows of one frame; bounds memory, and gives both cores something to do.
const BLOCK_ROWS: usize = 64 << 10;

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
        let tasks: Vec<(&[Open], &[u32])> = open_rows
            .iter()
            .flat_map(|(open, rows)| rows.chunks(BLOCK_ROWS).map(|rows| (open.as_slice(), rows)))
            .collect();
        for (i, hits) in side_by_side(&tasks, |(open, rows)| self.block(conditions, rows, open)) {
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

    fn block(&self, conditions: &[&Condition], rows: &[u32], open: &[Open]) -> Vec<Hits> {
        let mut out = Vec::new();
        let of = |i: &usize| conditions.get(*i).copied();
        let (free, to_test): (Vec<Open>, Vec<Open>) =
            open.iter().copied().partition(|(_, cheap_holds)| *cheap_holds);
        let mut survivors: Vec<(usize, Vec<u32>)> =
            free.into_iter().map(|(i, _)| (i, rows.to_vec())).collect();
        let to_test: Vec<usize> = to_test.into_iter().map(|(i, _)| i).collect();
        let cheap: Vec<(usize, &Condition)> = to_test.iter().filter_map(|i| Some((*i, of(i)?))).collect();
        let columns = cheap
            .iter()
            .flat_map(|(_, c)| &c.cheap.columns)
            .collect::<BTreeSet<_>>();
        for (i, hits) in self.test(
            rows,
            &columns,
            &[],
            cheap
                .iter()
                .filter_map(|(i, c)| Some((*i, c.cheap.expr.clone()?))),
        ) {
            match hits {
                Ok(hits) if of(&i).is_some_and(|c| c.costly.expr.is_none()) => out.push((i, Ok(hits))),
                Ok(hits) if hits.is_empty() => {}
                Ok(hits) => survivors.push((i, hits)),
                Err(error) => out.push((i, Err(error))),
            }
        }
        out.extend(self.test_members(conditions, &survivors));
        out
    }

    /// The costly parts, on the union of the rows that are left.
    fn test_members(&self, conditions: &[&Condition], survivors: &[(usize, Vec<u32>)]) -> Vec<Hits> {
        let rows: BTreeSet<u32> = survivors.iter().flat_map(|(_, rows)| rows).copied().collect();
        let rows: Vec<u32> = rows.into_iter().collect();
        let wanted: Vec<(usize, &Condition)> = survivors
            .iter()
            .filter_map(|(i, _)| Some((*i, *conditions.get(*i)?)))
            .collect();
        let members = wanted
            .iter()
            .flat_map(|(_, c)| &c.members)
            .collect::<BTreeSet<_>>();
        let columns = wanted
            .iter()
            .flat_map(|(_, c)| &c.costly.columns)
            .collect::<BTreeSet<_>>();
        let members: Vec<&Member> = members.into_iter().collect();
        let found = self.test(
            &rows,
            &columns,
            &members,
            wanted
                .iter()
                .filter_map(|(i, c)| Some((*i, c.costly.expr.clone()?))),
        );
        let mut out = Vec::new();
        for (i, hits) in found {
            let own = survivors
                .iter()
                .find(|(j, _)| *j == i)
                .map(|(_, rows)| rows.as_slice())
                .unwrap_or_default();
            out.push((
                i,
                hits.map(|hits| {
                    hits.into_iter()
                        .filter(|r| own.binary_search(r).is_ok())
                        .collect()
                }),
            ));
        }
        out
    }

    fn test(
        &self,
        rows: &[u32],
        columns: &BTreeSet<&String>,
        members: &[&Member],
        exprs: impl Iterator<Item = (usize, Expr)>,
    ) -> Vec<Hits> {
        let exprs: Vec<(usize, Expr)> = exprs.collect();
        if exprs.is_empty() || rows.is_empty() {
            return Vec::new();
        }
        let frame = match self
            .timeline
            .frame_with_members(columns.iter().map(|c| c.as_str()), members, rows)
        {
            Ok(frame) => frame,
            Err(error) => {
                return exprs
                    .into_iter()
                    .map(|(i, _)| (i, Err(SqlError::new(error.to_string()))))
                    .collect();
            }
        };
        let all = masks(&frame, exprs.iter().map(|(_, e)| e.clone()).collect());
        let one = |expr: &Expr| masks(&frame, vec![expr.clone()]).map_err(|e| SqlError::new(format!("{e}.")));
        let results: Vec<Result<BooleanChunked, SqlError>> = match all {
            Ok(masks) => masks.into_iter().map(Ok).collect(),
            // One bad expression must not take the others with it.
            Err(_) => exprs
                .iter()
                .map(|(_, e)| {
                    one(e)?
                        .pop()
                        .ok_or_else(|| SqlError::new("The condition gives no result."))
                })
                .collect(),
        };
        exprs
            .into_iter()
            .zip(results)
            .map(|((i, _), mask)| (i, mask.map(|mask| chosen(rows, &mask))))
            .collect()
    }
}

/// Works on one task a thread. Threads of their own: a worker of a pool that waits for polars would take up the next
/// task meanwhile, and the one after, each with its frame.
fn side_by_side<T: Sync>(tasks: &[T], work: impl Fn(&T) -> Vec<Hits> + Sync) -> Vec<Hits> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..rayon::current_num_threads().clamp(1, tasks.len().max(1)) {
            scope.spawn(|| {
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let hits = work(task);
                    found.lock().unwrap_or_else(PoisonError::into_inner).extend(hits);
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

impl Timeline {
    /// A frame of named columns plus members of `fields` as columns of their own.
    pub(crate) fn frame_with_members<'n>(
        &self,
        columns: impl Iterator<Item = &'n str>,
        members: &[&Member],
        rows: &[u32],
    ) -> Result<DataFrame, TimelineError> {
        let ids: Vec<ColumnId> = columns.filter_map(ColumnId::of).collect();
        let mut frame = self.frame(&ids, &Rows::List(rows))?;
        if members.is_empty() {
            return Ok(frame);
        }
        let names: Vec<&str> = members.iter().map(|m| m.name.as_str()).collect();
        let mut fields = ColumnId::of("fields").and_then(|column| self.long_reader(column));
        let texts: Vec<Vec<Option<String>>> = rows
            .iter()
            .map(|row| read_members(fields.as_mut().map_or("{}", |fields| fields.text(*row)), &names))
            .collect();
        for (i, member) in members.iter().enumerate() {
            let values = texts.iter().map(|row| row.get(i).and_then(Option::as_deref));
            let column = member_column(member, values);
            frame
                .with_column(column)
                .map_err(TimelineError::frame("make a frame of"))?;
        }
        Ok(frame)
    }
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
