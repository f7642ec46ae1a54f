//! Builds the `fields` column: a flat or nested JSON object, written straight into one string.

/// A member's name as JSON text, made once for all objects that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonKey {
    /// A comma, the quoted name, a colon, and the quote in front of a text.
    text: Box<str>,
}

impl JsonKey {
    /// The key of members called `name`.
    pub fn new(name: &str) -> Self {
        let mut text = String::with_capacity(name.len() + 5);
        text.push(',');
        escape_into(&mut text, name);
        text.push_str(":\"");
        Self { text: text.into() }
    }

    /// Bytes that the key takes in an object.
    pub fn size(&self) -> usize {
        self.text.len()
    }
}

/// A member's name as it stands in a program's text, made ready by the compiler; [`member!`](crate::member) makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// A comma, the quoted name and a colon.
    text: &'static str,
}

impl Member {
    /// Takes `,"name":`; the compiler refuses names that need escaping.
    pub const fn new(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        assert!(bytes.len() > 4, "a comma, a quoted name and a colon");
        let mut at = 2;
        while at < bytes.len() - 2 {
            assert!(!SPECIAL[bytes[at] as usize], "a name that needs no escaping");
            at += 1;
        }
        Self { text }
    }
}

/// The name of a JSON member, given as a literal: `member!("answer_ms")`.
///
/// ```
/// use casetrace_model::{JsonObject, member};
///
/// let object = JsonObject::new().num(member!("a"), 1).str("b", "c");
/// assert_eq!(object.finish(), r#"{"a":1,"b":"c"}"#);
/// ```
#[macro_export]
macro_rules! member {
    ($name:literal) => {
        const { $crate::Member::new(concat!(",\"", $name, "\":")) }
    };
}

/// What can name a member: any text, or a [`Member`], which costs less.
pub trait MemberName {
    /// Appends the name and a colon, with a comma in front unless it is the first.
    #[doc(hidden)]
    fn push_to(self, out: &mut String, first: bool);
}

impl MemberName for Member {
    #[inline]
    fn push_to(self, out: &mut String, first: bool) {
        out.push_str(if first { &self.text[1..] } else { self.text });
    }
}

impl<T: AsRef<str> + ?Sized> MemberName for &T {
    fn push_to(self, out: &mut String, first: bool) {
        push_name(out, self.as_ref(), first);
    }
}

fn push_name(out: &mut String, name: &str, first: bool) {
    // Room for the punctuation and a short value too.
    out.reserve(name.len() + 32);
    if has_special(name.as_bytes()) {
        out.push_str(if first { "" } else { "," });
        escape_into(out, name);
        out.push(':');
    } else {
        // Single characters are stored in place, where a text of two lengths is copied by a call.
        if !first {
            out.push(',');
        }
        out.push('"');
        out.push_str(name);
        out.push_str("\":");
    }
}

/// Appends members in call order; [`finish`](Self::finish) closes the object.
///
/// Callers keep names unique; the writer does not check (a decoder that can meet repeated names numbers them).
#[derive(Debug, Clone)]
pub struct JsonObject {
    out: String,
}

impl Default for JsonObject {
    fn default() -> Self {
        Self::new()
    }
}

impl JsonObject {
    /// An empty object.
    pub fn new() -> Self {
        // Most objects have a handful of short members; growing from nothing would move them five times.
        Self::with_capacity(126)
    }

