//! What the debug logs of az, Az PowerShell and Microsoft Graph PowerShell have in common: phases, failures,
//! HTTP exchanges, and the run they belong to.

mod causes;
mod failure;
mod http;
mod proxy;

use std::sync::LazyLock;

use casetrace_model::{JsonObject, Outcome, Row, Source, Text, TsSource, normalise_guid};
use memchr::memmem::Finder;

use crate::lines::floor_boundary;
use crate::output::Output;
use crate::phrases::Phrases;
use crate::table::rows;

use failure::Failure;
pub(crate) use http::Http;

static PHASES: LazyLock<(Vec<[&str; 3]>, Phrases)> = LazyLock::new(|| {
    let table: Vec<_> = rows(include_str!("../../../../../pipelines/text/cli_phases.tsv")).collect();
    let phrases = Phrases::new(table.iter().map(|[_, _, phrase]| *phrase), false);
    (table, phrases)
});

/// What stands between a scheme and a host.
static SLASHES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("://"));

/// `https://host:port/path` → host, lower case.
pub(crate) fn url_host(url: &str) -> Option<Text> {
    let rest = url.get(SLASHES.find(url.as_bytes())? + SLASHES.needle().len()..)?;
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

    /// Notes a fact for the `cli.run` row. A file of many runs says it again and again; the last time counts.
    pub(crate) fn detail(&mut self, name: &'static str, value: &str) {
        match self.details.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.details.push((name, value.to_owned())),
        }
    }

    /// Looks an entry up in the phase table and writes a `cli.phase` row for each new step.
    pub(crate) fn phase(&mut self, line: u64, text: &str, out: &mut Output<'_>) {
        let (table, phrases) = &*PHASES;
        let Some([phase, outcome, phrase]) = phrases.first(text).and_then(|at| table.get(at)) else {
            return;
        };
        self.phase = phase;
        if self.seen_phases.contains(&(phase, outcome)) && *outcome == "unknown" {
            return;
        }
        self.flush(out);
        if !self.seen_phases.contains(&(phase, outcome)) {
            self.seen_phases.push((phase, outcome));
        }
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
        let command = self.command.as_deref().unwrap_or("(command not shown)");
        row.message = match command.split_whitespace().next() {
            Some(word) if word == self.tool => command.to_owned(),
            _ => format!("{} {command}", self.tool),
        };
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
}
