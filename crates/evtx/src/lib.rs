//! Windows event logs (.evtx) to timeline rows.
//!
//! One row (`kind` = `event`) a record: the System part in columns, the event's own data in `fields` under its own
//! names (unnamed `Data` as `Data`, `Data_2`…; UserData by path, attributes as `PATH/@NAME`; System parts without a
//! column as `System/PATH`), and columns, outcome and sentence from the tables of `casetrace-events`. Rendered text
//! of forwarded events or of the log's `.MTA` companion is kept as `fields.rendered`.
//!
//! Source of facts: the `evtx` crate for the container and BinXML, MS-EVEN6 for the schema; corpus of damaged logs
//! for the rest. Limits: values over [`Limits::max_value_bytes`] are shortened; 4,096 fields and 64 levels an event.
//! Never touches disk or terminal, never fails as a whole unless nothing of a log is in the input.
//!
//! ```
//! use casetrace_evtx::{Options, decode};
//! use casetrace_model::Collected;
//!
//! let mut sink = Collected::default();
//! let inspection = decode(Box::new(std::io::Cursor::new(b"no log".to_vec())), &Options::default(), &mut sink);
//! assert_eq!(inspection.records, 0);
//! assert_eq!(sink.diagnostics[0].code, "EvtxNotALog");
//! ```

mod binxml;
mod channel;
mod chunk;
mod container;
mod event;
mod pool;
mod rows;
mod tally;
mod walk;
mod xml;

use std::sync::Arc;

use casetrace_model::{Diagnostic, Inspection, Limits, Part, ReadSeek, Sink, Text};
use evtx::mta::MtaFile;
use evtx::{HeaderFlags, ParserSettings};

use chunk::{Decoded, Reading, Worker};
use container::{Container, RawChunk};
use rows::Shared;
use tally::Tally;

/// What to know besides the bytes.
#[derive(Debug, Clone)]
pub struct Options {
    /// Ceilings.
    pub limits: Limits,
    /// Chunks decoded at a time; 0 and 1 mean none beside the calling thread.
    pub threads: usize,
    /// The file's name; tells the channel where records do not (a trace saved as .evtx).
    pub name_hint: Option<String>,
    /// Also read stale records in the slack of chunks; such rows have `fields.recovered`.
    pub recover: bool,
    /// Label of the code page of ANSI strings (`shift_jis`, `windows-1252`…); the default is windows-1252.
    pub ansi: Option<String>,
    /// Bytes of the log's `LocaleMetaData/NAME_LCID.MTA`.
    pub mta: Option<Vec<u8>>,
    /// Read every record by way of its XML text: slower, the same rows. For comparison.
    pub only_by_xml: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            threads: 1,
            name_hint: None,
            recover: false,
            ansi: None,
            mta: None,
            only_by_xml: false,
        }
    }
}

/// Decodes one log; rows come in the order of writing, whatever `threads` is.
///
/// Shape: one row a readable record. Damage goes to the sink as diagnostics with file offsets, and into
/// [`Inspection::lost`].
pub fn decode(input: Box<dyn ReadSeek + Send>, options: &Options, sink: &mut dyn Sink) -> Inspection {
    let mut inspection = Inspection {
        clock: Text::new_static("FILETIME"),
        ..Inspection::default()
    };
    let mut container = match Container::open(input) {
        Ok(container) => container,
        Err(diagnostic) => {
            sink.diagnostic(diagnostic);
            return inspection;
        }
    };
    describe(&container, &mut inspection, sink);
    let mta = options.mta.as_deref().and_then(|bytes| companion(bytes, sink));
    let channel_hint = options.name_hint.as_deref().and_then(channel::from_file_name);
    let reading = Reading {
        shared: Shared {
            channel_hint: channel_hint.map(Text::from),
            mta: mta.as_ref(),
            max_value_bytes: options.limits.max_value_bytes,
        },
        settings: Arc::new(settings(options, sink)),
        recover: options.recover,
        slow: options.only_by_xml,
    };
    let mut gathered = Gathered::new(options.limits.max_diagnostics);
    match options.threads {
        0 | 1 => on_this_thread(&mut container, reading, &mut gathered, sink),
        threads => on_threads(&mut container, &reading, &mut gathered, sink, threads),
    }
    conclude(&container, &gathered, sink);
    gathered.into_inspection(&mut inspection);
    inspection
}

