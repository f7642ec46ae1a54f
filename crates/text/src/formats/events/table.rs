//! Events as `Get-WinEvent` prints them when nothing formats them: one line each under the provider's name.
//!
//! PowerShell cuts messages at the window's width, so only what stands in their first words is known.

use std::sync::LazyLock;

use casetrace_model::JsonObject;

use super::record::Event;
use crate::blocks::Machine;
use crate::clock::{self, Order};
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;
use crate::table::Labels;

static LEVELS: LazyLock<Labels> = LazyLock::new(|| Labels::of("event_level"));

pub(crate) fn detect(head: &Head) -> u8 {
    let titled = head.any(|line| line.starts_with("TimeCreated ") && line.contains(" LevelDisplayName "));
    if titled && head.any(starts) {
        score::LIKELY + 20
    } else {
        score::NO
    }
}

/// The line that names the provider; in a list the label is followed by blanks.
pub(crate) fn starts(text: &str) -> bool {
    provider(text).is_some()
}

fn provider(text: &str) -> Option<&str> {
    let name = text.trim().strip_prefix("ProviderName: ")?.trim();
    (!name.is_empty() && name.len() < 200).then_some(name)
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Table::default())
}

#[derive(Default)]
struct Table {
    provider: String,
    /// True below the line of dashes.
    inside: bool,
}

impl Machine for Table {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if let Some(name) = provider(text) {
            name.clone_into(&mut self.provider);
            self.inside = false;
        } else if text.starts_with("---") {
            self.inside = true;
        } else if self.inside && !text.is_empty() && !self.event(line.number, text, out) {
            out.log_line(line.number, "event_table", text, None);
        }
    }

    fn holds(&self, text: &str) -> bool {
        self.inside && clock::leading(text.trim()).is_some()
    }

    fn end(&mut self, _out: &mut Output<'_>) {}
}

impl Table {
    /// `date time  id level message`; the level is missing where the machine has no name for it.
    fn event(&self, number: u64, text: &str, out: &mut Output<'_>) -> bool {
        let Some((_, rest)) = clock::ordered(text, Order::MonthFirst) else {
            return false;
        };
        let date = text.get(..text.len() - rest.len()).unwrap_or_default();
        let rest = rest.trim_start();
        let (id, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if id.parse::<u32>().is_err() {
            return false;
        }
        let mut event = Event::new(number);
        event.extra = JsonObject::new().bool(
            "cut",
            rest.trim_end().ends_with('…') || rest.trim_end().ends_with("..."),
        );
        event.set("source", &self.provider, out);
        event.set("date", date, out);
        event.set("id", id, out);
        let rest = rest.trim_start();
        let (word, message) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if LEVELS.name(word).is_some() {
            event.set("level", word, out);
            event.set("description", message, out);
        } else {
            event.set("description", rest, out);
        }
        event.emit(out);
        true
    }
}
