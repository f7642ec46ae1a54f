//! Tables that name the cause within a class of failures: of the causes whose phrases occur, the first of the table counts.

use crate::phrases::Phrases;
use crate::table::rows;

/// One table: causes and their phrases, in any case.
pub(super) struct Causes {
    names: Vec<&'static str>,
    phrases: Phrases,
}

impl Causes {
    /// Columns: cause, phrase.
    pub(super) fn of(table: &'static str) -> Self {
        let (names, phrases): (Vec<_>, Vec<_>) =
            rows(table).map(|[cause, phrase]: [_; 2]| (cause, phrase)).unzip();
        Self {
            names,
            phrases: Phrases::new(phrases, true),
        }
    }

    /// The cause that `text` names.
    pub(super) fn first(&self, text: &str) -> Option<&'static str> {
        let index = self.phrases.first(text)?;
        self.names.get(index).copied()
    }
}
