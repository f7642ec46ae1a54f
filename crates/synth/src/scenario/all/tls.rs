//! TLS: untrusted roots, old protocols, client certificates, filters by name, debugging proxies.

use super::story::{ATTEMPT, Likely, Story, attempt};
use crate::net::tls;
use crate::scenario::Bundle;
use crate::scenario::events::{capi2, schannel_alert, udr_201, udr_304};
use crate::scenario::network::Handshake;
use crate::scenario::world::{
    AZ, DSREGCMD, EDGE, FIDDLER_CA, LSASS, PROXY_CA, inspected_chain, public_chain,
};
use crate::text::cli::{AzLogin, SSL_EOF};
use crate::text::{Encoding, authlogs};

const LOGIN: &str = "login.microsoftonline.com";
const DEVICE: &str = "device.login.microsoftonline.com";
const DRS: &str = "enterpriseregistration.windows.net";

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        untrusted_root(),
        old_protocol(),
        no_client_certificate(),
        name_filter(),
        debugging_proxy(),
        inspected_join(),
    ]
}

fn untrusted_root() -> Bundle {
    let chain = || public_chain(DRS);
    Story::unjoined(
        "tls-untrusted-root",
        "The computer lacks the root of the registration service's certificate and may not fetch it.",
        &[("DRS Discovery Test", "FAIL [0x801c0021/0x80072f8f]"), ("DRS Connectivity Test", "SKIPPED"), ("Token acquisition Test", "SKIPPED")],
        &[("Error Phase", "discover"), ("Client ErrorCode", "0x80072f8f")],
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        let tenant = case.id.tenant_id.clone();
        case.lookup(t, DRS);
        case.tls(t.plus_ms(30), DRS, DSREGCMD, &Handshake::Refused(chain(), tls::UNKNOWN_CA));
        let subjects = [DRS, "DigiCert SHA2 Secure Server CA", "DigiCert Global Root CA"];
        let text = "A certificate chain processed, but terminated in a root certificate which is not trusted by the trust provider.";
        let events = capi2(t.plus_ms(90), DRS, "dsregcmd.exe", &subjects, 0x800b_0109, text);
        case.logs.extend(events);
        case.log(schannel_alert(t.plus_ms(95), true, 48));
        let failed = vec![udr_201(t.plus_s(1), 0x8007_2f8f, 0, ""), udr_304(t.plus_s(1), 0x8007_2f8f, "", "sync", "discover", &tenant)];
        case.logs.extend(attempt(t, failed));
    })
    .root("TLS-02")
    .from("Authlogs/Capi2_Oper.evtx", "evtx", "event")
    .allow(&["DISC-10", "DISC-06", "PRT-01", "PIN-01"])
    .absent(&["TLS-01", "TIME-01", "DISC-04"])
    .authlogs()
}

fn old_protocol() -> Bundle {
    let base = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Client";
    let key = authlogs::reg_query(&[(
        base,
        &[
            ("Enabled", "REG_DWORD", "0x0"),
            ("DisabledByDefault", "REG_DWORD", "0x1"),
        ],
    )]);
    Story::joined(
        "tls-old-protocol",
        "TLS 1.2 is switched off on the computer; the service refuses its TLS 1.0.",
    )
    .with(|case| {
        case.file("Schannel-key.txt", Encoding::Utf16Le.encode(&key));
        for second in [ATTEMPT, ATTEMPT + 30] {
            let t = case.at(second);
            case.lookup(t, LOGIN);
            case.tls(t.plus_ms(30), LOGIN, LSASS, &Handshake::OldVersion(tls::TLS10));
            case.log(schannel_alert(t.plus_ms(60), false, 70));
        }
    })
    .root("TLS-04")
    .from("Authlogs/Nettrace.etl", "etl", "tls.alert")
    .allow(&["TLS-07", "PRT-05"])
    .absent(&["TLS-01", "TLS-03", "DNS-01"])
    .authlogs()
}

