//! How far the clocks of two recordings are apart, found from facts that both recorded.
//!
//! A request id in two logs, one connection in two captures, one event in a trace and a log: each gives the difference of
//! two clocks (plus how long it took, which is small). The median of several differences is the offset, their median
//! deviation says how good it is. Servers that print their time (`Date`, Kerberos) say which of two clocks is
//! wrong. Nothing is corrected: times in the timeline are those of the sources.

mod estimate;
mod facts;

use std::collections::{BTreeMap, BTreeSet};

use crate::timeline::{ColumnId, Timeline};
use estimate::{Estimate, estimate};
use facts::{Columns, Fact, Finder, Seen};

/// In a timeline of fewer rows everything is found before another thread would have begun.
const LARGE_ROWS: usize = 200_000;
/// Facts of one sort that are compared between two artifacts.
const MAX_PAIRS: usize = 10_000;
/// A clock this near to the servers' is right; `Date` has full seconds, and answers take time.
const GOOD_NS: i64 = 3_000_000_000;

/// What both recordings know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClockBasis {
    /// The same connection in two captures.
    Connections,
    /// The same event in a trace and a log.
    Events,
    /// The same correlation or request id.
    Ids,
    /// Times that servers print.
    Servers,
}

impl ClockBasis {
    /// Its name in outputs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Events => "events",
            Self::Ids => "ids",
            Self::Servers => "servers",
        }
    }
}

/// The clock of one artifact against another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockOffset {
    /// Whose clock.
    pub artifact: String,
    /// Against which artifact's; none means the servers' own time.
    pub reference: Option<String>,
    /// How far it is ahead; negative is behind.
    pub offset_ns: i64,
    /// Median deviation of the single differences.
    pub spread_ns: i64,
    /// Facts both have.
    pub pairs: usize,
    /// What they have in common.
    pub basis: ClockBasis,
}

/// The clocks that can be compared, by artifact. At most one entry an artifact.
///
/// Shape: of artifacts with shared facts, the one whose clock agrees with servers, else the one with most shared facts, is
/// the reference and has no entry of its own unless servers contradict it too; artifacts that nothing is shared with have one
/// only if servers tell their offset.
pub fn clock_offsets(timeline: &Timeline) -> Vec<ClockOffset> {
    let Some(columns) = Columns::new() else {
        return Vec::new();
    };
    let finder = Finder { timeline, columns };
    let (servers, (connections, (events, ids))) = match timeline.len() < LARGE_ROWS {
        true => (
            finder.servers(),
            (finder.connections(), (finder.events(), finder.ids())),
        ),
        false => rayon::join(
            || finder.servers(),
            || {
                let rest = || rayon::join(|| finder.events(), || finder.ids());
                rayon::join(|| finder.connections(), rest)
            },
        ),
    };
    let mut edges: BTreeMap<(u32, u32), Estimate> = BTreeMap::new();
    for (basis, seen) in [
        (ClockBasis::Connections, connections),
        (ClockBasis::Events, events),
        (ClockBasis::Ids, ids),
    ] {
        for (pair, differences) in differences(&seen, timeline) {
            if let Some(found) = estimate(differences, basis) {
                // Connections and events are the same instant; ids only the same request.
                edges.entry(pair).or_insert(found);
            }
        }
    }
    resolve(timeline, finder.columns.artifact, &edges, &servers)
}

fn differences(seen: &Seen, timeline: &Timeline) -> BTreeMap<(u32, u32), Vec<i64>> {
    let mut out: BTreeMap<(u32, u32), Vec<i64>> = BTreeMap::new();
    let first = |same: &[Fact]| {
        let first = same.first()?;
        let sure = same.len() == 1 || !seen.twice_is_another;
        Some((first.artifact, timeline.ts_ns(first.row).filter(|_| sure)?))
    };
    for of_key in seen.facts.chunk_by(|a, b| a.key == b.key) {
        let known: Vec<(u32, i64)> = of_key
            .chunk_by(|a, b| a.artifact == b.artifact)
            .filter_map(first)
            .collect();
        for (i, (a, first)) in known.iter().enumerate() {
            for (b, second) in known.iter().skip(i + 1) {
                let list = out.entry((*a, *b)).or_default();
                if list.len() < MAX_PAIRS {
                    list.push(second.saturating_sub(*first));
                }
            }
        }
    }
    out
}

