//! Reads the tab-separated knowledge tables.
//!
//! Lines starting with `#` are comments; the first other line names the columns and is checked, so that a table
//! cannot silently shift. Values never contain tabs or line breaks.

use casetrace_model::{Text, code};
use thiserror::Error;

use crate::Phrase;

const COLUMNS: &str = "namespace\tcode\tsymbol\tmeaning_en\tmeaning_ja\tphase\tcauses_en\tcauses_ja\taction_en\taction_ja\tsource";

/// One row of a code or event table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Name space, or the provider of an event.
    pub namespace: Text,
    /// Code as written in the table.
    pub code: Text,
    /// Symbolic name; may be empty.
    pub symbol: Text,
    /// Meaning.
    pub meaning: Phrase,
    /// Phase or family.
    pub phase: Text,
    /// Likely causes.
    pub causes: Phrase,
    /// What to do.
    pub action: Phrase,
    /// Where the fact comes from.
    pub source: Text,
    /// True for rows of an event table.
    pub is_event: bool,
    /// The code as a number, if it is one.
    pub value: Option<u32>,
}

/// Why a table was refused.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// The header line does not name the expected columns.
    #[error("line {line}: the header must name the columns {expected}")]
    Header {
        /// 1-based line.
        line: usize,
        /// Expected columns, comma separated.
        expected: String,
    },
    /// A row has too few or too many cells.
    #[error("line {line}: {found} cells, {expected} needed")]
    Cells {
        /// 1-based line.
        line: usize,
        /// Cells in the row.
        found: usize,
        /// Cells that the header names.
        expected: usize,
    },
}

/// Rows of a table with the given header, each as its cells; comments and blank lines are left out.
pub(crate) fn rows<'a, const N: usize>(
    text: &'a str,
    columns: &str,
) -> Result<Vec<[&'a str; N]>, TableError> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    match lines.next() {
        Some((_, header)) if header == columns => {}
        other => {
            return Err(TableError::Header {
                line: other.map_or(1, |(line, _)| line),
                expected: columns.replace('\t', ", "),
            });
        }
    }
    lines.map(|(line, row)| cells(line, row)).collect()
}

fn cells<const N: usize>(line: usize, row: &str) -> Result<[&str; N], TableError> {
    let found: Vec<&str> = row.split('\t').collect();
    let count = found.len();
    found.try_into().map_err(|_| TableError::Cells {
        line,
        found: count,
        expected: N,
    })
}

/// Reads a code table (`is_event` false) or an event table.
pub(crate) fn facts<'a>(
    text: &'a str,
    is_event: bool,
    own: fn(&'a str) -> Text,
) -> Result<Vec<Fact>, TableError> {
    let rows = rows::<11>(text, COLUMNS)?;
    Ok(rows.into_iter().map(|row| fact(row, is_event, own)).collect())
}

fn fact<'a>(row: [&'a str; 11], is_event: bool, own: fn(&'a str) -> Text) -> Fact {
    let [
        namespace,
        number,
        symbol,
        meaning_en,
        meaning_ja,
        phase,
        causes_en,
        causes_ja,
        action_en,
        action_ja,
        source,
    ] = row;
    let phrase = |en, ja| Phrase {
        en: own(en),
        ja: own(ja),
    };
    Fact {
        namespace: own(namespace),
        code: own(number),
        symbol: own(symbol),
        meaning: phrase(meaning_en, meaning_ja),
        phase: own(phase),
        causes: phrase(causes_en, causes_ja),
        action: phrase(action_en, action_ja),
        source: own(source),
        is_event,
        value: code::parse_number(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shifted_table_is_refused() {
        let wrong = rows::<2>("# x\na\tc\n1\t2\n", "a\tb");
        assert_eq!(
            wrong,
            Err(TableError::Header {
                line: 2,
                expected: "a, b".into()
            })
        );
        let short = rows::<2>("a\tb\n1\t2\n\n1\n", "a\tb");
        assert_eq!(
            short,
            Err(TableError::Cells {
                line: 4,
                found: 1,
                expected: 2
            })
        );
    }
}