fn no_client_certificate() -> Bundle {
    Story::joined(
        "tls-no-client-certificate",
        "The device's certificate is gone: the sign-in host asks for it and gets none.",
    )
    .with(|case| {
        for second in [ATTEMPT, ATTEMPT + 40] {
            let t = case.at(second);
            case.lookup(t, DEVICE);
            case.tls(
                t.plus_ms(30),
                DEVICE,
                LSASS,
                &Handshake::NoClientCertificate(public_chain(DEVICE)),
            );
        }
    })
    .first("TLS-05", Likely)
    .absent(&["TLS-01", "DNS-01"])
    .nettrace()
}

fn name_filter() -> Bundle {
    let story = Story::joined(
        "tls-name-filter",
        "A firewall resets TLS for management.azure.com by its name; the Azure CLI talks of certificates all the same.",
    );
    let host = "management.azure.com";
    let az = AzLogin::new(&story.case.id, story.case.at(200)).authority_ok().signed_in().fails(host, "/tenants?api-version=2022-12-01", SSL_EOF)
        .line("Certificate verification failed. This typically happens when using Azure CLI behind a proxy that intercepts traffic with a self-signed certificate.");
    story
        .with(|case| {
            case.works(case.at(202), LOGIN, AZ);
            case.lookup(case.at(215), host);
            for n in 0..3 {
                case.tls(case.at(215).plus_ms(40 + n * 900), host, AZ, &Handshake::Reset);
            }
        })
        .first("TLS-03", Likely)
        .allow(&["CLI-01", "CLI-03"])
        .absent(&["TLS-01", "CLI-02", "DNS-01"])
        .capture_and("az-login-debug.txt", Encoding::Utf8.encode(&az.text()))
}

fn debugging_proxy() -> Bundle {
    Story::joined("tls-debugging-proxy", "Fiddler ran while the trace was taken: its certificates are the engineer's, not an attacker's or a proxy's.")
        .with(|case| {
            for (second, host) in [(200, LOGIN), (220, "graph.microsoft.com"), (240, "www.bing.com")] {
                case.lookup(case.at(second), host);
                case.tls(case.at(second).plus_ms(30), host, EDGE, &Handshake::Classic(inspected_chain(host, FIDDLER_CA)));
            }
        })
        .absent(&["TLS-01", "TLS-02", "CLI-02"])
        .quality(&["DQ-06"])
        .nettrace()
}

fn inspected_join() -> Bundle {
    let chain = || inspected_chain(DRS, PROXY_CA);
    Story::unjoined(
        "tls-inspected-join",
        "The registration service's TLS is re-signed by the company's proxy, which SYSTEM refuses.",
        &[
            ("DRS Discovery Test", "FAIL [0x801c0021/0x80072f8f]"),
            ("DRS Connectivity Test", "SKIPPED"),
            ("Token acquisition Test", "SKIPPED"),
        ],
        &[("Error Phase", "discover"), ("Client ErrorCode", "0x80072f8f")],
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        let tenant = case.id.tenant_id.clone();
        case.lookup(t, DRS);
        case.tls(
            t.plus_ms(30),
            DRS,
            DSREGCMD,
            &Handshake::Refused(chain(), tls::UNKNOWN_CA),
        );
        case.lookup(t.plus_s(20), LOGIN);
        case.tls(
            t.plus_s(21),
            LOGIN,
            EDGE,
            &Handshake::Refused(inspected_chain(LOGIN, PROXY_CA), tls::UNKNOWN_CA),
        );
        let subjects = [DRS, "Contoso Web Proxy CA"];
        let events = capi2(
            t.plus_ms(90),
            DRS,
            "dsregcmd.exe",
            &subjects,
            0x800b_0109,
            "The root is not trusted.",
        );
        case.logs.extend(events);
        let failed = vec![
            udr_201(t.plus_s(1), 0x8007_2f8f, 0, ""),
            udr_304(t.plus_s(1), 0x8007_2f8f, "", "sync", "discover", &tenant),
        ];
        case.logs.extend(attempt(t, failed));
    })
    .root("TLS-01")
    .from("Authlogs/Nettrace.etl", "etl", "tls.certificate")
    .allow(&["TLS-02", "DISC-10", "DISC-06", "PRT-01", "PIN-01"])
    .absent(&["TIME-01", "DISC-04", "DISC-03"])
    .authlogs()
}
