//! Finds some members in many JSON objects, most of which have the same members in the same order.
//!
//! A parser that makes values of everything spends its time on what nobody asked for. Here the text is walked once, values
//! nobody asked for are stepped over, and texts and whole numbers are taken as they stand; everything else that is
//! asked for goes through serde_json. What an object's keys concern is kept by their place for the next object.
//!
//! Damaged JSON gives what was read before the damage. Damage inside of a value that nobody asked for is not looked for.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;
use serde_json::Value;

/// Looks for members by name or dotted path.
#[derive(Debug)]
pub(crate) struct Finder<'n> {
    names: Vec<&'n str>,
    /// By place in the object.
    keys: Vec<Key>,
    found: Vec<Found>,
}

/// A key that was met, and the names that it begins: their numbers, and where their paths go on.
#[derive(Debug, Default)]
struct Key {
    text: String,
    begins: Vec<(usize, usize)>,
}

/// What was found for a name.
#[derive(Debug, Clone, Default)]
struct Found {
    /// The name is that of a member, not a path.
    exact: bool,
    value: Option<Place>,
}

#[derive(Debug, Clone)]
enum Place {
    /// In the object's text.
    There(Range<usize>),
    Here(String),
}

impl<'n> Finder<'n> {
    pub(crate) fn new(names: Vec<&'n str>) -> Self {
        Self {
            found: vec![Found::default(); names.len()],
            names,
            keys: Vec::new(),
        }
    }

    /// Looks through an object for the names that `wanted` lets through by their numbers.
    pub(crate) fn find(&mut self, object: &str, wanted: impl Fn(usize) -> bool) {
        self.found.fill_with(Found::default);
        if object.len() <= 2 || self.names.is_empty() {
            return;
        }
        let Some(mut cursor) = Cursor::open(object) else {
            return;
        };
        let mut place = 0;
        while let Some(raw) = cursor.key() {
            let Some(key) = unescaped(raw) else { return };
            self.note(place, &key);
            let begins = self.keys.get(place).map_or(&[][..], |key| &key.begins);
            place += 1;
            let Some(value) = cursor.value() else { return };
            if begins.iter().any(|(name, _)| wanted(*name))
                && take(&self.names, begins, &mut self.found, object, value, &wanted).is_none()
            {
                return;
            }
            if !cursor.next_member() {
                return;
            }
        }
    }

    /// What was found last in `object` for a name by its number.
    pub(crate) fn value<'a>(&'a self, object: &'a str, name: usize) -> Option<&'a str> {
        match self.found.get(name)?.value.as_ref()? {
            Place::There(range) => object.get(range.clone()),
            Place::Here(text) => Some(text),
        }
    }

    /// Makes the key known at its place in the object.
    fn note(&mut self, place: usize, text: &str) {
        if self.keys.get(place).is_some_and(|key| key.text == text) {
            return;
        }
        let begins = self.names.iter().enumerate();
        let begins = begins.filter_map(|(number, name)| Some((number, path_below(name, text)?)));
        let key = Key {
            text: text.to_owned(),
            begins: begins.collect(),
        };
        match self.keys.get_mut(place) {
            Some(slot) => *slot = key,
            None => self.keys.push(key),
        }
    }
}

/// Takes a value for the names that its key begins; `None` if it is no JSON.
fn take(
    names: &[&str],
    begins: &[(usize, usize)],
    found: &mut [Found],
    object: &str,
    value: Range<usize>,
    wanted: &impl Fn(usize) -> bool,
) -> Option<()> {
    let raw = object.get(value.clone())?;
    let plain = plain_text(raw, &value);
    let mut parsed: Option<Value> = None;
    for (name, path) in begins.iter().filter(|(name, _)| wanted(*name)) {
        let path = names.get(*name)?.get(*path..)?;
        let exact = path.is_empty();
        let slot = found.get_mut(*name)?;
        if !exact && slot.exact {
            continue;
        }
        let text = match &plain {
            Some(place) if exact => Some(place.clone()),
            // Nothing lies below a text or a number.
            Some(_) => None,
            None => {
                if parsed.is_none() {
                    parsed = Some(serde_json::from_str(raw).ok()?);
                }
                walk(parsed.as_ref()?, path).and_then(text_of).map(Place::Here)
            }
        };
        if text.is_some() {
            *slot = Found { exact, value: text };
        }
    }
    Some(())
}

