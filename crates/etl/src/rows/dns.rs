//! DNS-Client events as the DNS rows that packets give too.

use std::net::IpAddr;
use std::sync::LazyLock;

use casetrace_model::{JsonKey, JsonObject, Outcome, Row, Text};

use super::follow::place;
use crate::value::Values;

struct Keys {
    protocol: JsonKey,
    query_type: JsonKey,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    protocol: JsonKey::new("protocol"),
    query_type: JsonKey::new("qtype"),
});

/// A question, its answer, or a time-out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DnsFact<'v> {
    name: &'v str,
    query_type: Option<u16>,
    step: Step<'v>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'v> {
    Query,
    /// Status number and the results as the client prints them.
    Result {
        status: u32,
        results: &'v str,
    },
    TimedOut {
        server: &'v str,
    },
}

impl<'v> DnsFact<'v> {
    /// The kind of row it gives.
    pub(crate) fn kind(&self) -> &'static str {
        match self.step {
            Step::Result { .. } => "dns.response",
            _ => "dns.query",
        }
    }

    /// Events 3006 (query), 3008 (its final result), 1013 to 1015 (no server answered).
    pub(crate) fn of(event_id: u16, values: &'v Values) -> Option<Self> {
        let number = |name: &str| values.find(name).and_then(|text| text.parse::<u32>().ok());
        let step = match event_id {
            3006 => Step::Query,
            3008 => Step::Result {
                status: number("QueryStatus").unwrap_or(0),
                results: values.find("QueryResults").unwrap_or_default(),
            },
            1013..=1015 => Step::TimedOut {
                server: values.find("Address").unwrap_or_default(),
            },
            _ => return None,
        };
        let query_type = number("QueryType").and_then(|n| u16::try_from(n).ok());
        Some(Self {
            name: values.find("QueryName")?,
            query_type,
            step,
        })
    }
}

/// Fills the row of a fact.
pub(crate) fn fill(row: &mut Row, event: &Row, fact: &DnsFact<'_>) {
    place(row, event);
    row.server_name = Some(server_name(event, fact.name));
    let mut fields = JsonObject::with_capacity(120);
    let keys = &*KEYS;
    fields.push_plain_at(&keys.protocol, "dns");
    if let Some(number) = fact.query_type {
        match type_name(number) {
            Some(name) => fields.push_plain_at(&keys.query_type, name),
            None => fields.push_plain_at(&keys.query_type, &number.to_string()),
        }
    }
    match fact.step {
        Step::Query => row.message = sentence(&["DNS query for ", fact.name]),
        Step::Result { status, results } => answer(row, &mut fields, fact.name, status, results),
        Step::TimedOut { server } => {
            row.outcome = Some(Outcome::Timeout);
            row.dns_rcode = Some(Text::new_static("TIMEOUT"));
            row.message = sentence(&["DNS query for ", fact.name, " got no answer"]);
            fields.push_str("server", server);
        }
    }
    row.fields = fields.finish();
}

fn sentence(parts: &[&str]) -> String {
    let mut out = String::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| out.push_str(part));
    out
}

/// The name without its last dot, in lower case; mostly the event's own row has it already.
fn server_name(event: &Row, name: &str) -> Text {
    let bare = name.trim_end_matches('.');
    match &event.server_name {
        Some(known) if known == bare && !bare.bytes().any(|b| b.is_ascii_uppercase()) => known.clone(),
        _ => Text::from(bare.to_ascii_lowercase()),
    }
}

fn answer(row: &mut Row, fields: &mut JsonObject, name: &str, status: u32, results: &str) {
    let (rcode, outcome) = rcode(status);
    row.dns_rcode = Some(Text::new_static(rcode));
    row.outcome = Some(outcome);
    let parsed = Results::parse(results);
    fields.push_list("addresses", parsed.addresses.iter().map(String::as_str));
    fields.push_list("cname", parsed.names.iter().map(String::as_str));
    fields.push_num("status", status);
    let shown = if parsed.addresses.is_empty() {
        String::new()
    } else {
        format!(": {}", parsed.addresses.join(", "))
    };
    row.message = format!("DNS answer for {name}: {rcode}{shown}");
}

/// Win32 codes of the DNS client by response code.
fn rcode(status: u32) -> (&'static str, Outcome) {
    match status {
        0 => ("NOERROR", Outcome::Success),
        // No record of this type; the name exists.
        9501 => ("NOERROR", Outcome::Failure),
        9001 => ("FORMERR", Outcome::Failure),
        9002 => ("SERVFAIL", Outcome::Failure),
        9003 => ("NXDOMAIN", Outcome::Failure),
        9004 => ("NOTIMP", Outcome::Failure),
        9005 => ("REFUSED", Outcome::Refused),
        1460 => ("TIMEOUT", Outcome::Timeout),
        _ => ("OTHER", Outcome::Failure),
    }
}

/// `type:  5 alias.example;::ffff:192.0.2.1;`
#[derive(Debug, Default, PartialEq, Eq)]
struct Results {
    addresses: Vec<String>,
    names: Vec<String>,
}

impl Results {
    fn parse(text: &str) -> Self {
        let mut out = Self::default();
        for part in text
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .take(64)
        {
            if let Ok(address) = part.parse::<IpAddr>() {
                out.addresses.push(address.to_canonical().to_string());
                continue;
            }
            // Of other records only aliases matter.
            let alias = part
                .strip_prefix("type:")
                .and_then(|rest| rest.trim().strip_prefix("5 "));
            out.names.extend(alias.map(|name| name.trim().to_owned()));
        }
        out
    }
}

fn type_name(number: u16) -> Option<&'static str> {
    Some(match number {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        64 => "SVCB",
        65 => "HTTPS",
        255 => "ANY",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_split() {
        let parsed = Results::parse("type:  5 a.example;::ffff:192.0.2.1;2001:db8::1;junk;");
        assert_eq!(parsed.addresses, ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(parsed.names, ["a.example"]);
        assert_eq!(rcode(9003).0, "NXDOMAIN");
    }
}
