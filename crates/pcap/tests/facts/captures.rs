//! Whole captures: files, threads, processes, ceilings.

use std::net::SocketAddr;

use casetrace_model::{Collected, Direction, Packet, PacketSink, Row, Source};
use casetrace_pcap::{Analyzer, Options, PcapngWriter, decode};
use casetrace_synth::net::{Tcp, Wire, dns, tls};
use casetrace_synth::pcap::{Pcap, PcapNg};

use crate::story::{SERVER, address, handshake, rows_of, start};

fn mixed() -> Wire {
    let mut wire = Wire::new();
    for i in 0..40_u16 {
        let client = SocketAddr::new("10.1.0.5".parse().unwrap(), 40_000 + i);
        let mut tcp = Tcp::new(
            &mut wire,
            start().plus_ms(i64::from(i) * 400),
            client,
            address(SERVER),
        );
        tcp.handshake()
            .client(&tls::ClientHello::new(&format!("h{i}.example")).record());
        tcp.server(&handshake(&tls::server_hello(0x0303, 0xc02f, None)))
            .wait_ms(i64::from(i) * 900)
            .client_close();
        let from = SocketAddr::new("10.1.0.5".parse().unwrap(), 20_000 + i);
        let at = start().plus_ms(i64::from(i) * 350);
        wire.udp(
            at,
            from,
            address("10.1.0.53:53"),
            &dns::query(i, &format!("h{i}.example"), dns::A),
            true,
            1,
        );
    }
    wire
}

#[test]
fn rows_are_the_same_on_any_number_of_threads() {
    let file = Pcap::default().write(&mixed());
    let run = |threads| {
        let mut out = Collected::default();
        let inspection = decode(
            &mut file.as_slice(),
            &Options {
                threads,
                ..Options::default()
            },
            &mut out,
        );
        (out.rows, out.diagnostics, inspection)
    };
    let single = run(1);
    assert!(single.0.len() > 150);
    for threads in [2, 3, 16] {
        assert!(run(threads) == single, "{threads} threads");
    }
}

#[test]
fn every_file_format_gives_the_same_rows() {
    let wire = mixed();
    let plain = rows_of(&wire);
    let mut files = vec![
        PcapNg::default()
            .interfaces(&["Ethernet"])
            .resolution(6)
            .write(&wire),
    ];
    for (nanos, big_endian) in [(false, true), (true, false), (true, true)] {
        files.push(
            Pcap {
                nanos,
                big_endian,
                ..Pcap::default()
            }
            .write(&wire),
        );
    }
    for (i, file) in files.iter().enumerate() {
        let mut out = Collected::default();
        decode(&mut file.as_slice(), &Options::default(), &mut out);
        let facts = |rows: &[Row]| {
            rows.iter()
                .map(|r| (r.kind.clone(), r.record, r.ts_ns, r.message.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(facts(&out.rows), facts(&plain), "file {i}");
        assert!(out.diagnostics.is_empty(), "{:?}", out.diagnostics);
    }
}

#[test]
fn converted_captures_read_back_with_direction_and_process() {
    let mut writer = PcapngWriter::new(Vec::new()).unwrap();
    writer.interface(0, 1, "Ethernet 2", "Miniport");
    let frames = mixed().sorted();
    for (i, frame) in frames.iter().enumerate() {
        writer.packet(&Packet {
            ts_ns: frame.at.0,
            record: i as u64 + 1,
            link_type: 1,
            data: &frame.bytes,
            orig_len: frame.wire_len as u32,
            interface: 0,
            direction: Some(if frame.outbound {
                Direction::Out
            } else {
                Direction::In
            }),
            pid: frame.outbound.then_some(712),
            comment: None,
        });
    }
    let file = writer.finish().unwrap();
    let mut out = Collected::default();
    let inspection = decode(&mut file.as_slice(), &Options::default(), &mut out);
    assert_eq!(inspection.records as usize, frames.len());
    assert!(
        out.rows
            .iter()
            .filter(|r| r.kind == "tls.client_hello")
            .all(|r| r.pid == Some(712))
    );
    assert_eq!(
        inspection.container["interface_names"],
        serde_json::json!(["Miniport"])
    );
}

#[test]
fn packets_out_of_traces_keep_their_process() {
    let mut out = Collected::default();
    let mut analyzer = Analyzer::new(&Options {
        source: Source::Etl,
        ..Options::default()
    });
    analyzer.set_processes(|pid, _| (pid == 712).then(|| "lsass.exe".into()));
    for (i, frame) in mixed().sorted().iter().enumerate() {
        let pid = frame.outbound.then_some(712);
        let packet = Packet {
            ts_ns: frame.at.0,
            record: i as u64 + 1,
            link_type: 1,
            data: &frame.bytes,
            orig_len: frame.wire_len as u32,
            interface: 0,
            direction: None,
            pid,
            comment: None,
        };
        analyzer.packet(&packet, &mut out);
    }
    analyzer.finish(&mut out);
    let hello = out.rows.iter().find(|r| r.kind == "tls.client_hello").unwrap();
    assert_eq!(
        (hello.source, hello.process.as_deref()),
        (Source::Etl, Some("lsass.exe"))
    );
}

#[test]
fn a_full_table_writes_conversations_out_and_says_so() {
    let mut wire = Wire::new();
    for i in 0..2000_u16 {
        let client = SocketAddr::new("10.1.0.5".parse().unwrap(), 10_000 + i);
        Tcp::new(&mut wire, start().plus_ms(i64::from(i)), client, address(SERVER)).handshake();
    }
    let mut options = Options::default();
    options.limits.max_flows = 16;
    let mut out = Collected::default();
    decode(&mut Pcap::default().write(&wire).as_slice(), &options, &mut out);
    assert_eq!(
        out.rows.iter().filter(|r| r.kind == "tcp.connect").count(),
        2000,
        "no conversation is lost"
    );
    assert!(out.diagnostics.iter().any(|d| d.code == "ConversationsEvicted"));
}
