//! The network picture: what happened per host name, over packets, tracing, Fiddler and tool logs.

use std::collections::{BTreeMap, BTreeSet};

use casetrace_knowledge::Knowledge;
use serde::Serialize;

use crate::frame::Columns;

/// Names in the table; the rest is counted.
const MAX_ENDPOINTS: usize = 40;

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

/// Builds the table; the second value counts the names left out.
pub(crate) fn endpoints(columns: &Columns<'_>, knowledge: &Knowledge) -> (Vec<Endpoint>, usize) {
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
        .filter_map(|(_, _, _, host)| tallies.remove(&host).map(|tally| tally.line(host)))
        .collect();
    (lines, left_out)
}

fn collect(columns: &Columns<'_>) -> BTreeMap<String, Tally> {
    let kind = columns.column("kind");
    let name = columns.column("server_name");
    let address = columns.column("dst_ip");
    let outcome = columns.column("outcome");
    let rcode = columns.column("dns_rcode");
    let version = columns.column("tls_version");
    let alert = columns.column("tls_alert");
    let issuer = columns.column("cert_issuer");
    let proxy = columns.column("proxy");
    let context = columns.column("context");
    let status = columns.column("http_status");
    let names_of_flows = flow_names(columns);
    let flows = columns.column("flow_id");
    let artifact = columns.column("artifact");

    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for row in 0..columns.len() {
        let Some(kind) = kind.get(row) else { continue };
        if !matches!(
            kind.split('.').next(),
            Some("dns" | "tcp" | "tls" | "http" | "quic" | "socks" | "cli")
        ) {
            continue;
        }
        let key = (
            artifact.get(row).unwrap_or_default().to_owned(),
            flows.number(row).unwrap_or(-1),
        );
        let host = name
            .get(row)
            .or_else(|| names_of_flows.get(&key).map(String::as_str))
            .or_else(|| address.get(row));
        let Some(host) = host else { continue };
        let tally = tallies.entry(host.to_owned()).or_default();
        tally.total += 1;
        let outcome = outcome.get(row).unwrap_or("unknown");
        let failed = matches!(outcome, "failure" | "timeout" | "reset" | "refused");
        match kind {
            "dns.response" => count(&mut tally.dns, rcode.get(row).unwrap_or("?")),
            "dns.query" if outcome == "timeout" => count(&mut tally.dns, "TIMEOUT"),
            "tcp.connect" => count(&mut tally.tcp, outcome),
            "tls.client_hello" if failed => count(&mut tally.tls, outcome),
            "tls.server_hello" => count(&mut tally.tls, version.get(row).unwrap_or("?")),
            "tls.alert" => count(&mut tally.tls, alert.get(row).unwrap_or("alert")),
            "tls.certificate" => drop(
                issuer
                    .get(row)
                    .map(|issuer| tally.issuer.insert(issuer.to_owned())),
            ),
            "http.response" => {
                if let Some(status) = status.number(row) {
                    count(&mut tally.http, &status.to_string());
                }
            }
            _ => {}
        }
        tally.troubled |= failed;
        if let Some(proxy) = proxy.get(row) {
            tally.proxy.insert(proxy.to_owned());
        }
        if let Some(context) = context.get(row) {
            tally.context.insert(context.to_owned());
        }
    }
    tallies
}

/// The host name of each conversation, from whichever of its rows has one.
fn flow_names(columns: &Columns<'_>) -> BTreeMap<(String, i64), String> {
    let name = columns.column("server_name");
    let artifact = columns.column("artifact");
    let flows = columns.column("flow_id");
    let mut names = BTreeMap::new();
    for row in 0..columns.len() {
        if let (Some(flow), Some(name), Some(artifact)) =
            (flows.number(row), name.get(row), artifact.get(row))
        {
            names
                .entry((artifact.to_owned(), flow))
                .or_insert_with(|| name.to_owned());
        }
    }
    names
}

fn count(map: &mut BTreeMap<String, u64>, key: &str) {
    *map.entry(key.to_owned()).or_default() += 1;
}

impl Tally {
    fn line(self, host: String) -> Endpoint {
        Endpoint {
            host,
            dns: counted(&self.dns),
            tcp: counted(&self.tcp),
            tls: counted(&self.tls),
            issuer: self.issuer.into_iter().take(3).collect::<Vec<_>>().join("; "),
            http: counted(&self.http),
            proxy: self.proxy.into_iter().take(3).collect::<Vec<_>>().join(", "),
            context: self.context.into_iter().collect::<Vec<_>>().join(", "),
        }
    }
}

fn counted(map: &BTreeMap<String, u64>) -> String {
    map.iter()
        .map(|(key, n)| format!("{key} ({n})"))
        .collect::<Vec<_>>()
        .join(", ")
}
