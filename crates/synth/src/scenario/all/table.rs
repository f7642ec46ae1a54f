//! Written from the rule table alone, without looking at the rule files: families no other story covers.

use super::story::{ATTEMPT, Likely, Proved, Story};
use crate::bytes::guid_for;
use crate::event::{Element, Event, Value};
use crate::identity::Identity;
use crate::net::kerberos;
use crate::scenario::Bundle;
use crate::scenario::events::{
    CAPI2, HELLO, MDM, PrtFailure, SCHANNEL, aad_1025, aad_1081, aad_1084, aad_1085, aad_prt, adsync,
    password_reset, udr, udr_304, udr_305,
};
use crate::scenario::network::{Block, Gate, Handshake};
use crate::scenario::world::{self, AZ, BROKER, DSREGCMD, LSASS, SYSTEM};
use crate::text::Encoding;
use crate::text::cli::{AzLogin, connect_timeout};
use crate::text::signin::{SignIn, export};

const LOGIN: &str = "login.microsoftonline.com";
const ARM: &str = "management.azure.com";
const CRL: &str = "crl3.digicert.com";

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        fallback_disabled(),
        computer_object(),
        enrolled_already(),
        request_loop(),
        domain_controller_without_certificate(),
        revocation_blocked(),
        no_common_cipher(),
        localhost_redirect(),
        stale_cache(),
        old_powershell(),
        security_agent(),
        signed_in_but_blocked(),
        sign_in_refused(),
        long_connector_password(),
        keys_do_not_match(),
        controller_lacks_control(),
        hello_token_forbidden(),
        token_not_refreshed(),
        user_realm(),
        windowstransport_missing(),
    ]
}

fn fallback_disabled() -> Bundle {
    let correlation = guid_for("table fallback");
    Story::unjoined(
        "table-fallback-disabled",
        "The federation server has no WS-Trust and the way round it, sync join, is switched off.",
        &[
            ("Token acquisition Test", "FAIL [0xcaa90017]"),
            ("Fallback to Sync-Join", "DISABLED"),
        ],
        &[
            ("Registration Type", "fed"),
            ("Error Phase", "auth"),
            ("Client ErrorCode", "0xcaa90017"),
        ],
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        case.log(udr_305(t, 0xcaa9_0017, 0xcaa9_0017, "", &correlation));
    })
    .root("AUTH-01")
    .also("AUTH-10", Proved)
    .absent(&["DISC-01", "DISC-04", "TLS-01", "DNS-01", "PRT-03"])
    .allow(&["PRT-01", "PIN-01", "AUTH-06"])
    .authlogs()
}

fn computer_object() -> Bundle {
    Story::unjoined(
        "table-computer-object",
        "The computer can't read its own object; the directory's replicas disagree.",
        &[("AD Configuration Test", "FAIL [0x8007051e]")],
        &[("Error Phase", "discover"), ("Client ErrorCode", "0x801c001d")],
    )
    .with(|case| {
        let tenant = case.id.tenant_id.clone();
        for second in [ATTEMPT, ATTEMPT + 60] {
            let t = case.at(second);
            let lookup = |error: u32| {
                udr(220, 4, t.plus_ms(-40))
                    .field("Format", "NameFullyQualifiedDN")
                    .field("ErrorCode", error)
            };
            case.log(lookup(1317));
            case.log(udr_304(t, 0x801c_001d, "", "sync", "discover", &tenant));
        }
    })
    .first("PRE-08", Likely)
    .allow(&["DISC-01", "PRT-01", "PIN-01", "DISC-06"])
    .absent(&["DISC-04", "DNS-01", "TLS-01", "JOIN-01"])
    .authlogs()
}

