//! Collections that are incomplete or misleading in themselves.

use super::story::{ATTEMPT, Story};
use crate::archive::{Encryption, Saz, Session};
use crate::net::http;
use crate::scenario::Bundle;
use crate::scenario::events::aad_1104;
use crate::scenario::world::EDGE;

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        unfinished(),
        lost_events(),
        no_password(),
        short_snap(),
        elevated_status(),
        two_computers(),
    ]
}

fn unfinished() -> Bundle {
    Story::joined(
        "quality-unfinished",
        "The collection was zipped while it was still running.",
    )
    .with(|case| {
        case.file("started.txt", b"started\r\n".to_vec());
        let info = crate::text::authlogs::script_info(&case.id, &["vAuth"], case.start, None);
        case.file("script-info.txt", case.ansi().encode(&info));
        let trace = case.trace_file().unclosed().write();
        case.file("Nettrace.etl", trace);
        for name in [
            "Aad_Oper.evtx",
            "UsrDeviceReg_Adm.evtx",
            "System.evtx",
            "Application.evtx",
            "Dsregcmd.txt",
        ] {
            case.omit(name);
        }
    })
    .quality(&["DQ-01"])
    .authlogs()
}

fn lost_events() -> Bundle {
    let story = Story::joined("quality-lost-events", "The trace lost events and buffers.");
    let trace = story.case.trace_file().lost(4_711, 3).write();
    story
        .beside("NetTrace.etl", trace)
        .quality(&["DQ-07"])
        .only_files()
}

fn no_password() -> Bundle {
    let story = Story::joined(
        "quality-no-password",
        "The Fiddler archive is encrypted and nobody told the password.",
    );
    let session = Session {
        at: story.case.at(100),
        request: http::connect("login.microsoftonline.com:443", EDGE.agent, &[]),
        response: http::connected(),
        process: "msedge:9120".into(),
        took_ms: 120,
    };
    let saz = Saz::new()
        .sessions(vec![session; 3])
        .encrypted(Encryption::Aes256, "not told")
        .write();
    story.beside("browser.saz", saz).quality(&["DQ-10"]).authlogs()
}

fn short_snap() -> Bundle {
    let mut story = Story::joined(
        "quality-short-snap",
        "The capture kept only 96 bytes of each packet.",
    );
    story
        .case
        .works(story.case.at(ATTEMPT), "login.microsoftonline.com", EDGE);
    story.case.wire.snap(96);
    let capture = crate::pcap::Pcap {
        snaplen: 96,
        ..crate::pcap::Pcap::default()
    }
    .write(&story.case.wire);
    story
        .beside("capture.pcap", capture)
        .quality(&["DQ-08"])
        .only_files()
}

fn elevated_status() -> Bundle {
    Story::joined("quality-elevated-status", "The status was taken by an administrator in an elevated window: its missing token says nothing about the user.")
        .dsreg(|d| {
            d.set("User State", "WamDefaultSet", "ERROR (0x80070520)")
                .set("SSO State", "AzureAdPrt", "NO")
                .unset("SSO State", "AzureAdPrtUpdateTime")
                .unset("SSO State", "AzureAdPrtExpiryTime")
                .set("Diagnostic Data", "Executing Account Name", r"CONTOSO\admin1, admin1@contoso.com")
        })
        .with(|case| {
            case.log(aad_1104(case.at(12), "Lookup name name from SID", 0xc004_85d3));
        })
        .absent(&["PRT-01", "PRT-03", "PRT-05"])
        .quality(&["DQ-04"])
        .authlogs()
}

fn two_computers() -> Bundle {
    let other = Story::of("", "", crate::identity::Identity::default().computer("PC777")).with(|case| {
        case.works(case.at(ATTEMPT), "www.office.com", EDGE);
        case.start = case.start.plus_ms(700);
    });
    let zip = other.case.authlogs_zip(&other.dsregcmd);
    Story::joined(
        "quality-two-computers",
        "Collections of two computers came in one upload.",
    )
    .beside("Authlogs-PC777.zip", zip)
    .quality(&["DQ-11"])
    .authlogs()
}