/// Where the text of a value lies that can be taken as it stands.
fn plain_text(raw: &str, at: &Range<usize>) -> Option<Place> {
    let bytes = raw.as_bytes();
    match bytes {
        [b'"', inner @ .., b'"'] => (!inner.iter().any(|b| *b == b'\\' || *b < 0x20))
            .then_some(Place::There(at.start + 1..at.end.saturating_sub(1))),
        b"true" | b"false" | b"0" => Some(Place::There(at.clone())),
        [b'1'..=b'9', rest @ ..] | [b'-', b'1'..=b'9', rest @ ..] => {
            // Longer ones may be beyond 64 bits.
            (rest.len() < 18 && rest.iter().all(u8::is_ascii_digit)).then_some(Place::There(at.clone()))
        }
        _ => None,
    }
}

/// Where in `name` the path below `key` begins; at its end if they are equal.
fn path_below(name: &str, key: &str) -> Option<usize> {
    let rest = name.strip_prefix(key)?;
    match rest.as_bytes().first() {
        None => Some(name.len()),
        Some(b'.') => Some(key.len() + 1),
        Some(_) => None,
    }
}

fn walk<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    let object = value.as_object()?;
    if let Some(exact) = object.get(path) {
        return Some(exact);
    }
    let (head, tail) = path.split_once('.')?;
    walk(object.get(head)?, tail)
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A key's text, given with its quotes.
fn unescaped(raw: &str) -> Option<Cow<'_, str>> {
    if raw.contains('\\') {
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    raw.get(1..raw.len().checked_sub(1)?).map(Cow::Borrowed)
}

