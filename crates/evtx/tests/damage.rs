//! Logs from the builder, whole, damaged on purpose, and damaged at random.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Cursor;

use casetrace_evtx::{Options, decode};
use casetrace_model::{Collected, Context, Inspection, Limits, Outcome};
use casetrace_synth::event::{Element, Event, Provider, Value};
use casetrace_synth::evtx::Evtx;
use casetrace_synth::moment::Moment;
use proptest::prelude::*;

const UDR: Provider = Provider {
    name: "Microsoft-Windows-User Device Registration",
    guid: "23b8d46b-67dd-40a3-b636-d43e50552c6d",
    channel: "Microsoft-Windows-User Device Registration/Admin",
};
const CAPI2: Provider = Provider {
    name: "Microsoft-Windows-CAPI2",
    guid: "5bbca4a8-b209-48dc-a8c7-b23d3e5216fb",
    channel: "Microsoft-Windows-CAPI2/Operational",
};
const PASSWORD_RESET: Provider = Provider {
    name: "PasswordResetService",
    guid: "",
    channel: "Application",
};

fn read_with(bytes: Vec<u8>, options: &Options) -> (Collected, Inspection) {
    let mut sink = Collected::default();
    let inspection = decode(Box::new(Cursor::new(bytes)), options, &mut sink);
    (sink, inspection)
}

fn read(bytes: Vec<u8>) -> (Collected, Inspection) {
    read_with(bytes, &Options::default())
}

fn codes(sink: &Collected) -> Vec<&'static str> {
    sink.diagnostics
        .iter()
        .map(|diagnostic| diagnostic.code)
        .collect()
}

fn at(second: i64) -> Moment {
    Moment::at("2026-03-02T01:16:11.1234567Z").plus_s(second)
}

fn join_failed(second: i64) -> Event {
    Event::new(UDR, 304, at(second))
        .level(2)
        .user("S-1-5-18")
        .field("ExitCode", Value::I32(-2_145_648_607))
        .field("ServerErrorMessage", "The device object was not found.")
        .field("TenantType", "managed")
        .field("JoinType", "4")
        .field(
            "DebugOutput",
            "joinMode: Join\r\ndrsInstance: azure\r\nregistrationType: sync\r\ntenantType: Managed\r\n\
             tenantId: 39f1c0de-0000-4000-8000-000000000001\r\nerrorPhase: auth\r\n\
             adalCorrelationId: {6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11}\r\n",
        )
}

/// Some hundred events: several chunks.
fn long_log() -> Evtx {
    Evtx::new("PC042").events((0..600).map(join_failed))
}

#[test]
fn a_join_failure_tells_its_phase_and_ids() {
    let (sink, inspection) = read(Evtx::new("PC042").event(join_failed(0)).write());
    let row = &sink.rows[0];
    assert_eq!(row.ts_ns, Some(at(0).0));
    assert_eq!(
        (row.error_code.as_deref(), row.outcome),
        (Some("0x801c0021"), Some(Outcome::Failure))
    );
    assert_eq!(
        row.correlation_id.as_deref(),
        Some("6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11")
    );
    assert_eq!(
        row.tenant_id.as_deref(),
        Some("39f1c0de-0000-4000-8000-000000000001")
    );
    assert_eq!(
        (row.context, row.user_sid.as_deref()),
        (Some(Context::System), Some("S-1-5-18"))
    );
    assert_eq!(
        row.message,
        "Automatic (hybrid) join failed (0x801c0021): The device object was not found."
    );
    let fields: serde_json::Value = serde_json::from_str(&row.fields).unwrap();
    assert_eq!(
        (&fields["phase"], &fields["ExitCode"]),
        (&"auth".into(), &"-2145648607".into())
    );
    assert_eq!(fields["registration_type"], "sync");
    assert_eq!(inspection.host.as_deref(), Some("PC042"));
    assert_eq!(inspection.counts[UDR.name].by_event["304"], 1);
}

#[test]
fn a_classic_text_gives_its_tracking_id_code_and_host() {
    let text = "TrackingId: 6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11, Synchronization Engine returned an error hr=80230619, \
                message=A restriction prevents the password from being changed";
    let event = Event::new(PASSWORD_RESET, 33008, at(0)).level(2).data(text);
    let bus = "Details: System.Net.WebException: The remote name could not be resolved: \
               'ssprdedicatedsbprodncu.servicebus.windows.net'";
    let listener = Event::new(PASSWORD_RESET, 31034, at(1)).level(2).data(bus);
    let (sink, _) = read(Evtx::new("CONNECT1").event(event).event(listener).write());
    let row = &sink.rows[0];
    assert_eq!(row.error_code.as_deref(), Some("0x80230619"));
    assert_eq!(
        row.correlation_id.as_deref(),
        Some("6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11")
    );
    assert!(
        row.message
            .starts_with("The new password does not meet the domain's rules"),
        "{}",
        row.message
    );
    assert_eq!(
        sink.rows[1].server_name.as_deref(),
        Some("ssprdedicatedsbprodncu.servicebus.windows.net")
    );
}

