//! Compares decoded rows with what tshark said of the same captures.
//!
//! A fact is a short text such as `sni 10.0.0.1:5000>10.0.0.2:443 example.com`. The two sides of a capture are compared
//! as multisets per sort of fact: frame numbers are left out, because tshark reports a message at the frame that
//! completes it. Differences that are known, with their reason, stand in `tests/oracle-differences.tsv`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use casetrace_model::{Collected, Row};
use casetrace_pcap::{Options, decode, mask_url};
use serde_json::Value;

/// Facts of one capture by sort.
pub(crate) type Facts = BTreeMap<&'static str, Vec<String>>;

/// How one sort of fact of one capture compares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) equal: usize,
    pub(crate) missing: Vec<String>,
    pub(crate) extra: Vec<String>,
}

/// The corpus folder, if there is one.
pub(crate) fn corpus() -> Option<PathBuf> {
    let root = match std::env::var_os("CASETRACE_CORPUS") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
    };
    let pcap = root.join("pcap");
    pcap.join("oracle").is_dir().then_some(pcap)
}

/// Captures that have an oracle file, in order of name.
pub(crate) fn captures(corpus: &Path) -> Vec<(String, PathBuf)> {
    let mut out: Vec<(String, PathBuf)> = std::fs::read_dir(corpus.join("oracle"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry
                .file_name()
                .into_string()
                .ok()?
                .strip_suffix(".jsonl")?
                .to_owned();
            let path = corpus.join(&name);
            path.is_file().then_some((name, path))
        })
        .collect();
    out.sort();
    out
}

/// Decodes a capture and takes the compared facts out of its rows.
pub(crate) fn decoded(path: &Path, threads: usize) -> (Facts, Collected) {
    let mut out = Collected::default();
    if let Ok(mut file) = std::fs::File::open(path) {
        decode(
            &mut file,
            &Options {
                threads,
                ..Options::default()
            },
            &mut out,
        );
    }
    let mut facts = Facts::new();
    for row in &out.rows {
        facts_of_row(&mut facts, row);
    }
    (facts, out)
}

/// The compared facts in an oracle file.
pub(crate) fn expected(corpus: &Path, name: &str) -> Facts {
    let mut facts = Facts::new();
    let text =
        std::fs::read_to_string(corpus.join("oracle").join(format!("{name}.jsonl"))).unwrap_or_default();
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    // tshark also takes the packet quoted in an ICMP message apart.
    let quoting: Vec<&Value> = events
        .iter()
        .filter(|e| e["kind"] == "icmp.unreachable")
        .map(|e| &e["frame"])
        .collect();
    for event in &events {
        if event["kind"] == "icmp.unreachable" || !quoting.contains(&&event["frame"]) {
            facts_of_event(&mut facts, event);
        }
    }
    facts
}

/// Multiset comparison of each sort of fact.
pub(crate) fn compare(expected: &Facts, found: &Facts) -> BTreeMap<&'static str, Difference> {
    let mut out = BTreeMap::new();
    for sort in expected.keys().chain(found.keys()) {
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        let (want, have) = (expected.get(sort), found.get(sort));
        want.into_iter()
            .flatten()
            .for_each(|f| *counts.entry(f).or_default() += 1);
        have.into_iter()
            .flatten()
            .for_each(|f| *counts.entry(f).or_default() -= 1);
        let mut difference = Difference::default();
        for (fact, count) in counts {
            let side = if count > 0 {
                &mut difference.missing
            } else {
                &mut difference.extra
            };
            side.extend((0..count.unsigned_abs()).map(|_| fact.to_owned()));
        }
        difference.equal = want.map_or(0, Vec::len) - difference.missing.len();
        out.insert(*sort, difference);
    }
    out
}

fn push(facts: &mut Facts, sort: &'static str, ends: &str, value: &str) {
    // tshark's values are cut at 300 characters.
    let value: String = value.chars().take(200).collect();
    facts.entry(sort).or_default().push(format!("{ends} {value}"));
}

