//! Packet captures, and each protocol on plain bytes.

use casetrace_model::{Collected, Inspection, Row};
use casetrace_pcap::{Options, protocols as p};

use super::head;
use crate::{properties, shown};

fn rows(data: &[u8], threads: usize) -> (Collected, Inspection) {
    let mut out = Collected::default();
    let options = Options {
        threads,
        ..Options::default()
    };
    let inspection = casetrace_pcap::decode(&mut &*data, &options, &mut out);
    (out, inspection)
}

/// A whole capture file, on one thread and on two.
pub(crate) fn decode(data: &[u8]) {
    let (out, inspection) = rows(data, 1);
    // The smallest record takes 16 bytes and may be a packet of several facts.
    properties::hold(&out, data, 64 + data.len());
    assert!(
        inspection.records <= data.len() as u64 / 8 + 1,
        "more packets than there is room for"
    );
    let (again, inspection_again) = rows(data, 2);
    properties::equal(&out.rows, &again.rows, "rows");
    properties::equal(&out.diagnostics, &again.diagnostics, "diagnostics");
    properties::equal(&inspection, &inspection_again, "inspections");
}

fn rows_hold(rows: &[Row], input: usize) {
    assert!(
        rows.len() <= 64 + input,
        "{} rows out of {input} bytes",
        rows.len()
    );
    rows.iter().for_each(properties::row_holds);
}

/// Port, size of pieces and length of the client's part, then both sides' bytes. Arriving in one piece or in many makes
/// no difference to what panics; the facts are compared only twice over the same pieces.
pub(crate) fn connection(data: &[u8]) {
    const PORTS: [u16; 10] = [443, 80, 8080, 88, 389, 53, 1080, 3268, 50_443, 25];
    let ([port, cut, low, high], rest) = head::<4>(data);
    let port = PORTS.get(usize::from(port) % PORTS.len()).copied().unwrap_or(443);
    let at = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
    let (client, server) = rest.split_at(at);
    let cut = usize::from(cut) * 8;
    let found = p::connection(port, client, server, cut);
    rows_hold(&found, rest.len());
    properties::equal(&found, &p::connection(port, client, server, cut), "rows");
    rows_hold(&p::connection(port, client, server, usize::MAX), rest.len());
}

/// Datagrams, each behind its 16-bit length, to each port that is told apart.
pub(crate) fn datagrams(data: &[u8]) {
    let mut messages = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (length, behind) = head::<2>(rest);
        let length = usize::from(u16::from_le_bytes(length)).min(behind.len());
        let (message, next) = behind.split_at(length);
        messages.push(message);
        rest = next;
    }
    for port in [443, 88, 389] {
        let found = p::datagrams(port, messages.iter().copied());
        rows_hold(&found, data.len());
        properties::equal(&found, &p::datagrams(port, messages.iter().copied()), "rows");
    }
    let _ = p::kerberos(data);
}

/// A message of each relative of DNS: no more records than there is room for.
pub(crate) fn dns(data: &[u8]) {
    for protocol in [
        p::Protocol::Dns,
        p::Protocol::Mdns,
        p::Protocol::Llmnr,
        p::Protocol::Nbns,
    ] {
        if let Some(message) = p::parse_message(data, protocol) {
            assert!(
                message.addresses().count() <= data.len(),
                "more addresses than there is room for"
            );
            let sort = if message.response { "answer" } else { "question" };
            shown::note(
                sort,
                "",
                u64::from(message.rcode.min(32)) << 8 | u64::from(message.opcode),
            );
            shown::count("records", sort, message.answers.len());
            for record in &message.answers {
                shown::note("record", sort, u64::from(record.kind.min(70)));
            }
        }
    }
}

/// Hello messages of TLS and SSL 2.
pub(crate) fn hello(data: &[u8]) {
    for hello in [p::parse_client_hello(data), p::parse_ssl2_hello(data)]
        .into_iter()
        .flatten()
    {
        let known = hello.highest_version().clamp(0x02ff, 0x0305);
        shown::note("version", "", u64::from(known));
        shown::count("ciphers", "", hello.ciphers.len());
        shown::count("extensions", "", hello.extensions.len());
        shown::count("protocols", "", hello.alpn.len());
        shown::note("name", "", u64::from(hello.server_name.is_some()));
    }
    if let Some(hello) = p::parse_server_hello(data) {
        shown::note(
            "server",
            "",
            u64::from(hello.chosen_version.clamp(0x02ff, 0x0305)),
        );
        shown::note("retry", "", u64::from(hello.hello_retry));
    }
}

/// A certificate, and the same bytes as a list of certificates.
pub(crate) fn certificate(data: &[u8]) {
    let plain = p::parse_certificate(data);
    let _ = plain.self_signed();
    certificate_shows("plain", &plain);
    let mut listed = 0;
    for der in p::certificate_list(data) {
        listed += der.len();
        certificate_shows("listed", &p::parse_certificate(der));
    }
    assert!(listed <= data.len(), "listed certificates are parts of the list");
}

fn certificate_shows(place: &str, found: &p::Certificate) {
    let parts = [
        &found.subject,
        &found.issuer,
        &found.not_before,
        &found.not_after,
        &found.serial,
    ];
    shown::note(place, "", filled(&parts));
    shown::count("names", place, found.san.len());
}

/// A bit for each part that is there.
fn filled<T>(parts: &[&Option<T>]) -> u64 {
    let bits = parts.iter().map(|part| u64::from(part.is_some()));
    bits.fold(0, |all, bit| all << 1 | bit)
}

/// An NTLM message.
pub(crate) fn ntlm(data: &[u8]) {
    if let Some(found) = p::parse_ntlm(data) {
        let parts = [&found.target, &found.dns_host, &found.user, &found.workstation];
        shown::note("ntlm", "", u64::from(found.message) << 8 | filled(&parts));
    }
}

/// A frame, opened as each link type; the verdict is the same twice.
pub(crate) fn frame(data: &[u8]) {
    for link_type in [
        0, 1, 9, 50, 51, 101, 104, 105, 108, 113, 127, 163, 192, 228, 229, 239, 276,
    ] {
        let opened = p::frame(link_type, data);
        properties::equal(&opened, &p::frame(link_type, data), "verdicts");
        shown::note("frame", "", u64::from(link_type) << 1 | u64::from(opened));
    }
}
