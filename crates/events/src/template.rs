//! One-line sentences with placeholders.
//!
//! `{Name}` quotes a field, `{Name|Other}` the first of several that is there, `{Name:reading}` reads it first (see
//! `value`), `{=column}` or `{=column:reading}` quotes the row's column. A part in square brackets is left out when one of its placeholders
//! has no value; `[[` is a bracket. Outside brackets a missing value shows as `?`.

use std::borrow::Cow;

use casetrace_model::{Row, Value};

use crate::rule::{FieldRef, Names};
use crate::value::{Maps, Reading};
use crate::{FieldSource, MAX_MESSAGE, MAX_QUOTE};

/// A parsed sentence.
#[derive(Debug, Clone, Default)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Quote(Vec<Quoted>),
    Optional(Vec<Part>),
}

/// What a placeholder may stand for.
#[derive(Debug, Clone)]
enum Quoted {
    Field(FieldRef),
    Column { name: &'static str, reading: Reading },
}

impl Quoted {
    fn parse(text: &str, maps: &Maps, names: &mut Names) -> Result<Self, String> {
        let Some(column) = text.strip_prefix('=') else {
            return FieldRef::parse(text, maps, names).map(Self::Field);
        };
        let (name, reading) = match column.split_once(':') {
            Some((name, reading)) => {
                let reading =
                    Reading::parse(reading, maps).ok_or_else(|| format!("no reading {reading:?}"))?;
                (name, reading)
            }
            None => (column, Reading::Plain),
        };
        let known = casetrace_model::COLUMNS
            .iter()
            .find(|known| known.name == name)
            .ok_or_else(|| format!("no column {name:?}"))?;
        Ok(Self::Column {
            name: known.name,
            reading,
        })
    }

    fn text<'a>(&'a self, row: &'a Row, fields: &'a dyn FieldSource, maps: &'a Maps) -> Option<Cow<'a, str>> {
        match self {
            Self::Field(field) => field.shown(fields, maps),
            Self::Column { name, reading } => reading.show(column_text(row, name)?, maps),
        }
    }
}

impl Template {
    /// Parses a sentence; the error says what is wrong with it.
    pub(crate) fn parse(text: &str, maps: &Maps, names: &mut Names) -> Result<Self, String> {
        let mut chars = text.chars().peekable();
        let mut stack: Vec<Vec<Part>> = vec![Vec::new()];
        while let Some(c) = chars.next() {
            match c {
                '[' if chars.next_if_eq(&'[').is_some() => push_char(&mut stack, '['),
                '[' if stack.len() == 1 => stack.push(Vec::new()),
                ']' if stack.len() == 2 => {
                    let inner = stack.pop().unwrap_or_default();
                    push(&mut stack, Part::Optional(inner));
                }
                '{' => {
                    let inside: String = chars.by_ref().take_while(|c| *c != '}').collect();
                    push(&mut stack, placeholder(&inside, maps, names)?);
                }
                '[' | ']' | '}' => return Err(format!("unbalanced {c:?} in sentence")),
                _ => push_char(&mut stack, c),
            }
        }
        match <[_; 1]>::try_from(stack) {
            Ok([parts]) => Ok(Self { parts }),
            Err(_) => Err("unclosed [ in sentence".to_owned()),
        }
    }

