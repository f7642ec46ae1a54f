//! Where one member's rows go: enriched, redacted, and into the member's own timeline builder.

use std::any::Any;
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use casetrace_knowledge::Knowledge;
use casetrace_model::{Diagnostic, Packet, PacketSink, Part, PartMaker, PartTaker, Row, Sink, Text};
use casetrace_pcap::Analyzer;
use casetrace_redact::Redactor;
use casetrace_timeline::{Spill, TimelineBuilder};

use crate::enrich;
use crate::memory;
use crate::progress::Progress;
use crate::stream::Relief;

/// Packed texts of rows that stay in memory, and as much of other columns, of members and of the case: enough for three to four million rows,
/// and the rest of a case with more of them is in files.
const IN_MEMORY: u64 = 64 << 20;

/// Where columns go that would not fit into memory.
pub(crate) struct Spills {
    texts: Arc<Spill>,
    /// Codes and numbers of members, until they are joined.
    members: Arc<Spill>,
    /// Codes and numbers of the case.
    case: Arc<Spill>,
}

impl Spills {
    pub(crate) fn new(folder: &Path) -> Self {
        let spill = || Spill::new(folder, IN_MEMORY);
        Self {
            texts: spill(),
            members: spill(),
            case: spill(),
        }
    }

    /// For the rows of a member. Stretches of it are small, and need no file for their numbers.
    fn member(&self) -> TimelineBuilder {
        TimelineBuilder::with_spill(&self.texts).numbers_in(&self.members)
    }

    /// For the rows of all members.
    pub(crate) fn case(&self) -> TimelineBuilder {
        TimelineBuilder::with_spill(&self.texts).numbers_in(&self.case)
    }

    /// Files that a result rests on, once members are joined: that of the members only if something of it is lost.
    pub(crate) fn of_result(&self) -> Vec<Arc<Spill>> {
        let members = self.members.trouble().map(|_| &self.members);
        members.into_iter().chain([&self.case]).cloned().collect()
    }
}

/// What all members of a run share.
pub(crate) struct Shared<'a> {
    pub(crate) knowledge: &'a Knowledge,
    pub(crate) redactor: &'a Redactor,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) max_diagnostics: usize,
    pub(crate) spills: Spills,
    /// Takes rows away while members are decoded, where nobody wants them all at once.
    pub(crate) outlet: Option<&'a dyn Relief>,
}

/// Completes and redacts one member's rows; shared by the threads that decode it.
pub(crate) struct RowMaker<'a> {
    shared: &'a Shared<'a>,
    artifact: String,
    host: Option<Text>,
}

impl RowMaker<'_> {
    fn complete(&self, row: &mut Row) {
        if row.host.is_none() {
            row.host.clone_from(&self.host);
        }
        enrich::row(row, self.shared.knowledge);
        self.shared.redactor.redact_row(row);
    }
}

impl PartMaker for RowMaker<'_> {
    fn part(&self) -> Box<dyn Part + '_> {
        Box::new(MemberPart {
            maker: self,
            builder: TimelineBuilder::with_spill(&self.shared.spills.texts),
        })
    }
}

/// Rows of one stretch of a member, on the thread that decodes it.
struct MemberPart<'p> {
    maker: &'p RowMaker<'p>,
    builder: TimelineBuilder,
}

impl Part for MemberPart<'_> {
    fn row(&mut self, mut row: Row) {
        self.lend(&mut row);
    }
    fn lend(&mut self, row: &mut Row) {
        self.maker.complete(row);
        self.builder.push(&self.maker.artifact, None, &*row);
    }
    fn finish(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(self.builder)
    }
}

/// Collects one member.
pub(crate) struct MemberSink<'a> {
    maker: Arc<RowMaker<'a>>,
    pub(crate) collected: Collected<'a>,
}

/// What a member gave so far.
pub(crate) struct Collected<'a> {
    maker: Arc<RowMaker<'a>>,
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
        let maker = Arc::new(RowMaker {
            shared,
            artifact,
            host,
        });
        Self {
            maker: Arc::clone(&maker),
            collected: Collected {
                maker,
                wants_rows,
                reported_bytes: 0,
                dropped_diagnostics: 0,
                memory_left: memory,
                dropped_rows: 0,
                rows: 0,
                builder: shared.spills.member(),
                diagnostics: Vec::new(),
            },
        }
    }

    /// Says what was too much to keep.
    pub(crate) fn close(&mut self) {
        self.collected.close();
    }
}