fn enrolled_already() -> Bundle {
    let story = Story::joined(
        "table-enrolled-already",
        "Device management refuses to enrol the device: it is enrolled already.",
    )
    .with(|case| {
        for second in [100, 220, 340] {
            case.log(
                Event::new(MDM, 76, case.at(second))
                    .level(2)
                    .user(SYSTEM)
                    .process(4412, 4460)
                    .field("HexInt1", Value::Hex32(0))
                    .field("HRESULT", Value::Hex32(0x8018_000a)),
            );
            case.log(
                Event::new(MDM, 76, case.at(second + 5))
                    .level(2)
                    .user(SYSTEM)
                    .process(4412, 4460)
                    .field("HexInt1", Value::Hex32(0))
                    .field("HRESULT", Value::Hex32(0x8018_002a)),
            );
        }
    });
    let log = story
        .case
        .evtx("Microsoft-Windows-DeviceManagement-Enterprise-Diagnostics-Provider/Admin");
    story
        .beside("MDM-Admin.evtx", log)
        .first("JOIN-07", Likely)
        .absent(&["JOIN-05", "JOIN-01", "DNS-01", "TLS-01", "PRT-01"])
        .only_files()
}

fn request_loop() -> Bundle {
    let correlation = guid_for("table loop");
    Story::joined(
        "table-request-loop",
        "The token service stops a client that asks for the same token again and again.",
    )
    .with(|case| {
        for second in [ATTEMPT, ATTEMPT + 8, ATTEMPT + 16] {
            case.log(aad_1081(
                case.at(second),
                "invalid_grant",
                "AADSTS50196: The server terminated an operation because it encountered a client request loop.",
                &correlation,
            ));
        }
    })
    .root("PRT-15")
    .from("Authlogs/Aad_Oper.evtx", "evtx", "event")
    .allow(&["PRT-07", "AUTH-06"])
    .absent(&["PRT-03", "PRT-04", "PRT-05", "DNS-01", "TLS-01"])
    .authlogs()
}

fn domain_controller_without_certificate() -> Bundle {
    const PADATA_TYPE: i64 = 16;
    Story::joined(
        "table-controller-without-certificate",
        "A domain controller doesn't know certificate logon, so the PIN fails there.",
    )
    .with(|case| {
        let realm = case.id.domain.to_uppercase();
        let sid = case.id.sid.clone();
        for second in [ATTEMPT, ATTEMPT + 40] {
            let t = case.at(second);
            let refused = kerberos::error(&realm, &["krbtgt", &realm], PADATA_TYPE, t.plus_ms(3));
            case.kerberos(t, &kerberos::as_req(&realm, "user1", true), &refused);
            case.log(
                Event::new(HELLO, 7001, t.plus_ms(50))
                    .level(2)
                    .process(LSASS.pid, 2208)
                    .field("UserName", "CONTOSO\\user1")
                    .field("UserSid", Value::Sid(sid.clone()))
                    .field("CredentialType", 4u32)
                    .field("DeploymentType", 1u32)
                    .field("SoftwareLockoutCounter", 0u32)
                    .field("AuthenticationErrorStatus", Value::Hex32(0xc000_00bb))
                    .field("AuthenticationErrorSubStatus", Value::Hex32(0)),
            );
        }
    })
    .root("PIN-05")
    .absent(&["PRT-03", "TIME-01", "DNS-01", "PIN-03", "AUTH-07"])
    .authlogs()
}

fn revocation_blocked() -> Bundle {
    let check = |at, n: u32| {
        let result = Element::new("Result")
            .attr("value", "80092013")
            .text("The revocation function was unable to check revocation because the revocation server was offline.");
        let task = format!("{{{}}}", guid_for(&format!("revocation {n}")).to_uppercase());
        Event::new(CAPI2, 41, at)
            .level(2)
            .user(SYSTEM)
            .process(LSASS.pid, 2300)
            .user_data(
                Element::new("CertVerifyRevocation")
                    .child(
                        Element::new("Certificate")
                            .attr("fileRef", "A1.cer")
                            .attr("subjectName", LOGIN),
                    )
                    .child(Element::new("EventAuxInfo").attr("ProcessName", "lsass.exe"))
                    .child(
                        Element::new("CorrelationAuxInfo")
                            .attr("TaskId", &task)
                            .attr("SeqNumber", "3"),
                    )
                    .child(result),
            )
    };
    Story::joined(
        "table-revocation-blocked",
        "A firewall drops the way to the revocation lists.",
    )
    .with(|case| {
        for n in 0..3 {
            let t = case.at(ATTEMPT + 30 * n);
            case.lookup(t, CRL);
            let to = std::net::SocketAddr::new(world::address(CRL).into(), 80);
            case.blocked(t.plus_ms(30), to, LSASS, Block::Drop);
            case.log(check(t.plus_s(21), n as u32));
        }
    })
    .first("TLS-06", Likely)
    .allow(&["NET-02", "FW-01"])
    .absent(&["TLS-01", "TLS-02", "DNS-01", "DISC-04", "PRT-05"])
    .authlogs()
}

