//! What the debug logs of az, Az PowerShell and Microsoft Graph PowerShell have in common: phases, failures,
//! HTTP exchanges, and the run they belong to.

use std::sync::LazyLock;

use casetrace_model::{JsonObject, Outcome, Row, Source, Text, TsSource, find_guids, normalise_guid};
use regex::Regex;

use crate::codes::Codes;
use crate::lines::floor_boundary;
use crate::output::{Output, correlation, push_codes};
use crate::table::rows;

static ERRORS: LazyLock<Vec<(&str, Outcome, String)>> = LazyLock::new(|| {
    rows::<3>(include_str!("../../../../pipelines/text/cli_errors.tsv"))
        .map(|[class, outcome, phrase]| {
            (
                class,
                Outcome::parse(outcome).unwrap_or(Outcome::Failure),
                phrase.to_lowercase(),
            )
        })
        .collect()
});

static PHASES: LazyLock<Vec<[&str; 3]>> =
    LazyLock::new(|| rows::<3>(include_str!("../../../../pipelines/text/cli_phases.tsv")).collect());

static POOL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"host='(?P<host>[^']{1,253})', port=(?P<port>\d+)\)(?:: Max retries exceeded with url: (?P<url>\S+))?").ok()
});

/// The host that .NET names in quotes or in brackets with a port.
static NET_HOST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?:resolved|解決できませんでした。?):? ?'(?P<a>[A-Za-z0-9._-]{3,253})'|\((?P<b>[A-Za-z0-9._-]{3,253}\.[A-Za-z]{2,}):(?P<port>\d+)\)").ok()
});

static EXCEPTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\b((?:[A-Za-z_][A-Za-z0-9_]*\.)*(?:[A-Z][A-Za-z0-9]*(?:Error|Exception|Disconnected)))\b")
        .ok()
});

/// `https://host:port/path` → host, lower case.
pub(crate) fn url_host(url: &str) -> Option<Text> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = if host.starts_with('[') {
        host.split(']').next()?.trim_start_matches('[')
    } else {
        host.split(':').next()?
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    (!host.is_empty() && host.len() <= 253 && !host.contains(char::is_whitespace)).then(|| Text::from(host))
}

/// The tenant segment of a sign-in URL: a GUID, a domain, or `common`, `organizations`, `consumers`.
pub(crate) fn url_tenant(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://login.")?;
    let segment = rest.split('/').nth(1)?.split(['?', '\'', '"', ' ']).next()?;
    let is_tenant = segment.contains('.') || normalise_guid(segment).is_some();
    (is_tenant || matches!(segment, "common" | "organizations" | "consumers")).then_some(segment)
}

/// One run of a tool.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) tool: &'static str,
    pub(crate) line: u64,
    pub(crate) command: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) authority: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) correlation: Option<Text>,
    pub(crate) exit: Option<i64>,
    pub(crate) start: Option<(i64, TsSource)>,
    /// The last time the log printed; lines without one inherit it.
    pub(crate) now: Option<i64>,
    pub(crate) phase: &'static str,
    pub(crate) details: Vec<(&'static str, String)>,
    seen_phases: Vec<(&'static str, &'static str)>,
    error: Option<Failure>,
    failures: u32,
    pub(crate) entries: u64,
}

/// A failure held back until something else follows, because the tools print it two or three times.
#[derive(Debug)]
struct Failure {
    row: Row,
    fields: JsonObject,
    key: String,
    repeated: u32,
}

impl Run {
    pub(crate) fn new(tool: &'static str, line: u64) -> Self {
        Self {
            tool,
            line,
            ..Self::default()
        }
    }

    /// Gives a row the run's clock and identity.
    pub(crate) fn stamp(&self, row: &mut Row) {
        if row.ts_ns.is_none()
            && let Some(now) = self.now.or(self.start.map(|(ts, _)| ts))
        {
            (row.ts_ns, row.ts_source) = (Some(now), TsSource::Derived);
        }
        if row.correlation_id.is_none() {
            row.correlation_id.clone_from(&self.correlation);
        }
    }

    /// Notes an exact time and lets later lines inherit it.
    pub(crate) fn saw(&mut self, ts_ns: i64) {
        self.now = Some(ts_ns);
        self.start.get_or_insert((ts_ns, TsSource::Exact));
    }

    /// Notes the tenant and authority a URL names.
    pub(crate) fn saw_url(&mut self, url: &str) {
        if let Some(tenant) = url_tenant(url) {
            if self.tenant.is_none()
                || (normalise_guid(tenant).is_some()
                    && self
                        .tenant
                        .as_deref()
                        .is_some_and(|t| normalise_guid(t).is_none()))
            {
                self.tenant = Some(tenant.to_owned());
            }
            if self.authority.is_none() {
                self.authority = url.split_once("://").and_then(|(scheme, rest)| {
                    rest.split('/')
                        .next()
                        .map(|host| format!("{scheme}://{host}/{tenant}"))
                });
            }
        }
    }

