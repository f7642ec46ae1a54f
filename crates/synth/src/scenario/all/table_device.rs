//! Written from the rule table alone: discovery, join, federation, tokens, Hello and writeback.

use super::story::{ATTEMPT, Likely, Proved, Story, code};
use crate::bytes::guid_for;
use crate::event::Event;
use crate::identity::Identity;
use crate::net::kerberos;
use crate::scenario::Bundle;
use crate::scenario::Confidence::Possible;
use crate::scenario::events::{
    HELLO, PrtFailure, aad_1085, password_reset, udr_201, udr_204, udr_301, udr_304, udr_305, udr_339,
};
use crate::scenario::network::Block;
use crate::scenario::world::{self, BROKER, DSREGCMD, LSASS, MIISERVER, PROXY_NAME};

const DRS: &str = "enterpriseregistration.windows.net";
const LOGIN: &str = "login.microsoftonline.com";
const STS: &str = "sts.contoso.com";
const RESET: &str = "passwordreset.microsoftonline.com";

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        tenant_in_the_join(),
        proxy_in_the_join(),
        network_in_the_join(),
        tls_for_an_unknown_reason(),
        no_ticket_for_the_federation(),
        transport_not_there(),
        stripped_token(),
        diagnostics_of_another(),
        no_cloud_ticket(),
        cancelled_pin(),
        reset_service_blocked(),
    ]
}

fn failed_join(name: &'static str, summary: &str, error: &str) -> Story {
    Story::unjoined(
        name,
        summary,
        &[("DRS Discovery Test", "PASS")],
        &[
            ("Registration Type", "sync"),
            ("Error Phase", "join"),
            ("Client ErrorCode", error),
        ],
    )
    .allow(&["PRT-01", "PIN-01"])
}

fn tenant_in_the_join() -> Bundle {
    let response =
        "{\"code\":\"invalid_request\",\"message\":\"AADSTS90002: Tenant 'contoso.example' not found.\"}";
    failed_join(
        "table-tenant-in-the-join",
        "The join goes to a tenant that doesn't exist.",
        "0x801c003a",
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        let activity = guid_for("tenant join");
        case.works(t, DRS, DSREGCMD);
        case.log(udr_204(t.plus_s(1), 0x801c_003a, &activity, 400, response));
    })
    .root("JOIN-04")
    .also("DISC-02", Likely)
    .absent(&["PRT-04", "DISC-01", "DISC-04", "TLS-01", "DNS-01"])
    .authlogs()
}

fn proxy_in_the_join() -> Bundle {
    failed_join(
        "table-proxy-in-the-join",
        "The join request ends at a proxy that wants credentials SYSTEM doesn't give.",
        "0x80190197",
    )
    .with(|case| {
        for second in [ATTEMPT, ATTEMPT + 60] {
            let t = case.at(second);
            let activity = guid_for(&format!("proxy join {second}"));
            case.log(udr_339(t, PROXY_NAME, 8080));
            case.log(udr_204(t.plus_s(1), 0x8019_0197, &activity, 407, ""));
        }
    })
    .root("PXY-01")
    .also("JOIN-10", Proved)
    .absent(&["PXY-03", "PXY-04", "TLS-01", "DNS-01", "DISC-01", "DISC-04"])
    .authlogs()
}

fn network_in_the_join() -> Bundle {
    failed_join(
        "table-network-in-the-join",
        "Discovery worked; then nothing gets through to the registration service any more.",
        "0x80072ee2",
    )
    .with(|case| {
        case.works(case.at(100), DRS, DSREGCMD);
        for second in [ATTEMPT, ATTEMPT + 60] {
            let t = case.at(second);
            case.lookup(t, DRS);
            case.blocked(t.plus_ms(30), world::https(DRS), DSREGCMD, Block::Drop);
            let activity = guid_for(&format!("network join {second}"));
            case.log(udr_204(t.plus_s(21), code::TIMEOUT, &activity, 0, ""));
        }
    })
    .root("JOIN-09")
    .allow(&["DISC-04", "NET-02", "FW-01", "PXY-05"])
    .absent(&["DNS-01", "TLS-01", "TLS-03", "DISC-01", "JOIN-01"])
    .authlogs()
}