fn no_common_cipher() -> Bundle {
    const HANDSHAKE_FAILURE: u8 = 40;
    let story = Story::joined(
        "table-no-common-cipher",
        "Client and server have no cipher suite in common.",
    )
    .with(|case| {
        for n in 0..3 {
            let t = case.at(ATTEMPT + 30 * n);
            case.lookup(t, LOGIN);
            case.tls(
                t.plus_ms(30),
                LOGIN,
                LSASS,
                &Handshake::ServerAlert(HANDSHAKE_FAILURE),
            );
            let received = Event::new(SCHANNEL, 36887, t.plus_ms(120)).level(2).user(SYSTEM);
            case.log(received.field("AlertDesc", 40u32));
        }
    });
    let log = story.case.evtx("System");
    story
        .beside("System.evtx", log)
        .first("TLS-07", Likely)
        .allow(&["PRT-05"])
        .absent(&["TLS-01", "TLS-02", "TLS-03", "TLS-04", "DNS-01"])
        .nettrace()
}

fn az(story: &Story) -> AzLogin {
    AzLogin::new(&story.case.id, story.case.at(200))
}

fn text_only(story: Story, text: &str) -> Bundle {
    story
        .beside("az-login-debug.txt", Encoding::Utf8.encode(text))
        .only_files()
}

fn localhost_redirect() -> Bundle {
    let story = Story::joined(
        "table-localhost-redirect",
        "The browser is told to use TLS for localhost, so the answer never reaches the tool.",
    );
    let text = az(&story)
        .authority_ok()
        .line("msal.oauth2cli.oauth2: Using http://localhost:63187 as redirect_uri")
        .line("msal.oauth2cli.authcode: code 400, message Bad request version ('\\x9a\\x9a\\x13\\x01')")
        .line("msal.oauth2cli.authcode: code 400, message Bad request version ('\\x9a\\x9a\\x13\\x01')")
        .text();
    let story = story
        .root("CLI-10")
        .absent(&["CLI-01", "CLI-05", "TLS-01", "TLS-04", "CLI-13"]);
    text_only(story, &text)
}

fn stale_cache() -> Bundle {
    let story = Story::joined(
        "table-stale-cache",
        "The tool's cached refresh token has expired.",
    );
    let text = az(&story)
        .authority_ok()
        .line("cli.azure.cli.core.azclierror: AADSTS700082: The refresh token has expired due to inactivity. The token was issued on 2025-10-01T01:00:00.0000000Z and was inactive for 90.00:00:00. Trace ID: 00001111-aaaa-2222-bbbb-3333cccc4444 Correlation ID: 11112222-bbbb-3333-cccc-4444dddd5555 Timestamp: 2026-03-02 01:03:24Z")
        .line("az_command_data_logger: exit code: 1")
        .text();
    let story = story
        .root("CLI-07")
        .absent(&["CLI-01", "CLI-05", "CLI-12", "TLS-01", "PRT-06"]);
    text_only(story, &text)
}

