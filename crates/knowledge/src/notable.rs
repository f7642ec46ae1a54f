//! Which failures are worth a line although no rule knows them.

use casetrace_model::Text;

use crate::table::{self, TableError};

const COLUMNS: &str = "sort\tpattern\tnotable\twhy\tsource";

/// What a pattern is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trait {
    /// A normalised error code.
    Code,
    /// The provider of an event of level error or critical.
    Provider,
    /// The kind of a row that stands for a failure.
    RowKind,
}

impl Trait {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "code" => Some(Self::Code),
            "provider" => Some(Self::Provider),
            "kind" => Some(Self::RowKind),
            _ => None,
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    about: Trait,
    /// Without the `*`.
    begins: Text,
    open: bool,
    notable: bool,
}

impl Pattern {
    fn matches(&self, about: Trait, value: &str) -> bool {
        let head = value.get(..self.begins.len());
        self.about == about
            && head.is_some_and(|head| head.eq_ignore_ascii_case(&self.begins))
            && (self.open || value.len() == self.begins.len())
    }
}

/// Lines of an unknown sort are left out; a test reads the built-in table.
pub(crate) fn patterns<'a>(text: &'a str, own: fn(&'a str) -> Text) -> Result<Vec<Pattern>, TableError> {
    let rows = table::rows::<5>(text, COLUMNS)?;
    let pattern = |[sort, pattern, notable, _why, _source]: [&'a str; 5]| {
        Some(Pattern {
            about: Trait::parse(sort)?,
            begins: own(pattern.trim_end_matches('*')),
            open: pattern.ends_with('*'),
            notable: notable == "yes",
        })
    };
    Ok(rows.into_iter().filter_map(pattern).collect())
}

/// The word of the longest pattern that fits; `None` if none does.
pub(crate) fn find(all: &[Pattern], about: Trait, value: &str) -> Option<bool> {
    all.iter()
        .filter(|pattern| pattern.matches(about, value))
        .max_by_key(|pattern| (pattern.begins.len(), !pattern.open))
        .map(|pattern| pattern.notable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pattern_decides() {
        let table = format!(
            "{COLUMNS}\ncode\tAADSTS*\tyes\t\t\ncode\tAADSTS50058\tno\t\t\nkind\tcli.error\tyes\t\t\n"
        );
        let all = patterns(&table, Text::from).expect("a table");
        assert_eq!(find(&all, Trait::Code, "AADSTS50126"), Some(true));
        assert_eq!(find(&all, Trait::Code, "AADSTS50058"), Some(false));
        assert_eq!(find(&all, Trait::Code, "AADSTS500581"), Some(true));
        assert_eq!(find(&all, Trait::Code, "0x0"), None);
        assert_eq!(find(&all, Trait::RowKind, "AADSTS50126"), None);
        assert_eq!(find(&all, Trait::RowKind, "cli.error.x"), None);
    }

    #[test]
    fn the_built_in_table_has_no_line_of_an_unknown_sort() {
        let text = include_str!("../../../pipelines/knowledge/notable.tsv");
        let lines = table::rows::<5>(text, COLUMNS).expect("a table");
        assert_eq!(lines.len(), patterns(text, Text::from).expect("a table").len());
        assert!(
            lines
                .iter()
                .all(|[_, _, notable, ..]| matches!(*notable, "yes" | "no"))
        );
    }
}
