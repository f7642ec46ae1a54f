//! Password writeback on the synchronisation server.

use super::story::{Proved, Story};
use crate::bytes::guid_for;
use crate::identity::Identity;
use crate::moment::Moment;
use crate::net::tls;
use crate::scenario::Bundle;
use crate::scenario::events::{BUS, adsync, capi2, password_reset};
use crate::scenario::network::Handshake;
use crate::scenario::world::{MIISERVER, public_chain};
use crate::text::Encoding;
use crate::text::events::Told;

pub(super) fn bundles() -> Vec<Bundle> {
    vec![
        missing_root(),
        no_permission(),
        policy(),
        not_started(),
        user_not_found(),
        locked_out(),
        federated_admin(),
        told_by_mail(),
    ]
}

fn server(name: &'static str, summary: &str) -> Story {
    Story::of(name, summary, Identity::default().computer("AADC01")).with(|case| {
        case.log(password_reset(
            31015,
            4,
            case.at(20),
            "TrackingId: 0, The password writeback service has started.",
        ));
    })
}

impl Story {
    /// As Application.evtx, Capi2_Oper.evtx and the trace.
    fn server_files(self) -> Bundle {
        let application = self.case.evtx("Application");
        let capi = self.case.evtx("Microsoft-Windows-CAPI2/Operational");
        let trace = self.case.nettrace();
        self.beside("Application.evtx", application)
            .beside("Capi2_Oper.evtx", capi)
            .beside("NetTrace.etl", trace)
            .only_files()
    }

    /// As the network trace and Application.evtx.
    pub(super) fn nettrace_with_application_log(self) -> Bundle {
        self.server_files()
    }
}

/// A reset that starts and fails with `id` and `text`.
fn failed_reset(story: Story, id: u16, text: &str) -> Story {
    let tracking = guid_for(text);
    let t = story.case.at(240);
    let line = |what: &str| format!("TrackingId: {tracking}, {what}");
    story.logs([
        password_reset(
            31001,
            4,
            t,
            &line("Request processing started for the user user1@contoso.com. Password reset."),
        ),
        password_reset(id, 2, t.plus_ms(700), &line(text)),
        password_reset(
            31003,
            2,
            t.plus_ms(720),
            &line(&format!("Reset of the password failed. Details: {text}")),
        ),
    ])
}

fn missing_root() -> Bundle {
    let text = format!(
        "ServiceBus listener error for {BUS}. System.Security.Authentication.AuthenticationException: The remote certificate is invalid according to the validation procedure."
    );
    server(
        "writeback-missing-root",
        "The server doesn't trust the root of the service bus's certificate.",
    )
    .with(|case| {
        for second in [100, 220, 340] {
            let t = case.at(second);
            case.lookup(t, BUS);
            case.tls(
                t.plus_ms(30),
                BUS,
                MIISERVER,
                &Handshake::Refused(public_chain(BUS), tls::UNKNOWN_CA),
            );
            case.log(password_reset(
                31034,
                2,
                t.plus_s(1),
                &format!("TrackingId: {}, {text}", guid_for(&t.0.to_string())),
            ));
            let subjects = [BUS, "DigiCert SHA2 Secure Server CA", "DigiCert Global Root CA"];
            let events = capi2(
                t.plus_ms(90),
                BUS,
                "miiserver.exe",
                &subjects,
                0x800b_0109,
                "The root is not trusted.",
            );
            case.logs.extend(events);
        }
    })
    .root("TLS-02")
    .also("WB-03", Proved)
    .from("Application.evtx", "evtx", "event")
    .allow(&["WB-02"])
    .absent(&["TLS-01", "DNS-01", "WB-01"])
    .server_files()
}

fn no_permission() -> Bundle {
    let story = server(
        "writeback-no-permission",
        "The connector's account may not set passwords in that part of the directory.",
    );
    failed_reset(story, 33004, "hr=80070005, message=Access is denied. The AD MA account has no permission to set the password of the user.")
        .root("WB-07")
        .from("Application.evtx", "evtx", "event")
        .absent(&["WB-02", "WB-08", "WB-01"])
        .server_files()
}

