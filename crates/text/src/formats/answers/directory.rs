//! What administrators read from directory and federation server: `Get-ADUser`, `Get-ADComputer`, `Get-AdfsEndpoint`,
//! `Get-MgDomain`, `repadmin /replsummary`. One setting for each object, end point, domain or failing partner.

use std::sync::LazyLock;

use casetrace_model::{Outcome, Source, Text};
use regex::Regex;

use super::{Pairs, pair};
use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::{self, Output};

/// ` DC01    02h:12m:12s    3 /   5   60  (1722) The RPC server is unavailable.`
static PARTNER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^\s(?P<dc>[A-Za-z0-9-]{1,63})\s+(?P<delta>[>\dhdms:.]{2,20}|unknown)\s+(?P<fails>\d{1,6}) /\s*(?P<total>\d{1,6})\s+\d{1,3}\s*(?:\((?P<code>\d{1,5})\)\s*(?P<text>.{1,200}))?").ok()
});

pub(crate) fn detect(head: &Head) -> u8 {
    let object = head.any(|line| line.starts_with("DistinguishedName ") && line.contains(" : "));
    if object || head.any(starts) {
        score::LIKELY + 20
    } else {
        score::NO
    }
}

pub(crate) fn starts(text: &str) -> bool {
    Table::of(text).is_some()
        || text.starts_with("Replication Summary Start Time:")
        || text.starts_with("レプリケーションの概要の開始時刻:")
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Directory::default())
}

/// The tables that are read; each row ends with words that say yes or no.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Endpoints,
    Domains,
}

impl Table {
    /// The table whose header this line is.
    fn of(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        match (words.next()?, words.next()?) {
            ("AddressPath", "Enabled") => Some(Self::Endpoints),
            ("Id", "IsVerified") => Some(Self::Domains),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Directory {
    object: Pairs,
    table: Option<Table>,
}

impl Machine for Directory {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text;
        if text.trim().is_empty() {
            self.close(out);
        } else if let Some(table) = Table::of(text) {
            self.table = Some(table);
        } else if let Some(found) = PARTNER.as_ref().and_then(|regex| regex.captures(text)) {
            let part = |name| found.name(name).map_or("", |part| part.as_str());
            partner(line.number, &part, out);
        } else if let Some(table) = self.table {
            table_row(table, line.number, text, out);
        } else if let Some((name, value)) =
            pair(text).filter(|_| text.contains(" : ") || text.trim_end().ends_with(" :"))
        {
            self.object.push(line.number, name, value);
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
        self.table = None;
    }
}

impl Directory {
    /// A list ends with an empty line; one without a distinguished name is no object.
    fn close(&mut self, out: &mut Output<'_>) {
        let object = std::mem::take(&mut self.object);
        let Some(dn) = object.get(&["DistinguishedName"]) else {
            return;
        };
        let certificate = object
            .pairs
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("userCertificate"))
            .map(|(_, value)| {
                if matches!(value.as_str(), "" | "{}") {
                    "absent"
                } else {
                    "present"
                }
            });
        let mut details = vec![("dn", dn)];
        for (name, label) in [
            ("class", "ObjectClass"),
            ("account", "SamAccountName"),
            ("upn", "UserPrincipalName"),
            ("enabled", "Enabled"),
            ("admin_count", "AdminCount"),
            ("object_guid", "ObjectGUID"),
            ("changed", "whenChanged"),
        ] {
            if let Some(value) = object.get(&[label]) {
                details.push((name, value));
            }
        }
        if let Some(certificate) = certificate {
            details.push(("user_certificate", certificate));
        }
        let account = object.get(&["SamAccountName"]).or_else(|| object.get(&["Name"]));
        let name = account.unwrap_or(dn).trim_end_matches('$');
        let mut row = output::config(Source::Text, object.line, "ad_object", name, &details);
        match object.get(&["ObjectClass"]) {
            Some("computer") => row.host = Some(Text::from(name)),
            _ => row.user = Some(Text::from(object.get(&["UserPrincipalName"]).unwrap_or(name))),
        }
        out.config_row(row, None);
    }
}

fn table_row(table: Table, line: u64, text: &str, out: &mut Output<'_>) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is = |word: &str| word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false");
    match (table, words.as_slice()) {
        (Table::Endpoints, [path, enabled, proxy]) if is(enabled) && is(proxy) => {
            let details = [("enabled", *enabled), ("proxy", *proxy)];
            out.config(line, "adfs_endpoint", path, &details);
        }
        (Table::Domains, [domain, verified]) if is(verified) => {
            out.config(line, "tenant_domain", domain, &[("verified", *verified)]);
        }
        _ => {}
    }
}

fn partner<'t>(line: u64, part: &dyn Fn(&'static str) -> &'t str, out: &mut Output<'_>) {
    let failing = part("fails") != "0";
    let details = [
        ("partner", part("dc")),
        ("largest_delta", part("delta")),
        ("fails", part("fails")),
        ("total", part("total")),
        ("error", part("text").trim()),
    ];
    let value = if failing { "failing" } else { "ok" };
    let mut row = output::config(Source::Text, line, "ad_replication", value, &details);
    row.outcome = Some(if failing {
        Outcome::Failure
    } else {
        Outcome::Success
    });
    row.server_name = Some(Text::from(part("dc").to_ascii_lowercase()));
    row.error_code = part("code").parse().ok().map(crate::formats::nltest::win32);
    out.config_row(row, None);
}
