//! A healthy hybrid joined device with the usual noise: nothing to find.

use crate::archive::{Encryption, Member, Saz, Session};
use crate::bytes::guid_for;
use crate::identity::Identity;
use crate::net::http;
use crate::scenario::events::{aad_1104, aad_prt, capi2, system_noise, udr, udr_339};
use crate::scenario::network::{Gate, Handshake};
use crate::scenario::world::{self, BROKER, DSREGCMD, EDGE, LSASS, PROXY_NAME};
use crate::scenario::{Bundle, Case, Confidence, Expected};
use crate::text::{Dsregcmd, Encoding, authlogs};

/// Password of the Fiddler archive, told separately.
const PASSWORD: &str = "Passw0rd!";
const LOGIN: &str = "login.microsoftonline.com";
const DRS: &str = "enterpriseregistration.windows.net";

/// The bundle.
pub fn healthy() -> Bundle {
    let mut case = Case::new(Identity::default().computer("PC100"));
    case.noise();
    network(&mut case);
    logs(&mut case);
    let dns = authlogs::display_dns(
        &case.id,
        &[
            (LOGIN, Some("203.0.113.10")),
            ("wpad.corp.contoso.com", None),
            (PROXY_NAME, Some("192.0.2.80")),
        ],
    );
    let dns = case.ansi().encode(&dns);
    case.file("Displaydns.txt", dns);
    let dsregcmd =
        Dsregcmd::hybrid(&case.id, case.stop).proxies(&case.id, "", "", &format!("{PROXY_NAME}:8080"));
    let text = Encoding::Cp1252.encode(&dsregcmd.text());
    let trace = case.nettrace();
    let cab = case.sdp_cab(vec![
        Member::new("PC100_AAD/dsregcmd.txt", text),
        Member::new(
            "PC100_AAD/AAD_Operational.evtx",
            case.evtx("Microsoft-Windows-AAD/Operational"),
        ),
        Member::new("PC100_Fiddler.saz", fiddler(&case)),
    ]);
    Bundle {
        name: "healthy",
        files: vec![
            Member::new("Authlogs.zip", case.authlogs_zip(&dsregcmd)),
            Member::new("nettrace.cab", case.nettrace_cab(&trace, Some("proxy.corp.contoso.com:8080"))),
            Member::new("PC100_icesdptool.cab", cab),
        ],
        passwords: Some(format!("{PASSWORD}\n")),
        expected: Expected {
            others_below: Some(Confidence::Likely),
            ..Expected::new(
                "A healthy hybrid joined device: proxy authentication succeeds on the same connection, WPAD finds nothing, everyday noise.",
            )
        }
        .absent(&["PXY-01", "DNS-01", "TLS-01", "DISC-01", "PRT-01", "TLS-03", "JOIN-08"])
        .quality(&["DQ-14"]),
    }
}

fn network(case: &mut Case) {
    let correlation = guid_for("healthy prt");
    case.via_proxy(case.at(110), LOGIN, LSASS, &Gate::Negotiated, &Handshake::Modern);
    case.webio(
        case.at(110).plus_ms(200),
        LSASS,
        (
            "POST",
            &format!("https://{LOGIN}/{}/oauth2/token", case.id.tenant_id),
        ),
        ("HTTP/1.1 200 OK", "application/json"),
    );
    case.via_proxy(
        case.at(140),
        DRS,
        DSREGCMD,
        &Gate::Negotiated,
        &Handshake::Classic(world::public_chain(DRS)),
    );
    case.via_proxy(
        case.at(180),
        LOGIN,
        BROKER,
        &Gate::Negotiated,
        &Handshake::Classic(world::public_chain(LOGIN)),
    );
    let device = "device.login.microsoftonline.com";
    let own = vec![
        crate::x509::Certificate::new(
            "CN=00001111-aaaa-2222-bbbb-3333cccc4444",
            "CN=MS-Organization-Access",
        )
        .der(),
    ];
    let with_certificate = Handshake::ClientCertificate(world::public_chain(device), own);
    case.via_proxy(case.at(185), device, BROKER, &Gate::Negotiated, &with_certificate);
    case.via_proxy(
        case.at(200),
        "www.office.com",
        EDGE,
        &Gate::Negotiated,
        &Handshake::Modern,
    );
    let events = aad_prt(case.at(110), true, 0, &correlation);
    case.logs.extend(events);
}

fn logs(case: &mut Case) {
    case.log(udr(4096, 4, case.at(138)));
    case.log(udr_339(case.at(139), PROXY_NAME, 8080));
    case.log(udr(306, 4, case.at(-86_000)));
    case.log(udr(335, 4, case.at(141)));
    case.log(aad_1104(case.at(12), "Lookup name name from SID", 0xc004_85d3));
    case.logs.extend(system_noise(case.start));
    let chain = [
        "stamp2.login.microsoftonline.com",
        "DigiCert SHA2 Secure Server CA",
        "DigiCert Global Root CA",
    ];
    let events = capi2(
        case.at(111),
        LOGIN,
        "lsass.exe",
        &chain,
        0,
        "The operation completed successfully.",
    );
    case.logs.extend(events);
}

/// Two exchanges of the browser through Fiddler; it only saw tunnels, decryption was declined.
fn fiddler(case: &Case) -> Vec<u8> {
    let tunnel = |host: &str, second: i64| {
        Session {
        at: case.at(second),
        request: http::connect(&format!("{host}:443"), EDGE.agent, &[]),
        response: http::raw(
            "HTTP/1.1 200 Connection Established",
            &["FiddlerGateway: Direct", "StartTime: 01:03:20.100"],
            format!("Encrypted HTTPS traffic flows through this CONNECT tunnel. HTTPS Decryption is disabled, so data sent over this tunnel is not readable.\r\n\r\nA SSLv3-compatible ServerHello handshake was found. Fiddler extracted the parameters below.\r\n\r\nVersion: 3.3 (TLS/1.2)\r\nCipher: TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 [0xC030]\r\n\r\n[Subject]\r\n  CN={host}, O=Microsoft Corporation, C=US\r\n\r\n[Issuer]\r\n  CN=DigiCert SHA2 Secure Server CA, O=DigiCert Inc, C=US\r\n").as_bytes(),
        ),
        process: format!("msedge:{}", EDGE.pid),
        took_ms: 310,
    }
    };
    Saz::new()
        .sessions([tunnel(LOGIN, 200), tunnel("www.office.com", 201)])
        .encrypted(Encryption::Aes256, PASSWORD)
        .write()
}
