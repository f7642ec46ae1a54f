//! `curl -v`: names, connections, requests and answers; everything else stays a line of the log.

use std::sync::LazyLock;

use casetrace_model::{JsonObject, Outcome, Row, Source, Text};
use regex::Regex;

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

static UNRESOLVED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"Could not resolve (?:host|proxy): (?P<host>[A-Za-z0-9._-]{1,253})").ok());
static CONNECTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^\* (?:Established connection|Connected) to (?P<host>\S{1,253}) \((?P<ip>[0-9A-Fa-f.:]{2,45})\)? port (?P<port>\d{1,5})").ok()
});
static REFUSED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"Failed to connect to (?P<host>\S{1,253}) port (?P<port>\d{1,5}) after .{1,40}?: (?P<why>.{1,120})",
    )
    .ok()
});
static PROXY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^\* Uses proxy env variable \w+ == '(?:[a-z0-9]+://)?(?:[^@'/]*@)?(?P<proxy>[A-Za-z0-9._:\[\]-]{1,260})/?'").ok()
});

pub(crate) fn detect(head: &Head) -> u8 {
    let marked = head.count(|line| line.starts_with("> ") || line.starts_with("< "));
    match head.any(starts) {
        true if marked > 0 => score::CERTAIN,
        true => score::LIKELY,
        false => score::NO,
    }
}

pub(crate) fn starts(text: &str) -> bool {
    text.starts_with("* Host ") && text.contains(" was resolved")
        || text.starts_with("*   Trying ")
        || text.starts_with("* Could not resolve ")
        || text.starts_with("* Uses proxy env variable ")
        || text.starts_with("curl: (")
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Curl::default())
}

#[derive(Default)]
struct Curl {
    method: String,
    path: String,
    host: String,
    proxy: Option<Text>,
    answer: Option<Row>,
    headers: Vec<(String, String)>,
}

/// Headers of one answer that are kept.
const MAX_HEADERS: usize = 64;

impl Machine for Curl {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim_end();
        if let Some(sent) = text.strip_prefix("> ") {
            self.sent(sent, out);
        } else if let Some(got) = text.strip_prefix("< ") {
            self.got(line.number, got, out);
        } else if text.starts_with("* ") || text.starts_with("curl: (") {
            self.close(out);
            self.remark(line.number, text, out);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
        *self = Self::default();
    }
}

impl Curl {
    fn sent(&mut self, text: &str, out: &mut Output<'_>) {
        if let [method, path, version] = text.split(' ').collect::<Vec<_>>().as_slice()
            && version.starts_with("HTTP/")
        {
            self.close(out);
            (self.method, self.path) = ((*method).to_owned(), (*path).to_owned());
        } else if let Some(host) = text.strip_prefix("Host: ") {
            self.host = host.trim().to_ascii_lowercase();
        }
    }

