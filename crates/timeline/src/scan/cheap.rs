//! The parts of conditions that read columns only.
//!
//! Most columns have few values, and rows of one kind agree in most of them. So rows are numbered by what they have in the
//! columns asked for, and a condition is evaluated once for each number; a million rows often come to some hundred.

use std::collections::BTreeSet;

use polars::prelude::{BooleanChunked, Expr, PlHashMap};

use super::{Hits, Open, Scan, Survivors, all_failed, chosen, evaluate, side_by_side};
use crate::condition::Condition;
use crate::error::SqlError;
use crate::frame::Rows;
use crate::timeline::{ColumnId, Timeline};

/// Rows of one frame where they can't be counted together; bounds memory, and gives all cores something to do.
const BLOCK_ROWS: usize = 64 << 10;

/// Columns in which hardly two rows agree.
pub(super) const WIDE: [&str; 5] = ["ts", "ts_ns", "record", "flow_id", "message"];

/// Rows numbered by what they have in some columns.
pub(super) struct Distinct {
    /// One row for each number, as its place in the list.
    pub(super) first: Vec<u32>,
    /// The number of each row.
    of: Vec<u32>,
    count: usize,
}

impl Distinct {
    /// All rows under one number.
    pub(super) fn new(rows: usize) -> Self {
        Self {
            first: Vec::new(),
            of: vec![0; rows],
            count: rows.min(1),
        }
    }

    /// Tells rows apart that differ in a column, too. `None` once too few agree to be worth it.
    pub(super) fn by_column(self, timeline: &Timeline, column: ColumnId, rows: &[u32]) -> Option<Self> {
        self.by(rows.iter().map(|row| match timeline.code(column, *row) {
            Some(code) => Some(u64::from(code)),
            None => timeline.number(column, *row),
        }))
    }

    /// The same for any values.
    pub(super) fn by(mut self, values: impl Iterator<Item = Option<u64>>) -> Option<Self> {
        let mut numbers: PlHashMap<(u32, Option<u64>), u32> = PlHashMap::default();
        for (value, number) in values.zip(&mut self.of) {
            let next = numbers.len() as u32;
            *number = *numbers.entry((*number, value)).or_insert(next);
        }
        self.count = numbers.len();
        (self.count <= self.of.len() / 4).then_some(self)
    }

    /// Settles the first rows.
    pub(super) fn done(mut self) -> Self {
        for (at, number) in self.of.iter().enumerate() {
            // Numbers are given in the order of their first rows.
            if *number as usize == self.first.len() {
                self.first.push(at as u32);
            }
        }
        self
    }

    /// The rows whose number's mask is true.
    pub(super) fn chosen(&self, rows: &[u32], mask: &BooleanChunked) -> Vec<u32> {
        let hit: Vec<bool> = mask.iter().map(|hit| hit == Some(true)).collect();
        if hit.len() == 1 && self.first.len() > 1 {
            return chosen(rows, mask);
        }
        if !hit.contains(&true) {
            return Vec::new();
        }
        let of = |number: &u32| hit.get(*number as usize).copied().unwrap_or(false);
        rows.iter()
            .zip(&self.of)
            .filter(|(_, number)| of(number))
            .map(|(row, _)| *row)
            .collect()
    }
}

/// Conditions with the columns that all of them together read.
#[derive(Default)]
struct Asked<'c> {
    columns: BTreeSet<&'c String>,
    exprs: Vec<(usize, Expr)>,
}

impl<'c> Asked<'c> {
    fn add(&mut self, i: usize, condition: &'c Condition) {
        self.columns.extend(&condition.cheap.columns);
        self.exprs
            .extend(condition.cheap.expr.clone().map(|expr| (i, expr)));
    }
}

impl Scan<'_> {
    /// Tests the open conditions of some rows as far as columns decide.
    pub(super) fn cheap(
        &self,
        conditions: &[&Condition],
        rows: &[u32],
        open: &[Open],
    ) -> (Vec<Hits>, Survivors) {
        let mut survivors: Survivors = Vec::new();
        let (mut narrow, mut wide) = (Asked::default(), Asked::default());
        for (i, holds) in open {
            let Some(condition) = conditions.get(*i) else {
                continue;
            };
            if *holds {
                survivors.push((*i, rows.to_vec()));
            } else if condition.cheap.columns.iter().any(|c| WIDE.contains(&c.as_str())) {
                wide.add(*i, condition);
            } else {
                narrow.add(*i, condition);
            }
        }
        let mut hits = self.by_number(rows, &narrow);
        hits.extend(self.by_row(rows, &wide));
        let mut out = Vec::new();
        for (i, hits) in hits {
            let reads_members = conditions.get(i).is_some_and(|c| c.costly.expr.is_some());
            match hits {
                Ok(hits) if reads_members => survivors.push((i, hits)),
                other => out.push((i, other)),
            }
        }
        survivors.retain(|(_, rows)| !rows.is_empty());
        (out, survivors)
    }

    fn by_number(&self, rows: &[u32], asked: &Asked<'_>) -> Vec<Hits> {
        if asked.exprs.is_empty() || rows.is_empty() {
            return Vec::new();
        }
        let mut columns = asked.columns.iter().filter_map(|c| ColumnId::of(c));
        let distinct = columns.try_fold(Distinct::new(rows.len()), |distinct, column| {
            distinct.by_column(self.timeline, column, rows)
        });
        let Some(distinct) = distinct.map(Distinct::done) else {
            return self.by_row(rows, asked);
        };
        let first: Vec<u32> = distinct
            .first
            .iter()
            .filter_map(|at| rows.get(*at as usize))
            .copied()
            .collect();
        match self.masks_of(&first, asked) {
            Ok(masks) => masks
                .into_iter()
                .map(|(i, mask)| (i, mask.map(|mask| distinct.chosen(rows, &mask))))
                .collect(),
            Err(failed) => failed,
        }
    }

    fn by_row(&self, rows: &[u32], asked: &Asked<'_>) -> Vec<Hits> {
        if asked.exprs.is_empty() {
            return Vec::new();
        }
        let block = |rows: &&[u32]| match self.masks_of(rows, asked) {
            Ok(masks) => masks
                .into_iter()
                .map(|(i, mask)| (i, mask.map(|mask| chosen(rows, &mask))))
                .collect(),
            Err(failed) => failed,
        };
        let blocks: Vec<&[u32]> = rows.chunks(BLOCK_ROWS).collect();
        let found = side_by_side(&blocks, block);
        let mut whole: Vec<Hits> = asked.exprs.iter().map(|(i, _)| (*i, Ok(Vec::new()))).collect();
        for (i, hits) in found {
            if let Some((_, slot)) = whole.iter_mut().find(|(j, _)| *j == i) {
                match (slot, hits) {
                    (Ok(rows), Ok(more)) => rows.extend(more),
                    (slot @ Ok(_), Err(error)) => *slot = Err(error),
                    (Err(_), _) => {}
                }
            }
        }
        whole
    }

    #[expect(clippy::type_complexity, reason = "masks, or why there are none")]
    fn masks_of(
        &self,
        rows: &[u32],
        asked: &Asked<'_>,
    ) -> Result<Vec<(usize, Result<BooleanChunked, SqlError>)>, Vec<Hits>> {
        let ids: Vec<ColumnId> = asked.columns.iter().filter_map(|c| ColumnId::of(c)).collect();
        let frame = self
            .timeline
            .frame(&ids, &Rows::List(rows))
            .map_err(|error| all_failed(&asked.exprs, &error))?;
        Ok(evaluate(&frame, &asked.exprs))
    }
}
