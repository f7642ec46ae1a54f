//! The parts of conditions that read members of `fields`.
//!
//! `fields` lies in compressed blocks, so the rows of all groups are gone through together in the order in which they are
//! stored: each block is unpacked once, and each object parsed once for all conditions of its row.

use std::collections::BTreeSet;

use polars::prelude::{BooleanChunked, Column, Expr, PlHashMap};
use rayon::prelude::*;

use super::cheap::{Distinct, WIDE};
use super::{Hits, Scan, Survivors, all_failed, chosen, evaluate, member_column, side_by_side};
use crate::condition::Condition;
use crate::error::TimelineError;
use crate::frame::Rows;
use crate::members::{Found, Member, find_members};
use crate::timeline::{ColumnId, Timeline};

/// Rows whose members are held at a time by one thread.
const TASK_ROWS: usize = 64 << 10;

/// A row to be looked into, where it is stored, and the group it is of.
type Place = (usize, u32, u32);

/// What the conditions of a group ask of its rows.
struct Asked<'c> {
    survivors: &'c Survivors,
    members: Vec<&'c Member>,
    names: Vec<&'c str>,
    columns: Vec<ColumnId>,
    exprs: Vec<(usize, Expr)>,
}

impl<'c> Asked<'c> {
    fn new(conditions: &[&'c Condition], survivors: &'c Survivors) -> Self {
        let wanted: Vec<(usize, &Condition)> = survivors
            .iter()
            .filter_map(|(i, _)| Some((*i, *conditions.get(*i)?)))
            .collect();
        let members: BTreeSet<&Member> = wanted.iter().flat_map(|(_, c)| &c.members).collect();
        let columns: BTreeSet<&String> = wanted.iter().flat_map(|(_, c)| &c.costly.columns).collect();
        Self {
            survivors,
            names: members.iter().map(|m| m.name.as_str()).collect(),
            members: members.into_iter().collect(),
            columns: columns.into_iter().filter_map(|c| ColumnId::of(c)).collect(),
            exprs: wanted
                .iter()
                .filter_map(|(i, c)| Some((*i, c.costly.expr.clone()?)))
                .collect(),
        }
    }

    fn rows(&self) -> Vec<u32> {
        let mut rows: Vec<u32> = self
            .survivors
            .iter()
            .flat_map(|(_, rows)| rows)
            .copied()
            .collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// The hits of a condition that its cheap part had let through.
    fn own(&self, i: usize, hits: Vec<u32>) -> Vec<u32> {
        let own = self.survivors.iter().find(|(j, _)| *j == i);
        let own = own.map(|(_, rows)| rows.as_slice()).unwrap_or_default();
        hits.into_iter()
            .filter(|r| own.binary_search(r).is_ok())
            .collect()
    }
}

/// Rows of one group in a task, and what was found in them: for each member the rows' places in the list and values.
struct Batch {
    rows: Vec<u32>,
    values: Vec<Vec<(u32, String)>>,
}

impl Batch {
    fn new(asked: &Asked<'_>) -> Self {
        Self {
            rows: Vec::new(),
            values: asked.names.iter().map(|_| Vec::new()).collect(),
        }
    }

    fn push(&mut self, row: u32, object: &str, names: &[&str], found: &mut Vec<Found>) {
        let at = self.rows.len() as u32;
        self.rows.push(row);
        found.clear();
        found.resize(names.len(), None);
        if find_members(object, names, found) {
            for (slot, values) in found.iter_mut().zip(&mut self.values) {
                values.extend(slot.take().map(|(_, text)| (at, text)));
            }
        }
    }

    /// Numbers the rows by their members and some columns.
    fn distinct(&self, timeline: &Timeline, columns: &[ColumnId]) -> Option<Distinct> {
        if columns.iter().any(|c| WIDE.contains(&c.name())) {
            return None;
        }
        let mut distinct = Distinct::new(self.rows.len());
        for column in columns {
            distinct = distinct.by_column(timeline, *column, &self.rows)?;
        }
        for values in self.values.iter().filter(|values| !values.is_empty()) {
            let mut numbers: PlHashMap<&str, u64> = PlHashMap::default();
            let mut known = values.iter().peekable();
            distinct = distinct.by((0..self.rows.len() as u32).map(|at| {
                let (_, text) = known.next_if(|(place, _)| *place == at)?;
                let next = numbers.len() as u64;
                Some(*numbers.entry(text.as_str()).or_insert(next))
            }))?;
        }
        Some(distinct.done())
    }

    /// The members of some of the rows, or of all.
    fn columns(&self, asked: &Asked<'_>, places: &[u32]) -> Vec<Column> {
        let of = |member: &Member, values: &[(u32, String)]| {
            let find = |at: &u32| values.binary_search_by_key(at, |(place, _)| *place).ok();
            let cells = places.iter().map(|at| Some(values.get(find(at)?)?.1.as_str()));
            member_column(member, cells)
        };
        asked
            .members
            .iter()
            .zip(&self.values)
            .map(|(member, values)| of(member, values))
            .collect()
    }
}

impl Scan<'_> {
    /// Tests what is left of the conditions, group by group.
    pub(super) fn costly(&self, conditions: &[&Condition], groups: &[Survivors]) -> Vec<Hits> {
        let asked: Vec<Asked<'_>> = groups.iter().map(|s| Asked::new(conditions, s)).collect();
        let mut places: Vec<Place> = asked
            .par_iter()
            .enumerate()
            .flat_map_iter(|(group, asked)| {
                let place = move |row: u32| (self.timeline.place(row), group as u32, row);
                asked.rows().into_iter().map(place)
            })
            .collect();
        places.par_sort_unstable();
        let tasks: Vec<&[Place]> = places.chunks(TASK_ROWS).collect();
        side_by_side(&tasks, |places| self.task(&asked, places))
    }

    fn task(&self, asked: &[Asked<'_>], places: &[Place]) -> Vec<Hits> {
        let mut fields = ColumnId::of("fields").and_then(|column| self.timeline.long_reader(column));
        let mut batches: Vec<Batch> = asked.iter().map(Batch::new).collect();
        let mut found = Vec::new();
        for (_, group, row) in places {
            let group = *group as usize;
            if let (Some(asked), Some(batch)) = (asked.get(group), batches.get_mut(group)) {
                let object = fields.as_mut().map_or("{}", |fields| fields.text(*row));
                batch.push(*row, object, &asked.names, &mut found);
            }
        }
        asked
            .iter()
            .zip(&batches)
            .filter(|(_, batch)| !batch.rows.is_empty())
            .flat_map(|(asked, batch)| self.batch(asked, batch))
            .collect()
    }

    fn batch(&self, asked: &Asked<'_>, batch: &Batch) -> Vec<Hits> {
        let distinct = batch.distinct(self.timeline, &asked.columns);
        let all: Vec<u32>;
        let places: &[u32] = match &distinct {
            Some(distinct) => &distinct.first,
            None => {
                all = (0..batch.rows.len() as u32).collect();
                &all
            }
        };
        let rows: Vec<u32> = places
            .iter()
            .filter_map(|at| batch.rows.get(*at as usize))
            .copied()
            .collect();
        let frame = self
            .timeline
            .frame(&asked.columns, &Rows::List(&rows))
            .and_then(|mut frame| {
                for column in batch.columns(asked, places) {
                    frame
                        .with_column(column)
                        .map_err(TimelineError::frame("make a frame of"))?;
                }
                Ok(frame)
            });
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return all_failed(&asked.exprs, &error),
        };
        let hits = |mask: &BooleanChunked| match &distinct {
            Some(distinct) => distinct.chosen(&batch.rows, mask),
            None => chosen(&batch.rows, mask),
        };
        evaluate(&frame, &asked.exprs)
            .into_iter()
            .map(|(i, mask)| (i, mask.map(|mask| asked.own(i, hits(&mask)))))
            .collect()
    }
}
