//! Damaged captures: thousands of cuts and flipped bytes must neither panic nor blow up.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;

use casetrace_model::Collected;
use casetrace_pcap::{Options, decode, protocols};
use casetrace_synth::moment::Moment;
use casetrace_synth::net::{Tcp, Wire, dns, http, kerberos, ldap, tls};
use casetrace_synth::pcap::{Pcap, PcapNg};
use casetrace_synth::x509::Certificate;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A server's first flight in one record.
fn flight(leaf: &[u8]) -> Vec<u8> {
    let messages = [
        tls::server_hello(0x0303, 0xc030, Some("h2")),
        tls::certificate(&[leaf.to_vec()]),
    ]
    .concat();
    tls::record(22, 0x0303, &messages)
}

/// A bit of every protocol.
fn wire() -> Wire {
    let mut wire = Wire::new();
    let start = Moment::at("2026-03-02T01:16:11Z");
    let leaf = Certificate::new("CN=a.example", "CN=CA").der();
    let mut tcp = Tcp::new(
        &mut wire,
        start,
        address("10.1.0.5:50000"),
        address("10.1.0.80:8080"),
    );
    tcp.handshake()
        .client(&http::connect("a.example:443", "x", &[]))
        .server(&http::proxy_auth_required(&["NTLM"], "gw"));
    tcp.client(&http::connect("a.example:443", "x", &[]))
        .server(&http::connected());
    tcp.client(&tls::ClientHello::new("a.example").grease().record());
    tcp.server(&flight(&leaf));
    tcp.client(&tls::alert(2, 48)).client_close();
    let mut tcp = Tcp::new(
        &mut wire,
        start,
        address("10.1.0.5:50001"),
        address("10.1.0.2:88"),
    );
    tcp.handshake()
        .client(&kerberos::framed(&kerberos::tgs_req("C.COM", &["HTTP", "a"])));
    tcp.server(&kerberos::framed(&kerberos::error(
        "C.COM",
        &["HTTP", "a"],
        7,
        start,
    )));
    let mut tcp = Tcp::new(
        &mut wire,
        start,
        address("10.1.0.5:50002"),
        address("10.1.0.2:389"),
    );
    tcp.handshake()
        .client(&ldap::search(1, "CN=x", 2, &["keywords"]))
        .server(&ldap::entry(1, "CN=x", "keywords", &["k:v"]));
    tcp.server(&ldap::done(1, 0, ""));
    let mut tcp = Tcp::new(
        &mut wire,
        start,
        address("10.1.0.5:50003"),
        address("10.1.0.9:80"),
    );
    tcp.handshake().client(&http::request(
        "GET",
        "http://a/x",
        &["Accept: application/json"],
        "",
    ));
    tcp.server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n");
    wire.udp(
        start,
        address("10.1.0.5:53000"),
        address("10.1.0.53:53"),
        &dns::query(7, "a.example", dns::A),
        true,
        1,
    );
    let answer = dns::response(
        7,
        "a.example",
        dns::A,
        0,
        &[
            dns::Answer::Cname("b.example".into()),
            dns::Answer::Srv(3268, "c.example".into()),
        ],
    );
    wire.udp(
        start.plus_ms(1),
        address("10.1.0.53:53"),
        address("10.1.0.5:53000"),
        &answer,
        false,
        0,
    );
    wire
}

fn survive(file: &[u8], threads: usize) -> Collected {
    let mut out = Collected::default();
    decode(
        &mut &*file,
        &Options {
            threads,
            ..Options::default()
        },
        &mut out,
    );
    assert!(
        out.rows.len() < 2000,
        "{} rows out of {} bytes",
        out.rows.len(),
        file.len()
    );
    assert!(out.rows.iter().all(|r| {
        serde_json::from_str::<serde_json::Value>(if r.fields.is_empty() { "{}" } else { &r.fields }).is_ok()
    }));
    out
}

/// A fixed, well-spread sequence of numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

#[test]
fn captures_cut_anywhere_give_what_they_hold() {
    let whole = survive(&Pcap::default().write(&wire()), 1).rows.len();
    for file in [
        Pcap::default().write(&wire()),
        PcapNg::default().interfaces(&["e"]).write(&wire()),
    ] {
        for len in (0..file.len()).step_by(7) {
            assert!(survive(&file[..len], 1).rows.len() <= whole + 8, "cut at {len}");
        }
    }
}

#[test]
fn captures_with_flipped_bytes_are_survived() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for file in [
        Pcap::default().write(&wire()),
        PcapNg::default().interfaces(&["e"]).write(&wire()),
    ] {
        for round in 0..1500 {
            let mut damaged = file.clone();
            for _ in 0..=numbers.below(12) {
                let at = numbers.below(damaged.len());
                damaged[at] = numbers.below(256) as u8;
            }
            survive(&damaged, if round % 50 == 0 { 2 } else { 1 });
        }
    }
}