fn on_this_thread(
    container: &mut Container,
    reading: Reading<'_>,
    gathered: &mut Gathered,
    sink: &mut dyn Sink,
) {
    let mut worker = Worker::new(reading);
    while let Some(raw) = container.next_chunk() {
        let mut decoded = raw.map_or_else(unread, |raw| worker.decode(raw, Some(&mut |row| sink.lend(row))));
        decoded.rows.drain(..).for_each(|row| sink.row(row));
        gathered.add(decoded, sink);
    }
}

/// Chunks that one thread decodes in one go, where it fills a part of the sink.
const CHUNKS_OF_PART: usize = 8;

fn on_threads(
    container: &mut Container,
    reading: &Reading<'_>,
    gathered: &mut Gathered,
    sink: &mut dyn Sink,
    threads: usize,
) {
    let Some((maker, taker)) = sink.split() else {
        return pool::in_order(
            threads,
            || container.next_chunk(),
            || Worker::new(reading.clone()),
            |worker, raw| raw.map_or_else(unread, |raw| worker.decode(raw, None)),
            |mut decoded| {
                decoded.rows.drain(..).for_each(|row| sink.row(row));
                gathered.add(decoded, sink);
            },
        );
    };
    pool::in_order(
        threads,
        || {
            let some: Vec<_> = std::iter::from_fn(|| container.next_chunk())
                .take(CHUNKS_OF_PART)
                .collect();
            (!some.is_empty()).then_some(some)
        },
        || Worker::new(reading.clone()),
        |worker, some| {
            let mut part = maker.part();
            let decoded: Vec<Decoded> = some
                .into_iter()
                .map(|raw| raw.map_or_else(unread, |raw| into_part(worker, raw, &mut *part)))
                .collect();
            (part.finish(), decoded)
        },
        |(part, decoded)| {
            taker.take(part);
            decoded.into_iter().for_each(|one| gathered.add(one, taker));
        },
    );
}

fn into_part(worker: &mut Worker<'_>, raw: RawChunk, part: &mut (dyn Part + '_)) -> Decoded {
    let mut decoded = worker.decode(raw, Some(&mut |row| part.lend(row)));
    decoded.rows.drain(..).for_each(|row| part.row(row));
    decoded
}

/// What the chunks so far gave besides rows.
struct Gathered {
    total: Tally,
    lost_chunks: u64,
    lost_bytes: u64,
    bad_checksums: u64,
    done_bytes: u64,
    remarks: Remarks,
}

impl Gathered {
    fn new(max_diagnostics: usize) -> Self {
        Self {
            total: Tally::default(),
            lost_chunks: 0,
            lost_bytes: 0,
            bad_checksums: 0,
            done_bytes: container::HEADER_BYTES,
            remarks: Remarks {
                left: max_diagnostics,
                dropped: 0,
            },
        }
    }

    fn add(&mut self, decoded: Decoded, sink: &mut dyn Sink) {
        for diagnostic in decoded.diagnostics {
            self.remarks.say(diagnostic, sink);
        }
        self.total.merge(decoded.tally);
        self.lost_chunks += decoded.bad_chunks;
        self.lost_bytes += decoded.bytes_lost;
        self.bad_checksums += decoded.bad_checksums;
        self.done_bytes += container::CHUNK_BYTES;
        sink.progress(self.done_bytes);
    }

    fn into_inspection(self, inspection: &mut Inspection) {
        inspection.lost.buffers += self.lost_chunks;
        inspection.lost.bytes += self.lost_bytes;
        self.total.into_inspection(inspection);
        inspection
            .container
            .insert("bad_chunk_checksums", self.bad_checksums.into());
    }
}

fn unread(diagnostic: Diagnostic) -> Decoded {
    Decoded {
        bytes_lost: container::CHUNK_BYTES,
        bad_chunks: 1,
        diagnostics: vec![diagnostic],
        ..Decoded::default()
    }
}

/// Passes on as many diagnostics as the limit allows and counts the rest.
struct Remarks {
    left: usize,
    dropped: u64,
}

