//! Event logs and text logs.

use std::io::Cursor;

use casetrace_model::{Collected, Inspection};

use crate::{properties, shown};

fn evtx_rows(data: &[u8], options: &casetrace_evtx::Options) -> (Collected, Inspection) {
    let mut out = Collected::default();
    let inspection = casetrace_evtx::decode(Box::new(Cursor::new(data.to_vec())), options, &mut out);
    (out, inspection)
}

/// A log: on one thread and on two, by the fast way and by XML, with and without what lies in the slack.
pub(crate) fn evtx(data: &[u8]) {
    let plain = casetrace_evtx::Options::default();
    let (out, inspection) = evtx_rows(data, &plain);
    // A record's header takes 24 bytes.
    properties::hold(&out, data, data.len() / 24 + 1);
    assert!(
        inspection.lost.bytes <= data.len() as u64 + 65_536,
        "more bytes lost than there were"
    );
    let threads = casetrace_evtx::Options {
        threads: 2,
        ..plain.clone()
    };
    let (again, inspection_again) = evtx_rows(data, &threads);
    properties::equal(&out.rows, &again.rows, "rows");
    properties::equal(&out.diagnostics, &again.diagnostics, "diagnostics");
    properties::equal(&inspection, &inspection_again, "inspections");
    let recover = casetrace_evtx::Options {
        recover: true,
        ..plain
    };
    let (recovered, _) = evtx_rows(data, &recover);
    properties::hold(&recovered, data, data.len() / 24 + 1);
}

/// The bytes as the companion file of a good log.
pub(crate) fn companion(data: &[u8]) {
    static LOG: std::sync::LazyLock<Vec<u8>> =
        std::sync::LazyLock::new(|| crate::seeds::log::evtx().swap_remove(0));
    let options = casetrace_evtx::Options {
        mta: Some(data.to_vec()),
        ..casetrace_evtx::Options::default()
    };
    let (out, inspection) = evtx_rows(&LOG, &options);
    out.rows.iter().for_each(properties::row_holds);
    assert_eq!(
        out.rows.len() as u64,
        inspection.records,
        "a companion costs no records"
    );
}

/// Names that speak for formats; the content decides against most of them.
const NAMES: [&str; 16] = [
    "",
    "Dsregcmd.txt",
    "Netsetup.log",
    "az-login-debug.txt",
    "netlogon.log",
    "lsass.log",
    "InteractiveSignIns.csv",
    "Ipconfig-info.txt",
    "Schannel-key.txt",
    "Tasklist.txt",
    "ResultReport.xml",
    "DisplayDNS.txt",
    "export.reg",
    "systeminfo.txt",
    "winhttp_proxy.txt",
    "signin.json",
];

fn text_rows(data: &[u8], options: &casetrace_text::Options) -> (Collected, Inspection, &'static str) {
    let mut out = Collected::default();
    let result = casetrace_text::decode(&mut &*data, options, &mut out);
    (out, result.inspection, result.encoding)
}

/// A text under no name and under one that depends on its length, with usual and with tight limits.
pub(crate) fn text(data: &[u8]) {
    let named = NAMES.get(data.len() % NAMES.len()).copied().unwrap_or_default();
    for name in ["", named] {
        let options = casetrace_text::Options {
            zone: casetrace_text::zone("Tokyo Standard Time"),
            zone_note: Some("assumed".into()),
            name: name.to_owned(),
            year_hint: Some(2026),
            ..casetrace_text::Options::default()
        };
        let one = text_rows(data, &options);
        properties::hold(&one.0, data, 64 + data.len());
        let other = text_rows(data, &options);
        properties::equal(&one.0.rows, &other.0.rows, "rows");
        properties::equal(&one.0.diagnostics, &other.0.diagnostics, "diagnostics");
        properties::equal(&(one.1, one.2), &(other.1, other.2), "inspections");
    }
    let mut tight = casetrace_text::Options::default();
    tight.limits.max_line_bytes = 80;
    tight.limits.max_value_bytes = 16;
    tight.limits.max_diagnostics = 3;
    properties::hold(&text_rows(data, &tight).0, data, 64 + data.len());
}

/// The format is the same twice, for every name.
pub(crate) fn detect(data: &[u8]) {
    for name in NAMES {
        let one = casetrace_text::detect(data, name);
        properties::equal(&one, &casetrace_text::detect(data, name), "formats");
        assert!(!one.name().is_empty(), "a format has a name");
        shown::note("format", one.name(), 0);
    }
}
