//! Tables of phrases of which the first, in the table's order, decides what a text is.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// All phrases of a table, looked for in one pass.
pub(crate) struct Phrases {
    search: Option<AhoCorasick>,
}

impl Phrases {
    /// `any_case`: ASCII letters of either case are the same.
    pub(crate) fn new<'p>(phrases: impl IntoIterator<Item = &'p str>, any_case: bool) -> Self {
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(any_case)
            .kind(Some(AhoCorasickKind::DFA))
            .build(phrases)
            .ok();
        Self { search }
    }

    /// Index of the first phrase of the table that occurs in `text`, wherever it stands.
    pub(crate) fn first(&self, text: &str) -> Option<usize> {
        // Whether there is one at all is told faster than which.
        let search = self.search.as_ref().filter(|search| search.is_match(text))?;
        let mut best: Option<usize> = None;
        for found in search.find_overlapping_iter(text) {
            let index = found.pattern().as_usize();
            best = Some(best.map_or(index, |best| best.min(index)));
            if index == 0 {
                break;
            }
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
