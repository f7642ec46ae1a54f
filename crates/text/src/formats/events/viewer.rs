//! Events as the Event Viewer copies them ("Copy Details as Text") and as `wevtutil qe /f:text` lists them: labelled lines,
//! the message under "Description:", and sometimes the event as XML behind it.
//!
//! Labels are those of the machine's language. Times are the machine's, in its culture's order of day and month, except
//! where wevtutil marks them with `Z`.

use std::sync::LazyLock;

use super::record::{Event, MESSAGE_LIMIT};
use super::xml;
use crate::blocks::{Machine, prompt_command};
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;
use crate::table::Labels;

static LABELS: LazyLock<Labels> = LazyLock::new(|| Labels::of("event"));

/// Lines behind the log's name within which the event's id must come.
const HEADER_LINES: usize = 10;

pub(crate) fn detect(head: &Head) -> u8 {
    let names: Vec<_> = head
        .lines
        .iter()
        .map(|line| LABELS.field(line).map(|(name, _)| name))
        .collect();
    let is_header = |lines: &[Option<&str>]| {
        lines.first() == Some(&Some("log")) && lines.iter().take(HEADER_LINES).any(|name| *name == Some("id"))
    };
    if (0..names.len()).any(|at| names.get(at..).is_some_and(is_header)) {
        score::LIKELY + 20
    } else {
        score::NO
    }
}

/// What the labels of a log's name begin with, in all languages: every line of a file is asked.
const FIRST: [char; 4] = ['L', 'ロ', 'P', 'N'];

/// The line that names the log opens an event. PowerShell's lists spell the label without a blank and have their own reader.
pub(crate) fn starts(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with(FIRST)
        && text.len() < 300
        && !text.starts_with("LogName")
        && LABELS
            .field(text)
            .is_some_and(|(name, value)| name == "log" && !value.is_empty())
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Viewer::default())
}

/// Where in an event the next line belongs.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    #[default]
    Header,
    Description,
    Xml,
}

#[derive(Default)]
struct Viewer {
    event: Option<Event>,
    line: u64,
    part: Part,
    xml: String,
}

impl Machine for Viewer {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        if starts(line.text) || is_number(line.text) {
            self.close(out);
            self.line = line.number;
            if is_number(line.text) {
                return;
            }
        } else if self.part == Part::Description && prompt_command(line.text).is_some() {
            return self.close(out);
        }
        match self.part {
            Part::Header => self.header(line, out),
            Part::Description => self.description(line.text),
            Part::Xml => self.mark_up(line.text),
        }
    }

    /// A message may hold anything; only a command prompt or another event ends it.
    fn holds(&self, text: &str) -> bool {
        self.part != Part::Header && prompt_command(text).is_none() && !text.starts_with("+---")
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

/// `Event[12]:`, the line above an event that wevtutil lists.
fn is_number(text: &str) -> bool {
    text.trim()
        .strip_prefix("Event[")
        .and_then(|rest| rest.split_once(']'))
        .is_some_and(|(number, rest)| {
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && matches!(rest, "" | ":")
        })
}

impl Viewer {
    fn header(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let Some((name, value)) = LABELS.field(line.text) else {
            return;
        };
        // Other outputs have labels like these; an event begins with its log's name or its number.
        if self.event.is_none() && self.line == 0 {
            return;
        }
        let number = self.line;
        let event = self.event.get_or_insert_with(|| Event::new(number));
        match name {
            "description" => {
                self.part = Part::Description;
                self.description(value);
            }
            "xml" => self.part = Part::Xml,
            _ => {
                event.set(name, value, out);
            }
        }
    }

    fn description(&mut self, text: &str) {
        let text = text.trim();
        if matches!(LABELS.field(text), Some(("xml", ""))) {
            self.part = Part::Xml;
            return;
        }
        let Some(event) = &mut self.event else { return };
        if event.rendered.len() + text.len() < MESSAGE_LIMIT && !text.is_empty() {
            if !event.rendered.is_empty() {
                event.rendered.push('\n');
            }
            event.rendered.push_str(text);
        }
    }

    fn mark_up(&mut self, text: &str) {
        if self.xml.len() + text.len() < MESSAGE_LIMIT {
            self.xml.push_str(text);
            self.xml.push('\n');
        }
        if text.trim_end().ends_with("</Event>") {
            self.part = Part::Header;
        }
    }

    fn close(&mut self, out: &mut Output<'_>) {
        let mark_up = std::mem::take(&mut self.xml);
        (self.part, self.line) = (Part::Header, 0);
        let Some(mut event) = self.event.take() else {
            return;
        };
        if event.rendered == "N/A" {
            event.rendered.clear();
        }
        // The XML has exact times and the data by name.
        if let Some(exact) = xml::one(&mark_up, out) {
            let (line, rendered) = (event.row.record, event.rendered);
            event = exact;
            event.rendered = rendered;
            event.row.record = line;
        }
        if event.is_event() {
            event.emit(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::rows;

    #[test]
    fn every_label_of_a_log_s_name_opens_an_event() {
        let mut count = 0;
        for [format, name, label] in rows::<3>(include_str!("../../../../../pipelines/text/labels.tsv")) {
            if (format, name) == ("event", "log") {
                count += 1;
                assert!(starts(&format!("  {label}: Application")), "{label}");
            }
        }
        assert!(count >= 7);
    }
}
