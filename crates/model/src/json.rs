//! Builds the `fields` column: a flat or nested JSON object, written straight into one string.

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
        Self {
            out: String::from("{"),
        }
    }

    /// An empty object with room for `bytes` of text.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut out = String::with_capacity(bytes + 2);
        out.push('{');
        Self { out }
    }

    /// True while no member was added.
    pub fn is_empty(&self) -> bool {
        self.out.len() == 1
    }

    fn key(&mut self, name: &str) {
        if !self.is_empty() {
            self.out.push(',');
        }
        escape_into(&mut self.out, name);
        self.out.push(':');
    }

    /// Adds a text member.
    #[must_use]
    pub fn str(mut self, name: &str, value: &str) -> Self {
        self.push_str(name, value);
        self
    }

    /// Adds a text member if there is a value.
    #[must_use]
    pub fn opt_str(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.str(name, value),
            None => self,
        }
    }

    /// Adds a number.
    #[must_use]
    pub fn num(mut self, name: &str, value: impl Into<i128>) -> Self {
        self.push_num(name, value);
        self
    }

    /// Adds a boolean.
    #[must_use]
    pub fn bool(mut self, name: &str, value: bool) -> Self {
        self.push_raw(name, if value { "true" } else { "false" });
        self
    }

    /// Adds a text member in place.
    pub fn push_str(&mut self, name: &str, value: &str) {
        self.key(name);
        escape_into(&mut self.out, value);
    }

    /// Adds a number in place.
    pub fn push_num(&mut self, name: &str, value: impl Into<i128>) {
        use std::fmt::Write;
        self.key(name);
        let value = value.into();
        // Writing to a String can't fail. Nearly every number fits 64 bits, which print several times faster.
        let _ = match i64::try_from(value) {
            Ok(small) => write!(self.out, "{small}"),
            Err(_) => write!(self.out, "{value}"),
        };
    }

    /// Adds a member whose value is already valid JSON.
    pub fn push_raw(&mut self, name: &str, json: &str) {
        self.key(name);
        self.out.push_str(json);
    }

    /// Adds a list of texts.
    pub fn push_list<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a str>) {
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

/// Appends `text` as a JSON string, quotes included.
fn escape_into(out: &mut String, text: &str) {
    use std::fmt::Write;
    out.reserve(text.len() + 2);
    out.push('"');
    // Most texts need nothing; a pass without early end is several bytes at a time.
    let special = text.bytes().fold(0_u8, |found, byte| {
        found
            | u8::from(byte < 0x20)
            | u8::from(byte == b'"')
            | u8::from(byte == b'\\')
            | u8::from(byte == 0x7f)
    });
    if special == 0 {
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
        let value: serde_json::Value = serde_json::from_str(&object.finish()).unwrap();
        assert_eq!(value["a\"b"], "x\u{1}\n\\\u{7f}é");
        assert_eq!(value["n"], -5);
        assert_eq!(value["l"][1], "\t");
        assert_eq!(JsonObject::new().finish(), "{}");
    }
}