fn tls_for_an_unknown_reason() -> Bundle {
    Story::unjoined(
        "table-tls-for-an-unknown-reason",
        "TLS to the registration service failed; nothing in the upload says why.",
        &[("DRS Discovery Test", "FAIL [0x801c0021/0x80072f8f]")],
        &[("Error Phase", "discover"), ("Client ErrorCode", "0x801c0021")],
    )
    .with(|case| {
        let t = case.at(ATTEMPT);
        case.log(udr_201(t, 0x8007_2f8f, 0, ""));
    })
    .also("DISC-10", Possible)
    .allow(&["DISC-06", "PRT-01", "PIN-01"])
    .absent(&["TLS-01", "TLS-02", "TIME-01", "DISC-04", "DISC-01", "DNS-01"])
    .authlogs()
}

/// 305 and 304 of a federated try that got no token.
fn no_token(story: Story, adal: u32) -> Story {
    story.with(|case| {
        let (t, tenant) = (case.at(ATTEMPT).plus_s(3), case.id.tenant_id.clone());
        case.log(udr_305(t, adal, adal, "", &guid_for(&format!("adal {adal}"))));
        case.log(udr_304(t.plus_ms(30), adal, "", "fed", "auth", &tenant));
    })
}

fn federated(name: &'static str, summary: &str, code: &str) -> Story {
    Story::unjoined(
        name,
        summary,
        &[("Token acquisition Test", &format!("FAIL [{code}]"))],
        &[
            ("Registration Type", "fed"),
            ("Error Phase", "auth"),
            ("Client ErrorCode", code),
        ],
    )
    .allow(&["PRT-01", "PIN-01"])
}

fn no_ticket_for_the_federation() -> Bundle {
    const UNKNOWN_SERVICE: i64 = 7;
    let story = federated(
        "table-no-ticket-for-the-federation",
        "No account has the federation server's service name, so the computer gets no ticket for it.",
        "0xcaa90006",
    )
    .with(|case| {
        let realm = case.id.domain.to_uppercase();
        for second in [0, 1] {
            let t = case.at(ATTEMPT + second);
            let refused = kerberos::error(&realm, &["HTTP", STS], UNKNOWN_SERVICE, t.plus_ms(2));
            case.kerberos(t, &kerberos::tgs_req(&realm, &["HTTP", STS]), &refused);
        }
        case.works(case.at(ATTEMPT).plus_ms(50), STS, DSREGCMD);
    });
    no_token(story, 0xcaa9_0006)
        .first("AUTH-07", Likely)
        .allow(&["AUTH-04", "AUTH-06"])
        .absent(&["AUTH-01", "AUTH-08", "TIME-01", "PRE-02", "DNS-01", "TLS-01"])
        .authlogs()
}

fn transport_not_there() -> Bundle {
    let url = format!("https://{STS}/adfs/services/trust/13/windowstransport");
    let story = federated(
        "table-transport-not-there",
        "The address of integrated sign-in answers 404: the name leads to the proxy of the federation server.",
        "0xcaa90006",
    )
    .with(|case| {
        for second in [0, 2] {
            let t = case.at(ATTEMPT + second);
            case.works(t, STS, DSREGCMD);
            case.webio(t.plus_ms(200), DSREGCMD, ("POST", &url), ("HTTP/1.1 404 Not Found", "text/html"));
        }
    });
    no_token(story, 0xcaa9_0006)
        .first("AUTH-04", Likely)
        .allow(&["AUTH-06", "AUTH-07"])
        .absent(&["AUTH-01", "AUTH-02", "AUTH-08", "PXY-02", "DNS-01", "TLS-01"])
        .authlogs()
}

