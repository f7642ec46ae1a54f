//! Primary refresh token after the join.

use super::story::{ATTEMPT, Likely, Proved, Story};
use crate::bytes::guid_for;
use crate::event::Value;
use crate::scenario::Bundle;
use crate::scenario::events::{PrtFailure, aad, aad_1025, aad_1081, aad_1084, aad_1085, aad_1098, aad_prt};
use crate::scenario::network::Block;
use crate::scenario::world::{self, BROKER, LSASS};

const LOGIN: &str = "login.microsoftonline.com";
const TOKEN: &str = "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/oauth2/token";
const UPN: &str = "user1@contoso.com";

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        wrong_password(),
        unknown_user(),
        network(),
        device_disabled(),
        conditional_access(),
        unknown_to_federation(),
        broker(),
        stale_but_refreshed(),
    ]
}

/// A request the token endpoint answered with an OAuth error: events 1006…1007, 1081, 1085, 1250, the packets, and
/// dsregcmd's diagnostics.
fn refused(name: &'static str, summary: &str, status: u32, error: &str, description: &str) -> Story {
    let correlation = guid_for(name);
    let text = format!(
        "{description} Trace ID: {} Correlation ID: {correlation} Timestamp: 2026-03-02 01:05:01Z",
        guid_for(&format!("trace {name}"))
    );
    let failure = PrtFailure {
        result: status,
        upn: UPN,
        correlation: &correlation,
        uri: TOKEN,
        transport: 0,
        http: 400,
        error,
        description: &text,
    };
    let story = Story::joined(name, summary);
    let t = story.case.at(ATTEMPT);
    let fields = failure.dsregcmd(t);
    let events = [
        aad_prt(t, false, status, &correlation),
        vec![
            aad_1081(t.plus_ms(400), error, &text, &correlation),
            aad_1085(t.plus_ms(420), status, &correlation),
            failure.event(t.plus_ms(430)),
        ],
    ];
    story
        .logs(events.concat())
        .with(|case| {
            case.works(t, LOGIN, LSASS);
        })
        .dsreg(|d| {
            let borrowed: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
            d.prt_failure("AcquirePrtDiagnostics", &borrowed)
        })
        .allow(&["PRT-01", "PRT-07", "PIN-01"])
        .absent(&["PRT-05", "DNS-01", "TLS-01", "PXY-01"])
}

fn wrong_password() -> Bundle {
    refused(
        "prt-wrong-password",
        "The user's password is wrong: server and client say so under one correlation id.",
        0xc000_006d,
        "invalid_grant",
        "AADSTS50126: Error validating credentials due to invalid username or password.",
    )
    .root("PRT-03")
    .from("Authlogs/Aad_Oper.evtx", "evtx", "event")
    .authlogs()
}

fn unknown_user() -> Bundle {
    refused(
        "prt-unknown-user",
        "The user name exists in no directory of the tenant.",
        0xc000_005f,
        "invalid_grant",
        "AADSTS50034: The user account user1@contoso.com does not exist in the contoso.com directory.",
    )
    .root("PRT-04")
    .absent(&["PRT-03"])
    .authlogs()
}

fn network() -> Bundle {
    let correlation = guid_for("prt network");
    let failure = PrtFailure {
        result: 0xc000_023c,
        upn: UPN,
        correlation: &correlation,
        uri: TOKEN,
        transport: 0x2ee2,
        http: 0,
        error: "",
        description: "",
    };
    let story = Story::joined(
        "prt-network",
        "lsass can't reach the token endpoint: connections are dropped.",
    );
    let t = story.case.at(ATTEMPT);
    let fields = failure.dsregcmd(t);
    story
        .with(|case| {
            for second in [0, 60] {
                let t = t.plus_s(second);
                case.lookup(t, LOGIN);
                case.blocked(t.plus_ms(30), world::https(LOGIN), LSASS, Block::Drop);
            }
            case.log(aad_1025(t.plus_s(22), 12002, "POST", TOKEN, &correlation));
            case.log(aad_1084(t.plus_s(22).plus_ms(3), 0x8007_2ee2, &correlation));
            case.log(aad_1085(t.plus_s(22).plus_ms(9), 0xc000_023c, &correlation));
            case.log(failure.event(t.plus_s(22).plus_ms(12)));
        })
        .dsreg(|d| {
            let borrowed: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
            d.prt_failure("AcquirePrtDiagnostics", &borrowed)
        })
        .root("PRT-05")
        .from("Authlogs/Nettrace.etl", "etl", "tcp.connect")
        .allow(&["PRT-01", "PRT-07", "NET-02", "PXY-05", "FW-01", "PIN-01"])
        .absent(&["PRT-03", "PRT-04", "DNS-01"])
        .authlogs()
}

