//! Captures, and messages of each protocol.

use std::net::SocketAddr;

use casetrace_synth::net::{Tcp, Wire, dns, http, kerberos, ldap, quic, tls};
use casetrace_synth::pcap::{Pcap, PcapNg};
use casetrace_synth::x509::Certificate;

use super::{CASE, counted, dns_pair};

fn leaf() -> Vec<u8> {
    Certificate::new("CN=a.example, O=Contoso", "CN=CA")
        .san(&["a.example", "*.b.example"])
        .der()
}

/// A server's first flight in one record.
fn flight() -> Vec<u8> {
    let messages = [
        tls::server_hello(tls::TLS12, 0xc030, Some("h2")),
        tls::certificate(&[leaf(), leaf()]),
        tls::certificate_request(),
        tls::server_hello_done(),
    ];
    tls::record(22, tls::TLS12, &messages.concat())
}

/// What client and server say to each other on a port.
fn talks() -> Vec<(u8, Vec<u8>, Vec<u8>)> {
    let hello = tls::ClientHello::new("a.example").alpn(&["h2"]).grease();
    let post = http::request(
        "POST",
        "/token?code=x",
        &["Transfer-Encoding: chunked"],
        "3\r\na=b\r\n0\r\n\r\n",
    );
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n";
    let connect = [http::connect("a.example:443", "agent", &[]), hello.record()].concat();
    let start = CASE.start;
    vec![
        (0, hello.record(), [flight(), tls::alert(2, 48)].concat()),
        (
            0,
            hello.records(40),
            tls::record(22, tls::TLS12, &tls::server_hello13(0x1301, 29)),
        ),
        (1, post, chunked.to_vec()),
        (2, connect, [http::connected(), flight()].concat()),
        (
            2,
            http::connect("a.example:443", "agent", &[]),
            http::proxy_auth_required(&["Negotiate", "NTLM"], "gw"),
        ),
        (
            3,
            kerberos::framed(&kerberos::tgs_req("C.COM", &["HTTP", "a"])),
            kerberos::framed(&kerberos::error("C.COM", &["HTTP", "a"], 7, start)),
        ),
        (
            4,
            ldap::search(1, "CN=x", 2, &["keywords"]),
            [ldap::entry(1, "CN=x", "keywords", &["k:v"]), ldap::done(1, 0, "")].concat(),
        ),
        (4, ldap::bind(2), ldap::bind_done(2)),
        (
            6,
            vec![5, 1, 0, 5, 1, 0, 3, 1, b'a', 0, 80],
            vec![5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 80],
        ),
        (
            6,
            vec![4, 1, 0, 80, 0, 0, 0, 1, 0, b'a', 0],
            vec![0, 90, 0, 0, 0, 0, 0, 0],
        ),
    ]
}

/// See [`targets::capture::connection`](crate::targets::capture::connection).
pub(crate) fn connections() -> Vec<Vec<u8>> {
    let [query, answer] = dns_pair().map(|m| counted_big(&m));
    let mut talks = talks();
    talks.push((5, query, answer));
    talks
        .into_iter()
        .map(|(port, client, server)| [&[port, 5][..], &counted(&client), &server].concat())
        .collect()
}

