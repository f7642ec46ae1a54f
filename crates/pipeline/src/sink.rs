//! Where one member's rows go: enriched, redacted, and into the member's own timeline builder.

use std::sync::Arc;

use casetrace_knowledge::Knowledge;
use casetrace_model::{Diagnostic, Packet, PacketSink, Row, Sink, Text};
use casetrace_pcap::Analyzer;
use casetrace_redact::Redactor;
use casetrace_timeline::{Spill, TimelineBuilder};

use crate::enrich;
use crate::memory;
use crate::progress::Progress;
use crate::stream::Relief;

/// What all members of a run share.
pub(crate) struct Shared<'a> {
    pub(crate) knowledge: &'a Knowledge,
    pub(crate) redactor: &'a Redactor,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) max_diagnostics: usize,
    /// Where texts go that would not fit into memory.
    pub(crate) spill: Arc<Spill>,
    /// Takes rows away while members are decoded, where nobody wants them all at once.
    pub(crate) outlet: Option<&'a dyn Relief>,
}

/// Collects one member.
pub(crate) struct MemberSink<'a> {
    shared: &'a Shared<'a>,
    artifact: String,
    host: Option<Text>,
    wants_rows: bool,
    reported_bytes: u64,
    dropped_diagnostics: u64,
    /// Bytes of rows that may still be kept, under a memory limit.
    memory_left: Option<u64>,
    dropped_rows: u64,
    /// Rows so far, also those that went on.
    pub(crate) rows: u64,
    pub(crate) builder: TimelineBuilder,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl<'a> MemberSink<'a> {
    /// `artifact` is the logical path as it appears in the timeline.
    pub(crate) fn new(
        shared: &'a Shared<'a>,
        artifact: String,
        host: Option<Text>,
        wants_rows: bool,
        memory: Option<u64>,
    ) -> Self {
        Self {
            shared,
            artifact,
            host,
            wants_rows,
            reported_bytes: 0,
            dropped_diagnostics: 0,
            memory_left: memory,
            dropped_rows: 0,
            rows: 0,
            builder: TimelineBuilder::with_spill(&shared.spill),
            diagnostics: Vec::new(),
        }
    }

    /// Says what was too much to keep.
    pub(crate) fn close(&mut self) {
        if self.dropped_rows > 0 {
            let text = format!(
                "The memory limit was reached: {} later rows are not in the timeline and were not judged. \
                 Run again with a higher --memory-limit, or with fewer files.",
                self.dropped_rows
            );
            self.diagnostics.push(Diagnostic::warning("MemoryLimit", text));
        }
        if self.dropped_diagnostics > 0 {
            let text = format!(
                "{} further remarks of this kind were not kept.",
                self.dropped_diagnostics
            );
            self.diagnostics
                .push(Diagnostic::warning("MoreDiagnostics", text));
        }
    }
}

impl MemberSink<'_> {
    /// Once a row did not fit none does, so that what is kept is the beginning and not a selection.
    fn fits(&mut self, row: &Row) -> bool {
        let Some(left) = self.memory_left else { return true };
        let rest = left.checked_sub(memory::row_bytes(row));
        self.memory_left = Some(rest.unwrap_or(0));
        rest.is_some() && self.dropped_rows == 0
    }
}

impl Sink for MemberSink<'_> {
    fn row(&mut self, mut row: Row) {
        if row.host.is_none() {
            row.host.clone_from(&self.host);
        }
        enrich::row(&mut row, self.shared.knowledge);
        self.shared.redactor.redact_row(&mut row);
        // Rows that go on take no memory.
        if self.shared.outlet.is_none() && !self.fits(&row) {
            self.dropped_rows += 1;
            return;
        }
        self.builder.push(&self.artifact, None, row);
        self.rows += 1;
        if let Some(outlet) = self.shared.outlet {
            outlet.relieve(&mut self.builder);
        }
    }

    fn diagnostic(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < self.shared.max_diagnostics {
            self.diagnostics.push(diagnostic);
        } else {
            self.dropped_diagnostics += 1;
        }
    }

    fn wants_rows(&self) -> bool {
        self.wants_rows
    }

    fn progress(&mut self, bytes: u64) {
        self.shared
            .progress
            .advance(bytes.saturating_sub(self.reported_bytes));
        self.reported_bytes = self.reported_bytes.max(bytes);
    }
}

/// A trace gives events and packets in one pass; both end in the same member, so the sink is shared between the
/// trace decoder and the packet analyzer.
pub(crate) struct SharedSink<'s, 'a>(pub(crate) &'s std::cell::RefCell<MemberSink<'a>>);

impl Sink for SharedSink<'_, '_> {
    fn row(&mut self, row: Row) {
        self.0.borrow_mut().row(row);
    }
    fn diagnostic(&mut self, diagnostic: Diagnostic) {
        self.0.borrow_mut().diagnostic(diagnostic);
    }
    fn wants_rows(&self) -> bool {
        self.0.borrow().wants_rows()
    }
    fn progress(&mut self, bytes: u64) {
        self.0.borrow_mut().progress(bytes);
    }
}

/// Feeds packets out of a trace to the analyzer.
pub(crate) struct PacketFeed<'s, 'a> {
    pub(crate) analyzer: Analyzer,
    pub(crate) sink: SharedSink<'s, 'a>,
}

impl PacketSink for PacketFeed<'_, '_> {
    fn interface(&mut self, number: u32, link_type: u16, name: &str, description: &str) {
        self.analyzer.interface(number, link_type, name, description);
    }
    fn processes(&mut self, lookup: casetrace_model::ProcessLookup) {
        self.analyzer.set_processes(move |pid, ts_ns| lookup(pid, ts_ns));
    }
    fn packet(&mut self, packet: &Packet<'_>) {
        self.analyzer.packet(packet, &mut self.sink);
    }
}
