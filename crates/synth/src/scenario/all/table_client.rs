//! Written from the rule table alone: security agents, firewalls, lines, tools, and the sign-in log.

use super::story::{ATTEMPT, Likely, Proved, Story};
use crate::bytes::guid_for;
use crate::event::{Event, Value};
use crate::net::{Tcp, tls};
use crate::scenario::Bundle;
use crate::scenario::Confidence::Possible;
use crate::scenario::events::{aad_1098, udr_201};
use crate::scenario::network::{Block, Handshake, WINHTTP};
use crate::scenario::world::{self, AZ, BROKER, DSREGCMD, EDGE, LSASS, PROXY_NAME};
use crate::text::Encoding;
use crate::text::cli::{AzLogin, SSL_EOF, connect_timeout};
use crate::text::signin::{SignIn, export};

const LOGIN: &str = "login.microsoftonline.com";
const DRS: &str = "enterpriseregistration.windows.net";
const ARM: &str = "management.azure.com";
const METADATA: &str = "/organizations/v2.0/.well-known/openid-configuration";
const TENANTS: &str = "/tenants?api-version=2022-12-01";

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        request_never_arrived(),
        password_in_the_log(),
        signed_in_broker_failed(),
        agent_in_the_catalogue(),
        agent_and_nothing_wrong(),
        agent_cuts_resource_manager(),
        platform_drops(),
        cut_tool_with_a_hint(),
        slow_line(),
        page_for_registration(),
        bypass_list(),
    ]
}

fn az(story: &Story) -> AzLogin {
    AzLogin::new(&story.case.id, story.case.at(200))
}

fn request_never_arrived() -> Bundle {
    let story = Story::joined(
        "table-request-never-arrived",
        "The tool's connection to the sign-in host is dropped, and the sign-in log, which covers the time, has no row of it.",
    );
    let log = az(&story).fails(LOGIN, METADATA, &connect_timeout(LOGIN));
    let row = |s: i64| {
        let id = guid_for(&format!("never arrived {s}"));
        SignIn::new(story.case.at(s), &story.case.id, &id).application("Office 365 Exchange Online")
    };
    let rows = [row(-7_200), row(9_000)];
    story
        .with(|case| {
            for n in 0..2 {
                let t = case.at(202 + 25 * n);
                case.lookup(t, LOGIN);
                case.blocked(t.plus_ms(30), world::https(LOGIN), AZ, Block::Drop);
            }
        })
        .beside("InteractiveSignIns.csv", export(&rows))
        .root("CLI-14")
        .also("SIG-01", Likely)
        .allow(&["NET-02", "FW-01", "PXY-05"])
        .absent(&["CLI-01", "CLI-05", "TLS-01", "DNS-01", "CLI-06", "PRT-05"])
        .capture_and("az-login-debug.txt", Encoding::Utf8.encode(&log.text()))
}

fn password_in_the_log() -> Bundle {
    let story = Story::joined(
        "table-password-in-the-log",
        "Only the sign-in log is there: the service refuses the password each time.",
    );
    let t = story.case.at(202);
    let rows = [0, 30, 60].map(|s| {
        SignIn::new(t.plus_s(s), &story.case.id, &guid_for(&format!("password {s}"))).failed(
            50126,
            "Error validating credentials due to invalid username or password.",
        )
    });
    story
        .beside("InteractiveSignIns.csv", export(&rows))
        .also("SIG-01", Proved)
        .allow(&["PRT-03"])
        .absent(&["PRT-05", "PRT-09", "CLI-05", "CLI-06", "TLS-01", "DNS-01"])
        .only_files()
}

fn signed_in_broker_failed() -> Bundle {
    let story = Story::joined(
        "table-signed-in-broker-failed",
        "The service signed the user in; the token broker on the computer could not keep the result.",
    );
    let row = SignIn::new(story.case.at(ATTEMPT), &story.case.id, &guid_for("broker row"))
        .application("Microsoft Office");
    story
        .with(|case| {
            let sid = case.id.sid.clone();
            for second in [2, 20] {
                let t = case.at(ATTEMPT + second);
                case.log(aad_1098(
                    t,
                    0x8009_002c,
                    "The specified data could not be decrypted.",
                    "",
                    &sid,
                ));
            }
            case.works(case.at(ATTEMPT), LOGIN, BROKER);
        })
        .beside("InteractiveSignIns.csv", export(&[row]))
        .first("PRT-11", Likely)
        .also("SIG-01", Likely)
        .absent(&["PRT-01", "PRT-03", "PRT-05", "TLS-01", "CLI-05"])
        .authlogs()
}

fn reset_here(story: Story, host: &'static str, who: world::Who) -> Story {
    story.with(|case| {
        for n in 0..3 {
            let t = case.at(ATTEMPT + 30 * n);
            case.lookup(t, host);
            case.tls(t.plus_ms(30), host, who, &Handshake::LocalReset);
        }
    })
}

