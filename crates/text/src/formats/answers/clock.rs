//! `w32tm /query /status`, `/query /configuration` and `/stripchart`: where the clock is set from, and how far it is off.
//!
//! Labels: observed English and Japanese output.

use std::sync::LazyLock;

use casetrace_model::{Outcome, Source};
use regex::Regex;

use super::{Pairs, pair};
use crate::blocks::Machine;
use crate::codes::Codes;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::{self, Output};

/// Sources with which a clock runs by itself.
const ALONE: [&str; 4] = [
    "Local CMOS Clock",
    "Free-running System Clock",
    "ローカル CMOS クロック",
    "フリーランニング システム クロック",
];

/// Samples of a chart that are kept.
const MAX_SAMPLES: usize = 1000;

/// `10:15:04, -00.3142159s`, or with `d:+00.0123s o:-00.3142159s`.
static SAMPLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^\d{1,2}:\d\d:\d\d,? .*?(?:o:)?(?P<offset>[+-]\d{1,12}\.\d{1,9})s(?:\s|$)").ok()
});

pub(crate) fn detect(head: &Head) -> u8 {
    head.if_any(starts, score::CERTAIN)
}

pub(crate) fn starts(text: &str) -> bool {
    text.starts_with("Leap Indicator:")
        || text == "[TimeProviders]"
        || text.starts_with("閏インジケーター:")
        || text.starts_with("Tracking ") && text.contains(":123]")
        || text.ends_with('。') && text.contains(":123] を追跡")
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Clock::default())
}

#[derive(Default)]
struct Clock {
    status: Pairs,
    /// The server that is measured, and the line that names it.
    server: Option<(u64, String)>,
    /// Seconds by which the computer's clock is off.
    samples: Vec<f64>,
    error: Option<String>,
}

impl Machine for Clock {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if starts(text) {
            self.close(out);
        }
        if let Some(server) = text
            .strip_prefix("Tracking ")
            .or_else(|| text.split_once(" を追跡").map(|(server, _)| server))
        {
            let name = server.split(" [").next().unwrap_or(server);
            self.server = Some((line.number, name.trim().to_ascii_lowercase()));
        } else if self.server.is_some() {
            self.sample(text);
        } else if let Some((name, value)) = pair(text) {
            self.status.push(line.number, name, value);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl Clock {
    fn sample(&mut self, text: &str) {
        let found = SAMPLE.as_ref().and_then(|regex| regex.captures(text));
        let offset = found.and_then(|found| found.name("offset")?.as_str().parse().ok());
        match offset {
            Some(offset) if self.samples.len() < MAX_SAMPLES => self.samples.push(offset),
            Some(_) => {}
            None => {
                let code = Codes::of(text).best().map(ToString::to_string);
                self.error = self.error.take().or(code);
            }
        }
    }

    fn close(&mut self, out: &mut Output<'_>) {
        let Self {
            status,
            server,
            mut samples,
            error,
        } = std::mem::take(self);
        if let Some((line, server)) = server {
            samples.sort_by(f64::total_cmp);
            let (value, ms) = match samples.get(samples.len() / 2) {
                // A clock is never off by more than some years.
                Some(seconds) => (format!("{seconds:+.3} s"), format!("{:.0}", seconds * 1000.0)),
                None => ("unknown".to_owned(), String::new()),
            };
            let count = samples.len().to_string();
            let details = [
                ("server", server.as_str()),
                ("offset_ms", ms.as_str()),
                ("samples", count.as_str()),
            ];
            let known = if ms.is_empty() {
                &details[..1]
            } else {
                &details[..]
            };
            let mut row = output::config(Source::Text, line, "clock_offset", &value, known);
            row.outcome = Some(if ms.is_empty() {
                Outcome::Failure
            } else {
                Outcome::Success
            });
            row.error_code = error.map(Into::into);
            out.config_row(row, None);
        }
        if let Some(kind) = status.get(&["Type"]) {
            let details = [
                ("servers", status.get(&["NtpServer"]).unwrap_or_default()),
                ("enabled", status.get(&["Enabled"]).unwrap_or_default()),
            ];
            out.config(status.line, "time_client", kind, &details);
        }
        if let Some(source) = status.get(&["Source", "ソース"]) {
            let leap = status
                .get(&["Leap Indicator", "閏インジケーター"])
                .unwrap_or_default();
            let alone = leap.starts_with('3') || ALONE.iter().any(|name| source.starts_with(name));
            let details = [
                ("leap", leap),
                ("stratum", status.get(&["Stratum", "階層"]).unwrap_or_default()),
                (
                    "last_sync",
                    status
                        .get(&["Last Successful Sync Time", "最終正常同期時刻"])
                        .unwrap_or_default(),
                ),
            ];
            let mut row = output::config(Source::Text, status.line, "time_source", source, &details);
            row.outcome = Some(if alone { Outcome::Failure } else { Outcome::Success });
            out.config_row(row, None);
        }
    }
}
