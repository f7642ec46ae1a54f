//! What must hold on any bytes, for every decoder and container, and the means to look for bytes on which it does not.
//!
//! A [`Target`] is an ordinary function over bytes that panics if a property is broken: no panic of the decoder itself,
//! rows and their bytes bounded by the input, diagnostics inside the input, the same result twice. [`mutate`] damages
//! seeds, [`session`] runs targets over them and keeps what fails. Seeds come from casetrace-synth and, where it is
//! there, the corpus; inputs that failed once are kept under `regressions/` and replayed by the normal tests.
//!
//! ```
//! let target = casetrace_fuzz::target("pcap_dns").expect("it is in the table");
//! (target.check)(b"\x00\x07\x01\x00\x00\x01");
//! ```

pub mod budget;
pub mod command;
pub mod done;
pub mod mutate;
pub mod pool;
pub mod process;
mod properties;
mod seeds;
pub mod session;
pub mod shown;
pub mod shrink;
pub mod stored;
pub mod sweep;
mod targets;

use casetrace_etl::fuzz as etl;

/// A property of one reader.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name on the command line, and of its folder under `regressions/`.
    pub name: &'static str,
    /// Panics if the property does not hold on these bytes.
    pub check: fn(&[u8]),
    /// Good inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Extensions of corpus files that are seeds too.
    pub corpus: &'static [&'static str],
    /// Folder of the crate it belongs to; inputs that failed once are kept below it.
    pub home: &'static str,
}

const fn entry(
    name: &'static str,
    check: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
    corpus: &'static [&'static str],
) -> Target {
    Target {
        name,
        check,
        seeds,
        corpus,
        home: env!("CARGO_MANIFEST_DIR"),
    }
}

const ETL: &[&str] = &["etl"];
const CAPTURE: &[&str] = &["pcap", "pcapng", "cap"];
const TEXT: &[&str] = &["txt", "log", "csv", "xml", "json", "reg"];
const ARCHIVE: &[&str] = &["zip", "cab", "gz"];
/// Fiddler's archives are encrypted mostly.
const ENCRYPTED: &[&str] = &["saz"];
const NONE: &[&str] = &[];

/// All targets, in the order in which `all` runs them.
pub const TARGETS: &[Target] = &[
    entry("etl_container", etl::container, seeds::trace::files, ETL),
    entry("etl_decode", targets::trace::decode, seeds::trace::files, ETL),
    entry("etl_expansion", etl::expansion, seeds::trace::compressed, NONE),
    entry(
        "etl_tracelogging",
        etl::self_describing,
        seeds::trace::tracelogging,
        NONE,
    ),
    entry("etl_metadata", etl::embedded, seeds::trace::metadata, NONE),
    entry("etl_manifest", etl::manifest_xml, seeds::trace::manifests, NONE),
    entry("etl_tmf", etl::tmf_text, seeds::trace::tmf, NONE),
    entry("etl_layouts", etl::builtin_layout, seeds::trace::payloads, NONE),
    entry(
        "pcap_decode",
        targets::capture::decode,
        seeds::capture::files,
        CAPTURE,
    ),
    entry(
        "pcap_connection",
        targets::capture::connection,
        seeds::capture::connections,
        NONE,
    ),
    entry(
        "pcap_datagrams",
        targets::capture::datagrams,
        seeds::capture::datagrams,
        NONE,
    ),
    entry("pcap_dns", targets::capture::dns, seeds::capture::dns, NONE),
    entry(
        "pcap_hello",
        targets::capture::hello,
        seeds::capture::hellos,
        NONE,
    ),
    entry(
        "pcap_certificate",
        targets::capture::certificate,
        seeds::capture::certificates,
        NONE,
    ),
    entry("pcap_ntlm", targets::capture::ntlm, seeds::capture::ntlm, NONE),
    entry(
        "pcap_frame",
        targets::capture::frame,
        seeds::capture::frames,
        NONE,
    ),
    entry("evtx_decode", targets::log::evtx, seeds::log::evtx, &["evtx"]),
    entry(
        "evtx_companion",
        targets::log::companion,
        seeds::log::companion,
        &["MTA"],
    ),
    entry("text_decode", targets::log::text, seeds::log::text, TEXT),
    entry("text_detect", targets::log::detect, seeds::log::text, TEXT),
    entry(
        "saz_session",
        targets::exchange::session,
        seeds::exchange::sessions,
        NONE,
    ),
    entry(
        "saz_names",
        targets::exchange::names,
        seeds::exchange::names,
        NONE,
    ),
    entry("har", targets::exchange::har, seeds::exchange::har, &["har"]),
    entry(
        "bundle_open",
        targets::archive::open,
        seeds::archive::files,
        ARCHIVE,
    ),
    entry(
        "bundle_encrypted",
        targets::archive::open,
        seeds::archive::encrypted,
        ENCRYPTED,
    ),
    entry(
        "bundle_probe",
        targets::archive::probe,
        seeds::archive::files,
        ARCHIVE,
    ),
    entry(
        "redact_text",
        targets::words::redact_text,
        seeds::words::texts,
        TEXT,
    ),
    entry(
        "redact_row",
        targets::words::redact_row,
        seeds::words::texts,
        NONE,
    ),
    entry(
        "knowledge_explain",
        targets::words::explain,
        seeds::words::questions,
        NONE,
    ),
    entry("model_times", targets::words::times, seeds::words::times, NONE),
    entry(
        "model_codes",
        targets::words::codes,
        seeds::words::questions,
        NONE,
    ),
    entry(
        "model_json",
        targets::words::json_object,
        seeds::words::texts,
        NONE,
    ),
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Removes the temporary folder of the archive target; call before the process ends.
pub fn finish() {
    targets::archive::clean();
}
