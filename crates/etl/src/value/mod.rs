//! Payload bytes and a layout into named values.

mod format;
mod read;

use std::borrow::Cow;
use std::sync::Arc;

use casetrace_events::FieldSource;
use casetrace_model::{JsonKey, JsonObject, Text};

use crate::mask;

pub(crate) use format::{push_hex, push_sid};
pub(crate) use read::{Settings, read, read_named};

/// True if the tables mean the field `name`; a trace has no paths, so `*/Name` means the field itself.
pub(crate) fn is_field(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted.strip_prefix("*/").unwrap_or(wanted))
}

/// What the values of one layout are called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    names: Vec<(Text, JsonKey)>,
    /// Bytes they take in JSON.
    json_len: usize,
}

impl Names {
    fn push(&mut self, name: Text) {
        let key = JsonKey::new(&name);
        // A comma and two quotes besides the key.
        self.json_len += key.size() + 3;
        self.names.push((name, key));
    }

    /// Place of the first name that fits.
    pub(crate) fn position(&self, fits: impl Fn(&str) -> bool) -> Option<usize> {
        self.names.iter().position(|(name, _)| fits(name))
    }
}

impl FromIterator<Text> for Names {
    fn from_iter<I: IntoIterator<Item = Text>>(names: I) -> Self {
        let mut all = Self::default();
        names.into_iter().for_each(|name| all.push(name));
        all
    }
}

/// Values of one event, all texts in one allocation that is used again for the next event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    text: String,
    entries: Vec<Entry>,
    /// As many as entries, or more if the payload ended early.
    names: Arc<Names>,
    /// The payload ended before the layout did.
    pub(crate) cut: bool,
    /// Bytes behind the last field of the layout.
    pub(crate) rest: usize,
    numbers: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    start: usize,
    end: usize,
    form: Form,
}

/// What sort of text a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Any text.
    Text,
    /// Digits, letters and signs between them: nothing to escape, no words.
    Plain,
    /// JSON itself (lists, structures).
    Json,
}

impl Values {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.entries.clear();
        self.numbers.clear();
        self.cut = false;
        self.rest = 0;
    }

    /// Empties the list for values called `names`.
    fn clear_for(&mut self, names: &Arc<Names>) {
        self.clear();
        if !Arc::ptr_eq(&self.names, names) {
            self.names = Arc::clone(names);
        }
    }

    /// Adds a text.
    pub(crate) fn push(&mut self, name: impl Into<Text>, value: &str) {
        let start = self.text.len();
        self.text.push_str(value);
        let names = Arc::make_mut(&mut self.names);
        if self.entries.is_empty() {
            *names = Names::default();
        }
        names.push(name.into());
        self.close(start, Form::Text);
    }

    fn close(&mut self, start: usize, form: Form) {
        self.entries.push(Entry {
            start,
            end: self.text.len(),
            form,
        });
    }

    fn value(&self, entry: &Entry) -> &str {
        self.text.get(entry.start..entry.end).unwrap_or_default()
    }

    /// Names and values in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.names.names.iter().map(|(name, _)| name.as_str());
        names.zip(self.entries.iter().map(|entry| self.value(entry)))
    }

    /// The value of the field called exactly `name`.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.at(self.names.position(|held| held == name)?)
    }

    /// The value at a place.
    pub(crate) fn at(&self, index: usize) -> Option<&str> {
        self.entries.get(index).map(|entry| self.value(entry))
    }

    /// Bytes of all names and values as JSON, unless much of it has to be escaped.
    pub(crate) fn json_len(&self) -> usize {
        self.text.len() + self.names.json_len
    }

    /// Masks secrets in all values, and whole values where `secret` says so.
    pub(crate) fn mask(&mut self, secret: &[bool]) {
        for i in 0..self.entries.len() {
            let Some(entry) = self.entries.get(i) else {
                continue;
            };
            let new = match (secret.get(i), entry.form) {
                (Some(true), _) => mask::whole(self.value(entry)),
                (_, Form::Plain) => None,
                _ => mask::value(self.value(entry)),
            };
            let Some(new) = new else { continue };
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
        for (entry, (_, key)) in self.entries.iter().zip(&self.names.names) {
            let value = self.value(entry);
            match entry.form {
                Form::Text => object.push_str_at(key, value),
                Form::Plain => object.push_plain_at(key, value),
                Form::Json => object.push_raw_at(key, value),
            }
        }
    }
}

impl FieldSource for Values {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.at(self.names.position(|held| is_field(held, name))?)
            .map(Cow::Borrowed)
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self.iter() {
            visit(name, value);
        }
    }
}

/// Values with the places of those that the tables ask for.
pub(crate) struct Placed<'v> {
    values: &'v Values,
    places: &'v [Option<usize>],
}

impl<'v> Placed<'v> {
    pub(crate) fn new(values: &'v Values, places: &'v [Option<usize>]) -> Self {
        Self { values, places }
    }
}

impl FieldSource for Placed<'_> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.values.get(name)
    }

    fn wanted(&self, number: usize, _: &str) -> Option<Cow<'_, str>> {
        let place = self.places.get(number).copied().flatten()?;
        self.values.at(place).map(Cow::Borrowed)
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.values.each(visit);
    }
}
