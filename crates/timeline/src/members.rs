//! Access to members of the JSON object in `fields`, for the rows that need it.

mod find;

use casetrace_model::time::from_rfc3339;

pub(crate) use find::Finder;

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
    let mut finder = Finder::new(names.iter().map(S::as_ref).collect());
    finder.find(fields, |_| true);
    let value = |name| finder.value(fields, name).map(ToOwned::to_owned);
    (0..names.len()).map(value).collect()
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
