//! Rows of each evidence, after looking for companion rows.

use std::collections::HashMap;

use casetrace_model::Value;
use casetrace_timeline::{ColumnId, Timeline};

use crate::engine::scope::{comparable, compatible};
use crate::rule::{Direction, Link};
use crate::template::Key;

/// One part of a companion key. Codes are equal for equal texts of one column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Number(u64),
    Text(String),
}

/// The key of a row, or `None` if a part is unknown.
fn key(timeline: &Timeline, by: &[Key], row: u32) -> Option<Vec<Part>> {
    by.iter()
        .map(|key| match key {
            // Spellings of one computer or user are equal here too.
            Key::Column(column) if matches!(column.name(), "host" | "user") => {
                let text = timeline.text(*column, row)?;
                Some(Part::Text(comparable(column.name(), text).into_owned()))
            }
            Key::Column(column) => match timeline.code(*column, row) {
                Some(0) => None,
                Some(code) => Some(Part::Number(u64::from(code))),
                None => match timeline.value(*column, row) {
                    Value::U64(number) => Some(Part::Number(number)),
                    Value::I64(number) | Value::TimeNs(number) => Some(Part::Number(number as u64)),
                    Value::Str(text) => Some(Part::Text(text.to_owned())),
                    Value::Null => None,
                },
            },
            member => member.value(timeline, row).map(Part::Text),
        })
        .collect()
}

/// Keeps the rows that have (or lack) their companion. Both lists are ascending, which is time order.
pub(crate) fn linked(
    timeline: &Timeline,
    scope: &[ColumnId],
    rows: Vec<u32>,
    link: &Link,
    companions: &[u32],
) -> Vec<u32> {
    if companions.is_empty() {
        return if link.negated { rows } else { Vec::new() };
    }
    let keys: Vec<Option<Vec<Part>>> = rows.iter().map(|r| key(timeline, &link.by, *r)).collect();
    let mut places: HashMap<&[Part], Vec<u32>> = keys
        .iter()
        .flatten()
        .map(|k| (k.as_slice(), Vec::new()))
        .collect();
    for companion in companions {
        if let Some(list) = key(timeline, &link.by, *companion).and_then(|k| places.get_mut(k.as_slice())) {
            list.push(*companion);
        }
    }
    let search = Search {
        timeline,
        link,
        scope,
    };
    let keep = rows.iter().zip(&keys).map(|(row, key)| {
        let list = key
            .as_ref()
            .and_then(|k| places.get(k.as_slice()))
            .map(Vec::as_slice)
            .unwrap_or_default();
        search.has_companion(*row, list) != link.negated
    });
    rows.iter()
        .zip(keep)
        .filter(|(_, keep)| *keep)
        .map(|(row, _)| *row)
        .collect()
}

struct Search<'a> {
    timeline: &'a Timeline,
    link: &'a Link,
    scope: &'a [ColumnId],
}

impl Search<'_> {
    fn has_companion(&self, row: u32, list: &[u32]) -> bool {
        let middle = list.partition_point(|r| *r <= row);
        let (before, after) = list.split_at(middle);
        let fits = |other: &u32| self.fits(row, *other);
        let near = |other: &&u32| self.within(row, **other);
        // Timed rows come first and in order, so the search may stop at the first one that is too far away.
        let backwards = || before.iter().rev().take_while(near).any(fits);
        let forwards = || after.iter().take_while(near).any(fits);
        match self.link.direction {
            Direction::After => forwards(),
            Direction::Before => backwards(),
            Direction::Either => forwards() || backwards(),
        }
    }

    fn within(&self, row: u32, other: u32) -> bool {
        match (
            self.timeline.ts_ns(row),
            self.timeline.ts_ns(other),
            self.link.within,
        ) {
            (Some(a), Some(b), Some(limit)) => a.abs_diff(b) <= limit.unsigned_abs(),
            _ => true,
        }
    }

    fn fits(&self, row: u32, other: u32) -> bool {
        if row == other {
            return false;
        }
        let timed = self.timeline.ts_ns(row).is_some() && self.timeline.ts_ns(other).is_some();
        // Without times, only the order inside one file means something.
        if !timed && self.link.direction != Direction::Either && !self.same_artifact(row, other) {
            return false;
        }
        !self.link.by.is_empty()
            || self
                .scope
                .iter()
                .all(|column| compatible(self.timeline, *column, row, other))
    }

    fn same_artifact(&self, a: u32, b: u32) -> bool {
        ColumnId::of("artifact").is_some_and(|c| self.timeline.code(c, a) == self.timeline.code(c, b))
    }
}
