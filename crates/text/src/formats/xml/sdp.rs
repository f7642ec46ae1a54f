//! Result files of support diagnostics (MSDT, SDP): `results.xml`, `ResultReport.xml`, `DebugReport.xml`.

use casetrace_model::{JsonObject, Level, Row, Source};

use super::leaves::{Leaves, Step};
use crate::codes::Codes;
use crate::format::{Head, score};
use crate::lines::Utf8;
use crate::output::{Output, push_codes};

pub(crate) fn detect(head: &Head) -> u8 {
    let start = head.start(2000);
    let roots = ["<DiagnosticResults", "<ResultReport", "<DebugReport"];
    if roots.iter().any(|root| start.contains(root)) {
        score::CERTAIN
    } else {
        score::NO
    }
}

/// Elements that name what the values inside belong to.
const SCOPES: [&str; 7] = [
    "Problem",
    "RootCause",
    "Resolution",
    "Detail",
    "Function",
    "Script",
    "ComputerInformation",
];

pub(crate) fn read(text: &mut Utf8<'_>, out: &mut Output<'_>) {
    let mut leaves = Leaves::new(text);
    let mut scopes: Vec<(String, String)> = Vec::new();
    let mut label = String::new();
    while let Some(step) = leaves.next(out) {
        match step {
            Step::Open(attributes) => {
                let get = |name: &str| {
                    attributes
                        .iter()
                        .find(|(known, _)| known.eq_ignore_ascii_case(name))
                        .map(|(_, v)| v.clone())
                };
                let named = get("name").or_else(|| get("id")).unwrap_or_default();
                let last = leaves.path().last().cloned().unwrap_or_default();
                if SCOPES.contains(&last.as_str()) {
                    scopes.push((last, named));
                } else {
                    label = named;
                }
            }
            Step::Leaf(value) => {
                let line = leaves.line();
                leaf(leaves.path(), &scopes, &label, &value, line, out);
            }
            Step::Close(name) => {
                if scopes.last().is_some_and(|(known, _)| *known == name) {
                    scopes.pop();
                }
            }
        }
    }
}

fn leaf(
    path: &[String],
    scopes: &[(String, String)],
    label: &str,
    value: &str,
    line: u64,
    out: &mut Output<'_>,
) {
    let Some(last) = path.last() else { return };
    let root = path.first().map_or("", String::as_str);
    if root == "DiagnosticResults" && path.len() == 2 {
        let name = format!("sdp_{}", last.to_ascii_lowercase());
        return out.config(line, &name, value, &[("from", "results.xml")]);
    }
    let name = if label.is_empty() { last.as_str() } else { label };
    if matches!(
        name.to_ascii_lowercase().as_str(),
        "computername" | "computer name" | "machinename"
    ) {
        out.inspection.host.get_or_insert_with(|| value.into());
        out.config(line, "computer_name", value, &[("from", "sdp")]);
        return;
    }
    let scope: Vec<_> = scopes
        .iter()
        .map(|(kind, name)| format!("{kind} {name}").trim().to_owned())
        .collect();
    let mut row = Row::new(Source::Text, "log.line", line);
    row.message = format!("{}: {name} = {value}", scope.last().map_or(root, String::as_str));
    row.level = scopes
        .iter()
        .any(|(kind, _)| kind == "RootCause")
        .then_some(Level::Warning);
    let mut fields = JsonObject::new().str("logger", "sdp").str("document", root);
    fields.push_list("scope", scope.iter().map(String::as_str));
    fields.push_str("name", name);
    fields.push_str("value", &out.value(value));
    let codes = Codes::of(value);
    row.error_code = codes.best().cloned();
    push_codes(&mut fields, &codes);
    row.fields = fields.finish();
    out.row(row);
}
