//! Bundles with nothing to find: healthy devices, near misses, unrelated uploads.

use super::story::{ATTEMPT, Story, attempt};
use crate::bytes::guid_for;
use crate::identity::Identity;
use crate::net::{Tcp, http};
use crate::scenario::Bundle;
use crate::scenario::events::{
    aad_1081, aad_1098, aad_1104, aad_prt, password_reset, udr, udr_hello, udr_wpad,
};
use crate::scenario::network::{Gate, Handshake};
use crate::scenario::world::{self, AZ, BROKER, DSREGCMD, EDGE, LSASS, public_chain};
use crate::text::Encoding;
use crate::text::cli::AzLogin;
use crate::text::signin::{SignIn, export};

const DRS: &str = "enterpriseregistration.windows.net";
const LOGIN: &str = "login.microsoftonline.com";
const NOTHING: [&str; 12] = [
    "PXY-01", "PXY-04", "DNS-01", "TLS-01", "TLS-03", "DISC-01", "DISC-04", "PRT-01", "PRT-03", "PRT-05",
    "CLI-01", "TIME-01",
];

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        direct(),
        open_proxy(),
        negotiated_proxy(),
        japanese(),
        silent_prompts(),
        cli_fine(),
        writeback_fine(),
        time_zone(),
        public_certificates(),
        hello_provisioned(),
        unrelated_web(),
        unrelated_text(),
        wpad_not_used(),
        quic_dropped(),
    ]
}

fn direct() -> Bundle {
    Story::joined("quiet-direct", "A healthy device without a proxy.")
        .with(|case| {
            case.works(case.at(100), LOGIN, LSASS);
            case.works(case.at(ATTEMPT), DRS, DSREGCMD);
            let events = aad_prt(case.at(100), true, 0, &guid_for("quiet direct"));
            case.logs.extend(events);
            case.logs
                .extend(attempt(case.at(ATTEMPT), vec![udr(335, 4, case.at(ATTEMPT))]));
        })
        .absent(&NOTHING)
        .authlogs()
}

fn open_proxy() -> Bundle {
    Story::joined(
        "quiet-open-proxy",
        "A healthy device behind a proxy that asks for nothing.",
    )
    .with(|case| {
        for (second, host, who) in [
            (100, LOGIN, LSASS),
            (120, DRS, DSREGCMD),
            (140, "www.office.com", EDGE),
        ] {
            case.via_proxy(case.at(second), host, who, &Gate::Open, &Handshake::Modern);
        }
    })
    .absent(&NOTHING)
    .nettrace()
}

fn negotiated_proxy() -> Bundle {
    Story::joined(
        "quiet-negotiated-proxy",
        "Every tunnel starts with 407 and ends with 200 on the same connection: that's how it works.",
    )
    .with(|case| {
        for n in 0..8 {
            let (host, who) = [
                (LOGIN, LSASS),
                (DRS, DSREGCMD),
                (LOGIN, BROKER),
                ("graph.microsoft.com", EDGE),
            ][n % 4];
            case.via_proxy(
                case.at(60 + 30 * n as i64),
                host,
                who,
                &Gate::Negotiated,
                &Handshake::Modern,
            );
        }
    })
    .absent(&NOTHING)
    .authlogs()
}

fn japanese() -> Bundle {
    Story::of(
        "quiet-japanese",
        "A healthy Japanese device at UTC+9.",
        Identity::default().japanese(),
    )
    .with(|case| {
        case.works(case.at(100), LOGIN, LSASS);
        case.log(aad_1104(case.at(12), "Lookup name name from SID", 0xc004_85d3));
    })
    .absent(&NOTHING)
    .authlogs()
}