fn ends_of_row(row: &Row) -> String {
    let text = |v: &Option<casetrace_model::Text>| v.as_deref().unwrap_or("").to_owned();
    format!(
        "{}:{}>{}:{}",
        text(&row.src_ip),
        row.src_port.unwrap_or(0),
        text(&row.dst_ip),
        row.dst_port.unwrap_or(0)
    )
}

fn list(value: &Value, name: &str) -> Vec<String> {
    let items = value.get(name).and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
        .collect()
}

fn facts_of_row(facts: &mut Facts, row: &Row) {
    let ends = ends_of_row(row);
    let fields: Value = serde_json::from_str(&row.fields).unwrap_or_default();
    let text = |v: &Option<casetrace_model::Text>| v.as_deref().unwrap_or("").to_owned();
    match row.kind.as_str() {
        "tls.client_hello" => hello_of_row(facts, row, &ends, &fields, false),
        "quic.initial" if fields.get("opened").is_none() => hello_of_row(facts, row, &ends, &fields, true),
        "tls.server_hello" => {
            push(facts, "server version", &ends, &text(&row.tls_version));
            push(facts, "server cipher", &ends, &text(&row.tls_cipher));
            if row.alpn.is_some() {
                push(facts, "server alpn", &ends, &text(&row.alpn));
            }
            push(facts, "hello retry", &ends, &fields["hello_retry"].to_string());
        }
        "tls.certificate" | "tls.client_certificate" => {
            for cert in fields["chain"].as_array().into_iter().flatten() {
                for (sort, key) in [
                    ("cert issuer", "issuer"),
                    ("cert subject", "subject"),
                    ("cert sha256", "sha256"),
                ] {
                    push(facts, sort, &ends, cert[key].as_str().unwrap_or("unparsed"));
                }
            }
        }
        "tls.alert" if fields["encrypted"] == false && row.transport.as_deref() == Some("tcp") => {
            push(
                facts,
                "alert",
                &ends,
                &format!("{} {}", fields["level"].as_str().unwrap_or(""), fields["code"]),
            );
        }
        "http.request" => {
            push(
                facts,
                "http request",
                &ends,
                &format!("{} {}", text(&row.http_method), text(&row.url)),
            );
        }
        "http.response" => {
            let reason = fields["reason"].as_str().unwrap_or("");
            push(
                facts,
                "http status",
                &ends,
                &format!("{} {reason}", row.http_status.unwrap_or(0)),
            );
        }
        "dns.query" => {
            let attempts = fields["attempts"].as_u64().unwrap_or(1);
            for _ in 0..attempts {
                push(facts, "dns question", &ends, &text(&row.server_name));
            }
        }
        "dns.response" => {
            push(facts, "dns rcode", &ends, &text(&row.dns_rcode));
        }
        "kerberos.request" | "kerberos.reply" | "kerberos.error" => {
            if !matches!(fields["msg_type"].as_str(), Some("AP-REQ" | "AP-REP")) {
                push(
                    facts,
                    "kerberos message",
                    &ends,
                    fields["msg_type"].as_str().unwrap_or(""),
                );
            }
            if row.kind == "kerberos.error" {
                push(facts, "kerberos error", &ends, &fields["code"].to_string());
            }
        }
        "ldap.result" => {
            push(facts, "ldap result", &ends, &fields["code"].to_string());
        }
        "dhcp.option" => push(facts, "dhcp wpad", &ends, fields["value"].as_str().unwrap_or("")),
        "icmp.unreachable" => push(facts, "icmp unreachable", "", &fields["code"].to_string()),
        _ => {}
    }
}

