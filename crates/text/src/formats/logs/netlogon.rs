//! netlogon.log: `MM/dd HH:mm:ss [CATEGORY] [thread] text`, local time without a year.

use casetrace_model::Diagnostic;

use crate::blocks::Machine;
use crate::clock::{self, Moment};
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    match head.count(|line| parse(line, 2000).is_some()) {
        2.. => score::LIKELY + 20,
        1 if head.named("netlogon") => score::LIKELY,
        _ => score::NO,
    }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Netlogon { last_month: 0 })
}

struct Parsed<'a> {
    at: jiff::civil::DateTime,
    category: &'a str,
    thread: Option<u32>,
    text: &'a str,
}

fn parse(text: &str, year: i16) -> Option<Parsed<'_>> {
    let (at, rest) = clock::without_year(text, year)?;
    let (category, rest) = rest.trim_start().strip_prefix('[')?.split_once(']')?;
    let plain = !category.is_empty()
        && category.len() <= 20
        && category
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let rest = rest.trim_start();
    let (thread, text) = match rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((thread, text)) => (thread.parse().ok(), text.trim_start()),
        None => (None, rest),
    };
    plain.then_some(Parsed {
        at,
        category,
        thread,
        text,
    })
}

struct Netlogon {
    last_month: i8,
}

impl Machine for Netlogon {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim_end();
        if text.is_empty() {
            return;
        }
        let hint = out.options.year_hint;
        out.hinted = true;
        let year = hint.unwrap_or(2000);
        let Some(parsed) = parse(text, year) else {
            return out.log_line(line.number, "netlogon", text, None);
        };
        if self.last_month == 12 && parsed.at.month() == 1 {
            // The hint is the year of the collection, so it holds for the lines from here on.
            let message = format!(
                "The year changes at line {}; times before it are one year too late.",
                line.number
            );
            out.diagnostic(Diagnostic::warning("TextYearRolled", message).at(line.offset));
        }
        self.last_month = parsed.at.month();
        let moment = hint.map(|_| Moment::Local(parsed.at));
        let mut row = out.log_row(line.number, "netlogon", parsed.text, moment);
        row.tid = parsed.thread;
        if parsed.category == "CRITICAL" {
            row.level = Some(casetrace_model::Level::Error);
        }
        row.fields.truncate(row.fields.len().saturating_sub(1));
        row.fields.push_str(",\"category\":\"");
        row.fields.push_str(parsed.category);
        if moment.is_none() {
            row.fields.push_str("\",\"local_time\":\"");
            row.fields.push_str(text.get(..14).unwrap_or_default());
        }
        row.fields.push_str("\"}");
        out.row(row);
    }

    fn end(&mut self, _: &mut Output<'_>) {}
}
