//! The time axis: times become places from 0 to [`WIDTH`], with long silences cut out.
//!
//! One stray record of last year would squeeze the ten minutes that matter into a pixel. The longest silences are
//! therefore drawn as a break, and what lies between two breaks (a segment) is linear. All arithmetic is in integers.

use casetrace_model::time;
use serde::Serialize;

/// Width of the axis in its own units.
pub(crate) const WIDTH: i64 = 100_000;
/// Free space at both ends, so that marks there are whole.
const MARGIN: i64 = 800;
/// Width of a break.
const GAP: i64 = 3_000;
/// Least width of a segment: its date fits under it.
const MIN_SEGMENT: i64 = 11_000;
/// Silences that can be cut out.
const MAX_GAPS: usize = 4;
/// A shorter silence is never cut out, nanoseconds.
const SHORTEST_GAP: i64 = 60 * SECOND;
/// Room a break's own label takes on both sides of it.
const BESIDE_GAP: i64 = 3_500;
/// Least distance of two ticks.
const TICK_DISTANCE: i64 = 8_500;

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Distances of ticks that people can read.
const STEPS: [i64; 26] = [
    SECOND / 1000,
    SECOND / 100,
    SECOND / 20,
    SECOND / 10,
    SECOND / 2,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    30 * DAY,
    90 * DAY,
    365 * DAY,
    3650 * DAY,
];

/// A linear piece of the axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// Where it begins.
    pub x: i64,
    /// How wide it is.
    pub width: i64,
    /// First time, to the second.
    pub label: String,
    /// First time, milliseconds since 1970.
    pub from_ms: i64,
    /// Last time, milliseconds since 1970.
    pub to_ms: i64,
    #[serde(skip)]
    from: i64,
    #[serde(skip)]
    to: i64,
}

/// A silence that was cut out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Where it is.
    pub x: i64,
    /// How wide it is drawn.
    pub width: i64,
    /// How long it was, such as `12 d` or `3 h`.
    pub label: String,
}

/// A time on the axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tick {
    /// Where.
    pub x: i64,
    /// What time.
    pub label: String,
}

/// Places for times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scale {
    pub(crate) segments: Vec<Segment>,
    pub(crate) gaps: Vec<Gap>,
}

impl Scale {
    /// The axis for `times`, which are in order.
    pub(crate) fn new(times: impl Iterator<Item = i64>) -> Self {
        let mut span: Option<(i64, i64)> = None;
        let mut silences: Vec<(i64, i64)> = Vec::new();
        for ts in times {
            let Some((first, last)) = span else {
                span = Some((ts, ts));
                continue;
            };
            if length((last, ts)) >= SHORTEST_GAP {
                keep_longest(&mut silences, (last, ts));
            }
            span = Some((first, ts.max(last)));
        }
        span.map_or_else(Self::default, |span| Self::laid_out(&pieces(span, &silences)))
    }

    fn laid_out(pieces: &[(i64, i64)]) -> Self {
        let count = i64::try_from(pieces.len()).unwrap_or(1);
        let free = WIDTH - 2 * MARGIN - count.saturating_sub(1) * GAP - count * MIN_SEGMENT;
        let total: i128 = pieces.iter().map(|p| i128::from(length(*p))).sum();
        let mut scale = Self::default();
        let mut x = MARGIN;
        let mut before: Option<i64> = None;
        for &(from, to) in pieces {
            if let Some(before) = before {
                scale.gaps.push(Gap {
                    x,
                    width: GAP,
                    label: duration(length((before, from))),
                });
                x += GAP;
            }
            let width = MIN_SEGMENT
                + if total == 0 {
                    free / count
                } else {
                    scaled(length((from, to)), free, total)
                };
            scale.segments.push(Segment {
                x,
                width,
                label: clock(from, SECOND, true),
                from_ms: from.div_euclid(1_000_000),
                to_ms: to.div_euclid(1_000_000),
                from,
                to,
            });
            x += width;
            before = Some(to);
        }
        scale
    }

    /// Where `ts` is; times in a break or outside go to the nearest end.
    pub(crate) fn place(&self, ts: i64) -> i64 {
        let mut end = MARGIN;
        for segment in &self.segments {
            if ts < segment.from {
                return if end == MARGIN { segment.x } else { end };
            }
            if ts <= segment.to {
                let long = i128::from(length((segment.from, segment.to)));
                return segment.x
                    + if long == 0 {
                        segment.width / 2
                    } else {
                        scaled(length((segment.from, ts)), segment.width, long)
                    };
            }
            end = segment.x + segment.width;
        }
        end
    }

