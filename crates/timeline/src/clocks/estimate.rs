//! One offset from many differences.

use super::ClockBasis;

/// Fewer shared facts prove nothing.
const MIN_PAIRS: usize = 3;
/// Differences that scatter more than this are no clock offset.
const MAX_SPREAD_NS: i64 = 5_000_000_000;

/// An estimate from single differences.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    pub(super) offset: i64,
    pub(super) spread: i64,
    pub(super) pairs: usize,
    pub(super) basis: ClockBasis,
}

fn median(values: &mut [i64]) -> Option<i64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable(middle).1)
}

pub(super) fn estimate(mut values: Vec<i64>, basis: ClockBasis) -> Option<Estimate> {
    let pairs = values.len();
    let offset = median(&mut values).filter(|_| pairs >= MIN_PAIRS)?;
    let mut deviations: Vec<i64> = values
        .iter()
        .map(|v| v.saturating_sub(offset).saturating_abs())
        .collect();
    let spread = median(&mut deviations)?;
    (spread <= MAX_SPREAD_NS).then_some(Estimate {
        offset,
        spread,
        pairs,
        basis,
    })
}
