//! Good inputs, made in memory, by sort of input.

use std::sync::LazyLock;

use casetrace_synth::event::Event;
use casetrace_synth::identity::Identity;
use casetrace_synth::net::dns;
use casetrace_synth::scenario::network::Handshake;
use casetrace_synth::scenario::world::{AZ, DC, EDGE};
use casetrace_synth::scenario::{Case, events};

pub(crate) mod archive;
pub(crate) mod capture;
pub(crate) mod exchange;
pub(crate) mod log;
pub(crate) mod trace;
pub(crate) mod words;

/// A short story with something for every reader.
static CASE: LazyLock<Case> = LazyLock::new(|| {
    let mut case = Case::new(Identity::default());
    let login = "login.microsoftonline.com";
    case.works(case.at(10), login, AZ);
    case.tls(case.at(20), login, EDGE, &Handshake::Modern);
    case.lookup_fails(case.at(30), "nowhere.example", 3);
    case.quic_unanswered(case.at(31), login, EDGE);
    case.webio(
        case.at(40),
        EDGE,
        ("GET", "https://login.microsoftonline.com/"),
        ("HTTP/1.1 200 OK", "text/html"),
    );
    let log: Vec<Event> = vec![
        events::udr_201(case.at(50), 0x801c_03f2, 400, "invalid_request"),
        events::udr_305(
            case.at(51),
            0x801c_001d,
            0xcaa5_0101,
            "message",
            "00001111-aaaa-2222-bbbb-3333cccc4444",
        ),
        events::aad_1081(
            case.at(52),
            "invalid_grant",
            "AADSTS50126: wrong password",
            "0000",
        ),
        events::aad_1025(
            case.at(53),
            -895_352_797,
            "GET",
            "https://login.microsoftonline.com/common",
            "0000",
        ),
        events::schannel_alert(case.at(54), false, 48),
        events::wfp_block(case.at(55), 700, r"C:\Windows\x.exe", "192.0.2.1"),
    ];
    case.logs.extend(log);
    case.logs.extend(events::system_noise(case.at(60)));
    case
});

/// Bytes in front of which their 16-bit length is written.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_le_bytes()[..], bytes].concat()
}

/// A query and its answer.
fn dns_pair() -> [Vec<u8>; 2] {
    let answers = [
        dns::Answer::Cname("b.example".into()),
        dns::Answer::Address(DC.into()),
        dns::Answer::Srv(3268, "dc.b.example".into()),
    ];
    [
        dns::query(7, "a.example", dns::A),
        dns::response(7, "a.example", dns::A, 0, &answers),
    ]
}
