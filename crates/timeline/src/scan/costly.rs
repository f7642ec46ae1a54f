//! The parts of conditions that read members of `fields`.
//!
//! `fields` lies in compressed blocks, so the rows of all groups are gone through together in the order in which they are
//! stored: each block is unpacked once, and each object walked once for all conditions of its row. Rows of a group that
//! agree in the members and columns asked for are evaluated once; conditions on a member in which hardly two rows agree are
//! evaluated for each of their rows.

use std::collections::BTreeSet;

use polars::prelude::{Column, Expr, PlHashMap};

use super::cheap::BLOCK_ROWS;
use super::masks::{Mask, evaluate, member_column};
use super::numbers::{Numbers, WIDE};
use super::sets::Sets;
use super::{Hits, Scan, all_failed, side_by_side};
use crate::condition::Condition;
use crate::error::TimelineError;
use crate::frame::Rows;
use crate::members::{Finder, Member};
use crate::timeline::{ColumnId, LongCells};
use casetrace_model::Text;

/// Stored rows that one thread looks through at a time, as a power of two.
const TASK_BITS: u32 = if cfg!(test) { 7 } else { 18 };

/// Fewer rows are not worth counting together.
const FEW_ROWS: usize = 64;

/// A row to be looked into: where it is stored, its number, its group and the group's set of conditions.
type Place = (u32, u32, u32, u32);

/// Rows that are left of a group, by the conditions they are left for.
pub(super) type Left = Vec<(Vec<usize>, Vec<u32>)>;

/// A condition with what it reads.
struct Question<'c> {
    condition: usize,
    expr: &'c Expr,
    columns: Vec<ColumnId>,
    /// Numbers of members.
    members: Vec<usize>,
}

/// What the conditions of a group ask of its rows.
struct Asked<'c> {
    sets: Sets,
    questions: Vec<Question<'c>>,
    members: Vec<&'c Member>,
    /// The members that each set reads, by set and member.
    wanted: Vec<Vec<bool>>,
}

impl<'c> Asked<'c> {
    fn new(conditions: &[&'c Condition], left: &Left) -> Self {
        let mut sets = Sets::new(Vec::new());
        let mut all = BTreeSet::new();
        for (set, _) in left {
            sets.number(set.clone());
            all.extend(set.iter().copied());
        }
        let all: Vec<(usize, &Condition)> = all
            .into_iter()
            .filter_map(|i| Some((i, *conditions.get(i)?)))
            .collect();
        let members: BTreeSet<&Member> = all.iter().flat_map(|(_, c)| &c.members).collect();
        let members: Vec<&Member> = members.into_iter().collect();
        let number = |member: &Member| members.binary_search(&member).ok();
        let question = |(i, c): &(usize, &'c Condition)| {
            Some(Question {
                condition: *i,
                expr: c.costly.expr.as_ref()?,
                columns: c.costly.columns.iter().filter_map(|c| ColumnId::of(c)).collect(),
                members: c.members.iter().filter_map(number).collect(),
            })
        };
        let questions: Vec<Question<'c>> = all.iter().filter_map(question).collect();
        let reads = |set: u32, member: usize| {
            let of = |q: &&Question<'_>| sets.has(set, q.condition) && q.members.contains(&member);
            questions.iter().any(|q| of(&q))
        };
        let wanted = (0..sets.len() as u32)
            .map(|set| (0..members.len()).map(|member| reads(set, member)).collect())
            .collect();
        Self {
            sets,
            questions,
            members,
            wanted,
        }
    }
}

/// What was found of one member.
#[derive(Default)]
struct Values {
    numbers: PlHashMap<Text, u32>,
    texts: Vec<Text>,
    /// Rows that have it by their place in the batch, ascending, and the number of the text.
    of: Vec<(u32, u32)>,
}

impl Values {
    fn push(&mut self, at: u32, text: &str) {
        let same = |(_, number): &&(u32, u32)| self.texts.get(*number as usize).is_some_and(|t| t == text);
        let number = match self.of.last().filter(same) {
            // Neighbouring rows often say the same.
            Some((_, number)) => *number,
            None => match self.numbers.get(text) {
                Some(number) => *number,
                None => {
                    let number = self.texts.len() as u32;
                    let text = Text::from(text);
                    self.texts.push(text.clone());
                    self.numbers.insert(text, number);
                    number
                }
            },
        };
        self.of.push((at, number));
    }