fn agent_in_the_catalogue() -> Bundle {
    let catalogue = "Winsock Catalog Provider Entry\r\n------------------------------------------------------\r\nEntry Type:                         Layered Service Provider\r\nDescription:                        Sophos Web Intelligence LSP\r\nProvider ID:                        {AAAA2222-0000-0000-0000-000000000002}\r\nProvider Path:                      C:\\Program Files (x86)\\Sophos\\Sophos Anti-Virus\\swi_ifslsp_64.dll\r\nCatalog Entry ID:                   1019\r\n\r\n";
    let story = Story::joined(
        "table-agent-in-the-catalogue",
        "The Winsock catalogue has a security product's layer, and this computer cuts its own connections to the registration service.",
    );
    reset_here(story, DRS, DSREGCMD)
        .beside("WinsockCatalog.txt", Encoding::Cp1252.encode(catalogue))
        .first("TLS-03", Likely)
        .also("AV-01", Possible)
        .allow(&["DISC-05"])
        .absent(&["TLS-01", "TLS-02", "DNS-01", "FW-01", "DISC-04"])
        .nettrace()
}

fn agent_and_nothing_wrong() -> Bundle {
    let filters = "Filter Name                     Num Instances    Altitude    Frame\r\n------------------------------  -------------  ------------  -----\r\nSophosED                               11       328400         0\r\nWdFilter                               11       328010         0\r\n";
    let started = "These Windows services are started:\r\n\r\n   Application Information\r\n   Sophos Endpoint Defense Service\r\n   Windows Event Log\r\n\r\nThe command completed successfully.\r\n\r\n";
    Story::joined(
        "table-agent-and-nothing-wrong",
        "A security product is installed and everything works.",
    )
    .with(|case| {
        for host in [DRS, LOGIN] {
            case.works(case.at(ATTEMPT), host, LSASS);
        }
    })
    .beside("fltmc.txt", Encoding::Cp1252.encode(filters))
    .beside("net-start.txt", Encoding::Cp1252.encode(started))
    .absent(&["AV-01", "TLS-03", "FW-01", "DISC-05", "PRT-05"])
    .nettrace()
}

fn agent_cuts_resource_manager() -> Bundle {
    let filters = "Filter Name                     Num Instances    Altitude    Frame\r\n------------------------------  -------------  ------------  -----\r\nCSAgent                                 9       321410         0\r\nWdFilter                               11       328010         0\r\n";
    let cut = "ProtocolError('Connection aborted.', ConnectionResetError(10054, 'An existing connection was forcibly closed by the remote host', None, 10054, None))";
    let story = Story::joined(
        "table-agent-cuts-resource-manager",
        "Sign-in works; the connections to Resource Manager are cut on this computer, where a security product filters.",
    );
    let log = az(&story).authority_ok().signed_in().fails(ARM, TENANTS, cut);
    reset_here(story, ARM, AZ)
        .beside("fltmc.txt", Encoding::Cp1252.encode(filters))
        .first("TLS-03", Likely)
        .also("CLI-01", Proved)
        .also("AV-01", Possible)
        .allow(&["CLI-03", "SIG-01"])
        .absent(&["TLS-01", "CLI-02", "CLI-05", "DNS-01", "FW-01"])
        .capture_and("az-login-debug.txt", Encoding::Utf8.encode(&log.text()))
}

fn platform_drops() -> Bundle {
    let to = world::address(LOGIN);
    let item = |time: &str| {
        format!(
            "<item><header><timeStamp>{time}</timeStamp><ipProtocol>6</ipProtocol><localAddrV4>192.0.2.42</localAddrV4><remoteAddrV4>{to}</remoteAddrV4><localPort>50123</localPort><remotePort>443</remotePort><appId><data>5c00</data><asString>\\.d.e.v.i.c.e.\\.l.s.a.s.s...e.x.e...</asString></appId><userId>S-1-5-18</userId></header><type>FWPM_NET_EVENT_TYPE_CLASSIFY_DROP</type><classifyDrop><filterId>70066</filterId><layerId>48</layerId></classifyDrop></item>"
        )
    };
    let events = format!(
        "<?xml version=\"1.0\"?>\n<netEvents numItems=\"2\">\n{}\n{}\n</netEvents>\n",
        item("2026-03-02T01:05:00.031Z"),
        item("2026-03-02T01:05:30.031Z")
    );
    Story::joined(
        "table-platform-drops",
        "The filtering platform of this computer drops what lsass sends to the sign-in host.",
    )
    .with(|case| {
        for second in [0, 30] {
            let t = case.at(ATTEMPT + second);
            case.lookup(t, LOGIN);
            case.blocked(t.plus_ms(30), world::https(LOGIN), LSASS, Block::Drop);
        }
    })
    .beside("netevents.xml", Encoding::Utf8.encode(&events))
    .first("FW-01", Likely)
    .allow(&["PRT-05", "NET-02", "PXY-05"])
    .absent(&["TLS-01", "TLS-03", "DNS-01", "AV-01", "PRT-03"])
    .nettrace()
}