fn old_powershell() -> Bundle {
    let story = Story::joined(
        "table-old-powershell",
        "Windows PowerShell offers TLS 1.0 only; the sign-in service says so.",
    );
    let error = "AADSTS1002016: You are using TLS version 1.0, 1.1 and/or 3DES cipher which are deprecated to improve the security posture of Azure AD. Trace ID: 00001111-aaaa-2222-bbbb-3333cccc4444 Correlation ID: 11112222-bbbb-3333-cccc-4444dddd5555 Timestamp: 2026-03-02 01:03:24Z";
    let text = crate::text::cli::connect_az_refused(&story.case.id, story.case.at(200), error);
    story
        .beside("Connect-AzAccount.txt", Encoding::Utf16Le.encode(&text))
        .root("TLS-04")
        .also("CLI-11", Proved)
        .absent(&["CLI-01", "CLI-05", "TLS-01", "TLS-03"])
        .only_files()
}

/// A filter driver of a security product and resets that come from the computer itself.
fn security_agent() -> Bundle {
    let providers = "<?xml version=\"1.0\"?>\n<wfpdiag>\n<providers>\n<item><providerKey>{aaaa1111-0000-0000-0000-000000000001}</providerKey><displayData><name>Contoso Endpoint Shield</name><description>Contoso Endpoint Shield network filter</description></displayData></item>\n</providers>\n<filters>\n<item><displayData><name>Contoso Endpoint Shield outbound inspection</name></displayData><providerKey>{aaaa1111-0000-0000-0000-000000000001}</providerKey></item>\n</filters>\n</wfpdiag>\n";
    Story::joined(
        "table-security-agent",
        "Connections to sign-in hosts are reset right after the hello; a security agent filters the network on this computer.",
    )
    .with(|case| {
        for n in 0..3 {
            let t = case.at(ATTEMPT + 30 * n);
            case.lookup(t, LOGIN);
            case.tls(t.plus_ms(30), LOGIN, LSASS, &Handshake::LocalReset);
        }
    })
    .beside("wfpfilters.xml", Encoding::Utf8.encode(providers))
    .first("TLS-03", Likely)
    .also("AV-01", crate::scenario::Confidence::Possible)
    .allow(&["PRT-05", "DISC-05"])
    .absent(&["TLS-01", "DNS-01", "FW-01", "TLS-02"])
    .nettrace()
}

fn signed_in_but_blocked() -> Bundle {
    let story = Story::joined(
        "table-signed-in-but-blocked",
        "The sign-in log has the success; what fails comes after it, on the way to Resource Manager.",
    );
    let log = az(&story).authority_ok().signed_in().fails(
        ARM,
        "/tenants?api-version=2022-12-01",
        &connect_timeout(ARM),
    );
    let row = SignIn::new(story.case.at(202), &story.case.id, log.correlation());
    story
        .with(|case| {
            for n in 0..2 {
                let t = case.at(205 + 25 * n);
                case.lookup(t, ARM);
                case.blocked(t.plus_ms(30), world::https(ARM), AZ, Block::Drop);
            }
        })
        .beside("InteractiveSignIns.csv", export(&[row]))
        .root("CLI-01")
        .also("SIG-01", Proved)
        .allow(&["NET-02", "FW-01"])
        .absent(&["CLI-05", "TLS-01", "DNS-01", "CLI-06"])
        .capture_and("az-login-debug.txt", Encoding::Utf8.encode(&log.text()))
}

fn sign_in_refused() -> Bundle {
    let story = Story::joined(
        "table-sign-in-refused",
        "Only the sign-in log is there: conditional access blocks the sign-in.",
    );
    let t = story.case.at(202);
    let rows = [0, 40, 80].map(|s| {
        SignIn::new(t.plus_s(s), &story.case.id, &guid_for(&format!("refused {s}")))
            .application("Windows Sign In")
            .failed(53003, "Access has been blocked by Conditional Access policies.")
    });
    story
        .beside("InteractiveSignIns.csv", export(&rows))
        .root("PRT-09")
        .also("SIG-01", Proved)
        .allow(&["CLI-06"])
        .absent(&["CLI-05", "TLS-01", "DNS-01", "PRT-03", "PRT-05"])
        .only_files()
}

