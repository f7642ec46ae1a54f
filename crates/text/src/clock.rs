//! Times as the tools of a bundle print them.

use casetrace_model::TsSource;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

/// A time found in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// With a zone or stated as UTC.
    Exact(i64),
    /// Wall clock of the machine.
    Local(DateTime),
}

/// Nanoseconds since 1970 of a wall-clock time in UTC.
pub(crate) fn utc(at: DateTime) -> Option<i64> {
    at.to_zoned(TimeZone::UTC)
        .ok()
        .and_then(|zoned| nanoseconds(zoned.timestamp()))
}

fn nanoseconds(ts: Timestamp) -> Option<i64> {
    i64::try_from(ts.as_nanosecond()).ok()
}

/// A wall-clock time in `zone`; where clocks went back, the earlier reading.
pub(crate) fn in_zone(at: DateTime, zone: &TimeZone) -> Option<i64> {
    zone.to_ambiguous_zoned(at)
        .compatible()
        .ok()
        .and_then(|zoned| nanoseconds(zoned.timestamp()))
}

/// The instant and how it is known, for a moment and the zone of the bundle.
pub(crate) fn resolve(moment: Moment, zone: Option<&TimeZone>) -> (Option<i64>, TsSource) {
    match moment {
        Moment::Exact(ts_ns) => (Some(ts_ns), TsSource::Exact),
        Moment::Local(at) => match zone.and_then(|zone| in_zone(at, zone)) {
            Some(ts_ns) => (Some(ts_ns), TsSource::LocalAssumed),
            None => (None, TsSource::None),
        },
    }
}

/// Numbers of a time and what stands between them, read from the start of a text.
struct Scan<'a> {
    rest: &'a str,
}

impl<'a> Scan<'a> {
    fn number(&mut self, most: usize) -> Option<u32> {
        let n = self
            .rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        let (digits, rest) = self.rest.split_at_checked(n)?;
        let value = digits.parse().ok()?;
        self.rest = rest;
        Some(value)
    }

    fn skip(&mut self, set: &[char]) -> Option<char> {
        let c = self.rest.chars().next().filter(|c| set.contains(c))?;
        self.rest = self.rest.get(c.len_utf8()..)?;
        Some(c)
    }

    /// `HH:mm[:ss[.,:fffffff]]`, AM/PM before or after, in English and Japanese.
    fn time(&mut self) -> Option<Time> {
        let early = self.half_day();
        let hour = self.number(2)?;
        self.skip(&[':', '-'])?;
        let minute = self.number(2)?;
        let mut second = 0;
        let mut nanosecond = 0;
        let before = self.rest;
        if self.skip(&[':', '-']).is_some() {
            match self.number(2) {
                Some(value) => {
                    second = value;
                    nanosecond = self.fraction();
                }
                None => self.rest = before,
            }
        }
        let late = early.or_else(|| self.half_day());
        let hour = match late {
            Some(true) if hour < 12 => hour + 12,
            Some(false) if hour == 12 => 0,
            _ => hour,
        };
        Time::new(
            i8::try_from(hour).ok()?,
            i8::try_from(minute).ok()?,
            i8::try_from(second.min(59)).ok()?,
            i32::try_from(nanosecond).ok()?,
        )
        .ok()
    }

    fn fraction(&mut self) -> u32 {
        let before = self.rest;
        if self.skip(&['.', ',', ':']).is_none() {
            return 0;
        }
        let n = self.rest.bytes().take(9).take_while(u8::is_ascii_digit).count();
        let Some(value) = self.number(9) else {
            self.rest = before;
            return 0;
        };
        value * 10_u32.pow(9 - u32::try_from(n).unwrap_or(9))
    }

    /// True for PM.
    fn half_day(&mut self) -> Option<bool> {
        let rest = self.rest.trim_start();
        for (word, late) in [
            ("AM", false),
            ("PM", true),
            ("am", false),
            ("pm", true),
            ("午前", false),
            ("午後", true),
        ] {
            if let Some(after) = rest.strip_prefix(word) {
                self.rest = after.trim_start();
                return Some(late);
            }
        }
        None
    }

