//! Authentication of the device: federation metadata, WS-Trust, assertions, Kerberos.

use super::story::{ATTEMPT, Likely, Story, attempt};
use crate::archive::{Saz, Session};
use crate::bytes::guid_for;
use crate::moment::Moment;
use crate::net::http;
use crate::scenario::events::{aad_1084, aad_1085, aad_1088, udr, udr_304, udr_305};
use crate::scenario::network::Block;
use crate::scenario::world::{self, DSREGCMD, EDGE};
use crate::scenario::{Bundle, Case};

const STS: &str = "sts.contoso.com";

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        no_ws_trust(),
        metadata_page(),
        no_windows_transport(),
        fault(),
        sts_blocked(),
        assertion_refused(),
        cloud_kerberos(),
    ]
}

/// 305 and 304 of a federated try that got no token.
fn no_token(case: &mut Case, t: Moment, adal: u32, message: &str) {
    let (tenant, correlation) = (case.id.tenant_id.clone(), guid_for(&format!("adal {}", t.0)));
    let events = vec![
        udr_305(t.plus_s(3), adal, adal, message, &correlation),
        udr_304(t.plus_s(3).plus_ms(30), adal, "", "fed", "auth", &tenant),
    ];
    case.logs.extend(attempt(t, events));
}

fn story(name: &'static str, summary: &str, code: &str) -> Story {
    Story::unjoined(
        name,
        summary,
        &[("Token acquisition Test", &format!("FAIL [{code}]"))],
        &[
            ("Registration Type", "fed"),
            ("Error Phase", "auth"),
            ("Client ErrorCode", code),
        ],
    )
    .allow(&["PRT-01", "PIN-01"])
}

fn no_ws_trust() -> Bundle {
    story(
        "auth-no-ws-trust",
        "The federation server speaks no WS-Trust.",
        "0xcaa90017",
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        case.works(t, STS, DSREGCMD);
        no_token(
            case,
            t,
            0xcaa9_0017,
            "ADALUseWindowsAuthenticationTenant failed, the protocol is not supported",
        );
    })
    .root("AUTH-01")
    .from("Authlogs/UsrDeviceReg_Adm.evtx", "evtx", "event")
    .absent(&["AUTH-08"])
    .authlogs()
}

fn metadata_page() -> Bundle {
    let page = "<html><head><title>404 - File or directory not found.</title></head><body>Server Error</body></html>";
    story(
        "auth-metadata-page",
        "The federation metadata address answers with a web page.",
        "0xcaa9002c",
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        case.works(t, STS, DSREGCMD);
        no_token(case, t, 0xcaa9_002c, "WS-Trust metadata could not be parsed");
    })
    .beside("mex.saz", mex(page))
    .root("AUTH-02")
    .from("mex.saz", "saz", "http.response")
    .allow(&["AUTH-03", "PXY-02"])
    .authlogs()
}

/// A Fiddler archive with one decrypted request of the metadata.
fn mex(body: &str) -> Vec<u8> {
    let host = format!("Host: {STS}");
    let status = if body.starts_with("<html") {
        (404, "Not Found", "text/html")
    } else {
        (200, "OK", "application/soap+xml")
    };
    let content_type = format!("Content-Type: {}", status.2);
    let session = Session {
        at: Moment::at("2026-03-02T01:05:00Z"),
        request: http::request(
            "GET",
            &format!("https://{STS}/adfs/services/trust/mex"),
            &[&host, "Accept: application/soap+xml"],
            "",
        ),
        response: http::response(
            status.0,
            status.1,
            &[&content_type, "Date: Mon, 02 Mar 2026 01:05:00 GMT"],
            body,
        ),
        process: format!("msedge:{}", EDGE.pid),
        took_ms: 48,
    };
    Saz::new().session(session).write()
}

fn no_windows_transport() -> Bundle {
    story(
        "auth-no-windows-transport",
        "The federation metadata lacks the integrated-authentication endpoint.",
        "0xcaa90023",
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        case.works(t, STS, DSREGCMD);
        no_token(
            case,
            t,
            0xcaa9_0023,
            "Could not discover endpoint for Integrate Windows Authentication",
        );
    })
    .root("AUTH-03")
    .from("Authlogs/UsrDeviceReg_Adm.evtx", "evtx", "event")
    .absent(&["AUTH-01", "AUTH-08"])
    .authlogs()
}

