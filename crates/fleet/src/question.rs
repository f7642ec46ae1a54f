//! The questions, and their answers as plain values.

use casetrace_timeline::frame_cell;
use casetrace_timeline::polars::prelude::DataFrame;

/// Cases with their time and cost. Only the report asks it.
pub(crate) const CASES: &str = "SELECT bundle, CAST(last_ts AS STRING) AS last_ts, bytes, rows, tool_version, rules_version \
     FROM bundles ORDER BY bundle";
/// Severity and title of every rule that stood.
pub(crate) const TITLES: &str = "SELECT rule_id, MIN(title) AS title, MIN(severity) AS severity FROM findings \
     WHERE status = 'active' GROUP BY rule_id ORDER BY rule_id";

macro_rules! question {
    ($name:literal) => {
        include_str!(concat!("../../../pipelines/questions/", $name, ".sql"))
    };
}

pub(crate) const RULE_HITS: &str = question!("rule_hits");
pub(crate) const ERROR_CODES: &str = question!("error_codes");
pub(crate) const CAUSES: &str = question!("causes");
pub(crate) const QUALITY: &str = question!("quality");
pub(crate) const CLOCKS: &str = question!("clocks");
pub(crate) const COLLECTORS: &str = question!("collectors");

/// The rows of an answer.
#[derive(Debug)]
pub(crate) struct Answer(DataFrame);

impl Answer {
    pub(crate) fn new(frame: DataFrame) -> Self {
        Self(frame)
    }

    /// Row numbers.
    pub(crate) fn rows(&self) -> std::ops::Range<usize> {
        0..self.0.height()
    }

    /// A cell as text, empty for null.
    pub(crate) fn text(&self, row: usize, column: &str) -> String {
        let cell = self.0.column(column).and_then(|column| column.get(row));
        cell.map(|value| frame_cell(&value)).unwrap_or_default()
    }

    /// A cell as a whole number, if it is one.
    pub(crate) fn number(&self, row: usize, column: &str) -> Option<i64> {
        let cell = self.0.column(column).and_then(|column| column.get(row)).ok()?;
        cell.extract::<i64>()
    }

    /// A count: what is missing or negative is zero.
    pub(crate) fn count(&self, row: usize, column: &str) -> u64 {
        self.number(row, column)
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or(0)
    }
}
