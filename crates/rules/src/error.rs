//! What is wrong with a rule file, shown with line and caret.

use std::fmt;
use std::ops::Range;

use casetrace_timeline::SqlError;

/// One fault in a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Name of the file.
    pub file: String,
    /// The rule, predicate or case it is in, if known.
    pub item: Option<String>,
    /// 1-based; 0 if the fault has no place.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The line of the file.
    pub snippet: String,
}

impl RuleError {
    /// A fault at a byte offset of the file's text.
    pub(crate) fn at(file: &str, text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let snippet = text
            .get(line_start..)
            .unwrap_or("")
            .lines()
            .next()
            .unwrap_or("")
            .to_owned();
        Self {
            file: file.to_owned(),
            item: None,
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
            message: message.into(),
            hint: None,
            snippet,
        }
    }

    /// A fault inside an SQL text that is the TOML string at `span`.
    pub(crate) fn in_sql(file: &str, text: &str, span: Range<usize>, error: &SqlError) -> Self {
        let mut out = Self::at(
            file,
            text,
            sql_offset(text, &span, error.line, error.column),
            error.message.clone(),
        );
        out.hint = error.hint.clone();
        out
    }

    /// A condition of `item` could not be asked of this case.
    pub(crate) fn while_running(file: &str, item: &str, error: &SqlError) -> Self {
        Self::whole(file, format!("A condition failed while running: {error}")).item(item)
    }

    /// A fault of a whole file.
    pub(crate) fn whole(file: &str, message: impl Into<String>) -> Self {
        Self {
            line: 0,
            ..Self::at(file, "", 0, message)
        }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn item(mut self, item: &str) -> Self {
        self.item = Some(item.to_owned());
        self
    }
}

/// Byte offset of a place in the content of a TOML string. Escapes in one-line strings are not counted back; the
/// place is then a little to the left.
fn sql_offset(text: &str, span: &Range<usize>, line: u64, column: u64) -> usize {
    let raw = text.get(span.clone()).unwrap_or("");
    let quotes = if raw.starts_with("\"\"\"") || raw.starts_with("'''") {
        3
    } else {
        1
    };
    let body = raw.get(quotes..).unwrap_or("");
    let newline = if quotes == 3 {
        body.len()
            - body
                .trim_start_matches('\r')
                .strip_prefix('\n')
                .unwrap_or(body)
                .len()
    } else {
        0
    };
    let body = body.get(newline..).unwrap_or("");
    let line_start = match line {
        0 | 1 => 0,
        n => body
            .match_indices('\n')
            .nth(n as usize - 2)
            .map_or(0, |(i, _)| i + 1),
    };
    let rest = body.get(line_start..).unwrap_or("");
    let within = rest
        .char_indices()
        .nth((column as usize).saturating_sub(1))
        .map_or(0, |(i, _)| i);
    (span.start + quotes + newline + line_start + within).min(text.len())
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": ")?;
        if let Some(item) = &self.item {
            write!(f, "{item}: ")?;
        }
        write!(f, "{}", self.message)?;
        if self.line > 0 && !self.snippet.is_empty() {
            let margin = self.line.to_string();
            let blank = " ".repeat(margin.len());
            // Tabs stay tabs so that the caret stands below its character.
            let lead: String = self
                .snippet
                .chars()
                .take(self.column - 1)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(
                f,
                "\n {blank} |\n {margin} | {}\n {blank} | {lead}^",
                self.snippet
            )?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RuleError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_sql_are_places_in_the_file() {
        let text = "a = 1\nwhere = \"\"\"\nkind = 'x'\n  AND nope = 1\"\"\"\n";
        let start = text.find("\"\"\"").unwrap_or(0);
        let error = SqlError::new("No such column.").at(2, 7);
        let shown = RuleError::in_sql("f.toml", text, start..text.len() - 1, &error);
        assert_eq!((shown.line, shown.column), (4, 7));
        assert!(
            shown
                .to_string()
                .ends_with(" 4 |   AND nope = 1\"\"\"\n   |       ^"),
            "{shown}"
        );
        let one = "where = \"nope = 1\"";
        let shown = RuleError::in_sql("f.toml", one, 8..18, &SqlError::new("x").at(1, 1));
        assert_eq!(shown.column, 10);
    }
}
