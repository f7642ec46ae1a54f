//! What packets say, as rows: each test tells a short story on a synthetic wire and reads the rows.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;

use casetrace_model::{Collected, Direction, Outcome, Packet, PacketSink, Row, Source};
use casetrace_pcap::{Analyzer, Options, PcapngWriter, decode};
use casetrace_synth::moment::Moment;
use casetrace_synth::net::{Tcp, Wire, dns, http, kerberos, ldap, tls};
use casetrace_synth::pcap::{Pcap, PcapNg};
use casetrace_synth::x509::Certificate;

const CLIENT: &str = "10.1.0.5:50000";
const SERVER: &str = "20.190.128.1:443";
const PROXY: &str = "10.1.0.80:8080";

fn start() -> Moment {
    Moment::at("2026-03-02T01:16:11Z")
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn rows_of(wire: &Wire) -> Vec<Row> {
    let mut out = Collected::default();
    decode(
        &mut Pcap::default().write(wire).as_slice(),
        &Options::default(),
        &mut out,
    );
    out.rows
}

fn one<'a>(rows: &'a [Row], kind: &str) -> &'a Row {
    let mut found = rows.iter().filter(|r| r.kind == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    first
}

fn field(row: &Row, name: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(&row.fields).unwrap()[name].clone()
}

/// Handshake messages in one record.
fn handshake(messages: &[u8]) -> Vec<u8> {
    tls::record(22, 0x0303, messages)
}

fn connection(wire: &mut Wire) -> Tcp<'_> {
    Tcp::new(wire, start(), address(CLIENT), address(SERVER))
}

#[test]
fn a_connection_attempt_is_one_row_with_its_outcome() {
    type Story = for<'a, 'w> fn(&'a mut Tcp<'w>) -> &'a mut Tcp<'w>;
    let cases: [(Story, Outcome, u64); 4] = [
        (|tcp| tcp.unanswered(3), Outcome::Timeout, 3),
        (|tcp| tcp.refused(3), Outcome::Refused, 3),
        (|tcp| tcp.handshake().client_close(), Outcome::Success, 1),
        (
            |tcp| tcp.handshake().client(b"x").server_rst(),
            Outcome::Success,
            1,
        ),
    ];
    for (story, outcome, syns) in cases {
        let mut wire = Wire::new();
        story(&mut connection(&mut wire));
        let rows = rows_of(&wire);
        let row = one(&rows, "tcp.connect");
        assert_eq!(row.outcome, Some(outcome), "{}", row.message);
        assert_eq!(field(row, "syns"), syns);
        assert_eq!(row.dst_port, Some(443));
    }
}

#[test]
fn an_icmp_complaint_makes_the_attempt_a_failure() {
    let mut wire = Wire::new();
    connection(&mut wire).unanswered(1);
    wire.icmp_about_last(
        start().plus_ms(5),
        "10.1.0.1".parse().unwrap(),
        "10.1.0.5".parse().unwrap(),
        13,
        0,
    );
    let rows = rows_of(&wire);
    assert_eq!(one(&rows, "tcp.connect").outcome, Some(Outcome::Failure));
    assert_eq!(field(one(&rows, "icmp.unreachable"), "name"), "admin_prohibited");
    assert_eq!(
        one(&rows, "icmp.unreachable").flow_id,
        one(&rows, "tcp.connect").flow_id
    );
}

#[test]
fn a_hello_in_many_segments_and_records_gives_its_name_and_what_followed() {
    let hello = tls::ClientHello::new("login.microsoftonline.com")
        .grease()
        .pad_to(1800);
    for (mss, record) in [(1460, 4096), (37, 4096), (1460, 50), (37, 11)] {
        let mut wire = Wire::new();
        let mut tcp = connection(&mut wire).mss(mss);
        tcp.handshake()
            .client(&hello.records(record))
            .server(&handshake(&tls::server_hello(0x0303, 0xc030, Some("h2"))));
        let rows = rows_of(&wire);
        let row = one(&rows, "tls.client_hello");
        assert_eq!(
            row.server_name.as_deref(),
            Some("login.microsoftonline.com"),
            "{mss} {record}"
        );
        assert_eq!(row.outcome, Some(Outcome::Success));
        let answer = one(&rows, "tls.server_hello");
        assert_eq!(answer.tls_version.as_deref(), Some("TLS 1.2"));
        assert_eq!(
            answer.tls_cipher.as_deref(),
            Some("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")
        );
        assert_eq!(answer.server_name, row.server_name);
    }
}