fn policy() -> Bundle {
    let story = server(
        "writeback-policy",
        "The new password breaks the domain's policy (minimum age).",
    );
    let t = story.case.at(241);
    failed_reset(story, 33008, "hr=80230619, message=The password does not meet the requirements of the domain's password policy.")
        .logs([adsync(6329, 2, t, "An unexpected error has occurred during a password set operation. \"BAIL: MMS: hr=0x80230619 (The password does not meet the password policy requirements.)\"")])
        .root("WB-08")
        .absent(&["WB-02", "WB-07", "WB-09"])
        .server_files()
}

fn not_started() -> Bundle {
    Story::of(
        "writeback-not-started",
        "The writeback service never starts with the synchronisation service.",
        Identity::default().computer("AADC01"),
    )
    .logs([
        adsync(
            904,
            4,
            Story::clock(30),
            "Scheduler::SchedulerThreadMain : Started the scheduler.",
        ),
        adsync(
            6800,
            2,
            Story::clock(32),
            "The password reset service failed to start: error 0x80131500.",
        ),
        password_reset(
            31016,
            4,
            Story::clock(33),
            "TrackingId: 0, The password writeback service has stopped.",
        ),
    ])
    .root("WB-01")
    .absent(&["WB-02", "WB-07", "WB-08"])
    .server_files()
}

fn user_not_found() -> Bundle {
    let story = server(
        "writeback-user-not-found",
        "The user of the request isn't in the directory the connector sees.",
    );
    failed_reset(
        story,
        33002,
        "hr=80230402, message=The object was not found in the connected directory.",
    )
    .root("WB-10")
    .absent(&["WB-02", "WB-07", "WB-08"])
    .server_files()
}

fn locked_out() -> Bundle {
    let story = server("writeback-locked-out", "The account is locked in the directory.");
    failed_reset(story, 33006, "message=The account of the user is locked out.")
        .root("WB-11")
        .absent(&["WB-02", "WB-07", "WB-08"])
        .server_files()
}

/// What an administrator sends first: two events copied from the Event Viewer of a Japanese server into a mail.
fn told_by_mail() -> Bundle {
    let denied =
        "The password could not be updated because the management agent credentials were denied access.";
    let reset = format!(
        "TrackingId: 7344da2c-ab9d-42ef-adea-4a17d07fdeb9, Reason: Synchronization Engine returned an error hr=80230626, message={denied}, UserPrincipalName: user1@contoso.com"
    );
    let engine = format!(
        "An unexpected error has occurred during a password set operation.\n \"BAIL: MMS(5716): 0x80230626 ({denied})\""
    );
    let copied = |provider, id, message| {
        let told = Told {
            channel: "Application",
            provider,
            id,
            at: Moment::at("2026-03-02T10:15:04Z"),
            computer: "AADC01.corp.contoso.com",
            message,
        };
        told.copied_in_japanese()
    };
    let mail = format!(
        "お世話になっております。イベントを送ります。\n\n{}\n{}",
        copied("PasswordResetService", 33004, &reset),
        copied("ADSync", 6329, &engine),
    );
    Story::of(
        "writeback-told-by-mail",
        "Nothing but two events of the Connect server, copied from the Event Viewer into a mail.",
        Identity::default().computer("AADC01"),
    )
    .beside("mail.txt", Encoding::Cp932.encode(&mail))
    .root("WB-07")
    .from("mail.txt", "text", "event")
    .absent(&["WB-01", "WB-02", "WB-03", "WB-08", "PRT-05"])
    .only_files()
}

fn federated_admin() -> Bundle {
    server("writeback-federated-admin", "Onboarding fails: the administrator's account is federated.")
        .with(|case| {
            let t = case.at(240);
            case.log(password_reset(31004, 4, t, "TrackingId: 1, Onboarding started."));
            case.log(password_reset(32009, 2, t.plus_s(2), "TrackingId: 1, AuthTokenError. AADSTS50034: The user account admin1@contoso.com does not exist in the directory; federated administrators are not supported."));
        })
        .also("WB-04", Proved)
        .absent(&["WB-02", "WB-07"])
        .allow(&["PRT-04"])
        .server_files()
}
