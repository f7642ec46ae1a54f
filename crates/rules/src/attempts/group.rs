//! Which rows are one attempt: by id first, then by sequence.

use std::collections::HashMap;

use casetrace_timeline::{Cells, ColumnId, Timeline, read_members};
use rayon::prelude::*;

use crate::attempts::{AttemptKind, AttemptRole, Draft, Seed};
use crate::engine::scope::{comparable, compatible};

/// An id that comes back later than this names another attempt.
const ID_WITHIN_NS: i64 = 1_800_000_000_000;
/// After its end an attempt takes further remarks for this long.
const TAIL_NS: i64 = 10_000_000_000;
/// Rows whose ids one thread looks up at a time.
const PART_SEEDS: usize = 4096;
/// Ids of one row that are looked at.
const MAX_IDS: usize = 16;
/// Attempts under way side by side.
const MAX_OPEN: usize = 64;

/// Rows joined so far; small numbers stand for attempts.
struct Joined {
    parent: Vec<usize>,
}

impl Joined {
    fn new(len: usize) -> Self {
        Self {
            parent: (0..len).collect(),
        }
    }

    fn find(&mut self, mut at: usize) -> usize {
        while let Some(up) = self.parent.get(at).copied().filter(|up| *up != at) {
            let above = self.parent.get(up).copied().unwrap_or(up);
            if let Some(slot) = self.parent.get_mut(at) {
                *slot = above;
            }
            at = up;
        }
        at
    }

    /// The smaller number stands for both.
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        if let Some(slot) = self.parent.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    }
}

/// Rows of each attempt. `seeds` are in row order, which is time order.
pub(crate) fn drafts(timeline: &Timeline, kinds: &[AttemptKind], seeds: Vec<Seed>) -> Vec<Draft> {
    let ids = all_ids(timeline, &seeds);
    let mut joined = Joined::new(seeds.len());
    let tied = join_by_id(timeline, &seeds, &ids, &mut joined);
    for kind in 0..kinds.len() {
        Sequence {
            timeline,
            kinds,
            seeds: &seeds,
            user: ColumnId::of("user"),
            request: ColumnId::of("correlation_id"),
        }
        .join(kind, &mut joined);
    }
    let mut of_root: HashMap<usize, Draft> = HashMap::new();
    for (at, seed) in seeds.iter().enumerate() {
        let draft = of_root.entry(joined.find(at)).or_insert_with(|| Draft {
            kind: seed.kind,
            ..Draft::default()
        });
        draft.kind = draft.kind.min(seed.kind);
        draft.seeds.push((*seed, tied.get(at).copied().unwrap_or(false)));
    }
    let mut drafts: Vec<Draft> = of_root.into_values().collect();
    drafts.sort_by_key(|d| d.seeds.first().map(|(s, _)| s.row));
    drafts
}

/// The ids of each row.
fn all_ids(timeline: &Timeline, seeds: &[Seed]) -> Vec<Vec<String>> {
    let some = |seeds: &[Seed]| -> Vec<Vec<String>> {
        let mut cells = Cells::new(timeline);
        seeds.iter().map(|seed| ids(&mut cells, seed.row)).collect()
    };
    if seeds.len() <= PART_SEEDS {
        return some(seeds);
    }
    seeds.par_chunks(PART_SEEDS).flat_map_iter(some).collect()
}

/// Ids that name a request or an attempt: own columns, and further ones the decoder found.
pub(crate) fn ids(cells: &mut Cells<'_>, row: u32) -> Vec<String> {
    let timeline = cells.timeline();
    let text = |name: &str| ColumnId::of(name).and_then(|c| timeline.text(c, row));
    let mut found: Vec<String> = ["correlation_id", "activity_id"]
        .iter()
        .filter_map(|name| text(name))
        .map(ToOwned::to_owned)
        .collect();
    let fields = ColumnId::of("fields").and_then(|column| cells.text(column, row));
    let more = fields.and_then(|fields| read_members(fields, &["ids"]).pop().flatten());
    if let Some(list) = more.and_then(|list| serde_json::from_str::<Vec<String>>(&list).ok()) {
        found.extend(list.into_iter().take(MAX_IDS));
    }
    found.retain(|id| names_something(id));
    found.sort_unstable();
    found.dedup();
    found
}

/// False for the zero id and the like.
fn names_something(id: &str) -> bool {
    let mut digits = id.chars().filter(char::is_ascii_hexdigit);
    let first = digits.next();
    id.len() >= 8 && digits.any(|d| Some(d) != first)
}

/// Joins neighbours that share an id; says which rows were joined to another.
fn join_by_id(timeline: &Timeline, seeds: &[Seed], ids: &[Vec<String>], joined: &mut Joined) -> Vec<bool> {
    let mut last: HashMap<&str, usize> = HashMap::new();
    let mut tied = vec![false; seeds.len()];
    for (at, own) in ids.iter().enumerate() {
        for id in own {
            if let Some(before) = last.insert(id, at)
                && near(timeline, seeds, before, at, Some(ID_WITHIN_NS))
            {
                joined.join(before, at);
                for slot in [before, at] {
                    if let Some(flag) = tied.get_mut(slot) {
                        *flag = true;
                    }
                }
            }
        }
    }
    tied
}