impl Remarks {
    fn say(&mut self, diagnostic: Diagnostic, sink: &mut dyn Sink) {
        if self.left > 0 {
            self.left -= 1;
            sink.diagnostic(diagnostic);
        } else {
            self.dropped += 1;
        }
    }
}

fn settings(options: &Options, sink: &mut dyn Sink) -> ParserSettings {
    let settings = ParserSettings::new()
        .indent(false)
        .recover_records(options.recover);
    let Some(label) = &options.ansi else {
        return settings;
    };
    match encoding_rs::Encoding::for_label(label.as_bytes()) {
        Some(encoding) if encoding.is_ascii_compatible() => settings.ansi_codec(encoding),
        _ => {
            let message = "The code page asked for is not known; ANSI strings were read as windows-1252.";
            sink.diagnostic(Diagnostic::warning("EvtxUnknownCodePage", message));
            settings
        }
    }
}

fn companion(bytes: &[u8], sink: &mut dyn Sink) -> Option<MtaFile> {
    match MtaFile::from_bytes(bytes) {
        Ok(mta) => Some(mta),
        Err(_) => {
            let message =
                "The LocaleMetaData companion could not be read; events have no rendered text of their own.";
            sink.diagnostic(Diagnostic::warning("EvtxBadMta", message));
            None
        }
    }
}

fn describe(container: &Container, inspection: &mut Inspection, sink: &mut dyn Sink) {
    let facts = &mut inspection.container;
    facts.insert("format", "evtx".into());
    facts.insert("chunks", container.chunks.into());
    facts.insert("bytes", container.bytes.into());
    let Some(header) = &container.header else {
        let message =
            "The file header is damaged; the chunks were read without it, nothing is lost by that alone.";
        sink.diagnostic(Diagnostic::warning("EvtxBadFileHeader", message).at(0));
        return;
    };
    facts.insert(
        "version",
        format!("{}.{}", header.major_version, header.minor_version).into(),
    );
    facts.insert("dirty", header.flags.contains(HeaderFlags::DIRTY).into());
    facts.insert("full", header.flags.contains(HeaderFlags::FULL).into());
    facts.insert("next_record_id", header.next_record_id.into());
    facts.insert("header_chunks", header.chunk_count.into());
    if !header.validate_checksum() {
        let message = "The file header's checksum is wrong; the chunks were read without it, nothing is lost by that alone.";
        sink.diagnostic(Diagnostic::warning("EvtxBadFileHeader", message).at(0));
    }
}

fn conclude(container: &Container, gathered: &Gathered, sink: &mut dyn Sink) {
    let Gathered {
        total,
        bad_checksums,
        remarks,
        ..
    } = gathered;
    let mut info = |code, message: String| {
        sink.diagnostic(Diagnostic::new(casetrace_model::Severity::Info, code, message))
    };
    if container.is_dirty() {
        info(
            "EvtxDirty",
            "The log was copied while Windows wrote to it; events of the last moments may be missing.".into(),
        );
    }
    if *bad_checksums > 0 {
        info(
            "EvtxBadChecksum",
            format!(
                "{bad_checksums} chunks have a wrong checksum, as a live copy has; they were read all the same."
            ),
        );
    }
    if container.tail_bytes() > 0 {
        let message = format!(
            "{} bytes follow the last whole chunk: the file is cut off, and events in them are missing.",
            container.tail_bytes()
        );
        sink.diagnostic(
            Diagnostic::warning("EvtxCutOff", message)
                .at(container.bytes - container.tail_bytes())
                .lost(container.tail_bytes()),
        );
    }
    let mut info = |code, message: String| {
        sink.diagnostic(Diagnostic::new(casetrace_model::Severity::Info, code, message))
    };
    if total.processing_errors > 0 {
        info(
            "EvtxProcessingError",
            format!(
                "{} events did not fit their template on their own machine; their payload is in fields as hex.",
                total.processing_errors
            ),
        );
    }
    if total.cut > 0 {
        info(
            "EvtxFieldsCut",
            format!(
                "{} events have more fields or levels than are read; the rest of them was left out.",
                total.cut
            ),
        );
    }
    if remarks.dropped > 0 {
        info(
            "EvtxMoreDamage",
            format!("{} further remarks on damage are not listed.", remarks.dropped),
        );
    }
}
