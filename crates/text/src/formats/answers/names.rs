//! `Resolve-DnsName` and `nslookup`: one `dns.response` or `dns.query` for each name that was asked for.

use std::net::IpAddr;

use casetrace_model::{JsonObject, Outcome, Row, Source, Text};

use super::pair;
use crate::blocks::{Machine, prompt_command};
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

/// Answers that are kept of one name.
const MAX_ANSWERS: usize = 200;

/// What the tools say, and the answer's code; none stands for a server that did not answer.
const FAILURES: [(&str, Option<&str>); 8] = [
    ("DNS name does not exist", Some("NXDOMAIN")),
    ("DNS 名がありません", Some("NXDOMAIN")),
    ("Non-existent domain", Some("NXDOMAIN")),
    ("DNS server failure", Some("SERVFAIL")),
    ("Server failed", Some("SERVFAIL")),
    ("DNS operation refused", Some("REFUSED")),
    ("Query refused", Some("REFUSED")),
    ("This operation returned because the timeout period expired", None),
];

pub(crate) fn detect(head: &Head) -> u8 {
    let nslookup = || {
        let mut first = head.first(3).filter(|line| prompt_command(line).is_none());
        let begins = |line: Option<&str>, words: [&str; 2]| {
            line.is_some_and(|line| words.iter().any(|word| line.starts_with(word)))
        };
        begins(first.next(), ["Server:", "サーバー:"]) && begins(first.next(), ["Address:", "Address:"])
    };
    if head.any(starts) || nslookup() {
        score::LIKELY + 20
    } else {
        score::NO
    }
}

pub(crate) fn starts(text: &str) -> bool {
    text.starts_with("Resolve-DnsName :")
        || text.starts_with("Resolve-DnsName:")
        || text.starts_with("*** ") && failed(text).is_some()
        || text.starts_with("Name ") && is_header(text)
        || asked(text).is_some()
}

/// The name in `PS C:\> Resolve-DnsName host` or `C:\>nslookup host`.
fn asked(text: &str) -> Option<&str> {
    let mut words = prompt_command(text)?.split_whitespace();
    let tool = words.next()?;
    let known = ["Resolve-DnsName", "nslookup", "nslookup.exe"];
    if !known.iter().any(|name| tool.eq_ignore_ascii_case(name)) {
        return None;
    }
    words.find(|word| !word.starts_with('-')).or(Some(""))
}

/// `Name   Type   TTL   Section    IPAddress`
fn is_header(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words.next() == Some("Name") && words.next() == Some("Type") && words.next() == Some("TTL")
}

/// The name that is not resolved and why: `Resolve-DnsName : host : DNS name does not exist`,
/// `*** dc01 can't find host: Non-existent domain`.
fn failed(text: &str) -> Option<(&str, Option<&'static str>)> {
    let (words, code) = FAILURES.iter().find(|(words, _)| text.contains(words))?;
    let before = text
        .split(words)
        .next()?
        .trim_end()
        .trim_end_matches(':')
        .trim_end();
    let name = before
        .trim_end_matches("を見つけられません")
        .rsplit([' ', ':'])
        .find(|word| !word.is_empty() && *word != "が")?;
    is_name(name).then_some((name, *code))
}

fn is_name(text: &str) -> bool {
    text.contains('.')
        && text.len() <= 253
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Names::default())
}

#[derive(Default)]
struct Names {
    line: u64,
    name: String,
    addresses: Vec<String>,
    cnames: Vec<String>,
    /// `nslookup` names its own server first.
    server: bool,
    timed_out: bool,
}