fn hello_of_row(facts: &mut Facts, row: &Row, ends: &str, fields: &Value, quic: bool) {
    let text = |v: &Option<casetrace_model::Text>| v.as_deref().unwrap_or("").to_owned();
    if let Some(name) = &row.server_name {
        push(facts, if quic { "quic sni" } else { "sni" }, ends, name);
    }
    push(facts, "client alpn", ends, &text(&row.alpn));
    push(
        facts,
        "client versions",
        ends,
        &list(fields, "versions").join(","),
    );
    push(facts, "ja3", ends, &text(&row.ja3));
    push(facts, "ja4", ends, &text(&row.ja4));
}

fn ends_of_event(event: &Value) -> String {
    let (src, dst) = (
        event["src"].as_str().unwrap_or(""),
        event["dst"].as_str().unwrap_or(""),
    );
    format!(
        "{src}:{}>{dst}:{}",
        event["sport"].as_u64().unwrap_or(0),
        event["dport"].as_u64().unwrap_or(0)
    )
}

fn version_name(hex: &str) -> String {
    match u16::from_str_radix(hex, 16).unwrap_or(0) {
        0x0002 => "SSL 2.0".into(),
        0x0300 => "SSL 3.0".into(),
        0x0301 => "TLS 1.0".into(),
        0x0302 => "TLS 1.1".into(),
        0x0303 => "TLS 1.2".into(),
        0x0304 => "TLS 1.3".into(),
        v @ 0x7f00..=0x7fff => format!("TLS 1.3 (draft {})", v & 0xff),
        v @ 0xfb00..=0xfbff => format!("TLS 1.3 (fb draft {})", v & 0xff),
        v => format!("{v:#06x}"),
    }
}

