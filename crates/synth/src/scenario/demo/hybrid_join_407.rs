//! Hybrid join behind a proxy that wants authentication from SYSTEM, on a Japanese system.

use crate::archive::Member;
use crate::bytes::guid_for;
use crate::identity::Identity;
use crate::scenario::events::{aad_1104, system_noise, udr, udr_201, udr_204, udr_304, udr_339};
use crate::scenario::network::{Gate, Handshake};
use crate::scenario::world::{DSREGCMD, EDGE, PROXY_NAME};
use crate::scenario::{Bundle, Case, Expected, Finding};
use crate::text::{Dsregcmd, Encoding, authlogs};

const DRS: &str = "enterpriseregistration.windows.net";
/// HRESULT of HTTP status 407.
const PROXY_AUTH_REQUIRED: u32 = 0x8019_0197;
const PAGE: &str = "<html><head><title>Access Denied</title></head><body>Authentication is required to use this proxy.</body></html>";

/// The bundle.
pub fn hybrid_join_407() -> Bundle {
    let mut case = Case::new(Identity::default().japanese());
    case.noise();
    network(&mut case);
    logs(&mut case);
    texts(&mut case);
    let failed = case.at(400);
    let dsregcmd = Dsregcmd::not_registered(
        &case.id,
        case.stop,
        &[
            ("DRS Discovery Test", "FAIL [0x801c0021/0x80190197]"),
            ("DRS Connectivity Test", "SKIPPED"),
            ("Token acquisition Test", "SKIPPED"),
        ],
        &[
            ("Previous Registration", &failed.dsregcmd()),
            ("Registration Type", "sync"),
            ("Error Phase", "join"),
            ("Client ErrorCode", "0x80190197"),
            ("Https Status", "407"),
        ],
    )
    .proxies(&case.id, "", "", &format!("{PROXY_NAME}:8080"));
    Bundle {
        name: "hybrid-join-407",
        files: vec![
            Member::new("Authlogs.zip", case.authlogs_zip(&dsregcmd)),
            Member::new("dsregcmd-user.txt", as_user(&case)),
        ],
        passwords: None,
        expected: Expected::new(
            "Automatic hybrid join fails because the proxy answers SYSTEM's CONNECT with 407 and SYSTEM has no credentials for it; the user's browser gets through.",
        )
        .finding(
            Finding::root("PXY-01")
                .from("Authlogs/Nettrace.etl", "etl", "http.response")
                .from("Authlogs/UsrDeviceReg_Adm.evtx", "evtx", "event"),
        )
        .allow(&["JOIN-10", "DISC-04", "DISC-06", "DISC-08", "PRT-01", "PIN-01", "PXY-05", "PXY-06", "CLI-04"])
        .absent(&["DISC-01", "DISC-03", "DNS-01", "TLS-01", "TIME-01", "PRE-01", "PRE-02", "JOIN-01"]),
    }
}

/// The same command as the user ran it, not elevated: the user's proxy credentials make the tests pass, which says
/// nothing about SYSTEM.
fn as_user(case: &Case) -> Vec<u8> {
    let t = case.stop.plus_s(60);
    let text = Dsregcmd::not_registered(&case.id, t, &[("User Context", "UN-ELEVATED User")], &[])
        .proxies(&case.id, "", "", &format!("{PROXY_NAME}:8080"))
        .without("IE Proxy Config for System Account")
        .text();
    Encoding::Utf16Le.encode(&text)
}

fn network(case: &mut Case) {
    let tenant = format!("azureADId:{}", case.id.tenant_id);
    let denied = Gate::Denied(2);
    let runs = [
        (130, "discover?api-version=1.6"),
        (392, "EnrollmentServer/device/?api-version=2.0"),
    ];
    for (second, path) in runs {
        let t = case.at(second);
        case.scp_lookup(t, Ok(&["azureADName:contoso.com", &tenant]));
        case.via_proxy(t.plus_ms(300), DRS, DSREGCMD, &denied, &Handshake::Modern);
        let url = format!("https://{DRS}/{path}");
        case.webio(
            t.plus_ms(310),
            DSREGCMD,
            ("GET", &url),
            ("HTTP/1.1 407 Proxy Authentication Required", "text/html"),
        );
    }
    for (second, host) in [
        (150, "login.microsoftonline.com"),
        (170, "www.office.com"),
        (420, DRS),
    ] {
        case.via_proxy(case.at(second), host, EDGE, &Gate::Negotiated, &Handshake::Modern);
    }
}

fn logs(case: &mut Case) {
    let tenant = case.id.tenant_id.clone();
    let first = case.at(130);
    let second = case.at(392);
    for t in [first, second] {
        case.log(udr(4096, 4, t.plus_ms(-900)));
        case.log(udr(331, 4, t.plus_ms(100)).field(
            "DebugOutput",
            "preCheckResult: Join\r\nisPrivateKeyFound: undefined\r\nisJoined: NO\r\nisDcAvailable: YES\r\nisSystem: YES\r\nresultCode: 0x0\r\n",
        ));
        case.log(udr_339(t.plus_ms(290), PROXY_NAME, 8080));
    }
    case.log(udr(100, 4, first.plus_ms(200)));
    case.log(udr_201(first.plus_ms(1_700), PROXY_AUTH_REQUIRED, 407, PAGE));
    case.log(udr(309, 2, first.plus_ms(1_720)).field("ExitCode", PROXY_AUTH_REQUIRED as i32));
    case.log(udr_304(
        first.plus_ms(1_800),
        PROXY_AUTH_REQUIRED,
        "",
        "sync",
        "discover",
        &tenant,
    ));
    case.log(udr_204(
        second.plus_ms(1_700),
        PROXY_AUTH_REQUIRED,
        &guid_for("join 407"),
        407,
        PAGE,
    ));
    case.log(udr_304(
        second.plus_ms(1_800),
        PROXY_AUTH_REQUIRED,
        "",
        "sync",
        "join",
        &tenant,
    ));
    case.log(aad_1104(case.at(12), "Lookup name name from SID", 0xc004_85d3));
    case.logs.extend(system_noise(case.start));
}

fn texts(case: &mut Case) {
    let dns = authlogs::display_dns(
        &case.id,
        &[
            (PROXY_NAME, Some("192.0.2.80")),
            ("wpad.corp.contoso.com", None),
            ("www.msftconnecttest.com", Some("198.51.100.52")),
        ],
    );
    let dns = case.ansi().encode(&dns);
    case.file("Displaydns.txt", dns);
    let key = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\Netlogon\Parameters";
    let netlogon = authlogs::reg_query(&[(
        key,
        &[
            ("(既定)", "REG_SZ", "(値の設定なし)"),
            ("DBFlag", "REG_DWORD", "0x2ebfffff"),
        ],
    )]);
    case.file("Netlogon-key.txt", Encoding::Utf16Le.encode(&netlogon));
}
