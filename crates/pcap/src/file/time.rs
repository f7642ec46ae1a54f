//! Capture clocks: the units and offsets of a pcap or pcapng file, turned into nanoseconds since 1970.
//!
//! Source: draft-ietf-opsawg-pcapng, `if_tsresol` and `if_tsoffset`. Computed here from raw values because a
//! power-of-two resolution and a big-endian, signed offset must come out right, and seconds may pass 2106.

/// How one interface counts time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    units_per_second: u128,
    offset_s: i64,
}

impl Default for Clock {
    /// Microseconds since 1970, pcapng's default.
    fn default() -> Self {
        Self::new(6, 0)
    }
}

impl Clock {
    /// `tsresol` as in the file: a power of ten, or of two if the top bit is set.
    pub(crate) fn new(tsresol: u8, offset_s: i64) -> Self {
        let exponent = u32::from(tsresol & 0x7f);
        let base: u128 = if tsresol & 0x80 == 0 { 10 } else { 2 };
        // 10^38 and 2^127 still fit; beyond that every time is zero anyway.
        let units_per_second = base.checked_pow(exponent).unwrap_or(u128::MAX);
        Self {
            units_per_second,
            offset_s,
        }
    }

    /// A raw 64-bit count to nanoseconds since 1970, saturating at the ends of `i64` (1677 and 2262).
    pub(crate) fn ns(self, count: u64) -> i64 {
        if self.offset_s == 0 && self.units_per_second == 1_000_000 {
            return i64::try_from(count)
                .ok()
                .and_then(|c| c.checked_mul(1000))
                .unwrap_or(i64::MAX);
        }
        let ns = u128::from(count) * 1_000_000_000 / self.units_per_second;
        let ns = i128::try_from(ns).unwrap_or(i128::MAX);
        saturate(ns.saturating_add(i128::from(self.offset_s) * 1_000_000_000))
    }

    /// The resolution as a text for `inspect`.
    pub(crate) fn describe(self) -> String {
        let offset = if self.offset_s == 0 {
            String::new()
        } else {
            format!(", offset {} s", self.offset_s)
        };
        format!("1/{} s{offset}", self.units_per_second)
    }
}

fn saturate(ns: i128) -> i64 {
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resolution_gives_the_same_instant() {
        assert_eq!(Clock::new(6, 0).ns(1_500_000), 1_500_000_000);
        assert_eq!(Clock::new(9, 0).ns(1_500_000_000), 1_500_000_000);
        assert_eq!(Clock::new(0x88, 0).ns(384), 1_500_000_000, "2^-8");
        assert_eq!(Clock::new(0, 3600).ns(1), 3_601_000_000_000);
        assert_eq!(Clock::new(6, -1).ns(0), -1_000_000_000);
        assert_eq!(Clock::new(0xff, 0).ns(u64::MAX), 0);
        assert_eq!(Clock::new(0, 0).ns(u64::MAX), i64::MAX);
        assert_eq!(Clock::new(0x7f, 0).ns(1), 0);
    }
}
