//! As much YAML as Sigma rules need: one document of mappings, sequences and scalars, as a JSON value.
//!
//! Aliases are refused (they can make a small file huge), and so are other nestings than a rule has.

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// Nesting of a rule file, at most.
const MAX_DEPTH: usize = 32;
/// Values in a rule file, at most.
const MAX_VALUES: usize = 20_000;

/// A collection that is still open.
enum Open {
    List(Vec<Value>),
    /// With the key that waits for its value.
    Map(Map<String, Value>, Option<String>),
}

/// Reads the first document.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let mut open: Vec<Open> = Vec::new();
    let mut values = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| e.to_string())?;
        let finished = match event {
            Event::Scalar(scalar, style, ..) => Some(scalar_value(&scalar, style)),
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Map::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|collection| match collection {
                Open::List(list) => Value::Array(list),
                Open::Map(map, _) => Value::Object(map),
            }),
            Event::Alias(_) => return Err(format!("line {}: aliases are not read", span.start.line())),
            _ => None,
        };
        values += 1;
        if open.len() > MAX_DEPTH || values > MAX_VALUES {
            return Err("it is too large or nested too deeply".to_owned());
        }
        if let Some(value) = finished
            && let Some(document) = place(&mut open, value)
        {
            return Ok(document);
        }
    }
    Err("it is empty".to_owned())
}

/// Puts a finished value where it belongs; gives it back if it is the document.
fn place(open: &mut [Open], value: Value) -> Option<Value> {
    match open.last_mut() {
        None => return Some(value),
        Some(Open::List(list)) => list.push(value),
        Some(Open::Map(map, key)) => match key.take() {
            Some(key) => {
                map.insert(key, value);
            }
            None => {
                *key = Some(
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), ToOwned::to_owned),
                )
            }
        },
    }
    None
}

/// Plain scalars may be null, booleans and numbers; quoted ones are texts.
fn scalar_value(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::from(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => Value::from(number),
            (_, Ok(number)) if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                Value::from(number)
            }
            _ => Value::from(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sigma_uses_is_read() {
        let text = "a: [1, x, '2']\nb:\n  - c: null\n    d: |\n      two\n      lines\n# remark\ne: true\n";
        let value = read(text).unwrap_or_default();
        assert_eq!(
            value,
            serde_json::json!({"a": [1, "x", "2"], "b": [{"c": null, "d": "two\nlines\n"}], "e": true})
        );
    }

    #[test]
    fn traps_are_refused() {
        let deep = format!("a: {}1{}", "[".repeat(500), "]".repeat(500));
        for text in ["a: &x [1]\nb: *x", "", "a: [", deep.as_str()] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
