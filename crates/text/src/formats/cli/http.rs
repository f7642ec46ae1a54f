//! HTTP exchanges as the tools print them.

use casetrace_model::{JsonObject, Outcome, Row, Source, Text, TsSource, normalise_guid};

use super::{Run, url_host};
use crate::codes::Codes;
use crate::lines::floor_boundary;
use crate::output::push_codes;

/// One side of an HTTP exchange as it was printed.
#[derive(Debug, Default, Clone)]
pub(crate) struct Http {
    pub(crate) line: u64,
    pub(crate) method: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) is_response: bool,
    pub(crate) logger: String,
}

impl Http {
    /// A header's value, by name without case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The id that client or service gave the exchange.
    fn id(&self) -> Option<Text> {
        [
            "client-request-id",
            "x-ms-client-request-id",
            "x-ms-correlation-request-id",
            "request-id",
        ]
        .iter()
        .find_map(|name| self.header(name))
        .and_then(normalise_guid)
    }

    /// The row of this side; `request` is what a response answers.
    pub(crate) fn row(&self, run: &Run, request: Option<&Self>) -> Row {
        let kind = if self.is_response {
            "http.response"
        } else {
            "http.request"
        };
        let mut row = Row::new(Source::Text, kind, self.line);
        row.http_method = self.method.as_deref().map(Text::from);
        row.url = self.url.as_deref().map(Text::from);
        row.server_name = self.url.as_deref().and_then(url_host);
        row.correlation_id = self.id().or_else(|| request.and_then(Self::id));
        let mut fields = JsonObject::new()
            .str("tool", run.tool)
            .str("logger", &self.logger);
        if self.is_response {
            self.fill_response(&mut row, &mut fields, request.map(|request| request.line));
        }
        if !self.headers.is_empty() {
            fields.push_raw("headers", &self.headers_json());
        }
        if let Some(ts_ns) = self.header("Date").and_then(crate::clock::http_date) {
            (row.ts_ns, row.ts_source) = (Some(ts_ns), TsSource::Exact);
        }
        run.stamp(&mut row);
        let verb = row.http_method.as_deref().unwrap_or("?");
        let url = row.url.as_deref().unwrap_or("?");
        row.message = match row.http_status {
            Some(status) => format!("{verb} {url} answered {status}"),
            None => format!("{verb} {url}"),
        };
        row.fields = fields.finish();
        row
    }

    fn fill_response(&self, row: &mut Row, fields: &mut JsonObject, request: Option<u64>) {
        row.http_status = self.status;
        row.outcome = self.status.map(|s| {
            if s < 400 {
                Outcome::Success
            } else {
                Outcome::Failure
            }
        });
        row.content_type = self.header("Content-Type").map(|value| {
            Text::from(
                value
                    .split(';')
                    .next()
                    .unwrap_or(value)
                    .trim()
                    .to_ascii_lowercase(),
            )
        });
        let codes = Codes::of(&self.body);
        row.error_code = codes.best().cloned();
        push_codes(fields, &codes);
        if let Some(line) = request {
            fields.push_num("request_record", line);
        }
        let body = self.body.trim();
        fields.push_str("body_kind", body_kind(body));
        if !body.is_empty() {
            fields.push_str(
                "body_start",
                body.get(..floor_boundary(body, 256)).unwrap_or_default(),
            );
        }
        for (name, header) in [
            ("ms_request_id", "x-ms-request-id"),
            ("server_date", "Date"),
            ("via", "Via"),
        ] {
            if let Some(value) = self.header(header) {
                fields.push_str(name, value);
            }
        }
    }

    fn headers_json(&self) -> String {
        let mut headers = JsonObject::new();
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in self.headers.iter().take(64) {
            let lower = name.to_ascii_lowercase();
            if seen.contains(&lower) {
                continue;
            }
            let secret = matches!(
                lower.as_str(),
                "authorization" | "cookie" | "set-cookie" | "proxy-authorization"
            );
            headers.push_str(name, if secret { "***" } else { value });
            seen.push(lower);
        }
        headers.finish()
    }
}

/// What a body is, by its start.
fn body_kind(body: &str) -> &'static str {
    let start = body
        .get(..floor_boundary(body, 64))
        .unwrap_or_default()
        .to_ascii_lowercase();
    match start.as_str() {
        "" => "empty",
        s if s.starts_with('{') || s.starts_with('[') => "json",
        s if s.starts_with("<!doctype html") || s.starts_with("<html") => "html",
        s if s.starts_with('<') => "xml",
        _ => "text",
    }
}
