//! The network picture: what happened per host name, over packets, tracing, Fiddler and tool logs.
//!
//! Rows are compared by dictionary codes and texts are only made for what is counted, so that millions of rows take
//! a fraction of a second.

use std::collections::{BTreeMap, BTreeSet};

use ahash::AHashMap as HashMap;
use casetrace_knowledge::Knowledge;
use serde::Serialize;

use crate::frame::{ColumnView, Columns};
use crate::labels::Labels;

/// Names in the table; the rest is counted.
const MAX_ENDPOINTS: usize = 40;

/// What [`states`] tells of each host name, by the label of its column.
pub(crate) const LAYERS: [&str; 6] = ["names", "tcp", "tls", "issuer", "http", "proxy"];

/// One host name's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// Host name, or the address of connections without a name.
    pub host: String,
    /// DNS answers by rcode with counts.
    pub dns: String,
    /// Connection attempts by outcome with counts.
    pub tcp: String,
    /// ClientHello outcomes, negotiated versions and alerts.
    pub tls: String,
    /// Issuers of server certificates.
    pub issuer: String,
    /// Response statuses with counts.
    pub http: String,
    /// Proxies spoken to.
    pub proxy: String,
    /// `system`, `user` or both.
    pub context: String,
}

#[derive(Default)]
struct Tally {
    dns: BTreeMap<String, u64>,
    tcp: BTreeMap<String, u64>,
    tls: BTreeMap<String, u64>,
    issuer: BTreeSet<String>,
    http: BTreeMap<String, u64>,
    proxy: BTreeSet<String>,
    context: BTreeSet<String>,
    total: u64,
    troubled: bool,
}

/// What was seen of each host name, without numbers, in the order of [`LAYERS`].
pub(crate) fn states(columns: &Columns<'_>, labels: &Labels) -> BTreeMap<String, [BTreeSet<String>; 6]> {
    let keys = |map: BTreeMap<String, u64>| map.keys().map(|key| labels.outcome(key).to_owned()).collect();
    collect(columns)
        .into_iter()
        .map(|(host, t)| {
            let states = [
                keys(t.dns),
                keys(t.tcp),
                keys(t.tls),
                t.issuer,
                keys(t.http),
                t.proxy,
            ];
            (host, states)
        })
        .collect()
}

/// Builds the table; the second value counts the names left out.
pub(crate) fn endpoints(
    columns: &Columns<'_>,
    knowledge: &Knowledge,
    labels: &Labels,
) -> (Vec<Endpoint>, usize) {
    let mut tallies = collect(columns);
    let mut order: Vec<(bool, bool, std::cmp::Reverse<u64>, String)> = tallies
        .iter()
        .map(|(host, tally)| {
            let known = knowledge.endpoint(host).is_some();
            (
                !(known && tally.troubled),
                !(known || tally.troubled),
                std::cmp::Reverse(tally.total),
                host.clone(),
            )
        })
        .collect();
    order.sort();
    let left_out = order.len().saturating_sub(MAX_ENDPOINTS);
    let lines = order
        .into_iter()
        .take(MAX_ENDPOINTS)
        .filter_map(|(_, _, _, host)| tallies.remove(&host).map(|tally| tally.line(host, labels)))
        .collect();
    (lines, left_out)
}

/// Columns that the tallies read.
struct Read<'a> {
    name: ColumnView<'a>,
    address: ColumnView<'a>,
    outcome: ColumnView<'a>,
    rcode: ColumnView<'a>,
    version: ColumnView<'a>,
    alert: ColumnView<'a>,
    issuer: ColumnView<'a>,
    proxy: ColumnView<'a>,
    context: ColumnView<'a>,
    status: ColumnView<'a>,
    flows: ColumnView<'a>,
    artifact: ColumnView<'a>,
}

/// A host by the dictionary code of its name, or of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Host {
    Named(u32),
    Address(u32),
}

fn collect(columns: &Columns<'_>) -> BTreeMap<String, Tally> {
    let kind = columns.column("kind");
    // Code 0 is null; the rest are the dictionary's entries in order.
    let kinds: Vec<Option<&str>> = std::iter::once(None)
        .chain(columns.distinct("kind").iter().map(|kind| is_network(kind)))
        .collect();
    let c = |name| columns.column(name);
    let read = Read {
        name: c("server_name"),
        address: c("dst_ip"),
        outcome: c("outcome"),
        rcode: c("dns_rcode"),
        version: c("tls_version"),
        alert: c("tls_alert"),
        issuer: c("cert_issuer"),
        proxy: c("proxy"),
        context: c("context"),
        status: c("http_status"),
        flows: c("flow_id"),
        artifact: c("artifact"),
    };
    let names_of_flows = flow_names(columns, &read);
    let mut tallies: HashMap<Host, Tally> = HashMap::default();
    let mut spelled: HashMap<Host, &str> = HashMap::default();
    for row in 0..columns.len() {
        let Some(kind) = kinds.get(kind.code(row) as usize).copied().flatten() else {
            continue;
        };
        let Some((host, text)) = read.host(row, &names_of_flows) else {
            continue;
        };
        spelled.entry(host).or_insert(text);
        tallies.entry(host).or_default().add(kind, row, &read);
    }
    // Names seen only as an address and as a name are the same line if they are spelled alike.
    let mut by_name: BTreeMap<String, Tally> = BTreeMap::new();
    let mut order: Vec<(Host, Tally)> = tallies.into_iter().collect();
    order.sort_by_key(|(host, _)| matches!(host, Host::Address(_)));
    for (host, tally) in order {
        let name = spelled.get(&host).copied().unwrap_or_default().to_owned();
        by_name.entry(name).or_default().join(tally);
    }
    by_name
}

