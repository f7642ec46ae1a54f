//! `az login` signs in, but nothing reaches Resource Manager.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::archive::{Member, Zip};
use crate::identity::Identity;
use crate::pcap::PcapNg;
use crate::scenario::network::{Block, Handshake};
use crate::scenario::world::{self, AZ, EDGE};
use crate::scenario::{Bundle, Case, Expected, Finding};
use crate::text::cli::AzLogin;
use crate::text::signin::{SignIn, export};
use crate::text::{Encoding, authlogs};

const ARM: &str = "management.azure.com";
const LOGIN: &str = "login.microsoftonline.com";

/// The bundle.
pub fn az_arm_blocked() -> Bundle {
    let mut case = Case::new(Identity::default().computer("DEV007"));
    case.noise();
    network(&mut case);
    let text = AzLogin::new(&case.id, case.at(110)).authority_ok().signed_in().fails(
        ARM,
        "/tenants?api-version=2022-12-01",
        "NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x0000021F5A0B7A10>: Failed to establish a new connection: [WinError 10060] A connection attempt failed because the connected party did not properly respond after a period of time, or established connection failed because connected host has failed to respond')",
    );
    let ipconfig = authlogs::ipconfig(&case.id, "192.0.2.42", "192.0.2.10");
    let signed_in = SignIn::new(case.at(131), &case.id, text.correlation());
    let zip = Zip::new()
        .dated(case.stop, 0)
        .file("az-login/az-login.pcapng", PcapNg::default().write(&case.wire))
        .file(
            "az-login/az-login-debug.txt",
            Encoding::Utf16Le.encode(&text.text()),
        )
        .file(
            "az-login/InteractiveSignIns_2026-03-02_2026-03-02.csv",
            export(&[signed_in]),
        )
        .file("az-login/ipconfig.txt", Encoding::Cp1252.encode(&ipconfig));
    Bundle {
        name: "az-arm-blocked",
        files: vec![Member::new("az-login.zip", zip.write())],
        passwords: None,
        expected: Expected::new(
            "The Azure CLI signs in, then every connection to management.azure.com is dropped or reset; sign-in itself is fine.",
        )
        .finding(
            Finding::root("CLI-01")
                .from("az-login/az-login.pcapng", "pcap", "tcp.connect")
                .from("az-login/az-login-debug.txt", "text", "cli.error"),
        )
        .allow(&["NET-02", "SIG-01", "FW-01"])
        .absent(&["TLS-01", "TLS-03", "DNS-01", "CLI-02", "CLI-03", "CLI-05", "PXY-01", "PXY-04"]),
    }
}

fn network(case: &mut Case) {
    case.works(case.at(112), LOGIN, AZ);
    case.lookup(case.at(114), "aadcdn.msauth.net");
    case.tls(case.at(114), "aadcdn.msauth.net", EDGE, &Handshake::Modern);
    case.lookup(case.at(115), LOGIN);
    case.tls(
        case.at(115),
        LOGIN,
        EDGE,
        &Handshake::Classic(world::public_chain(LOGIN)),
    );
    case.tls(case.at(131), LOGIN, AZ, &Handshake::Modern);
    let second = Ipv4Addr::new(203, 0, 113, 23);
    case.lookup_as(case.at(132), ARM, &[world::address(ARM), second]);
    let mut t = case.at(132).plus_ms(40);
    for _ in 0..2 {
        t = case.blocked(t, world::https(ARM), AZ, Block::Drop);
        t = case.blocked(
            t.plus_ms(20),
            SocketAddr::new(IpAddr::V4(second), 443),
            AZ,
            Block::Reject,
        );
    }
    case.works(case.at(260), "graph.microsoft.com", AZ);
}
