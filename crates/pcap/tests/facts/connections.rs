//! Connections, TLS and tunnels.

use casetrace_model::Outcome;
use casetrace_synth::net::{Tcp, Wire, http, tls};
use casetrace_synth::x509::Certificate;

use crate::story::{CLIENT, PROXY, address, connection, field, handshake, one, rows_of, start};

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
