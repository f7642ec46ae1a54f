//! Rows of other sources that belong to an attempt.
//!
//! Each row goes to the attempt with the surest link, and among equals to the one nearest in time; so a connection or a
//! process that many attempts share does not pull them together.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use casetrace_timeline::{Cells, ColumnId, Timeline};
use rayon::prelude::*;

use crate::attempts::group::ids;
use crate::attempts::{AttemptKind, AttemptLink, Draft};
use crate::engine::scope::compatible;

/// Rows looked at for one attempt.
const MAX_NEAR: usize = 20_000;
/// Rows of one block of a pass over the timeline.
const BLOCK: usize = 256 << 10;
/// Ids of processes that do everything: idle and the kernel.
const HOT_PIDS: [u64; 2] = [0, 4];

/// Who wants a row: how surely, how far away in time, number of the draft.
type Claim = (AttemptLink, u64, usize);

/// What of an attempt others can be tied to.
struct Reach {
    rows: Range<u32>,
    first_row: u32,
    times: Option<(i64, i64)>,
    pids: HashSet<u64>,
}

/// Adds rows to the drafts.
pub(crate) fn attach(timeline: &Timeline, kinds: &[AttemptKind], matches: &[Vec<u32>], drafts: &mut [Draft]) {
    let weak: Vec<bool> = drafts
        .iter()
        .map(|d| kinds.get(d.kind).is_some_and(|k| k.weak))
        .collect();
    let mut own: HashMap<u32, usize> = HashMap::new();
    for (number, draft) in drafts.iter().enumerate() {
        own.extend(draft.seeds.iter().map(|(s, _)| (s.row, number)));
    }
    let reaches: Vec<Reach> = drafts.iter().map(|d| reach(timeline, kinds, d)).collect();
    let finder = Finder {
        timeline,
        reaches: &reaches,
        own: &own,
        weak: &weak,
    };
    let mut claims: HashMap<u32, Claim> = HashMap::new();
    finder.by_id(drafts, &mut claims);
    finder.by_kind(kinds, matches, drafts, &mut claims);
    finder.by_flow(drafts, &mut claims);
    let mut rows: Vec<(u32, Claim)> = claims.into_iter().collect();
    rows.sort_unstable();
    let taken_over = absorb(&rows, &own, drafts);
    for (row, (link, _, draft)) in rows {
        let draft = taken_over.get(&draft).copied().unwrap_or(draft);
        if let Some(draft) = drafts.get_mut(draft).filter(|_| !own.contains_key(&row)) {
            draft.added.push((row, link));
        }
    }
    for draft in drafts {
        draft.added.sort_unstable();
    }
}

/// Weak attempts of which another attempt claims a row are part of that one; says which went where.
fn absorb(rows: &[(u32, Claim)], own: &HashMap<u32, usize>, drafts: &mut [Draft]) -> HashMap<usize, usize> {
    let mut taken_over: HashMap<usize, usize> = HashMap::new();
    for (row, (link, _, by)) in rows {
        let Some(weak) = own.get(row) else { continue };
        let to = *taken_over.entry(*weak).or_insert(*by);
        let seeds = drafts
            .get_mut(*weak)
            .map(|d| std::mem::take(&mut d.seeds))
            .unwrap_or_default();
        if let Some(strong) = drafts.get_mut(to) {
            strong
                .added
                .extend(seeds.into_iter().map(|(s, _)| (s.row, *link)));
        }
    }
    taken_over
}

fn reach(timeline: &Timeline, kinds: &[AttemptKind], draft: &Draft) -> Reach {
    let slack = kinds.get(draft.kind).map_or(0, |k| k.slack);
    let times = || draft.seeds.iter().filter_map(|(s, _)| timeline.ts_ns(s.row));
    let times = times().min().zip(times().max());
    let rows = times.map_or(0..0, |(first, last)| {
        let from = timeline.lower_bound(first.saturating_sub(slack));
        from..timeline.lower_bound(last.saturating_add(slack).saturating_add(1))
    });
    let pid = ColumnId::of("pid");
    let pids = draft
        .seeds
        .iter()
        .filter_map(|(s, _)| timeline.number(pid?, s.row))
        .filter(|pid| !HOT_PIDS.contains(pid))
        .collect();
    Reach {
        rows,
        first_row: draft.seeds.first().map_or(0, |(s, _)| s.row),
        times,
        pids,
    }
}

struct Finder<'a> {
    timeline: &'a Timeline,
    reaches: &'a [Reach],
    /// The draft each row of an attempt's own belongs to.
    own: &'a HashMap<u32, usize>,
    /// By draft.
    weak: &'a [bool],
}

