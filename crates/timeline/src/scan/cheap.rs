//! The parts of conditions that read columns only, evaluated once for rows that agree in all of them ([`Numbers`]), and once for
//! all tasks of a group.

use std::collections::BTreeSet;

use super::masks::{Mask, evaluate, join};
use super::numbers::{Numbers, WIDE};
use super::sets::Sets;
use super::{Hits, Open, OpenRows, Scan, TASK_ROWS, all_failed, chosen, side_by_side};
use crate::condition::{Condition, Part};
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
struct Questions<'c> {
    columns: BTreeSet<&'c String>,
    conditions: Vec<usize>,
    parts: Vec<&'c Part>,
}

impl<'c> Questions<'c> {
    fn add(&mut self, i: usize, condition: &'c Condition) {
        if !condition.cheap.is_empty() {
            self.columns.extend(&condition.cheap.columns);
            self.conditions.push(i);
            self.parts.push(&condition.cheap);
        }
    }

    fn columns(&self) -> Vec<ColumnId> {
        self.columns.iter().filter_map(|c| ColumnId::of(c)).collect()
    }
}

/// What the rows of a group are asked.
#[derive(Default)]
struct Asked<'c> {
    /// Conditions whose cheap part holds for all of them.
    certain: Vec<usize>,
    /// What many rows agree in, and what hardly two rows agree in.
    narrow: Questions<'c>,
    wide: Questions<'c>,
}

impl<'c> Asked<'c> {
    fn new(conditions: &[&'c Condition], open: &[Open]) -> Self {
        let mut asked = Self::default();
        for (i, holds) in open {
            let Some(condition) = conditions.get(*i) else {
                continue;
            };
            if *holds {
                asked.certain.push(*i);
            } else if condition.cheap.columns.iter().any(|c| WIDE.contains(&c.as_str())) {
                asked.wide.add(*i, condition);
            } else {
                asked.narrow.add(*i, condition);
            }
        }
        asked
    }
}

/// Some rows of a group, for one thread.
struct Task<'r> {
    group: usize,
    rows: &'r [u32],
}

