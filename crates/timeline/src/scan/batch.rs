//! Rows of one group in one part of the store, with what their objects say.

use std::collections::BTreeSet;

use polars::prelude::PlHashMap;

use super::cheap::BLOCK_ROWS;
use super::costly::{Asked, Question, read_by};
use super::numbers::{Numbers, WIDE};
use super::together::{Heads, Rest};
use super::{Hits, Scan};
use crate::members::Finder;
use casetrace_model::Text;

/// Fewer rows are not worth counting together.
const FEW_ROWS: usize = 64;

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
pub(super) struct Batch<'c> {
    asked: &'c Asked<'c>,
    pub(super) rows: Vec<u32>,
    /// The set of each row.
    sets: Vec<u32>,
    finder: Finder<'c>,
    values: Vec<Values>,
}

impl<'c> Batch<'c> {
    pub(super) fn new(asked: &'c Asked<'c>) -> Self {
        Self {
            asked,
            rows: Vec::new(),
            sets: Vec::new(),
            finder: Finder::new(asked.members.iter().map(|m| m.name.as_str()).collect()),
            values: asked.members.iter().map(|_| Values::default()).collect(),
        }
    }

    pub(super) fn push(&mut self, row: u32, set: u32, object: &str) {
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
        question.columns.iter().any(|c| WIDE.contains(&c.name())) || question.members.iter().any(many)
    }

    /// Numbers the rows by their sets and all that these conditions read.
    fn numbers(&self, scan: &Scan<'_>, questions: &[&Question<'_>]) -> Option<Numbers> {
        let (columns, members) = read_by(questions);
        let sets = self.sets.iter().copied();
        let mut numbers = Numbers::new(self.rows.len()).by_codes(sets, self.asked.sets.len())?;
        let places = scan.timeline.places(&self.rows);
        for column in columns {
            numbers = numbers.by_column(scan.timeline, column, &places)?;
        }
        for values in members.into_iter().filter_map(|member| self.values.get(member)) {
            if !values.texts.is_empty() {
                let texts = values.at(0..self.rows.len() as u32);
                numbers = numbers.by_codes(texts, values.texts.len() + 1)?;
            }
        }
        Some(numbers)
    }

    /// Answers what has to be asked of each row, and leaves the rest to be asked together with other parts of the store.
    pub(super) fn finish(self, scan: &Scan<'_>) -> (Vec<Hits>, Option<Rest>) {
        let sets: BTreeSet<u32> = self.sets.iter().copied().collect();
        let concerned = |q: &&Question<'_>| sets.iter().any(|set| self.asked.sets.has(*set, q.condition));
        let questions = self.asked.questions.iter().filter(concerned);
        if self.rows.len() < FEW_ROWS {
            let numbers = Numbers::each(self.rows.len());
            return (
                Vec::new(),
                Some(self.rest(&questions.collect::<Vec<_>>(), numbers)),
            );
        }
        let (wide, narrow): (Vec<&Question<'_>>, Vec<&Question<'_>>) =
            questions.partition(|q| self.is_wide(q));
        let mut hits = self.by_row(scan, &wide);
        if narrow.is_empty() {
            return (hits, None);
        }
        match self.numbers(scan, &narrow) {
            Some(numbers) => (hits, Some(self.rest(&narrow, numbers))),
            None => {
                hits.extend(self.by_row(scan, &narrow));
                (hits, None)
            }
        }
    }

    fn rest(self, questions: &[&Question<'_>], numbers: Numbers) -> Rest {
        let heads = self.heads(questions, &numbers.first());
        Rest {
            conditions: questions.iter().map(|q| q.condition).collect(),
            rows: self.rows,
            numbers,
            heads,
        }
    }

    /// The rows at places that ascend, with what these conditions read.
    fn heads(&self, questions: &[&Question<'_>], places: &[u32]) -> Heads {
        let at = |list: &[u32]| {
            places
                .iter()
                .filter_map(|at| list.get(*at as usize).copied())
                .collect()
        };
        let (_, members) = read_by(questions);
        let values = |member: usize| {
            let values = self.values.get(member)?;
            let text = |number: u32| values.texts.get((number as usize).checked_sub(1)?).cloned();
            Some((member, values.at(places.iter().copied()).map(text).collect()))
        };
        Heads {
            rows: at(&self.rows),
            sets: at(&self.sets),
            members: members.into_iter().filter_map(values).collect(),
        }
    }

    fn by_row(&self, scan: &Scan<'_>, questions: &[&Question<'_>]) -> Vec<Hits> {
        let concerns = |at: u32, q: &Question<'_>| {
            let set = self.sets.get(at as usize);
            set.is_some_and(|set| self.asked.sets.has(*set, q.condition))
        };
        let places: Vec<u32> = (0..self.rows.len() as u32)
            .filter(|at| questions.iter().any(|q| concerns(*at, q)))
            .collect();
        let mut hits = Vec::new();
        for places in places.chunks(BLOCK_ROWS) {
            let heads = self.heads(questions, places);
            let rows = |mask: Vec<bool>| super::chosen(&heads.rows, &mask);
            let masks = self.asked.masks(scan, questions, &[&heads]);
            let masks = questions.iter().zip(masks);
            hits.extend(masks.map(|(q, mask)| (q.condition, mask.map(rows))));
        }
        hits
    }
}
