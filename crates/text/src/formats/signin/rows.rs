//! One sign-in as a row, from normalised columns.

use casetrace_model::{JsonObject, Outcome, Row, Source, Text, TsSource, normalise_guid};

use super::columns;
use crate::clock::{self, Moment};
use crate::output::Output;

/// Named values of one sign-in, in the order of the export.
#[derive(Debug, Default)]
pub(super) struct SignIn {
    /// Normalised name, or the printed one.
    pub(super) values: Vec<(String, String)>,
}

/// Columns of one export; Entra has under a hundred.
const MAX_COLUMNS: usize = 400;

impl SignIn {
    /// Adds a value under its JSON path.
    pub(super) fn push(&mut self, path: &str, value: &str) {
        if self.values.len() < MAX_COLUMNS {
            let known = self.values.iter().map(|(name, _)| name.as_str());
            let name = numbered(path, known);
            self.values.push((name, value.trim().to_owned()));
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// Writes the row.
    pub(super) fn emit(&self, record: u64, out: &mut Output<'_>) {
        let mut row = Row::new(Source::Signin, "signin.row", record);
        if let Some(ts_ns) = self.get("Date (UTC)").and_then(time) {
            (row.ts_ns, row.ts_source) = (Some(ts_ns), TsSource::Exact);
        }
        row.user = self.get("Username").or_else(|| self.get("User")).map(Text::from);
        row.correlation_id = self.get("Correlation ID").and_then(normalise_guid);
        let tenant = ["Resource tenant ID", "Tenant ID", "Home tenant ID"];
        row.tenant_id = tenant
            .iter()
            .find_map(|name| self.get(name))
            .and_then(normalise_guid);
        row.device_id = self.get("Device ID").trim_id();
        row.src_ip = self.get("IP address").map(Text::from);
        let code = self
            .get("Sign-in error code")
            .and_then(|code| code.parse::<u32>().ok());
        row.error_code = code
            .filter(|code| *code != 0)
            .map(|code| Text::from(format!("AADSTS{code}")));
        row.outcome = Some(self.outcome(code));
        let app = self.get("Application").unwrap_or("an application");
        let who = row
            .user
            .clone()
            .unwrap_or_else(|| self.get("User ID").unwrap_or("unknown").into());
        row.message = format!(
            "Sign-in of {who} to {app}: {}",
            row.error_code
                .as_deref()
                .unwrap_or_else(|| row.outcome.map_or("unknown", Outcome::as_str))
        );
        let mut fields = JsonObject::new();
        for (name, value) in self.values.iter().filter(|(_, value)| !value.is_empty()) {
            fields.push_str(name, &out.value(value));
        }
        row.fields = fields.finish();
        out.row(row);
    }

    /// `Interrupted` is neither: a further step (MFA, consent) followed.
    fn outcome(&self, code: Option<u32>) -> Outcome {
        match (self.get("Status"), code) {
            (Some("Success" | "成功"), _) | (None, Some(0)) => Outcome::Success,
            (Some("Failure" | "失敗" | "エラー"), _) => Outcome::Failure,
            (Some("Interrupted" | "中断"), _) => Outcome::Unknown,
            (_, Some(0)) => Outcome::Success,
            (_, Some(_)) => Outcome::Failure,
            _ => Outcome::Unknown,
        }
    }
}

/// The normalised name of a header, numbered if it was there before.
pub(super) fn numbered<'a>(header: &str, before: impl Iterator<Item = &'a str>) -> String {
    let name = columns::name(header).unwrap_or_else(|| header.trim());
    let same = |known: &&str| known.split_once('#').map_or(*known, |(plain, _)| plain) == name;
    match before.filter(same).count() {
        0 => name.to_owned(),
        n => format!("{name}#{}", n + 1),
    }
}

/// Names of all columns of a table.
pub(super) fn names(headers: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for header in headers.iter().take(MAX_COLUMNS) {
        let name = numbered(header, names.iter().map(String::as_str));
        names.push(name);
    }
    names
}

trait TrimId {
    fn trim_id(self) -> Option<Text>;
}

impl TrimId for Option<&str> {
    /// Braces off, lower case; the portal prints `{PII Removed}` for hidden ids.
    fn trim_id(self) -> Option<Text> {
        self.and_then(normalise_guid)
    }
}

/// Exports are in UTC, with or without saying so; spreadsheets reformat them by culture.
fn time(text: &str) -> Option<i64> {
    match clock::leading(text)?.0 {
        Moment::Exact(ts_ns) => Some(ts_ns),
        Moment::Local(at) => clock::utc(at),
    }
}
