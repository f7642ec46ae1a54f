//! Conditions on members, asked once for what all parts of the store leave of a group.
//!
//! Polars plans a frame before it works on it, and for some hundred rows that takes longer than the rows. So rows that stand for
//! others wait until all parts were gone through.

use std::collections::BTreeSet;

use polars::prelude::{Column, DataFrame};

use super::cheap::BLOCK_ROWS;
use super::costly::{Asked, Question, read_by};
use super::masks::{Mask, evaluate, member_column};
use super::numbers::Numbers;
use super::{Hits, Scan, all_failed, side_by_side};
use crate::condition::Part;
use crate::error::TimelineError;
use crate::frame::Rows;
use crate::timeline::ColumnId;
use casetrace_model::Text;

/// Rows with what conditions read of them.
pub(super) struct Heads {
    pub(super) rows: Vec<u32>,
    /// The set of each.
    pub(super) sets: Vec<u32>,
    /// By number of the member: the value of each row.
    pub(super) members: Vec<(usize, Vec<Option<Text>>)>,
}

impl Heads {
    fn member(&self, member: usize) -> Option<&[Option<Text>]> {
        let (_, values) = self.members.iter().find(|(number, _)| *number == member)?;
        Some(values)
    }
}

/// Rows of one group in one part of the store, and those that stand for them.
pub(super) struct Rest {
    /// The conditions still in question.
    pub(super) conditions: Vec<usize>,
    pub(super) rows: Vec<u32>,
    pub(super) numbers: Numbers,
    /// One for each number.
    pub(super) heads: Heads,
}

impl Asked<'_> {
    /// The masks of conditions over rows; false where a row is of no concern to a condition.
    pub(super) fn masks(&self, scan: &Scan<'_>, questions: &[&Question<'_>], heads: &[&Heads]) -> Vec<Mask> {
        if questions.is_empty() {
            return Vec::new();
        }
        let frame = match self.frame(scan, questions, heads) {
            Ok(frame) => frame,
            Err(error) => return all_failed(questions.len(), &error),
        };
        let parts: Vec<&Part> = questions.iter().map(|q| q.part).collect();
        let mut masks = evaluate(&frame, &parts);
        for (mask, question) in masks.iter_mut().zip(questions) {
            let sets = heads.iter().flat_map(|heads| &heads.sets);
            for (hit, set) in mask.iter_mut().flatten().zip(sets) {
                *hit = *hit && self.sets.has(*set, question.condition);
            }
        }
        masks
    }

    fn frame(
        &self,
        scan: &Scan<'_>,
        questions: &[&Question<'_>],
        heads: &[&Heads],
    ) -> Result<DataFrame, TimelineError> {
        let (columns, members) = read_by(questions);
        let columns: Vec<ColumnId> = columns.into_iter().collect();
        let rows: Vec<u32> = heads.iter().flat_map(|heads| &heads.rows).copied().collect();
        let mut frame = scan.timeline.frame(&columns, &Rows::List(&rows))?;
        for column in members
            .into_iter()
            .filter_map(|member| self.column(member, heads))
        {
            frame
                .with_column(column)
                .map_err(TimelineError::frame("make a frame of"))?;
        }
        Ok(frame)
    }

    fn column(&self, member: usize, heads: &[&Heads]) -> Option<Column> {
        let of = |heads: &&Heads| -> Vec<Option<Text>> {
            match heads.member(member) {
                Some(values) => values.to_vec(),
                // Nobody asks these rows for it.
                None => vec![None; heads.rows.len()],
            }
        };
        let values: Vec<Option<Text>> = heads.iter().flat_map(of).collect();
        let texts = values.iter().map(|value| value.as_deref());
        Some(member_column(self.members.get(member)?, texts))
    }
}

impl Scan<'_> {
    /// Asks what was left of each group.
    pub(super) fn together(&self, asked: &[Asked<'_>], rests: Vec<Vec<Rest>>) -> Vec<Hits> {
        let blocks = rests.into_iter().enumerate().flat_map(|(group, rests)| {
            let blocks = blocks(rests).into_iter();
            blocks.map(move |block| (group, block))
        });
        let hits = side_by_side(blocks.collect(), |(group, block): (usize, Vec<Rest>)| {
            let asked = asked.get(group);
            asked
                .map(|asked| self.of_block(asked, &block))
                .unwrap_or_default()
        });
        hits.into_iter().flatten().collect()
    }

    fn of_block(&self, asked: &Asked<'_>, block: &[Rest]) -> Vec<Hits> {
        let open: BTreeSet<usize> = block
            .iter()
            .flat_map(|rest| rest.conditions.iter().copied())
            .collect();
        let questions: Vec<&Question<'_>> = asked
            .questions
            .iter()
            .filter(|q| open.contains(&q.condition))
            .collect();
        let heads: Vec<&Heads> = block.iter().map(|rest| &rest.heads).collect();
        let masks = asked.masks(self, &questions, &heads);
        let masks = questions.iter().zip(masks);
        masks
            .map(|(q, mask)| (q.condition, mask.map(|mask| hits(q.condition, &mask, block))))
            .collect()
    }
}

/// The rows for which a condition holds, of the parts that it is still in question for.
fn hits(condition: usize, mask: &[bool], block: &[Rest]) -> Vec<u32> {
    let mut out = Vec::new();
    let mut rest_of = mask;
    for rest in block {
        let (own, behind) = rest_of.split_at(rest.heads.rows.len().min(rest_of.len()));
        rest_of = behind;
        if own.contains(&true) && rest.conditions.contains(&condition) {
            out.extend(rest.numbers.chosen(&rest.rows, own));
        }
    }
    out
}

/// Neighbours together, as many as a frame may have rows.
fn blocks(rests: Vec<Rest>) -> Vec<Vec<Rest>> {
    let mut blocks: Vec<Vec<Rest>> = Vec::new();
    let mut rows = 0;
    for rest in rests {
        rows += rest.heads.rows.len();
        match blocks.last_mut() {
            Some(block) if rows <= BLOCK_ROWS => block.push(rest),
            _ => {
                rows = rest.heads.rows.len();
                blocks.push(vec![rest]);
            }
        }
    }
    blocks
}
