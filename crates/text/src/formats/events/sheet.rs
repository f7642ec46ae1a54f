//! Events as a table: what the Event Viewer saves as CSV or as text with tabs, and `Get-WinEvent | Export-Csv`.
//!
//! The Event Viewer names five columns and writes the message into a sixth; its headers are in the machine's language and
//! its times local. Day and month come in the order that a date near the start of the file shows, else in that of the language.

use std::sync::LazyLock;

use casetrace_model::Diagnostic;

use super::record::Event;
use crate::clock::{self, Order};
use crate::csv::{self, Parser, Step};
use crate::format::{Head, score};
use crate::lines::Utf8;
use crate::output::Output;
use crate::table::Labels;

static VIEWER: LazyLock<Labels> = LazyLock::new(|| Labels::of("event"));
static MEMBERS: LazyLock<Labels> = LazyLock::new(|| Labels::of("event_list"));

fn name(header: &str) -> Option<&'static str> {
    let header = header.trim().trim_start_matches('\u{feff}').trim_matches('"');
    VIEWER.name(header).or_else(|| MEMBERS.name(header))
}

pub(crate) fn detect(head: &Head) -> u8 {
    let Some(header) = head.first(2).find(|line| !line.starts_with("#TYPE")) else {
        return score::NO;
    };
    let names: Vec<_> = header.split([',', ';', '\t']).filter_map(name).collect();
    let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(name));
    if names.len() >= 3 && has(&["date", "day_first_date"]) && has(&["id", "instance"]) {
        score::CERTAIN
    } else {
        score::NO
    }
}

/// Records that wait for a date that is only a date in one order, and their bytes.
const WAITING: usize = 2_000;
const WAITING_BYTES: usize = 4 << 20;

pub(crate) fn read(text: &mut Utf8<'_>, out: &mut Output<'_>) {
    let mut sheet = Sheet::default();
    csv::read(text, |step, parser| match step {
        Step::Record(cells, _) if sheet.names.is_empty() => sheet.header(cells, parser),
        Step::Record(cells, line) => sheet.take(cells, line, out),
        Step::TooLong(line, bytes) => {
            let message = format!("The event from line {line} has no end within the limit; it was dropped.");
            out.diagnostic(Diagnostic::warning("EventRecordTooLong", message).lost(bytes));
        }
    });
    sheet.release(out);
}

#[derive(Default)]
struct Sheet {
    names: Vec<&'static str>,
    /// False while the order of day and month may still be shown.
    settled: bool,
    waiting: Vec<(Vec<String>, u64)>,
    bytes: usize,
}

impl Sheet {
    fn header(&mut self, cells: Vec<String>, parser: &mut Parser) {
        if cells.first().is_some_and(|cell| cell.starts_with("#TYPE")) {
            return;
        }
        let cells = parser.separate(cells);
        self.names = cells.iter().map(|cell| name(cell).unwrap_or("ignored")).collect();
        if !self.names.contains(&"description") {
            // The message's column has no header.
            self.names.push("description");
        }
    }

    fn take(&mut self, cells: Vec<String>, line: u64, out: &mut Output<'_>) {
        if self.settled {
            return self.event(&cells, line, out);
        }
        let shown = self
            .names
            .iter()
            .zip(&cells)
            .filter(|(name, _)| matches!(**name, "date" | "day_first_date"))
            .find_map(|(_, cell)| clock::order_of(cell.trim()));
        self.bytes += cells.iter().map(String::len).sum::<usize>();
        self.waiting.push((cells, line));
        if let Some(order) = shown {
            let date = match order {
                Order::DayFirst => "day_first_date",
                Order::MonthFirst => "date",
            };
            for name in &mut self.names {
                if matches!(*name, "date" | "day_first_date") {
                    *name = date;
                }
            }
        }
        if shown.is_some() || self.waiting.len() >= WAITING || self.bytes >= WAITING_BYTES {
            self.release(out);
        }
    }

    fn release(&mut self, out: &mut Output<'_>) {
        self.settled = true;
        for (cells, line) in std::mem::take(&mut self.waiting) {
            self.event(&cells, line, out);
        }
    }

    fn event(&self, cells: &[String], line: u64, out: &mut Output<'_>) {
        let mut event = Event::new(line);
        for (name, cell) in self.names.iter().zip(cells) {
            event.set(name, cell, out);
        }
        if event.is_event() {
            event.emit(out);
        }
    }
}
