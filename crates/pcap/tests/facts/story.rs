//! A synthetic wire, and what is asked of its rows.

use std::net::SocketAddr;

use casetrace_model::{Collected, Row};
use casetrace_pcap::{Options, decode};
use casetrace_synth::moment::Moment;
use casetrace_synth::net::{Tcp, Wire, tls};
use casetrace_synth::pcap::Pcap;

pub(crate) const CLIENT: &str = "10.1.0.5:50000";
pub(crate) const SERVER: &str = "20.190.128.1:443";
pub(crate) const PROXY: &str = "10.1.0.80:8080";

pub(crate) fn start() -> Moment {
    Moment::at("2026-03-02T01:16:11Z")
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn rows_of(wire: &Wire) -> Vec<Row> {
    let mut out = Collected::default();
    decode(
        &mut Pcap::default().write(wire).as_slice(),
        &Options::default(),
        &mut out,
    );
    out.rows
}

pub(crate) fn one<'a>(rows: &'a [Row], kind: &str) -> &'a Row {
    let mut found = rows.iter().filter(|r| r.kind == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    first
}

pub(crate) fn field(row: &Row, name: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(&row.fields).unwrap()[name].clone()
}

/// Handshake messages in one record.
pub(crate) fn handshake(messages: &[u8]) -> Vec<u8> {
    tls::record(22, 0x0303, messages)
}

pub(crate) fn connection(wire: &mut Wire) -> Tcp<'_> {
    Tcp::new(wire, start(), address(CLIENT), address(SERVER))
}
