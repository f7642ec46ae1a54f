//! `dsregcmd /status`, `/debug` and `/join` output: sections of `label : value` lines, and trace lines between.
//!
//! Facts about the layout come from public outputs of Windows 10 1607 to Windows 11 24H2: a title stands between
//! two rules of dashes, any of the three lines may be missing, values may be padded or wrapped by the console,
//! and one file may hold several runs (each starts with "Device State"). The tool prints English everywhere.

mod labels;
mod run;
mod sections;
mod trace;

use crate::blocks::{Machine, prompt_command};
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;
use labels::Label;
use run::Run;

pub(crate) fn detect(head: &Head) -> u8 {
    let fields = head.count(|line| labels::field(line).is_some());
    let titles = head.count(|line| title(line).is_some_and(labels::is_title));
    let hint = if head.named("dsreg") { score::NAME } else { 0 };
    match (titles, fields) {
        (1.., 2..) => score::CERTAIN - 10 + hint,
        (_, 5..) | (1.., _) => score::LIKELY + hint,
        _ if head.any(is_trace_start) => score::LIKELY + hint,
        (_, 2..) if hint > 0 => score::WEAK + hint,
        _ => score::NO,
    }
}

fn is_trace_start(text: &str) -> bool {
    text.trim_start().starts_with("dsregcmd::wmain") || text.trim_end().ends_with("DSREGCMD_END_STATUS")
}

pub(crate) fn starts(text: &str) -> bool {
    title(text).is_some_and(labels::is_title)
        || text.trim_start().starts_with("dsregcmd::wmain")
        || prompt_command(text).is_some_and(is_command)
}

fn is_command(command: &str) -> bool {
    let tool = command
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    tool == "dsregcmd" || tool.ends_with("dsregcmd.exe")
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Dsregcmd::default())
}

/// `+-----+`
fn is_rule(text: &str) -> bool {
    let text = text.trim();
    text.len() > 10 && text.starts_with('+') && text.bytes().all(|b| matches!(b, b'+' | b'-'))
}

/// The words of `| Title      |`.
fn title(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix('|')?;
    let inner = inner.strip_suffix('|').unwrap_or(inner).trim();
    (!inner.is_empty() && inner.len() < 70 && !inner.contains('|')).then_some(inner)
}

/// Shortest line a console could have wrapped.
const WRAP_COLUMN: usize = 79;

#[derive(Default)]
struct Dsregcmd {
    run: Run,
    runs: u32,
    /// Characters of the physical line before, to tell wrapped values.
    last_width: usize,
    /// True while a wrapped value may go on.
    open_value: bool,
    after_end_status: bool,
}

impl Dsregcmd {
    fn next_run(&mut self, out: &mut Output<'_>) {
        if self.run.is_empty() {
            return;
        }
        std::mem::take(&mut self.run).emit(self.runs, out);
        self.runs += 1;
    }

    fn titled(&mut self, title: &str, line: &Line<'_>, out: &mut Output<'_>) {
        let name = labels::section_name(title);
        if name == "Device State" && !self.after_end_status {
            self.next_run(out);
        }
        self.after_end_status = false;
        self.run.begin(title.to_owned(), name, line.number);
    }

    fn field(&mut self, label: Label<'_>, line: &Line<'_>) {
        self.run.field(label, line.number);
        self.open_value = true;
    }

    fn other(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if let Some(command) = prompt_command(text) {
            if is_command(command) {
                self.next_run(out);
                self.run.command = Some(command.to_owned());
            }
            return;
        }
        if text == "DSREGCMD_END_STATUS" {
            self.after_end_status = true;
        }
        if trace::is_trace(text) {
            trace::emit(line.number, text, &mut self.run, out);
        }
    }
}

impl Machine for Dsregcmd {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text;
        let wrapped = self.open_value && self.last_width >= WRAP_COLUMN;
        self.last_width = text.chars().count();
        let was_open = std::mem::replace(&mut self.open_value, false);
        if text.trim().is_empty() {
            return;
        }
        if is_rule(text) {
            self.run.rule();
        } else if let Some(title) = title(text) {
            self.titled(title, line, out);
        } else if let Some(label) = labels::field(text) {
            self.field(label, line);
        } else if trace::is_trace(text.trim()) {
            self.other(line, out);
        } else if was_open && wrapped && !text.starts_with("   ") {
            self.run.continue_value(text.trim_end());
            self.open_value = true;
        } else if self.run.in_section()
            && let Some(label) = labels::unknown_field(text)
        {
            self.field(label, line);
        } else {
            self.other(line, out);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.next_run(out);
        *self = Self::default();
    }
}
