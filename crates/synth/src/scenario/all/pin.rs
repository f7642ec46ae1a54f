//! Windows Hello for Business.

use super::story::{ATTEMPT, Proved, Story};
use crate::bytes::guid_for;
use crate::event::{Event, Value};
use crate::scenario::Bundle;
use crate::scenario::events::{HELLO, udr, udr_301, udr_hello};
use crate::scenario::world::BROKER;

pub(super) fn bundles() -> Vec<Bundle> {
    vec![hardware(), key_refused(), tpm()]
}

fn no_pin(name: &'static str, summary: &str) -> Story {
    Story::joined(name, summary).dsreg(|d| {
        d.set("User State", "NgcSet", "NO")
            .unset("User State", "NgcKeyId")
            .unset("User State", "CanReset")
    })
}

fn hardware() -> Bundle {
    no_pin(
        "pin-hardware-policy",
        "Policy wants a TPM for Hello and the computer has none that counts.",
    )
    .dsreg(|d| {
        d.set("Ngc Prerequisite Check", "DeviceEligible", "NO").set(
            "Ngc Prerequisite Check",
            "PreReqResult",
            "WillNotProvision",
        )
    })
    .with(|case| {
        let t = case.at(ATTEMPT);
        case.log(udr_hello(360, t, ["Yes", "Yes", "Yes", "Yes", "No", "Yes"]));
        case.log(
            Event::new(HELLO, 7202, t.plus_ms(-20))
                .level(2)
                .process(BROKER.pid, BROKER.pid + 8),
        );
        case.log(
            Event::new(HELLO, 7054, t.plus_ms(-10))
                .level(2)
                .process(BROKER.pid, BROKER.pid + 8)
                .field("Error", Value::Hex32(0x801c_044c)),
        );
    })
    .root("PIN-01")
    .from("Authlogs/UsrDeviceReg_Adm.evtx", "evtx", "event")
    .absent(&["PRT-01", "PIN-02"])
    .authlogs()
}

fn key_refused() -> Bundle {
    no_pin(
        "pin-key-refused",
        "The service refuses the Hello key because the user gave no second factor.",
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        let request = guid_for("pin key");
        case.works(t, "enterpriseregistration.windows.net", BROKER);
        case.log(udr_hello(
            358,
            t.plus_s(-20),
            ["Yes", "Yes", "Yes", "Yes", "Yes", "Yes"],
        ));
        case.log(udr(302, 4, t));
        case.log(udr_301(
            t.plus_s(1),
            0x801c_03ed,
            "AuthorizationError",
            "Multi-factor authentication is required for a key registration request.",
            &request,
        ));
    })
    .root("PIN-02")
    .from("Authlogs/UsrDeviceReg_Adm.evtx", "evtx", "event")
    .absent(&["PRT-01"])
    .allow(&["PIN-01"])
    .authlogs()
}

fn tpm() -> Bundle {
    no_pin(
        "pin-tpm-lockout",
        "The TPM is locked out, so the Hello key can't be made.",
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        case.log(udr_hello(
            358,
            t.plus_s(-20),
            ["Yes", "Yes", "Yes", "Yes", "Yes", "Yes"],
        ));
        case.log(
            udr(310, 2, t)
                .process(BROKER.pid, BROKER.pid + 8)
                .field("ExitCode", 0x8009_0029_u32 as i32),
        );
        let failed = Event::new(HELLO, 7225, t.plus_ms(30))
            .level(2)
            .process(BROKER.pid, BROKER.pid + 8);
        case.log(
            failed
                .field("Error", Value::Hex32(0x8009_0029))
                .field("ProcessingTime", 312u32),
        );
    })
    .also("PIN-03", Proved)
    .allow(&["JOIN-08", "PIN-01"])
    .absent(&["PRT-01", "PIN-02"])
    .authlogs()
}