impl Machine for Names {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if let Some(name) = asked(text) {
            self.close(out);
            self.begin(line.number, name);
        } else if let Some((name, code)) = failed(text) {
            self.close(out);
            emit(line.number, name, code, &[], &[], out);
        } else if text.starts_with("DNS request timed out") {
            self.timed_out = true;
        } else if text.starts_with("Server:") || text.starts_with("サーバー:") {
            self.server = true;
        } else if self.server && text.starts_with("Address:") {
            self.server = false;
        } else {
            self.answer(line.number, text, out);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl Names {
    fn begin(&mut self, line: u64, name: &str) {
        (self.line, self.name) = (line, name.trim_end_matches('.').to_ascii_lowercase());
    }

    fn answer(&mut self, line: u64, text: &str, out: &mut Output<'_>) {
        if let Some((name, value)) = pair(text) {
            match name {
                "Name" | "名前" if is_name(value) => self.named(line, value, out),
                "IP4Address" | "IP6Address" | "IPAddress" | "Address" | "Addresses" => self.address(value),
                "NameHost" | "Aliases" if is_name(value) => push(&mut self.cnames, value),
                // A further address of nslookup: one with colons.
                _ => self.address(text),
            }
            return;
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [name, "A" | "AAAA", _, _, address] if is_name(name) => {
                self.named(line, name, out);
                self.address(address);
            }
            [name, "CNAME", _, _, target] if is_name(name) => {
                self.named(line, name, out);
                push(&mut self.cnames, target);
            }
            [address] => self.address(address),
            _ => {}
        }
    }

    /// An answer's own name: that of the question, one it leads to, or of another question.
    fn named(&mut self, line: u64, name: &str, out: &mut Output<'_>) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let led_to = self.cnames.iter().any(|known| known.eq_ignore_ascii_case(&name));
        if self.name.is_empty() {
            self.begin(line, &name);
        } else if name != self.name && !led_to {
            // nslookup prints the last name of a chain, and the one asked for as alias.
            if self.addresses.is_empty() && self.cnames.is_empty() && !self.name.is_empty() {
                push(&mut self.cnames, &name);
            } else {
                self.close(out);
                self.begin(line, &name);
            }
        }
    }

    fn address(&mut self, text: &str) {
        if let Ok(address) = text.parse::<IpAddr>() {
            push(&mut self.addresses, &address.to_string());
        }
    }

    fn close(&mut self, out: &mut Output<'_>) {
        let Self {
            line,
            name,
            addresses,
            cnames,
            timed_out,
            ..
        } = std::mem::take(self);
        if !is_name(&name) {
            return;
        }
        if !addresses.is_empty() || !cnames.is_empty() {
            emit(line, &name, Some("NOERROR"), &addresses, &cnames, out);
        } else if timed_out {
            emit(line, &name, None, &[], &[], out);
        }
    }
}

fn push(list: &mut Vec<String>, value: &str) {
    if list.len() < MAX_ANSWERS && !list.iter().any(|known| known == value) {
        list.push(value.to_owned());
    }
}

fn emit(
    line: u64,
    name: &str,
    code: Option<&'static str>,
    addresses: &[String],
    cnames: &[String],
    out: &mut Output<'_>,
) {
    let kind = if code.is_some() {
        "dns.response"
    } else {
        "dns.query"
    };
    let name = name.to_ascii_lowercase();
    let mut row = Row::new(Source::Text, kind, line);
    row.message = match (code, addresses.first()) {
        (None, _) => format!("No answer for {name}"),
        (Some("NOERROR"), Some(address)) => format!("{name} is {address}"),
        (Some(code), _) => format!("{name}: {code}"),
    };
    row.outcome = Some(match code {
        None => Outcome::Timeout,
        Some("NOERROR") => Outcome::Success,
        Some(_) => Outcome::Failure,
    });
    row.dns_rcode = code.map(Text::new_static);
    row.server_name = Some(Text::from(name));
    let mut fields = JsonObject::new().str("protocol", "lookup");
    for (key, list) in [("addresses", addresses), ("cname", cnames)] {
        if !list.is_empty() {
            fields.push_list(key, list.iter().map(String::as_str));
        }
    }
    row.fields = fields.finish();
    out.row(row);
}
