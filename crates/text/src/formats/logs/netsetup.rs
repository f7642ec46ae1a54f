//! NetSetup.LOG: domain join and leave, `MM/dd/yyyy HH:mm:ss:fff text`, local time.

use casetrace_model::{Outcome, Text};

use crate::blocks::Machine;
use crate::clock::{self, Moment};
use crate::format::{Head, score};
use crate::formats::nltest::win32;
use crate::lines::Line;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    let known = head.count(|line| parse(line).is_some_and(|(_, text)| is_net(text)));
    if known >= 2 || (known == 1 && head.named("netsetup")) {
        score::CERTAIN
    } else {
        score::NO
    }
}

fn is_net(text: &str) -> bool {
    text.starts_with("Netp") || text.starts_with("NetUse") || text.starts_with("----------")
}

fn parse(text: &str) -> Option<(Moment, &str)> {
    let (moment, rest) = clock::leading(text)?;
    (text.get(2..3) == Some("/") && text.get(19..20) == Some(":")).then(|| (moment, rest.trim_start()))
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(NetSetup { operation: 0 })
}

struct NetSetup {
    /// Operations are divided by lines of dashes.
    operation: u32,
}

impl Machine for NetSetup {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim_end();
        if text.is_empty() {
            return;
        }
        let Some((moment, rest)) = parse(text) else {
            return out.log_line(line.number, "netsetup", text, None);
        };
        if rest.starts_with("----------") {
            self.operation += 1;
            return;
        }
        let mut row = out.log_row(line.number, "netsetup", rest, Some(moment));
        if let Some(number) = result(rest) {
            row.error_code = (number != 0).then(|| win32(number));
            if rest.starts_with("NetpDoDomainJoin: status") || rest.starts_with("NetpProvisionComputer") {
                row.outcome = Some(if number == 0 {
                    Outcome::Success
                } else {
                    Outcome::Failure
                });
            } else if number != 0 {
                row.outcome = Some(Outcome::Failure);
            }
        }
        if let Some(name) = quoted(rest, "NetpMachineValidToJoin: ") {
            row.host = Some(Text::from(name));
        }
        let operation = format!(",\"operation\":{}}}", self.operation);
        row.fields.truncate(row.fields.len().saturating_sub(1));
        row.fields.push_str(&operation);
        out.row(row);
    }

    fn end(&mut self, _: &mut Output<'_>) {}
}

/// The number after `status:`, `returned`, `failed:`.
fn result(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let at = ["status: ", "status:", "returned ", "failed: ", "error "]
        .iter()
        .find_map(|word| lower.rfind(word).map(|at| at + word.len()))?;
    let word = text
        .get(at..)?
        .split_whitespace()
        .next()?
        .trim_end_matches(['.', ',']);
    let number = word
        .starts_with("0x")
        .then(|| casetrace_model::code::parse_number(word))
        .flatten();
    number.or_else(|| word.parse().ok())
}

fn quoted<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(start)?;
    rest.split('\'').nth(1)
}