fn near(timeline: &Timeline, seeds: &[Seed], a: usize, b: usize, limit: Option<i64>) -> bool {
    let ts = |at: usize| seeds.get(at).and_then(|s| timeline.ts_ns(s.row));
    match (ts(a), ts(b), limit) {
        (Some(a), Some(b), Some(limit)) => a.abs_diff(b) <= limit.unsigned_abs(),
        _ => true,
    }
}

/// An attempt that may still go on.
struct Open {
    /// A row of it.
    root: usize,
    last: usize,
    /// Farthest step so far.
    step: usize,
    /// When it ended.
    ended: Option<usize>,
    has_ids: bool,
}

/// Joins rows of one kind that follow each other.
struct Sequence<'a> {
    timeline: &'a Timeline,
    kinds: &'a [AttemptKind],
    seeds: &'a [Seed],
    /// Columns that each row is asked for.
    user: Option<ColumnId>,
    request: Option<ColumnId>,
}

impl Sequence<'_> {
    fn join(&self, kind: usize, joined: &mut Joined) {
        let Some(definition) = self.kinds.get(kind) else {
            return;
        };
        let mut open: HashMap<(String, u32), Vec<Open>> = HashMap::new();
        for at in self.order(kind, definition) {
            let Some(seed) = self.seeds.get(at) else { continue };
            let lane = open.entry(self.lane(definition, seed.row)).or_default();
            self.place(definition, lane, at, *seed, joined);
        }
    }

    /// Rows of the kind in the order in which they follow each other.
    fn order(&self, kind: usize, definition: &AttemptKind) -> Vec<usize> {
        let of_kind = |(_, s): &(usize, &Seed)| s.kind == kind;
        let mut order: Vec<usize> = self
            .seeds
            .iter()
            .enumerate()
            .filter(of_kind)
            .map(|(at, _)| at)
            .collect();
        if definition.by_record {
            let record = ColumnId::of("record");
            order.sort_by_key(|at| {
                let seed = self.seeds.get(*at);
                // A run's own row and its first line have the same number.
                seed.map(|s| (record.and_then(|c| self.timeline.number(c, s.row)), s.step))
            });
        }
        order
    }

    /// Rows of different lanes are never joined by sequence: other computers, or other files.
    fn lane(&self, definition: &AttemptKind, row: u32) -> (String, u32) {
        let host = ColumnId::of("host").and_then(|c| self.timeline.text(c, row));
        let artifact = ColumnId::of("artifact").filter(|_| definition.by_record);
        (
            host.map(|h| comparable("host", h).into_owned())
                .unwrap_or_default(),
            artifact.and_then(|c| self.timeline.code(c, row)).unwrap_or(0),
        )
    }

    fn place(
        &self,
        definition: &AttemptKind,
        lane: &mut Vec<Open>,
        at: usize,
        seed: Seed,
        joined: &mut Joined,
    ) {
        let root = joined.find(at);
        let known = lane.iter().position(|o| joined.find(o.root) == root);
        let found = known.or_else(|| lane.iter().rposition(|o| self.continues(definition, o, at, seed)));
        let ends = definition
            .steps
            .get(seed.step)
            .is_some_and(|s| s.role == AttemptRole::End);
        let has_ids = self.is_named(seed.row);
        match found.and_then(|place| lane.get_mut(place)) {
            Some(open) => {
                joined.join(open.root, at);
                open.last = at;
                open.step = open.step.max(seed.step);
                open.has_ids |= has_ids;
                open.ended = open.ended.or(ends.then_some(at));
            }
            None => {
                if lane.len() >= MAX_OPEN {
                    lane.remove(0);
                }
                lane.push(Open {
                    root: at,
                    last: at,
                    step: seed.step,
                    ended: ends.then_some(at),
                    has_ids,
                });
            }
        }
    }

    /// True if the row names its request. Activity ids change inside one attempt: they tie rows, but do not part them.
    fn is_named(&self, row: u32) -> bool {
        let id = self.request.and_then(|c| self.timeline.text(c, row));
        id.is_some_and(names_something)
    }

    /// True if the row can be the next one of the attempt.
    fn continues(&self, definition: &AttemptKind, open: &Open, at: usize, seed: Seed) -> bool {
        let Some(last) = self.seeds.get(open.last) else {
            return false;
        };
        let starts = definition
            .steps
            .get(seed.step)
            .is_some_and(|s| s.role == AttemptRole::Start);
        let agree = definition
            .by
            .iter()
            .chain(&self.user)
            .all(|column| compatible(self.timeline, *column, last.row, seed.row));
        let other_id = !definition.several_ids && open.has_ids && self.is_named(seed.row);
        let limit = match open.ended {
            Some(_) => Some(TAIL_NS),
            None => definition.gap,
        };
        agree
            && !other_id
            // Going back to the beginning is another attempt.
            && (!starts || open.step < seed.step)
            && (open.ended.is_none() || !definition.by_record)
            && near(self.timeline, self.seeds, open.ended.unwrap_or(open.last), at, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_ids_name_nothing() {
        assert!(!names_something("00000000-0000-0000-0000-000000000000"));
        assert!(!names_something("1"));
        assert!(names_something("6f6a1a3e-0000-0000-0000-000000000000"));
    }
}
