//! Large cases of stated size, for speed and memory: a long ordinary day, without a story.
//!
//! Half of a trace's bytes are packets (full-size frames of TLS downloads and short exchanges), half are events as the
//! `InternetClient` scenario of `netsh trace` writes them: lookups, WinHTTP, WebIO, and many TCPIP records nobody asked for.
//! Equal arguments give equal bytes; another `part` gives other bytes, so that no file is taken for a copy.

use std::net::{IpAddr, SocketAddr};

use super::Case;
use super::events::{aad_1104, aad_prt, schannel_alert, system_noise, udr_339, wfp_block};
use super::handshake::Handshake;
use super::network::Gate;
use super::world::{self, AZ, BROKER, DSREGCMD, EDGE, LSASS, SVCHOST, Who};
use crate::bytes::{guid_for, noise};
use crate::event::{Event, Provider, Value};
use crate::evtx::Evtx;
use crate::identity::Identity;
use crate::moment::Moment;
use crate::net::{Tcp, Wire, tls};
use crate::pcap::Pcap;
use crate::text::cli::AzLogin;

const TCPIP: Provider = Provider {
    name: "Microsoft-Windows-TCPIP",
    guid: "2f07e2ee-15db-40f1-90ef-9d7ba282188a",
    channel: "Microsoft-Windows-TCPIP/Diagnostic",
};

/// Bytes an event of the trace takes on average, header included.
const EVENT_BYTES: usize = 117;
/// Bytes a packet's record takes beside the frame.
const PACKET_BYTES: usize = 100;

const WHO: [Who; 6] = [LSASS, SVCHOST, EDGE, BROKER, DSREGCMD, AZ];

/// A case whose day begins `part` hours after the usual start.
fn day(part: u32) -> Case {
    let mut case = Case::new(Identity::default());
    case.start = case.start.plus_s(i64::from(part) * 3_600);
    case.stop = case.start.plus_s(3_600);
    case
}

fn host(n: usize) -> String {
    match n % 7 {
        0 => "login.microsoftonline.com".into(),
        1 => "graph.microsoft.com".into(),
        2 => "management.azure.com".into(),
        _ => format!("host-{:03}.contoso.com", n % 211),
    }
}

/// One exchange of everyday traffic and what the trace says about it.
fn exchange(case: &mut Case, n: usize, at: Moment, blob: &[u8]) {
    let (name, who) = (host(n), WHO.get(n % WHO.len()).copied().unwrap_or(EDGE));
    match n % 5 {
        0 => {
            case.via_proxy(at, &name, who, &Gate::Negotiated, &Handshake::Modern);
        }
        1 => {
            case.lookup(at, &name);
            case.tls(
                at.plus_ms(20),
                &name,
                who,
                &Handshake::Classic(world::public_chain("www.contoso.com")),
            );
        }
        2 => download(case, at, &name, who, blob),
        _ => {
            case.works(at, &name, who);
        }
    }
    let url = format!("https://{name}/common/oauth2/token?request={n}");
    case.webio(
        at.plus_ms(5),
        who,
        ("POST", &url),
        ("HTTP/1.1 200 OK", "application/json"),
    );
}

/// A TLS connection that carries a lot: what most of a capture's bytes are.
fn download(case: &mut Case, at: Moment, name: &str, who: Who, blob: &[u8]) {
    let from = case.local();
    let mut tcp = Tcp::new(&mut case.wire, at, from, world::https(name)).pid(who.pid);
    let hello = tls::ClientHello::new(name).alpn(&["h2"]);
    let flight = [
        tls::record(22, tls::TLS12, &tls::server_hello13(0x1302, 0x001d)),
        tls::record(20, tls::TLS12, &[1]),
    ];
    tcp.handshake().client(&hello.record()).server(&flight.concat());
    for part in blob.chunks(16_000) {
        tcp.server(&tls::record(23, tls::TLS12, part));
    }
    tcp.client_close();
}