fn silent_prompts() -> Bundle {
    Story::joined(
        "quiet-silent-prompts",
        "Silent token requests that say the user must act: part of every normal sign-in.",
    )
    .with(|case| {
        let sid = case.id.sid.clone();
        let correlation = guid_for("silent");
        case.works(case.at(100), LOGIN, BROKER);
        let text = "AADSTS50058: A silent sign-in request was sent but no user is signed in.";
        case.log(aad_1081(case.at(101), "interaction_required", text, &correlation).level(3));
        case.log(aad_1098(
            case.at(102),
            0x4aa5_0081,
            "An application specific account is loading in cloud joined session.",
            "",
            &sid,
        ));
    })
    .absent(&NOTHING)
    .authlogs()
}

fn cli_fine() -> Bundle {
    let story = Story::joined("quiet-cli", "The Azure CLI signs in and lists subscriptions.");
    let az = AzLogin::new(&story.case.id, story.case.at(200))
        .authority_ok()
        .signed_in()
        .arm_ok();
    let row = SignIn::new(story.case.at(215), &story.case.id, az.correlation());
    story
        .with(|case| {
            case.works(case.at(202), LOGIN, AZ);
            case.works(case.at(216), "management.azure.com", AZ);
        })
        .absent(&NOTHING)
        .beside("InteractiveSignIns_2026-03-02_2026-03-02.csv", export(&[row]))
        .capture_and("az-login-debug.txt", Encoding::Utf16Le.encode(&az.text()))
}

fn writeback_fine() -> Bundle {
    let tracking = guid_for("writeback fine");
    Story::of(
        "quiet-writeback",
        "Password writeback starts, resets a password and retries one connection.",
        Identity::default().computer("AADC01"),
    )
    .logs([
        password_reset(
            31015,
            4,
            Story::clock(20),
            "TrackingId: 0, The password writeback service has started.",
        ),
        password_reset(
            31001,
            4,
            Story::clock(200),
            &format!("TrackingId: {tracking}, Request processing started."),
        ),
        password_reset(
            31002,
            4,
            Story::clock(201),
            &format!("TrackingId: {tracking}, The password was reset."),
        ),
        password_reset(
            32014,
            3,
            Story::clock(300),
            "TrackingId: 2, Retrying the connection once.",
        ),
    ])
    .with(|case| {
        case.works(case.at(60), crate::scenario::events::BUS, world::MIISERVER);
    })
    .absent(&NOTHING)
    .absent(&["WB-01", "WB-02", "WB-06", "WB-07"])
    .nettrace_with_application_log()
}

/// Local times nine hours ahead look like a clock error to a careless reader; the Date headers agree.
fn time_zone() -> Bundle {
    Story::of("quiet-time-zone", "Local logs are nine hours ahead of the packets, which is the time zone.", Identity::default().japanese())
        .with(|case| {
            let host = "ocsp.digicert.com";
            let from = std::net::SocketAddr::new(world::CLIENT.into(), 53_777);
            let to = std::net::SocketAddr::new(world::address(host).into(), 80);
            let t = case.at(150);
            let mut tcp = Tcp::new(&mut case.wire, t, from, to).pid(LSASS.pid);
            let date = format!("Date: {}", t.http_date());
            tcp.handshake().client(&http::request("GET", "/MFE", &["Host: ocsp.digicert.com"], ""));
            tcp.server(&http::response(200, "OK", &[&date, "Content-Type: application/ocsp-response"], "x")).client_close();
            let line = case.id.local(t, "%m/%d %H:%M:%S [MISC] [1044] CONTOSO: DsGetDcName function returns 0 (client PID=712): Dom:CONTOSO\n");
            case.file("Netlogon.log", case.ansi().encode(&line));
        })
        .absent(&NOTHING)
        .authlogs()
}

fn public_certificates() -> Bundle {
    Story::joined(
        "quiet-public-certificates",
        "TLS 1.2 with the certificates everybody gets.",
    )
    .with(|case| {
        for (second, host, who) in [
            (100, LOGIN, LSASS),
            (120, DRS, DSREGCMD),
            (140, "graph.microsoft.com", EDGE),
        ] {
            case.lookup(case.at(second), host);
            case.tls(
                case.at(second).plus_ms(30),
                host,
                who,
                &Handshake::Classic(public_chain(host)),
            );
        }
    })
    .absent(&NOTHING)
    .absent(&["TLS-02", "TLS-05"])
    .nettrace()
}

