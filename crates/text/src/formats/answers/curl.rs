//! `curl -v`: names, connections, requests and answers; everything else stays a line of the log.

use std::sync::LazyLock;

use casetrace_model::{JsonObject, Outcome, Row, Source, Text};
use regex::Regex;

use crate::blocks::{Machine, prompt_command};
use crate::format::{Head, score};
use crate::formats::http::exchange::Exchange;
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
    Box::new(Curl {
        exchange: Exchange::new("curl"),
    })
}

struct Curl {
    exchange: Exchange,
}

impl Machine for Curl {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim_end();
        if let Some(sent) = text.strip_prefix("> ") {
            if !self.exchange.request_line(sent, out) {
                self.exchange.request_header(sent);
            }
        } else if let Some(got) = text.strip_prefix("< ") {
            if !self.exchange.status_line(line.number, got, out) {
                self.exchange.header(got);
            }
        } else if text.starts_with("* ") || text.starts_with("curl: (") {
            self.exchange.close(out);
            self.remark(line.number, text, out);
        } else if prompt_command(text).is_some() {
            self.exchange.close(out);
        } else if !matches!(text, "" | ">" | "<") && !text.ends_with("bytes data]") {
            self.exchange.body(text);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.exchange.close(out);
        self.exchange = Exchange::new("curl");
    }
}

impl Curl {
    fn remark(&mut self, line: u64, text: &str, out: &mut Output<'_>) {
        if let Some(found) = PROXY.as_ref().and_then(|regex| regex.captures(text)) {
            self.exchange.proxy = found
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
