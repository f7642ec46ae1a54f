//! The case in a few lines: computers, Windows build, join state, users, tenant, token, zone.

use std::collections::BTreeSet;

use casetrace_model::time;
use serde::Serialize;

use crate::frame::{Columns, members};
use crate::labels::Labels;

/// Values shown of one fact; more are counted.
const MAX_VALUES: usize = 6;

/// One line of the facts table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// Label in the report's language.
    pub label: String,
    /// The value, or several with commas.
    pub value: String,
}

#[derive(Default)]
struct Found {
    hosts: BTreeSet<String>,
    os: BTreeSet<String>,
    join: BTreeSet<&'static str>,
    users: BTreeSet<String>,
    tenants: BTreeSet<String>,
    devices: BTreeSet<String>,
    prt: BTreeSet<String>,
    zones: BTreeSet<String>,
    proxies: BTreeSet<String>,
    collectors: BTreeSet<String>,
    collection: [BTreeSet<i64>; 2],
}

/// Gathers the facts; lines without a value are left out.
pub(crate) fn facts(columns: &Columns<'_>, labels: &Labels) -> Vec<Fact> {
    let found = gather(columns);
    let join: BTreeSet<String> = found.join.iter().map(|key| labels.get(key).to_owned()).collect();
    let prt: BTreeSet<String> = found.prt.iter().map(|prt| labels.yes_no(prt)).collect();
    let span = found.collection_span().unwrap_or_else(|| span(columns));
    let lines = [
        ("fact_hosts", listed(&found.hosts)),
        ("fact_os", listed(&whole(&found.os))),
        ("fact_join", listed(&join)),
        ("fact_prt", listed(&prt)),
        ("fact_user", listed(&found.users)),
        ("fact_tenant", listed(&found.tenants)),
        ("fact_device", listed(&found.devices)),
        ("fact_span", span),
        ("fact_zone", listed(&found.zones)),
        ("fact_proxy", listed(&found.proxies)),
        ("fact_collector", listed(&found.collectors)),
    ];
    lines
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| Fact {
            label: labels.get(key).to_owned(),
            value,
        })
        .collect()
}

/// The computers of a case.
pub(crate) fn hosts(columns: &Columns<'_>) -> BTreeSet<String> {
    gather(columns).hosts
}

fn gather(columns: &Columns<'_>) -> Found {
    let kind = columns.column("kind");
    let fields = columns.column("fields");
    let mut found = Found::default();
    for (name, set) in [
        ("host", &mut found.hosts),
        ("user", &mut found.users),
        ("tenant_id", &mut found.tenants),
        ("device_id", &mut found.devices),
    ] {
        set.extend(columns.distinct(name).iter().map(ToString::to_string));
    }
    // Few rows tell facts; their kinds are found by code.
    let telling: Vec<u32> = columns
        .distinct("kind")
        .iter()
        .zip(1..)
        .filter(|(kind, _)| matches!(kind.as_str(), "config" | "dsregcmd.section"))
        .map(|(_, code)| code)
        .collect();
    for row in (0..columns.len()).filter(|row| telling.contains(&kind.code(*row))) {
        match kind.get(row) {
            Some("config") => found.config(&members(fields.get(row))),
            Some("dsregcmd.section") => found.dsregcmd(&members(fields.get(row))),
            _ => {}
        }
    }
    found
}

impl Found {
    fn config(&mut self, fields: &serde_json::Map<String, serde_json::Value>) {
        let text = |key: &str| {
            fields
                .get(key)
                .and_then(|value| value.as_str())
                .unwrap_or_default()
        };
        let set = match text("name") {
            "computer_name" => {
                let short = text("value").split('.').next().unwrap_or_default();
                self.hosts.insert(short.to_ascii_uppercase());
                return;
            }
            "collection_start" => return self.collection[0].extend(time::from_rfc3339(text("value"))),
            "collection_stop" => return self.collection[1].extend(time::from_rfc3339(text("value"))),
            "os_build" | "os_name" => &mut self.os,
            "timezone" => &mut self.zones,
            "winhttp_proxy" => &mut self.proxies,
            "collector" => &mut self.collectors,
            _ => return,
        };
        if !text("value").is_empty() {
            set.insert(text("value").to_owned());
        }
    }

    fn dsregcmd(&mut self, fields: &serde_json::Map<String, serde_json::Value>) {
        let text = |key: &str| fields.get(key).and_then(|value| value.as_str());
        if let (Some(entra), Some(domain)) = (text("AzureAdJoined"), text("DomainJoined")) {
            let enterprise = text("EnterpriseJoined").unwrap_or("NO");
            self.join
                .insert(join_state(entra == "YES", enterprise == "YES", domain == "YES"));
        }
        if let Some(prt) = text("AzureAdPrt") {
            self.prt.insert(prt.to_owned());
        }
    }
}

impl Found {
    /// When the collector ran: older logs in the bundle reach back years and say nothing about it.
    fn collection_span(&self) -> Option<String> {
        let (start, stop) = (self.collection[0].first()?, self.collection[1].last()?);
        Some(format!("{} – {}", seconds(*start), seconds(*stop)))
    }
}

/// The state matrix of dsregcmd's first three lines, as keys of labels.
fn join_state(entra: bool, enterprise: bool, domain: bool) -> &'static str {
    match (entra, enterprise, domain) {
        (true, false, false) => "join_entra",
        (true, _, true) => "join_hybrid",
        (false, true, true) => "join_drs",
        (false, false, true) => "join_domain",
        (false, false, false) => "join_none",
        (true, true, false) | (false, true, false) => "join_enterprise",
    }
}

fn span(columns: &Columns<'_>) -> String {
    columns.span().map_or_else(String::new, |(first, last)| {
        format!("{} – {}", seconds(first), seconds(last))
    })
}

/// `2026-03-02 01:16:11`, without fraction; reports are read by people.
pub(crate) fn seconds(ts_ns: i64) -> String {
    let text = time::to_rfc3339(ts_ns);
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// Without values that are a part of another one: `22631` beside `22631.4890`.
fn whole(values: &BTreeSet<String>) -> BTreeSet<String> {
    let in_other = |value: &String| values.iter().any(|o| o != value && o.contains(value.as_str()));
    values.iter().filter(|value| !in_other(value)).cloned().collect()
}

fn listed(values: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = values.iter().take(MAX_VALUES).map(String::as_str).collect();
    match values.len().saturating_sub(MAX_VALUES) {
        0 => shown.join(", "),
        more => format!("{} (+{more})", shown.join(", ")),
    }
}
