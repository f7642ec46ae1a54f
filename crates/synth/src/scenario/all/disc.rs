//! Discovery: service connection point, and the way to the registration service.

use super::story::{ATTEMPT, Likely, Proved, Story, attempt, code};
use crate::event::Event;
use crate::moment::Moment;
use crate::scenario::events::{udr, udr_201, udr_304};
use crate::scenario::network::{Block, Handshake};
use crate::scenario::world::{self, DSREGCMD};
use crate::scenario::{Bundle, Case};
use crate::text::{Encoding, authlogs};

const DRS: &str = "enterpriseregistration.windows.net";
const PAGE: &str = "<!DOCTYPE html><html><head><title>Network sign-in</title></head><body>Please sign in to use this network.</body></html>";

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        scp_missing(),
        scp_wrong_tenant(),
        name_unknown(),
        timeout(),
        timeout_without_packets(),
        reset(),
        web_page(),
        busy_then_fine(),
    ]
}

/// A failed run: 201 with exit code and status, 309, 304.
fn failed(case: &mut Case, t: Moment, exit: u32, http: u32, message: &str) {
    let tenant = case.id.tenant_id.clone();
    let events = vec![
        udr(100, 4, t),
        udr_201(t.plus_s(22), exit, http, message),
        udr(309, 2, t.plus_s(22).plus_ms(5)).field("ExitCode", exit as i32),
        udr_304(t.plus_s(22).plus_ms(20), exit, "", "sync", "discover", &tenant),
    ];
    case.logs.extend(attempt(t, events));
}

fn scp(case: &mut Case, t: Moment) {
    let tenant = format!("azureADId:{}", case.id.tenant_id);
    case.scp_lookup(t, Ok(&["azureADName:contoso.com", &tenant]));
}

const SKIPPED: [(&str, &str); 2] = [
    ("DRS Connectivity Test", "SKIPPED"),
    ("Token acquisition Test", "SKIPPED"),
];

fn story(name: &'static str, summary: &str, sub: &str, exit: &str) -> Story {
    let result = format!("FAIL [0x801c0021/{sub}]");
    let tests = [("DRS Discovery Test", result.as_str()), SKIPPED[0], SKIPPED[1]];
    Story::unjoined(
        name,
        summary,
        &tests,
        &[
            ("Registration Type", "sync"),
            ("Error Phase", "discover"),
            ("Client ErrorCode", exit),
        ],
    )
}

fn scp_missing() -> Bundle {
    Story::unjoined(
        "disc-scp-missing",
        "The directory has no service connection point, so the tenant can't be found.",
        &[
            ("AD Configuration Test", "FAIL [0x80070002]"),
            ("DRS Discovery Test", "SKIPPED"),
            SKIPPED[0],
            SKIPPED[1],
        ],
        &[("Error Phase", "discover"), ("Client ErrorCode", "0x801c001d")],
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        case.scp_lookup(t, Err(32));
        let exit = 0x801c_001d_u32;
        let events = vec![
            udr(307, 2, t.plus_ms(60)).field("ExitCode", exit as i32),
            udr_304(t.plus_ms(80), exit, "", "undefined", "discover", "undefined"),
        ];
        case.logs.extend(attempt(t, events));
    })
    .dsreg(|d| {
        d.set(
            "URL Specific Proxy Config",
            "Auto Detect PAC Status",
            "Failed to auto detect the Proxy Auto-Configuration (PAC) script using WPAD. code: 0x80072f94",
        )
    })
    .root("DISC-01")
    .from("Authlogs/Dsregcmd.txt", "text", "dsregcmd.section")
    .allow(&["PXY-06", "PRT-01", "PIN-01"])
    .absent(&["PXY-05", "DISC-03", "DISC-04"])
    .authlogs()
}

fn scp_wrong_tenant() -> Bundle {
    let key = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD";
    let wrong = "99998888-7777-6666-5555-444433332222";
    let dump = authlogs::reg_query(&[(
        key,
        &[
            ("TenantId", "REG_SZ", wrong),
            ("TenantName", "REG_SZ", "contosso.com"),
        ],
    )]);
    Story::unjoined(
        "disc-scp-wrong-tenant",
        "The client-side service connection point names a tenant that doesn't exist (a typing error in the domain).",
        &[("DRS Discovery Test", "FAIL [0x801c0021/0x801c003a]"), SKIPPED[0], SKIPPED[1]],
        &[("Error Phase", "discover"), ("Client ErrorCode", "0x801c003a")],
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        case.works(t, DRS, DSREGCMD);
        case.file("CDJ-AAD.txt", Encoding::Utf16Le.encode(&dump));
        let body = "{\"ErrorType\":\"TenantNotFound\",\"Message\":\"AADSTS90002: Tenant 'contosso.com' not found.\"}";
        failed(case, t, 0x801c_003a, 400, body);
    })
    .root("DISC-02")
    .from("Authlogs/UsrDeviceReg_Adm.evtx", "evtx", "event")
    .allow(&["JOIN-04", "PRT-01", "PIN-01"])
    .absent(&["DISC-01", "DISC-03", "DISC-04"])
    .authlogs()
}

