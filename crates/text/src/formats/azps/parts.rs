//! Parts of PowerShell debug output: the culture's clock, the console's wrapping, MSAL's times, HTTP blocks.

use std::sync::LazyLock;

use crate::clock::{self, Moment};
use crate::formats::cli::Http;
use crate::table::rows;

static STATUS: LazyLock<Vec<[&str; 2]>> = LazyLock::new(|| {
    rows::<2>(include_str!(
        "../../../../../pipelines/text/http_status_names.tsv"
    ))
    .collect()
});

/// `11:47:31 - `, `1:57:10 AM - `, `午前 10:15:04 - ` before the text of an entry.
pub(super) fn strip_time(text: &str) -> (&str, Option<String>) {
    if let Some((time, rest)) = clock::time_of_day(text)
        && let Some(rest) = rest.trim_start().strip_prefix("- ")
    {
        return (rest, Some(time.to_string()));
    }
    (text, None)
}

/// Undoes the console's wrapping: a full line goes on without a blank, others with one.
pub(super) fn unwrap(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    for (i, line) in text.lines().enumerate() {
        let full = last >= 79 && (last % 40 == 0 || last % 40 == 39);
        if i > 0 && !out.ends_with(' ') && !full {
            out.push(if last >= 60 { ' ' } else { '\n' });
        }
        out.push_str(line);
        last = line.chars().count();
    }
    out
}

/// MSAL prints `MM/dd HH:mm:ss.ff`, `MM/dd/yyyy …` or `yyyy-MM-dd …Z`, always UTC.
pub(super) fn msal_time(time: &str, text: &str, last: Option<i64>, hint: Option<i16>) -> Option<i64> {
    match clock::leading(time.trim()) {
        Some((Moment::Exact(ts_ns), _)) => Some(ts_ns),
        Some((Moment::Local(at), _)) => clock::utc(at),
        None => {
            let year = year_in(text).or_else(|| last.and_then(year_of)).or(hint)?;
            clock::utc(clock::without_year(time.trim(), year)?.0)
        }
    }
}

/// The year of a `Current time (09/13/2022 …` in the same line.
fn year_in(text: &str) -> Option<i16> {
    let (_, rest) = text.split_once("Current time (")?;
    match clock::leading(rest)?.0 {
        Moment::Local(at) => Some(at.year()),
        Moment::Exact(ts_ns) => year_of(ts_ns),
    }
}

fn year_of(ts_ns: i64) -> Option<i16> {
    let ts = jiff::Timestamp::from_nanosecond(i128::from(ts_ns)).ok()?;
    Some(ts.to_zoned(jiff::tz::TimeZone::UTC).year())
}

/// Reads one `HTTP REQUEST` / `HTTP RESPONSE` block.
pub(super) fn parse_block(text: &str) -> Http {
    let mut http = Http {
        is_response: text.contains("= HTTP RESPONSE ="),
        ..Http::default()
    };
    let mut part = "";
    for line in text.lines().skip(1) {
        let bare = line.trim();
        match bare {
            "HTTP Method:" | "Absolute Uri:" | "Status Code:" | "Headers:" | "Body:" if part != "Body:" => {
                part = match bare {
                    "HTTP Method:" => "method",
                    "Absolute Uri:" => "url",
                    "Status Code:" => "status",
                    "Headers:" => "headers",
                    _ => "Body:",
                };
                continue;
            }
            "" if part != "Body:" => continue,
            _ => {}
        }
        match part {
            "method" => http.method = Some(bare.to_owned()),
            // A wrapped URL goes on in the next line.
            "url" => http.url.get_or_insert_default().push_str(bare),
            "status" => http.status = status_number(bare),
            "headers" => push_header(&mut http, line),
            "Body:" if http.body.len() < 16 << 10 => {
                http.body.push_str(line);
                http.body.push('\n');
            }
            _ => {}
        }
    }
    http
}

/// `Name                          : value`; a line without a colon continues the value before.
fn push_header(http: &mut Http, line: &str) {
    match line
        .split_once(':')
        .filter(|(name, _)| !name.trim().contains(' ') && !line.starts_with(' '))
    {
        Some((name, value)) if http.headers.len() < 100 => {
            http.headers
                .push((name.trim().to_owned(), value.trim().to_owned()));
        }
        _ => {
            if let Some((_, value)) = http.headers.last_mut() {
                value.push_str(line.trim());
            }
        }
    }
}

/// The number of an `HttpStatusCode` member, or of a plain number.
fn status_number(name: &str) -> Option<u16> {
    name.parse().ok().or_else(|| {
        STATUS
            .iter()
            .find(|[known, _]| known.eq_ignore_ascii_case(name))
            .and_then(|[_, number]| number.parse().ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_are_joined() {
        let wrapped = format!("{}=\n==", "a".repeat(79));
        assert!(unwrap(&wrapped).ends_with("a==="));
        assert_eq!(unwrap("x with\nTenantId"), "x with\nTenantId");
        assert_eq!(status_number("ProxyAuthenticationRequired"), Some(407));
        assert_eq!(status_number("429"), Some(429));
    }
}