/// Walks along the members of an object.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Behind the opening brace.
    fn open(text: &'a str) -> Option<Self> {
        let mut cursor = Self { text, at: 0 };
        (cursor.peek()? == b'{').then_some(())?;
        cursor.at += 1;
        Some(cursor)
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// The next key with its quotes; the colon behind it is passed.
    fn key(&mut self) -> Option<&'a str> {
        (self.peek()? == b'"').then_some(())?;
        let start = self.at;
        self.string()?;
        let key = self.text.get(start..self.at)?;
        (self.peek()? == b':').then_some(())?;
        self.at += 1;
        Some(key)
    }

    /// Steps over a string, beginning at its quote.
    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            self.at += memchr2(b'"', b'\\', rest)? + 1;
            if self.text.as_bytes().get(self.at - 1) == Some(&b'"') {
                return Some(());
            }
            self.at += 1;
        }
    }

    /// Where the next value lies.
    fn value(&mut self) -> Option<Range<usize>> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => self.string()?,
            b'{' | b'[' => self.nested()?,
            _ => {
                let rest = self.text.as_bytes().get(start..)?;
                let ends = |b: &u8| matches!(b, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
            }
        }
        (self.at > start).then_some(start..self.at)
    }

    /// Steps over a list or an object.
    fn nested(&mut self) -> Option<()> {
        let mut depth = 0u32;
        loop {
            match self.text.as_bytes().get(self.at)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// Goes on behind the comma, if there is one.
    fn next_member(&mut self) -> bool {
        let more = self.peek() == Some(b',');
        self.at += 1;
        more
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::members::read_members;
    use proptest::prelude::*;

    const NAMES: [&str; 9] = ["a", "b", "a.b", "a.b.c", "b.a", "é\"", "", "c", "a.c"];

    /// The same by a parser of the whole object.
    fn parsed(members: &[(String, Value)], name: &str) -> Option<String> {
        let mut found: Option<(bool, String)> = None;
        for (key, value) in members {
            let Some(below) = path_below(name, key) else {
                continue;
            };
            // As a parser reads it back; the last digit of a fraction may differ.
            let value: &Value = &serde_json::from_str(&value.to_string()).unwrap();
            let exact = below == name.len();
            let text = walk(value, name.get(below..).unwrap()).and_then(text_of);
            if let (Some(text), true) = (text, exact || found.as_ref().is_none_or(|(was, _)| !was)) {
                found = Some((exact, text));
            }
        }
        found.map(|(_, text)| text)
    }

    fn key() -> impl Strategy<Value = String> {
        prop_oneof![
            proptest::sample::select(vec!["a", "b", "c", "a.b", "é\"", "", "x\\y"])
                .prop_map(ToOwned::to_owned),
            "\\PC{0,4}",
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (-30i64..30).prop_map(Value::from),
            "[a-z\"\\\\{}\\[\\],:é\n\u{1}]{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key(), inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// Repeated names included, as other programs' files may have them.
    fn object() -> impl Strategy<Value = Vec<(String, Value)>> {
        prop::collection::vec((key(), value()), 0..6)
    }

    fn written(members: &[(String, Value)], blank: &str) -> String {
        let member = |(key, value): &(String, Value)| {
            format!(
                "{blank}{}{blank}:{blank}{value}{blank}",
                serde_json::to_string(key).unwrap()
            )
        };
        format!(
            "{blank}{{{}}}",
            members.iter().map(member).collect::<Vec<_>>().join(",")
        )
    }

    proptest! {
        #[test]
        fn finds_what_a_parser_finds(objects in prop::collection::vec(object(), 1..4), blank in "[ \n\t]{0,1}") {
            // One finder for all, which remembers keys by their places.
            let mut finder = Finder::new(NAMES.to_vec());
            for members in &objects {
                let text = written(members, &blank);
                finder.find(&text, |_| true);
                for (number, name) in NAMES.iter().enumerate() {
                    let expected = parsed(members, name);
                    prop_assert_eq!(finder.value(&text, number), expected.as_deref(), "{} in {}", name, text);
                }
            }
        }

        #[test]
        fn a_cut_object_gives_what_is_in_front(members in object(), cut in any::<prop::sample::Index>()) {
            let text = written(&members, "");
            let cut = text.char_indices().nth(cut.index(text.chars().count())).unwrap().0;
            // How many members end in front of the cut.
            let whole = (0..=members.len()).rev().find(|n| {
                let ends = written(&members[..*n], "").len() - 1;
                *n == 0 || ends <= cut
            }).unwrap();
            let got = read_members(&text[..cut], &NAMES);
            for (name, got) in NAMES.iter().zip(got) {
                let expected = parsed(&members[..whole], name);
                // A number may be cut to a shorter one.
                let more = members.get(whole).is_some_and(|(key, value)| value.is_number() && path_below(name, key).is_some());
                prop_assert!(got == expected || more, "{name} in {}: {got:?}, not {expected:?}", &text[..cut]);
            }
        }

        #[test]
        fn any_text_is_survived(text in "[\\{\\}\\[\\]\",:\\\\a-c0-9. é-]{0,40}") {
            read_members(&text, &NAMES);
        }
    }

    #[test]
    fn only_what_is_wanted_is_taken() {
        let object = r#"{"a":1,"b":"x"}"#;
        let mut finder = Finder::new(vec!["a", "b"]);
        finder.find(object, |name| name == 1);
        assert_eq!(
            (finder.value(object, 0), finder.value(object, 1)),
            (None, Some("x"))
        );
        finder.find("{}", |_| true);
        assert_eq!(finder.value("{}", 1), None);
    }
}