#[test]
fn how_a_hello_ends_is_told_apart() {
    type Story = for<'a, 'w> fn(&'a mut Tcp<'w>) -> &'a mut Tcp<'w>;
    let cases: [(Story, Outcome); 5] = [
        (|tcp| tcp.server_rst(), Outcome::Reset),
        (|tcp| tcp.server_close(), Outcome::Refused),
        (|tcp| tcp.server(&tls::alert(2, 70)), Outcome::Failure),
        (
            |tcp| tcp.server(b"HTTP/1.1 403 Forbidden\r\n\r\n"),
            Outcome::Failure,
        ),
        (|tcp| tcp.wait_ms(21_000).client_rst(), Outcome::Timeout),
    ];
    for (story, outcome) in cases {
        let mut wire = Wire::new();
        let mut tcp = connection(&mut wire);
        tcp.handshake()
            .client(&tls::ClientHello::new("a.example").record());
        story(&mut tcp);
        let rows = rows_of(&wire);
        assert_eq!(one(&rows, "tls.client_hello").outcome, Some(outcome));
    }
}

#[test]
fn certificates_and_alerts_say_who_issued_and_who_refused() {
    let leaf = Certificate::new("CN=login.microsoftonline.com", "CN=Inspection CA,O=Contoso").der();
    let mut wire = Wire::new();
    let mut tcp = connection(&mut wire);
    tcp.handshake()
        .client(&tls::ClientHello::new("login.microsoftonline.com").record());
    let flight = [tls::server_hello(0x0303, 0xc030, None), tls::certificate(&[leaf])].concat();
    tcp.server(&handshake(&flight)).client(&tls::alert(2, 48));
    let rows = rows_of(&wire);
    let row = one(&rows, "tls.certificate");
    assert!(
        row.cert_issuer.as_deref().unwrap().contains("CN=Inspection CA"),
        "{:?}",
        row.cert_issuer
    );
    assert_eq!(row.cert_subject.as_deref(), Some("CN=login.microsoftonline.com"));
    assert_eq!(row.cert_sha256.as_deref().map(str::len), Some(64));
    let alert = one(&rows, "tls.alert");
    assert_eq!(
        (alert.tls_alert.as_deref(), field(alert, "direction")),
        (Some("unknown_ca"), "client".into())
    );
}

#[test]
fn tls_inside_a_proxy_tunnel_is_seen_after_the_407() {
    let mut wire = Wire::new();
    let mut tcp = Tcp::new(&mut wire, start(), address(CLIENT), address(PROXY));
    tcp.handshake();
    tcp.client(&http::connect("login.microsoftonline.com:443", "WinHTTP", &[]));
    tcp.server(&http::proxy_auth_required(&["Negotiate", "NTLM"], "1.1 gw"));
    tcp.client(&http::connect(
        "login.microsoftonline.com:443",
        "WinHTTP",
        &["Proxy-Authorization: Basic c2VjcmV0"],
    ));
    tcp.server(&http::connected());
    tcp.client(&tls::ClientHello::new("login.microsoftonline.com").record())
        .server_rst();
    let rows = rows_of(&wire);
    let answers: Vec<_> = rows.iter().filter(|r| r.kind == "http.response").collect();
    assert_eq!(
        answers.iter().map(|r| r.http_status.unwrap()).collect::<Vec<_>>(),
        [407, 200]
    );
    assert_eq!(answers[0].proxy_auth.as_deref(), Some("Negotiate,NTLM"));
    assert_eq!(answers[0].http_method.as_deref(), Some("CONNECT"));
    assert_eq!(
        answers[0].server_name.as_deref(),
        Some("login.microsoftonline.com")
    );
    let hello = one(&rows, "tls.client_hello");
    assert_eq!(
        (hello.proxy.as_deref(), hello.outcome),
        (Some(PROXY), Some(Outcome::Reset))
    );
    assert_eq!(field(hello, "proxy_tunnel"), true);
    assert!(
        !rows.iter().any(|r| r.fields.contains("c2VjcmV0")),
        "credentials stay out of rows"
    );
}

