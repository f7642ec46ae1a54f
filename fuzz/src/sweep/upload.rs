//! One upload from bytes to redacted rows: what the pipeline does up to the timeline, without polars.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use casetrace_bundle::{Case, Kind, Member, Options};
use casetrace_model::{Diagnostic, Limits, Packet, PacketSink, Row, Sink, Source};
use casetrace_pcap::Analyzer;
use casetrace_redact::{Mode, Redactor};

use super::Tally;

/// Session parts above this are not read into memory.
const MAX_PART: u64 = 64 << 20;

/// A place for one upload at a time.
pub struct Desk {
    folder: tempfile::TempDir,
    redactor: Redactor,
}

impl Desk {
    /// Errors: what the file system says.
    pub fn new() -> io::Result<Self> {
        let folder = folder()?;
        Ok(Self {
            folder,
            redactor: Redactor::new(Mode::Secrets, b""),
        })
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Reads `data` as an uploaded file of this name; damage in it is no error.
    ///
    /// Errors: the file system's.
    pub fn read(&self, name: &str, data: &[u8]) -> io::Result<Tally> {
        let members = self.members(name, data)?;
        Ok(Tally {
            members: members.len(),
            rows: members.iter().map(|member| member.rows).sum(),
            diagnostics: members.iter().map(|member| member.diagnostics).sum(),
        })
    }

    /// As [`read`](Self::read), by member, in order of path.
    ///
    /// Errors: the file system's.
    pub fn members(&self, name: &str, data: &[u8]) -> io::Result<Vec<MemberRows>> {
        let upload = self.folder.path().join(name);
        fs::write(&upload, data)?;
        let options = Options {
            limits: limits(),
            passwords: Vec::new(),
            work_dir: self.work(),
            threads: 1,
        };
        let case = casetrace_bundle::open(std::slice::from_ref(&upload), &options, &mut |_| ())
            .map_err(io::Error::other)?;
        let members = (0..case.members.len())
            .filter_map(|index| self.member(&case, index))
            .collect();
        fs::remove_file(&upload)?;
        Ok(members)
    }

    fn member(&self, case: &Case, index: usize) -> Option<MemberRows> {
        let member = case.members.get(index)?;
        let mut out = Counted {
            redactor: &self.redactor,
            rows: 0,
            diagnostics: member.diagnostics.len(),
        };
        decode(case, index, &mut out);
        Some(MemberRows {
            path: member.path.clone(),
            bytes: member.size,
            rows: out.rows,
            diagnostics: out.diagnostics,
            twin: member
                .duplicate_of
                .and_then(|twin| Some(case.members.get(twin)?.path.clone())),
        })
    }
}

/// What came of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRows {
    /// Logical path; the first part is the file's name.
    pub path: String,
    /// Expanded bytes.
    pub bytes: u64,
    /// Rows, also of a member with a twin.
    pub rows: usize,
    /// Remarks.
    pub diagnostics: usize,
    /// The member of the same content that an analysis reads in place of this one.
    pub twin: Option<String>,
}

/// A temporary folder, in memory where the system has such a place: thousands of uploads are written.
///
/// Errors: what the file system says.
pub fn folder() -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("casetrace-sweep");
    builder
        .tempdir_in(Path::new("/dev/shm"))
        .or_else(|_| builder.tempdir())
}

/// A few kilobytes of zip may hold gigabytes; the sweep looks for other things.
pub fn limits() -> Limits {
    Limits {
        max_members: 20_000,
        max_member_bytes: 256 << 20,
        max_total_bytes: 512 << 20,
        ..Limits::default()
    }
}

/// Redacts and counts.
struct Counted<'a> {
    redactor: &'a Redactor,
    rows: usize,
    diagnostics: usize,
}

impl Sink for Counted<'_> {
    fn row(&mut self, mut row: Row) {
        self.redactor.redact_row(&mut row);
        self.rows += 1;
    }

    fn diagnostic(&mut self, _: Diagnostic) {
        self.diagnostics += 1;
    }
}

