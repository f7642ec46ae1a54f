//! Several things at once: consequences, independent failures, failures hidden among noise.

use super::story::{ATTEMPT, Likely, Proved, Story, attempt, code};
use crate::bytes::guid_for;
use crate::identity::Identity;
use crate::scenario::Bundle;
use crate::scenario::events::{
    BUS, aad_1081, aad_1085, aad_1098, system_noise, udr, udr_201, udr_204, udr_304, udr_339, udr_hello,
    writeback_errors,
};
use crate::scenario::network::{Block, Gate, Handshake};
use crate::scenario::world::{
    self, AZ, DSREGCMD, EDGE, LSASS, MIISERVER, PROXY_CA, PROXY_NAME, inspected_chain,
};
use crate::text::Encoding;
use crate::text::cli::{AzLogin, CERTIFICATE_VERIFY_FAILED};

const DRS: &str = "enterpriseregistration.windows.net";
const LOGIN: &str = "login.microsoftonline.com";

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        name_and_token(),
        proxy_blocks_everything(),
        three_independent(),
        inspection_and_writeback(),
        japanese_timeout(),
    ]
}

fn name_and_token() -> Bundle {
    let correlation = guid_for("mixed dns");
    Story::joined(
        "mixed-name-and-token",
        "No sign-in host resolves; the missing token and the failed Hello set-up follow from that.",
    )
    .with(|case| {
        for second in [ATTEMPT, ATTEMPT + 15, ATTEMPT + 30] {
            case.lookup_fails(case.at(second), LOGIN, 3);
            case.lookup_fails(case.at(second).plus_ms(500), DRS, 3);
        }
        let t = case.at(ATTEMPT);
        case.log(crate::scenario::events::aad_1025(
            t.plus_s(1),
            12007,
            "POST",
            &format!("https://{LOGIN}/common/oauth2/token"),
            &correlation,
        ));
        case.log(aad_1085(t.plus_s(1).plus_ms(5), 0xc000_023c, &correlation));
        case.log(udr_hello(
            360,
            t.plus_s(20),
            ["Yes", "No", "Yes", "Yes", "Yes", "Yes"],
        ));
    })
    .dsreg(|d| {
        d.set("SSO State", "AzureAdPrt", "NO")
            .set("User State", "NgcSet", "NO")
    })
    .root("DNS-01")
    .from("Authlogs/Nettrace.etl", "etl", "dns.response")
    .also("PRT-05", Proved)
    .also("PIN-01", Proved)
    .allow(&["PRT-01", "DISC-03", "DISC-07"])
    .absent(&["PRT-03", "TLS-01", "DISC-01", "JOIN-09"])
    .authlogs()
}

fn proxy_blocks_everything() -> Bundle {
    let page = "<html><body>Authentication is required.</body></html>";
    let story = Story::unjoined(
        "mixed-proxy-and-cli",
        "The proxy wants authentication from SYSTEM and from the CLI; the user's browser has it.",
        &[
            ("DRS Discovery Test", "FAIL [0x801c0021/0x80190197]"),
            ("DRS Connectivity Test", "SKIPPED"),
            ("Token acquisition Test", "SKIPPED"),
        ],
        &[
            ("Registration Type", "sync"),
            ("Error Phase", "discover"),
            ("Client ErrorCode", "0x80190197"),
            ("Https Status", "407"),
        ],
    );
    let az = AzLogin::new(&story.case.id, story.case.at(400)).fails(
        LOGIN,
        "/organizations/v2.0/.well-known/openid-configuration",
        crate::text::cli::PROXY_407,
    );
    story
        .with(|case| {
            let t = case.at(ATTEMPT);
            let tenant = case.id.tenant_id.clone();
            case.log(udr_339(t, PROXY_NAME, 8080));
            case.via_proxy(t, DRS, DSREGCMD, &Gate::Denied(3), &Handshake::Modern);
            case.via_proxy(case.at(400), LOGIN, AZ, &Gate::Denied(2), &Handshake::Modern);
            case.via_proxy(
                case.at(150),
                "www.office.com",
                EDGE,
                &Gate::Negotiated,
                &Handshake::Modern,
            );
            let failed = vec![
                udr_201(t.plus_s(2), 0x8019_0197, 407, page),
                udr_304(t.plus_s(2), 0x8019_0197, "", "sync", "discover", &tenant),
            ];
            case.logs.extend(attempt(t, failed));
        })
        .beside("az-login-debug.txt", Encoding::Utf8.encode(&az.text()))
        .root("PXY-01")
        .from("Authlogs/Nettrace.etl", "etl", "http.response")
        .also("CLI-04", Proved)
        .allow(&[
            "JOIN-10", "DISC-06", "DISC-04", "DISC-08", "PRT-01", "PIN-01", "PXY-06",
        ])
        .absent(&["TLS-01", "DNS-01", "CLI-01", "DISC-01"])
        .authlogs()
}