impl Finder<'_> {
    fn claim(&self, claims: &mut HashMap<u32, Claim>, row: u32, link: AttemptLink, draft: usize) {
        let is_weak = |draft: usize| self.weak.get(draft).copied().unwrap_or(false);
        // Own rows stay, but those of weak attempts can be taken by others.
        if self
            .own
            .get(&row)
            .is_some_and(|owner| !is_weak(*owner) || is_weak(draft))
        {
            return;
        }
        let claim = (link, self.distance(draft, row), draft);
        let slot = claims.entry(row).or_insert(claim);
        *slot = claim.min(*slot);
    }

    fn distance(&self, draft: usize, row: u32) -> u64 {
        let times = self.reaches.get(draft).and_then(|r| r.times);
        match (times, self.timeline.ts_ns(row)) {
            (Some((first, last)), Some(ts)) => ts.abs_diff(ts.clamp(first, last)),
            _ => u64::MAX,
        }
    }

    /// Rows with an id of the attempt, at its time or without a time.
    fn by_id(&self, drafts: &[Draft], claims: &mut HashMap<u32, Claim>) {
        let mut cells = Cells::new(self.timeline);
        for name in ["correlation_id", "activity_id"] {
            let Some(column) = ColumnId::of(name) else {
                continue;
            };
            let known: HashMap<&str, u32> = self
                .timeline
                .distinct(column)
                .iter()
                .zip(1..)
                .map(|(text, code)| (text.as_str(), code))
                .collect();
            let mut wanted: HashMap<u32, Vec<usize>> = HashMap::new();
            for (number, draft) in drafts.iter().enumerate() {
                let of_draft = draft.seeds.iter().flat_map(|(s, _)| ids(&mut cells, s.row));
                for code in of_draft.filter_map(|id| known.get(id.as_str()).copied()) {
                    let list = wanted.entry(code).or_default();
                    if list.last() != Some(&number) {
                        list.push(number);
                    }
                }
            }
            for (row, code) in self.rows_where(|row| {
                let code = self.timeline.code(column, row)?;
                wanted.contains_key(&code).then_some(code)
            }) {
                for draft in wanted.get(&code).into_iter().flatten() {
                    if self.in_time(*draft, row) {
                        self.claim(claims, row, AttemptLink::Id, *draft);
                    }
                }
            }
        }
    }

    fn in_time(&self, draft: usize, row: u32) -> bool {
        let untimed = self.timeline.ts_ns(row).is_none();
        let reach = self.reaches.get(draft);
        untimed || reach.is_some_and(|r| r.times.is_none() || r.rows.contains(&row))
    }

    /// Rows of the sorts that belong to such attempts: of its processes, else of its computer.
    fn by_kind(
        &self,
        kinds: &[AttemptKind],
        matches: &[Vec<u32>],
        drafts: &[Draft],
        claims: &mut HashMap<u32, Claim>,
    ) {
        let columns = ["host", "context"].map(ColumnId::of);
        let pid = ColumnId::of("pid");
        for (number, (draft, reach)) in drafts.iter().zip(self.reaches).enumerate() {
            let near = kinds.get(draft.kind).and_then(|k| k.near);
            let rows = near
                .and_then(|id| matches.get(id))
                .map(Vec::as_slice)
                .unwrap_or_default();
            let from = rows.partition_point(|r| *r < reach.rows.start);
            let here = rows.get(from..).unwrap_or_default().iter();
            for row in here.take_while(|r| reach.rows.contains(r)).take(MAX_NEAR) {
                let fits = |column: &ColumnId| compatible(self.timeline, *column, reach.first_row, *row);
                if !columns.iter().flatten().all(fits) {
                    continue;
                }
                let of_process = pid
                    .and_then(|c| self.timeline.number(c, *row))
                    .is_some_and(|pid| reach.pids.contains(&pid));
                let link = if of_process {
                    AttemptLink::Process
                } else {
                    AttemptLink::Host
                };
                self.claim(claims, *row, link, number);
            }
        }
    }

    /// Whatever else happens on the connections found so far, with the same peer.
    fn by_flow(&self, drafts: &[Draft], claims: &mut HashMap<u32, Claim>) {
        let (Some(artifact), Some(flow), Some(name)) = (
            ColumnId::of("artifact"),
            ColumnId::of("flow_id"),
            ColumnId::of("server_name"),
        ) else {
            return;
        };
        let key = |row: u32| {
            Some((
                self.timeline.code(artifact, row)?,
                self.timeline.number(flow, row)?,
            ))
        };
        let mut flows: HashMap<(u32, u64), Vec<(usize, u32)>> = HashMap::new();
        let own = drafts
            .iter()
            .enumerate()
            .flat_map(|(number, draft)| draft.seeds.iter().map(move |(s, _)| (s.row, number)));
        for (row, number) in own.chain(claims.iter().map(|(row, (_, _, number))| (*row, *number))) {
            if let Some(key) = key(row) {
                let peer = self.timeline.code(name, row).unwrap_or(0);
                flows.entry(key).or_default().push((number, peer));
            }
        }
        for list in flows.values_mut() {
            list.sort_unstable();
            list.dedup();
        }
        let found = self.rows_where(|row| key(row).filter(|key| flows.contains_key(key)));
        for (row, key) in found {
            let peer = self.timeline.code(name, row).unwrap_or(0);
            for (draft, of_peer) in flows.get(&key).into_iter().flatten() {
                // A row is not on a connection of the attempt by being there itself.
                let known = claims.get(&row).is_some_and(|(_, _, by)| by == draft);
                if !known && self.in_time(*draft, row) && (peer == 0 || *of_peer == 0 || peer == *of_peer) {
                    self.claim(claims, row, AttemptLink::Flow, *draft);
                }
            }
        }
    }

    /// Rows for which `test` gives something, ascending.
    fn rows_where<T: Send>(&self, test: impl Fn(u32) -> Option<T> + Sync) -> Vec<(u32, T)> {
        let len = self.timeline.len();
        let blocks: Vec<Vec<(u32, T)>> = (0..len.div_ceil(BLOCK))
            .into_par_iter()
            .map(|block| {
                let end = ((block + 1) * BLOCK).min(len) as u32;
                ((block * BLOCK) as u32..end)
                    .filter_map(|row| Some((row, test(row)?)))
                    .collect()
            })
            .collect();
        blocks.into_iter().flatten().collect()
    }
}
