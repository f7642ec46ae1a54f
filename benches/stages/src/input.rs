//! Inputs of a stated size, written to files.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use casetrace_synth::archive::{Cab, CabMethod, Encryption, Member, Saz, Session, Zip};
use casetrace_synth::bytes::noise;
use casetrace_synth::moment::Moment;
use casetrace_synth::net::http;
use casetrace_synth::scenario::{endless, large};

/// Opens [`Input::ZipAes`].
pub const PASSWORD: &str = "correct horse";

/// Plain bytes of an archive's members, which are repeated in larger ones.
const SET: u64 = 50_000_000;

/// Bytes of a web page in [`Input::Saz`].
const PAGE: usize = 190_000;

/// What a stage works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A deflated zip of traces, event logs, texts and captures.
    Zip,
    /// The same, encrypted with a 256-bit key.
    ZipAes,
    /// The same in a cabinet.
    CabMsZip,
    /// The same in a cabinet with better compression.
    CabLzx,
    /// A network trace.
    Trace,
    /// A network trace with compressed buffers; its size is that of the buffers expanded.
    TraceCompressed,
    /// A packet capture.
    Capture,
    /// An event log.
    Log,
    /// Debug output.
    Text,
    /// A Fiddler archive; its size is that of the pages and heads in it.
    Saz,
    /// No file: the rows that a mixture of traces, logs, texts and captures of this size has.
    Rows,
}

impl Input {
    /// Writes one of about `bytes` bytes, unpacked. Nothing for [`Input::Rows`].
    pub fn write(self, path: &Path, bytes: u64) -> io::Result<()> {
        if self == Self::Rows {
            return Ok(());
        }
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        match self {
            Self::Zip => zip(bytes).write_to(&mut out)?,
            Self::ZipAes => zip(bytes)
                .encrypted(Encryption::Aes256, PASSWORD)
                .write_to(&mut out)?,
            Self::CabMsZip => cab(CabMethod::MsZip, bytes).write_to(&mut out)?,
            Self::CabLzx => cab(CabMethod::Lzx, bytes).write_to(&mut out)?,
            Self::Trace => endless::trace(&mut out, bytes, false)?,
            Self::TraceCompressed => endless::trace(&mut out, bytes, true)?,
            Self::Capture => endless::capture(&mut out, bytes)?,
            Self::Log => endless::log(&mut out, bytes)?,
            Self::Text => endless::debug_log(&mut out, bytes)?,
            Self::Saz => saz(bytes).write_to(&mut out)?,
            Self::Rows => {}
        }
        out.flush()
    }
}

/// How often the set is in an archive, and what is in it.
fn set(bytes: u64) -> (usize, Vec<Member>) {
    let copies = bytes.div_ceil(SET).max(1);
    (copies as usize, mixture((bytes / copies) as usize))
}

/// Files as a large case has them: 40 % trace, 30 % event log, 20 % text, 10 % capture.
pub fn mixture(bytes: usize) -> Vec<Member> {
    let part = |percent: usize| bytes / 100 * percent;
    vec![
        Member::new("NetTrace.etl", large::trace(0, part(40))),
        Member::new("Security.evtx", large::log(0, part(30))),
        Member::new("az-debug.txt", large::debug_log(0, part(20))),
        Member::new("capture.pcap", large::capture(0, part(10))),
    ]
}

fn zip(bytes: u64) -> Zip {
    let (copies, members) = set(bytes);
    Zip::new().files(members).copies(copies)
}

fn cab(method: CabMethod, bytes: u64) -> Cab {
    let (copies, members) = set(bytes);
    Cab::new(method).files(members).copies(copies)
}

/// Exchanges of the same size with answers that differ; a zip has room for 21,845 of three members.
fn saz(bytes: u64) -> Saz {
    const EXCHANGES: u64 = 20;
    let copies = bytes.div_ceil(EXCHANGES * PAGE as u64).max(1);
    let page = (bytes / copies / EXCHANGES) as usize;
    let session = |n: u64| Session {
        at: Moment::at("2026-03-02T01:00:00Z").plus_s(n as i64),
        request: http::request(
            "POST",
            &format!("https://login.microsoftonline.com/common/oauth2/token?request={n}"),
            &[
                "Host: login.microsoftonline.com",
                "Content-Type: application/x-www-form-urlencoded",
            ],
            "grant_type=refresh_token&client_id=29d9ed98-a469-4536-ade2-f981bc1d605e",
        ),
        response: http::response(200, "OK", &["Content-Type: application/json"], &body(n, page)),
        process: "az:4711".into(),
        took_ms: 40,
    };
    Saz::new()
        .sessions((0..EXCHANGES).map(session))
        .copies(copies as usize)
}

/// JSON of so many bytes.
fn body(n: u64, bytes: usize) -> String {
    let mut out = format!("{{\"request\":{n},\"values\":[");
    let digits = noise(&format!("page {n}"), bytes / 4);
    for byte in digits {
        if out.len() + 8 > bytes {
            break;
        }
        let _ = write!(out, "{byte},");
    }
    out.push_str("0]}");
    out
}