fn counted_big(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

/// Datagrams behind their lengths.
pub(crate) fn datagrams() -> Vec<Vec<u8>> {
    let hello = tls::ClientHello::new("a.example")
        .alpn(&["h3"])
        .versions(&[tls::TLS13]);
    let initial = quic::initial(b"\x83\x94\xc8\xf0\x3e\x51\x57\x08", &hello);
    vec![
        [counted(&initial), counted(&initial)].concat(),
        counted(&kerberos::as_req("C.COM", "user1", true)),
        counted(&kerberos::tgs_rep("C.COM", "user1", &["HTTP", "a"])),
        counted(&ldap::search(1, "", 0, &["Netlogon"])),
    ]
}

/// Queries and answers.
pub(crate) fn dns() -> Vec<Vec<u8>> {
    let [query, answer] = dns_pair();
    vec![query, answer, dns::response(8, "a.example", dns::AAAA, 3, &[])]
}

/// Hello messages without their records.
pub(crate) fn hellos() -> Vec<Vec<u8>> {
    let body = |message: Vec<u8>| message.get(4..).unwrap_or_default().to_vec();
    vec![
        body(
            tls::ClientHello::new("a.example")
                .grease()
                .alpn(&["h2", "http/1.1"])
                .message(),
        ),
        body(tls::ClientHello::new("a.example").no_sni().pad_to(600).message()),
        body(tls::server_hello(tls::TLS12, 0xc030, Some("h2"))),
        body(tls::server_hello13(0x1302, 29)),
        [&[0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10][..], &[0; 0x25]].concat(),
    ]
}

/// A certificate, and a list of two.
pub(crate) fn certificates() -> Vec<Vec<u8>> {
    let list = tls::certificate(&[leaf(), Certificate::new("CN=CA", "CN=CA").authority().der()]);
    vec![leaf(), list.get(4..).unwrap_or_default().to_vec()]
}

/// Negotiate and challenge messages of NTLM.
pub(crate) fn ntlm() -> Vec<Vec<u8>> {
    let mut challenge = b"NTLMSSP\0\x02\0\0\0".to_vec();
    challenge.extend([
        10, 0, 10, 0, 56, 0, 0, 0, 5, 2, 0x89, 0xa2, 1, 2, 3, 4, 5, 6, 7, 8,
    ]);
    challenge.extend([0; 8]);
    challenge.extend([18, 0, 18, 0, 66, 0, 0, 0, 10, 0, 0x61, 0x4a, 0, 0, 0, 15]);
    challenge.extend(b"C\0O\0R\0P\0X\0\x02\0\x0a\0C\0O\0R\0P\0X\0\0\0\0\0");
    let mut authenticate = b"NTLMSSP\0\x03\0\0\0".to_vec();
    for field in 0..6_u8 {
        authenticate.extend([4, 0, 4, 0, 64 + 4 * field, 0, 0, 0]);
    }
    authenticate.extend([5, 2, 0x88, 0xa2]);
    authenticate.extend(b"C\0D\0U\0S\0P\0C\0abcdefghijkl");
    let negotiate = [&b"NTLMSSP\0\x01\0\0\0\x07\x82\x08\xa2"[..], &[0; 24]].concat();
    vec![negotiate, challenge, authenticate]
}

/// Frames of the story.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = CASE.wire.sorted().into_iter().map(|f| f.bytes).take(24).collect();
    // VLAN tag, IPv6 with a fragment header, and 802.11 data with QoS.
    frames.push(
        [
            &[2; 12][..],
            &[0x81, 0, 0, 5, 0x08, 0],
            frames.first().and_then(|f| f.get(14..)).unwrap_or_default(),
        ]
        .concat(),
    );
    let mut v6 = vec![0x60, 0, 0, 0, 0, 16, 44, 64];
    v6.extend([0x20; 32]);
    v6.extend([17, 0, 0, 1, 0, 0, 0, 9, 0, 53, 0, 53, 0, 8, 0, 0]);
    frames.push([&[2; 12][..], &[0x86, 0xdd], &v6].concat());
    frames.push(
        [
            &[0x88, 1, 0, 0][..],
            &[2; 18],
            &[0, 0, 0, 0],
            &[0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd],
            &v6,
        ]
        .concat(),
    );
    frames
}

/// A bit of every protocol in each file format.
pub(crate) fn files() -> Vec<Vec<u8>> {
    let mut wire = Wire::new();
    let client = |port| SocketAddr::from(([10, 1, 0, 5], port));
    for (n, (port, from, to)) in (0_u16..).zip(talks()) {
        let server = [443, 80, 8080, 88, 389, 53, 1080]
            .get(usize::from(port))
            .copied()
            .unwrap_or(443);
        let at = CASE.start.plus_ms(i64::from(n) * 5);
        let server = SocketAddr::from(([10, 1, 0, 80], server));
        let mut tcp = Tcp::new(&mut wire, at, client(50_000 + n), server);
        tcp.handshake().client(&from).server(&to);
        if n % 2 == 0 {
            tcp.client_close();
        } else {
            tcp.server_rst();
        }
    }
    let [query, answer] = dns_pair();
    let resolver = SocketAddr::from(([10, 1, 0, 53], 53));
    wire.udp(CASE.start, client(53_000), resolver, &query, true, 1);
    wire.udp(CASE.start.plus_ms(1), resolver, client(53_000), &answer, false, 0);
    let swapped = Pcap {
        big_endian: true,
        nanos: true,
        ..Pcap::default()
    };
    vec![
        Pcap::default().write(&wire),
        swapped.write(&wire),
        PcapNg::default()
            .interfaces(&["Ethernet", "Wi-Fi"])
            .resolution(9)
            .write(&wire),
        PcapNg::default().write(&CASE.wire),
    ]
}
