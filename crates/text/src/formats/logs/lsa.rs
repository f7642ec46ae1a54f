//! lsp.log, lsass.log and CloudAP text traces: `[M/d HH:mm:ss] pid.tid> CATEGORY - text`, local time, no year.
//!
//! The layout of these files is undocumented and varies; a line without the bracket keeps its text and no time.

use crate::blocks::Machine;
use crate::clock::{self, Moment};
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    match head.count(|line| parse(line, 2000).is_some()) {
        2.. => score::LIKELY + 20,
        1 if head.named("ls") || head.named("cloudap") => score::LIKELY,
        _ => score::NO,
    }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Lsa)
}

struct Lsa;

struct Parsed<'a> {
    at: Option<jiff::civil::DateTime>,
    pid: u32,
    tid: u32,
    text: &'a str,
}

fn parse(text: &str, year: i16) -> Option<Parsed<'_>> {
    let (at, rest) = match text.trim_start().strip_prefix('[') {
        Some(inner) => {
            let (time, rest) = inner.split_once(']')?;
            let time = time.trim();
            let at = clock::without_year(time, year).map(|(at, _)| at);
            let full = || match clock::leading(time)?.0 {
                Moment::Local(at) => Some(at),
                Moment::Exact(_) => None,
            };
            (Some(at.or_else(full)?), rest.trim_start())
        }
        None => (None, text.trim_start()),
    };
    let (ids, text) = rest.split_once('>')?;
    let (pid, tid) = ids.trim().split_once('.')?;
    Some(Parsed {
        at,
        pid: pid.parse().ok()?,
        tid: tid.parse().ok()?,
        text: text.trim(),
    })
}

impl Machine for Lsa {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim_end();
        if text.is_empty() {
            return;
        }
        let hint = out.options.year_hint;
        out.hinted = true;
        let Some(parsed) = parse(text, hint.unwrap_or(2000)) else {
            return out.log_line(line.number, "lsa", text, None);
        };
        let moment = parsed
            .at
            .filter(|at| hint.is_some() || at.year() != 2000)
            .map(Moment::Local);
        let mut row = out.log_row(line.number, "lsa", parsed.text, moment);
        (row.pid, row.tid) = (Some(parsed.pid), Some(parsed.tid));
        out.row(row);
    }

    fn end(&mut self, _: &mut Output<'_>) {}
}