#[test]
fn chain_policy_of_user_data_names_server_and_error() {
    let policy = Element::new("CertVerifyCertificateChainPolicy")
        .child(Element::new("Certificate").attr("subjectName", "login.microsoftonline.com"))
        .child(
            Element::new("SSLAdditionalPolicyInfo")
                .attr("authType", "server")
                .attr("serverName", "Login.MicrosoftOnline.com"),
        )
        .child(Element::new("EventAuxInfo").attr("ProcessName", "lsass.exe"))
        .child(
            Element::new("Result")
                .attr("value", "800B0109")
                .text("An untrusted root."),
        );
    let event = Event::new(CAPI2, 30, at(0)).level(2).user_data(policy);
    let (sink, _) = read(Evtx::new("PC042").event(event).write());
    let row = &sink.rows[0];
    assert_eq!(row.error_code.as_deref(), Some("0x800b0109"));
    assert_eq!(row.server_name.as_deref(), Some("login.microsoftonline.com"));
    assert_eq!(
        (row.process.as_deref(), row.outcome),
        (Some("lsass.exe"), Some(Outcome::Failure))
    );
    assert_eq!(row.cert_subject.as_deref(), Some("login.microsoftonline.com"));
}

#[test]
fn a_bad_chunk_costs_its_events_and_no_others() {
    let whole = read(long_log().write()).0.rows.len();
    let (sink, inspection) = read(long_log().bad_chunk(1).write());
    assert_eq!(whole, 600);
    assert!(sink.rows.len() < whole && sink.rows.len() > whole / 2);
    assert_eq!(inspection.lost.buffers, 1);
    let diagnostic = sink
        .diagnostics
        .iter()
        .find(|d| d.code == "EvtxBadChunk")
        .unwrap();
    assert_eq!(
        (diagnostic.offset, diagnostic.bytes_lost),
        (Some(4096 + 65536), Some(65536))
    );
}

#[test]
fn live_copies_are_read_and_named_so() {
    let (sink, inspection) = read(long_log().dirty().bad_checksum(0).write());
    assert_eq!(sink.rows.len(), 600);
    assert_eq!(codes(&sink), ["EvtxDirty", "EvtxBadChecksum"]);
    assert_eq!(inspection.container["dirty"], true);
}

#[test]
fn a_lost_file_header_costs_nothing() {
    let mut bytes = long_log().write();
    bytes[..4096].fill(0);
    let (sink, _) = read(bytes);
    assert_eq!((sink.rows.len(), codes(&sink)), (600, vec!["EvtxBadFileHeader"]));
}

#[test]
fn a_cut_file_tells_where() {
    let whole = long_log().write();
    let (sink, inspection) = read(whole[..4096 + 65536 + 1000].to_vec());
    assert!(inspection.records > 50);
    let diagnostic = sink.diagnostics.iter().find(|d| d.code == "EvtxCutOff").unwrap();
    assert_eq!(
        (diagnostic.offset, diagnostic.bytes_lost),
        (Some(4096 + 65536), Some(1000))
    );
    assert_eq!(codes(&read(whole[..100].to_vec()).0), ["EvtxNotALog"]);
    assert_eq!(codes(&read(vec![]).0), ["EvtxNotALog"]);
}

#[test]
fn one_broken_record_does_not_take_its_chunk_along() {
    let mut bytes = Evtx::new("PC042").events((0..20).map(join_failed)).write();
    let second = (4096 + 512 + 4..)
        .find(|at| bytes[*at..].starts_with(b"**\0\0"))
        .unwrap();
    bytes[second + 4..second + 8].copy_from_slice(&7_u32.to_le_bytes());
    let (sink, inspection) = read(bytes);
    assert_eq!((sink.rows.len(), inspection.lost.events), (19, 1));
    let diagnostic = sink
        .diagnostics
        .iter()
        .find(|d| d.code == "EvtxBadRecord")
        .unwrap();
    assert_eq!(diagnostic.offset, Some(second as u64));
}

#[test]
fn values_over_the_limit_are_shortened() {
    let event = Event::new(UDR, 500, at(0)).field("Message", "ä".repeat(3_000).as_str());
    let limits = Limits {
        max_value_bytes: 1_000,
        ..Limits::default()
    };
    let (sink, _) = read_with(
        Evtx::new("PC042").event(event).write(),
        &Options {
            limits,
            ..Options::default()
        },
    );
    let fields: serde_json::Value = serde_json::from_str(&sink.rows[0].fields).unwrap();
    let shown = fields["Message"].as_str().unwrap();
    assert!(shown.len() <= 1_000 && shown.ends_with("ä…"));
}

#[test]
fn remarks_are_kept_within_their_limit() {
    let mut bytes = long_log().write();
    // Every chunk's magic is gone; the file header keeps the file recognisable.
    (4096..bytes.len()).step_by(65536).for_each(|at| bytes[at] = b'X');
    let limits = Limits {
        max_diagnostics: 2,
        ..Limits::default()
    };
    let (sink, inspection) = read_with(
        bytes,
        &Options {
            limits,
            ..Options::default()
        },
    );
    assert_eq!(codes(&sink), ["EvtxBadChunk", "EvtxBadChunk", "EvtxMoreDamage"]);
    assert!(inspection.lost.buffers > 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is flipped or cut: no panic, no more rows than records, both ways of reading agree on the count
    /// of what is sound, and threads change nothing.
    #[test]
    fn random_damage_is_survived(
        flips in proptest::collection::vec((0_usize..140_000, any::<u8>()), 0..40),
        keep in 0_usize..200_000,
    ) {
        let mut bytes = long_log().write();
        for (at, value) in flips {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(keep.max(1));
        let (one, alone) = read(bytes.clone());
        let (two, together) = read_with(bytes.clone(), &Options { threads: 2, ..Options::default() });
        prop_assert!(one.rows.len() <= 600);
        prop_assert_eq!(&one.rows, &two.rows);
        prop_assert_eq!(alone, together);
        for row in &one.rows {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&row.fields).is_ok());
        }
        let recovering = Options { recover: true, ..Options::default() };
        read_with(bytes, &recovering);
    }
}