    /// `Z`, ` UTC`, `GMT`, `+09:00`, `UTC+09:00`, `-0800`.
    fn offset(&mut self) -> Option<Offset> {
        let trimmed = self.rest.trim_start();
        let word = ["UTC", "GMT", "Z"]
            .into_iter()
            .find_map(|word| trimmed.strip_prefix(word));
        let mut scan = Scan {
            rest: word.unwrap_or(trimmed),
        };
        let Some(sign) = scan.skip(&['+', '-']) else {
            self.rest = word?;
            return Some(Offset::UTC);
        };
        let hours = i32::try_from(scan.number(2)?).ok()?;
        scan.skip(&[':']);
        let minutes = i32::try_from(scan.number(2).unwrap_or(0)).ok()?;
        let seconds = (hours * 60 + minutes) * 60 * if sign == '-' { -1 } else { 1 };
        let offset = Offset::from_seconds(seconds).ok()?;
        self.rest = scan.rest;
        Some(offset)
    }
}

fn date(year: u32, month: u32, day: u32) -> Option<Date> {
    let year = if year < 100 { year + 2000 } else { year };
    Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()
}

/// Which of the first two numbers of `02/03/2026` is the month, where both could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    MonthFirst,
    DayFirst,
}

/// The order of a text that begins with `a/b/yyyy`, if only one is possible.
pub(crate) fn order_of(text: &str) -> Option<Order> {
    let mut scan = Scan { rest: text };
    let first = scan.number(2)?;
    scan.skip(&['/'])?;
    let second = scan.number(2)?;
    scan.skip(&['/'])?;
    let year = scan.number(4)?;
    if !(1970..2200).contains(&year) {
        return None;
    }
    match (first, second) {
        (1..=12, 13..=31) => Some(Order::MonthFirst),
        (13..=31, 1..=12) => Some(Order::DayFirst),
        _ => None,
    }
}

/// A date and time at the start of `text`, and the text after it; months first where both are possible.
pub(crate) fn leading(text: &str) -> Option<(Moment, &str)> {
    ordered(text, Order::MonthFirst)
}

/// A date and time at the start of `text`, and the text after it.
///
/// Reads `yyyy-MM-dd`, `yyyy/MM/dd`, `MM/dd/yyyy` and `dd/MM/yyyy` (by `order` where both are possible), `dd.MM.yyyy`, then
/// `T`, blanks, a comma or a dash, a time with or without fraction, and an offset if there is one.
pub(crate) fn ordered(text: &str, order: Order) -> Option<(Moment, &str)> {
    let mut scan = Scan { rest: text };
    let first = scan.number(4)?;
    let between = scan.skip(&['-', '/', '.'])?;
    let second = scan.number(2)?;
    scan.skip(&[between])?;
    let third = scan.number(4)?;
    let date = if first > 31 {
        date(first, second, third)?
    } else if between == '.' || first > 12 {
        date(third, second, first)?
    } else if second > 12 || order == Order::MonthFirst {
        date(third, first, second)?
    } else {
        date(third, second, first)?
    };
    scan.rest = scan
        .rest
        .trim_start_matches([' ', 'T', ',', '.', '\t'])
        .trim_start_matches("- ");
    let time = scan.time()?;
    let at = DateTime::from_parts(date, time);
    let before = scan.rest;
    if let Some(offset) = scan.offset() {
        let ts = offset.to_timestamp(at).ok().and_then(nanoseconds)?;
        return Some((Moment::Exact(ts), scan.rest));
    }
    Some((Moment::Local(at), before))
}

