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

use casetrace_model::{Diagnostic, Inspection, Limits, ReadSeek, Sink, Text};
use evtx::mta::MtaFile;
use evtx::{HeaderFlags, ParserSettings};

use chunk::{Decoded, Reading, Worker};
use container::Container;
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
    let mut remarks = Remarks {
        left: options.limits.max_diagnostics,
        dropped: 0,
    };
    let mta = options.mta.as_deref().and_then(|bytes| companion(bytes, sink));
    let shared = Shared {
        channel_hint: options
            .name_hint
            .as_deref()
            .and_then(channel::from_file_name)
            .map(Text::from),
        mta: mta.as_ref(),
        max_value_bytes: options.limits.max_value_bytes,
    };
    let settings = Arc::new(settings(options, sink));
    let reading = Reading {
        shared,
        settings,
        recover: options.recover,
        slow: options.only_by_xml,
    };
    let mut total = Tally::default();
    let mut bad_checksums = 0;
    let mut done_bytes = container::HEADER_BYTES;
    let mut take = |decoded: Decoded, sink: &mut dyn Sink| {
        decoded
            .diagnostics
            .into_iter()
            .for_each(|diagnostic| remarks.say(diagnostic, sink));
        decoded.rows.into_iter().for_each(|row| sink.row(row));
        total.merge(decoded.tally);
        inspection.lost.buffers += decoded.bad_chunks;
        inspection.lost.bytes += decoded.bytes_lost;
        bad_checksums += decoded.bad_checksums;
        done_bytes += container::CHUNK_BYTES;
        sink.progress(done_bytes);
    };
    if options.threads > 1 {
        pool::in_order(
            options.threads,
            || container.next_chunk(),
            || Worker::new(reading.clone()),
            |worker, raw| raw.map_or_else(unread, |raw| worker.decode(raw, None)),
            |decoded| take(decoded, sink),
        );
    } else {
        let mut worker = Worker::new(reading);
        while let Some(raw) = container.next_chunk() {
            let decoded = raw.map_or_else(unread, |raw| worker.decode(raw, Some(&mut |row| sink.row(row))));
            take(decoded, sink);
        }
    }
    conclude(&container, &total, bad_checksums, &remarks, sink);
    total.into_inspection(&mut inspection);
    inspection
        .container
        .insert("bad_chunk_checksums", bad_checksums.into());
    inspection
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

fn conclude(
    container: &Container,
    total: &Tally,
    bad_checksums: u64,
    remarks: &Remarks,
    sink: &mut dyn Sink,
) {
    let mut info = |code, message: String| {
        sink.diagnostic(Diagnostic::new(casetrace_model::Severity::Info, code, message))
    };
    if container.is_dirty() {
        info(
            "EvtxDirty",
            "The log was copied while Windows wrote to it; events of the last moments may be missing.".into(),
        );
    }
    if bad_checksums > 0 {
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
