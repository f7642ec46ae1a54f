//! A transparent proxy breaks TLS on the sign-in hosts; the command line tools notice, Windows half does.

use crate::archive::Member;
use crate::identity::Identity;
use crate::net::tls;
use crate::scenario::events::{capi2, system_noise};
use crate::scenario::network::Handshake;
use crate::scenario::world::{AZ, DSREGCMD, EDGE, LSASS, PROXY_CA, inspected_chain};
use crate::scenario::{Bundle, Case, Expected, Finding};
use crate::text::Encoding;
use crate::text::cli::{AzLogin, CERTIFICATE_VERIFY_FAILED};

const LOGIN: &str = "login.microsoftonline.com";
const DEVICE: &str = "device.login.microsoftonline.com";
const DRS: &str = "enterpriseregistration.windows.net";

/// The bundle.
pub fn tls_inspection() -> Bundle {
    let mut case = Case::new(Identity::default().computer("PC055"));
    case.noise();
    network(&mut case);
    for (second, host) in [(100, LOGIN), (140, DEVICE), (180, DRS)] {
        let chain = [host, "Contoso Web Proxy CA"];
        let done = "The operation completed successfully.";
        let events = capi2(case.at(second).plus_ms(90), host, "lsass.exe", &chain, 0, done);
        case.logs.extend(events);
    }
    case.logs.extend(system_noise(case.start));
    let az = AzLogin::new(&case.id, case.at(240)).fails(
        LOGIN,
        "/organizations/v2.0/.well-known/openid-configuration",
        CERTIFICATE_VERIFY_FAILED,
    );
    let trace = case.nettrace();
    Bundle {
        name: "tls-inspection",
        files: vec![
            Member::new("nettrace.cab", case.nettrace_cab(&trace, None)),
            Member::new("NetTrace.etl", trace),
            Member::new("Capi2_Oper.evtx", case.evtx("Microsoft-Windows-CAPI2/Operational")),
            Member::new("az-login-debug.txt", Encoding::Utf8.encode(&az.text())),
        ],
        passwords: None,
        expected: Expected::new(
            "A proxy of the company re-signs TLS of the sign-in hosts: Windows trusts its authority, the Azure CLI doesn't, and the device certificate can't get through.",
        )
        .finding(
            Finding::root("TLS-01")
                .from("NetTrace.etl", "etl", "tls.certificate")
                .from("az-login-debug.txt", "text", "cli.error"),
        )
        .allow(&["TLS-05", "CLI-02", "TLS-02"])
        .absent(&["CLI-01", "CLI-03", "TLS-03", "DNS-01", "TIME-01", "PXY-01", "DISC-04"])
        .quality(&["DQ-14"]),
    }
}

fn network(case: &mut Case) {
    let chain = |host: &str| inspected_chain(host, PROXY_CA);
    for (second, host, who) in [(100, LOGIN, LSASS), (150, LOGIN, EDGE), (180, DRS, DSREGCMD)] {
        case.lookup(case.at(second), host);
        case.tls(
            case.at(second).plus_ms(30),
            host,
            who,
            &Handshake::Classic(chain(host)),
        );
    }
    case.lookup(case.at(140), DEVICE);
    case.tls(
        case.at(140).plus_ms(30),
        DEVICE,
        LSASS,
        &Handshake::NoClientCertificate(chain(DEVICE)),
    );
    // The same authority signs a host that has nothing to do with sign-in.
    case.tls(
        case.at(155),
        "www.bing.com",
        EDGE,
        &Handshake::Classic(chain("www.bing.com")),
    );
    case.lookup(case.at(241), LOGIN);
    case.tls(
        case.at(241).plus_ms(30),
        LOGIN,
        AZ,
        &Handshake::Refused(chain(LOGIN), tls::UNKNOWN_CA),
    );
}
