//! Rows of each evidence, after looking for companion rows.

use casetrace_model::Value;
use casetrace_timeline::polars::prelude::PlHashMap;
use casetrace_timeline::{Cells, ColumnId, Timeline};

use crate::engine::scope::{comparable, compatible};
use crate::rule::{Direction, Link};
use crate::template::Key;

/// Numbers the companion keys of rows.
struct Keys<'a> {
    cells: Cells<'a>,
    by: &'a [Key],
    texts: PlHashMap<String, u64>,
    /// Spellings of computers and users by column and code.
    spellings: PlHashMap<(ColumnId, u32), u64>,
    /// From the number of the parts in front, and a part, to the number of both.
    numbers: PlHashMap<(u32, u64), u32>,
}

impl<'a> Keys<'a> {
    fn new(timeline: &'a Timeline, by: &'a [Key]) -> Self {
        Self {
            cells: Cells::new(timeline),
            by,
            texts: PlHashMap::default(),
            spellings: PlHashMap::default(),
            numbers: PlHashMap::default(),
        }
    }

    /// Equal for rows with equal keys; `None` if a part is unknown.
    fn of(&mut self, row: u32) -> Option<u32> {
        self.by.iter().try_fold(0, |number, key| {
            let part = self.part(key, row)?;
            let next = self.numbers.len() as u32 + 1;
            Some(*self.numbers.entry((number, part)).or_insert(next))
        })
    }

    /// Numbers of one key are never compared with those of another.
    fn part(&mut self, key: &Key, row: u32) -> Option<u64> {
        let timeline = self.cells.timeline();
        let Key::Column(column) = key else {
            let text = key.value_of(&mut self.cells, row)?;
            return Some(self.text(text));
        };
        match timeline.code(*column, row) {
            Some(0) => None,
            // Spellings of one computer or user are equal here too.
            Some(code) if matches!(column.name(), "host" | "user") => {
                if let Some(known) = self.spellings.get(&(*column, code)) {
                    return Some(*known);
                }
                let text = comparable(column.name(), timeline.text(*column, row)?);
                let number = self.text(text.into_owned());
                self.spellings.insert((*column, code), number);
                Some(number)
            }
            Some(code) => Some(u64::from(code)),
            None => match timeline.value(*column, row) {
                Value::U64(number) => Some(number),
                Value::I64(number) | Value::TimeNs(number) => Some(number as u64),
                Value::Str(text) => Some(self.text(text.to_owned())),
                Value::Null => None,
            },
        }
    }

    fn text(&mut self, text: String) -> u64 {
        let next = self.texts.len() as u64;
        *self.texts.entry(text).or_insert(next)
    }
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
    let mut numbers = Keys::new(timeline, &link.by);
    let keys: Vec<Option<u32>> = rows.iter().map(|row| numbers.of(*row)).collect();
    let mut places: PlHashMap<u32, Vec<u32>> = keys.iter().flatten().map(|key| (*key, Vec::new())).collect();
    for companion in companions {
        if let Some(list) = numbers.of(*companion).and_then(|key| places.get_mut(&key)) {
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
            .and_then(|key| places.get(&key))
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
