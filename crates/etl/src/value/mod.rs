//! Payload bytes and a layout into named values.

mod format;
mod read;

use std::borrow::Cow;

use casetrace_events::FieldSource;
use casetrace_model::{JsonObject, Text};

pub(crate) use format::{push_hex, push_sid};
pub(crate) use read::{Settings, read};

/// Values of one event, all texts in one allocation that is used again for the next event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    text: String,
    entries: Vec<Entry>,
    /// The payload ended before the layout did.
    pub(crate) cut: bool,
    /// Bytes behind the last field of the layout.
    pub(crate) rest: usize,
    numbers: Vec<u64>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: Text,
    start: usize,
    end: usize,
    /// The text is JSON itself (lists, structures).
    json: bool,
}

impl Values {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.entries.clear();
        self.numbers.clear();
        self.cut = false;
        self.rest = 0;
    }

    /// Adds a text.
    pub(crate) fn push(&mut self, name: impl Into<Text>, value: &str) {
        let start = self.text.len();
        self.text.push_str(value);
        self.close(name.into(), start, false);
    }

    fn close(&mut self, name: Text, start: usize, json: bool) {
        self.entries.push(Entry {
            name,
            start,
            end: self.text.len(),
            json,
        });
    }

    fn value(&self, entry: &Entry) -> &str {
        self.text.get(entry.start..entry.end).unwrap_or_default()
    }

    /// Names and values in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .map(|entry| (entry.name.as_str(), self.value(entry)))
    }

    /// The value of the field called exactly `name`.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.entries
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| self.value(entry))
    }

    /// The value at a place.
    pub(crate) fn at(&self, index: usize) -> Option<&str> {
        self.entries.get(index).map(|entry| self.value(entry))
    }

    /// Bytes of all names and values, for sizing.
    pub(crate) fn text_len(&self) -> usize {
        self.text.len()
            + self
                .entries
                .iter()
                .map(|entry| entry.name.len() + 6)
                .sum::<usize>()
    }

    /// Puts what `change` makes of a value in its place; `None` leaves it.
    pub(crate) fn replace(&mut self, mut change: impl FnMut(usize, &str) -> Option<String>) {
        for i in 0..self.entries.len() {
            let Some(entry) = self.entries.get(i) else {
                continue;
            };
            let Some(new) = change(i, self.value(entry)) else {
                continue;
            };
            let start = self.text.len();
            self.text.push_str(&new);
            let end = self.text.len();
            if let Some(entry) = self.entries.get_mut(i) {
                (entry.start, entry.end) = (start, end);
            }
        }
    }

    /// Writes all values as members; the length counters in front of texts say nothing once the text is there.
    pub(crate) fn write_json(&self, object: &mut JsonObject) {
        for entry in &self.entries {
            let value = self.value(entry);
            if entry.json {
                object.push_raw(&entry.name, value);
            } else {
                object.push_str(&entry.name, value);
            }
        }
    }
}

impl FieldSource for Values {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let name = name.strip_prefix("*/").unwrap_or(name);
        let found = self
            .entries
            .iter()
            .find(|entry| entry.name.eq_ignore_ascii_case(name))?;
        Some(Cow::Borrowed(self.value(found)))
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self.iter() {
            visit(name, value);
        }
    }
}
