//! Proxies: authentication, policy, reachability, automatic configuration, idle limits.

use std::net::{IpAddr, SocketAddr};

use super::story::{ATTEMPT, Likely, Story, attempt};
use crate::event::{Event, Value};
use crate::moment::Moment;
use crate::net::{Tcp, http, tls};
use crate::scenario::events::{udr, udr_201, udr_304, udr_339, udr_wpad};
use crate::scenario::network::{Block, Gate, Handshake, WINHTTP};
use crate::scenario::world::{self, CLIENT, DSREGCMD, EDGE, LSASS, PROXY, PROXY_NAME, PROXY_PORT};
use crate::scenario::{Bundle, Case};

const DRS: &str = "enterpriseregistration.windows.net";
const LOGIN: &str = "login.microsoftonline.com";

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        forbidden(),
        unreachable(),
        system_goes_direct(),
        script_missing(),
        idle_limit(),
        denied_then_allowed(),
    ]
}

fn discovery_failed(case: &mut Case, t: Moment, exit: u32, http: u32, page: &str) {
    let tenant = case.id.tenant_id.clone();
    let events = vec![
        udr_201(t.plus_s(2), exit, http, page),
        udr(309, 2, t.plus_s(2).plus_ms(5)).field("ExitCode", exit as i32),
        udr_304(t.plus_s(2).plus_ms(20), exit, "", "sync", "discover", &tenant),
    ];
    case.logs.extend(attempt(t, events));
}

fn unjoined(name: &'static str, summary: &str, sub: &str) -> Story {
    Story::unjoined(
        name,
        summary,
        &[
            ("DRS Discovery Test", &format!("FAIL [0x801c0021/{sub}]")),
            ("DRS Connectivity Test", "SKIPPED"),
            ("Token acquisition Test", "SKIPPED"),
        ],
        &[
            ("Registration Type", "sync"),
            ("Error Phase", "discover"),
            ("Client ErrorCode", "0x801c0021"),
        ],
    )
    .allow(&["PRT-01", "PIN-01", "DISC-06", "PXY-06"])
}

fn forbidden() -> Bundle {
    const HEADERS: [&str; 4] = [
        "Server: squid/5.7",
        "Content-Type: text/html;charset=utf-8",
        "X-Squid-Error: ERR_ACCESS_DENIED 0",
        "Via: 1.1 proxy.corp.contoso.com (squid/5.7)",
    ];
    unjoined(
        "proxy-forbidden",
        "The proxy's policy forbids the registration service.",
        "0x80190193",
    )
    .with(|case| {
        for second in [ATTEMPT, ATTEMPT + 60] {
            let t = case.at(second);
            case.log(udr_339(t, PROXY_NAME, 8080));
            case.via_proxy(
                t.plus_ms(40),
                DRS,
                DSREGCMD,
                &Gate::Status(403, "Forbidden", &HEADERS),
                &Handshake::Modern,
            );
            discovery_failed(
                case,
                t,
                0x8019_0193,
                403,
                "<html><body>Access denied</body></html>",
            );
        }
        case.via_proxy(case.at(200), LOGIN, LSASS, &Gate::Open, &Handshake::Modern);
    })
    .root("PXY-03")
    .from("Authlogs/Nettrace.etl", "etl", "http.response")
    .allow(&["JOIN-10", "DISC-04", "DISC-08"])
    .absent(&["PXY-01", "DNS-01", "DISC-01", "TLS-01"])
    .authlogs()
}

fn unreachable() -> Bundle {
    unjoined(
        "proxy-unreachable",
        "WinHTTP points at a proxy that was switched off.",
        "0x80072efd",
    )
    .dsreg(|d| {
        d.set("WinHttp Default Proxy Config", "Access Type", "NAMED_PROXY")
            .set(
                "WinHttp Default Proxy Config",
                "Proxy Server List",
                "proxy.corp.contoso.com:8080",
            )
    })
    .with(|case| {
        for second in [ATTEMPT, ATTEMPT + 90] {
            let t = case.at(second);
            case.lookup(t, PROXY_NAME);
            let proxy = SocketAddr::new(IpAddr::V4(PROXY), PROXY_PORT);
            case.blocked(t.plus_ms(40), proxy, DSREGCMD, Block::Drop);
            case.log(udr_wpad(337, t.plus_s(22), 12029));
            discovery_failed(case, t.plus_s(22), 0x8007_2efd, 0, "");
        }
    })
    .root("PXY-04")
    .from("Authlogs/Nettrace.etl", "etl", "tcp.connect")
    .allow(&["DISC-04", "JOIN-09", "NET-02", "FW-01"])
    .absent(&["PXY-01", "DNS-01", "DISC-01"])
    .authlogs()
}

