//! The parts of conditions that read members of `fields`.
//!
//! `fields` lies in compressed blocks, so the rows of all groups are gone through together in the order in which they are
//! stored: each block is unpacked once, and each object walked once for all conditions of its row. Rows of a group that
//! agree in the members and columns asked for are evaluated once ([`batch`](super::batch)), together for all parts of the store
//! ([`together`](super::together)); conditions on a member in which hardly two rows agree are evaluated for each of their rows.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::Batch;
use super::sets::Sets;
use super::together::Rest;
use super::{Hits, Scan, side_by_side};
use crate::condition::{Condition, Part};
use crate::members::Member;
use crate::timeline::{ColumnId, LongCells};

/// Stored rows that one thread looks through at a time, as a power of two.
const TASK_BITS: u32 = if cfg!(test) { 7 } else { 18 };

/// A row to be looked into: where it is stored, its number, and the place of its group and set in a list of them.
type Place = (u32, u32, u32);

/// The same before it was looked up where the row is stored.
type Wanted = (u32, u32);

/// Rows to be looked into that have their group and the group's set of conditions in common.
struct Kind<'r> {
    group: usize,
    set: u32,
    rows: &'r [u32],
}

/// A group with what a part of the store answers, and what it leaves to be asked.
type Told = (usize, Vec<Hits>, Option<Rest>);

/// Rows that are left of a group, by the conditions they are left for.
pub(super) type Left = Vec<(Vec<usize>, Vec<u32>)>;

/// A condition with what it reads.
pub(super) struct Question<'c> {
    pub(super) condition: usize,
    pub(super) part: &'c Part,
    pub(super) columns: Vec<ColumnId>,
    /// Numbers of members.
    pub(super) members: Vec<usize>,
}

/// What the conditions of a group ask of its rows.
pub(super) struct Asked<'c> {
    pub(super) sets: Sets,
    pub(super) questions: Vec<Question<'c>>,
    pub(super) members: Vec<&'c Member>,
    /// The members that each set reads, by set and member.
    pub(super) wanted: Vec<Vec<bool>>,
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
            (!c.costly.is_empty()).then(|| Question {
                condition: *i,
                part: &c.costly,
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

/// All columns and members that conditions read.
pub(super) fn read_by(questions: &[&Question<'_>]) -> (BTreeSet<ColumnId>, BTreeSet<usize>) {
    let columns = questions.iter().flat_map(|q| q.columns.iter().copied());
    let members = questions.iter().flat_map(|q| q.members.iter().copied());
    (columns.collect(), members.collect())
}

impl Scan<'_> {
    /// Tests what is left of the conditions, for all groups together.
    pub(super) fn costly(&self, groups: &[Left]) -> Vec<Hits> {
        let asked: Vec<Asked<'_>> = groups
            .iter()
            .map(|left| Asked::new(self.conditions, left))
            .collect();
        let left = groups.iter().zip(&asked).enumerate();
        let kinds: Vec<Kind<'_>> = left
            .flat_map(|(group, (left, asked))| {
                left.iter().map(move |(set, rows)| Kind {
                    group,
                    set: asked.sets.known(set).unwrap_or(0),
                    rows,
                })
            })
            .collect();
        let tasks = self.shared_out(&kinds);
        let mut hits = Vec::new();
        let mut rests: Vec<Vec<Rest>> = asked.iter().map(|_| Vec::new()).collect();
        for (group, more, rest) in side_by_side(tasks, |wanted| self.task(&asked, &kinds, wanted))
            .into_iter()
            .flatten()
        {
            hits.extend(more);
            if let Some(rests) = rests.get_mut(group) {
                rests.extend(rest);
            }
        }
        hits.extend(self.together(&asked, rests));
        hits
    }

    /// Rows by the part of the store they lie in. They are counted first: lists that grow take twice what they hold.
    fn shared_out(&self, kinds: &[Kind<'_>]) -> Vec<Vec<Wanted>> {
        let part = |row: u32| self.timeline.place(row) >> TASK_BITS;
        let all = || {
            (0..)
                .zip(kinds)
                .flat_map(|(kind, of)| of.rows.iter().map(move |row| (*row, kind)))
        };
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for (row, _) in all() {
            *counts.entry(part(row)).or_default() += 1;
        }
        let mut parts: BTreeMap<usize, Vec<Wanted>> = counts
            .into_iter()
            .map(|(part, count)| (part, Vec::with_capacity(count)))
            .collect();
        for (row, kind) in all() {
            if let Some(wanted) = parts.get_mut(&part(row)) {
                wanted.push((row, kind));
            }
        }
        parts.into_values().collect()
    }

    /// What the rows of a task say, by group.
    fn task(&self, asked: &[Asked<'_>], kinds: &[Kind<'_>], wanted: Vec<Wanted>) -> Vec<Told> {
        let place = |(row, kind)| (self.timeline.place(row) as u32, row, kind);
        let mut places: Vec<Place> = wanted.into_iter().map(place).collect();
        // They come in runs, which this sort merges.
        places.sort();
        let mut fields = ColumnId::of("fields").and_then(|column| self.timeline.long_reader(column));
        let mut batches: Vec<Batch<'_>> = asked.iter().map(Batch::new).collect();
        for (_, row, kind) in places {
            let object = fields
                .as_mut()
                .map_or("{}", |fields: &mut LongCells<'_>| fields.text(row));
            let Some(kind) = kinds.get(kind as usize) else {
                continue;
            };
            if let Some(batch) = batches.get_mut(kind.group) {
                batch.push(row, kind.set, object);
            }
        }
        drop(fields);
        let batches = batches.into_iter().enumerate();
        batches
            .filter(|(_, batch)| !batch.rows.is_empty())
            .map(|(group, batch)| {
                let (hits, rest) = batch.finish(self);
                (group, hits, rest)
            })
            .collect()
    }
}