fn server(name: &'static str, summary: &str) -> Story {
    Story::of(name, summary, Identity::default().computer("AADC01")).with(|case| {
        let started = "TrackingId: 0, The password writeback service has started.";
        case.log(password_reset(31015, 4, case.at(20), started));
    })
}

/// A reset that begins, a remark, and its failure.
fn failed_reset(story: Story, remark: Event, text: &str) -> Bundle {
    let tracking = guid_for(text);
    let t = story.case.at(240);
    let line = |what: &str| format!("TrackingId: {tracking}, {what}");
    let started = line("Request processing started for the user user1@contoso.com. Password reset.");
    let failed = line(&format!("Reset of the password failed. Details: {text}"));
    let story = story.logs([
        password_reset(31001, 4, t, &started),
        remark,
        password_reset(31003, 2, t.plus_ms(720), &failed),
    ]);
    let log = story.case.evtx("Application");
    story.beside("Application.evtx", log).only_files()
}

fn long_connector_password() -> Bundle {
    let text = "hr=800700CE, message=The filename or extension is too long.";
    let story = server(
        "table-long-connector-password",
        "The connector account's password is too long for the reset call.",
    )
    .root("WB-12")
    .allow(&["WB-07", "WB-10"])
    .absent(&["WB-02", "WB-08", "WB-01", "WB-04"]);
    let t = story.case.at(240).plus_ms(700);
    let remark = adsync(
        6329,
        2,
        t,
        &format!("An unexpected error has occurred during a password set operation. \"{text}\""),
    );
    failed_reset(story, remark, text)
}

fn keys_do_not_match() -> Bundle {
    let text = "The password that came from the cloud could not be decrypted.";
    let story = server(
        "table-keys-do-not-match",
        "The server's key no longer fits what the cloud encrypts with.",
    )
    .root("WB-13")
    .absent(&["WB-02", "WB-07", "WB-08", "WB-01", "WB-04"]);
    let tracking = guid_for(text);
    let t = story.case.at(240).plus_ms(700);
    let remark = password_reset(32004, 2, t, &format!("TrackingId: {tracking}, {text}"));
    failed_reset(story, remark, text)
}

fn controller_lacks_control() -> Bundle {
    let text = "hr=80231367, message=The operation failed because the LDAP password policy control is not supported.";
    let story = server(
        "table-controller-lacks-control",
        "The domain controller doesn't know the LDAP control that password resets need.",
    )
    .root("WB-09")
    .allow(&["WB-08"])
    .absent(&["WB-02", "WB-07", "WB-01", "WB-04"]);
    let t = story.case.at(240).plus_ms(700);
    let remark = adsync(
        6329,
        2,
        t,
        "An unexpected error has occurred during a password set operation. \"ERR: MMS: The LDAP password policy control is missing on the domain controller.\"",
    );
    failed_reset(story, remark, text)
}

fn hello_token_forbidden() -> Bundle {
    Story::joined(
        "table-hello-token-forbidden",
        "A proxy forbids the sign-in host to the token broker, so Hello gets no token.",
    )
    .dsreg(|d| d.set("User State", "NgcSet", "NO"))
    .with(|case| {
        let page = &["Via: 1.1 proxy.corp.contoso.com", "Content-Type: text/html"];
        for second in [ATTEMPT, ATTEMPT + 20] {
            let t = case.at(second);
            case.via_proxy(
                t,
                LOGIN,
                BROKER,
                &Gate::Status(403, "Forbidden", page),
                &Handshake::Modern,
            );
            case.log(
                udr(324, 2, t.plus_s(1))
                    .field("RequestStatus", 5)
                    .field("RequestStatusSymbolicName", "ProviderError")
                    .field("ProviderErrorCode", 0xcaa3_0193_u32)
                    .field("ProviderErrorMessage", "HTTP status 403")
                    .field("ErrorCode", 0xcaa3_0193_u32 as i32)
                    .field("CorrelationId", guid_for(&format!("hello {second}"))),
            );
        }
    })
    .root("PXY-03")
    .also("PIN-04", Proved)
    .allow(&["PIN-01"])
    .absent(&["TLS-01", "DNS-01", "PXY-01", "PRT-03", "PRT-11"])
    .authlogs()
}