/// The kind, if rows of it belong into the table.
fn is_network(kind: &str) -> Option<&str> {
    let family = kind.split('.').next()?;
    matches!(family, "dns" | "tcp" | "tls" | "http" | "quic" | "socks" | "cli").then_some(kind)
}

impl<'a> Read<'a> {
    fn host(&self, row: usize, names: &HashMap<(u32, i64), u32>) -> Option<(Host, &'a str)> {
        let code = match self.name.code(row) {
            0 => {
                let key = (self.artifact.code(row), self.flows.number(row).unwrap_or(-1));
                names.get(&key).copied().unwrap_or(0)
            }
            code => code,
        };
        if code > 0 {
            return Some((Host::Named(code), self.name.text(code)?));
        }
        let code = self.address.code(row);
        (code > 0).then_some((Host::Address(code), self.address.text(code)?))
    }
}

impl Tally {
    fn add(&mut self, kind: &str, row: usize, read: &Read<'_>) {
        let outcome = read.outcome.get(row).unwrap_or("unknown");
        let failed = matches!(outcome, "failure" | "timeout" | "reset" | "refused");
        self.total += 1;
        match kind {
            "dns.response" => count(&mut self.dns, read.rcode.get(row).unwrap_or("?")),
            "dns.query" if outcome == "timeout" => count(&mut self.dns, "TIMEOUT"),
            "tcp.connect" => count(&mut self.tcp, outcome),
            "tls.client_hello" if failed => count(&mut self.tls, outcome),
            "tls.server_hello" => count(&mut self.tls, read.version.get(row).unwrap_or("?")),
            "tls.alert" => count(&mut self.tls, read.alert.get(row).unwrap_or("alert")),
            "tls.certificate" => keep(&mut self.issuer, read.issuer.get(row)),
            "http.response" => {
                if let Some(status) = read.status.number(row) {
                    count(&mut self.http, &status.to_string());
                }
            }
            _ => {}
        }
        self.troubled |= failed;
        keep(&mut self.proxy, read.proxy.get(row));
        keep(&mut self.context, read.context.get(row));
    }

    fn join(&mut self, other: Self) {
        for (mine, theirs) in [
            (&mut self.dns, other.dns),
            (&mut self.tcp, other.tcp),
            (&mut self.tls, other.tls),
            (&mut self.http, other.http),
        ] {
            for (key, n) in theirs {
                *mine.entry(key).or_default() += n;
            }
        }
        self.issuer.extend(other.issuer);
        self.proxy.extend(other.proxy);
        self.context.extend(other.context);
        self.total += other.total;
        self.troubled |= other.troubled;
    }
}

/// The code of the host name of each conversation, from whichever of its rows has one.
fn flow_names(columns: &Columns<'_>, read: &Read<'_>) -> HashMap<(u32, i64), u32> {
    let mut names = HashMap::default();
    for row in 0..columns.len() {
        let name = read.name.code(row);
        if name > 0
            && let Some(flow) = read.flows.number(row)
        {
            names.entry((read.artifact.code(row), flow)).or_insert(name);
        }
    }
    names
}

fn keep(set: &mut BTreeSet<String>, value: Option<&str>) {
    if let Some(value) = value
        && !set.contains(value)
    {
        set.insert(value.to_owned());
    }
}

fn count(map: &mut BTreeMap<String, u64>, key: &str) {
    match map.get_mut(key) {
        Some(n) => *n += 1,
        None => drop(map.insert(key.to_owned(), 1)),
    }
}

impl Tally {
    fn line(self, host: String, labels: &Labels) -> Endpoint {
        let context: Vec<&str> = self.context.iter().map(|whose| labels.get(whose)).collect();
        Endpoint {
            host,
            dns: counted(&self.dns, labels),
            tcp: counted(&self.tcp, labels),
            tls: counted(&self.tls, labels),
            issuer: self.issuer.into_iter().take(3).collect::<Vec<_>>().join("; "),
            http: counted(&self.http, labels),
            proxy: self.proxy.into_iter().take(3).collect::<Vec<_>>().join(", "),
            context: context.join(", "),
        }
    }
}

/// Outcomes in words; codes, versions and statuses as they are.
fn counted(map: &BTreeMap<String, u64>, labels: &Labels) -> String {
    map.iter()
        .map(|(key, n)| format!("{} ({n})", labels.outcome(key)))
        .collect::<Vec<_>>()
        .join(", ")
}