    /// The number plus one of the texts of places that ascend; 0 for those without.
    fn at(&self, places: impl Iterator<Item = u32>) -> impl Iterator<Item = u32> {
        let mut known = self.of.iter().peekable();
        places.map(move |at| {
            while known.next_if(|(place, _)| *place < at).is_some() {}
            known
                .next_if(|(place, _)| *place == at)
                .map_or(0, |(_, number)| number + 1)
        })
    }
}

/// Rows of one group in a task, and what was found in them.
struct Batch<'c> {
    asked: &'c Asked<'c>,
    rows: Vec<u32>,
    /// The set of each row.
    sets: Vec<u32>,
    finder: Finder<'c>,
    values: Vec<Values>,
}

impl<'c> Batch<'c> {
    fn new(asked: &'c Asked<'c>) -> Self {
        Self {
            asked,
            rows: Vec::new(),
            sets: Vec::new(),
            finder: Finder::new(asked.members.iter().map(|m| m.name.as_str()).collect()),
            values: asked.members.iter().map(|_| Values::default()).collect(),
        }
    }

    fn push(&mut self, row: u32, set: u32, object: &str) {
        let at = self.rows.len() as u32;
        self.rows.push(row);
        self.sets.push(set);
        let wanted = self.asked.wanted.get(set as usize).map_or(&[][..], Vec::as_slice);
        self.finder
            .find(object, |member| wanted.get(member) == Some(&true));
        for (member, values) in self.values.iter_mut().enumerate() {
            if let Some(text) = self.finder.value(object, member) {
                values.push(at, text);
            }
        }
    }

    /// True if counting rows by what a condition reads would not help.
    fn is_wide(&self, question: &Question<'_>) -> bool {
        let many = |member: &usize| {
            let values = self.values.get(*member);
            values.is_some_and(|values| values.texts.len() > self.rows.len() / 8)
        };
        self.rows.len() < FEW_ROWS
            || question.columns.iter().any(|c| WIDE.contains(&c.name()))
            || question.members.iter().any(many)
    }

    /// Numbers the rows by their sets and all that these conditions read.
    fn numbers(&self, scan: &Scan<'_>, questions: &[&Question<'_>]) -> Option<Numbers> {
        let (columns, members) = read_by(questions);
        let sets = self.sets.iter().copied();
        let mut numbers = Numbers::new(self.rows.len()).by_codes(sets, self.asked.sets.len())?;
        for column in columns {
            numbers = numbers.by_column(scan.timeline, column, &self.rows)?;
        }
        for values in members.into_iter().filter_map(|member| self.values.get(member)) {
            if !values.texts.is_empty() {
                let texts = values.at(0..self.rows.len() as u32);
                numbers = numbers.by_codes(texts, values.texts.len() + 1)?;
            }
        }
        Some(numbers)
    }

    /// A member's values in rows at places that ascend.
    fn column(&self, member: usize, places: &[u32]) -> Option<Column> {
        let values = self.values.get(member)?;
        let text = |number: u32| values.texts.get((number as usize).checked_sub(1)?);
        let texts = values
            .at(places.iter().copied())
            .map(|number| text(number).map(Text::as_str));
        Some(member_column(self.asked.members.get(member)?, texts))
    }

    /// The masks of conditions over rows at places that ascend; false where a row is of no concern to a condition.
    fn masks(&self, scan: &Scan<'_>, questions: &[&Question<'_>], places: &[u32]) -> Vec<Mask> {
        let rows = places
            .iter()
            .filter_map(|at| self.rows.get(*at as usize))
            .copied();
        let (columns, members) = read_by(questions);
        let columns: Vec<ColumnId> = columns.into_iter().collect();
        let frame = scan
            .timeline
            .frame(&columns, &Rows::List(&rows.collect::<Vec<_>>()))
            .and_then(|mut frame| {
                for column in members.iter().filter_map(|member| self.column(*member, places)) {
                    frame
                        .with_column(column)
                        .map_err(TimelineError::frame("make a frame of"))?;
                }
                Ok(frame)
            });
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return all_failed(questions.len(), &error),
        };
        let exprs: Vec<&Expr> = questions.iter().map(|q| q.expr).collect();
        let mut masks = evaluate(&frame, &exprs);
        for (mask, question) in masks.iter_mut().zip(questions) {
            for (hit, at) in mask.iter_mut().flatten().zip(places) {
                *hit = *hit && self.concerns(question, *at);
            }
        }
        masks
    }

    fn concerns(&self, question: &Question<'_>, at: u32) -> bool {
        let set = self.sets.get(at as usize);
        set.is_some_and(|set| self.asked.sets.has(*set, question.condition))
    }

    fn hits(&self, scan: &Scan<'_>) -> Vec<Hits> {
        let sets: BTreeSet<u32> = self.sets.iter().copied().collect();
        let concerned = |q: &&Question<'_>| sets.iter().any(|set| self.asked.sets.has(*set, q.condition));
        let questions = self.asked.questions.iter().filter(concerned);
        let (wide, narrow): (Vec<&Question<'_>>, Vec<&Question<'_>>) =
            questions.partition(|q| self.is_wide(q));
        let mut hits = Vec::new();
        if !narrow.is_empty() {
            match self.numbers(scan, &narrow) {
                Some(numbers) => hits.extend(self.numbered(scan, &narrow, &numbers)),
                None => hits.extend(self.by_row(scan, &narrow)),
            }
        }
        hits.extend(self.by_row(scan, &wide));
        hits
    }

    fn numbered(&self, scan: &Scan<'_>, questions: &[&Question<'_>], numbers: &Numbers) -> Vec<Hits> {
        let masks = self.masks(scan, questions, &numbers.first());
        let rows = |mask: Vec<bool>| -> Vec<u32> {
            if !mask.contains(&true) {
                return Vec::new();
            }
            let hit = |number: &u32| mask.get(*number as usize) == Some(&true);
            let rows = self.rows.iter().zip(numbers.of());
            rows.filter(|(_, number)| hit(number))
                .map(|(row, _)| *row)
                .collect()
        };
        let masks = questions.iter().zip(masks);
        masks.map(|(q, mask)| (q.condition, mask.map(rows))).collect()
    }

    fn by_row(&self, scan: &Scan<'_>, questions: &[&Question<'_>]) -> Vec<Hits> {
        let places: Vec<u32> = (0..self.rows.len() as u32)
            .filter(|at| questions.iter().any(|q| self.concerns(q, *at)))
            .collect();
        let mut hits = Vec::new();
        for places in places.chunks(BLOCK_ROWS) {
            let rows = |mask: Vec<bool>| {
                let hit = places.iter().zip(mask).filter(|(_, hit)| *hit);
                let hit = hit.filter_map(|(at, _)| self.rows.get(*at as usize));
                hit.copied().collect()
            };
            let masks = questions.iter().zip(self.masks(scan, questions, places));
            hits.extend(masks.map(|(q, mask)| (q.condition, mask.map(rows))));
        }
        hits
    }
}