    /// Looks an entry up in the phase table and writes a `cli.phase` row for each new step.
    pub(crate) fn phase(&mut self, line: u64, text: &str, out: &mut Output<'_>) {
        let Some([phase, outcome, phrase]) = PHASES.iter().find(|row| text.contains(row[2])) else {
            return;
        };
        self.phase = phase;
        if self.seen_phases.contains(&(phase, outcome)) && *outcome == "unknown" {
            return;
        }
        self.flush(out);
        self.seen_phases.push((phase, outcome));
        let mut row = Row::new(Source::Text, "cli.phase", line);
        row.outcome = Outcome::parse(outcome);
        row.message = format!("{}: {phase}: {phrase}", self.tool);
        let short = text.get(..floor_boundary(text, 300)).unwrap_or_default();
        row.fields = JsonObject::new()
            .str("tool", self.tool)
            .str("phase", phase)
            .str("text", short)
            .finish();
        self.stamp(&mut row);
        out.row(row);
    }

    /// Recognises a failure in an entry; true if it is one.
    pub(crate) fn failure(&mut self, line: u64, text: &str, out: &mut Output<'_>) -> bool {
        let codes = Codes::of(text);
        let sts = codes.best().is_some_and(|code| code.starts_with("AADSTS"));
        let lower = text.to_lowercase();
        let found = ERRORS
            .iter()
            .find(|(_, _, phrase)| lower.contains(phrase.as_str()));
        let (class, outcome) = match found {
            _ if sts => ("aadsts", Outcome::Failure),
            Some((class, outcome, _)) => (*class, *outcome),
            None => return false,
        };
        let mut row = Row::new(Source::Text, "cli.error", line);
        row.outcome = Some(outcome);
        row.error_code = codes.best().cloned();
        row.correlation_id = correlation(text);
        self.user = self
            .user
            .take()
            .or_else(|| after_words(text, "No subscriptions found for "));
        let host = place(text, &mut row);
        let exception = exception(text);
        row.message = failure_message(class, host.as_deref(), text);
        if let Some(ts_ns) = server_time(text) {
            (row.ts_ns, row.ts_source) = (Some(ts_ns), TsSource::Exact);
            self.saw(ts_ns);
        }
        self.stamp(&mut row);
        let mut fields = JsonObject::new().str("tool", self.tool).str("class", class);
        fields.push_str(
            "phase",
            if self.phase.is_empty() {
                "start"
            } else {
                self.phase
            },
        );
        if let Some(exception) = &exception {
            fields.push_str("exception", exception);
        }
        if lower.contains("this typically happens when using azure cli behind a proxy") {
            fields.push_raw("certificate_hint", "true");
        }
        push_ids(&mut fields, &row, text);
        push_codes(&mut fields, &codes);
        let key = format!(
            "{class} {} {}",
            host.unwrap_or_default(),
            row.error_code.as_deref().unwrap_or_default()
        );
        self.hold(
            Failure {
                row,
                fields,
                key,
                repeated: 0,
            },
            out,
        );
        true
    }

    fn hold(&mut self, failure: Failure, out: &mut Output<'_>) {
        if let Some(held) = &mut self.error
            && (held.key == failure.key || (failure.key.starts_with("other  ")))
        {
            held.repeated += 1;
            return;
        }
        self.flush(out);
        self.failures += 1;
        self.error = Some(failure);
    }

    /// Writes the failure held back.
    pub(crate) fn flush(&mut self, out: &mut Output<'_>) {
        if let Some(Failure {
            mut row,
            mut fields,
            repeated,
            ..
        }) = self.error.take()
        {
            if repeated > 0 {
                fields.push_num("repeated", repeated);
            }
            row.fields = fields.finish();
            out.row(row);
        }
    }