    fn got(&mut self, line: u64, text: &str, out: &mut Output<'_>) {
        let status = text
            .strip_prefix("HTTP/")
            .and_then(|rest| rest.split(' ').nth(1)?.parse::<u16>().ok());
        if let Some(status) = status {
            self.close(out);
            let mut row = Row::new(Source::Text, "http.response", line);
            let (host, _) = port_of(&self.host);
            row.http_status = Some(status);
            row.http_method = Some(Text::from(self.method.as_str())).filter(|method| !method.is_empty());
            row.outcome = Some(if status < 400 {
                Outcome::Success
            } else {
                Outcome::Failure
            });
            row.message = format!("{} {host}: {text}", self.method);
            row.server_name = Some(Text::from(host)).filter(|host| !host.is_empty());
            if self.method != "CONNECT" && self.path.starts_with('/') {
                row.url = Some(Text::from(format!("https://{}{}", self.host, self.path)));
            }
            row.proxy.clone_from(&self.proxy);
            self.answer = Some(row);
        } else if let Some((name, value)) = text.split_once(": ")
            && self.headers.len() < MAX_HEADERS
        {
            self.headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn remark(&mut self, line: u64, text: &str, out: &mut Output<'_>) {
        if let Some(found) = PROXY.as_ref().and_then(|regex| regex.captures(text)) {
            self.proxy = found
                .name("proxy")
                .map(|proxy| Text::from(proxy.as_str().to_ascii_lowercase()));
        }
        let facts = unresolved(line, text)
            .or_else(|| connected(line, text))
            .or_else(|| refused(line, text));
        match facts {
            // The tool's last words repeat a remark.
            Some(row) if text.starts_with("* ") => out.row(row),
            _ => out.log_line(line, "curl", text, None),
        }
    }

    fn close(&mut self, out: &mut Output<'_>) {
        let headers = std::mem::take(&mut self.headers);
        let Some(mut row) = self.answer.take() else { return };
        let header = |name: &str| {
            headers
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        row.content_type = header("content-type").map(Text::from);
        let schemes: Vec<&str> = headers
            .iter()
            .filter(|(name, _)| name == "proxy-authenticate")
            .filter_map(|(_, value)| value.split(' ').next())
            .collect();
        row.proxy_auth = Some(Text::from(schemes.join(","))).filter(|schemes| !schemes.is_empty());
        let mut fields = JsonObject::new().str("tool", "curl");
        for (key, name) in [
            ("ms_request_id", "x-ms-request-id"),
            ("server", "server"),
            ("via", "via"),
            ("date", "date"),
        ] {
            if let Some(value) = header(name) {
                fields.push_str(key, value);
            }
        }
        let content = row.content_type.as_deref().unwrap_or_default();
        if let Some(kind) = ["html", "json", "xml"]
            .iter()
            .find(|kind| content.contains(*kind))
        {
            fields.push_str("body_kind", kind);
        }
        row.fields = fields.finish();
        out.row(row);
    }
}

/// `host:port` apart.
fn port_of(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, port.parse().ok()),
        _ => (host, None),
    }
}

fn unresolved(line: u64, text: &str) -> Option<Row> {
    let host = UNRESOLVED
        .as_ref()?
        .captures(text)?
        .name("host")?
        .as_str()
        .to_ascii_lowercase();
    let mut row =
        Row::new(Source::Text, "dns.response", line).message(format!("curl: {host} is not resolved"));
    row.server_name = Some(Text::from(host));
    row.outcome = Some(Outcome::Failure);
    row.fields = JsonObject::new().str("protocol", "lookup").finish();
    Some(row)
}

fn connection(line: u64, host: &str, port: &str, outcome: Outcome) -> Row {
    let host = host.to_ascii_lowercase();
    let mut row = Row::new(Source::Text, "tcp.connect", line)
        .message(format!("curl to {host} port {port}: {}", outcome.as_str()));
    row.dst_port = port.parse().ok();
    row.server_name = Some(Text::from(host));
    row.outcome = Some(outcome);
    row.fields = JsonObject::new().str("test", "curl").finish();
    row
}

fn connected(line: u64, text: &str) -> Option<Row> {
    let found = CONNECTED.as_ref()?.captures(text)?;
    let mut row = connection(
        line,
        found.name("host")?.as_str(),
        found.name("port")?.as_str(),
        Outcome::Success,
    );
    row.dst_ip = Some(Text::from(found.name("ip")?.as_str()));
    Some(row)
}

fn refused(line: u64, text: &str) -> Option<Row> {
    let found = REFUSED.as_ref()?.captures(text)?;
    let why = found.name("why")?.as_str().to_ascii_lowercase();
    let outcome = if why.contains("timed out") || why.contains("timeout") {
        Outcome::Timeout
    } else if why.contains("refused") {
        Outcome::Refused
    } else {
        Outcome::Failure
    };
    Some(connection(
        line,
        found.name("host")?.as_str(),
        found.name("port")?.as_str(),
        outcome,
    ))
}