fn name_unknown() -> Bundle {
    story(
        "disc-name-unknown",
        "The registration service's name can't be resolved.",
        "0x80072ee7",
        "0x801c0021",
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        scp(case, t);
        for ms in [200, 5_200] {
            case.lookup_fails(t.plus_ms(ms), DRS, 3);
        }
        failed(case, t, code::NAME, 0, "");
    })
    .root("DNS-01")
    .also("DISC-03", Proved)
    .from("Authlogs/Nettrace.etl", "etl", "dns.response")
    .allow(&["DISC-06", "JOIN-09", "PRT-01", "PIN-01"])
    .absent(&["DISC-01", "DISC-04"])
    .authlogs()
}

fn timeout() -> Bundle {
    story(
        "disc-timeout",
        "SYSTEM goes straight to the registration service and a firewall drops it.",
        "0x80072ee2",
        "0x801c001f",
    )
    .with(|case| {
        for second in [ATTEMPT, ATTEMPT + 120] {
            let t = case.at(second);
            scp(case, t);
            case.lookup(t.plus_ms(200), DRS);
            case.blocked(t.plus_ms(240), world::https(DRS), DSREGCMD, Block::Drop);
            failed(case, t, code::TIMEOUT, 0, "");
        }
    })
    .root("DISC-04")
    .from("Authlogs/Nettrace.etl", "etl", "tcp.connect")
    .allow(&[
        "DISC-06", "JOIN-09", "NET-02", "FW-01", "PXY-05", "PXY-06", "PRT-01", "PIN-01",
    ])
    .absent(&["DISC-01", "DISC-03", "DNS-01", "TLS-03"])
    .authlogs()
}

fn timeout_without_packets() -> Bundle {
    story(
        "disc-timeout-no-packets",
        "The same failure collected without a packet trace: only codes speak.",
        "0x80072ee2",
        "0x801c001f",
    )
    .with(|case| {
        let info = authlogs::script_info(&case.id, &["nonet"], case.start, Some(case.stop));
        case.file("script-info.txt", case.ansi().encode(&info));
        case.omit("Nettrace.etl");
        let t = case.at(ATTEMPT);
        failed(case, t, code::TIMEOUT, 0, "");
    })
    .first("DISC-04", Likely)
    .allow(&["DISC-06", "JOIN-09", "PRT-01", "PIN-01"])
    .quality(&["DQ-02"])
    .authlogs()
}

fn reset() -> Bundle {
    story(
        "disc-reset-after-hello",
        "Something resets every TLS hello for the registration service; other names pass.",
        "0x80072efe",
        "0x801c0021",
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        scp(case, t);
        case.lookup(t.plus_ms(200), DRS);
        for n in 0..3 {
            case.tls(t.plus_ms(240 + 700 * n), DRS, DSREGCMD, &Handshake::Reset);
        }
        case.works(t.plus_s(10), "login.microsoftonline.com", world::LSASS);
        failed(case, t, code::RESET, 0, "");
    })
    .first("TLS-03", Likely)
    .also("DISC-05", Likely)
    .allow(&["DISC-06", "JOIN-09", "PRT-01", "PIN-01"])
    .absent(&["DISC-04", "TLS-01"])
    .authlogs()
}

fn web_page() -> Bundle {
    story(
        "disc-web-page",
        "A network sign-in page answers where the registration service should.",
        "0x8007000d",
        "0x8007000d",
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        case.works(t, DRS, DSREGCMD);
        case.webio(
            t.plus_ms(90),
            DSREGCMD,
            (
                "GET",
                &format!("https://{DRS}/contoso.com/discover?api-version=1.6"),
            ),
            ("HTTP/1.1 200 OK", "text/html"),
        );
        failed(case, t, 0x8007_000d, 200, PAGE);
    })
    .root("PXY-02")
    .also("DISC-08", Proved)
    .from("Authlogs/UsrDeviceReg_Adm.evtx", "evtx", "event")
    .allow(&["DISC-06", "PRT-01", "PIN-01"])
    .absent(&["DISC-04", "DISC-03"])
    .authlogs()
}

fn busy_then_fine() -> Bundle {
    Story::joined(
        "disc-busy-then-fine",
        "The registration service was busy once; half an hour later the device registered.",
    )
    .with(|case| {
        let t = case.at(-1_900);
        failed(case, t, 0x801c_0025, 503, "{\"Message\":\"The server is busy.\"}");
        let ok: Vec<Event> = attempt(case.at(60), vec![udr(306, 4, case.at(62))]);
        case.logs.extend(ok);
    })
    .resolved("DISC-09")
    .absent(&["DISC-04", "PRT-01"])
    .allow(&["DISC-06", "JOIN-03"])
    .authlogs()
}