    /// Writes the `cli.run` row.
    pub(crate) fn emit(mut self, out: &mut Output<'_>) {
        self.flush(out);
        if self.entries == 0 && self.command.is_none() && self.failures == 0 {
            return;
        }
        let mut row = Row::new(Source::Text, "cli.run", self.line.max(1));
        if let Some((ts_ns, source)) = self.start {
            (row.ts_ns, row.ts_source) = (Some(ts_ns), source);
        }
        row.tenant_id = self.tenant.as_deref().and_then(normalise_guid);
        row.correlation_id = self.correlation.take();
        row.user = self.user.as_deref().map(Text::from);
        row.outcome = Some(match (self.exit, self.failures) {
            (Some(0), _) => Outcome::Success,
            (Some(_), _) | (None, 1..) => Outcome::Failure,
            (None, 0) => Outcome::Unknown,
        });
        row.message = format!(
            "{} {}",
            self.tool,
            self.command.as_deref().unwrap_or("(command not shown)")
        );
        let mut fields = JsonObject::new().str("tool", self.tool);
        for (name, value) in [
            ("version", &self.version),
            ("command", &self.command),
            ("tenant", &self.tenant),
            ("authority", &self.authority),
        ] {
            fields.push_str(name, value.as_deref().unwrap_or_default());
        }
        if let Some(exit) = self.exit {
            fields.push_num("exit", exit);
        }
        fields.push_num("failures", self.failures);
        fields.push_str("last_phase", self.phase);
        for (name, value) in &self.details {
            fields.push_str(name, value);
        }
        row.fields = fields.finish();
        out.row(row);
    }
}

/// Fills host, port and URL of the connection that failed.
fn place(text: &str, row: &mut Row) -> Option<String> {
    if let Some(found) = POOL.as_ref().and_then(|regex| regex.captures(text)) {
        let host = found.name("host")?.as_str().to_ascii_lowercase();
        row.server_name = Some(Text::from(host.as_str()));
        row.dst_port = found.name("port").and_then(|port| port.as_str().parse().ok());
        row.url = found
            .name("url")
            .map(|url| Text::from(format!("https://{host}{}", url.as_str())));
        return Some(host);
    }
    let found = NET_HOST.as_ref()?.captures(text)?;
    let host = found.name("a").or(found.name("b"))?.as_str().to_ascii_lowercase();
    row.server_name = Some(Text::from(host.as_str()));
    row.dst_port = found.name("port").and_then(|port| port.as_str().parse().ok());
    Some(host)
}

/// The exception nearest to the cause: the last one of a chain such as `MaxRetryError(… SSLError(SSLEOFError(…`.
fn exception(text: &str) -> Option<String> {
    let regex = EXCEPTION.as_ref()?;
    let in_cause = text
        .rfind("Caused by")
        .and_then(|at| text.get(at..))
        .unwrap_or_default();
    let name = |text: &str| regex.find_iter(text).last().map(|m| m.as_str().to_owned());
    let last_in_cause = regex
        .find_iter(in_cause)
        .map(|m| m.as_str())
        .last()
        .map(str::to_owned);
    last_in_cause.or_else(|| name(text))
}

fn failure_message(class: &str, host: Option<&str>, text: &str) -> String {
    let line = text.lines().rev().map(str::trim).find(|line| {
        !line.is_empty()
            && !line.starts_with("Certificate verification failed. This typically")
            && line.contains([':', ' '])
    });
    let line = line.unwrap_or_default();
    let line = line.get(..floor_boundary(line, 400)).unwrap_or_default();
    match host {
        Some(host) => format!("{class} at {host}: {line}"),
        None => format!("{class}: {line}"),
    }
}

/// `Timestamp: 2026-03-02 01:16:11Z` of an AADSTS text.
fn server_time(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once("Timestamp: ")?;
    crate::clock::value(rest.get(..floor_boundary(rest, 32))?, true)
}

fn after_words(text: &str, words: &str) -> Option<String> {
    let (_, rest) = text.split_once(words)?;
    let word = rest
        .split_whitespace()
        .next()?
        .trim_end_matches(['.', ',', '\'', '"']);
    Some(word.trim_matches(['\'', '"']).to_owned())
}

/// Lists further GUIDs of the entry.
fn push_ids(fields: &mut JsonObject, row: &Row, text: &str) {
    let ids: Vec<Text> = find_guids(text)
        .filter(|id| Some(id) != row.correlation_id.as_ref())
        .take(8)
        .collect();
    if !ids.is_empty() {
        fields.push_list("ids", ids.iter().map(Text::as_str));
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_give_host_and_tenant() {
        assert_eq!(
            url_host("https://Login.Microsoftonline.com:443/x").as_deref(),
            Some("login.microsoftonline.com")
        );
        assert_eq!(url_host("http://u:p@[::1]:80/").as_deref(), Some("::1"));
        assert_eq!(
            url_tenant("https://login.microsoftonline.com/organizations/oauth2"),
            Some("organizations")
        );
        assert_eq!(url_tenant("https://login.microsoftonline.com/discovery/x"), None);
    }

    #[test]
    fn the_cause_is_the_innermost_exception() {
        let text = "MaxRetryError: x (Caused by SSLError(SSLEOFError(8, 'EOF occurred')))";
        assert_eq!(exception(text).as_deref(), Some("SSLEOFError"));
    }
}