#[test]
fn a_hello_that_does_not_wait_for_the_proxy_is_seen() {
    let hello = tls::ClientHello::new("login.microsoftonline.com").record();
    let connect = http::connect("login.microsoftonline.com:443", "WinHTTP", &[]);
    let refused = http::response(403, "Forbidden", &["Content-Length: 0"], "");
    let agreed = http::connected();
    // What the proxy says to it, what the server says through it, and the hello's outcome.
    let hello_server = handshake(&tls::server_hello(0x0303, 0xc030, None));
    let cases: [(&[&[u8]], Option<Outcome>); 3] = [
        (&[&agreed, &hello_server], Some(Outcome::Success)),
        (&[&refused], None),
        (&[], Some(Outcome::Unknown)),
    ];
    for (answers, outcome) in cases {
        for in_pieces in [false, true] {
            let mut wire = Wire::new();
            let mut tcp = Tcp::new(&mut wire, start(), address(CLIENT), address(PROXY));
            tcp.handshake();
            if in_pieces {
                tcp.client(&connect);
                for piece in hello.chunks(100) {
                    tcp.client(piece);
                }
            } else {
                tcp.client(&[&connect[..], &hello].concat());
            }
            for answer in answers {
                tcp.server(answer);
            }
            let rows = rows_of(&wire);
            let found = rows.iter().find(|r| r.kind == "tls.client_hello");
            assert_eq!(found.and_then(|row| row.outcome), outcome, "{answers:?}");
            if let Some(row) = found {
                assert_eq!(row.server_name.as_deref(), Some("login.microsoftonline.com"));
                assert_eq!(row.proxy.as_deref(), Some(PROXY));
                assert_eq!(row.record, if in_pieces { 6 } else { 4 });
            }
        }
    }
}

#[test]
fn html_instead_of_json_shows_in_one_row() {
    let mut wire = Wire::new();
    let mut tcp = Tcp::new(&mut wire, start(), address(CLIENT), address("203.0.113.9:80"));
    let id = "6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11";
    let headers = [
        "Host: enterpriseregistration.windows.net",
        "Accept: application/json",
        &format!("client-request-id: {id}"),
    ];
    tcp.handshake().client(&http::raw(
        "GET /x/discover?api-version=1.9&code=SECRET HTTP/1.1",
        &headers,
        b"",
    ));
    let date = format!("Date: {}", start().plus_s(600).http_date());
    let page = b"<!DOCTYPE html><html><title>Blocked</title> AADSTS50126 password=hunter2</html>";
    tcp.server(&http::raw(
        "HTTP/1.1 200 OK",
        &[
            "Content-Type: text/html",
            &date,
            &format!("Content-Length: {}", page.len()),
        ],
        page,
    ));
    let rows = rows_of(&wire);
    let row = one(&rows, "http.response");
    assert_eq!(
        (field(row, "body_kind"), field(row, "expected")),
        ("html".into(), "json".into())
    );
    assert_eq!(row.error_code.as_deref(), Some("AADSTS50126"));
    assert_eq!(row.correlation_id.as_deref(), Some(id));
    assert!((599_000..=600_000).contains(&field(row, "server_date_offset_ms").as_i64().unwrap()));
    let all: String = rows.iter().map(|r| format!("{:?}", r)).collect();
    assert!(
        !all.contains("SECRET") && !all.contains("hunter2"),
        "secrets are masked"
    );
}

#[test]
fn queries_before_a_hole_are_told() {
    let mut wire = Wire::new();
    let framed = |message: Vec<u8>| [&(message.len() as u16).to_be_bytes()[..], &message].concat();
    let mut tcp = Tcp::new(&mut wire, start(), address(CLIENT), address("10.1.0.53:53"));
    tcp.handshake()
        .client(&framed(dns::query(7, "lost.example.com", dns::A)))
        .gap_from_server(60)
        .server(&framed(dns::response(8, "other.example.com", dns::A, 0, &[])))
        .client_close();
    let rows = rows_of(&wire);
    let query = one(&rows, "dns.query");
    assert_eq!(
        (query.server_name.as_deref(), query.outcome),
        (Some("lost.example.com"), Some(Outcome::Unknown))
    );
}

