//! Events as PowerShell prints them with `Format-List`: those of `Get-WinEvent` (`TimeCreated : …`, `ProviderName : …`, `Id : …`)
//! and those of `Get-EventLog` (`TimeGenerated : …`, `Source : …`, `InstanceId : …`).
//!
//! The time is the culture's and local; a message goes on in indented lines.

use std::sync::LazyLock;

use super::record::{Event, MESSAGE_LIMIT};
use crate::blocks::{Machine, prompt_command};
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;
use crate::table::Labels;

static LABELS: LazyLock<Labels> = LazyLock::new(|| Labels::of("event_list"));

pub(crate) fn detect(head: &Head) -> u8 {
    let has = |name: &str| head.any(|line| field(line).is_some_and(|(known, _)| known == name));
    if has("date") && has("description") {
        score::LIKELY + 20
    } else {
        score::NO
    }
}

/// The first line of a list that prints no more than a log record's usual members.
pub(crate) fn starts(text: &str) -> bool {
    ["TimeCreated ", "Index "]
        .into_iter()
        .any(|label| text.starts_with(label))
        && field(text).is_some_and(|(_, value)| value.starts_with(|c: char| c.is_ascii_digit()))
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(List::default())
}

/// A line with a label; they begin at the left edge, which lines of a message don't.
fn field(text: &str) -> Option<(&'static str, &str)> {
    if text.starts_with(char::is_whitespace) {
        return None;
    }
    LABELS.field(text)
}

#[derive(Default)]
struct List {
    line: u64,
    fields: Vec<(&'static str, String)>,
}

impl Machine for List {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        if let Some((name, value)) = field(line.text) {
            if name != "ignored" && self.fields.iter().any(|(known, _)| *known == name) {
                self.close(out);
            }
            if self.fields.is_empty() {
                self.line = line.number;
            }
            self.fields.push((name, value.to_owned()));
        } else if let Some((_, value)) = self.fields.last_mut()
            && value.len() < MESSAGE_LIMIT
            && !line.text.trim().is_empty()
        {
            value.push('\n');
            value.push_str(line.text.trim());
        }
    }

    fn holds(&self, text: &str) -> bool {
        matches!(self.fields.last(), Some(("description", _))) && prompt_command(text).is_none()
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl List {
    fn close(&mut self, out: &mut Output<'_>) {
        let fields = std::mem::take(&mut self.fields);
        let mut event = Event::new(self.line);
        for (name, value) in &fields {
            event.set(name, value, out);
        }
        if event.is_event() {
            event.emit(out);
        }
    }
}