fn cut_tool_with_a_hint() -> Bundle {
    let story = Story::joined(
        "table-cut-tool-with-a-hint",
        "The tool's handshake is cut off; the tool itself guesses at certificates.",
    );
    let text = az(&story)
        .fails(LOGIN, METADATA, SSL_EOF)
        .line("cli.azure.cli.core.azclierror: Certificate verification failed. This typically happens when using Azure CLI behind a proxy that intercepts traffic with a self-signed certificate. Please add this certificate to the trusted CA bundle.")
        .text();
    story
        .beside("az-login-debug.txt", Encoding::Utf8.encode(&text))
        .first("TLS-03", Likely)
        .also("CLI-03", Likely)
        .absent(&["TLS-01", "TLS-02", "CLI-01", "CLI-02"])
        .only_files()
}

fn slow_line() -> Bundle {
    const ONE_WAY_US: i64 = 700_000;
    Story::joined(
        "table-slow-line",
        "A round trip to the sign-in host takes more than a second; everything works in the end.",
    )
    .with(|case| {
        for n in 0..3 {
            let t = case.at(ATTEMPT + 20 * n);
            case.lookup(t, LOGIN);
            let from = std::net::SocketAddr::new(world::CLIENT.into(), 52_300 + n as u16);
            let mut tcp = Tcp::new(&mut case.wire, t.plus_ms(30), from, world::https(LOGIN))
                .pid(EDGE.pid)
                .delay_us(ONE_WAY_US);
            tcp.handshake().client(&tls::ClientHello::new(LOGIN).record());
            let flight = [
                tls::record(22, tls::TLS12, &tls::server_hello13(0x1302, 0x001d)),
                tls::application_data(LOGIN, 1_900),
            ];
            tcp.server(&flight.concat())
                .client(&tls::application_data("finished", 74))
                .server(&tls::application_data("answer", 900))
                .client_close();
        }
    })
    .also("NET-02", Possible)
    .absent(&[
        "NET-01", "TLS-01", "TLS-03", "DNS-01", "DISC-04", "FW-01", "PRT-05",
    ])
    .nettrace()
}

fn page_for_registration() -> Bundle {
    let page = "<html><head><title>Terms of use</title></head><body>Please accept.</body></html>";
    let url = format!("https://{DRS}/contoso.com/discover?api-version=1.7");
    Story::unjoined(
        "table-page-for-registration",
        "A gateway answers the registration service's address with a page of its own.",
        &[("DRS Discovery Test", "FAIL [0x801c0021/0x8007000d]")],
        &[("Error Phase", "discover"), ("Client ErrorCode", "0x801c0021")],
    )
    .with(|case| {
        for second in [ATTEMPT, ATTEMPT + 60] {
            let t = case.at(second);
            case.works(t, DRS, DSREGCMD);
            case.webio(
                t.plus_ms(40),
                DSREGCMD,
                ("GET", &url),
                ("HTTP/1.1 200 OK", "text/html"),
            );
            case.log(udr_201(t.plus_s(2), 0x8007_000d, 200, page));
        }
    })
    .root("PXY-02")
    .also("DISC-08", Proved)
    .allow(&["DISC-06", "PRT-01", "PIN-01"])
    .absent(&["PXY-01", "PXY-03", "TLS-01", "DNS-01", "DISC-01", "DISC-04"])
    .authlogs()
}

/// The script sends the sign-in host past the proxy, where nothing gets through; another host goes by the proxy.
fn bypass_list() -> Bundle {
    Story::joined(
        "table-bypass-list",
        "The proxy script sends the sign-in host direct, where the firewall drops it.",
    )
    .with(|case| {
        for n in 0..2 {
            let t = case.at(ATTEMPT + 30 * n);
            for (host, proxy) in [(LOGIN, "DIRECT".to_owned()), (DRS, format!("{PROXY_NAME}:8080"))] {
                let url = format!("https://{host}/");
                case.trace.push(
                    Event::new(WINHTTP, 814, t.plus_ms(2))
                        .version(1)
                        .process(LSASS.pid, LSASS.pid + 12)
                        .field("_URLLength", Value::U16(url.len() as u16))
                        .field("URL", Value::TextCounted(url))
                        .field("_ProxyStringLength", Value::U16(proxy.len() as u16))
                        .field("ProxyString", Value::TextCounted(proxy)),
                );
            }
            case.lookup(t.plus_ms(10), LOGIN);
            case.blocked(t.plus_ms(30), world::https(LOGIN), LSASS, Block::Drop);
        }
    })
    .first("PXY-08", Likely)
    .allow(&["PRT-05", "NET-02", "FW-01", "PXY-05"])
    .absent(&["PXY-01", "PXY-04", "PXY-06", "PXY-07", "DNS-01", "TLS-01"])
    .nettrace()
}