fn system_goes_direct() -> Bundle {
    unjoined(
        "proxy-only-for-user",
        "Only the user's settings name the proxy; SYSTEM goes direct and is dropped.",
        "0x80072ee2",
    )
    .dsreg(|d| {
        d.all(
            "IE Proxy Config for Current User",
            &[
                ("Auto Detect Settings", "NO"),
                ("Auto-Configuration URL", ""),
                ("Proxy Server List", "proxy.corp.contoso.com:8080"),
                ("Proxy Bypass List", "<local>"),
            ],
        )
    })
    .with(|case| {
        for second in [ATTEMPT, ATTEMPT + 90] {
            let t = case.at(second);
            case.log(udr_wpad(336, t, 12180));
            case.lookup(t.plus_ms(20), DRS);
            case.blocked(t.plus_ms(40), world::https(DRS), DSREGCMD, Block::Drop);
            discovery_failed(case, t.plus_s(22), 0x8007_2ee2, 0, "");
        }
        for second in [100, 310] {
            case.via_proxy(
                case.at(second),
                LOGIN,
                EDGE,
                &Gate::Negotiated,
                &Handshake::Modern,
            );
        }
    })
    .root("PXY-05")
    .from("Authlogs/Nettrace.etl", "etl", "tcp.connect")
    .also("DISC-04", super::story::Proved)
    .allow(&["JOIN-09", "NET-02", "FW-01"])
    .absent(&["PXY-01", "DNS-01"])
    .authlogs()
}

fn script_missing() -> Bundle {
    const URL: &str = "http://wpad.corp.contoso.com/wpad.dat";
    Story::joined(
        "proxy-script-missing",
        "The automatic configuration script isn't where clients are told to fetch it.",
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        script(case, t);
        let text = |s: &str| Value::TextCounted(s.to_owned());
        for (id, level, ms) in [(809, 4, 10), (811, 2, 60)] {
            let mut event = Event::new(WINHTTP, id, t.plus_ms(ms))
                .version(1)
                .level(level)
                .process(LSASS.pid, LSASS.pid + 12)
                .field("_ConfigurationURLLength", Value::U16(URL.len() as u16))
                .field("ConfigurationURL", text(URL));
            if id == 811 {
                event = event.field("Error", 12167u32);
            }
            case.trace.push(event);
        }
    })
    .root("PXY-07")
    .from("NetTrace.etl", "etl", "http.response")
    .allow(&["PXY-06"])
    .absent(&["PXY-01", "PXY-04"])
    .quality(&["DQ-14"])
    .nettrace()
}

/// GET of the script, answered with 404.
fn script(case: &mut Case, t: Moment) {
    let host = "wpad.corp.contoso.com";
    case.lookup_as(t, host, &[PROXY]);
    let from = SocketAddr::new(IpAddr::V4(CLIENT), 51_999);
    let mut tcp = Tcp::new(
        &mut case.wire,
        t.plus_ms(20),
        from,
        SocketAddr::new(IpAddr::V4(PROXY), 80),
    )
    .pid(LSASS.pid);
    let header = format!("Host: {host}");
    tcp.handshake();
    tcp.client(&http::request(
        "GET",
        "/wpad.dat",
        &[
            "Accept: */*",
            "User-Agent: WinHttp-Autoproxy-Service/5.1",
            &header,
        ],
        "",
    ));
    tcp.server(&http::response(
        404,
        "Not Found",
        &["Server: nginx", "Content-Type: text/html"],
        "<html><body>404</body></html>",
    ));
    tcp.server_close();
}

fn idle_limit() -> Bundle {
    let bus = crate::scenario::events::BUS;
    Story::joined(
        "proxy-idle-limit",
        "Connections to the service bus are reset after exactly sixty idle seconds, again and again.",
    )
    .with(|case| {
        for n in 0..5 {
            let t = case.at(60 + 70 * n);
            case.lookup(t, bus);
            let from = SocketAddr::new(IpAddr::V4(CLIENT), 52_100 + n as u16);
            let mut tcp =
                Tcp::new(&mut case.wire, t.plus_ms(30), from, world::https(bus)).pid(world::MIISERVER.pid);
            tcp.handshake().client(&tls::ClientHello::new(bus).record());
            let flight = [
                tls::record(22, tls::TLS12, &tls::server_hello13(0x1302, 0x001d)),
                tls::application_data("bus", 900),
            ];
            tcp.server(&flight.concat())
                .client(&tls::application_data("listen", 300))
                .wait_ms(60_000);
            tcp.server_rst();
            let retry = format!("TrackingId: {n}, Retrying the connection to {bus}.");
            case.log(crate::scenario::events::password_reset(
                32014,
                3,
                t.plus_s(61),
                &retry,
            ));
        }
    })
    .first("PXY-09", Likely)
    .also("WB-06", Likely)
    .absent(&["WB-02", "DNS-01", "TLS-03"])
    .nettrace_with_application_log()
}

fn denied_then_allowed() -> Bundle {
    Story::joined(
        "proxy-denied-then-allowed",
        "The proxy refused SYSTEM until the network team exempted the host; the join succeeded after that.",
    )
    .with(|case| {
        let t = case.at(60);
        case.log(udr_339(t, PROXY_NAME, 8080));
        case.via_proxy(t, DRS, DSREGCMD, &Gate::Denied(2), &Handshake::Modern);
        discovery_failed(
            case,
            t,
            0x8019_0197,
            407,
            "<html><body>Authentication is required.</body></html>",
        );
        let t = case.at(ATTEMPT);
        case.via_proxy(t, DRS, DSREGCMD, &Gate::Open, &Handshake::Modern);
        case.logs.extend(attempt(t, vec![udr(306, 4, t.plus_s(2))]));
    })
    .resolved("PXY-01")
    .allow(&["JOIN-10", "DISC-06", "DISC-04", "DISC-08"])
    .absent(&["DNS-01", "DISC-01", "PRT-01"])
    .authlogs()
}
