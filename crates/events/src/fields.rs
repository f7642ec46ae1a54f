//! The event's own fields, as decoders offer them.

use std::borrow::Cow;

use ahash::AHashMap as HashMap;
use casetrace_model::{JsonKey, JsonObject};

/// Read access to one event's fields by name.
pub trait FieldSource {
    /// The value of the first field called `name`, letters compared without case. A name that starts with `*/`
    /// means the first field whose path ends in what follows the star.
    fn get(&self, name: &str) -> Option<Cow<'_, str>>;

    /// The value of a field that the tables ask for: `number` is the place of `name` in
    /// [`Meaning::wanted`](crate::Meaning::wanted), for sources that looked their places up beforehand.
    fn wanted(&self, number: usize, name: &str) -> Option<Cow<'_, str>> {
        let _ = number;
        self.get(name)
    }

    /// Calls `visit` with every name and value, in the event's order.
    fn each(&self, visit: &mut dyn FnMut(&str, &str));
}

/// Equal without case; mostly the case is equal too, which is quicker to see.
fn is_same(name: &str, wanted: &str) -> bool {
    name == wanted || name.eq_ignore_ascii_case(wanted)
}

/// True if the field `name` is what a table means by `wanted` (see [`FieldSource::get`]).
pub(crate) fn is_named(name: &str, wanted: &str) -> bool {
    match wanted.strip_prefix('*') {
        None => name.eq_ignore_ascii_case(wanted),
        Some(tail) => {
            let (name, tail) = (name.as_bytes(), tail.as_bytes());
            name.len()
                .checked_sub(tail.len())
                .and_then(|at| name.get(at..))
                .is_some_and(|end| end.eq_ignore_ascii_case(tail))
                || tail.get(1..).is_some_and(|bare| name.eq_ignore_ascii_case(bare))
        }
    }
}

/// A plain list of fields; names are unique (a repeated one becomes `NAME_2`, `NAME_3`…).
#[derive(Debug, Clone, Default)]
pub struct Fields<'a> {
    entries: Vec<Entry<'a>>,
    /// How often each name was asked for; kept only for long lists.
    asked: Option<Box<HashMap<String, usize>>>,
}

#[derive(Debug, Clone)]
struct Entry<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    /// The name as JSON, where the decoder keeps it.
    key: Option<&'a JsonKey>,
    /// The value needs no escaping.
    plain: bool,
}

/// Lists up to this length are searched, longer ones counted.
const SEARCHED: usize = 32;

impl<'a> Fields<'a> {
    /// An empty list with room for `count` fields.
    pub fn with_capacity(count: usize) -> Self {
        Self {
            entries: Vec::with_capacity(count),
            asked: None,
        }
    }

    /// Appends a field; the caller vouches for a name that is not there yet.
    pub fn push(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        self.entries.push(Entry {
            name: name.into(),
            value: value.into(),
            key: None,
            plain: false,
        });
    }

    /// As [`Self::push`], with the name as JSON; `plain` vouches for a value in which nothing needs escaping.
    pub fn push_keyed(&mut self, name: &'a str, key: &'a JsonKey, value: &'a str, plain: bool) {
        self.entries.push(Entry {
            name: Cow::Borrowed(name),
            value: Cow::Borrowed(value),
            key: Some(key),
            plain,
        });
    }

    /// Appends a field and numbers its name if it is taken.
    pub fn push_numbered(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        let name = name.into();
        let asked = self.times_asked(&name);
        if asked == 0 {
            return self.push(name, value);
        }
        let mut number = asked + 1;
        let mut numbered = format!("{name}_{number}");
        while self.times_asked(&numbered) > 0 {
            number += 1;
            numbered = format!("{name}_{number}");
        }
        if let Some(asked) = &mut self.asked {
            asked.insert(name.into_owned(), number);
            asked.insert(numbered.clone(), 1);
        }
        self.push(numbered, value);
    }

    /// How many fields stand under `name` and its numbered forms; counts `name` in a long list.
    fn times_asked(&mut self, name: &str) -> usize {
        if self.entries.len() < SEARCHED {
            return self
                .entries
                .iter()
                .filter(|held| is_numbered(&held.name, name))
                .count();
        }
        let entries = &self.entries;
        let asked = self.asked.get_or_insert_with(|| Box::new(counted(entries)));
        match asked.get(name) {
            Some(count) => *count,
            None => {
                asked.insert(name.to_owned(), 1);
                0
            }
        }
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without fields.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Removes all fields, keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.asked = None;
    }

    /// Lets `change` alter every value.
    pub fn map_values(&mut self, mut change: impl FnMut(&mut Cow<'a, str>)) {
        self.entries.iter_mut().for_each(|entry| change(&mut entry.value));
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| (&*entry.name, &*entry.value))
    }

    /// The `fields` column.
    pub fn to_json(&self) -> String {
        let bytes: usize = self
            .entries
            .iter()
            .map(|entry| entry.name.len() + entry.value.len() + 6)
            .sum();
        // Some room for what promotion adds.
        let mut object = JsonObject::with_capacity(bytes + 64);
        self.write_json(&mut object);
        object.finish()
    }

    /// Adds all fields to an object.
    pub fn write_json(&self, object: &mut JsonObject) {
        for entry in &self.entries {
            match entry.key {
                Some(key) if entry.plain => object.push_plain_at(key, &entry.value),
                Some(key) => object.push_str_at(key, &entry.value),
                None => object.push_str(&entry.name, &entry.value),
            }
        }
    }
}

/// How many fields stand under each name and its numbered forms.
fn counted(entries: &[Entry<'_>]) -> HashMap<String, usize> {
    let times = |name: &str| {
        entries
            .iter()
            .filter(|other| is_numbered(&other.name, name))
            .count()
    };
    let names = entries
        .iter()
        .map(|held| (held.name.to_string(), times(&held.name)));
    names.collect()
}

/// `name` itself or `name_N`.
fn is_numbered(held: &str, name: &str) -> bool {
    held.strip_prefix(name).is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('_')
                .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

impl FieldSource for Fields<'_> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let found = match name.starts_with('*') {
            true => self.entries.iter().find(|entry| is_named(&entry.name, name)),
            false => self
                .entries
                .iter()
                .find(|entry| entry.name.len() == name.len() && is_same(&entry.name, name)),
        };
        found.map(|entry| Cow::Borrowed(&*entry.value))
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self.iter() {
            visit(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_are_numbered() {
        let mut fields = Fields::default();
        for name in ["Data", "Data", "Other", "Data", "Other"] {
            fields.push_numbered(name, "x");
        }
        let names: Vec<_> = fields.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["Data", "Data_2", "Other", "Data_3", "Other_2"]);
    }

    #[test]
    fn long_lists_are_numbered_alike() {
        let mut fields = Fields::default();
        for _ in 0..100 {
            fields.push_numbered("A", "x");
            fields.push_numbered("B", "x");
        }
        let mut names: Vec<_> = fields.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names.last().map(String::as_str), Some("B_100"));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 200);
    }

    #[test]
    fn names_match_without_case_and_by_the_end_of_a_path() {
        assert!(is_named("CorrelationId", "CorrelationID"));
        assert!(is_named(
            "CertGetCertificateChain/Result/@value",
            "*/Result/@value"
        ));
        assert!(is_named("Result/@value", "*/Result/@value"));
        assert!(!is_named("NoResult/@value", "*/Result/@value"));
    }
}
