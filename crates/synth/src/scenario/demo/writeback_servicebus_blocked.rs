//! Password writeback: the synchronisation server reaches the cloud, but not the service bus.

use crate::archive::{Member, Zip};
use crate::identity::Identity;
use crate::pcap::Pcap;
use crate::scenario::events::{BUS, adsync, password_reset, system_noise, writeback_errors};
use crate::scenario::network::Block;
use crate::scenario::world::{self, MIISERVER};
use crate::scenario::{Bundle, Case, Expected, Finding};
use crate::text::{Encoding, windows};

const RESET: &str = "passwordreset.microsoftonline.com";

/// The bundle.
pub fn writeback_servicebus_blocked() -> Bundle {
    let mut case = Case::new(Identity::default().computer("AADC01"));
    case.noise();
    for second in [60, 240, 420] {
        let t = case.at(second);
        case.works(t, RESET, MIISERVER);
        case.lookup(t.plus_ms(700), BUS);
        case.blocked(t.plus_ms(730), world::https(BUS), MIISERVER, Block::Drop);
        case.logs.extend(writeback_errors(t.plus_s(32)));
    }
    case.works(case.at(90), "login.microsoftonline.com", MIISERVER);
    case.log(password_reset(
        31015,
        4,
        case.at(40),
        "TrackingId: 0, The password writeback service has started.",
    ));
    case.log(adsync(
        904,
        4,
        case.at(30),
        "Scheduler::SchedulerThreadMain : Started the scheduler.",
    ));
    case.logs.extend(system_noise(case.start));
    let zip = Zip::new()
        .dated(case.stop, 0)
        .file("AADC01/Application.evtx", case.evtx("Application"))
        .file("AADC01/System.evtx", case.evtx("System"))
        .file("AADC01/capture.pcap", Pcap::default().write(&case.wire))
        .file(
            "AADC01/winhttp-proxy.txt",
            Encoding::Cp1252.encode(&windows::winhttp_proxy(&case.id, None)),
        )
        .file(
            "AADC01/systeminfo.txt",
            Encoding::Cp1252.encode(&windows::systeminfo(&case.id)),
        );
    Bundle {
        name: "writeback-servicebus-blocked",
        files: vec![Member::new("AADC01-writeback.zip", zip.write())],
        passwords: None,
        expected: Expected::new(
            "Password writeback can't listen: the service bus resolves, but connections to its port 443 are dropped, while the reset service and sign-in answer.",
        )
        .finding(
            Finding::root("WB-02")
                .from("AADC01/Application.evtx", "evtx", "event")
                .from("AADC01/capture.pcap", "pcap", "tcp.connect"),
        )
        .allow(&["NET-02", "FW-01", "WB-06"])
        .absent(&["WB-01", "WB-03", "WB-04", "WB-05", "DNS-01", "TLS-01", "TLS-03", "TIME-01"]),
    }
}