fn fault() -> Bundle {
    let text = "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>a:InvalidScope</s:Value></s:Subcode></s:Code><s:Reason><s:Text>ID3082: The request scope is not valid or is unsupported.</s:Text></s:Reason></s:Fault>";
    Story::joined("auth-ws-trust-fault", "The federation server refuses the scope of the token request; the codes nearby look like a wrong password.")
        .with(|case| {
            let t = case.at(ATTEMPT);
            let correlation = guid_for("fault");
            case.works(t, STS, world::LSASS);
            case.log(aad_1088(t.plus_s(1), "a:InvalidScope", text));
            case.log(aad_1084(t.plus_s(1).plus_ms(4), 0x8004_84c1, &correlation));
            case.log(aad_1085(t.plus_s(1).plus_ms(8), 0xc004_84c1, &correlation));
        })
        .root("AUTH-05")
        .from("Authlogs/Aad_Oper.evtx", "evtx", "event")
        .absent(&["PRT-03", "PRT-05"])
        .allow(&["PRT-07", "PRT-08"])
        .authlogs()
}

fn sts_blocked() -> Bundle {
    story("auth-sts-blocked", "The federation server's address drops connections.", "0xcaa82ee2")
        .with(|case| {
            for second in [ATTEMPT, ATTEMPT + 100] {
                let t = case.at(second);
                case.lookup(t, STS);
                case.blocked(t.plus_ms(40), world::https(STS), DSREGCMD, Block::Drop);
                no_token(case, t.plus_s(30), 0xcaa8_2ee2, "ADALUseWindowsAuthenticationTenant failed, timeout for https://sts.contoso.com/adfs/services/trust/mex");
            }
        })
        .root("AUTH-08")
        .from("Authlogs/Nettrace.etl", "etl", "tcp.connect")
        .allow(&["AUTH-02", "NET-02", "JOIN-09", "FW-01"])
        .absent(&["DNS-01", "AUTH-01"])
        .authlogs()
}

fn assertion_refused() -> Bundle {
    let text = "AADSTS51004: The user account does not exist in the directory. The ImmutableID claim of the assertion matches no object.";
    story(
        "auth-assertion-refused",
        "The cloud refuses the federation server's assertion: its ImmutableID matches nobody.",
        "0xcaa20003",
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        case.works(t, STS, DSREGCMD);
        case.works(t.plus_s(1), "login.microsoftonline.com", DSREGCMD);
        no_token(case, t, 0xcaa2_0003, text);
    })
    .first("AUTH-06", Likely)
    .allow(&["PRT-04"])
    .absent(&["AUTH-08", "PRT-03"])
    .authlogs()
}

fn cloud_kerberos() -> Bundle {
    Story::unjoined(
        "auth-cloud-kerberos",
        "Join with a cloud Kerberos ticket fails: no ticket for the registration service.",
        &[("Kerberos Ticket Test", "FAIL [0x80090303]")],
        &[("Error Phase", "auth"), ("Client ErrorCode", "0x80090303")],
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        let spn = "adrs/enterpriseregistration.windows.net";
        let event = udr(420, 2, t.plus_s(1))
            .field("ExitCode", 0x8009_0303_u32 as i32)
            .field("Endpoint", "https://enterpriseregistration.windows.net")
            .field("SPN", spn);
        case.logs.extend(attempt(t, vec![event]));
        let realm = case.id.domain.to_uppercase();
        let parts = ["adrs", "enterpriseregistration.windows.net"];
        let request = crate::net::kerberos::tgs_req(&realm, &parts);
        let error = crate::net::kerberos::error(
            &realm,
            &parts,
            crate::net::kerberos::S_PRINCIPAL_UNKNOWN,
            t.plus_ms(502),
        );
        case.kerberos(t.plus_ms(500), &request, &error);
    })
    .first("AUTH-09", Likely)
    .allow(&["AUTH-07", "PRT-01", "PRT-14", "PIN-01"])
    .absent(&["DISC-01", "AUTH-01"])
    .authlogs()
}
