//! Names, paths and clocks.

use super::story::{ATTEMPT, Story};
use crate::bytes::guid_for;
use crate::moment::Moment;
use crate::net::{Tcp, http, kerberos};
use crate::scenario::events::{aad_1025, aad_1081, aad_1084, aad_1085, wfp_block};
use crate::scenario::network::Block;
use crate::scenario::world::{self, EDGE, LSASS};
use crate::scenario::{Bundle, Case};
use crate::text::Encoding;
use crate::text::signin::{SignIn, export};

const LOGIN: &str = "login.microsoftonline.com";

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        name_server_silent(),
        sinkhole(),
        icmp_prohibited(),
        host_firewall(),
        clock_wrong(),
        clock_measured(),
        large_segments_lost(),
    ]
}

/// Recordings whose clocks differ.
pub(super) fn clocks() -> Vec<Bundle> {
    vec![two_captures_two_clocks(), client_behind_the_service()]
}

fn name_server_silent() -> Bundle {
    Story::joined(
        "dns-no-answer",
        "The name server answers for the intranet and is silent about sign-in hosts.",
    )
    .with(|case| {
        for second in [ATTEMPT, ATTEMPT + 30, ATTEMPT + 60] {
            case.lookup_times_out(case.at(second), LOGIN);
        }
        case.lookup(case.at(ATTEMPT + 90), "dc01.corp.contoso.com");
    })
    .root("DNS-01")
    .from("NetTrace.etl", "etl", "dns.query")
    .allow(&["PRT-05", "NET-02"])
    .absent(&["TLS-01", "DISC-01", "PXY-04"])
    .nettrace()
}

fn sinkhole() -> Bundle {
    Story::joined(
        "dns-sinkhole",
        "A filter answers 0.0.0.0 for the device sign-in host.",
    )
    .with(|case| {
        for second in [ATTEMPT, ATTEMPT + 20] {
            case.lookup_as(
                case.at(second),
                "device.login.microsoftonline.com",
                &[std::net::Ipv4Addr::UNSPECIFIED],
            );
        }
    })
    .first("DNS-02", super::story::Likely)
    .absent(&["TLS-01", "DISC-04"])
    .nettrace()
}

fn icmp_prohibited() -> Bundle {
    let correlation = guid_for("icmp");
    Story::joined(
        "net-icmp-prohibited",
        "A router forbids the way to the token endpoint and says so.",
    )
    .with(|case| {
        for n in 0..3 {
            let t = case.at(ATTEMPT + 20 * n);
            case.lookup(t, LOGIN);
            case.blocked(t.plus_ms(30), world::https(LOGIN), LSASS, Block::Icmp);
            let uri = format!("https://{LOGIN}/common/oauth2/token");
            case.log(aad_1025(t.plus_s(2), 12029, "POST", &uri, &correlation));
            case.log(aad_1084(t.plus_s(2).plus_ms(4), 0x8007_2efd, &correlation));
        }
    })
    .root("PRT-05")
    .from("Authlogs/Nettrace.etl", "etl", "tcp.connect")
    .allow(&["FW-01", "NET-02", "PXY-05"])
    .absent(&["DNS-01", "TLS-03", "PRT-03"])
    .authlogs()
}

fn host_firewall() -> Bundle {
    let story = Story::joined(
        "fw-host-firewall",
        "The computer's own firewall blocks lsass; the audit log names process and address.",
    );
    let mut story = story.with(|case| {
        for second in [ATTEMPT, ATTEMPT + 40] {
            let t = case.at(second);
            case.lookup(t, LOGIN);
            case.blocked(t.plus_ms(30), world::https(LOGIN), LSASS, Block::Drop);
            case.log(wfp_block(
                t.plus_ms(31),
                LSASS.pid,
                LSASS.image,
                &world::address(LOGIN).to_string(),
            ));
        }
    });
    let log = story.case.evtx("Security");
    story = story.beside("Security.evtx", log);
    story
        .first("FW-01", super::story::Likely)
        .allow(&["NET-02", "PRT-05", "PXY-05"])
        .absent(&["DNS-01", "TLS-03"])
        .nettrace()
}

/// The computer's clock is nine minutes fast: Kerberos refuses it and every Date header disagrees.
fn clock_wrong() -> Bundle {
    const SKEW_MS: i64 = 540_000;
    Story::joined(
        "time-clock-wrong",
        "The computer's clock is nine minutes fast; Kerberos and HTTP both show it.",
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        let real = t.plus_ms(-SKEW_MS);
        let realm = case.id.domain.to_uppercase();
        let refused = kerberos::error(&realm, &["krbtgt", &realm], kerberos::SKEW, real);
        case.kerberos(t, &kerberos::as_req(&realm, "user1", true), &refused);
        for n in 0..3 {
            dated_page(case, t.plus_s(5 + 20 * n), real.plus_s(5 + 20 * n));
        }
    })
    .root("TIME-01")
    .from("NetTrace.etl", "etl", "http.response")
    .allow(&["PRT-12"])
    .absent(&["TLS-02", "DNS-01"])
    .nettrace()
}

