//! The parts of conditions that read columns only, evaluated once for rows that agree in all of them ([`Numbers`]).

use std::collections::BTreeSet;

use polars::prelude::Expr;

use super::masks::{Mask, evaluate};
use super::numbers::{Numbers, WIDE};
use super::sets::Sets;
use super::{Hits, Open, Scan, all_failed, chosen};
use crate::condition::Condition;
use crate::frame::Rows;
use crate::timeline::ColumnId;

/// Rows of one frame where they can't be counted together; bounds memory.
pub(super) const BLOCK_ROWS: usize = if cfg!(test) { 60 } else { 64 << 10 };

/// What came out for some rows.
#[derive(Default)]
pub(super) struct Tested {
    /// Rows that match, of conditions that read no members.
    pub(super) hits: Vec<Hits>,
    /// Rows whose members decide, with the conditions they decide about.
    pub(super) left: Vec<(Vec<usize>, Vec<u32>)>,
}

/// Conditions with the columns that all of them together read.
#[derive(Default)]
struct Asked<'c> {
    columns: BTreeSet<&'c String>,
    conditions: Vec<usize>,
    exprs: Vec<&'c Expr>,
}

impl<'c> Asked<'c> {
    fn add(&mut self, i: usize, condition: &'c Condition) {
        if let Some(expr) = &condition.cheap.expr {
            self.columns.extend(&condition.cheap.columns);
            self.conditions.push(i);
            self.exprs.push(expr);
        }
    }

    fn columns(&self) -> Vec<ColumnId> {
        self.columns.iter().filter_map(|c| ColumnId::of(c)).collect()
    }
}

/// Collects what masks say about rows.
struct Sorter<'a> {
    rows: &'a [u32],
    conditions: &'a [&'a Condition],
    hits: Vec<Hits>,
    sets: Sets,
    /// The set of each row.
    of: Vec<u32>,
}

impl Sorter<'_> {
    fn reads_members(&self, i: usize) -> bool {
        self.conditions.get(i).is_some_and(|c| c.costly.expr.is_some())
    }

    /// Takes masks over numbers.
    fn numbered(&mut self, asked: &Asked<'_>, masks: Vec<Mask>, numbers: &Numbers) {
        let mut kept: Vec<(usize, Vec<bool>)> = Vec::new();
        for (i, mask) in asked.conditions.iter().zip(masks) {
            match mask {
                Err(error) => self.hits.push((*i, Err(error))),
                Ok(mask) if !mask.contains(&true) => {}
                Ok(mask) if self.reads_members(*i) => kept.push((*i, mask)),
                Ok(mask) => {
                    let hit = |number: &u32| mask.get(*number as usize) == Some(&true);
                    let hits = self.rows.iter().zip(numbers.of());
                    let hits = hits.filter(|(_, number)| hit(number)).map(|(row, _)| *row);
                    self.hits.push((*i, Ok(hits.collect())));
                }
            }
        }
        let mut sets = vec![0; numbers.count()];
        for (i, mask) in kept {
            for (set, hit) in sets.iter_mut().zip(mask) {
                if hit {
                    *set = self.sets.with(*set, i);
                }
            }
        }
        let set = |number: &u32| sets.get(*number as usize).copied().unwrap_or(0);
        self.of = numbers.of().iter().map(set).collect();
    }

    /// Takes masks over some of the rows, which begin at `start`.
    fn by_row(&mut self, asked: &Asked<'_>, masks: Vec<Mask>, start: usize) {
        let rows = self.rows.get(start..).unwrap_or_default();
        for (i, mask) in asked.conditions.iter().zip(masks) {
            match mask {
                Err(error) => self.hits.push((*i, Err(error))),
                Ok(mask) if self.reads_members(*i) => {
                    for (set, hit) in self.of.iter_mut().skip(start).zip(mask) {
                        if hit {
                            *set = self.sets.with(*set, *i);
                        }
                    }
                }
                Ok(mask) => self.hits.push((*i, Ok(chosen(rows, &mask)))),
            }
        }
    }

    fn finish(self) -> Tested {
        let mut left: Vec<(Vec<usize>, Vec<u32>)> = (0..self.sets.len() as u32)
            .map(|set| (self.sets.get(set).to_vec(), Vec::new()))
            .collect();
        for (row, set) in self.rows.iter().zip(&self.of) {
            if let Some((_, rows)) = left.get_mut(*set as usize) {
                rows.push(*row);
            }
        }
        left.retain(|(set, rows)| !set.is_empty() && !rows.is_empty());
        Tested {
            hits: self.hits,
            left,
        }
    }
}

impl Scan<'_> {
    /// Tests the open conditions of some rows as far as columns decide.
    pub(super) fn cheap(&self, conditions: &[&Condition], rows: &[u32], open: &[Open]) -> Tested {
        let (mut narrow, mut wide) = (Asked::default(), Asked::default());
        let mut certain = Vec::new();
        for (i, holds) in open {
            let Some(condition) = conditions.get(*i) else {
                continue;
            };
            if *holds {
                certain.push(*i);
            } else if condition.cheap.columns.iter().any(|c| WIDE.contains(&c.as_str())) {
                wide.add(*i, condition);
            } else {
                narrow.add(*i, condition);
            }
        }
        let mut sorter = Sorter {
            rows,
            conditions,
            hits: Vec::new(),
            sets: Sets::new(certain),
            of: vec![0; rows.len()],
        };
        if !narrow.exprs.is_empty() {
            match self.numbers(rows, &narrow) {
                Some(numbers) => {
                    let first = numbers.first();
                    let first = first.iter().filter_map(|at| rows.get(*at as usize));
                    let masks = self.masks(&first.copied().collect::<Vec<_>>(), &narrow);
                    sorter.numbered(&narrow, masks, &numbers);
                }
                None => self.by_row(&narrow, &mut sorter),
            }
        }
        if !wide.exprs.is_empty() {
            self.by_row(&wide, &mut sorter);
        }
        sorter.finish()
    }

    fn numbers(&self, rows: &[u32], asked: &Asked<'_>) -> Option<Numbers> {
        let columns = asked.columns();
        columns
            .into_iter()
            .try_fold(Numbers::new(rows.len()), |numbers, column| {
                numbers.by_column(self.timeline, column, rows)
            })
    }

    fn by_row(&self, asked: &Asked<'_>, sorter: &mut Sorter<'_>) {
        for (block, rows) in sorter.rows.chunks(BLOCK_ROWS).enumerate() {
            let masks = self.masks(rows, asked);
            sorter.by_row(asked, masks, block * BLOCK_ROWS);
        }
    }

    fn masks(&self, rows: &[u32], asked: &Asked<'_>) -> Vec<Mask> {
        match self.timeline.frame(&asked.columns(), &Rows::List(rows)) {
            Ok(frame) => evaluate(&frame, &asked.exprs),
            Err(error) => all_failed(asked.exprs.len(), &error),
        }
    }
}
