//! HTTP, DNS, Kerberos, LDAP, DHCP and SOCKS.

use casetrace_model::Outcome;
use casetrace_synth::net::{Tcp, Wire, dns, http, kerberos, ldap, tls};

use crate::story::{CLIENT, address, connection, field, handshake, one, rows_of, start};

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

#[test]
fn a_body_whose_segments_come_late_ends_where_it_should() {
    let body = |letter: &str| letter.repeat(60_000);
    let exchange = |swapped: bool| {
        let mut wire = Wire::new();
        let mut tcp = connection(&mut wire);
        tcp.handshake();
        for letter in ["a", "b"] {
            let target = format!("/{letter}");
            tcp.client(&http::request("GET", &target, &["Host: h.example"], ""))
                .server(&http::response(
                    200,
                    "OK",
                    &["Content-Type: text/plain"],
                    &body(letter),
                ));
        }
        tcp.server_close();
        if swapped {
            // Each full segment changes places with the next one, of bodies whose sample is full as well.
            let full: Vec<usize> = (0..wire.frames.len())
                .filter(|at| wire.frames[*at].bytes.len() == 1514)
                .collect();
            assert!(full.len() > 60);
            for pair in full.as_chunks::<2>().0 {
                let [first, second] = pair.map(|at| wire.frames[at].bytes.clone());
                wire.frames[pair[0]].bytes = second;
                wire.frames[pair[1]].bytes = first;
            }
        }
        rows_of(&wire)
            .iter()
            .filter(|row| row.kind.starts_with("http."))
            .map(|row| {
                let bytes = field(row, "body_bytes").as_u64();
                (row.message.clone(), field(row, "body_start"), bytes.is_some())
            })
            .collect::<Vec<_>>()
    };
    let plain = exchange(false);
    assert_eq!(plain.len(), 4);
    assert_eq!(exchange(true), plain);
}