#[test]
fn dns_answers_and_silence() {
    let (mut wire, server) = (Wire::new(), address("10.1.0.53:53"));
    wire.udp(
        start(),
        address("10.1.0.5:53000"),
        server,
        &dns::query(7, "Login.Example.com", dns::A),
        true,
        900,
    );
    let answer = dns::response(
        7,
        "Login.Example.com",
        dns::A,
        0,
        &[dns::Answer::Address("192.0.2.7".parse().unwrap())],
    );
    wire.udp(
        start().plus_ms(20),
        server,
        address("10.1.0.5:53000"),
        &answer,
        false,
        0,
    );
    for attempt in 0..3 {
        let at = start().plus_s(2 + attempt);
        wire.udp(
            at,
            address("10.1.0.5:53001"),
            server,
            &dns::query(8, "wpad.example.com", dns::A),
            true,
            900,
        );
    }
    wire.udp(
        start().plus_s(40),
        address("10.1.0.5:53002"),
        server,
        &dns::query(9, "later.example.com", dns::A),
        true,
        900,
    );
    // A connection to an address that a name stood for.
    Tcp::new(
        &mut wire,
        start().plus_s(41),
        address(CLIENT),
        address("192.0.2.7:443"),
    )
    .unanswered(2);
    let rows = rows_of(&wire);
    let response = one(&rows, "dns.response");
    assert_eq!(
        (response.server_name.as_deref(), response.dns_rcode.as_deref()),
        (Some("login.example.com"), Some("NOERROR"))
    );
    assert_eq!(field(response, "addresses"), serde_json::json!(["192.0.2.7"]));
    let silent = rows
        .iter()
        .find(|r| r.server_name.as_deref() == Some("wpad.example.com"))
        .unwrap();
    assert_eq!(
        (silent.dns_rcode.as_deref(), silent.outcome),
        (Some("TIMEOUT"), Some(Outcome::Timeout))
    );
    assert_eq!(field(silent, "attempts"), 3);
    assert_eq!(
        one(&rows, "tcp.connect").server_name.as_deref(),
        Some("login.example.com")
    );
}

#[test]
fn kerberos_errors_and_directory_keywords() {
    let mut wire = Wire::new();
    let skewed = kerberos::error("CONTOSO.COM", &["krbtgt", "CONTOSO.COM"], 37, start().plus_s(900));
    let mut tcp = Tcp::new(&mut wire, start(), address(CLIENT), address("10.1.0.2:88"));
    tcp.handshake()
        .client(&kerberos::framed(&kerberos::as_req("CONTOSO.COM", "user", false)))
        .server(&kerberos::framed(&skewed));
    let base = "CN=62a0ff2e-97b9-4513-943f-0d221bd30080,CN=Device Registration Configuration,CN=Services,CN=Configuration,DC=contoso,DC=com";
    let keywords = [
        "azureADName:contoso.com",
        "azureADId:72f988bf-86f1-41af-91ab-2d7cd011db47",
    ];
    let mut tcp = Tcp::new(
        &mut wire,
        start(),
        address("10.1.0.5:50001"),
        address("10.1.0.2:389"),
    );
    tcp.handshake().client(&ldap::search(4, base, 0, &["keywords"]));
    tcp.server(&[ldap::entry(4, base, "keywords", &keywords), ldap::done(4, 0, "")].concat());
    let rows = rows_of(&wire);
    let error = one(&rows, "kerberos.error");
    assert_eq!(error.error_code.as_deref(), Some("KRB_AP_ERR_SKEW"));
    assert!(field(error, "skew_ms").as_i64().unwrap() > 890_000);
    let result = one(&rows, "ldap.result");
    assert_eq!(field(result, "keywords"), serde_json::json!(keywords));
    assert_eq!(
        result.tenant_id.as_deref(),
        Some("72f988bf-86f1-41af-91ab-2d7cd011db47")
    );
}

