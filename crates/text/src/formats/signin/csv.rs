//! The portal's CSV: quoted fields may hold line ends, headers repeat and end in blanks.

use casetrace_model::Diagnostic;

use super::columns;
use super::rows::{self, SignIn};
use crate::csv::{self, Parser, Step};
use crate::format::{Head, score};
use crate::lines::Utf8;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    let Some(first) = head.first(1).next() else {
        return score::NO;
    };
    let known = first
        .split([',', ';', '\t'])
        .filter(|cell| columns::name(cell.trim_matches('"')).is_some())
        .count();
    let hint = if head.named("signin") { score::NAME / 2 } else { 0 };
    match known {
        8.. => score::CERTAIN + hint,
        4.. => score::LIKELY + hint,
        _ => score::NO,
    }
}

pub(crate) fn read(text: &mut Utf8<'_>, out: &mut Output<'_>) {
    let mut names: Vec<String> = Vec::new();
    csv::read(text, |step, parser| match step {
        Step::Record(fields, line) => deliver(&mut names, fields, line, parser, out),
        Step::TooLong(line, bytes) => {
            let message = format!("The record from line {line} has no end within the limit; it was dropped.");
            out.diagnostic(Diagnostic::warning("SigninRecordTooLong", message).lost(bytes));
        }
    });
    if names.is_empty() {
        out.diagnostic(Diagnostic::warning(
            "SigninNoHeader",
            "The export has no header line; nothing could be read.",
        ));
    }
}

/// The first record names the columns, the others are sign-ins.
fn deliver(
    names: &mut Vec<String>,
    fields: Vec<String>,
    line: u64,
    parser: &mut Parser,
    out: &mut Output<'_>,
) {
    if fields.iter().all(|field| field.trim().is_empty()) {
        return;
    }
    if !names.is_empty() {
        let values = names
            .iter()
            .cloned()
            .zip(fields.into_iter().map(|value| value.trim().to_owned()));
        return SignIn {
            values: values.collect(),
        }
        .emit(line, out);
    }
    let headers = parser.separate(fields);
    *names = rows::names(&headers);
    out.config(
        line,
        "signin_export",
        &headers.len().to_string(),
        &[("columns", &headers.join(","))],
    );
}
