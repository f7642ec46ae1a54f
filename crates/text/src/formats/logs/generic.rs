//! Any other log whose lines begin with a time: an entry is such a line with the lines up to the next.

use casetrace_model::{Diagnostic, Level};

use crate::blocks::Machine;
use crate::clock::Moment;
use crate::format::{Head, score};
use crate::formats::unknown::leading_time;
use crate::lines::Line;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    let lines = head.count(|line| !line.trim().is_empty());
    let timed = head.count(|line| leading_time(line).is_some());
    if timed >= 2 && timed * 3 >= lines {
        score::WEAK
    } else {
        score::NO
    }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Generic::default())
}

/// Entries that become rows whatever they say; beyond, only those that look like trouble.
const MAX_PLAIN_ROWS: u64 = 200_000;
const ENTRY_LIMIT: usize = 32 << 10;

#[derive(Default)]
struct Generic {
    entry: Option<(u64, Moment, String)>,
    rows: u64,
    skipped: u64,
}

impl Machine for Generic {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim_end();
        if let Some(moment) = leading_time(text) {
            self.close(out);
            self.entry = Some((line.number, moment, text.to_owned()));
        } else if let Some((_, _, held)) = &mut self.entry {
            if !text.is_empty() && held.len() < ENTRY_LIMIT {
                held.push('\n');
                held.push_str(text);
            }
        } else if !text.is_empty() {
            out.log_line(line.number, "log", text, None);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
        if self.skipped > 0 {
            let message = format!(
                "{} further entries without error words were counted only.",
                self.skipped
            );
            out.diagnostic(Diagnostic::warning("TextEntriesCounted", message));
        }
        *self = Self::default();
    }
}

impl Generic {
    fn close(&mut self, out: &mut Output<'_>) {
        let Some((line, moment, text)) = self.entry.take() else {
            return;
        };
        self.rows += 1;
        let level = level(&text);
        if self.rows > MAX_PLAIN_ROWS && level != Some(Level::Error) {
            self.skipped += 1;
            return;
        }
        let mut row = out.log_row(line, "log", &text, Some(moment));
        row.level = level;
        out.row(row);
    }
}

/// The level an entry names or its words suggest.
fn level(text: &str) -> Option<Level> {
    let start = text
        .get(..crate::lines::floor_boundary(text, 200))
        .unwrap_or_default();
    let has = |words: &[&str]| words.iter().any(|word| start.contains(word));
    if has(&["ERROR", "Error", "FAIL", "failed", "Exception", "エラー", "失敗"]) {
        Some(Level::Error)
    } else if has(&["WARN", "Warning", "警告"]) {
        Some(Level::Warning)
    } else {
        None
    }
}
