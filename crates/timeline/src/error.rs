//! What can go wrong, as the user reads it.

use std::fmt;

use polars::error::PolarsError;

/// A condition or query that can't be used, with its place where the parser knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SqlError {
    /// What is wrong, one sentence without place.
    pub message: String,
    /// 1-based line in the SQL text; 0 if unknown.
    pub line: u64,
    /// 1-based column in the SQL text; 0 if unknown.
    pub column: u64,
    /// What to write instead, if that can be guessed.
    pub hint: Option<String>,
}

impl SqlError {
    /// An error without place.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, line: u64, column: u64) -> Self {
        (self.line, self.column) = (line, column);
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Advice goes on with the sentence.
        let message = match (&self.hint, self.message.strip_suffix('.')) {
            (Some(_), Some(open)) => open,
            _ => &self.message,
        };
        f.write_str(message)?;
        if self.line > 0 {
            write!(f, " (line {}, column {})", self.line, self.column)?;
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SqlError {}

/// Failures of the timeline crate, one variant per operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimelineError {
    /// A condition or query is wrong.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// polars refused an operation.
    #[error("Can't {operation} the timeline.")]
    Frame {
        /// What was tried.
        operation: &'static str,
        /// Why not.
        #[source]
        source: PolarsError,
    },
    /// Reading or writing a file failed.
    #[error("Can't {operation} the timeline file.")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A temporary file could not be read back; what was made from it may be wrong.
    #[error(
        "The temporary file with columns of the timeline was lost {reason}. The result has no inventory and must not be used. Look at the work folder's disk and run again."
    )]
    Lost {
        /// Where and why.
        reason: String,
    },
    /// A column that doesn't exist was named.
    #[error("There is no column `{name}`{}.", suggestion.map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    UnknownColumn {
        /// As written by the user.
        name: String,
        /// The nearest existing name.
        suggestion: Option<&'static str>,
    },
}

impl TimelineError {
    pub(crate) fn frame(operation: &'static str) -> impl FnOnce(PolarsError) -> Self {
        move |source| Self::Frame { operation, source }
    }

    pub(crate) fn io(operation: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { operation, source }
    }
}

/// The candidate nearest to `name`, if it is near enough to be a slip of the finger.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (distance(&name, c), c))
        .min()
        .filter(|(d, c)| *d <= 2.max(c.len() / 3))
        .map(|(_, c)| c)
}

/// Levenshtein distance over bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let value = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = value;
            left = value;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        assert_eq!(
            nearest("sever_name", ["kind", "server_name", "host"]),
            Some("server_name")
        );
        assert_eq!(nearest("HOST", ["kind", "server_name", "host"]), Some("host"));
        assert_eq!(nearest("completely_else", ["kind", "host"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
