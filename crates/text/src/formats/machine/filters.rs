//! What filters on the computer: `fltmc filters` and the Winsock catalogue of `netsh winsock show catalog`.

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

/// Names kept; computers have a few dozen.
const MAX_NAMES: usize = 300;

pub(crate) fn detect(head: &Head) -> u8 {
    if head.any(is_fltmc) || head.any(is_catalogue) {
        score::LIKELY + 20
    } else {
        score::NO
    }
}

/// The header of `fltmc filters`.
fn is_fltmc(text: &str) -> bool {
    text.starts_with("Filter Name") && text.contains("Altitude")
}

/// The title of every entry.
fn is_catalogue(text: &str) -> bool {
    text.starts_with("Winsock Catalog Provider Entry")
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Filters::default())
}

#[derive(Default)]
struct Filters {
    /// Line of the first title, and what it lists.
    list: Option<(u64, &'static str)>,
    names: Vec<String>,
}

impl Filters {
    fn name(&mut self, text: &str) {
        let known = self.names.iter().any(|name| name == text);
        if !text.is_empty() && !known && self.names.len() < MAX_NAMES {
            self.names.push(text.to_owned());
        }
    }
}

impl Machine for Filters {
    fn line(&mut self, line: &Line<'_>, _: &mut Output<'_>) {
        let text = line.text.trim();
        if is_fltmc(text) {
            self.list.get_or_insert((line.number, "filter_drivers"));
        } else if is_catalogue(text) {
            self.list.get_or_insert((line.number, "winsock_providers"));
        } else if let Some((_, "winsock_providers")) = self.list {
            if let Some(name) = text.strip_prefix("Description:") {
                self.name(name.trim());
            }
        } else if self.list.is_some() && !text.starts_with('-') {
            self.name(text.split("  ").next().unwrap_or_default());
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        if let Some((line, name)) = self.list.take() {
            out.config(line, name, &self.names.join("; "), &[]);
        }
    }
}
