//! Which labels dsregcmd prints and where they belong, from `pipelines/text/dsregcmd.tsv`.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::table::{key, rows};

static TABLE: &str = include_str!("../../../../../pipelines/text/dsregcmd.tsv");

/// What the table says about a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The spelling rows use.
    pub(super) name: &'static str,
    /// Its section.
    pub(super) section: &'static str,
    /// What it is promoted to.
    pub(super) role: &'static str,
}

/// Two labels may differ in blanks only ("Server ErrorCode" of a registration, "Server Error Code" of a PRT).
static KNOWN: LazyLock<HashMap<String, Vec<Known>>> = LazyLock::new(|| {
    let mut known: HashMap<String, Vec<Known>> = HashMap::new();
    for [name, section, role, older] in rows::<4>(TABLE) {
        let entry = Known { name, section, role };
        known.entry(key(name)).or_default().push(entry);
        if !older.is_empty() {
            known.entry(key(older)).or_default().push(entry);
        }
    }
    known
});

/// The table's entry for a printed label; of several, the one spelled like it.
fn find(printed: &str) -> Option<Known> {
    let entries = KNOWN.get(&key(printed))?;
    entries
        .iter()
        .find(|known| known.name.eq_ignore_ascii_case(printed))
        .or(entries.first())
        .copied()
}

/// One `label : value` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label<'a> {
    pub(super) printed: &'a str,
    pub(super) known: Option<Known>,
    pub(super) value: &'a str,
}

/// Splits a line at its first colon.
fn split(text: &str) -> Option<(&str, &str)> {
    let (label, value) = text.split_once(':')?;
    let label = label.trim();
    (!label.is_empty() && label.len() <= 40).then_some((label, value.trim()))
}

/// A line with a label from the table.
pub(super) fn field(text: &str) -> Option<Label<'_>> {
    let (printed, value) = split(text)?;
    let known = find(printed)?;
    Some(Label {
        printed,
        known: Some(known),
        value,
    })
}

/// A right-aligned `label : value` line whose label is new to the table.
pub(super) fn unknown_field(text: &str) -> Option<Label<'_>> {
    let (printed, value) = split(text)?;
    let words = printed.split_whitespace().count();
    let plain = printed
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '(' | ')' | '.' | '/'));
    (text.starts_with(' ') && plain && words <= 5).then_some(Label {
        printed,
        known: None,
        value,
    })
}

/// The canonical name of a section title.
pub(super) fn section_name(title: &str) -> &'static str {
    let title = key(title);
    if title == "previousregistration" {
        return "Diagnostic Data";
    }
    TITLES
        .iter()
        .find(|name| title.starts_with(&key(name)))
        .copied()
        .unwrap_or("")
}

const TITLES: [&str; 12] = [
    "Device State",
    "Device Details",
    "Tenant Details",
    "User State",
    "SSO State",
    "Work Account",
    "Diagnostic Data",
    "IE Proxy Config for System Account",
    "IE Proxy Config for Current User",
    "URL Specific Proxy Config",
    "WinHttp Default Proxy Config",
    "Ngc Prerequisite Check",
];

/// True for a title of dsregcmd's.
pub(super) fn is_title(title: &str) -> bool {
    !section_name(title).is_empty()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn labels_are_found_in_every_dress() {
        let label = field("   dmComplianceUrl: https://x/?a=b").unwrap();
        assert_eq!(
            (label.known.unwrap().name, label.value),
            ("MdmComplianceUrl", "https://x/?a=b")
        );
        let label = field("     KeySignTest: : MUST Run elevated to test.").unwrap();
        assert_eq!(label.value, ": MUST Run elevated to test.");
        assert_eq!(
            field("Token Acquisition Test : PASS")
                .unwrap()
                .known
                .unwrap()
                .name,
            "Token acquisition Test"
        );
        assert!(field("sing WPAD. code: 0x80072f94").is_none());
        assert!(unknown_field("     NewField24H2 : YES").is_some());
        assert!(unknown_field("Foo::Bar: x").is_none());
        assert_eq!(section_name("Diagnostic Data "), "Diagnostic Data");
        assert_eq!(section_name("Work Account 2"), "Work Account");
    }
}
