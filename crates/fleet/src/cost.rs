//! What the cases cost: sizes, time, memory.

use serde::Serialize;

use crate::fleet::Case;
use crate::records::Cost;

/// Cases shown among the slowest.
const MAX_SLOW: usize = 10;

/// One measure over all cases; texts with unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CostRow {
    /// Key of the label.
    pub key: &'static str,
    /// Middle case.
    pub p50: String,
    /// All but one case in twenty stay below.
    pub p95: String,
    /// Largest.
    pub most: String,
    /// All together; empty where a sum says nothing.
    pub sum: String,
}

/// One of the slowest cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlowCase {
    /// The case.
    pub bundle: String,
    /// Time it took.
    pub time: String,
    /// Size of its files.
    pub size: String,
    /// Rows.
    pub rows: u64,
    /// Most memory.
    pub memory: String,
}

type Measure = (&'static str, fn(&Case) -> Option<u64>, fn(u64) -> String, bool);

/// The measures that were taken.
pub(crate) fn costs(cases: &[Case]) -> Vec<CostRow> {
    let measures: [Measure; 4] = [
        ("fleet_size", |case| case.bytes, size, true),
        ("rows", |case| case.rows, |n| n.to_string(), true),
        ("fleet_time", |case| case.cost.map(|cost| cost.ms), duration, true),
        (
            "fleet_memory",
            |case| case.cost.map(|cost| cost.peak_rss_bytes),
            size,
            false,
        ),
    ];
    measures
        .into_iter()
        .filter_map(|(key, get, show, summed)| {
            let mut values: Vec<u64> = cases.iter().filter_map(get).collect();
            values.sort_unstable();
            let at = |percent: usize| {
                values
                    .get((values.len() * percent).div_ceil(100).max(1) - 1)
                    .copied()
            };
            Some(CostRow {
                key,
                p50: show(at(50)?),
                p95: show(at(95)?),
                most: show(at(100)?),
                sum: if summed {
                    show(values.iter().sum())
                } else {
                    String::new()
                },
            })
        })
        .collect()
}

/// The slowest cases.
pub(crate) fn slowest(cases: &[Case]) -> Vec<SlowCase> {
    let mut timed: Vec<(Cost, &Case)> = cases.iter().filter_map(|case| Some((case.cost?, case))).collect();
    timed.sort_by(|a, b| (b.0.ms, &a.1.bundle).cmp(&(a.0.ms, &b.1.bundle)));
    timed
        .into_iter()
        .take(MAX_SLOW)
        .map(|(cost, case)| SlowCase {
            bundle: case.bundle.clone(),
            time: duration(cost.ms),
            size: case.bytes.map(size).unwrap_or_default(),
            rows: case.rows.unwrap_or(0),
            memory: size(cost.peak_rss_bytes),
        })
        .collect()
}

fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scale = 1u64;
    let mut unit = 0;
    while bytes / scale >= 1024 && unit + 1 < units.len() {
        scale *= 1024;
        unit += 1;
    }
    let unit_name = units.get(unit).copied().unwrap_or_default();
    match bytes / scale {
        whole if unit == 0 || whole >= 10 => format!("{whole} {unit_name}"),
        whole => format!("{whole}.{} {unit_name}", bytes % scale * 10 / scale),
    }
}

fn duration(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{:02} s", ms / 1000, ms % 1000 / 10),
        10_000..600_000 => format!("{} s", ms / 1000),
        600_000..36_000_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        assert_eq!(size(512), "512 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(20 << 20), "20 MiB");
        assert_eq!(duration(1_234), "1.23 s");
        assert_eq!(duration(7_200_000), "120 min");
    }
}