fn hello_provisioned() -> Bundle {
    Story::joined(
        "quiet-hello",
        "Hello was refused once because the user wasn't ready, and set up the same day.",
    )
    .with(|case| {
        case.log(udr_hello(
            360,
            case.at(30),
            ["Yes", "Yes", "Yes", "No", "Yes", "Yes"],
        ));
        case.log(udr_hello(
            358,
            case.at(200),
            ["Yes", "Yes", "Yes", "Yes", "Yes", "Yes"],
        ));
        let key = crate::event::Value::Guid("22223333-cccc-4444-dddd-5555eeee6666".into());
        let done = udr(300, 4, case.at(230))
            .field("KeyId", key)
            .field("UPN", "user1@contoso.com")
            .field("Attestation", "ATT_SOFT");
        let request = guid_for("hello ok");
        case.log(
            done.field("ClientRequestId", request.as_str())
                .field("ServerRequestId", request.as_str())
                .field("ServerResponse", "{}"),
        );
    })
    .absent(&NOTHING)
    .absent(&["PIN-01", "PIN-02", "PIN-03"])
    .authlogs()
}

fn unrelated_web() -> Bundle {
    Story::joined("quiet-unrelated-capture", "A capture of web browsing only.")
        .with(|case| {
            for n in 0..6 {
                case.works(
                    case.at(100 + 10 * n),
                    ["www.bing.com", "www.wikipedia.org", "example.com"][n as usize % 3],
                    EDGE,
                );
            }
        })
        .absent(&NOTHING)
        .capture_and(
            "notes.txt",
            Encoding::Utf8.encode("The printer on the second floor is slow.\n"),
        )
}

fn unrelated_text() -> Bundle {
    Story::joined(
        "quiet-unrelated-text",
        "Two texts that have nothing to do with sign-in.",
    )
    .beside(
        "readme.txt",
        Encoding::Cp932.encode("プリンターの設定手順\n1. 電源を入れる\n2. 用紙を確認する\n"),
    )
    .beside("todo.txt", Encoding::Utf8.encode("buy toner\ncall facilities\n"))
    .absent(&NOTHING)
    .only_files()
}

fn wpad_not_used() -> Bundle {
    Story::joined(
        "quiet-wpad",
        "Automatic proxy detection finds nothing, and nobody needs it: everything goes direct and works.",
    )
    .dsreg(|d| {
        d.set(
            "URL Specific Proxy Config",
            "Auto Detect PAC Status",
            "Failed to auto detect the Proxy Auto-Configuration (PAC) script using WPAD. code: 0x80072f94",
        )
    })
    .with(|case| {
        case.log(udr_wpad(336, case.at(ATTEMPT), 12180));
        case.lookup_fails(case.at(ATTEMPT), "wpad.corp.contoso.com", 3);
        case.works(case.at(ATTEMPT).plus_s(1), DRS, DSREGCMD);
        case.works(case.at(100), LOGIN, LSASS);
    })
    .absent(&NOTHING)
    .absent(&["PXY-05", "PXY-07"])
    .authlogs()
}

fn quic_dropped() -> Bundle {
    Story::joined(
        "quiet-quic-dropped",
        "The network drops QUIC; the browser goes on over TCP, as it should.",
    )
    .with(|case| {
        for (n, host) in ["www.office.com", LOGIN, "www.bing.com"].into_iter().enumerate() {
            let t = case.at(100 + 20 * n as i64);
            case.lookup(t, host);
            case.quic_unanswered(t.plus_ms(30), host, EDGE);
            case.tls(t.plus_ms(330), host, EDGE, &Handshake::Modern);
        }
    })
    .allow(&["TLS-08"])
    .absent(&NOTHING)
    .capture_and(
        "notes.txt",
        Encoding::Utf8.encode("Pages load slowly the first time.\n"),
    )
}