    /// An empty object with room for `bytes` of text.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut out = String::with_capacity(bytes + 2);
        out.push('{');
        Self { out }
    }

    /// An empty object in the memory of a text that is not needed any more, with room for `bytes` of text.
    pub fn within(mut text: String, bytes: usize) -> Self {
        text.clear();
        text.reserve(bytes + 2);
        text.push('{');
        Self { out: text }
    }

    /// Adds all members of another object.
    pub fn append(&mut self, other: &Self) {
        // Without its opening brace.
        let members = other.out.get(1..).unwrap_or_default();
        if !members.is_empty() {
            self.out.push_str(if self.is_empty() { "" } else { "," });
            self.out.push_str(members);
        }
    }

    /// Goes on with a finished object; anything else is thrown away.
    pub fn reopen(mut json: String) -> Self {
        if json.len() > 2 && json.ends_with('}') {
            json.pop();
        } else {
            json.clear();
            json.push('{');
        }
        Self { out: json }
    }

    /// True while no member was added.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // No value ends with the brace that opens an object.
        self.out.as_bytes().last() == Some(&b'{')
    }

    /// Bytes of text so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    #[inline]
    fn key(&mut self, name: impl MemberName) {
        let first = self.is_empty();
        name.push_to(&mut self.out, first);
    }

    /// Adds a text member.
    #[must_use]
    pub fn str(mut self, name: impl MemberName, value: &str) -> Self {
        self.push_str(name, value);
        self
    }

    /// Adds a text member if there is a value.
    #[must_use]
    pub fn opt_str(self, name: impl MemberName, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.str(name, value),
            None => self,
        }
    }

    /// Adds a number.
    #[must_use]
    pub fn num(mut self, name: impl MemberName, value: impl Into<i128>) -> Self {
        self.push_num(name, value);
        self
    }

    /// Adds a boolean.
    #[must_use]
    pub fn bool(mut self, name: impl MemberName, value: bool) -> Self {
        self.push_raw(name, if value { "true" } else { "false" });
        self
    }

    /// Adds a text member in place.
    pub fn push_str(&mut self, name: impl MemberName, value: &str) {
        self.key(name);
        escape_into(&mut self.out, value);
    }

    /// Adds a text member under a prepared key.
    pub fn push_str_at(&mut self, key: &JsonKey, value: &str) {
        if !self.push_plain_text_at(key, value) {
            self.key_at(key);
            escape_into(&mut self.out, value);
        }
    }

    /// Adds a text member under a prepared key if nothing in it needs escaping; false if something does.
    #[must_use]
    pub fn push_plain_text_at(&mut self, key: &JsonKey, value: &str) -> bool {
        let plain = !has_special(value.as_bytes());
        if plain {
            self.push_plain_at(key, value);
        }
        plain
    }

    /// Adds a text member under a prepared key; the caller vouches for a value of digits, letters and such, in which
    /// nothing needs escaping.
    pub fn push_plain_at(&mut self, key: &JsonKey, value: &str) {
        self.out.reserve(key.text.len() + value.len() + 1);
        self.out.push_str(self.leading(key));
        self.out.push_str(value);
        self.out.push('"');
    }

    /// Adds a member whose value is valid JSON under a prepared key.
    pub fn push_raw_at(&mut self, key: &JsonKey, json: &str) {
        self.key_at(key);
        self.out.push_str(json);
    }

    fn key_at(&mut self, key: &JsonKey) {
        let text = self.leading(key);
        self.out.push_str(text.get(..text.len() - 1).unwrap_or_default());
    }

    /// The key's text, without its comma if it is the first one.
    fn leading<'k>(&self, key: &'k JsonKey) -> &'k str {
        match self.is_empty() {
            true => key.text.get(1..).unwrap_or_default(),
            false => &key.text,
        }
    }

    /// Adds a number in place.
    pub fn push_num(&mut self, name: impl MemberName, value: impl Into<i128>) {
        self.key(name);
        push_number(&mut self.out, value.into());
    }

    /// Adds a member whose value is already valid JSON.
    pub fn push_raw(&mut self, name: impl MemberName, json: &str) {
        self.key(name);
        self.out.push_str(json);
    }

    /// Adds an object whose members `fill` adds.
    pub fn push_object(&mut self, name: impl MemberName, fill: impl FnOnce(&mut Self)) {
        self.key(name);
        self.out.push('{');
        fill(self);
        self.out.push('}');
    }

    /// Adds a list of numbers.
    pub fn push_numbers(&mut self, name: impl MemberName, values: &[u16]) {
        self.key(name);
        self.out.reserve(values.len() * 6 + 2);
        self.out.push('[');
        let mut digits = itoa::Buffer::new();
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            self.out.push_str(digits.format(*value));
        }
        self.out.push(']');
    }

    /// Adds a list of texts.
    pub fn push_list<'a>(&mut self, name: impl MemberName, values: impl IntoIterator<Item = &'a str>) {
        self.key(name);
        self.out.push('[');
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            escape_into(&mut self.out, value);
        }
        self.out.push(']');
    }

    /// Adds a list of texts that `write` puts together, one after the other in the same memory.
    pub fn push_list_of<T>(
        &mut self,
        name: impl MemberName,
        values: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut String, T),
    ) {
        self.key(name);
        self.out.push('[');
        let mut text = String::new();
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            text.clear();
            write(&mut text, value);
            escape_into(&mut self.out, &text);
        }
        self.out.push(']');
    }

    /// The finished object.
    pub fn finish(mut self) -> String {
        self.out.push('}');
        self.out
    }
}

/// Bytes that cannot stand in a JSON string as they are.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        special[byte] = true;
        byte += 1;
    }
    special[b'"' as usize] = true;
    special[b'\\' as usize] = true;
    special[0x7f] = true;
    special
};

/// True if a byte can't stand in a JSON string; looks at many bytes at a time, because most texts need nothing.
fn has_special(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<16>() {
        // The last sixteen bytes are looked at whole, even if some of them were before.
        let chunks = bytes.as_chunks::<16>().0;
        return chunks.iter().any(special_among) || special_among(last);
    }
    match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => special_in(*first) | special_in(*last) != 0,
        _ => has_special_short(bytes),
    }
}

/// True if one of sixteen bytes can't stand in a JSON string; a few vector instructions.
fn special_among(bytes: &[u8; 16]) -> bool {
    let special = |b: u8| (b < 0x20) | (b == b'"') | (b == b'\\') | (b == 0x7f);
    bytes.iter().fold(false, |found, b| found | special(*b))
}

