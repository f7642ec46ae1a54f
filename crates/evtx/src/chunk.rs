//! One chunk into rows.
//!
//! The walk from record to record, its resynchronisation after damage, and the carving of stale records are those of
//! the `evtx` crate.

use std::sync::Arc;

use casetrace_model::{Diagnostic, Row};
use evtx::err::EvtxError;
use evtx::{EvtxChunkData, EvtxRecord, ParserSettings};

use crate::container::{CHUNK_BYTES, RawChunk};
use crate::event::Event;
use crate::rows::{self, Interner, Place, Shared};
use crate::tally::Tally;
use crate::xml;

/// What a chunk gave.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) rows: Vec<Row>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) tally: Tally,
    pub(crate) bad_chunks: u64,
    pub(crate) bad_checksums: u64,
    pub(crate) bytes_lost: u64,
}

/// What a worker keeps from chunk to chunk.
pub(crate) struct Worker<'o> {
    shared: Shared<'o>,
    settings: Arc<ParserSettings>,
    interner: Interner,
}

impl<'o> Worker<'o> {
    pub(crate) fn new(shared: Shared<'o>, settings: Arc<ParserSettings>) -> Self {
        Self {
            shared,
            settings,
            interner: Interner::default(),
        }
    }

    /// Decodes one chunk; damage becomes diagnostics and counts.
    pub(crate) fn decode(&mut self, raw: RawChunk) -> Decoded {
        let offset = raw.offset();
        let mut out = Decoded::default();
        match EvtxChunkData::new(raw.data, false) {
            Ok(mut chunk) => {
                chunk.number = Some(raw.number);
                self.chunk(&mut chunk, offset, &mut out);
            }
            Err(_) => lost_chunk(&mut out, offset, "EvtxBadChunk", "A chunk has no valid header"),
        }
        out
    }

    fn chunk(&mut self, chunk: &mut EvtxChunkData, offset: u64, out: &mut Decoded) {
        if !chunk.validate_checksum() {
            out.bad_checksums += 1;
        }
        match chunk.parse(Arc::clone(&self.settings)) {
            Ok(mut parsed) => {
                for record in parsed.iter() {
                    match record {
                        Ok(record) => self.record(record, offset, out),
                        Err(error) => unreadable(&error, offset, out),
                    }
                }
            }
            Err(_) => lost_chunk(
                out,
                offset,
                "EvtxBadChunkTable",
                "A chunk's string table is damaged",
            ),
        }
    }

    fn record(&mut self, record: EvtxRecord<'_>, offset: u64, out: &mut Decoded) {
        let at = offset.saturating_add(record.binxml_offset);
        let bytes = u64::from(record.binxml_size);
        let place = Place {
            header_id: record.event_record_id,
            header_ns: i64::try_from(record.timestamp.as_nanosecond()).ok(),
            recovered: record.recovered,
        };
        let rendered = record.into_xml_bytes();
        let mut event = Event::default();
        match rendered {
            Ok(rendered) if xml::read(&rendered.data, &mut event) => self.event(event, place, at, bytes, out),
            Ok(_) | Err(_) if place.recovered => {}
            Ok(_) => lost_record(out, at, bytes),
            Err(error) => unreadable_at(&error, at, bytes, out),
        }
    }

    fn event(&mut self, mut event: Event<'_>, place: Place, at: u64, bytes: u64, out: &mut Decoded) {
        let system = &event.system;
        let is_nil = |guid: &str| guid.bytes().all(|b| matches!(b, b'{' | b'}' | b'-' | b'0'));
        let nameless = system.provider.is_none() && system.provider_guid.as_deref().is_none_or(is_nil);
        if nameless && system.event_id.unwrap_or(0) == 0 && event.fields.is_empty() {
            if !place.recovered {
                hollow(out, at, bytes);
            }
            return;
        }
        let guid = event.system.provider_guid.take();
        event.system.provider_guid.clone_from(&guid);
        let row = rows::row(&mut event, place, &self.shared, &mut self.interner);
        out.tally.row(&row, guid.as_deref());
        out.tally.recovered += u64::from(place.recovered);
        out.tally.processing_errors += u64::from(event.processing_error);
        out.tally.cut += u64::from(event.cut);
        out.rows.push(row);
    }
}

fn lost_chunk(out: &mut Decoded, offset: u64, code: &'static str, what: &str) {
    out.bad_chunks += 1;
    out.bytes_lost += CHUNK_BYTES;
    let message = format!(
        "{what}; its events are missing. A copy of the log made with wevtutil epl may still have them."
    );
    out.diagnostics
        .push(Diagnostic::warning(code, message).at(offset).lost(CHUNK_BYTES));
}

fn hollow(out: &mut Decoded, at: u64, bytes: u64) {
    out.tally.hollow += 1;
    out.bytes_lost += bytes;
    let message = "A record has a header and no event inside (its space was reserved and never written); it is not shown.";
    out.diagnostics.push(
        Diagnostic::warning("EvtxHollowRecord", message)
            .at(at)
            .lost(bytes),
    );
}

fn lost_record(out: &mut Decoded, at: u64, bytes: u64) {
    out.tally.unreadable += 1;
    out.bytes_lost += bytes;
    let message = "A record's content is damaged; its event is missing.";
    out.diagnostics
        .push(Diagnostic::warning("EvtxBadRecord", message).at(at).lost(bytes));
}

fn unreadable_at(error: &EvtxError, at: u64, bytes: u64, out: &mut Decoded) {
    out.tally.unreadable += 1;
    out.bytes_lost += bytes;
    let message = format!(
        "A record's content is damaged ({}); its event is missing.",
        kind_of(error)
    );
    out.diagnostics
        .push(Diagnostic::warning("EvtxBadRecord", message).at(at).lost(bytes));
}

fn unreadable(error: &EvtxError, offset: u64, out: &mut Decoded) {
    out.tally.unreadable += 1;
    let at = match error {
        EvtxError::FailedToReadRecordAt { offset: within, .. } => offset.saturating_add(*within),
        _ => offset,
    };
    let which = match error {
        EvtxError::FailedToParseRecord { record_id, .. } => format!("Record {record_id}"),
        _ => "A record".to_owned(),
    };
    let message = format!(
        "{which} is damaged ({}); its event is missing, reading went on with the next.",
        kind_of(error)
    );
    out.diagnostics
        .push(Diagnostic::warning("EvtxBadRecord", message).at(at));
}

/// What sort of damage, without a word of the record's content.
fn kind_of(error: &EvtxError) -> &'static str {
    match error {
        EvtxError::FailedToParseRecord { source, .. } | EvtxError::FailedToReadRecordAt { source, .. } => {
            kind_of(source)
        }
        EvtxError::DeserializationError(_) => "binary XML that cannot be decoded",
        EvtxError::SerializationError(_) => "text that cannot be shown",
        EvtxError::InvalidDataSize { .. } => "impossible size",
        EvtxError::Unimplemented { .. } => "unknown value type",
        _ => "inconsistent structure or over a limit",
    }
}