fn device_disabled() -> Bundle {
    refused(
        "prt-device-disabled",
        "An administrator disabled the device in the tenant.",
        0xc000_006d,
        "invalid_grant",
        "AADSTS135011: Device used during the authentication is disabled.",
    )
    .dsreg(|d| {
        d.set(
            "Device Details",
            "DeviceAuthStatus",
            "FAILED. Device is either disabled or deleted",
        )
    })
    .root("JOIN-05")
    .also("PRT-06", Proved)
    .absent(&["PRT-03", "TLS-05"])
    .authlogs()
}

fn conditional_access() -> Bundle {
    refused("prt-conditional-access", "Conditional access blocks the sign-in; nothing is wrong with the device.", 0xc000_006d, "interaction_required", "AADSTS53003: Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.")
        .root("PRT-09")
        .absent(&["PRT-03", "PRT-06"])
        .authlogs()
}

fn unknown_to_federation() -> Bundle {
    let correlation = guid_for("prt adfs");
    let uri = "https://sts.contoso.com/adfs/oauth2/token";
    let text = "MSIS9682: The device is not registered with AD FS.";
    Story::joined("prt-federation-device", "AD FS doesn't know the device: its token fails with a code that looks like a wrong password, the cloud's works.")
        .with(|case| {
            let t = case.at(ATTEMPT);
            case.works(t, "sts.contoso.com", LSASS);
            case.log(aad_1025(t.plus_ms(300), 400, "POST", uri, &correlation));
            case.log(aad_1081(t.plus_ms(310), "invalid_grant", text, &correlation));
            case.log(aad(1118, 2, t.plus_ms(320)).field("Status", Value::Hex32(0xc000_006d)).field("CorrelationID", correlation.as_str()));
        })
        .dsreg(|d| d.set("SSO State", "EnterprisePrt", "NO"))
        .root("PRT-10b")
        .from("Authlogs/Aad_Oper.evtx", "evtx", "event")
        .allow(&["PRT-10"])
        .refute(&["PRT-03"])
        .absent(&["PRT-01"])
        .authlogs()
}

fn broker() -> Bundle {
    let extra = "Exception of type 'class Win32Exception' at cryptoprovider.cpp, line: 124, method: CryptUnprotect.\r\n\r\nLog: 0xcaa5001c Token broker operation failed.\r\nLogged at TokenBroker.cpp, line: 88.\r\n\r\nRequest: authority: https://login.microsoftonline.com/common, client: d3590ed6-52b3-4102-aeff-aad2292ab01c, redirect URI: ms-appx-web://Microsoft.AAD.BrokerPlugin/d3590ed6, resource: https://graph.microsoft.com";
    Story::joined(
        "prt-broker",
        "The token broker can't decrypt its own state; the device's token is fine.",
    )
    .with(|case| {
        let sid = case.id.sid.clone();
        for second in [0, 20, 45] {
            let t = case.at(ATTEMPT + second);
            case.log(aad_1098(
                t,
                0xcaa5_001c,
                "Token broker operation failed.",
                extra,
                &sid,
            ));
            case.log(aad_1098(
                t.plus_ms(4),
                0x8009_002c,
                "The specified data could not be decrypted.",
                extra,
                &sid,
            ));
        }
        case.works(case.at(ATTEMPT), LOGIN, BROKER);
    })
    .first("PRT-11", Likely)
    .absent(&["PRT-01", "PRT-03", "PRT-05"])
    .authlogs()
}

fn stale_but_refreshed() -> Bundle {
    let correlation = guid_for("prt resolved");
    let failure = PrtFailure {
        result: 0xc000_023c,
        upn: UPN,
        correlation: &correlation,
        uri: TOKEN,
        transport: 0x2ee7,
        http: 0,
        error: "",
        description: "",
    };
    Story::joined(
        "prt-offline-then-fine",
        "The laptop woke up without network; minutes later the token was refreshed.",
    )
    .with(|case| {
        let t = case.at(30);
        case.lookup_fails(t, LOGIN, 2);
        case.log(aad_1085(t.plus_s(1), 0xc000_023c, &correlation));
        case.log(failure.event(t.plus_s(1).plus_ms(3)));
        case.works(case.at(200), LOGIN, LSASS);
        let events = aad_prt(case.at(200), true, 0, &guid_for("prt refreshed"));
        case.logs.extend(events);
    })
    .resolved("PRT-05")
    .resolved("DNS-01")
    .absent(&["PRT-01", "PRT-03"])
    .authlogs()
}
