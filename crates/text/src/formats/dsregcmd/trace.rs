//! Trace lines of `dsregcmd /debug` and `/join`: methods, ADAL log lines and errors, one `log.line` row each.

use casetrace_model::{JsonObject, Outcome, Row, Source, normalise_guid};

use super::run::Run;
use crate::output::{Output, annotate};

/// Words that start a trace line, besides `Class::Method:`.
const STARTS: [&str; 12] = [
    "AdalLog:",
    "AdalMessage:",
    "AdalErrorCode:",
    "AdalCorrelationId:",
    "LogFatalAuthError:",
    "GetComputerTokenForADRS:",
    "AutoEnrollAsComputer:",
    "PreJoinChecks",
    "Automatic device join",
    "DSREGCMD_END_STATUS",
    "DsrCLI",
    "DeleteFileW",
];

/// True for a line the debug switch added.
pub(super) fn is_trace(text: &str) -> bool {
    STARTS.iter().any(|start| text.starts_with(start)) || method(text).is_some()
}

/// `Class::Method` at the start of a line.
fn method(text: &str) -> Option<&str> {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '~')))
        .unwrap_or(text.len());
    let name = text.get(..end)?.trim_end_matches(':');
    (name.contains("::") && !name.starts_with(':')).then_some(name)
}

pub(super) fn emit(line: u64, text: &str, run: &mut Run, out: &mut Output<'_>) {
    let mut row = Row::new(Source::Text, "log.line", line).message(out.value(text));
    let mut fields = JsonObject::new().str("logger", "dsregcmd");
    fields.push_str("method", method(text).unwrap_or_else(|| first_word(text)));
    annotate(&mut row, &mut fields, text);
    if let Some(id) = text.strip_prefix("AdalCorrelationId:").and_then(normalise_guid) {
        run.correlation = Some(id.clone());
        row.correlation_id = Some(id);
    }
    if row.correlation_id.is_none() {
        row.correlation_id.clone_from(&run.correlation);
    }
    if let Some(tenant) = between(text, "TenandID = ", ";") {
        row.tenant_id = normalise_guid(tenant);
        for (name, label) in [
            ("TenantType", "TenantType = "),
            ("TenantName", "TenantName = "),
            ("AutoJoinEnabled", "AutoJoinEnabled = "),
        ] {
            if let Some(value) = between(text, label, ";") {
                fields.push_str(name, value.trim_end_matches('}').trim());
            }
        }
    }
    if text.contains("failed with error") || text.starts_with("LogFatalAuthError") {
        row.outcome = Some(Outcome::Failure);
    }
    row.fields = fields.finish();
    out.row(row);
}

fn first_word(text: &str) -> &str {
    text.split([':', ' ']).next().unwrap_or_default()
}

/// The text after `start` up to `end` or the end of the line.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end).map_or(rest, |(value, _)| value).trim())
}
