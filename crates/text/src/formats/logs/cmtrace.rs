//! Configuration Manager logs: `<![LOG[text]LOG]!><time="…" date="…" component="…" type="…" thread="…">`.
//!
//! The time carries the zone's bias in minutes (what is added to local time to get UTC), so it is exact.

use casetrace_model::Level;

use crate::blocks::Machine;
use crate::clock::{self, Moment};
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    if head.any(|line| line.starts_with("<![LOG[")) {
        score::CERTAIN
    } else {
        score::NO
    }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(CmTrace::default())
}

#[derive(Default)]
struct CmTrace {
    open: Option<(u64, String)>,
}

/// Bytes of one entry over several lines.
const ENTRY_LIMIT: usize = 256 << 10;

impl Machine for CmTrace {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text;
        let (number, mut held) = match text.strip_prefix("<![LOG[") {
            Some(rest) => {
                self.close(out);
                (line.number, rest.to_owned())
            }
            None => match self.open.take() {
                Some((number, mut held)) => {
                    if held.len() < ENTRY_LIMIT {
                        held.push('\n');
                        held.push_str(text);
                    }
                    (number, held)
                }
                None if text.trim().is_empty() => return,
                None => return out.log_line(line.number, "cmtrace", text, None),
            },
        };
        match text.contains("]LOG]!>").then(|| held.rfind("]LOG]!>")).flatten() {
            Some(end) => {
                let tail = held.split_off(end);
                entry(number, &held, &tail, out);
            }
            None => self.open = Some((number, held)),
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl CmTrace {
    /// An entry without its end is kept as text.
    fn close(&mut self, out: &mut Output<'_>) {
        if let Some((number, held)) = self.open.take() {
            out.log_line(number, "cmtrace", &held, None);
        }
    }
}

fn entry(line: u64, text: &str, tail: &str, out: &mut Output<'_>) {
    let component = attribute(tail, "component").unwrap_or("cmtrace");
    let moment = attribute(tail, "time")
        .zip(attribute(tail, "date"))
        .and_then(|(time, date)| instant(date, time));
    let mut row = out.log_row(line, component, text, moment);
    row.tid = attribute(tail, "thread").and_then(|thread| thread.parse().ok());
    row.level = match attribute(tail, "type") {
        Some("3") => Some(Level::Error),
        Some("2") => Some(Level::Warning),
        Some("1") => Some(Level::Info),
        _ => None,
    };
    out.row(row);
}

fn attribute<'a>(tail: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tail.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

/// `03-02-2026` and `10:15:04.123-540`.
fn instant(date: &str, time: &str) -> Option<Moment> {
    let (clock_text, bias) = match time.rfind(['+', '-']) {
        Some(at) => (
            time.get(..at)?,
            time.get(at..).and_then(|bias| bias.parse::<i64>().ok()),
        ),
        None => (time, None),
    };
    let (moment, _) = clock::leading(&format!("{date} {clock_text}"))?;
    match (moment, bias) {
        (Moment::Local(at), Some(minutes)) => Some(Moment::Exact(
            clock::utc(at)?.checked_add(minutes.checked_mul(60_000_000_000)?)?,
        )),
        (moment, _) => Some(moment),
    }
}