/// `MM/dd HH:mm:ss[.ff]`: month and day without a year.
pub(crate) fn without_year(text: &str, year: i16) -> Option<(DateTime, &str)> {
    let mut scan = Scan { rest: text };
    let month = scan.number(2)?;
    scan.skip(&['/', '-'])?;
    let day = scan.number(2)?;
    scan.skip(&[' '])?;
    scan.rest = scan.rest.trim_start();
    let time = scan.time()?;
    let date = date(u32::try_from(year).ok()?, month, day)?;
    Some((DateTime::from_parts(date, time), scan.rest))
}

/// A time of day at the start of `text`, culture-formatted, and the text after it.
pub(crate) fn time_of_day(text: &str) -> Option<(Time, &str)> {
    let mut scan = Scan { rest: text };
    let time = scan.time()?;
    Some((time, scan.rest))
}

/// An HTTP date, `Mon, 02 Mar 2026 01:16:11 GMT`.
pub(crate) fn http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text.trim())
        .ok()
        .and_then(|zoned| nanoseconds(zoned.timestamp()))
}

/// A whole value that is a time: UTC where it says so or where `assume_utc`.
pub(crate) fn value(text: &str, assume_utc: bool) -> Option<i64> {
    match leading(text.trim())?.0 {
        Moment::Exact(ts) => Some(ts),
        Moment::Local(at) => utc(at).filter(|_| assume_utc),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casetrace_model::time::to_rfc3339;

    fn exact(text: &str) -> String {
        match leading(text) {
            Some((Moment::Exact(ts), _)) => to_rfc3339(ts),
            Some((Moment::Local(at), _)) => format!("local {at}"),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn every_spelling_is_read() {
        for (text, want) in [
            ("2022-11-07 15:51:42.000 UTC", "2022-11-07T15:51:42.000000000Z"),
            ("2024-04-01 06:40:39Z - x", "2024-04-01T06:40:39.000000000Z"),
            (
                "2026/03/02 10:15:04 UTC+09:00 (local)",
                "2026-03-02T01:15:04.000000000Z",
            ),
            ("2016-07-03T01:45:22.1Z: x", "2016-07-03T01:45:22.100000000Z"),
            ("08/20/2020 20:50:43:617 x", "local 2020-08-20T20:50:43.617"),
            ("20/08/2020 20:50", "local 2020-08-20T20:50:00"),
            ("3/2/2026, 10:15:04 PM", "local 2026-03-02T22:15:04"),
            ("2026/03/02 午後 1:15:04", "local 2026-03-02T13:15:04"),
            ("02.03.2026 10:15:04", "local 2026-03-02T10:15:04"),
            ("2024-04-03 17:28:00,123 | x", "local 2024-04-03T17:28:00.123"),
            ("99/99/2020 20:50:43", "none"),
            ("12345", "none"),
        ] {
            assert_eq!(exact(text), want, "{text}");
        }
    }

    #[test]
    fn times_of_day_follow_the_culture() {
        let read = |text| time_of_day(text).map(|(t, rest)| (t.to_string(), rest.to_owned()));
        assert_eq!(read("1:57:10 AM - x"), Some(("01:57:10".into(), "- x".into())));
        assert_eq!(
            read("午前 10:15:04 - x"),
            Some(("10:15:04".into(), " - x".into()))
        );
        assert_eq!(read("11:47:31 - x"), Some(("11:47:31".into(), " - x".into())));
    }

    #[test]
    fn zones_make_instants() {
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        let at = jiff::civil::date(2026, 3, 2).at(10, 15, 4, 0);
        let (ts, source) = resolve(Moment::Local(at), Some(&zone));
        assert_eq!(
            ts.map(to_rfc3339).as_deref(),
            Some("2026-03-02T01:15:04.000000000Z")
        );
        assert_eq!(source, TsSource::LocalAssumed);
        assert_eq!(resolve(Moment::Local(at), None), (None, TsSource::None));
        assert_eq!(
            http_date("Mon, 02 Mar 2026 01:16:11 GMT"),
            ts.map(|t| t + 67_000_000_000)
        );
    }
}
