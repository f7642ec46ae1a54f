//! Ways to read one field's text: as it is, as an error number, or through a value map.
//!
//! A table writes `Field` or `Field:reading`. Readings: `code` (an error number in any spelling, or an AADSTS code
//! in the text; zero says nothing), `netcode` (the same, unless it is an HTTP status), `hexcode` (hex without `0x`, as
//! CAPI2 prints), `status_line` (the status in `HTTP/1.1 200 OK`), `line` (first line), `host`, `file` (last part of a
//! path), and every map of `pipelines/events/values.tsv`.

use std::borrow::Cow;

use ahash::AHashMap as HashMap;
use casetrace_model::code;

use crate::column;

/// How a field's text is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    Plain,
    Code,
    HexCode,
    NetCode,
    StatusLine,
    Line,
    Host,
    File,
    /// Through a map, by its place in [`Maps`].
    Map(usize),
}

/// Value maps by name; keys are texts, or numbers in any spelling.
#[derive(Debug, Default)]
pub(crate) struct Maps {
    places: HashMap<String, usize>,
    maps: Vec<Map>,
}

#[derive(Debug, Default)]
struct Map {
    texts: HashMap<String, String>,
    numbers: HashMap<u32, String>,
}

impl Maps {
    pub(crate) fn insert(&mut self, map: &str, key: &str, value: &str) {
        let place = *self.places.entry(map.to_owned()).or_insert(self.maps.len());
        if place == self.maps.len() {
            self.maps.push(Map::default());
        }
        let Some(map) = self.maps.get_mut(place) else {
            return;
        };
        if let Some(number) = code::parse_number(key) {
            map.numbers.insert(number, value.to_owned());
        } else {
            map.texts.insert(key.to_owned(), value.to_owned());
        }
    }

    /// A map's place by its name.
    pub(crate) fn place(&self, map: &str) -> Option<usize> {
        self.places.get(map).copied()
    }

    fn get(&self, place: usize, key: &str) -> Option<&str> {
        let map = self.maps.get(place)?;
        let text = if map.texts.is_empty() {
            None
        } else {
            map.texts.get(key)
        };
        let found = text.or_else(|| map.numbers.get(&code::parse_number(key)?));
        found.map(String::as_str)
    }
}

impl Reading {
    pub(crate) fn parse(name: &str, maps: &Maps) -> Option<Self> {
        Some(match name {
            "code" => Self::Code,
            "hexcode" => Self::HexCode,
            "netcode" => Self::NetCode,
            "status_line" => Self::StatusLine,
            "line" => Self::Line,
            "host" => Self::Host,
            "file" => Self::File,
            _ => Self::Map(maps.place(name)?),
        })
    }

    /// The text as this reading shows it; `None` if it says nothing. A value that a map does not know stays as it is.
    pub(crate) fn show<'a>(&self, value: Cow<'a, str>, maps: &'a Maps) -> Option<Cow<'a, str>> {
        if column::is_blank(&value) {
            return None;
        }
        match self {
            Self::Plain => Some(value),
            Self::Code => error_code(&value).map(Cow::Owned),
            Self::HexCode => hex_code(&value).map(Cow::Owned),
            Self::NetCode => is_error_number(&value)
                .then(|| error_code(&value))
                .flatten()
                .map(Cow::Owned),
            Self::StatusLine => value
                .strip_prefix("HTTP/")
                .and_then(|line| line.split(' ').nth(1))
                .map(|s| Cow::Owned(s.to_owned())),
            Self::Line => value
                .lines()
                .map(str::trim)
                .find(|line| !line.is_empty())
                .map(|l| Cow::Owned(l.to_owned())),
            Self::Host => column::host_of(value.trim()).map(|host| Cow::Owned(host.to_string())),
            Self::File => value
                .rsplit(['\\', '/'])
                .next()
                .map(|name| Cow::Owned(name.to_owned())),
            Self::Map(place) => match maps.get(*place, column::trim(&value)) {
                Some("") => None,
                Some(text) => Some(Cow::Borrowed(text)),
                None => Some(value),
            },
        }
    }

    /// Like [`Self::show`], for a column: a map's unknown key is taken only if it is an error number.
    pub(crate) fn column_text<'a>(&self, value: Cow<'a, str>, maps: &'a Maps) -> Option<Cow<'a, str>> {
        match self {
            Self::Map(place) if maps.get(*place, column::trim(&value)).is_none() => {
                error_code(&value).map(Cow::Owned)
            }
            _ => self.show(value, maps),
        }
    }
}

/// The code in `value`: an AADSTS code in its text, or its error number. Zero is no error.
pub(crate) fn error_code(value: &str) -> Option<String> {
    if let Some(aadsts) = code::find_aadsts(value).next() {
        return Some(aadsts.to_string());
    }
    let number = code::parse_number(value).or_else(|| {
        // `0x8009030e (SEC_E_NO_CREDENTIALS)` and the like.
        value
            .split_whitespace()
            .find(|word| word.contains("0x"))
            .and_then(code::parse_number)
    })?;
    (number != 0).then(|| code::normalise(number).to_string())
}

/// False for the numbers of HTTP statuses, which some fields hold in the place of an error number.
fn is_error_number(value: &str) -> bool {
    code::parse_number(value).is_none_or(|number| !(100..=599).contains(&number))
}

fn hex_code(value: &str) -> Option<String> {
    let bare = value.trim().trim_start_matches("0x");
    let number = u32::from_str_radix(bare, 16).ok()?;
    (number != 0).then(|| code::normalise(number).to_string())
}

/// True if `value` is a number that means success.
pub(crate) fn is_zero(value: &str) -> Option<bool> {
    let bare = value.trim();
    if let Some(number) = code::parse_number(bare) {
        return Some(number == 0);
    }
    u32::from_str_radix(bare, 16).ok().map(|number| number == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_in_every_spelling() {
        assert_eq!(error_code("-2145648509").as_deref(), Some("0x801c0083"));
        assert_eq!(error_code("0x0"), None);
        assert_eq!(
            error_code("AADSTS50034: no such user").as_deref(),
            Some("AADSTS50034")
        );
        assert_eq!(
            error_code("0x8009030e (SEC_E_NO_CREDENTIALS)").as_deref(),
            Some("0x8009030e")
        );
        assert_eq!(error_code("nothing"), None);
        assert_eq!(hex_code("800B0109").as_deref(), Some("0x800b0109"));
        assert_eq!(is_zero("80092013"), Some(false));
        assert_eq!(is_zero("0x0"), Some(true));
    }

    #[test]
    fn maps_take_numbers_in_any_spelling() {
        let mut maps = Maps::default();
        maps.insert("kdc", "0x18", "KDC_ERR_PREAUTH_FAILED");
        let reading = Reading::parse("kdc", &maps).unwrap_or(Reading::Plain);
        assert_eq!(
            reading.show("24".into(), &maps).as_deref(),
            Some("KDC_ERR_PREAUTH_FAILED")
        );
        assert_eq!(reading.show("99".into(), &maps).as_deref(), Some("99"));
        assert_eq!(
            reading.column_text("99".into(), &maps).as_deref(),
            Some("0x00000063")
        );
    }
}
