//! Where decoded facts go.

use std::io::{Read, Seek};

use crate::{Diagnostic, Row};

/// A byte source that can be read at any place.
pub trait ReadSeek: Read + Seek {}
impl<T: Read + Seek + ?Sized> ReadSeek for T {}

/// Takes rows and diagnostics from a decoder, in the decoder's order (the timeline sorts).
pub trait Sink {
    /// Takes one fact.
    fn row(&mut self, row: Row);
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
    fn diagnostic(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}