/// Picks the references and adds offsets up along the best edges.
fn resolve(
    timeline: &Timeline,
    artifact: ColumnId,
    edges: &BTreeMap<(u32, u32), Estimate>,
    servers: &BTreeMap<u32, Estimate>,
) -> Vec<ClockOffset> {
    let path = |code: u32| {
        let text = (code as usize)
            .checked_sub(1)
            .and_then(|at| timeline.distinct(artifact).get(at));
        text.map(ToString::to_string).unwrap_or_default()
    };
    let mut weight: BTreeMap<u32, usize> = BTreeMap::new();
    for ((a, b), edge) in edges {
        *weight.entry(*a).or_default() += edge.pairs;
        *weight.entry(*b).or_default() += edge.pairs;
    }
    let agrees = |code: &u32| {
        servers
            .get(code)
            .is_some_and(|s| s.offset.saturating_abs() <= GOOD_NS)
    };
    let mut order: Vec<u32> = weight.keys().copied().collect();
    order.sort_by_cached_key(|code| {
        let pairs = weight.get(code).copied().unwrap_or(0);
        (!agrees(code), std::cmp::Reverse(pairs), path(*code))
    });
    let mut done: BTreeSet<u32> = BTreeSet::new();
    let mut out = Vec::new();
    for root in order {
        if !done.insert(root) {
            continue;
        }
        let mut frontier = vec![(root, 0_i64)];
        while let Some((from, so_far)) = frontier.pop() {
            let mut next: Vec<(u32, Estimate)> = edges
                .iter()
                .filter_map(|((a, b), edge)| match (*a == from, *b == from) {
                    (true, _) => Some((*b, *edge)),
                    (_, true) => Some((
                        *a,
                        Estimate {
                            offset: edge.offset.saturating_neg(),
                            ..*edge
                        },
                    )),
                    _ => None,
                })
                .filter(|(to, _)| !done.contains(to))
                .collect();
            next.sort_by_key(|(to, edge)| (edge.basis, std::cmp::Reverse(edge.pairs), *to));
            for (to, edge) in next {
                if done.insert(to) {
                    let offset = so_far.saturating_add(edge.offset);
                    out.push(entry(path(to), Some(path(root)), offset, &edge));
                    frontier.push((to, offset));
                }
            }
        }
    }
    let with_reference: BTreeSet<String> = out.iter().map(|o| o.artifact.clone()).collect();
    for (code, found) in servers {
        let path = path(*code);
        let is_good_reference = done.contains(code) && agrees(code);
        if !with_reference.contains(&path) && !is_good_reference {
            out.push(entry(path, None, found.offset, found));
        }
    }
    out.sort_by(|a, b| a.artifact.cmp(&b.artifact));
    out
}

fn entry(artifact: String, reference: Option<String>, offset_ns: i64, edge: &Estimate) -> ClockOffset {
    ClockOffset {
        artifact,
        reference,
        offset_ns,
        spread_ns: edge.spread,
        pairs: edge.pairs,
        basis: edge.basis,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TimelineBuilder;
    use casetrace_model::{Row, Source};

    const SECOND: i64 = 1_000_000_000;

    fn connect(port: u16, ts: i64) -> Row {
        let mut row = Row::new(Source::Pcap, "tcp.connect", u64::from(port)).at(ts);
        row.src_ip = Some("192.0.2.1".into());
        row.src_port = Some(port);
        row.dst_ip = Some("192.0.2.2".into());
        row.dst_port = Some(443);
        row
    }

    /// Four connections in two captures, the second one 95 s ahead.
    fn two_captures(shared: u16) -> Timeline {
        let mut builder = TimelineBuilder::new();
        for n in 0..4_u16 {
            let ts = 1_000 * SECOND + i64::from(n) * 7 * SECOND;
            builder.push("a.etl", None, connect(n, ts));
            let port = if n < shared { n } else { n + 100 };
            let late = if n == 3 { 900_000_000 } else { 0 };
            builder.push("b.pcapng", None, connect(port, ts + 95 * SECOND + late));
        }
        builder.finish()
    }

    #[test]
    fn shared_connections_give_the_offset() {
        let found = clock_offsets(&two_captures(4));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found.iter().all(|o| o.artifact == "b.pcapng"
            && o.reference.as_deref() == Some("a.etl")
            && o.offset_ns == 95 * SECOND
            && o.pairs == 4
            && o.basis == ClockBasis::Connections));
    }

    #[test]
    fn two_shared_facts_are_too_few() {
        assert!(clock_offsets(&two_captures(2)).is_empty());
    }

    #[test]
    fn scattered_differences_are_no_offset() {
        let mut builder = TimelineBuilder::new();
        for n in 0..6_u16 {
            builder.push("a.etl", None, connect(n, i64::from(n) * 100 * SECOND));
            builder.push("b.pcapng", None, connect(n, i64::from(n * n) * 100 * SECOND));
        }
        assert!(clock_offsets(&builder.finish()).is_empty());
    }

    #[test]
    fn the_clock_that_servers_contradict_is_the_wrong_one() {
        let mut builder = TimelineBuilder::new();
        for n in 0..4_u16 {
            let ts = 1_000 * SECOND + i64::from(n) * SECOND;
            builder.push("a.etl", None, connect(n, ts));
            builder.push("b.pcapng", None, connect(n, ts - 30 * SECOND));
            let mut answer = Row::new(Source::Pcap, "http.response", 100 + u64::from(n)).at(ts);
            answer.fields = r#"{"server_date_offset_ms":-420}"#.into();
            builder.push("b.pcapng", None, answer);
        }
        let found = clock_offsets(&builder.finish());
        assert!(
            matches!(found.as_slice(), [only] if only.artifact == "a.etl" && only.offset_ns == 30 * SECOND),
            "{found:?}"
        );
    }
}