/// A record of the TCP/IP stack: short, frequent, and of no use to the verdict.
fn filler(n: usize, at: Moment) -> Event {
    let n32 = n as u32;
    Event::new(TCPIP, 1033 + (n % 3) as u16, at)
        .process(WHO.get(n % WHO.len()).map_or(4, |w| w.pid), 4 + n32 % 64)
        .level(4)
        .field(
            "Tcb",
            Value::Pointer(0xffff_9a0e_0000_0000 | (n as u64 % 900) << 6),
        )
        .field("LocalAddressLength", 16u32)
        .field("NewState", n32 % 11)
        .field("RexmitCount", 0u32)
        .field("SndUna", n32.wrapping_mul(1_460))
        .field("SndNxt", n32.wrapping_mul(1_460).wrapping_add(1_460))
}

fn wire_bytes(wire: &Wire, from: usize) -> usize {
    wire.frames
        .iter()
        .skip(from)
        .map(|frame| frame.bytes.len() + PACKET_BYTES)
        .sum()
}

/// Fills a case's hour with traffic until packets and events reach these sizes.
fn fill(case: &mut Case, part: u32, packets: usize, events: usize) {
    let blob = noise(&format!("download {part}"), 240_000);
    let (mut have, mut seen, mut n) = (0, 0, 0usize);
    // The whole hour is used, whatever the size: a bigger trace is a busier one.
    let total = packets.max(1) as i64;
    while have < packets {
        let at = case.start.plus_us(have as i64 * 3_500_000_000 / total);
        exchange(case, n + part as usize * 13, at, &blob);
        have += wire_bytes(&case.wire, seen);
        seen = case.wire.frames.len();
        n += 1;
    }
    let target = events / EVENT_BYTES;
    let missing = target.saturating_sub(case.trace.len());
    for n in 0..missing {
        let at = case.start.plus_us(n as i64 * 3_500_000_000 / missing as i64);
        case.trace.push(filler(n, at));
    }
}

/// An hour whose trace has about this size.
pub(super) fn traced(part: u32, bytes: usize) -> Case {
    let mut case = day(part);
    fill(&mut case, part, bytes / 2, bytes / 2);
    case
}

/// A `NetTrace.etl` of about this size.
pub fn trace(part: u32, bytes: usize) -> Vec<u8> {
    traced(part, bytes).nettrace()
}

/// A capture of about this size from another place on the network.
pub fn capture(part: u32, bytes: usize) -> Vec<u8> {
    let mut case = day(part + 500);
    fill(&mut case, part + 500, bytes, 0);
    Pcap::default().write(&case.wire)
}

/// An event log of about this size, as large logs are: audits, token requests, the rest.
pub fn log(part: u32, bytes: usize) -> Vec<u8> {
    Evtx::new(&Identity::default().fqdn())
        .first_record(1 + u64::from(part) * 10_000_000)
        .events(logged(part, bytes))
        .write()
}

/// The events of a log of about this size.
pub(super) fn logged(part: u32, bytes: usize) -> Vec<Event> {
    const RECORD_BYTES: usize = 424;
    let start = day(part).start;
    let count = bytes / RECORD_BYTES;
    let mut events = Vec::with_capacity(count);
    let mut n = 0usize;
    while events.len() < count {
        let at = start.plus_us(events.len() as i64 * 3_500_000_000 / count.max(1) as i64);
        match n % 16 {
            0 => events.extend(aad_prt(at, true, 0, &guid_for(&format!("large {part} {n}")))),
            1 => events.push(aad_1104(at, "Lookup name name from SID", 0xc004_85d3)),
            2 => events.push(schannel_alert(at, false, 40)),
            3 => events.extend(system_noise(at)),
            4 => events.push(udr_339(at, world::PROXY_NAME, u32::from(world::PROXY_PORT))),
            _ => {
                let to = SocketAddr::new(IpAddr::V4(world::address(&host(n))), 443).ip();
                let pid = WHO.get(n % WHO.len()).map_or(4, |w| w.pid);
                events.push(wfp_block(at, pid, "svchost.exe", &to.to_string()));
            }
        }
        n += 1;
    }
    events
}

/// The debug output of a script that signs in all day.
pub fn debug_log(part: u32, bytes: usize) -> Vec<u8> {
    let (id, start) = (Identity::default(), day(part).start);
    let mut out = Vec::with_capacity(bytes + 8_192);
    let mut n = 0i64;
    while out.len() < bytes {
        let run = AzLogin::new(&id, start.plus_s(n))
            .authority_ok()
            .signed_in()
            .arm_ok();
        out.extend_from_slice(run.text().as_bytes());
        n += 1;
    }
    out
}
