//! One member to rows: picks the decoder and hands it its options.

use std::cell::RefCell;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;

use casetrace_bundle::{Case, Member};
use casetrace_etl::{EtlSource, PortableTrace};
use casetrace_model::{Collected, Diagnostic, Inspection, Limits, PacketSink, ReadSeek, Sink, Source, Text};
use jiff::tz::TimeZone;

use crate::definition::Decoder;
use crate::memory::Budget;
use crate::read::shown_path;
use crate::sink::{MemberSink, PacketFeed, Shared, SharedSink};

/// Longest `.MTA` file or session part that is read into memory.
const MAX_SIDE_FILE: u64 = 64 << 20;

/// A text that was decoded before everything else.
#[derive(Debug)]
pub(crate) struct KnownText {
    pub(crate) rows: Collected,
    pub(crate) result: casetrace_text::TextResult,
}

/// By member; each is taken once.
pub(crate) type KnownTexts = Vec<Mutex<Option<KnownText>>>;

/// What decoding needs besides the member.
pub(crate) struct Job<'a> {
    pub(crate) shared: &'a Shared<'a>,
    pub(crate) limits: Limits,
    pub(crate) host: Option<Text>,
    pub(crate) zone: Option<(TimeZone, Text)>,
    pub(crate) year: Option<i16>,
    pub(crate) collected_ns: Option<i64>,
    pub(crate) manifests: &'a [String],
    pub(crate) tmf: &'a [String],
    pub(crate) wants_rows: bool,
    /// Texts that are decoded already, by member.
    pub(crate) known_texts: &'a KnownTexts,
    pub(crate) memory: Budget,
    /// Ask the Windows this runs on for providers; traces are put into this folder for it.
    pub(crate) os_backend: Option<&'a Path>,
}

/// What came of one member.
pub(crate) struct Decoded<'a> {
    pub(crate) inspection: Inspection,
    pub(crate) format: Option<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) sink: MemberSink<'a>,
}

/// Decodes `case.members[index]`; decoders that can work with `threads` of them. Damage is in the sink's diagnostics; this never
/// fails as a whole.
pub(crate) fn member<'a>(
    case: &Case,
    index: usize,
    decoder: Decoder,
    job: &Job<'a>,
    threads: usize,
) -> Option<Decoded<'a>> {
    let member = case.members.get(index)?;
    let mut sink = MemberSink::new(
        job.shared,
        shown_path(job.shared.redactor, &member.path),
        job.host.clone(),
        job.wants_rows,
        job.memory.for_member(member.size),
    );
    let mut decoded = match decoder {
        Decoder::Etl => etl(member, job, threads, sink),
        Decoder::Pcap => {
            let inspection = pcap(member, job, threads, &mut sink);
            plain(inspection, sink)
        }
        Decoder::Evtx => {
            let inspection = evtx(case, member, job, threads, &mut sink);
            plain(inspection, sink)
        }
        Decoder::Saz => {
            let inspection = saz(case, index, job, &mut sink);
            plain(inspection, sink)
        }
        Decoder::Har => {
            let inspection = har(member, job, &mut sink);
            plain(inspection, sink)
        }
        Decoder::Text => match job
            .known_texts
            .get(index)
            .and_then(|slot| slot.lock().ok()?.take())
        {
            Some(known) => replayed(known, sink),
            None => text(member, job, sink),
        },
    };
    decoded.sink.progress(member.size);
    decoded.sink.close();
    Some(decoded)
}