    /// Fields that the sentence quotes.
    pub(crate) fn render(&self, row: &Row, fields: &dyn FieldSource, maps: &Maps) -> String {
        let mut out = String::with_capacity(120);
        render_parts(&self.parts, row, fields, maps, &mut out, false);
        clip(&mut out, MAX_MESSAGE);
        out
    }
}

fn push(stack: &mut [Vec<Part>], part: Part) {
    if let Some(top) = stack.last_mut() {
        top.push(part);
    }
}

fn push_char(stack: &mut [Vec<Part>], c: char) {
    let Some(top) = stack.last_mut() else { return };
    if let Some(Part::Literal(text)) = top.last_mut() {
        text.push(c);
    } else {
        top.push(Part::Literal(c.to_string()));
    }
}

fn placeholder(inside: &str, maps: &Maps, names: &mut Names) -> Result<Part, String> {
    let quoted: Result<Vec<_>, String> = inside
        .split('|')
        .map(|one| Quoted::parse(one, maps, names))
        .collect();
    Ok(Part::Quote(quoted?))
}

/// Appends `parts`; false if a placeholder had no value and `strict` asked to stop there.
fn render_parts(
    parts: &[Part],
    row: &Row,
    fields: &dyn FieldSource,
    maps: &Maps,
    out: &mut String,
    strict: bool,
) -> bool {
    for part in parts {
        let value = match part {
            Part::Literal(text) => {
                out.push_str(text);
                continue;
            }
            Part::Optional(inner) => {
                let before = out.len();
                if !render_parts(inner, row, fields, maps, out, true) {
                    out.truncate(before);
                }
                continue;
            }
            Part::Quote(quoted) => quoted.iter().find_map(|one| one.text(row, fields, maps)),
        };
        match value {
            Some(value) => push_quoted(out, &value),
            None if strict => return false,
            None => out.push('?'),
        }
    }
    true
}

fn column_text<'a>(row: &'a Row, wanted: &str) -> Option<Cow<'a, str>> {
    match row.value(wanted)? {
        Value::Str(text) if !text.is_empty() => Some(Cow::Borrowed(text)),
        Value::U64(number) => Some(Cow::Owned(number.to_string())),
        Value::I64(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// Appends `value` on one line: runs of white space become one blank, long values end in `…`.
pub(crate) fn push_quoted(out: &mut String, value: &str) {
    let start = out.len();
    if value.len() <= MAX_QUOTE && is_one_line(value) {
        out.push_str(value);
        return;
    }
    for word in value
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
    {
        if out.len() > start {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() - start > MAX_QUOTE {
            break;
        }
    }
    if out.len() - start > MAX_QUOTE {
        clip(out, start + MAX_QUOTE);
    }
}

/// Printable ASCII with single blanks between the words.
fn is_one_line(value: &str) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const LOW: u64 = ONES * 0x7f;
    let bytes = value.as_bytes();
    if bytes.first().is_none_or(|first| *first == b' ') || bytes.ends_with(b" ") {
        return false;
    }
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = *b"xxxxxxxx";
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let (mut odd, mut after_blank) = (0, 0);
    // Eight bytes at a time; the top bit of each tells. No sum carries into the next byte.
    for word in words.iter().chain(std::iter::once(&last)) {
        let word = u64::from_le_bytes(*word);
        let (low, other) = (word & LOW, word ^ (ONES * u64::from(b' ')));
        let blank = !(((other & LOW) + LOW) | other) & !LOW;
        odd |= word | !(low + ONES * 0x60) | (low + ONES) | (blank & (blank << 8 | after_blank));
        after_blank = blank >> 56;
    }
    odd & !LOW == 0
}

/// Shortens `text` to `max` bytes, the last of which is then `…`.
fn clip(text: &mut String, max: usize) {
    if text.len() > max {
        let cut = (0..=max.saturating_sub('…'.len_utf8()))
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or(0));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::Fields;
    use casetrace_model::Source;

    fn say(template: &str, fields: &Fields) -> String {
        let maps = Maps::default();
        let row = Row::new(Source::Evtx, "event", 1);
        Template::parse(template, &maps, &mut Names::default())
            .unwrap()
            .render(&row, fields, &maps)
    }

    #[test]
    fn sentences_leave_out_what_is_not_known() {
        let mut fields = Fields::default();
        fields.push("Error", "3400073247");
        fields.push("Text", "two\r\n  lines");
        fields.push("Empty", "");
        assert_eq!(
            say("Failed ({Error:code})[: {Text}][ by {Empty}]", &fields),
            "Failed (0xcaa9001f): two lines"
        );
        assert_eq!(say("{Nope|Error:code} {Nope} [[x", &fields), "0xcaa9001f ? [x");
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let mut fields = Fields::default();
        fields.push("Long", "é".repeat(500));
        let said = say("{Long}", &fields);
        assert!(said.len() <= MAX_QUOTE && said.ends_with('…'));
    }

    #[test]
    fn one_line_means_printable_words_with_single_blanks() {
        for text in [
            "a",
            "a b",
            "seven7 eight8 ~",
            "1234567 9",
            "12345678 0",
            "é",
            "a  b",
            " a",
            "a ",
            "",
        ] {
            for at in 0..9 {
                for odd in ["", "\t", "\u{7f}", "é", "  ", "~"] {
                    let text = format!("{}{odd}{text}", "x".repeat(at));
                    let slow = !text.is_empty()
                        && text.bytes().all(|b| (b' '..=b'~').contains(&b))
                        && !text.contains("  ")
                        && text.trim() == text;
                    assert_eq!(is_one_line(&text), slow, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        let maps = Maps::default();
        for bad in ["[a", "a]", "{a:nope}", "{=nope}", "[a[b]]"] {
            assert!(
                Template::parse(bad, &maps, &mut Names::default()).is_err(),
                "{bad}"
            );
        }
    }
}