/// A trace gives events and packets in one pass.
struct Both<'s, 'a>(&'s RefCell<&'s mut Counted<'a>>);

impl Sink for Both<'_, '_> {
    fn row(&mut self, row: Row) {
        self.0.borrow_mut().row(row);
    }

    fn diagnostic(&mut self, diagnostic: Diagnostic) {
        self.0.borrow_mut().diagnostic(diagnostic);
    }
}

struct Feed<'s, 'a> {
    analyzer: Analyzer,
    sink: Both<'s, 'a>,
}

impl PacketSink for Feed<'_, '_> {
    fn interface(&mut self, number: u32, link_type: u16, name: &str, description: &str) {
        self.analyzer.interface(number, link_type, name, description);
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        self.analyzer.packet(packet, &mut self.sink);
    }
}

fn decode(case: &Case, index: usize, out: &mut Counted<'_>) {
    let Some(member) = case.members.get(index).filter(|m| m.is_readable()) else {
        return;
    };
    let in_session = |parent: usize| case.members.get(parent).is_some_and(|p| p.kind == Kind::Saz);
    if member.parent.is_some_and(in_session) {
        return;
    }
    match member.kind {
        Kind::Saz => sessions(case, index, out),
        kind => one(member, kind, out),
    }
}

fn one(member: &Member, kind: Kind, out: &mut Counted<'_>) {
    let Ok(mut input) = member.open() else { return };
    match kind {
        Kind::Etl => trace(&mut *input, out),
        Kind::Pcap | Kind::Pcapng => {
            casetrace_pcap::decode(&mut input, &casetrace_pcap::Options::default(), out);
        }
        Kind::Evtx => {
            let options = casetrace_evtx::Options {
                name_hint: Some(member.name.clone()),
                ..casetrace_evtx::Options::default()
            };
            casetrace_evtx::decode(input, &options, out);
        }
        Kind::Har => {
            casetrace_saz::decode_har(&mut input, &casetrace_saz::Options::default(), out);
        }
        Kind::Text | Kind::Xml | Kind::Html | Kind::Json | Kind::Csv | Kind::RegistryExport => {
            let options = casetrace_text::Options {
                name: member.name.clone(),
                ..casetrace_text::Options::default()
            };
            casetrace_text::decode(&mut input, &options, out);
        }
        _ => {}
    }
}

fn trace(input: &mut dyn casetrace_model::ReadSeek, out: &mut Counted<'_>) {
    let cell = RefCell::new(out);
    let options = casetrace_pcap::Options {
        source: Source::Etl,
        ..casetrace_pcap::Options::default()
    };
    let mut feed = Feed {
        analyzer: Analyzer::new(&options),
        sink: Both(&cell),
    };
    casetrace_etl::decode(
        input,
        &casetrace_etl::Options::default(),
        &mut Both(&cell),
        Some(&mut feed),
    );
    feed.analyzer.finish(&mut feed.sink);
}

fn sessions(case: &Case, index: usize, out: &mut Counted<'_>) {
    let children: Vec<&Member> = case
        .children(index)
        .filter_map(|child| case.members.get(child))
        .collect();
    let prefix = case.members.get(index).map_or(0, |saz| saz.path.len() + 2);
    let names: Vec<&str> = children
        .iter()
        .map(|child| child.path.get(prefix..).unwrap_or(&child.name))
        .collect();
    for group in casetrace_saz::group(names.iter().copied()) {
        let part = |at: Option<usize>| {
            at.and_then(|at| children.get(at))
                .and_then(|member| bytes(member))
        };
        let (client, server, meta) = (part(group.client), part(group.server), part(group.meta));
        let session = casetrace_saz::Session {
            id: group.id,
            client: client.as_deref().unwrap_or_default(),
            server: server.as_deref().unwrap_or_default(),
            meta: meta.as_deref(),
        };
        casetrace_saz::decode_session(&session, &casetrace_saz::Options::default(), out);
    }
}

fn bytes(member: &Member) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    member.open().ok()?.take(MAX_PART).read_to_end(&mut out).ok()?;
    Some(out)
}