fn plain(inspection: Inspection, sink: MemberSink<'_>) -> Decoded<'_> {
    Decoded {
        inspection,
        format: None,
        encoding: None,
        sink,
    }
}

/// A trace, ready for one of the backends.
enum Trace {
    Portable(Box<dyn ReadSeek + Send>),
    /// Windows opens traces by name, so the member is a file for as long as this takes.
    #[cfg(windows)]
    Os(tempfile::TempPath),
}

impl Trace {
    fn open(member: &Member, os_folder: Option<&Path>) -> io::Result<Self> {
        match os_folder {
            #[cfg(windows)]
            Some(folder) => {
                let mut file = tempfile::Builder::new().suffix(".etl").tempfile_in(folder)?;
                io::copy(&mut *member.open()?, file.as_file_mut())?;
                Ok(Self::Os(file.into_temp_path()))
            }
            _ => Ok(Self::Portable(member.open()?)),
        }
    }

    fn decode(
        self,
        options: &casetrace_etl::Options,
        sink: &mut dyn Sink,
        packets: &mut dyn PacketSink,
    ) -> casetrace_etl::Decoded {
        match self {
            Self::Portable(mut input) => PortableTrace::new(&mut *input).decode(options, sink, Some(packets)),
            #[cfg(windows)]
            Self::Os(path) => {
                casetrace_etl::WindowsTrace::new(path.to_path_buf()).decode(options, sink, Some(packets))
            }
        }
    }
}

fn etl<'a>(member: &Member, job: &Job<'a>, threads: usize, sink: MemberSink<'a>) -> Decoded<'a> {
    let options = casetrace_etl::Options {
        limits: job.limits,
        manifests: job.manifests.to_vec(),
        tmf: job.tmf.to_vec(),
        threads,
        ..casetrace_etl::Options::default()
    };
    let trace = match Trace::open(member, job.os_backend) {
        Ok(trace) => trace,
        Err(error) => return unreadable(&error, sink),
    };
    let cell = RefCell::new(sink);
    let packet_options = casetrace_pcap::Options {
        limits: job.limits,
        source: Source::Etl,
        ..casetrace_pcap::Options::default()
    };
    let mut feed = PacketFeed {
        analyzer: casetrace_pcap::Analyzer::new(&packet_options),
        sink: SharedSink::new(&cell),
    };
    let decoded = trace.decode(&options, &mut SharedSink::new(&cell), &mut feed);
    let mut inspection = decoded.inspection;
    let packets = feed.analyzer.finish(&mut feed.sink);
    inspection.counts.extend(packets.counts);
    drop(feed);
    plain(inspection, cell.into_inner())
}

fn pcap(member: &Member, job: &Job<'_>, threads: usize, sink: &mut MemberSink<'_>) -> Inspection {
    let options = casetrace_pcap::Options {
        limits: job.limits,
        threads,
        ..casetrace_pcap::Options::default()
    };
    match member.open() {
        Ok(mut input) => casetrace_pcap::decode(&mut input, &options, sink),
        Err(error) => failed(&error, sink),
    }
}

fn evtx(
    case: &Case,
    member: &Member,
    job: &Job<'_>,
    threads: usize,
    sink: &mut MemberSink<'_>,
) -> Inspection {
    let options = casetrace_evtx::Options {
        limits: job.limits,
        threads,
        name_hint: Some(member.name.clone()),
        mta: message_texts(case, member),
        ..casetrace_evtx::Options::default()
    };
    match member.open() {
        Ok(input) => casetrace_evtx::decode(input, &options, sink),
        Err(error) => failed(&error, sink),
    }
}

/// The bytes of `LocaleMetaData/NAME_LCID.MTA` beside `NAME.evtx`.
fn message_texts(case: &Case, member: &Member) -> Option<Vec<u8>> {
    let (folder, name) = member.path.rsplit_once('/').unwrap_or(("", &member.path));
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let wanted = match folder {
        "" => format!("LocaleMetaData/{stem}_"),
        folder => format!("{folder}/LocaleMetaData/{stem}_"),
    }
    .to_lowercase();
    let side = case
        .members
        .iter()
        .find(|m| m.path.to_lowercase().starts_with(&wanted) && m.size <= MAX_SIDE_FILE)?;
    read_all(side)
}

fn read_all(member: &Member) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    member
        .open()
        .ok()?
        .take(MAX_SIDE_FILE)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

fn saz(case: &Case, index: usize, job: &Job<'_>, sink: &mut MemberSink<'_>) -> Inspection {
    let options = casetrace_saz::Options { limits: job.limits };
    let children: Vec<&Member> = case
        .children(index)
        .filter_map(|child| case.members.get(child))
        .collect();
    let prefix = case.members.get(index).map_or(0, |saz| saz.path.len() + 2);
    let inner = |member: &Member| member.path.get(prefix..).unwrap_or(&member.name).to_owned();
    let names: Vec<String> = children.iter().map(|child| inner(child)).collect();
    let mut inspection = Inspection {
        clock: Text::new_static("Fiddler timers"),
        ..Inspection::default()
    };
    for group in casetrace_saz::group(names.iter().map(String::as_str)) {
        let part = |at: Option<usize>| {
            at.and_then(|at| children.get(at))
                .and_then(|member| read_all(member))
        };
        let (client, server, meta) = (part(group.client), part(group.server), part(group.meta));
        if client.is_none() && server.is_none() && meta.is_none() {
            continue;
        }
        inspection.records += 1;
        let session = casetrace_saz::Session {
            id: group.id,
            client: client.as_deref().unwrap_or_default(),
            server: server.as_deref().unwrap_or_default(),
            meta: meta.as_deref(),
        };
        casetrace_saz::decode_session(&session, &options, sink);
    }
    inspection
}

fn har(member: &Member, job: &Job<'_>, sink: &mut MemberSink<'_>) -> Inspection {
    let options = casetrace_saz::Options { limits: job.limits };
    match member.open() {
        Ok(mut input) => casetrace_saz::decode_har(&mut input, &options, sink),
        Err(error) => failed(&error, sink),
    }
}

fn text<'a>(member: &Member, job: &Job<'a>, mut sink: MemberSink<'a>) -> Decoded<'a> {
    let options = casetrace_text::Options {
        limits: job.limits,
        zone: job.zone.as_ref().map(|(zone, _)| zone.clone()),
        zone_note: job.zone.as_ref().map(|(_, note)| note.clone()),
        name: member.name.clone(),
        year_hint: job.year,
        collected_ns: job.collected_ns,
    };
    let mut input = match member.open() {
        Ok(input) => input,
        Err(error) => return unreadable(&error, sink),
    };
    let result = casetrace_text::decode(&mut input, &options, &mut sink);
    Decoded {
        inspection: result.inspection,
        format: Some(result.format.name().to_owned()),
        encoding: Some(result.encoding.to_owned()),
        sink,
    }
}

/// What decoding would give again.
fn replayed(known: KnownText, mut sink: MemberSink<'_>) -> Decoded<'_> {
    if sink.wants_rows() {
        known.rows.rows.into_iter().for_each(|row| sink.row(row));
    }
    for diagnostic in known.rows.diagnostics {
        sink.diagnostic(diagnostic);
    }
    Decoded {
        inspection: known.result.inspection,
        format: Some(known.result.format.name().to_owned()),
        encoding: Some(known.result.encoding.to_owned()),
        sink,
    }
}

fn failed(error: &std::io::Error, sink: &mut MemberSink<'_>) -> Inspection {
    sink.diagnostic(Diagnostic::error(
        "MemberUnreadable",
        format!("The member could not be opened: {error}."),
    ));
    Inspection::default()
}

fn unreadable<'a>(error: &std::io::Error, mut sink: MemberSink<'a>) -> Decoded<'a> {
    let inspection = failed(error, &mut sink);
    plain(inspection, sink)
}
