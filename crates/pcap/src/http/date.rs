//! The time in a `Date` field.
//!
//! Source: RFC 9110 section 5.6.7. The form that is to be sent is read here, in a few dozen steps where a parser of all
//! forms takes hundreds; anything else is left to `jiff`, which reads the mail form that it is a case of.

/// Seconds since 1970, leap seconds left out; `None` if it is no date.
pub(super) fn seconds(text: &str) -> Option<i64> {
    fixed(text.as_bytes()).or_else(|| {
        let parser = jiff::fmt::rfc2822::DateTimeParser::new();
        Some(parser.parse_timestamp(text).ok()?.as_second())
    })
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, all of it as it should be.
fn fixed(text: &[u8]) -> Option<i64> {
    let text: &[u8; 29] = text.try_into().ok()?;
    let [
        w0,
        w1,
        w2,
        b',',
        b' ',
        d0,
        d1,
        b' ',
        m0,
        m1,
        m2,
        b' ',
        y0,
        y1,
        y2,
        y3,
        b' ',
        time @ ..,
    ] = text
    else {
        return None;
    };
    let [h0, h1, b':', n0, n1, b':', s0, s1, b' ', b'G', b'M', b'T'] = time else {
        return None;
    };
    let two = |a: &u8, b: &u8| Some(digit(*a)? * 10 + digit(*b)?);
    let month = MONTHS.iter().position(|name| *name == [*m0, *m1, *m2])?;
    let weekday = WEEKDAYS.iter().position(|name| *name == [*w0, *w1, *w2])?;
    let (year, day) = (two(y0, y1)? * 100 + two(y2, y3)?, two(d0, d1)?);
    let (hour, minute, second) = (two(h0, h1)?, two(n0, n1)?, two(s0, s1)?);
    // Days that not every month has are rare enough to be looked at by others.
    if year < 1900
        || !(1..=28).contains(&day) && !is_long(month, day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let days = days_since_1970(year, month as i64 + 1, day);
    // 1 January 1970 was a Thursday.
    let right = (days + 4).rem_euclid(7) == weekday as i64;
    right.then_some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// True if the month (from 0) has that many days in every year.
fn is_long(month: usize, day: i64) -> bool {
    let days = match month {
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    };
    (1..=days).contains(&day)
}

const MONTHS: [[u8; 3]; 12] = [
    *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct", *b"Nov",
    *b"Dec",
];

const WEEKDAYS: [[u8; 3]; 7] = [*b"Sun", *b"Mon", *b"Tue", *b"Wed", *b"Thu", *b"Fri", *b"Sat"];

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

/// Days of the Gregorian calendar, counted in years that begin in March, so that a leap day ends one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (century, of_century) = (year / 100, year % 100);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    146_097 * century / 4 + 1_461 * of_century / 4 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn reference(text: &str) -> Option<i64> {
        let parser = jiff::fmt::rfc2822::DateTimeParser::new();
        parser.parse_timestamp(text).ok().map(jiff::Timestamp::as_second)
    }

    #[test]
    fn every_day_is_read_as_the_mail_parser_reads_it() {
        let first = jiff::civil::date(1900, 1, 1);
        for days in (0..=73_413).chain((73_414..2_900_000).step_by(997)) {
            let date = first.checked_add(jiff::Span::new().days(days)).unwrap();
            let text = date
                .at(23, 9, 58, 0)
                .strftime("%a, %d %b %Y %H:%M:%S GMT")
                .to_string();
            let expected = reference(&text);
            assert!(expected.is_some(), "{text}");
            assert_eq!(seconds(&text), expected, "{text}");
            if date.day() <= 28 {
                assert_eq!(fixed(text.as_bytes()), expected, "{text}");
            }
        }
    }

    #[test]
    fn other_and_wrong_forms_are_left_to_the_mail_parser() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 +0100",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Wed, 30 Feb 1994 08:49:37 GMT",
            "Thu, 29 Feb 1996 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:60 GMT",
            "Sun, 06 Nov 0094 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GM",
            "",
        ] {
            assert_eq!(seconds(text), reference(text), "{text}");
        }
    }
}
