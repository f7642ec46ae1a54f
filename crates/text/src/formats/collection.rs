//! What the collectors say about themselves: `script-info.txt`, `started.txt`, `Build.txt`.
//!
//! The layout is that of the authentication scripts 4.6 and 6.3: version 4.6 prints local times only, version 6
//! prints each instant twice, in local time with the zone and in UTC.

use casetrace_model::Row;
use jiff::civil::DateTime;

use crate::blocks::Machine;
use crate::clock::{self, Moment};
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::{Output, config};

pub(crate) fn detect_info(head: &Head) -> u8 {
    if head.any(is_info) {
        score::CERTAIN
    } else if head.name.ends_with("script-info.txt") {
        score::NAME
    } else {
        score::NO
    }
}

fn is_info(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("Data collection started on")
        || (line.contains("Authentication Script") && line.contains("version"))
}

pub(crate) fn make_info() -> Box<dyn Machine> {
    Box::new(Info::default())
}

#[derive(Default)]
struct Info {
    /// Which time the coming lines tell: its setting, its line, the local reading.
    time: Option<(&'static str, u64)>,
    local: Option<DateTime>,
    zone: Option<String>,
    exact: Option<i64>,
}

impl Machine for Info {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if text.contains("Script") && text.contains("version") {
            let (name, version) = text.rsplit_once("version").unwrap_or((text, ""));
            out.config(
                line.number,
                "collector",
                name.trim(),
                &[("version", version.trim())],
            );
        } else if let Some(arguments) = text.strip_prefix("Arguments passed:") {
            out.config(line.number, "collector_arguments", arguments.trim(), &[]);
        } else if let Some(rest) = text.strip_prefix("Data collection started on") {
            self.begin("collection_start", rest, line.number, out);
        } else if let Some(rest) = text.strip_prefix("Data collection stopped on") {
            self.begin("collection_stop", rest, line.number, out);
        } else if self.time.is_some() {
            self.instant(text);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl Info {
    fn begin(&mut self, name: &'static str, rest: &str, line: u64, out: &mut Output<'_>) {
        self.close(out);
        self.time = Some((name, line));
        self.instant(rest.trim_start_matches(':').trim());
    }

    /// `2026/03/02 10:15:04 UTC+09:00 (local …)` or the same in UTC.
    fn instant(&mut self, text: &str) {
        match clock::leading(text) {
            Some((Moment::Exact(ts_ns), _)) => {
                self.exact.get_or_insert(ts_ns);
                let zone = text
                    .split_whitespace()
                    .find(|word| word.starts_with("UTC") && word.len() > 3);
                self.zone = self.zone.take().or_else(|| zone.map(str::to_owned));
            }
            Some((Moment::Local(at), _)) => self.local = self.local.or(Some(at)),
            None => {}
        }
    }

    fn close(&mut self, out: &mut Output<'_>) {
        let Some((name, line)) = self.time.take() else {
            return;
        };
        let moment = self
            .exact
            .take()
            .map(Moment::Exact)
            .or(self.local.map(Moment::Local));
        self.local = None;
        let zone = self.zone.take();
        let Some(moment) = moment else { return };
        let (ts_ns, source) = out.time(moment);
        let value = match (ts_ns, moment) {
            (Some(ts_ns), _) => casetrace_model::time::to_rfc3339(ts_ns),
            (None, Moment::Local(at)) => at.to_string(),
            (None, Moment::Exact(_)) => String::new(),
        };
        let mut row: Row = config(casetrace_model::Source::Text, line, name, &value, &[]);
        (row.ts_ns, row.ts_source) = (ts_ns, source);
        out.config_row(row, None);
        if let Some(zone) = zone
            && name == "collection_start"
        {
            out.config(line, "timezone", &zone, &[("from", "script-info")]);
        }
    }
}

/// `started.txt` exists only until the collector has finished.
pub(crate) fn detect_started(head: &Head) -> u8 {
    if head.name == "started.txt" || head.name.ends_with("_started.txt") {
        score::NAME
    } else {
        score::NO
    }
}

pub(crate) fn make_started() -> Box<dyn Machine> {
    Box::new(Started { said: false })
}

struct Started {
    said: bool,
}

impl Machine for Started {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        if !self.said {
            self.said = true;
            out.config(
                line.number,
                "collection_unfinished",
                "true",
                &[("text", line.text.trim())],
            );
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        if !self.said {
            self.said = true;
            out.config(1, "collection_unfinished", "true", &[]);
        }
    }
}

pub(crate) fn detect_build(head: &Head) -> u8 {
    if head.any(|line| build_line(line).is_some()) || head.any(|line| line.starts_with("BuildLabEx:")) {
        score::CERTAIN
    } else {
        score::NO
    }
}

pub(crate) fn make_build() -> Box<dyn Machine> {
    Box::new(Build)
}

struct Build;

impl Machine for Build {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if let Some((computer, name, version, build)) = build_line(text) {
            out.inspection.host = Some(computer.into());
            out.config(line.number, "computer_name", computer, &[("from", "Build.txt")]);
            out.config(line.number, "os_name", name, &[]);
            out.config(line.number, "os_version", version, &[]);
            out.config(line.number, "os_build", build, &[]);
        } else if let Some(lab) = text.strip_prefix("BuildLabEx:") {
            out.config(line.number, "os_build_lab", lab.trim(), &[]);
        } else if text.contains('.') && !text.starts_with('-') {
            out.log_line(line.number, "file_version", text, None);
        }
    }

    fn end(&mut self, _: &mut Output<'_>) {}
}

/// `PC01 Windows 11 Enterprise Client Version:6.3 23H2 Build:22631.3007`
fn build_line(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (before, build) = text.trim().split_once(" Build:")?;
    let (names, version) = before.split_once(" Version:")?;
    let (computer, name) = names.trim().split_once(' ')?;
    Some((computer, name.trim(), version.trim(), build.trim()))
}
