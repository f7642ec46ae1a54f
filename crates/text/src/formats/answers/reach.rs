//! `Test-NetConnection`: one `tcp.connect` for each port that was tried, and a name that was not resolved.

use casetrace_model::{JsonObject, Outcome, Row, Source, Text};

use super::{Pairs, pair};
use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    let result = head.any(|line| {
        ["TcpTestSucceeded", "NameResolutionSucceeded", "PingSucceeded"]
            .iter()
            .any(|name| line.starts_with(name))
    });
    match head.any(starts) {
        true if result => score::CERTAIN,
        true => score::WEAK,
        false => score::NO,
    }
}

pub(crate) fn starts(text: &str) -> bool {
    text.starts_with("ComputerName  ") && text.contains(" : ")
        || text.starts_with("WARNING: Name resolution of ")
        || text.starts_with("WARNING: TCP connect to ")
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Reach::default())
}

#[derive(Default)]
struct Reach(Pairs);

impl Machine for Reach {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if let Some(name) = text
            .strip_prefix("WARNING: Name resolution of ")
            .and_then(|rest| rest.split(' ').next())
        {
            unresolved(line.number, name, out);
        } else if text.starts_with("WARNING: ") {
            out.log_line(line.number, "Test-NetConnection", text, None);
        } else if let Some((name, value)) = pair(text) {
            if name == "ComputerName" {
                self.close(out);
            }
            self.0.push(line.number, name, value);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl Reach {
    fn close(&mut self, out: &mut Output<'_>) {
        let pairs = std::mem::take(&mut self.0);
        let (Some(name), Some(good)) = (pairs.get(&["ComputerName"]), pairs.is_true(&["TcpTestSucceeded"]))
        else {
            return;
        };
        let name = name.to_ascii_lowercase();
        let port = pairs.get(&["RemotePort"]).unwrap_or_default();
        let mut row = Row::new(Source::Text, "tcp.connect", pairs.line);
        row.message = format!(
            "Test-NetConnection to {name} port {port}: {}",
            if good { "connected" } else { "no connection" }
        );
        row.dst_port = port.parse().ok();
        row.dst_ip = pairs.get(&["RemoteAddress"]).map(Text::from);
        row.src_ip = pairs.get(&["SourceAddress"]).map(Text::from);
        row.outcome = Some(if good { Outcome::Success } else { Outcome::Failure });
        row.server_name = Some(Text::from(name));
        let mut fields = JsonObject::new().str("test", "Test-NetConnection");
        if let Some(adapter) = pairs.get(&["InterfaceAlias"]) {
            fields.push_str("adapter", adapter);
        }
        row.fields = fields.finish();
        out.row(row);
    }
}

fn unresolved(line: u64, name: &str, out: &mut Output<'_>) {
    let name = name.to_ascii_lowercase();
    let mut row = Row::new(Source::Text, "dns.response", line)
        .message(format!("Test-NetConnection: {name} is not resolved"));
    row.server_name = Some(Text::from(name));
    row.outcome = Some(Outcome::Failure);
    row.fields = JsonObject::new().str("protocol", "lookup").finish();
    out.row(row);
}
