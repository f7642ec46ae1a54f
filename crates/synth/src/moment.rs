//! Points in time and their many spellings: FILETIME, epochs, and the formats of Windows' tools.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// 100 ns ticks between 1601-01-01 and 1970-01-01.
const FILETIME_OF_1970: u64 = 116_444_736_000_000_000;

/// A UTC instant in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(pub i64);

impl Moment {
    /// Reads RFC 3339; 1970 if the text is none (a builder's typo shows in the first test that looks).
    pub fn at(rfc3339: &str) -> Self {
        Self(
            rfc3339
                .parse::<Timestamp>()
                .map_or(0, |t| t.as_nanosecond() as i64),
        )
    }

    /// Later by milliseconds (earlier if negative).
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0 + ms * 1_000_000)
    }

    /// Later by microseconds.
    #[must_use]
    pub fn plus_us(self, us: i64) -> Self {
        Self(self.0 + us * 1_000)
    }

    /// Later by seconds.
    #[must_use]
    pub fn plus_s(self, s: i64) -> Self {
        self.plus_ms(s * 1_000)
    }

    /// 100 ns since 1601.
    pub fn filetime(self) -> u64 {
        (self.0.div_euclid(100) as u64).wrapping_add(FILETIME_OF_1970)
    }

    /// Whole seconds since 1970.
    pub fn unix_s(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Formats with strftime's letters as local time of a zone `offset_min` minutes east of UTC.
    pub fn format(self, pattern: &str, offset_min: i32) -> String {
        let zone = Offset::from_seconds(offset_min * 60).map_or(TimeZone::UTC, TimeZone::fixed);
        let ts = Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or_default();
        ts.to_zoned(zone).strftime(pattern).to_string()
    }

    /// `2026-03-02 01:16:11.123 UTC`, as dsregcmd prints times.
    pub fn dsregcmd(self) -> String {
        self.format("%Y-%m-%d %H:%M:%S.%3f UTC", 0)
    }

    /// `Mon, 02 Mar 2026 01:16:11 GMT`, as HTTP's Date header.
    pub fn http_date(self) -> String {
        self.format("%a, %d %b %Y %H:%M:%S GMT", 0)
    }

    /// `2026-03-02T01:16:11Z`.
    pub fn iso(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%SZ", 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_agree() {
        let t = Moment::at("2026-03-02T01:16:11.1234567Z");
        assert_eq!(t.dsregcmd(), "2026-03-02 01:16:11.123 UTC");
        assert_eq!(t.http_date(), "Mon, 02 Mar 2026 01:16:11 GMT");
        assert_eq!(t.format("%Y/%m/%d %H:%M:%S", 540), "2026/03/02 10:16:11");
        assert_eq!(t.filetime() % 10_000_000, 1_234_567);
    }
}
