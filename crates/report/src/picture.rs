//! What the timeline picture shows: rows per source over time, and above them the evidence of the first findings.
//!
//! Its size is bounded whatever the case is: rows are counted into at most [`MAX_BARS`] bars, and evidence is what the
//! findings' tables show. Two passes over the time column, one of which also reads `source` and `outcome` by code.

use std::collections::BTreeMap;

use casetrace_model::time;
use casetrace_rules::Finding;
use casetrace_timeline::{ColumnId, Timeline};
use serde::Serialize;

use crate::escape::shorten;
use crate::facts::seconds;
use crate::scale::{Gap, Scale, Segment, Tick, WIDTH};
use crate::view::{MAX_EVIDENCE, carrying};

/// Sources with a lane.
const MAX_LANES: usize = 8;
/// Bars in all lanes together.
const MAX_BARS: usize = 600;
/// Bars in one lane.
const MAX_BARS_OF_LANE: usize = 150;
/// Findings with a track.
const MAX_TRACKS: usize = 10;
/// Longest text beside a mark.
const MAX_TEXT: usize = 100;

/// The picture. Places and widths are in units of which the axis has 100 000.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Picture {
    /// Linear pieces of the axis.
    pub segments: Vec<Segment>,
    /// Silences cut out between them.
    pub gaps: Vec<Gap>,
    /// Times on the axis.
    pub ticks: Vec<Tick>,
    /// The first findings, in the order of the report.
    pub tracks: Vec<Track>,
    /// One lane for each source.
    pub lanes: Vec<Lane>,
}

/// One finding's evidence over time.
#[derive(Debug, Clone, Serialize)]
pub struct Track {
    /// Place in the list of findings, from 1.
    pub number: usize,
    /// Rule.
    pub rule_id: String,
    /// Title.
    pub title: String,
    /// `critical` … `info`.
    pub severity: String,
    /// Place of the first mark.
    pub x: i64,
    /// Distance of first and last mark.
    pub width: i64,
    /// Evidence with a time.
    pub marks: Vec<Mark>,
}

/// One record that is evidence.
#[derive(Debug, Clone, Serialize)]
pub struct Mark {
    /// Place in the finding's list of evidence, from 1.
    pub number: usize,
    /// Place on the axis.
    pub x: i64,
    /// `decisive`, `supporting`, `weak`, `resolving`.
    pub role: String,
    /// Source, the name of its lane.
    pub source: String,
    /// Time and summary.
    pub text: String,
}

/// Rows of one source over time.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Lane {
    /// The `source` column.
    pub source: String,
    /// Rows.
    pub rows: u64,
    /// Rows that stand for a failed attempt.
    pub failed: u64,
    /// Rows without a time.
    pub untimed: u64,
    /// First time, to the second.
    pub first: String,
    /// Last time, to the second.
    pub last: String,
    /// Rows counted by time.
    pub bars: Vec<Bar>,
}

/// Rows of one source in one stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Bar {
    /// Where it begins.
    pub x: i64,
    /// How wide it is.
    pub width: i64,
    /// Rows.
    pub rows: u64,
    /// Rows that stand for a failed attempt.
    pub failed: u64,
    /// Height from 1 to 100; each doubling of the rows adds the same.
    pub level: u64,
    /// Height of the failed part.
    pub failed_level: u64,
    /// First time, to the second.
    pub first: String,
    /// Last time, to the second.
    pub last: String,
}

#[derive(Clone, Default)]
struct Count {
    rows: u64,
    failed: u64,
    span: Option<(i64, i64)>,
}

impl Count {
    fn add(&mut self, failed: bool, ts: i64) {
        self.rows += 1;
        self.failed += u64::from(failed);
        let (first, last) = self.span.unwrap_or((ts, ts));
        self.span = Some((first.min(ts), last.max(ts)));
    }

    fn times(&self) -> (String, String) {
        self.span
            .map(|(first, last)| (seconds(first), seconds(last)))
            .unwrap_or_default()
    }
}

impl Picture {
    /// Draws `timeline` and the evidence of `findings`.
    pub(crate) fn build<'a>(timeline: &Timeline, findings: impl Iterator<Item = &'a Finding>) -> Self {
        let rows = 0..u32::try_from(timeline.len()).unwrap_or(u32::MAX);
        let scale = Scale::new(rows.map_while(|row| timeline.ts_ns(row)));
        if scale.segments.is_empty() {
            return Self::default();
        }
        Self {
            tracks: findings
                .take(MAX_TRACKS)
                .zip(1..)
                .map(|(finding, number)| Track::of(finding, number, &scale))
                .collect(),
            lanes: lanes(timeline, &scale),
            ticks: scale.ticks(),
            segments: scale.segments,
            gaps: scale.gaps,
        }
    }
}

