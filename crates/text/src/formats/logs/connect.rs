//! The trace of the Entra Connect wizard (`trace-*.log` in `C:\ProgramData\AADConnect`): `[HH:mm:ss.fff] [thread] [LEVEL] text`.
//!
//! Lines carry no date. The start of the run is told in local time and in UTC, so all later times are exact; midnight is
//! where the clock goes back. Sources: traces quoted in public posts, versions 1.1 to 2.2.

use casetrace_model::{Level, Outcome};
use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, ToSpan};

use crate::blocks::Machine;
use crate::clock::{self, Moment};
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::{Output, config};

pub(crate) fn detect(head: &Head) -> u8 {
    match head.count(|line| parse(line).is_some()) {
        3.. => score::LIKELY + 20,
        1.. if head.named("trace-") => score::LIKELY,
        _ => score::NO,
    }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Trace::default())
}

struct Parsed<'a> {
    at: Time,
    thread: Option<u32>,
    level: Level,
    text: &'a str,
}

fn parse(line: &str) -> Option<Parsed<'_>> {
    let (at, rest) = clock::time_of_day(line.trim_start().strip_prefix('[')?)?;
    let (thread, rest) = rest.strip_prefix("] [")?.split_once("] [")?;
    let (level, text) = rest.split_once(']')?;
    let level = match level.trim() {
        "VERB" => Level::Verbose,
        "INFO" => Level::Info,
        "WARN" => Level::Warning,
        "ERROR" => Level::Error,
        _ => return None,
    };
    Some(Parsed {
        at,
        thread: thread.trim().parse().ok(),
        level,
        text: text.trim(),
    })
}

struct Entry {
    line: u64,
    at: Time,
    thread: Option<u32>,
    level: Level,
    text: String,
}

/// Bytes of one entry, and entries that wait for the start of their run to be told.
const ENTRY_LIMIT: usize = 32 << 10;
const WAITING: usize = 64;
/// How much earlier an entry may be than the one above it.
const OUT_OF_ORDER: SignedDuration = SignedDuration::from_mins(1);

#[derive(Default)]
struct Trace {
    entry: Option<Entry>,
    waiting: Vec<Entry>,
    /// What the machine's clock showed at the last entry, once a start was told.
    clock: Option<DateTime>,
    /// How far that clock is ahead of UTC.
    ahead: Option<SignedDuration>,
}

impl Machine for Trace {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        if let Some(parsed) = parse(line.text) {
            self.close(out);
            self.entry = Some(Entry {
                line: line.number,
                at: parsed.at,
                thread: parsed.thread,
                level: parsed.level,
                text: parsed.text.to_owned(),
            });
        } else if let Some(entry) = &mut self.entry
            && !line.text.trim().is_empty()
            && entry.text.len() + line.text.len() < ENTRY_LIMIT
        {
            entry.text.push('\n');
            entry.text.push_str(line.text.trim());
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
        self.release(out);
    }
}

impl Trace {
    fn close(&mut self, out: &mut Output<'_>) {
        let Some(entry) = self.entry.take() else { return };
        if let Some(start) = told(&entry.text, "Start Time (Local): ") {
            (self.clock, self.ahead) = (Some(start), None);
        } else if let Some(start) = told(&entry.text, "Start Time (UTC): ")
            && let Some(local) = self.clock
        {
            self.ahead = Some(local.duration_since(start));
        }
        if entry.text.is_empty() || entry.text.bytes().all(|byte| byte == b'=') {
            return;
        }
        self.waiting.push(entry);
        if self.ahead.is_some() || self.waiting.len() >= WAITING {
            self.release(out);
        }
    }

    fn release(&mut self, out: &mut Output<'_>) {
        for entry in std::mem::take(&mut self.waiting) {
            let moment = self.moment(entry.at);
            setting(&entry, out);
            let mut row = out.log_row(entry.line, "entra_connect", &entry.text, moment);
            row.tid = entry.thread;
            row.level = Some(entry.level);
            row.outcome = (entry.level == Level::Error).then_some(Outcome::Failure);
            row.http_status = http_status(&entry.text);
            out.row(row);
        }
    }

    /// The instant of a time of day, which is at or after the last one.
    fn moment(&mut self, at: Time) -> Option<Moment> {
        let last = self.clock?;
        let mut now = last.with().time(at).build().ok()?;
        // Entries of several threads may be out of order by a little, at midnight too.
        let back = last.duration_since(now);
        if back > OUT_OF_ORDER {
            now = now.checked_add(1.day()).ok()?;
        } else if back < OUT_OF_ORDER - SignedDuration::from_hours(24) {
            now = now.checked_sub(1.day()).ok()?;
        }
        if now > last {
            self.clock = Some(now);
        }
        match self.ahead {
            Some(ahead) => clock::utc(now.checked_sub(ahead).ok()?).map(Moment::Exact),
            None => Some(Moment::Local(now)),
        }
    }
}

/// The time behind `label`; both are written with `GMT`, whatever the zone is.
fn told(text: &str, label: &str) -> Option<DateTime> {
    let ts_ns = clock::http_date(text.strip_prefix(label)?)?;
    jiff::Timestamp::from_nanosecond(ts_ns.into())
        .ok()
        .map(|at| jiff::tz::TimeZone::UTC.to_datetime(at))
}

fn setting(entry: &Entry, out: &mut Output<'_>) {
    let text = entry.text.as_str();
    let row = if let Some(version) = text.strip_prefix("Application Version: ") {
        config(
            casetrace_model::Source::Text,
            entry.line,
            "entra_connect_version",
            version,
            &[],
        )
    } else if let Some((name, value)) = text
        .strip_prefix("Default Proxy [")
        .and_then(|rest| rest.split_once("]: "))
        .filter(|(_, value)| !value.contains("nspecified"))
    {
        let details = [("setting", name), ("from", "machine.config")];
        config(
            casetrace_model::Source::Text,
            entry.line,
            "dotnet_proxy",
            value,
            &details,
        )
    } else {
        return;
    };
    out.config_row(row, None);
}

/// `The remote server returned an error: (407) …`
fn http_status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("returned an error: (")?;
    let (number, _) = rest.split_once(')')?;
    number.parse().ok().filter(|status| (100..600).contains(status))
}