fn three_independent() -> Bundle {
    let correlation = guid_for("mixed three");
    let description = "AADSTS90002: Tenant 'corp.contoso.local' not found. Check that the suffix of the user name is a verified domain.";
    Story::unjoined(
        "mixed-three-independent",
        "Three separate failures: no cloud Kerberos ticket, a device deleted in the tenant, a user name with an unverified suffix.",
        &[("Kerberos Ticket Test", "FAIL [0x80090303]")],
        &[
            ("Error Phase", "join"),
            ("Client ErrorCode", "0x801c03f3"),
            ("Server ErrorCode", "invalid_request"),
            ("Server ErrorSubCode", "error_missing_device"),
            ("Server Operation", "DeviceRenew"),
            ("Server Message", "The device object by the given id is not found."),
            ("Https Status", "400"),
        ],
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        let tenant = case.id.tenant_id.clone();
        let body = "{\"code\":\"invalid_request\",\"subcode\":\"error_missing_device\",\"message\":\"The device object by the given id is not found.\",\"operation\":\"DeviceRenew\"}";
        let spn = udr(420, 2, t)
            .field("ExitCode", 0x8009_0303_u32 as i32)
            .field("Endpoint", "https://enterpriseregistration.windows.net")
            .field("SPN", "adrs/enterpriseregistration.windows.net");
        let refused = udr_204(t.plus_s(3), 0x801c_03f3, &guid_for("mixed drs"), 400, body);
        case.works(t, DRS, DSREGCMD);
        case.logs.extend(attempt(t, vec![spn, refused, udr_304(t.plus_s(3), 0x801c_03f3, body, "sync", "join", &tenant)]));
        case.works(t.plus_s(60), LOGIN, LSASS);
        case.log(aad_1081(t.plus_s(61), "invalid_request", description, &correlation));
        case.log(aad_1085(t.plus_s(61).plus_ms(9), 0xc000_005f, &correlation));
    })
    .also("AUTH-09", Likely)
    .also("JOIN-05", Proved)
    .also("PRT-04", Proved)
    .allow(&["PRT-01", "PIN-01", "AUTH-07", "PRT-14"])
    .absent(&["DNS-01", "PXY-01", "TLS-01", "PRT-03", "JOIN-01", "JOIN-04"])
    .authlogs()
}

fn inspection_and_writeback() -> Bundle {
    let id = Identity::default().computer("AADC01");
    let story = Story::of(
        "mixed-inspection-and-writeback",
        "On the synchronisation server TLS of the sign-in host is inspected and the service bus is blocked.",
        id,
    );
    let az = AzLogin::new(&story.case.id, story.case.at(400)).fails(
        LOGIN,
        "/organizations/v2.0/.well-known/openid-configuration",
        CERTIFICATE_VERIFY_FAILED,
    );
    let story = story
        .with(|case| {
            for second in [100, 400] {
                case.lookup(case.at(second), LOGIN);
                case.tls(
                    case.at(second).plus_ms(30),
                    LOGIN,
                    MIISERVER,
                    &Handshake::Classic(inspected_chain(LOGIN, PROXY_CA)),
                );
            }
            for second in [120, 260] {
                let t = case.at(second);
                case.lookup(t, BUS);
                case.blocked(t.plus_ms(30), world::https(BUS), MIISERVER, Block::Drop);
                case.logs.extend(writeback_errors(t.plus_s(33)));
            }
        })
        .also("TLS-01", Proved)
        .also("WB-02", Proved)
        .allow(&["CLI-02", "NET-02", "WB-06", "FW-01"])
        .absent(&["WB-01", "WB-03", "DNS-01", "CLI-01"])
        .beside("az-login-debug.txt", Encoding::Utf8.encode(&az.text()));
    story.nettrace_with_application_log()
}

/// The same failure as a plain timeout, on a Japanese system at UTC+9 with much unrelated noise.
fn japanese_timeout() -> Bundle {
    let mut story = Story::unjoined(
        "mixed-japanese-timeout",
        "A Japanese computer whose SYSTEM connections are dropped, amid broker errors that belong to something else.",
        &[
            ("DRS Discovery Test", "FAIL [0x801c0021/0x80072ee2]"),
            ("DRS Connectivity Test", "SKIPPED"),
            ("Token acquisition Test", "SKIPPED"),
        ],
        &[
            ("Registration Type", "sync"),
            ("Error Phase", "discover"),
            ("Client ErrorCode", "0x801c001f"),
        ],
    );
    story.case.id = story.case.id.clone().japanese();
    story
        .with(|case| {
            let tenant = case.id.tenant_id.clone();
            let sid = case.id.sid.clone();
            for second in [ATTEMPT, ATTEMPT + 100] {
                let t = case.at(second);
                case.lookup(t, DRS);
                case.blocked(t.plus_ms(30), world::https(DRS), DSREGCMD, Block::Drop);
                let failed = vec![
                    udr_201(t.plus_s(22), code::TIMEOUT, 0, ""),
                    udr_304(t.plus_s(22), code::DISCOVERY, "", "sync", "discover", &tenant),
                ];
                case.logs.extend(attempt(t, failed));
            }
            for second in [20, 500] {
                case.log(aad_1098(
                    case.at(second),
                    0x4aa5_0081,
                    "An application specific account is loading in cloud joined session.",
                    "",
                    &sid,
                ));
                case.logs.extend(system_noise(case.at(second)));
            }
        })
        .root("DISC-04")
        .from("Authlogs/Nettrace.etl", "etl", "tcp.connect")
        .allow(&[
            "DISC-06", "JOIN-09", "NET-02", "PXY-05", "PXY-06", "PRT-01", "PIN-01", "FW-01",
        ])
        .absent(&["PRT-11", "DNS-01", "DISC-01", "DISC-03"])
        .authlogs()
}
