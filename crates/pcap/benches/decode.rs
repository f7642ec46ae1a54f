//! Decoding speed on a synthetic office capture: `cargo bench -p casetrace-pcap`.
//!
//! Handshakes, DNS and bulk data in many interleaved connections. For figures on real traffic see
//! `examples/pcap_speed.rs`.
#![allow(missing_docs, reason = "a benchmark")]

use std::net::SocketAddr;

use casetrace_model::CountOnly;
use casetrace_pcap::{Options, decode};
use casetrace_synth::moment::Moment;
use casetrace_synth::net::{Tcp, Wire, dns, tls};
use casetrace_synth::pcap::Pcap;
use divan::Bencher;
use divan::counter::BytesCount;

fn main() {
    divan::main();
}

/// About 8 MB: 400 connections of a handshake and 20 KB each.
fn capture() -> Vec<u8> {
    let mut wire = Wire::new();
    let start = Moment::at("2026-03-02T01:16:11Z");
    let server = SocketAddr::from(([20, 190, 128, 1], 443));
    for i in 0..400_u16 {
        let client = SocketAddr::from(([10, 1, 0, 5], 20_000 + i));
        let at = start.plus_ms(i64::from(i) * 7);
        let name = format!("host{i}.example.com");
        let asked = dns::query(i, &name, dns::A);
        wire.udp(
            at,
            SocketAddr::from(([10, 1, 0, 5], 40_000 + i)),
            SocketAddr::from(([10, 1, 0, 53], 53)),
            &asked,
            true,
            4,
        );
        let mut tcp = Tcp::new(&mut wire, at, client, server);
        tcp.handshake()
            .client(&tls::ClientHello::new(&name).grease().pad_to(1800).record());
        tcp.server(&tls::record(
            22,
            0x0303,
            &tls::server_hello(0x0303, 0xc030, Some("h2")),
        ));
        tcp.server(&tls::application_data("bulk", 20_000)).client_close();
    }
    Pcap::default().write(&wire)
}

#[divan::bench(args = [1, 2])]
fn rows(bencher: Bencher, threads: usize) {
    let file = capture();
    bencher.counter(BytesCount::new(file.len())).bench(|| {
        let mut sink = CountOnly::default();
        decode(
            &mut file.as_slice(),
            &Options {
                threads,
                ..Options::default()
            },
            &mut sink,
        );
        sink.rows
    });
}
