//! Tables of phrases of which the first, in the table's order, decides what a text is.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use casetrace_model::Words;

/// All phrases of a table, looked for in one pass.
pub(crate) struct Phrases(Option<Search>);

enum Search {
    AnyCase(Box<Words>),
    AsSpelled(AhoCorasick),
}

impl Phrases {
    /// `any_case`: ASCII letters of either case are the same.
    pub(crate) fn new<'p>(phrases: impl IntoIterator<Item = &'p str>, any_case: bool) -> Self {
        Self(match any_case {
            true => Words::new(phrases).map(|words| Search::AnyCase(Box::new(words))),
            false => {
                let mut builder = AhoCorasick::builder();
                let search = builder.kind(Some(AhoCorasickKind::DFA)).build(phrases).ok();
                search.map(Search::AsSpelled)
            }
        })
    }

    /// Index of the first phrase of the table that occurs in `text`, wherever it stands.
    pub(crate) fn first(&self, text: &str) -> Option<usize> {
        let mut best: Option<usize> = None;
        let mut found = |index: usize| best = Some(best.map_or(index, |best| best.min(index)));
        match self.0.as_ref()? {
            Search::AnyCase(words) => words.each(text, |index, _| found(index)),
            // Whether there is one at all is told faster than which.
            Search::AsSpelled(search) if search.is_match(text) => search
                .find_overlapping_iter(text)
                .for_each(|hit| found(hit.pattern().as_usize())),
            Search::AsSpelled(_) => {}
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_in_the_table_beats_order_in_the_text() {
        let phrases = Phrases::new(["proxy", "connection failed", "fail"], true);
        assert_eq!(phrases.first("Connection Failed behind a PROXY"), Some(0));
        assert_eq!(phrases.first("connection failed"), Some(1));
        assert_eq!(phrases.first("FAILED"), Some(2));
        assert_eq!(phrases.first("fine"), None);
        assert_eq!(Phrases::new(["Fail"], false).first("fail"), None);
    }
}