fn stripped_token() -> Bundle {
    let correlation = guid_for("stripped");
    Story::joined(
        "table-stripped-token",
        "The token answer of the federation server arrives without the user's SID.",
    )
    .with(|case| {
        for second in [0, 90] {
            let t = case.at(ATTEMPT + second);
            case.works(t, STS, LSASS);
            case.log(aad_1085(t.plus_s(1), 0xc004_8442, &correlation));
        }
    })
    .first("PRT-08", Likely)
    .allow(&["PRT-01"])
    .absent(&["PRT-03", "PRT-05", "AUTH-05", "TLS-01", "DNS-01"])
    .authlogs()
}

fn diagnostics_of_another() -> Bundle {
    let correlation = guid_for("another");
    let story = Story::joined(
        "table-diagnostics-of-another",
        "The recorded sign-in failure is of another user than the one who collected.",
    );
    let t = story.case.at(ATTEMPT);
    let failure = PrtFailure {
        result: 0xc000_006d,
        upn: "user2@contoso.com",
        correlation: &correlation,
        uri: "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/oauth2/token",
        transport: 0,
        http: 400,
        error: "invalid_grant",
        description: "AADSTS50126: Error validating credentials due to invalid username or password.",
    };
    let fields = failure.dsregcmd(t);
    story
        .dsreg(|d| {
            let borrowed: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
            d.prt_failure("AcquirePrtDiagnostics", &borrowed)
        })
        .root("PRT-03")
        .also("PRT-13", Possible)
        .allow(&["PRT-01"])
        .absent(&["PRT-04", "PRT-05", "TLS-01", "DNS-01"])
        .authlogs()
}

fn no_cloud_ticket() -> Bundle {
    Story::joined(
        "table-no-cloud-ticket",
        "Cloud trust needs a ticket from the cloud and the device got none.",
    )
    .dsreg(|d| {
        d.set("SSO State", "CloudTgt", "NO")
            .set("SSO State", "OnPremTgt", "NO")
            .set("Ngc Prerequisite Check", "CloudTGT", "NO")
    })
    .with(|case| {
        let event = Event::new(HELLO, 7204, case.at(ATTEMPT))
            .level(2)
            .process(BROKER.pid, BROKER.pid + 8);
        case.log(event);
    })
    .first("PRT-14", Likely)
    .allow(&["PIN-01"])
    .absent(&["PRT-01", "PRT-03", "PRT-05", "PIN-03", "DNS-01"])
    .authlogs()
}

fn cancelled_pin() -> Bundle {
    Story::joined(
        "table-cancelled-pin",
        "The user closed the PIN dialog; nothing is broken.",
    )
    .dsreg(|d| d.set("User State", "NgcSet", "NO"))
    .with(|case| {
        let t = case.at(ATTEMPT);
        let request = guid_for("cancelled");
        case.works(t, LOGIN, BROKER);
        case.log(udr_301(t.plus_s(1), 0x8009_0036, "", "", &request));
    })
    .also("PIN-07", Proved)
    .allow(&["PIN-01"])
    .absent(&["PIN-02", "PIN-03", "PIN-04", "PRT-01", "JOIN-08"])
    .authlogs()
}

fn reset_service_blocked() -> Bundle {
    let text = format!(
        "TrackingId: {}, Could not connect to the password reset service https://{RESET}/. Unable to connect to the remote server.",
        guid_for("reset service")
    );
    let story = Story::of(
        "table-reset-service-blocked",
        "The writeback server's connections to the password reset service are dropped.",
        Identity::default().computer("AADC01"),
    )
    .with(|case| {
        for n in 0..3 {
            let t = case.at(ATTEMPT + 60 * n);
            case.lookup(t, RESET);
            case.blocked(t.plus_ms(30), world::https(RESET), MIISERVER, Block::Drop);
            case.log(password_reset(32001, 2, t.plus_s(21), &text));
        }
    });
    story
        .root("WB-05")
        .allow(&["WB-02", "NET-02", "FW-01"])
        .absent(&["WB-03", "WB-04", "WB-07", "DNS-01", "TLS-01"])
        .nettrace_with_application_log()
}
