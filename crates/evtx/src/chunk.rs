//! One chunk into rows.
//!
//! A sound chunk's records are read straight from their binary XML; records of an unusual shape, and chunks whose
//! chain of records is broken anywhere, go through the `evtx` crate: its walk, its resynchronisation after damage,
//! its carving of stale records.

use std::ops::Range;
use std::sync::Arc;

use casetrace_model::{Diagnostic, Row, Source, time};
use evtx::err::EvtxError;
use evtx::{EvtxChunkData, EvtxRecord, ParserSettings};

use crate::binxml::{Draft, Runner};
use crate::container::{CHUNK_BYTES, RawChunk};
use crate::event::Event;
use crate::rows::{self, Interner, Place, Shared};
use crate::tally::Tally;
use crate::walk;
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

/// How a log is read, the same for all its chunks.
#[derive(Clone)]
pub(crate) struct Reading<'o> {
    pub(crate) shared: Shared<'o>,
    pub(crate) settings: Arc<ParserSettings>,
    /// Carving is the crate's work alone.
    pub(crate) recover: bool,
    /// Read every record by way of XML.
    pub(crate) slow: bool,
}

/// What a worker keeps from chunk to chunk.
pub(crate) struct Worker<'o> {
    reading: Reading<'o>,
    interner: Interner,
    runner: Runner,
    draft: Draft,
}

/// Where the rows of a chunk go.
struct Taker<'t> {
    /// Those that have to wait for a slower one.
    rows: Vec<Row>,
    emit: Option<&'t mut dyn FnMut(&mut Row)>,
}

impl Taker<'_> {
    /// Takes a row at once where there is somebody for it: one that waits costs twice as much.
    fn row(&mut self, row: &mut Row) {
        match &mut self.emit {
            Some(emit) => emit(row),
            None => self
                .rows
                .push(std::mem::replace(row, Row::new(Source::Evtx, "", 0))),
        }
    }
}

/// A record of a sound chunk that is of an unusual shape.
struct Left {
    /// Rows before its own.
    before: usize,
    /// Where its binary XML stands in the chunk.
    range: Range<usize>,
    /// `None`: unreadable; `Some(None)`: hollow.
    outcome: Option<Option<Box<Row>>>,
}

impl<'o> Worker<'o> {
    pub(crate) fn new(reading: Reading<'o>) -> Self {
        Self {
            reading,
            interner: Interner::default(),
            runner: Runner::default(),
            draft: Draft::default(),
        }
    }

    /// Decodes one chunk; damage becomes diagnostics and counts. Rows that need not wait for a slower one go to
    /// `emit` at once, where there is one; the others come in the result, after those.
    pub(crate) fn decode(&mut self, raw: RawChunk, emit: Option<&mut dyn FnMut(&mut Row)>) -> Decoded {
        let offset = raw.offset();
        let mut out = Decoded::default();
        let mut taker = Taker {
            rows: Vec::new(),
            emit,
        };
        match EvtxChunkData::new(raw.data, false) {
            Ok(mut chunk) => {
                chunk.number = Some(raw.number);
                out.bad_checksums += u64::from(!chunk.validate_checksum());
                self.chunk(&mut chunk, offset, &mut taker, &mut out);
            }
            Err(_) => lost_chunk(&mut out, offset, "EvtxBadChunk", "A chunk has no valid header"),
        }
        out.rows = taker.rows;
        out
    }

    fn chunk(&mut self, chunk: &mut EvtxChunkData, offset: u64, taker: &mut Taker<'_>, out: &mut Decoded) {
        let sound = match self.reading.recover || self.reading.slow {
            true => None,
            false => walk::records(chunk),
        };
        let Some(records) = sound else {
            return self.by_crate(chunk, offset, taker, out);
        };
        self.runner.next_chunk();
        let mut left = Vec::new();
        let mut draft = std::mem::take(&mut self.draft);
        for record in records {
            if let Some(range) = self.quick(&chunk.data, record, &mut draft, offset, taker, out) {
                // Rows behind it wait for it.
                taker.emit = None;
                left.push(Left {
                    before: taker.rows.len(),
                    range,
                    outcome: None,
                });
            }
        }
        self.draft = draft;
        if !left.is_empty() {
            self.left_to_crate(chunk, offset, &mut left, out);
            insert(left, offset, &mut taker.rows, out);
        }
    }

    /// Reads a record of the usual shape; the place of its binary XML if it is not one.
    fn quick(
        &mut self,
        data: &[u8],
        record: walk::Record,
        draft: &mut Draft,
        offset: u64,
        taker: &mut Taker<'_>,
        out: &mut Decoded,
    ) -> Option<Range<usize>> {
        let binxml = record.binxml;
        if self.runner.read(data, binxml.clone(), draft).is_none() {
            return Some(binxml);
        }
        let place = Place {
            header_id: record.id,
            header_ns: time::from_filetime(record.filetime_100ns),
            recovered: false,
        };
        let at = (offset + binxml.start as u64, binxml.len() as u64);
        self.event(&mut draft.event(), place, at, taker, out);
        None
    }

