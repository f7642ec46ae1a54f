//! Error codes by when they were first seen.

use std::collections::BTreeMap;

use casetrace_knowledge::Knowledge;
use serde::Serialize;

use crate::calendar::Calendar;
use crate::fleet::Options;
use crate::question::Answer;

/// Codes shown.
const MAX_CODES: usize = 30;

/// One code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodeRow {
    /// The code.
    pub code: String,
    /// Its symbol.
    pub symbol: String,
    /// What it means; empty where the knowledge base does not say.
    pub meaning: String,
    /// Day of the first case with it.
    pub first: String,
    /// That case.
    pub example: String,
    /// Cases with it.
    pub cases: u64,
    /// Records with it.
    pub records: u64,
    /// True if no case of an older period has it; false where there is no older period.
    pub new: bool,
}

/// Codes, the youngest first, and how many are not shown. Days of `answer` ascend.
pub(crate) fn codes(answer: &Answer, calendar: &Calendar, options: &Options) -> (Vec<CodeRow>, usize) {
    let knowledge = Knowledge::builtin();
    let newest = calendar.names().len().checked_sub(1).filter(|at| *at > 0);
    let mut rows: BTreeMap<String, CodeRow> = BTreeMap::new();
    for i in answer.rows() {
        let code = answer.text(i, "error_code");
        let day = answer.text(i, "day");
        let row = rows.entry(code.clone()).or_insert_with(|| CodeRow {
            symbol: answer.text(i, "symbol"),
            meaning: String::new(),
            new: newest.is_some() && calendar.place(&day) == newest,
            first: day,
            example: answer.text(i, "example"),
            cases: 0,
            records: 0,
            code,
        });
        row.cases += answer.count(i, "cases");
        row.records += answer.count(i, "records");
    }
    let mut rows: Vec<CodeRow> = rows.into_values().collect();
    rows.sort_by(|a, b| (&b.first, b.cases, &a.code).cmp(&(&a.first, a.cases, &b.code)));
    let more = rows.len().saturating_sub(MAX_CODES);
    rows.truncate(MAX_CODES);
    for row in &mut rows {
        if let Some(entry) = knowledge.explain(&row.code).into_iter().next() {
            row.meaning = entry.meaning.get(options.lang).to_owned();
        }
    }
    (rows, more)
}
