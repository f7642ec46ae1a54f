//! Raw timestamps to UTC.
//!
//! Source: etl-format §3. The origin is the time of the very first record together with StartTime; BootTime plus ticks is
//! wrong by up to minutes on machines that slept.

use casetrace_model::time::from_filetime;

/// What the raw timestamps of a file count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockKind {
    /// Ticks of the performance counter at this rate per second.
    Qpc(u64),
    /// FILETIME.
    SystemTime,
    /// Processor cycles at this rate in MHz.
    CpuCycle(u64),
    /// The file has no usable header; times stay unknown.
    Unknown,
}

/// Converts raw timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// What is counted.
    pub kind: ClockKind,
    /// Raw time of the first record.
    pub origin: u64,
    /// FILETIME of the same instant.
    pub start_filetime: u64,
}

/// FILETIME ticks in a second.
const TICKS: u64 = 10_000_000;

impl Clock {
    pub(crate) const UNKNOWN: Self = Self {
        kind: ClockKind::Unknown,
        origin: 0,
        start_filetime: 0,
    };

    /// Nanoseconds since 1970; `None` if the clock is unknown or the time is outside 1677–2262.
    #[inline]
    pub fn to_unix_ns(&self, raw: u64) -> Option<i64> {
        self.to_filetime(raw).and_then(from_filetime)
    }

    /// FILETIME, rounded down to 100 ns.
    #[inline]
    pub fn to_filetime(&self, raw: u64) -> Option<u64> {
        let (multiplier, divisor) = match self.kind {
            ClockKind::SystemTime => return Some(raw),
            ClockKind::Qpc(frequency) => (TICKS, frequency),
            ClockKind::CpuCycle(mhz) => (10, mhz),
            ClockKind::Unknown => return None,
        };
        if raw >= self.origin {
            self.start_filetime
                .checked_add(scale(raw - self.origin, multiplier, divisor, false)?)
        } else {
            self.start_filetime
                .checked_sub(scale(self.origin - raw, multiplier, divisor, true)?)
        }
    }
}

/// `ticks × multiplier ÷ divisor`; `up` rounds away from zero so that times before the origin round down too.
#[inline]
fn scale(ticks: u64, multiplier: u64, divisor: u64, up: bool) -> Option<u64> {
    if divisor == multiplier {
        return Some(ticks);
    }
    let product = u128::from(ticks) * u128::from(multiplier);
    if let Ok(product) = u64::try_from(product) {
        return if up {
            product.checked_add(divisor - 1)?.checked_div(divisor)
        } else {
            product.checked_div(divisor)
        };
    }
    let divisor = u128::from(divisor);
    let product = if up {
        product + divisor.saturating_sub(1)
    } else {
        product
    };
    u64::try_from(product.checked_div(divisor)?).ok()
}

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            ClockKind::Qpc(frequency) => write!(f, "QPC {frequency} Hz"),
            ClockKind::SystemTime => f.write_str("FILETIME"),
            ClockKind::CpuCycle(mhz) => write!(f, "CPU cycles {mhz} MHz"),
            ClockKind::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clock_has_its_scale() {
        let clock = |kind| Clock {
            kind,
            origin: 1000,
            start_filetime: 500,
        };
        assert_eq!(clock(ClockKind::Qpc(TICKS)).to_filetime(1007), Some(507));
        assert_eq!(
            clock(ClockKind::Qpc(2_740_000)).to_filetime(1274),
            Some(500 + 1000)
        );
        assert_eq!(clock(ClockKind::Qpc(2_740_000)).to_filetime(999), Some(500 - 4));
        assert_eq!(clock(ClockKind::Qpc(3)).to_filetime(u64::MAX), None);
        assert_eq!(clock(ClockKind::SystemTime).to_filetime(7), Some(7));
        assert_eq!(clock(ClockKind::CpuCycle(2000)).to_filetime(3000), Some(510));
        assert_eq!(clock(ClockKind::Qpc(0)).to_filetime(3000), None);
        assert_eq!(Clock::UNKNOWN.to_unix_ns(3000), None);
    }
}