/// A plain HTTP page whose Date header is the server's clock.
fn dated_page(case: &mut Case, at: Moment, server: Moment) {
    let host = "ocsp.digicert.com";
    let port = 53_000 + (at.0 / 1_000_000_000 % 900) as u16;
    let from = std::net::SocketAddr::new(world::CLIENT.into(), port);
    let to = std::net::SocketAddr::new(world::address(host).into(), 80);
    let mut tcp = Tcp::new(&mut case.wire, at, from, to).pid(LSASS.pid);
    let header = format!("Host: {host}");
    let date = format!("Date: {}", server.http_date());
    tcp.handshake().client(&http::request(
        "GET",
        "/MFE",
        &["User-Agent: Microsoft-CryptoAPI/10.0", &header],
        "",
    ));
    tcp.server(&http::response(
        200,
        "OK",
        &["Content-Type: application/ocsp-response", &date],
        "ocsp",
    ))
    .client_close();
}

/// What a report asks for when it is not sure of the clock.
fn clock_measured() -> Bundle {
    let answers = "PS C:\\> w32tm /query /status\nLeap Indicator: 3(not synchronized)\nStratum: 0 (unspecified)\nReferenceId: 0x00000000 (unspecified)\nLast Successful Sync Time: unspecified\nSource: Local CMOS Clock\nPoll Interval: 10 (1024s)\n\nPS C:\\> w32tm /stripchart /computer:time.windows.com /samples:3 /dataonly\nTracking time.windows.com [203.0.113.9:123].\nCollecting 3 samples.\nThe current time is 3/2/2026 10:15:04 AM.\n10:15:04, -5400.3142159s\n10:15:06, -5400.3141999s\n10:15:08, -5400.3142011s\n";
    Story::joined(
        "clock-measured",
        "Only the answers to a question about the clock: it is an hour and a half off and set from nowhere.",
    )
    .beside("time.txt", Encoding::Utf16Le.encode(answers))
    .root("TIME-01")
    .from("time.txt", "text", "config")
    .absent(&["TLS-01", "DNS-01", "PRT-05"])
    .only_files()
}

fn large_segments_lost() -> Bundle {
    Story::joined(
        "net-large-segments-lost",
        "Small packets pass the VPN, full-size ones never arrive: TLS starts and hangs.",
    )
    .with(|case| {
        for n in 0..3 {
            let t = case.at(ATTEMPT + 40 * n);
            case.lookup(t, LOGIN);
            let from = std::net::SocketAddr::new(world::CLIENT.into(), 54_000 + n as u16);
            let mut tcp = Tcp::new(&mut case.wire, t.plus_ms(30), from, world::https(LOGIN)).pid(LSASS.pid);
            let hello = crate::net::tls::ClientHello::new(LOGIN)
                .groups(&[0x11ec, 0x001d])
                .pad_to(1_800);
            tcp.handshake().client_lost(&hello.record(), 5);
            tcp.client_rst();
        }
    })
    .also("NET-01", super::story::Likely)
    .allow(&["NET-02", "TLS-03", "PRT-05"])
    .absent(&["DNS-01", "TLS-01"])
    .nettrace()
}

/// The client's trace and a capture at the switch, whose clock is 95 seconds ahead: the same connections in both.
fn two_captures_two_clocks() -> Bundle {
    const AHEAD_S: i64 = 95;
    let story = Story::joined(
        "clock-two-captures",
        "Two recordings of the same failure; the second recorder's clock is 95 seconds ahead.",
    )
    .with(|case| {
        for n in 0..5 {
            case.works(case.at(60 + 40 * n), "www.office.com", EDGE);
        }
        for second in [ATTEMPT, ATTEMPT + 15, ATTEMPT + 30] {
            case.lookup_fails(case.at(second), LOGIN, 3);
        }
    });
    let mut elsewhere = story.case.wire.clone();
    for frame in &mut elsewhere.frames {
        frame.at = frame.at.plus_s(AHEAD_S);
    }
    let capture = crate::pcap::PcapNg::default().write(&elsewhere);
    story
        .beside("switch.pcapng", capture)
        .root("DNS-01")
        .from("NetTrace.etl", "etl", "dns.response")
        .allow(&["PRT-05", "NET-02", "DISC-07"])
        .absent(&["TIME-01", "TLS-01", "DISC-01"])
        .quality(&["DQ-17"])
        .nettrace()
}

/// The client's clock is 130 seconds behind the service's sign-in log; the correlation ids say so.
fn client_behind_the_service() -> Bundle {
    const BEHIND_S: i64 = 130;
    let story = Story::joined(
        "clock-client-behind",
        "Four sign-ins with a wrong password, in the client's log and, 130 seconds later, in the service's.",
    );
    let description = "AADSTS50126: Error validating credentials due to invalid username or password.";
    let mut rows = vec![];
    let mut logs = vec![];
    for n in 0..4 {
        let correlation = guid_for(&format!("behind {n}"));
        let t = story.case.at(ATTEMPT + 30 * n);
        logs.push(aad_1081(t, "invalid_grant", description, &correlation));
        logs.push(aad_1085(t.plus_ms(3), 0xc000_006d, &correlation));
        let row = SignIn::new(t.plus_s(BEHIND_S), &story.case.id, &correlation);
        rows.push(row.failed(
            50126,
            "Error validating credentials due to invalid username or password.",
        ));
    }
    story
        .logs(logs)
        .beside("NonInteractiveSignIns.csv", export(&rows))
        .root("PRT-03")
        .allow(&["PRT-07", "SIG-01", "AUTH-06"])
        .absent(&["TIME-01", "PRT-04", "PRT-05", "DNS-01"])
        .quality(&["DQ-17"])
        .authlogs()
}
