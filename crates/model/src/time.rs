//! Times as nanoseconds since 1970 and their RFC 3339 form with all nine digits.

use jiff::Timestamp;

/// 100 ns ticks between 1601-01-01 and 1970-01-01.
const FILETIME_UNIX_EPOCH: i64 = 116_444_736_000_000_000;

/// FILETIME (100 ns since 1601, UTC) to nanoseconds since 1970; `None` outside the i64 range (1677–2262).
pub fn from_filetime(filetime_100ns: u64) -> Option<i64> {
    i64::try_from(filetime_100ns)
        .ok()?
        .checked_sub(FILETIME_UNIX_EPOCH)?
        .checked_mul(100)
}

/// `2026-03-02T01:16:11.123456700Z`.
pub fn to_rfc3339(ts_ns: i64) -> String {
    match Timestamp::from_nanosecond(i128::from(ts_ns)) {
        Ok(ts) => format!("{ts:.9}"),
        // i64 nanoseconds end in 2262, well inside jiff's range; kept so that no input can panic.
        Err(_) => ts_ns.to_string(),
    }
}

/// RFC 3339 text (any offset, any precision) to nanoseconds since 1970.
pub fn from_rfc3339(text: &str) -> Option<i64> {
    let ts: Timestamp = text.parse().ok()?;
    i64::try_from(ts.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_all_digits() {
        let ns = from_filetime(133_500_000_001_234_567);
        assert_eq!(
            ns.map(to_rfc3339).as_deref(),
            Some("2024-01-17T21:20:00.123456700Z")
        );
        assert_eq!(from_rfc3339("2024-01-17T21:20:00.1234567Z"), ns);
        assert_eq!(from_filetime(u64::MAX), None);
    }
}
