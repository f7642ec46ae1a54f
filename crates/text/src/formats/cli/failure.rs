//! Failures: their class, place and exception, told from the text of an entry.

use std::sync::LazyLock;

use casetrace_model::{JsonObject, Outcome, Row, Source, Text, TsSource, find_guids};
use regex::Regex;

use super::Run;
use super::causes::Causes;
use super::proxy::AtProxy;
use crate::codes::Codes;
use crate::lines::floor_boundary;
use crate::output::{Output, correlation, push_codes};
use crate::phrases::Phrases;
use crate::table::rows;

/// What the sign-in service's own errors begin with.
const SERVICE: &str = "AADSTS";

/// Classes and outcomes of the table, and its phrases in any case, of which [`SERVICE`] is one more.
static ERRORS: LazyLock<(Vec<Kind>, Phrases)> = LazyLock::new(|| {
    let table: Vec<[&str; 3]> = rows(include_str!("../../../../../pipelines/text/cli_errors.tsv")).collect();
    let kinds = table.iter().map(|[class, outcome, phrase]| Kind {
        class,
        outcome: Outcome::parse(outcome).unwrap_or(Outcome::Failure),
        phrase,
    });
    let service = Kind {
        class: "aadsts",
        outcome: Outcome::Failure,
        phrase: SERVICE,
    };
    let phrases = table.iter().map(|[_, _, phrase]| *phrase).chain([SERVICE]);
    (kinds.chain([service]).collect(), Phrases::new(phrases, true))
});

/// A line of the table.
#[derive(Debug, Clone, Copy)]
struct Kind {
    class: &'static str,
    outcome: Outcome,
    phrase: &'static str,
}

/// Why a certificate is refused.
static REASONS: LazyLock<Causes> = LazyLock::new(|| {
    Causes::of(include_str!(
        "../../../../../pipelines/text/certificate_failures.tsv"
    ))
});

/// What the tools' sign-in window opens unless another cloud is chosen.
const PUBLIC_SIGN_IN: &str = "login.microsoftonline.com";

/// How az itself guesses at an intercepting proxy.
static HINT: LazyLock<Phrases> = LazyLock::new(|| {
    Phrases::new(
        ["this typically happens when using Azure CLI behind a proxy"],
        true,
    )
});

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

/// A failure held back until something else follows, because the tools print it two or three times.
#[derive(Debug)]
pub(super) struct Failure {
    row: Row,
    fields: JsonObject,
    key: String,
    repeated: u32,
}

impl Run {
    /// Recognises a failure in an entry; true if it is one.
    pub(crate) fn failure(&mut self, line: u64, text: &str, out: &mut Output<'_>) -> bool {
        let (kinds, phrases) = &*ERRORS;
        let Some(first) = phrases.first(text) else {
            return false;
        };
        let codes = Codes::of(text);
        let sts = codes.best().is_some_and(|code| code.starts_with(SERVICE));
        // The service's own error says more than any exception around it; its name alone says nothing.
        let found = match (sts, kinds.get(first)) {
            (true, _) => kinds.last(),
            (false, found) => found.filter(|kind| kind.phrase != SERVICE),
        };
        let Some(&Kind {
            class,
            outcome,
            phrase,
        }) = found
        else {
            return false;
        };
        let mut row = Row::new(Source::Text, "cli.error", line);
        row.outcome = Some(outcome);
        row.error_code = codes.best().cloned();
        row.correlation_id = correlation(text);
        self.user = self
            .user
            .take()
            .or_else(|| after_words(text, "No subscriptions found for "));
        let host = place(text, &mut row).or_else(|| self.window(text, &mut row));
        let exception = exception(text);
        row.message = failure_message(class, phrase, host.as_deref(), text);
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
        match class {
            "proxy" => AtProxy::of(text).tell(&mut row, &mut fields),
            "tls_verify" => {
                if let Some(reason) = REASONS.first(text) {
                    fields.push_str("tls_reason", reason);
                }
            }
            _ => {}
        }
        if HINT.first(text).is_some() {
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

    /// The sign-in window's own host: nothing else is loaded into it at first.
    fn window(&self, text: &str, row: &mut Row) -> Option<String> {
        if !text.contains("authentication dialog failed") {
            return None;
        }
        let host = self
            .authority
            .as_deref()
            .and_then(super::url_host)
            .map_or_else(|| PUBLIC_SIGN_IN.to_owned(), |host| host.to_string());
        row.server_name = Some(Text::from(host.as_str()));
        Some(host)
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
}

/// The address that .NET names when a connection is refused.
static NET_ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?:refused it|拒否されたため、接続できませんでした。?):? \[?(?P<ip>[0-9a-fA-F.:]{3,45}?)\]?:(?P<port>\d{1,5})\b").ok()
});

/// Fills host or address, port and URL of the connection that failed.
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
    if let Some(found) = NET_ADDRESS.as_ref().and_then(|regex| regex.captures(text))
        && let Ok(ip) = found.name("ip")?.as_str().parse::<std::net::IpAddr>()
    {
        row.dst_ip = Some(Text::from(ip.to_string()));
        row.dst_port = found.name("port").and_then(|port| port.as_str().parse().ok());
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

/// The class, the place, and the last line that says what failed: tracebacks and PowerShell's records go on behind it.
fn failure_message(class: &str, phrase: &str, host: Option<&str>, text: &str) -> String {
    let phrase = phrase.to_ascii_lowercase();
    let mut lines = text.lines().rev().map(str::trim);
    let telling = lines
        .clone()
        .find(|line| line.to_ascii_lowercase().contains(&phrase));
    let line = telling.or_else(|| lines.find(|line| line.contains([':', ' '])));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_the_innermost_exception() {
        let text = "MaxRetryError: x (Caused by SSLError(SSLEOFError(8, 'EOF occurred')))";
        assert_eq!(exception(text).as_deref(), Some("SSLEOFError"));
    }
}