/// The same for less than eight bytes: two looks at four, which may overlap, do.
fn has_special_short(bytes: &[u8]) -> bool {
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some([a, b, c, d]), Some([e, f, g, h])) => special_in([*a, *b, *c, *d, *e, *f, *g, *h]) != 0,
        _ => bytes.iter().any(|byte| SPECIAL[usize::from(*byte)]),
    }
}

/// Not 0 if one of eight bytes can't stand in a JSON string.
fn special_in(word: [u8; 8]) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The top bit of every byte that is zero: exact, because no sum carries into the next byte.
    let zero = |word: u64| !(((word & LOW) + LOW) | word) & !LOW;
    let word = u64::from_ne_bytes(word);
    let control = !(((word & LOW) + 0x60 * ONES) | word) & !LOW;
    let quote = zero(word ^ (u64::from(b'"') * ONES));
    let backslash = zero(word ^ (u64::from(b'\\') * ONES));
    control | quote | backslash | zero(word ^ LOW)
}

/// Decimal digits, without the formatting machinery for what fits 64 bits.
fn push_number(out: &mut String, value: i128) {
    use std::fmt::Write;
    let mut digits = itoa::Buffer::new();
    if let Ok(value) = u64::try_from(value) {
        out.push_str(digits.format(value));
    } else if let Ok(value) = i64::try_from(value) {
        out.push_str(digits.format(value));
    } else {
        // Writing to a String can't fail.
        let _ = write!(out, "{value}");
    }
}

/// Appends `text` as a JSON string, quotes included.
fn escape_into(out: &mut String, text: &str) {
    use std::fmt::Write;
    out.reserve(text.len() + 2);
    out.push('"');
    if !has_special(text.as_bytes()) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut rest = text;
    // All special bytes are ASCII, so the text can be cut before and after them.
    while let Some(at) = rest.bytes().position(|byte| SPECIAL[usize::from(byte)]) {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let (special, tail) = tail.split_at(1);
        match special {
            "\"" => out.push_str("\\\""),
            "\\" => out.push_str("\\\\"),
            "\n" => out.push_str("\\n"),
            "\r" => out.push_str("\\r"),
            "\t" => out.push_str("\\t"),
            _ => special.bytes().for_each(|byte| {
                // Writing to a String can't fail.
                let _ = write!(out, "\\u{byte:04x}");
            }),
        }
        rest = tail;
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn output_is_json_whatever_the_text() {
        let mut object = JsonObject::new()
            .str("a\"b", "x\u{1}\n\\\u{7f}é")
            .num("n", -5_i64)
            .bool("t", true);
        object.push_list("l", ["1", "\t"]);
        object.push_numbers("w", &[0, 65_535]);
        object.push_list_of("p", ["a", "\""], |text, value| text.push_str(value));
        object.push_object("o", |inner| inner.push_str("{", "{"));
        object.push_object("empty", |_| {});
        object.push_num("last", 1);
        let value: serde_json::Value = serde_json::from_str(&object.finish()).unwrap();
        assert_eq!(value["a\"b"], "x\u{1}\n\\\u{7f}é");
        assert_eq!(value["n"], -5);
        assert_eq!(value["l"][1], "\t");
        assert_eq!(value["w"], serde_json::json!([0, 65_535]));
        assert_eq!(value["p"], serde_json::json!(["a", "\""]));
        assert_eq!(value["o"]["{"], "{");
        assert_eq!(
            (&value["empty"], &value["last"]),
            (&serde_json::json!({}), &1.into())
        );
        assert_eq!(JsonObject::new().finish(), "{}");
        let mut joined = JsonObject::new();
        for part in [
            JsonObject::new(),
            JsonObject::new().num("n", 1),
            JsonObject::new().num("m", 2),
        ] {
            joined.append(&part);
        }
        assert_eq!(joined.finish(), r#"{"n":1,"m":2}"#);
    }

    #[test]
    fn every_character_is_found_wherever_it_stands() {
        for byte in 0..0x80_u8 {
            for at in 0..20 {
                let mut text = [b'x'; 20];
                text[at] = byte;
                assert_eq!(
                    has_special(&text),
                    SPECIAL[usize::from(byte)],
                    "{byte:#x} at {at}"
                );
            }
        }
        for len in 0..8 {
            for at in 0..len {
                let mut text = [b'x'; 8];
                text[at] = b'"';
                assert!(has_special(&text[..len]), "{at} of {len}");
            }
            assert!(!has_special(&b"xxxxxxxx"[..len]));
        }
        assert!(!has_special("für \u{1f600} ÿ äöü".as_bytes()));
    }

    #[test]
    fn numbers_print_like_the_standard_library() {
        let edges = [
            0,
            9,
            10,
            -1,
            i64::MAX.into(),
            i64::MIN.into(),
            u64::MAX.into(),
            i128::MIN,
            i128::MAX,
        ];
        for number in edges {
            let mut out = String::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string());
        }
    }
}