impl Track {
    fn of(finding: &Finding, number: usize, scale: &Scale) -> Self {
        let marks: Vec<Mark> = carrying(finding)
            .take(MAX_EVIDENCE)
            .zip(1..)
            .filter_map(|(item, number)| {
                let text = item.ts.as_deref()?;
                let clock = text.get(..23).unwrap_or(text).replace('T', " ");
                Some(Mark {
                    number,
                    x: scale.place(time::from_rfc3339(text)?),
                    role: item.role.as_str().to_owned(),
                    source: item.source.clone(),
                    text: format!("{clock} {}", shorten(&item.summary, MAX_TEXT)),
                })
            })
            .collect();
        let x = marks.iter().map(|mark| mark.x).min().unwrap_or(0);
        let end = marks.iter().map(|mark| mark.x).max().unwrap_or(0);
        Self {
            number,
            rule_id: finding.rule_id.clone(),
            title: finding.title.clone(),
            severity: finding.severity.as_str().to_owned(),
            x,
            width: end - x,
            marks,
        }
    }
}

fn lanes(timeline: &Timeline, scale: &Scale) -> Vec<Lane> {
    let (Some(source), Some(outcome)) = (ColumnId::of("source"), ColumnId::of("outcome")) else {
        return Vec::new();
    };
    let mut sources: Vec<(&str, usize)> = timeline
        .distinct(source)
        .iter()
        .map(casetrace_model::Text::as_str)
        .zip(1..)
        .collect();
    sources.sort_unstable();
    sources.truncate(MAX_LANES);
    let bars = i64::try_from((MAX_BARS / sources.len().max(1)).min(MAX_BARS_OF_LANE)).unwrap_or(1);
    let lane_of: BTreeMap<usize, usize> = sources.iter().map(|(_, code)| *code).zip(0..).collect();
    let failures: Vec<u32> = timeline
        .distinct(outcome)
        .iter()
        .zip(1..)
        .filter(|(text, _)| matches!(text.as_str(), "failure" | "timeout" | "reset" | "refused"))
        .map(|(_, code)| code)
        .collect();

    let mut tallies: Vec<(Count, u64, BTreeMap<i64, Count>)> = vec![Default::default(); sources.len()];
    for row in 0..u32::try_from(timeline.len()).unwrap_or(u32::MAX) {
        let code = timeline.code(source, row).unwrap_or(0);
        let Some(tally) = lane_of
            .get(&(code as usize))
            .and_then(|lane| tallies.get_mut(*lane))
        else {
            continue;
        };
        let Some(ts) = timeline.ts_ns(row) else {
            tally.1 += 1;
            continue;
        };
        let failed = timeline
            .code(outcome, row)
            .is_some_and(|code| failures.contains(&code));
        tally.0.add(failed, ts);
        let bar = (scale.place(ts) * bars / WIDTH).min(bars - 1);
        tally.2.entry(bar).or_default().add(failed, ts);
    }
    sources
        .into_iter()
        .zip(tallies)
        .map(|((source, _), tally)| lane(source, tally, bars))
        .collect()
}

fn lane(source: &str, (count, untimed, by_bar): (Count, u64, BTreeMap<i64, Count>), bars: i64) -> Lane {
    let most = by_bar.values().map(|count| count.rows).max().unwrap_or(1);
    let (first, last) = count.times();
    Lane {
        source: source.to_owned(),
        rows: count.rows + untimed,
        failed: count.failed,
        untimed,
        first,
        last,
        bars: by_bar
            .into_iter()
            .map(|(bar, count)| {
                let (first, last) = count.times();
                Bar {
                    x: bar * WIDTH / bars,
                    width: WIDTH / bars,
                    rows: count.rows,
                    failed: count.failed,
                    level: level(count.rows, most),
                    failed_level: level(count.failed, most),
                    first,
                    last,
                }
            })
            .collect(),
    }
}

/// Height on a logarithmic scale by whole and half doublings: integers, so that every machine draws the same.
fn level(rows: u64, most: u64) -> u64 {
    let doublings = |n: u64| {
        let n = n.saturating_add(1);
        let whole = n.ilog2();
        let half = n >= (1_u64 << whole).saturating_add((1_u64 << whole) / 2);
        u64::from(2 * whole) + u64::from(half)
    };
    if rows == 0 {
        return 0;
    }
    (doublings(rows) * 100 / doublings(most).max(1)).clamp(8, 100)
}
