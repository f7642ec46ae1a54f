//! Texts with placeholders.
//!
//! Values come from the case and are hostile until shown otherwise: control and direction characters become blanks, long
//! values are cut. Texts have no markup, so a value can't add any; writers escape the whole text for their format.

use casetrace_timeline::{Cells, ColumnId, Timeline, read_members};

use casetrace_model::Value;
use casetrace_model::time::to_rfc3339;

use crate::engine::scope::comparable;

/// Characters kept of one value.
const MAX_CHARS: usize = 160;

/// A cell of a row: a column or a member of `fields`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Column(ColumnId),
    Member(String),
}

impl Key {
    /// `server_name`, `fields.X` or `f('X')`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(member) = text.strip_prefix("fields.") {
            return Some(Self::Member(member.to_owned()));
        }
        if let Some(member) = text.strip_prefix("f('").and_then(|t| t.strip_suffix("')")) {
            return Some(Self::Member(member.to_owned()));
        }
        ColumnId::of(text).map(Self::Column)
    }

    /// The value of a row in the form that is the same for all spellings of one computer or user.
    pub(crate) fn comparable(&self, cells: &mut Cells<'_>, row: u32) -> Option<String> {
        let value = self.value_of(cells, row)?;
        Some(match self {
            Self::Column(column) => comparable(column.name(), &value).into_owned(),
            Self::Member(_) => value,
        })
    }

    /// The value of a row as text.
    pub(crate) fn value(&self, timeline: &Timeline, row: u32) -> Option<String> {
        match self {
            Self::Column(column) => match timeline.value(*column, row) {
                Value::Null => None,
                Value::Str("") => None,
                Value::Str(text) => Some(text.to_owned()),
                Value::U64(number) => Some(number.to_string()),
                Value::I64(number) => Some(number.to_string()),
                Value::TimeNs(ns) => Some(plain_time(ns)),
            },
            Self::Member(name) => member(timeline.text(ColumnId::of("fields")?, row)?, name),
        }
    }

    /// The same for one of many rows.
    pub(crate) fn value_of(&self, cells: &mut Cells<'_>, row: u32) -> Option<String> {
        match self {
            Self::Column(_) => self.value(cells.timeline(), row),
            Self::Member(name) => member(cells.text(ColumnId::of("fields")?, row)?, name),
        }
    }
}

fn member(fields: &str, name: &str) -> Option<String> {
    let found = read_members(fields, &[name]).pop().flatten();
    found.filter(|v| !v.is_empty())
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    /// What is named, without braces.
    Hole(String),
    Optional(Vec<Part>),
}

/// A parsed text.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Parses; says what is wrong with the braces.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let parts = parts(&mut rest, false)?;
        Ok(Self { parts })
    }

    /// All placeholders.
    pub(crate) fn holes(&self) -> Vec<&str> {
        fn walk<'a>(parts: &'a [Part], into: &mut Vec<&'a str>) {
            for part in parts {
                match part {
                    Part::Text(_) => {}
                    Part::Hole(name) => into.push(name),
                    Part::Optional(inner) => walk(inner, into),
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.parts, &mut found);
        found
    }

    /// Fills in; a placeholder without value outside double brackets shows as `?`.
    pub(crate) fn render(&self, lookup: &dyn Fn(&str) -> Option<String>) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Hole(name) => match lookup(name) {
                    Some(value) => out.push_str(&plain(&value)),
                    None => out.push('?'),
                },
                Part::Optional(inner) => {
                    let inner = Self { parts: inner.clone() };
                    if inner.holes().iter().all(|hole| lookup(hole).is_some()) {
                        out.push_str(&inner.render(lookup));
                    }
                }
            }
        }
        out
    }
}

fn parts(rest: &mut &str, inside: bool) -> Result<Vec<Part>, String> {
    let mut out = Vec::new();
    let mut text = String::new();
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("{{") {
            text.push('{');
            *rest = after;
        } else if let Some(after) = rest.strip_prefix("}}") {
            text.push('}');
            *rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err("a `{` is never closed".to_owned());
            };
            out.push(Part::Text(std::mem::take(&mut text)));
            out.push(Part::Hole(name.trim().to_owned()));
            *rest = after;
        } else if let Some(after) = rest.strip_prefix("[[").filter(|_| !inside) {
            *rest = after;
            out.push(Part::Text(std::mem::take(&mut text)));
            out.push(Part::Optional(parts(rest, true)?));
        } else if let Some(after) = rest.strip_prefix("]]").filter(|_| inside) {
            *rest = after;
            out.push(Part::Text(text));
            return Ok(out);
        } else {
            text.push(c);
            *rest = rest.get(c.len_utf8()..).unwrap_or("");
        }
    }
    if inside {
        return Err("a `[[` is never closed".to_owned());
    }
    out.push(Part::Text(text));
    Ok(out)
}

/// A value of the case as harmless text on one line.
fn plain(value: &str) -> String {
    plain_to(value, MAX_CHARS)
}

/// A time in a sentence: `2026-03-02 01:02:11 UTC`, to the millisecond if it has any.
pub(crate) fn plain_time(ts_ns: i64) -> String {
    let text = to_rfc3339(ts_ns);
    let whole = text.get(20..23).is_none_or(|millis| millis == "000");
    let shown = text.get(..if whole { 19 } else { 23 }).unwrap_or(&text);
    format!("{} UTC", shown.replace('T', " "))
}

/// The same with another limit.
pub(crate) fn plain_to(value: &str, limit: usize) -> String {
    // Cut first: values can be long.
    let clean: String = value
        .trim()
        .chars()
        .take(limit + 1)
        .map(|c| if is_harmful(c) { ' ' } else { c })
        .collect();
    match clean.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", clean.get(..end).unwrap_or_default().trim_end()),
        None => clean.trim().to_owned(),
    }
}

/// Controls, and characters that reorder or hide text.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn times_are_as_people_write_them() {
        assert_eq!(plain_time(1_772_414_171_000_000_000), "2026-03-02 01:16:11 UTC");
        assert_eq!(
            plain_time(1_772_414_171_123_456_700),
            "2026-03-02 01:16:11.123 UTC"
        );
    }

    #[test]
    fn placeholders_options_and_braces() {
        let template = Template::parse("To {host}[[ via {proxy}]][[ at {ts}]] {{x}}").unwrap();
        assert_eq!(template.holes(), ["host", "proxy", "ts"]);
        let lookup = |name: &str| match name {
            "host" => Some("a\u{202e}\nb".to_owned()),
            "proxy" => Some("p:8080".to_owned()),
            _ => None,
        };
        assert_eq!(template.render(&lookup), "To a  b via p:8080 {x}");
        assert_eq!(Template::parse("{a}").unwrap().render(&|_| None), "?");
        for wrong in ["{a", "[[ {a}"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(plain(&"x".repeat(500)).chars().count(), MAX_CHARS + 1);
    }
}