fn token_not_refreshed() -> Bundle {
    let correlation = guid_for("table refresh");
    let story = Story::joined(
        "table-token-not-refreshed",
        "The primary refresh token is a day old: each refresh times out.",
    );
    let old = story.case.at(-90_000).dsregcmd();
    let uri = format!("https://{LOGIN}/common/oauth2/token");
    story
        .dsreg(|d| d.set("SSO State", "AzureAdPrtUpdateTime", &old))
        .with(|case| {
            let upn = case.id.upn.clone();
            for n in 0..3 {
                let t = case.at(ATTEMPT + 60 * n);
                case.lookup(t, LOGIN);
                case.blocked(t.plus_ms(30), world::https(LOGIN), LSASS, Block::Drop);
                let end = t.plus_s(21);
                case.log(aad_1025(end, 12002, "POST", &uri, &correlation));
                case.log(aad_1084(end.plus_ms(4), 0x8007_2ee2, &correlation));
                let failure = PrtFailure {
                    result: 0xc000_00be,
                    upn: &upn,
                    correlation: &correlation,
                    uri: &uri,
                    transport: 0x2ee2,
                    http: 0,
                    error: "",
                    description: "",
                };
                let mut refresh = failure.event(end.plus_ms(10));
                refresh.id = 1252;
                case.log(refresh);
                case.logs.extend(aad_prt(t, true, 0xc000_00be, &correlation));
            }
        })
        .root("PRT-05")
        .also("PRT-02", Likely)
        .allow(&["NET-02", "FW-01", "PXY-05"])
        .absent(&["PRT-03", "DNS-01", "TLS-01", "TLS-03"])
        .authlogs()
}

fn user_realm() -> Bundle {
    let story = Story::unjoined(
        "table-user-realm",
        "The sign-in host is closed to SYSTEM, so the kind of the tenant can't be found out.",
        &[("DRS Discovery Test", "FAIL [0x801c003d/0x80072ee2]")],
        &[("Error Phase", "discover"), ("Client ErrorCode", "0x801c003d")],
    );
    story
        .with(|case| {
            let tenant = case.id.tenant_id.clone();
            for n in 0..2 {
                let t = case.at(ATTEMPT + 40 * n);
                case.lookup(t, LOGIN);
                case.blocked(t.plus_ms(30), world::https(LOGIN), DSREGCMD, Block::Drop);
                case.log(udr_304(
                    t.plus_s(21),
                    0x801c_003d,
                    "",
                    "sync",
                    "discover",
                    &tenant,
                ));
            }
        })
        .first("DISC-07", Likely)
        .allow(&[
            "NET-02", "FW-01", "DISC-04", "DISC-06", "PXY-05", "PRT-01", "PIN-01",
        ])
        .absent(&["DISC-01", "DNS-01", "TLS-01"])
        .authlogs()
}

/// The federation server answers windowstransport with 404, and the log names the missing binding.
fn windowstransport_missing() -> Bundle {
    let correlation = guid_for("table transport");
    Story::joined(
        "table-windowstransport-missing",
        "The federation server's windowstransport endpoint isn't enabled.",
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        for second in [0, 30] {
            let t = t.plus_s(second);
            case.log(udr_305(t, 0xcaa9_0023, 0xcaa9_0023, "", &correlation));
            case.log(aad_1085(t.plus_ms(5), 0xc004_848c, &correlation));
        }
    })
    .root("AUTH-03")
    .allow(&["AUTH-06", "AUTH-04"])
    .absent(&["AUTH-01", "AUTH-08", "PRT-03", "TLS-01", "DNS-01"])
    .authlogs()
}
