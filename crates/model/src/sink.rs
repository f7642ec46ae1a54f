//! Where decoded facts go.

use std::any::Any;
use std::io::{Read, Seek};

use crate::{Diagnostic, Row, Source};

/// A byte source that can be read at any place.
pub trait ReadSeek: Read + Seek {}
impl<T: Read + Seek + ?Sized> ReadSeek for T {}

/// Takes rows and diagnostics from a decoder, in the decoder's order (the timeline sorts).
pub trait Sink {
    /// Takes one fact.
    fn row(&mut self, row: Row);
    /// Takes one fact out of a row that the decoder uses again; whatever is left in it means nothing. A sink that only
    /// looks at rows should do so here: a row is over a kilobyte, and its texts need no new memory the next time.
    fn lend(&mut self, row: &mut Row) {
        self.row(std::mem::replace(row, Row::new(Source::Text, "", 0)));
    }
    /// Takes one remark on damage.
    fn diagnostic(&mut self, diagnostic: Diagnostic);
    /// False if rows are thrown away, so that a decoder may skip building them (`inspect`).
    fn wants_rows(&self) -> bool {
        true
    }
    /// Tells how many bytes of the input were worked through so far.
    fn progress(&mut self, bytes: u64) {
        let _ = bytes;
    }
    /// Splits the sink for a decoder with several threads: each of them fills parts of its own, which the first half
    /// makes, and the calling thread hands them to the second half in the decoder's order. Rows then never travel
    /// between processors. `None`: all rows go through [`Sink::row`] on the calling thread.
    fn split(&mut self) -> Option<(&dyn PartMaker, &mut dyn PartTaker)> {
        None
    }
}

/// Makes parts of a sink; shared by a decoder's threads.
pub trait PartMaker: Sync {
    /// An empty part.
    fn part(&self) -> Box<dyn Part + '_>;
}

/// Rows of one stretch of the input, on the thread that decodes it.
pub trait Part {
    /// Takes one fact.
    fn row(&mut self, row: Row);
    /// As [`Sink::lend`].
    fn lend(&mut self, row: &mut Row) {
        self.row(std::mem::replace(row, Row::new(Source::Text, "", 0)));
    }
    /// What [`PartTaker::take`] of the same sink understands.
    fn finish(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// Puts parts together. Rows that belong behind a part's own of the same record (answers that were followed over many
/// records) come through [`Sink::row`] after that part.
pub trait PartTaker: Sink {
    /// Takes the next part.
    fn take(&mut self, part: Box<dyn Any + Send>);
}

/// Keeps everything; for tests and small inputs.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// Rows in decoder order.
    pub rows: Vec<Row>,
    /// Diagnostics in decoder order.
    pub diagnostics: Vec<Diagnostic>,
}

impl Sink for Collected {
    fn row(&mut self, row: Row) {
        self.rows.push(row);
    }
    fn diagnostic(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

/// Counts rows, keeps diagnostics.
#[derive(Debug, Clone, Default)]
pub struct CountOnly {
    /// Rows seen.
    pub rows: u64,
    /// Diagnostics in decoder order.
    pub diagnostics: Vec<Diagnostic>,
}

impl Sink for CountOnly {
    fn row(&mut self, _: Row) {
        self.rows += 1;
    }
    fn lend(&mut self, _: &mut Row) {
        self.rows += 1;
    }
    fn diagnostic(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
    fn split(&mut self) -> Option<(&dyn PartMaker, &mut dyn PartTaker)> {
        Some((&CountParts, self))
    }
}

impl PartTaker for CountOnly {
    fn take(&mut self, part: Box<dyn Any + Send>) {
        self.rows += part.downcast_ref::<u64>().copied().unwrap_or(0);
    }
}

struct CountParts;

impl PartMaker for CountParts {
    fn part(&self) -> Box<dyn Part + '_> {
        Box::new(CountPart(0))
    }
}

struct CountPart(u64);

impl Part for CountPart {
    fn row(&mut self, _: Row) {
        self.0 += 1;
    }
    fn finish(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lent_row_is_taken_like_any_other() {
        let row = Row::new(Source::Etl, "event", 1).message("it failed");
        let (mut all, mut count) = (Collected::default(), CountOnly::default());
        all.lend(&mut row.clone());
        count.lend(&mut row.clone());
        assert_eq!((all.rows, count.rows), (vec![row], 1));
    }

    #[test]
    fn parts_are_counted_too() {
        let mut sink = CountOnly::default();
        if let Some((maker, taker)) = sink.split() {
            let mut part = maker.part();
            part.row(Row::new(Source::Etl, "event", 1));
            taker.take(part.finish());
            taker.row(Row::new(Source::Etl, "event", 2));
        }
        assert_eq!(sink.rows, 2);
        assert!(Collected::default().split().is_none());
    }
}
