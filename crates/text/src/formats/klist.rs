//! `klist`, `klist -li 0x3e7` and `klist cloud_debug`, in English and Japanese.

use std::sync::LazyLock;

use casetrace_model::{Context, JsonObject, Outcome, Row, Source, Text};

use crate::blocks::Machine;
use crate::clock;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;
use crate::table::Labels;

static LABELS: LazyLock<Labels> = LazyLock::new(|| Labels::of("klist"));

pub(crate) fn detect(head: &Head) -> u8 {
    head.if_any(starts, score::LIKELY + 20)
}

pub(crate) fn starts(text: &str) -> bool {
    text.starts_with("Current LogonId is ") || text.starts_with("現在のログオン ID")
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Klist::default())
}

#[derive(Default)]
struct Klist {
    logon: String,
    ticket: Option<(u64, Vec<(String, String)>)>,
    cloud: Option<(u64, Vec<(String, String)>)>,
}

impl Machine for Klist {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if text.is_empty() {
            return;
        }
        if starts(line.text) {
            self.close(out);
            self.logon = text.rsplit([' ', ':']).next().unwrap_or_default().to_owned();
        } else if let Some(count) = count(text) {
            let details = [("logon_id", self.logon.as_str())];
            out.config_in(self.context(), line.number, "kerberos_tickets", count, &details);
        } else if text.starts_with("Cloud Kerberos Debug") || text.starts_with("Cloud Kerberos デバッグ")
        {
            self.cloud = Some((line.number, Vec::new()));
        } else if let Some(rest) = ticket_start(text) {
            self.close_ticket(out);
            self.ticket = Some((line.number, Vec::new()));
            self.field(rest);
        } else {
            self.field(text);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

/// The number in `Cached Tickets: (2)`.
fn count(text: &str) -> Option<&str> {
    let (label, rest) = text.split_once('(')?;
    let known = label.starts_with("Cached Tickets") || label.starts_with("キャッシュされたチケット");
    known.then(|| rest.trim_end_matches(')'))
}

/// The rest of a line after `#0>`.
fn ticket_start(text: &str) -> Option<&str> {
    let (number, rest) = text.strip_prefix('#')?.split_once('>')?;
    number.bytes().all(|b| b.is_ascii_digit()).then(|| rest.trim())
}

impl Klist {
    /// 0x3e7 is SYSTEM, 0x3e4 and 0x3e5 are the service accounts.
    fn context(&self) -> Option<Context> {
        let id = self.logon.to_ascii_lowercase();
        if id.is_empty() {
            None
        } else if ["0x3e7", "0x3e4", "0x3e5"].contains(&id.as_str()) {
            Some(Context::System)
        } else {
            Some(Context::User)
        }
    }

    fn field(&mut self, text: &str) {
        let list = match (&mut self.cloud, &mut self.ticket) {
            (Some((_, list)), _) | (None, Some((_, list))) => list,
            (None, None) => return,
        };
        if list.len() >= 40 {
            return;
        }
        if let Some((name, value)) = LABELS.field(text) {
            list.push((name.to_owned(), value.to_owned()));
        } else if let Some(flags) = text
            .strip_prefix("Ticket Flags ")
            .or_else(|| text.strip_prefix("チケットのフラグ "))
        {
            list.push(("flags".to_owned(), flags.to_owned()));
        } else if let Some((name, value)) = text.split_once(": ") {
            list.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }

    fn close(&mut self, out: &mut Output<'_>) {
        self.close_ticket(out);
        let Some((line, list)) = self.cloud.take() else {
            return;
        };
        let value = list
            .iter()
            .find(|(name, _)| name.starts_with("Cloud Primary"))
            .map_or(
                "unknown",
                |(_, value)| if value == "1" { "available" } else { "missing" },
            );
        let details: Vec<_> = list
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        out.config_in(self.context(), line, "cloud_tgt", value, &details);
    }

    fn close_ticket(&mut self, out: &mut Output<'_>) {
        let Some((line, list)) = self.ticket.take() else {
            return;
        };
        let get = |name: &str| {
            list.iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        let mut row = Row::new(Source::Text, "kerberos.ticket", line);
        row.context = self.context();
        row.outcome = Some(Outcome::Success);
        row.user = get("client").map(|client| Text::from(client.replace(' ', "")));
        let server = get("server").unwrap_or_default().replace(' ', "");
        row.server_name = server
            .split_once('@')
            .map(|(_, realm)| Text::from(realm.to_ascii_lowercase()));
        if let Some((moment, _)) = get("start").and_then(|time| clock::leading(time)) {
            out.stamp(&mut row, moment);
        }
        row.message = format!("Ticket for {server}");
        let mut fields = JsonObject::new()
            .str("sname", &server)
            .str("logon_id", &self.logon);
        for (name, value) in &list {
            fields.push_str(name, value);
        }
        row.fields = fields.finish();
        out.row(row);
    }
}
