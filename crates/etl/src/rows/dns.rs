//! DNS-Client events as the DNS rows that packets give too.

use std::net::IpAddr;

use casetrace_model::{JsonObject, Outcome, Row, Text};

use super::follow::like;
use crate::Guid;
use crate::container::record::Event;
use crate::names::DNS_CLIENT;
use crate::value::Values;

/// A question, its answer, or a time-out.
#[derive(Debug, Clone)]
pub(crate) struct DnsFact {
    name: String,
    query_type: Option<u16>,
    step: Step,
}

#[derive(Debug, Clone)]
enum Step {
    Query,
    /// Status number and the results as the client prints them.
    Result {
        status: u32,
        results: String,
    },
    TimedOut {
        server: String,
    },
}

impl DnsFact {
    /// Events 3006 (query), 3008 (its final result), 1013 to 1015 (no server answered).
    pub(crate) fn of(provider: Guid, event: &Event<'_>, values: &Values) -> Option<Self> {
        if provider != DNS_CLIENT {
            return None;
        }
        let number = |name: &str| values.find(name).and_then(|text| text.parse::<u32>().ok());
        let step = match event.id() {
            3006 => Step::Query,
            3008 => Step::Result {
                status: number("QueryStatus").unwrap_or(0),
                results: values.find("QueryResults").unwrap_or_default().to_owned(),
            },
            1013..=1015 => Step::TimedOut {
                server: values.find("Address").unwrap_or_default().to_owned(),
            },
            _ => return None,
        };
        let query_type = number("QueryType").and_then(|n| u16::try_from(n).ok());
        Some(Self {
            name: values.find("QueryName")?.to_owned(),
            query_type,
            step,
        })
    }
}

/// The row of a fact.
pub(crate) fn row(event: &Row, fact: DnsFact) -> Row {
    let kind = match fact.step {
        Step::Result { .. } => "dns.response",
        _ => "dns.query",
    };
    let mut row = like(event, kind);
    row.server_name = Some(Text::from(fact.name.trim_end_matches('.').to_ascii_lowercase()));
    let mut fields = JsonObject::with_capacity(120).str("protocol", "dns");
    if let Some(number) = fact.query_type {
        fields.push_str("qtype", &type_name(number));
    }
    match fact.step {
        Step::Query => row.message = format!("DNS query for {}", fact.name),
        Step::Result { status, results } => answer(&mut row, &mut fields, &fact.name, status, &results),
        Step::TimedOut { server } => {
            row.outcome = Some(Outcome::Timeout);
            row.dns_rcode = Some(Text::new_static("TIMEOUT"));
            row.message = format!("DNS query for {} got no answer", fact.name);
            fields.push_str("server", &server);
        }
    }
    row.fields = fields.finish();
    row
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

fn type_name(number: u16) -> String {
    let name = match number {
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
        _ => return number.to_string(),
    };
    name.to_owned()
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
