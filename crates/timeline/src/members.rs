//! Access to members of the JSON object in `fields`, for the rows that need it.

use std::borrow::Cow;
use std::fmt;

use casetrace_model::time::from_rfc3339;
use serde_json::Value;

/// How a member is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberType {
    /// As text: `f('x')`.
    Text,
    /// As a number: `n('x')`.
    Number,
    /// As nanoseconds since 1970: `t('x')`.
    Time,
}

/// One member a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// How it is read.
    pub ty: MemberType,
    /// Its name, or a dotted path into objects.
    pub name: String,
}

impl Member {
    /// Name of the frame column that stands for the member; no timeline column has a colon.
    pub fn column(&self) -> String {
        let prefix = match self.ty {
            MemberType::Text => "f:",
            MemberType::Number => "n:",
            MemberType::Time => "t:",
        };
        format!("{prefix}{}", self.name)
    }

    /// The reverse of [`Self::column`].
    pub fn from_column(column: &str) -> Option<Self> {
        let (prefix, name) = column.split_once(':')?;
        let ty = match prefix {
            "f" => MemberType::Text,
            "n" => MemberType::Number,
            "t" => MemberType::Time,
            _ => return None,
        };
        Some(Self {
            ty,
            name: name.to_owned(),
        })
    }
}

/// Reads the named members out of one `fields` object; what is missing or not an object gives `None`.
///
/// An exact member wins over a path; lists and objects come as JSON text.
pub fn read_members<S: AsRef<str>>(fields: &str, names: &[S]) -> Vec<Option<String>> {
    let mut found = vec![None; names.len()];
    find_members(fields, names, &mut found);
    found.into_iter().map(|hit| hit.map(|(_, text)| text)).collect()
}

/// A found member, and whether its name was met as a whole and not as a path.
pub(crate) type Found = Option<(bool, String)>;

/// The same into slots that the caller keeps and empties; true if there was any.
pub(crate) fn find_members<S: AsRef<str>>(fields: &str, names: &[S], found: &mut [Found]) -> bool {
    if fields.len() <= 2 || names.is_empty() {
        return false;
    }
    let mut any = false;
    let mut reader = serde_json::Deserializer::from_str(fields);
    let any_found = &mut any;
    let wanted = Wanted {
        names,
        found,
        any_found,
    };
    // Damaged JSON keeps what was read before the damage.
    let _ = serde::de::Deserializer::deserialize_map(&mut reader, wanted);
    any
}

/// A key, borrowed where it has no escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> serde::de::Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(text.to_owned())))
    }
}

struct Wanted<'a, S> {
    names: &'a [S],
    found: &'a mut [Found],
    any_found: &'a mut bool,
}

impl<'de, S: AsRef<str>> serde::de::Visitor<'de> for Wanted<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let concerns = |name: &S| path_below(name.as_ref(), &key).is_some();
            if !self.names.iter().any(concerns) {
                map.next_value::<serde::de::IgnoredAny>()?;
                continue;
            }
            let value: Value = map.next_value()?;
            for (name, slot) in self.names.iter().zip(self.found.iter_mut()) {
                let Some(path) = path_below(name.as_ref(), &key) else {
                    continue;
                };
                let exact = path.is_empty();
                if (exact || slot.as_ref().is_none_or(|(was_exact, _)| !was_exact))
                    && let Some(text) = walk(&value, path).and_then(text_of)
                {
                    *slot = Some((exact, text));
                    *self.any_found = true;
                }
            }
        }
        Ok(())
    }
}

/// What of `name` lies below `key`: `""` if they are equal.
fn path_below<'a>(name: &'a str, key: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(key)?;
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix('.')
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

/// A number in decimal or `0x` notation.
pub fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok().map(|v| v as f64);
    }
    text.parse().ok().filter(|v: &f64| v.is_finite())
}

/// A time: RFC 3339, or `2026-03-02 01:16:11.123 UTC` as dsregcmd prints it.
pub fn time(text: &str) -> Option<i64> {
    let text = text.trim();
    from_rfc3339(text).or_else(|| {
        let bare = text.strip_suffix("UTC")?.trim_end();
        from_rfc3339(&format!("{}Z", bare.replacen(' ', "T", 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_name_and_path() {
        let fields = r#"{"a.b":"exact","a":{"b":"path","c":{"d":5}},"list":["x","y"],"no":null,"t":true}"#;
        let got = read_members(fields, &["a.b", "a.c.d", "list", "no", "t", "missing", "a.c"]);
        let got: Vec<Option<&str>> = got.iter().map(Option::as_deref).collect();
        assert_eq!(
            got,
            [
                Some("exact"),
                Some("5"),
                Some(r#"["x","y"]"#),
                None,
                Some("true"),
                None,
                Some(r#"{"d":5}"#)
            ]
        );
    }

    #[test]
    fn damage_keeps_what_came_before() {
        assert_eq!(
            read_members(r#"{"a":"1","b":tru"#, &["a", "b"]),
            [Some("1".to_owned()), None]
        );
        assert_eq!(read_members("[1,2]", &["a"]), [None]);
    }

    #[test]
    fn numbers_and_times_are_read_as_printed() {
        assert_eq!(number(" -12.5 "), Some(-12.5));
        assert_eq!(number("0x10"), Some(16.0));
        assert_eq!(number("NaN"), None);
        assert_eq!(time("1970-01-01 00:00:01.500 UTC"), Some(1_500_000_000));
        assert_eq!(time("yesterday"), None);
    }
}