/// What was found out about the rows of a task before anything is evaluated.
struct Counted {
    /// `None` if too few rows agree.
    numbers: Option<Numbers>,
    /// Where the masks of its group tell about its numbers.
    start: usize,
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
        self.conditions.get(i).is_some_and(|c| !c.costly.is_empty())
    }

    /// Takes masks over numbers, which begin at `start`.
    fn numbered(&mut self, asked: &Questions<'_>, masks: &[Mask], numbers: &Numbers, start: usize) {
        let mut kept: Vec<(usize, &[bool])> = Vec::new();
        for (i, mask) in asked.conditions.iter().zip(masks) {
            let mask = match mask {
                Ok(mask) => mask.get(start..start + numbers.count()).unwrap_or_default(),
                Err(error) => {
                    self.hits.push((*i, Err(error.clone())));
                    continue;
                }
            };
            if !mask.contains(&true) {
                continue;
            }
            if self.reads_members(*i) {
                kept.push((*i, mask));
            } else {
                self.hits.push((*i, Ok(numbers.chosen(self.rows, mask))));
            }
        }
        let mut sets = vec![0; numbers.count()];
        for (i, mask) in kept {
            for (set, hit) in sets.iter_mut().zip(mask) {
                if *hit {
                    *set = self.sets.with(*set, i);
                }
            }
        }
        let set = |number: &u32| sets.get(*number as usize).copied().unwrap_or(0);
        self.of = numbers.of().iter().map(set).collect();
    }

    /// Takes masks over some of the rows, which begin at `start`.
    fn by_row(&mut self, asked: &Questions<'_>, masks: Vec<Mask>, start: usize) {
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
    /// Tests the open conditions of groups of rows as far as columns decide. What came out is in the order of rows, each with the
    /// number of its group.
    ///
    /// Rows are counted a task at a time, but rows that stand for others are evaluated together for the whole group: polars
    /// plans once for them, which takes longer than the rows.
    pub(super) fn cheap(&self, groups: &[OpenRows]) -> Vec<(usize, Tested)> {
        let conditions = self.conditions;
        let asked: Vec<Asked<'_>> = groups
            .iter()
            .map(|(open, _)| Asked::new(conditions, open))
            .collect();
        let tasks = || {
            let groups = groups.iter().enumerate();
            groups.flat_map(|(group, (_, pieces))| {
                let tasks = pieces.iter().flat_map(|rows| rows.chunks(TASK_ROWS));
                tasks.map(move |rows| Task { group, rows })
            })
        };
        let numbers = side_by_side(tasks().collect(), |task| {
            let narrow = asked.get(task.group).map(|asked| &asked.narrow);
            narrow.and_then(|narrow| self.numbers(task.rows, narrow))
        });
        let mut first: Vec<Vec<u32>> = vec![Vec::new(); groups.len()];
        let mut counted = Vec::new();
        for (task, numbers) in tasks().zip(numbers) {
            let Some(first) = first.get_mut(task.group) else {
                continue;
            };
            let start = first.len();
            let places = numbers.iter().flat_map(Numbers::first);
            first.extend(places.filter_map(|at| task.rows.get(at as usize)));
            counted.push((task, Counted { numbers, start }));
        }
        let masks = self.masks_of_groups(&asked, &first);
        side_by_side(counted, |(task, counted)| {
            let (Some(asked), Some(masks)) = (asked.get(task.group), masks.get(task.group)) else {
                return (task.group, Tested::default());
            };
            (task.group, self.sort(conditions, &task, asked, masks, &counted))
        })
    }

    /// What holds for the rows that stand for others, by group.
    fn masks_of_groups(&self, asked: &[Asked<'_>], first: &[Vec<u32>]) -> Vec<Vec<Mask>> {
        let blocks: Vec<Task<'_>> = first
            .iter()
            .enumerate()
            .flat_map(|(group, rows)| rows.chunks(BLOCK_ROWS).map(move |rows| Task { group, rows }))
            .collect();
        let done = side_by_side(blocks, |block| {
            let asked = asked.get(block.group);
            let masks = asked.map(|asked| self.masks(block.rows, &asked.narrow));
            (block.group, masks.unwrap_or_default())
        });
        let none = |asked: &Asked<'_>| asked.narrow.conditions.iter().map(|_| Ok(Vec::new())).collect();
        let mut out: Vec<Vec<Mask>> = asked.iter().map(none).collect();
        for (group, masks) in done {
            for (so_far, more) in out.get_mut(group).into_iter().flatten().zip(masks) {
                join(so_far, more);
            }
        }
        out
    }

    /// Which conditions hold for the rows of a task, and which are left for their members.
    fn sort(
        &self,
        conditions: &[&Condition],
        task: &Task<'_>,
        asked: &Asked<'_>,
        masks: &[Mask],
        counted: &Counted,
    ) -> Tested {
        let mut sorter = Sorter {
            rows: task.rows,
            conditions,
            hits: Vec::new(),
            sets: Sets::new(asked.certain.clone()),
            of: vec![0; task.rows.len()],
        };
        match &counted.numbers {
            Some(numbers) => sorter.numbered(&asked.narrow, masks, numbers, counted.start),
            None => self.by_row(&asked.narrow, &mut sorter),
        }
        self.by_row(&asked.wide, &mut sorter);
        sorter.finish()
    }

    fn numbers(&self, rows: &[u32], asked: &Questions<'_>) -> Option<Numbers> {
        if asked.parts.is_empty() {
            return None;
        }
        let places = self.timeline.places(rows);
        let all = Numbers::new(rows.len());
        asked.columns().into_iter().try_fold(all, |numbers, column| {
            numbers.by_column(self.timeline, column, &places)
        })
    }

    fn by_row(&self, asked: &Questions<'_>, sorter: &mut Sorter<'_>) {
        if asked.parts.is_empty() {
            return;
        }
        for (block, rows) in sorter.rows.chunks(BLOCK_ROWS).enumerate() {
            let masks = self.masks(rows, asked);
            sorter.by_row(asked, masks, block * BLOCK_ROWS);
        }
    }

    fn masks(&self, rows: &[u32], asked: &Questions<'_>) -> Vec<Mask> {
        match self.timeline.frame(&asked.columns(), &Rows::List(rows)) {
            Ok(frame) => evaluate(&frame, &asked.parts),
            Err(error) => all_failed(asked.parts.len(), &error),
        }
    }
}