    /// Readable times on the axis.
    pub(crate) fn ticks(&self) -> Vec<Tick> {
        let beside_gap = |x: i64| {
            self.gaps
                .iter()
                .any(|gap| x > gap.x - BESIDE_GAP && x < gap.x + gap.width + BESIDE_GAP)
        };
        self.segments
            .iter()
            .flat_map(|segment| self.ticks_of(segment))
            .filter(|tick| !beside_gap(tick.x))
            .collect()
    }

    fn ticks_of(&self, segment: &Segment) -> Vec<Tick> {
        let long = length((segment.from, segment.to));
        let room = (segment.width / TICK_DISTANCE).max(1);
        let Some(step) = STEPS.into_iter().find(|step| long / step <= room) else {
            return Vec::new();
        };
        let Some(first) = next_multiple(segment.from, step) else {
            return Vec::new();
        };
        (0..=room)
            .filter_map(|n| first.checked_add(step.checked_mul(n)?))
            .filter(|ts| long > 0 && *ts <= segment.to)
            .map(|ts| Tick {
                x: self.place(ts),
                label: clock(ts, step, false),
            })
            .collect()
    }
}

fn next_multiple(ts: i64, step: i64) -> Option<i64> {
    match ts.checked_rem_euclid(step)? {
        0 => Some(ts),
        rest => ts.checked_add(step - rest),
    }
}

fn keep_longest(silences: &mut Vec<(i64, i64)>, silence: (i64, i64)) {
    silences.push(silence);
    silences.sort_by_key(|s| std::cmp::Reverse(length(*s)));
    silences.truncate(MAX_GAPS);
}

/// The span without those silences that are longer than all the rest together.
fn pieces(span: (i64, i64), silences: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut left = length(span);
    let mut cuts = Vec::new();
    for silence in silences {
        let long = length(*silence);
        if long < left - long {
            break;
        }
        left -= long;
        cuts.push(*silence);
    }
    cuts.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = span.0;
    for (end, next) in cuts {
        pieces.push((from, end));
        from = next;
    }
    pieces.push((from, span.1));
    pieces
}

fn length((from, to): (i64, i64)) -> i64 {
    to.saturating_sub(from).max(0)
}

fn scaled(part: i64, width: i64, total: i128) -> i64 {
    i64::try_from(i128::from(part) * i128::from(width) / total.max(1)).unwrap_or(0)
}

fn duration(ns: i64) -> String {
    match ns {
        ns if ns >= 2 * DAY => format!("{} d", ns / DAY),
        ns if ns >= 2 * HOUR => format!("{} h", ns / HOUR),
        ns => format!("{} min", ns / MINUTE),
    }
}

/// A time as precise as `step` needs it.
fn clock(ts: i64, step: i64, date: bool) -> String {
    let text = time::to_rfc3339(ts);
    let (from, to) = match step {
        _ if date => (0, 19),
        step if step >= DAY => (0, 10),
        step if step >= MINUTE => (11, 16),
        step if step >= SECOND => (11, 19),
        _ => (11, 23),
    };
    text.get(from..to).unwrap_or(&text).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stray_old_record_does_not_squeeze_the_rest() {
        let day = 1_772_413_200 * SECOND;
        let minutes = (0..=10).map(|n| day + n * MINUTE);
        let times: Vec<i64> = std::iter::once(day - 400 * DAY).chain(minutes).collect();
        let scale = Scale::new(times.iter().copied());
        assert_eq!(scale.gaps.len(), 1, "{scale:?}");
        assert_eq!(scale.gaps.first().map(|g| g.label.as_str()), Some("400 d"));
        let places: Vec<i64> = times.iter().map(|ts| scale.place(*ts)).collect();
        assert!(
            places.is_sorted() && places.iter().all(|x| (0..=WIDTH).contains(x)),
            "{places:?}"
        );
    }

    #[test]
    fn extreme_times_stay_on_the_axis() {
        let times = [i64::MIN, 0, i64::MAX];
        let scale = Scale::new(times.into_iter());
        for ts in times {
            assert!((0..=WIDTH).contains(&scale.place(ts)));
        }
        assert!(scale.ticks().len() < 40);
        assert!(Scale::new(std::iter::empty()).segments.is_empty());
        assert_eq!(Scale::new([5, 5].into_iter()).segments.len(), 1);
    }
}