fn is_grease(hex: &str) -> bool {
    let value = u16::from_str_radix(hex, 16).unwrap_or(0);
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

fn facts_of_event(facts: &mut Facts, event: &Value) {
    let ends = ends_of_event(event);
    match event["kind"].as_str().unwrap_or("") {
        "tls.client_hello" => hello_of_event(facts, event, &ends),
        "tls.server_hello" => server_of_event(facts, event, &ends),
        "tls.certificate" => {
            for cert in event["certs"].as_array().into_iter().flatten() {
                for (sort, key) in [
                    ("cert issuer", "issuer"),
                    ("cert subject", "subject"),
                    ("cert sha256", "sha256"),
                ] {
                    push(facts, sort, &ends, cert[key].as_str().unwrap_or("unparsed"));
                }
            }
        }
        "tls.alert" => {
            for (level, code) in list(event, "level").iter().zip(list(event, "desc")) {
                let level = if level == "2" { "fatal" } else { "warning" };
                push(facts, "alert", &ends, &format!("{level} {code}"));
            }
        }
        "http.request" => request_of_event(facts, event, &ends),
        "http.response" => {
            let phrases = list(event, "phrase");
            for (i, status) in list(event, "status").iter().enumerate() {
                push(
                    facts,
                    "http status",
                    &ends,
                    &format!("{status} {}", phrases.get(i).map_or("", String::as_str)),
                );
            }
        }
        "dns" => dns_of_event(facts, event, &ends),
        "kerberos" => {
            // Tickets within a message (an AP-REQ in a TGS-REQ, or in an LDAP bind) are no messages.
            for kind in list(event, "msg_type")
                .into_iter()
                .filter(|k| k != "14" && k != "15")
            {
                push(facts, "kerberos message", &ends, kerberos_name(&kind));
            }
            for code in list(event, "error_code") {
                push(facts, "kerberos error", &ends, &code);
            }
        }
        "ldap" => list(event, "result")
            .iter()
            .for_each(|code| push(facts, "ldap result", &ends, code)),
        "dhcp.wpad" => list(event, "url")
            .iter()
            .for_each(|url| push(facts, "dhcp wpad", &ends, url.trim_end_matches(['\0', '\n']))),
        "icmp.unreachable" => {
            list(event, "code")
                .iter()
                .take(1)
                .for_each(|code| push(facts, "icmp unreachable", "", code));
        }
        _ => {}
    }
}

fn hello_of_event(facts: &mut Facts, event: &Value, ends: &str) {
    let quic = event["transport"] == "quic";
    for name in list(event, "sni") {
        push(
            facts,
            if quic { "quic sni" } else { "sni" },
            ends,
            name.to_lowercase().trim_end_matches('.'),
        );
    }
    push(facts, "client alpn", ends, &list(event, "alpn").join(","));
    let offered = list(event, "supported_versions");
    let versions = if offered.is_empty() {
        list(event, "version")
    } else {
        offered
    };
    let names: Vec<String> = versions
        .iter()
        .filter(|v| !is_grease(v))
        .map(|v| version_name(v))
        .collect();
    push(facts, "client versions", ends, &names.join(","));
    list(event, "ja3")
        .iter()
        .for_each(|ja3| push(facts, "ja3", ends, ja3));
    if let Some(ja4) = event["ja4"].as_str() {
        push(facts, "ja4", ends, ja4);
    }
}

fn server_of_event(facts: &mut Facts, event: &Value, ends: &str) {
    let (selected, plain) = (list(event, "selected_version"), list(event, "version"));
    let version = selected.first().or(plain.first()).map_or("", String::as_str);
    push(facts, "server version", ends, &version_name(version));
    for cipher in list(event, "cipher").iter().take(1) {
        let id = u16::from_str_radix(cipher, 16).unwrap_or(0);
        push(facts, "server cipher", ends, &casetrace_pcap::cipher_name(id));
    }
    list(event, "alpn")
        .iter()
        .take(1)
        .for_each(|alpn| push(facts, "server alpn", ends, alpn));
    push(facts, "hello retry", ends, &event["hrr"].to_string());
}

fn request_of_event(facts: &mut Facts, event: &Value, ends: &str) {
    let (uris, hosts) = (list(event, "uri"), list(event, "host"));
    for (i, method) in list(event, "method").iter().enumerate() {
        let uri = uris.get(i).map_or("", String::as_str);
        let host = hosts.get(i).map_or("", String::as_str);
        let whole = if method == "CONNECT" || uri.contains("://") || host.is_empty() || !uri.starts_with('/')
        {
            mask_url(uri)
        } else {
            mask_url(&format!("http://{host}{uri}"))
        };
        push(facts, "http request", ends, &format!("{method} {whole}"));
    }
}

fn dns_of_event(facts: &mut Facts, event: &Value, ends: &str) {
    // Only the first name is the question of a message with one question; several messages in a frame have several ids.
    let names = list(event, "qname");
    let count = list(event, "id").len().max(1);
    let response = list(event, "response")
        .first()
        .is_some_and(|r| r == "1" || r == "True");
    if response {
        let rcodes = list(event, "rcode");
        for i in 0..count {
            let code = rcodes.get(i).and_then(|c| c.parse().ok()).unwrap_or(0);
            push(facts, "dns rcode", ends, &casetrace_pcap::dns_rcode_name(code));
        }
        return;
    }
    for i in 0..count {
        let name = names.get(i).map_or("", String::as_str).to_lowercase();
        let name = name.trim_end_matches('.').replace("<root>", "");
        // NBNS names come with the service spelled out: NAME<00> (Workstation/Redirector).
        let name = match name.rfind("> (").or_else(|| name.strip_suffix('>').map(str::len)) {
            Some(end) if event["proto"] == "nbns" => name.get(..=end).unwrap_or_default().to_owned(),
            _ => name,
        };
        push(facts, "dns question", ends, &name);
    }
}

fn kerberos_name(kind: &str) -> &'static str {
    match kind {
        "10" => "AS-REQ",
        "11" => "AS-REP",
        "12" => "TGS-REQ",
        "13" => "TGS-REP",
        "14" => "AP-REQ",
        "15" => "AP-REP",
        "30" => "KRB-ERROR",
        _ => "other",
    }
}