#[test]
fn frames_cut_by_the_snap_length_are_survived() {
    for snap in (0..400).step_by(3) {
        let mut wire = wire();
        wire.snap(snap);
        survive(&Pcap::default().write(&wire), 1);
    }
}

#[test]
fn protocols_survive_noise_behind_a_good_start() {
    let mut numbers = Numbers(42);
    let leaf = Certificate::new("CN=a.example", "CN=CA").der();
    let seeds: Vec<(u16, Vec<u8>)> = vec![
        (443, tls::ClientHello::new("a.example").grease().record()),
        (443, flight(&leaf)),
        (
            80,
            http::request("POST", "/a?b=c", &["Transfer-Encoding: chunked"], ""),
        ),
        (88, kerberos::framed(&kerberos::as_req("C.COM", "u", true))),
        (389, ldap::search(1, "CN=x", 2, &["keywords"])),
        (53, [&[0, 40][..], &dns::query(1, "a.example", 28)].concat()),
        (1080, vec![5, 1, 0, 5, 1, 0, 3, 1, b'a', 0, 80]),
        (1080, vec![4, 1, 0, 80, 0, 0, 0, 1, 0, b'a', 0]),
    ];
    for (port, seed) in seeds {
        for _ in 0..400 {
            let mut bytes = seed.clone();
            for _ in 0..numbers.below(6) {
                let at = numbers.below(bytes.len());
                bytes[at] = numbers.below(256) as u8;
            }
            bytes.truncate(1 + numbers.below(bytes.len() * 2));
            let cut = 1 + numbers.below(40);
            protocols::connection(port, &bytes, &bytes, cut);
            protocols::datagrams(port, [bytes.as_slice()]);
            protocols::kerberos(&bytes);
            protocols::parse_certificate(&bytes);
            protocols::parse_ntlm(&bytes);
            for link_type in [0, 1, 9, 50, 51, 101, 104, 105, 108, 113, 127, 163, 192, 239, 276] {
                protocols::frame(link_type, &bytes);
            }
        }
    }
    for len in 0..leaf.len() {
        protocols::parse_certificate(&leaf[..len]);
    }
}

#[test]
fn protocols_that_keep_too_much_are_given_up_and_counted() {
    // Hellos that never end, in many connections.
    let mut wire = Wire::new();
    let hello = tls::ClientHello::new("a.example").pad_to(1400).record();
    for i in 0..300_u16 {
        let client = SocketAddr::from(([10, 1, 0, 5], 20_000 + i));
        let start = Moment::at("2026-03-02T01:16:11Z").plus_ms(i64::from(i));
        Tcp::new(&mut wire, start, client, address("10.1.0.9:443"))
            .handshake()
            .client(&hello[..1200]);
    }
    let mut options = Options::default();
    options.limits.max_stream_bytes = 64 << 10;
    let mut out = Collected::default();
    decode(&mut Pcap::default().write(&wire).as_slice(), &options, &mut out);
    assert!(
        out.diagnostics.iter().any(|d| d.code == "ConversationsEvicted"),
        "{:?}",
        out.diagnostics
    );
    assert_eq!(out.rows.iter().filter(|r| r.kind == "tcp.connect").count(), 300);
    assert_eq!(
        out.rows.iter().filter(|r| r.kind == "tls.client_hello").count(),
        300,
        "cut hellos are shown"
    );
}

#[test]
fn one_damaged_time_does_not_age_the_capture() {
    let mut wire = wire();
    let rows = |wire: &Wire| survive(&Pcap::default().write(wire), 1).rows;
    let kinds = |rows: &[casetrace_model::Row]| {
        rows.iter()
            .map(|r| (r.kind.clone(), r.outcome))
            .collect::<Vec<_>>()
    };
    let mut before = kinds(&rows(&wire));
    let late = Moment::at("2090-01-01T00:00:00Z");
    wire.udp(
        late,
        address("10.1.0.5:53"),
        address("10.1.0.6:9999"),
        b"x",
        true,
        1,
    );
    let mut after = kinds(&rows(&wire));
    before.sort();
    after.sort();
    assert_eq!(before, after);
}

#[test]
fn long_streams_of_nothing_stay_cheap() {
    // A megabyte of one byte in each direction: no protocol, no rows, no growth.
    for byte in [0_u8, 0x16, 0x30, b'G', 0x80, 5, 4] {
        let noise = vec![byte; 1 << 20];
        assert!(
            protocols::connection(443, &noise, &noise, 1400).len() < 8,
            "{byte:#x}"
        );
    }
}