/// All columns and members that conditions read.
fn read_by(questions: &[&Question<'_>]) -> (BTreeSet<ColumnId>, BTreeSet<usize>) {
    let columns = questions.iter().flat_map(|q| q.columns.iter().copied());
    let members = questions.iter().flat_map(|q| q.members.iter().copied());
    (columns.collect(), members.collect())
}

impl Scan<'_> {
    /// Tests what is left of the conditions, for all groups together.
    pub(super) fn costly(&self, conditions: &[&Condition], groups: &[Left]) -> Vec<Hits> {
        let asked: Vec<Asked<'_>> = groups.iter().map(|left| Asked::new(conditions, left)).collect();
        // Each part of the store is a task.
        let mut tasks: Vec<Vec<Place>> = Vec::new();
        for (group, (left, asked)) in groups.iter().zip(&asked).enumerate() {
            for (set, rows) in left {
                let set = asked.sets.known(set).unwrap_or(0);
                for row in rows {
                    let place = self.timeline.place(*row) as u32;
                    let task = (place >> TASK_BITS) as usize;
                    if task >= tasks.len() {
                        tasks.resize_with(task + 1, Vec::new);
                    }
                    if let Some(task) = tasks.get_mut(task) {
                        task.push((place, *row, group as u32, set));
                    }
                }
            }
        }
        tasks.retain(|places| !places.is_empty());
        side_by_side(tasks, |places| self.task(&asked, places))
            .into_iter()
            .flatten()
            .collect()
    }

    fn task(&self, asked: &[Asked<'_>], mut places: Vec<Place>) -> Vec<Hits> {
        // They come in runs, which this sort merges.
        places.sort();
        let mut fields = ColumnId::of("fields").and_then(|column| self.timeline.long_reader(column));
        let mut batches: Vec<Batch<'_>> = asked.iter().map(Batch::new).collect();
        for (_, row, group, set) in places {
            let object = fields
                .as_mut()
                .map_or("{}", |fields: &mut LongCells<'_>| fields.text(row));
            if let Some(batch) = batches.get_mut(group as usize) {
                batch.push(row, set, object);
            }
        }
        drop(fields);
        let batches = batches.iter().filter(|batch| !batch.rows.is_empty());
        batches.flat_map(|batch| batch.hits(self)).collect()
    }
}