    /// Reads those records of a sound chunk that are of an unusual shape.
    fn left_to_crate(
        &mut self,
        chunk: &mut EvtxChunkData,
        offset: u64,
        left: &mut [Left],
        out: &mut Decoded,
    ) {
        let Ok(mut parsed) = chunk.parse(Arc::clone(&self.reading.settings)) else {
            return;
        };
        let mut waiting = left.iter_mut().peekable();
        for record in parsed.iter().flatten() {
            while waiting
                .next_if(|left| (left.range.start as u64) < record.binxml_offset)
                .is_some()
            {}
            let Some(left) = waiting.next_if(|left| left.range.start as u64 == record.binxml_offset) else {
                continue;
            };
            let (place, at, bytes) = place_of(&record, offset);
            let mut event = Event::default();
            if let Ok(rendered) = record.into_xml_bytes()
                && xml::read(&rendered.data, &mut event)
            {
                let mut taker = Taker {
                    rows: Vec::new(),
                    emit: None,
                };
                self.event(&mut event, place, (at, bytes), &mut taker, out);
                left.outcome = Some(taker.rows.pop().map(Box::new));
            }
            if waiting.peek().is_none() {
                break;
            }
        }
    }

    /// Reads a chunk with the crate alone.
    fn by_crate(&mut self, chunk: &mut EvtxChunkData, offset: u64, taker: &mut Taker<'_>, out: &mut Decoded) {
        match chunk.parse(Arc::clone(&self.reading.settings)) {
            Ok(mut parsed) => {
                for record in parsed.iter() {
                    match record {
                        Ok(record) => self.record(record, offset, taker, out),
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

    fn record(&mut self, record: EvtxRecord<'_>, offset: u64, taker: &mut Taker<'_>, out: &mut Decoded) {
        let (place, at, bytes) = place_of(&record, offset);
        let rendered = record.into_xml_bytes();
        let mut event = Event::default();
        match rendered {
            Ok(rendered) if xml::read(&rendered.data, &mut event) => {
                self.event(&mut event, place, (at, bytes), taker, out);
            }
            Ok(_) | Err(_) if place.recovered => {}
            Ok(_) => lost_record(out, at, bytes),
            Err(error) => unreadable_at(&error, at, bytes, out),
        }
    }

    /// Makes the row of an event and counts it; a hollow record has none.
    fn event(
        &mut self,
        event: &mut Event<'_>,
        place: Place,
        (at, bytes): (u64, u64),
        taker: &mut Taker<'_>,
        out: &mut Decoded,
    ) {
        if is_hollow(event) {
            if !place.recovered {
                hollow(out, at, bytes);
            }
            return;
        }
        let mut row = Row::new(Source::Evtx, "event", 0);
        rows::fill(&mut row, event, place, &self.reading.shared, &mut self.interner);
        out.tally.row(&row, event.system.provider_guid.as_deref());
        out.tally.recovered += u64::from(place.recovered);
        out.tally.processing_errors += u64::from(event.processing_error);
        out.tally.cut += u64::from(event.cut);
        taker.row(&mut row);
    }
}

/// Puts the rows of the records left behind where they belong.
fn insert(left: Vec<Left>, offset: u64, waiting: &mut Vec<Row>, out: &mut Decoded) {
    let mut rows = Vec::with_capacity(waiting.len() + left.len());
    let mut straight = std::mem::take(waiting).into_iter();
    let mut taken = 0;
    for record in left {
        rows.extend(straight.by_ref().take(record.before - taken));
        taken = record.before;
        match record.outcome {
            Some(row) => rows.extend(row.map(|row| *row)),
            None => lost_record(out, offset + record.range.start as u64, record.range.len() as u64),
        }
    }
    rows.extend(straight);
    *waiting = rows;
}

fn place_of(record: &EvtxRecord<'_>, offset: u64) -> (Place, u64, u64) {
    let place = Place {
        header_id: record.event_record_id,
        header_ns: i64::try_from(record.timestamp.as_nanosecond()).ok(),
        recovered: record.recovered,
    };
    (
        place,
        offset.saturating_add(record.binxml_offset),
        u64::from(record.binxml_size),
    )
}

/// A record whose space was reserved and never written: no provider, no id, no data.
fn is_hollow(event: &Event<'_>) -> bool {
    let is_nil = |guid: &str| guid.bytes().all(|b| matches!(b, b'{' | b'}' | b'-' | b'0'));
    let system = &event.system;
    system.provider.is_none()
        && system.provider_guid.as_deref().is_none_or(is_nil)
        && system.event_id.unwrap_or(0) == 0
        && event.fields.is_empty()
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
