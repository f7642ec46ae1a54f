//! Join phase: what the registration service or the TPM says.

use super::story::{ATTEMPT, Proved, Story, attempt};
use crate::bytes::guid_for;
use crate::event::{Event, Value};
use crate::moment::Moment;
use crate::scenario::events::{TPM_WMI, udr, udr_204, udr_304};
use crate::scenario::world::{self, DSREGCMD};
use crate::scenario::{Bundle, Case};

const DRS: &str = "enterpriseregistration.windows.net";

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        not_synced(),
        synced_later(),
        wrong_sid(),
        throttled(),
        deleted(),
        quota(),
        tpm(),
    ]
}

/// The service's JSON answer to a refused join.
fn answer(kind: &str, subcode: &str, message: &str, operation: &str, t: Moment) -> String {
    format!(
        "{{\"code\":\"invalid_request\",\"subcode\":\"{subcode}\",\"message\":\"{kind}: {message}\",\"operation\":\"{operation}\",\"requestid\":\"{}\",\"time\":\"{}\"}}",
        guid_for(&format!("drs {}", t.0)),
        t.format("%m-%d-%Y %H:%M:%SZ", 0)
    )
}

fn refused(case: &mut Case, t: Moment, exit: u32, http: u32, body: &str) {
    let tenant = case.id.tenant_id.clone();
    case.works(t, DRS, DSREGCMD);
    let id = guid_for(&format!("drs {}", t.0));
    let events = vec![
        udr(101, 4, t.plus_ms(300)).field("ServerMessage", "{\"DiscoveryService\":{}}"),
        udr(103, 4, t.plus_ms(900)).field("AuthToken", ""),
        udr_204(t.plus_s(2), exit, &id, http, body),
        udr_304(t.plus_s(2).plus_ms(20), exit, body, "sync", "join", &tenant),
    ];
    case.logs.extend(attempt(t, events));
}

fn story(name: &'static str, summary: &str, exit: &str, subcode: &str, message: &str) -> Story {
    Story::unjoined(
        name,
        summary,
        &[],
        &[
            ("Registration Type", "sync"),
            ("Error Phase", "join"),
            ("Client ErrorCode", exit),
            ("Server ErrorCode", "invalid_request"),
            ("Server ErrorSubCode", subcode),
            ("Server Message", message),
            ("Https Status", "400"),
            ("Request Id", &guid_for(name)),
        ],
    )
    .allow(&["PRT-01", "PIN-01"])
    .absent(&["DISC-01", "DISC-04", "PXY-01", "DNS-01"])
}

const NOT_FOUND: &str =
    "The device object by the given id (00001111-aaaa-2222-bbbb-3333cccc4444) is not found.";

fn not_synced() -> Bundle {
    story(
        "join-not-synced",
        "The computer object isn't synchronised to the tenant yet.",
        "0x801c03f2",
        "DirectoryError",
        NOT_FOUND,
    )
    .with(|case| {
        for second in [-3_600 + ATTEMPT, ATTEMPT] {
            let t = case.at(second);
            let body = answer("DirectoryError", "DirectoryError", NOT_FOUND, "DeviceJoin", t);
            refused(case, t, 0x801c_03f2, 400, &body);
        }
    })
    .root("JOIN-01")
    .from("Authlogs/UsrDeviceReg_Adm.evtx", "evtx", "event")
    .authlogs()
}

fn synced_later() -> Bundle {
    Story::joined(
        "join-synced-later",
        "The same error this morning; after the synchronisation the device registered itself.",
    )
    .with(|case| {
        let t = case.at(-3_600);
        let body = answer("DirectoryError", "DirectoryError", NOT_FOUND, "DeviceJoin", t);
        refused(case, t, 0x801c_03f2, 400, &body);
        let ok = vec![
            udr(104, 4, case.at(61))
                .field("ServerResponse", "{}")
                .field("ActivityId", guid_for("ok")),
            udr(306, 4, case.at(62)),
        ];
        let t = case.at(60);
        case.logs.extend(attempt(t, ok));
    })
    .resolved("JOIN-01")
    .absent(&["PRT-01", "DISC-01"])
    .authlogs()
}

fn wrong_sid() -> Bundle {
    let message = "The verification of the target computer's SID failed.";
    story(
        "join-sid-mismatch",
        "The service can't match the computer's SID with the synchronised object.",
        "0x801c03ea",
        "AuthenticationError",
        message,
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        let body = answer(
            "AuthenticationError",
            "AuthenticationError",
            message,
            "DeviceJoin",
            t,
        );
        refused(case, t, 0x801c_03ea, 400, &body);
    })
    .root("JOIN-02")
    .authlogs()
}

fn throttled() -> Bundle {
    let message = "Your request is throttled temporarily. Please try after 300 seconds.";
    story(
        "join-throttled",
        "Too many devices register at once; the service throttles.",
        "0x801c03f2",
        "DirectoryError",
        message,
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        let body = answer("DirectoryError", "DirectoryError", message, "DeviceJoin", t);
        refused(case, t, 0x801c_03f2, 400, &body);
    })
    .root("JOIN-03")
    .absent(&["JOIN-01"])
    .authlogs()
}

fn deleted() -> Bundle {
    let message = "The device object by the given id is not found.";
    story(
        "join-device-deleted",
        "Somebody deleted the device in the tenant; the computer still believes in it.",
        "0x801c03f3",
        "error_missing_device",
        message,
    )
    .dsreg(|d| d.set("Diagnostic Data", "Server Operation", "DeviceRenew"))
    .with(|case| {
        let t = case.at(ATTEMPT);
        let body = answer(
            "DirectoryError",
            "error_missing_device",
            message,
            "DeviceRenew",
            t,
        );
        refused(case, t, 0x801c_03f3, 400, &body);
    })
    .root("JOIN-05")
    .allow(&["JOIN-01"])
    .authlogs()
}

fn quota() -> Bundle {
    let message = "User 'user1@contoso.com' is not eligible to enroll a device of type 'Windows'. Reason 'DeviceCapReached'.";
    story(
        "join-quota",
        "The user has as many devices as the tenant allows.",
        "0x801c000e",
        "DeviceCapReached",
        message,
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        let body = answer("AuthorizationError", "DeviceCapReached", message, "DeviceJoin", t);
        refused(case, t, 0x801c_000e, 403, &body);
    })
    .root("JOIN-06")
    .authlogs()
}

fn tpm() -> Bundle {
    Story::unjoined(
        "join-tpm",
        "The TPM fails while the device key is made.",
        &[],
        &[
            ("Registration Type", "sync"),
            ("Error Phase", "join"),
            ("Client ErrorCode", "0x80290407"),
        ],
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        let exit = 0x8029_0407_u32;
        let tenant = case.id.tenant_id.clone();
        case.works(t, DRS, world::DSREGCMD);
        let events = vec![
            udr(344, 2, t.plus_s(1)).field("ExitCode", exit as i32),
            udr_304(t.plus_s(2), exit, "", "sync", "join", &tenant),
        ];
        case.logs.extend(attempt(t, events));
        let event = Event::new(TPM_WMI, 1026, t.plus_s(-80))
            .level(3)
            .field("locationCode", Value::Hex32(0x1400_0001))
            .field("Data", exit);
        case.log(event);
    })
    .also("JOIN-08", Proved)
    .from("Authlogs/UsrDeviceReg_Adm.evtx", "evtx", "event")
    .allow(&["PIN-03", "PRT-01", "PIN-01"])
    .absent(&["DISC-04", "PXY-01"])
    .authlogs()
}