impl Collected<'_> {
    fn close(&mut self) {
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

    /// Once a row did not fit none does, so that what is kept is the beginning and not a selection.
    fn fits(&mut self, row: &Row) -> bool {
        let Some(left) = self.memory_left else { return true };
        let rest = left.checked_sub(memory::row_bytes(row));
        self.memory_left = Some(rest.unwrap_or(0));
        rest.is_some() && self.dropped_rows == 0
    }

    /// Rows that are counted or handed on one by one can't come in parts.
    fn takes_parts(&self) -> bool {
        self.memory_left.is_none() && self.maker.shared.outlet.is_none()
    }
}

impl Sink for Collected<'_> {
    fn row(&mut self, mut row: Row) {
        self.lend(&mut row);
    }

    fn lend(&mut self, row: &mut Row) {
        self.maker.complete(row);
        let outlet = self.maker.shared.outlet;
        // Rows that go on take no memory.
        if outlet.is_none() && !self.fits(row) {
            self.dropped_rows += 1;
            return;
        }
        self.builder.push(&self.maker.artifact, None, &*row);
        self.rows += 1;
        if let Some(outlet) = outlet {
            outlet.relieve(&mut self.builder);
        }
    }

    fn diagnostic(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < self.maker.shared.max_diagnostics {
            self.diagnostics.push(diagnostic);
        } else {
            self.dropped_diagnostics += 1;
        }
    }

    fn wants_rows(&self) -> bool {
        self.wants_rows
    }

    fn progress(&mut self, bytes: u64) {
        let more = bytes.saturating_sub(self.reported_bytes);
        self.maker.shared.progress.advance(more);
        self.reported_bytes = self.reported_bytes.max(bytes);
    }
}

impl PartTaker for Collected<'_> {
    fn take(&mut self, part: Box<dyn Any + Send>) {
        if let Ok(builder) = part.downcast::<TimelineBuilder>() {
            self.rows += builder.len() as u64;
            self.builder.append(*builder);
        }
    }
}

impl Sink for MemberSink<'_> {
    fn row(&mut self, row: Row) {
        self.collected.row(row);
    }
    fn lend(&mut self, row: &mut Row) {
        self.collected.lend(row);
    }
    fn diagnostic(&mut self, diagnostic: Diagnostic) {
        self.collected.diagnostic(diagnostic);
    }
    fn wants_rows(&self) -> bool {
        self.collected.wants_rows()
    }
    fn progress(&mut self, bytes: u64) {
        self.collected.progress(bytes);
    }
    fn split(&mut self) -> Option<(&dyn PartMaker, &mut dyn PartTaker)> {
        self.collected
            .takes_parts()
            .then_some((&*self.maker, &mut self.collected))
    }
}

/// A trace gives events and packets in one pass; both end in the same member, so the sink is shared between the
/// trace decoder and the packet analyzer.
pub(crate) struct SharedSink<'s, 'a> {
    maker: Arc<RowMaker<'a>>,
    cell: SharedCell<'s, 'a>,
}

struct SharedCell<'s, 'a>(&'s RefCell<MemberSink<'a>>);

impl<'s, 'a> SharedSink<'s, 'a> {
    pub(crate) fn new(cell: &'s RefCell<MemberSink<'a>>) -> Self {
        Self {
            maker: Arc::clone(&cell.borrow().maker),
            cell: SharedCell(cell),
        }
    }
}

impl Sink for SharedCell<'_, '_> {
    fn row(&mut self, row: Row) {
        self.0.borrow_mut().row(row);
    }
    fn lend(&mut self, row: &mut Row) {
        self.0.borrow_mut().lend(row);
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

impl PartTaker for SharedCell<'_, '_> {
    fn take(&mut self, part: Box<dyn Any + Send>) {
        self.0.borrow_mut().collected.take(part);
    }
}

impl Sink for SharedSink<'_, '_> {
    fn row(&mut self, row: Row) {
        self.cell.row(row);
    }
    fn lend(&mut self, row: &mut Row) {
        self.cell.lend(row);
    }
    fn diagnostic(&mut self, diagnostic: Diagnostic) {
        self.cell.diagnostic(diagnostic);
    }
    fn wants_rows(&self) -> bool {
        self.cell.wants_rows()
    }
    fn progress(&mut self, bytes: u64) {
        self.cell.progress(bytes);
    }
    fn split(&mut self) -> Option<(&dyn PartMaker, &mut dyn PartTaker)> {
        let parts = self.cell.0.borrow().collected.takes_parts();
        parts.then_some((&*self.maker, &mut self.cell))
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
