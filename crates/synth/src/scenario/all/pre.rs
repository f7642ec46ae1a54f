//! Pre-check: domain, domain controller, context, task, dual registration.

use super::story::{ATTEMPT, Likely, Proved, Story, attempt};
use crate::event::Event;
use crate::scenario::Bundle;
use crate::scenario::events::{NETLOGON, udr};
use crate::text::{Encoding, authlogs};

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        no_domain(),
        no_controller(),
        not_system(),
        task_disabled(),
        dual_state(),
    ]
}

fn no_domain() -> Bundle {
    Story::joined(
        "pre-not-domain-joined",
        "Hybrid join is tried on a computer that is in no domain.",
    )
    .dsreg(|d| {
        d.without("Device Details")
            .without("Tenant Details")
            .set("Device State", "AzureAdJoined", "NO")
            .set("Device State", "DomainJoined", "NO")
            .set("SSO State", "AzureAdPrt", "NO")
    })
    .with(|case| {
        let t = case.at(ATTEMPT);
        case.log(udr(4096, 4, t));
        case.log(udr(307, 2, t.plus_ms(400)).field("ExitCode", 0x801c_001d_u32 as i32));
    })
    .root("PRE-01")
    .from("Authlogs/Dsregcmd.txt", "text", "dsregcmd.section")
    .allow(&["DISC-01", "PRT-01", "PIN-01"])
    .authlogs()
}

fn no_controller() -> Bundle {
    Story::unjoined(
        "pre-no-domain-controller",
        "The computer sees no domain controller, so registration stops in its pre-check.",
        &[
            ("AD Connectivity Test", "FAIL [0x54b]"),
            ("AD Configuration Test", "SKIPPED"),
            ("DRS Discovery Test", "SKIPPED"),
            ("DRS Connectivity Test", "SKIPPED"),
            ("Token acquisition Test", "SKIPPED"),
        ],
        &[("Error Phase", "pre-check"), ("Client ErrorCode", "0x8007054b")],
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        let name = format!("_ldap._tcp.dc._msdcs.{}", case.id.domain);
        case.lookup_fails(t, &name, 3);
        case.log(udr(4096, 4, t));
        case.log(udr(334, 3, t.plus_ms(900)));
        case.log(
            Event::new(NETLOGON, 5719, t.plus_s(-60))
                .level(2)
                .data("CONTOSO")
                .data("There are currently no logon servers available to service the logon request."),
        );
    })
    .root("PRE-02")
    .from("Authlogs/UsrDeviceReg_Adm.evtx", "evtx", "event")
    .allow(&["DNS-01", "PRT-01", "PIN-01"])
    .authlogs()
}

fn not_system() -> Bundle {
    Story::unjoined(
        "pre-not-system",
        "Somebody ran the registration by hand as a user; only SYSTEM may.",
        &[("User Context", "UN-ELEVATED User")],
        &[("Error Phase", "pre-check")],
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        case.log(udr(333, 3, t).user(&case.id.sid.clone()));
    })
    .root("PRE-03")
    .from("Authlogs/UsrDeviceReg_Adm.evtx", "evtx", "event")
    .allow(&["PRT-01", "PIN-01"])
    .quality(&["DQ-05"])
    .authlogs()
}

fn task_disabled() -> Bundle {
    let key = r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\WorkplaceJoin";
    let policy = authlogs::reg_query(&[(key, &[("autoWorkplaceJoin", "REG_DWORD", "0x0")])]);
    let tasks = "\nFolder: \\Microsoft\\Windows\\Workplace Join\nHostName:      PC042\nTaskName:      \\Microsoft\\Windows\\Workplace Join\\Automatic-Device-Join\nNext Run Time: N/A\nStatus:        Disabled\nScheduled Task State:                 Disabled\n";
    Story::unjoined(
        "pre-task-disabled",
        "Policy turned automatic registration off and its task is disabled.",
        &[],
        &[],
    )
    // Where registration never ran there is no previous one.
    .dsreg(|d| d.unset("Diagnostic Data", "Previous Registration"))
    .with(|case| {
        case.file("Reg-WPJ-Policy-key.txt", Encoding::Utf16Le.encode(&policy));
        case.file("Schtasks.query.v.txt", Encoding::Cp1252.encode(tasks));
    })
    .first("PRE-05", Likely)
    .allow(&["PRT-01", "PIN-01"])
    .authlogs()
}

fn dual_state() -> Bundle {
    Story::joined(
        "pre-dual-state",
        "A hybrid joined device also has a workplace account of the user.",
    )
    .dsreg(|d| {
        d.set("User State", "WorkplaceJoined", "YES").all(
            "Work Account 1",
            &[
                ("WorkplaceDeviceId", "33334444-dddd-5555-eeee-6666ffff7777"),
                ("WorkplaceThumbprint", "0F1E2D3C4B5A69788796A5B4C3D2E1F001122334"),
                ("WorkplaceIdp", "login.windows.net"),
                ("WorkplaceTenantId", "aaaabbbb-0000-cccc-1111-dddd2222eeee"),
                ("WorkplaceTenantName", "Contoso"),
            ],
        )
    })
    .with(|case| {
        let t = case.at(ATTEMPT);
        let events = attempt(t, vec![udr(335, 4, t)]);
        case.logs.extend(events);
    })
    .also("PRE-07", Proved)
    .authlogs()
}