/// A DER element with a one- or three-byte length.
fn der(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = body.len() as u16;
    let head = if len < 128 {
        vec![tag, len as u8]
    } else {
        [&[tag, 0x82][..], &len.to_be_bytes()].concat()
    };
    [head, body.to_vec()].concat()
}

#[test]
fn kerberos_through_the_kdc_proxy_is_seen_in_clear_http() {
    let wrap = |message: &[u8]| der(0x30, &der(0xa0, &der(4, &kerberos::framed(message))));
    let (asked, answered) = (
        wrap(&kerberos::as_req("CONTOSO.COM", "user", true)),
        wrap(&kerberos::error("CONTOSO.COM", &["krbtgt"], 24, start())),
    );
    let mut wire = Wire::new();
    let mut tcp = Tcp::new(&mut wire, start(), address(CLIENT), address("10.1.0.9:80"));
    let kind = "Content-Type: application/kerberos";
    let length = |body: &[u8]| format!("Content-Length: {}", body.len());
    tcp.handshake().client(&http::raw(
        "POST /KdcProxy HTTP/1.1",
        &["Host: kdc", kind, &length(&asked)],
        &asked,
    ));
    tcp.server(&http::raw(
        "HTTP/1.1 200 OK",
        &[kind, &length(&answered)],
        &answered,
    ));
    let rows = rows_of(&wire);
    assert_eq!(one(&rows, "kerberos.request").user.as_deref(), Some("user"));
    let error = one(&rows, "kerberos.error");
    assert_eq!(error.error_code.as_deref(), Some("KDC_ERR_PREAUTH_FAILED"));
    assert_eq!(field(error, "transport"), "https_proxy");
}

#[test]
fn compressed_pages_are_looked_into() {
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer
        .write_all(b"<html><title>Sign in</title>AADSTS90002</html>")
        .unwrap();
    let page = packer.finish().unwrap();
    let mut wire = Wire::new();
    let mut tcp = Tcp::new(&mut wire, start(), address(CLIENT), address("10.1.0.9:80"));
    tcp.handshake()
        .client(&http::raw("GET / HTTP/1.1", &["Host: a"], b""));
    let length = format!("Content-Length: {}", page.len());
    tcp.server(&http::raw(
        "HTTP/1.1 400 Bad Request",
        &["Content-Encoding: gzip", &length],
        &page,
    ));
    let rows = rows_of(&wire);
    let row = one(&rows, "http.response");
    assert_eq!(
        (row.error_code.as_deref(), field(row, "html_title")),
        (Some("AADSTS90002"), "Sign in".into())
    );
}

#[test]
fn dhcp_offers_a_proxy_script() {
    let mut message = vec![2, 1, 6, 0];
    message.resize(236, 0);
    message.extend([99, 130, 83, 99, 53, 1, 5, 252, 24]);
    message.extend(b"http://wpad.corp/wpad.da");
    message.push(255);
    let mut wire = Wire::new();
    wire.udp(
        start(),
        address("10.1.0.1:67"),
        address("10.1.0.5:68"),
        &message,
        false,
        0,
    );
    let rows = rows_of(&wire);
    let row = one(&rows, "dhcp.option");
    assert_eq!(
        (field(row, "option"), field(row, "value")),
        (252.into(), "http://wpad.corp/wpad.da".into())
    );
}

#[test]
fn tls_behind_socks_is_seen_even_when_sent_ahead() {
    let mut wire = Wire::new();
    let mut tcp = Tcp::new(&mut wire, start(), address(CLIENT), address("10.1.0.80:1080"));
    tcp.handshake()
        .client(&[4, 1, 1, 187, 0, 0, 0, 1, 0, b'a', b'.', b'b', 0]);
    tcp.client(&tls::ClientHello::new("a.b").record())
        .server(&[0, 90, 0, 0, 0, 0, 0, 0]);
    tcp.server(&handshake(&tls::server_hello(0x0303, 0xc030, None)));
    let rows = rows_of(&wire);
    let hello = one(&rows, "tls.client_hello");
    assert_eq!(
        (hello.outcome, hello.proxy.as_deref()),
        (Some(Outcome::Success), Some("10.1.0.80:1080"))
    );
    assert_eq!(one(&rows, "socks.request").server_name.as_deref(), Some("a.b"));
}

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
