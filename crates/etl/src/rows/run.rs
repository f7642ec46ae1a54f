//! The second pass: records in order of time, packets and rows out.
//!
//! With several threads the calling one reads, merges and delivers, the others build rows from batches of copied records;
//! batches are delivered in their order, so that any number of threads gives the same rows.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};

use casetrace_model::{Diagnostic, Sink};

use super::builder::{Built, RowBuilder, Scratch};
use super::follow::Follower;
use crate::container::merge::Events;
use crate::container::record::{Event, HeaderKind};
use crate::packets::PacketDecoder;
use crate::reader::EtlReader;

/// Records that travel together; their rows should still be in a core's cache when they are delivered.
const BATCH_BYTES: usize = 256 << 10;
const BATCH_RECORDS: usize = 192;

/// Runs over all records; rows are built if there is a builder.
pub(crate) fn rows(
    reader: &mut EtlReader<'_>,
    builder: Option<&RowBuilder<'_>>,
    packets: &mut Option<PacketDecoder<'_>>,
    sink: &mut dyn Sink,
    threads: usize,
) {
    let clock = reader.clock();
    let file_len = reader.file_len();
    let mut events = reader.events();
    let mut pump = Pump { file_len, told: 0 };
    let mut for_packets = |event: &Event<'_>| {
        if let Some(packets) = packets {
            packets.event(event, clock.to_unix_ns(event.raw_ts));
        }
    };
    match builder {
        None => while pump.step(&mut events, sink, |event, _| for_packets(event)) {},
        Some(builder) if threads < 2 => on_this_thread(builder, &mut events, &mut pump, sink, for_packets),
        Some(builder) => on_threads(builder, &mut events, &mut pump, sink, for_packets, threads),
    }
    if let Some(error) = events.take_error() {
        sink.diagnostic(Diagnostic::error(
            "EtlReadFailed",
            format!("Reading stopped early: {error}; later records are missing."),
        ));
    }
    if events.is_partly_ordered() {
        let text = "The processors' buffers are too large to be merged at once; records come in several runs of time.";
        sink.diagnostic(Diagnostic::new(
            casetrace_model::Severity::Info,
            "EtlPartlyOrdered",
            text,
        ));
    }
}

/// Takes records one by one and tells how far the file is done.
struct Pump {
    file_len: u64,
    told: u64,
}

impl Pump {
    /// Hands the next record on; false at the end.
    fn step(
        &mut self,
        events: &mut Events<'_, '_>,
        sink: &mut dyn Sink,
        each: impl FnOnce(&Event<'_>, &mut dyn Sink),
    ) -> bool {
        let done = events.bytes_done();
        if done != self.told {
            self.told = done;
            // The first pass was the first half.
            sink.progress(self.file_len / 2 + done / 2);
        }
        let Some(event) = events.next() else { return false };
        each(&event, sink);
        true
    }
}

fn on_this_thread(
    builder: &RowBuilder<'_>,
    events: &mut Events<'_, '_>,
    pump: &mut Pump,
    sink: &mut dyn Sink,
    mut for_packets: impl FnMut(&Event<'_>),
) {
    let mut follower = Follower::new(builder.options.mask_secrets);
    let mut scratch = Scratch::default();
    let each = &mut |event: &Event<'_>, sink: &mut dyn Sink| {
        for_packets(event);
        if let Some(built) = builder.build(event, &mut scratch) {
            deliver(built, &mut follower, sink);
        }
    };
    while pump.step(events, sink, &mut *each) {}
}

fn deliver(built: Built, follower: &mut Follower, sink: &mut dyn Sink) {
    let extra = built.fact.and_then(|fact| follower.follow(&built.row, fact));
    sink.row(built.row);
    if let Some(row) = extra {
        sink.row(row);
    }
}

/// Copied records on their way to a thread.
#[derive(Debug, Default)]
struct Batch {
    number: usize,
    bytes: Vec<u8>,
    records: Vec<Copied>,
}

#[derive(Debug, Clone, Copy)]
struct Copied {
    start: usize,
    len: usize,
    kind: HeaderKind,
    raw_ts: u64,
    processor: u16,
    ordinal: u64,
    machine_pointer: u8,
}

impl Batch {
    fn push(&mut self, event: &Event<'_>) {
        self.records.push(Copied {
            start: self.bytes.len(),
            len: event.bytes.len(),
            kind: event.kind,
            raw_ts: event.raw_ts,
            processor: event.processor,
            ordinal: event.ordinal,
            machine_pointer: event.machine_pointer,
        });
        self.bytes.extend_from_slice(event.bytes);
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES || self.records.len() >= BATCH_RECORDS
    }

    fn build(&self, builder: &RowBuilder<'_>, scratch: &mut Scratch) -> Vec<Built> {
        let mut out = Vec::with_capacity(self.records.len());
        for record in &self.records {
            let event = Event {
                bytes: self
                    .bytes
                    .get(record.start..record.start + record.len)
                    .unwrap_or_default(),
                kind: record.kind,
                raw_ts: record.raw_ts,
                processor: record.processor,
                ordinal: record.ordinal,
                machine_pointer: record.machine_pointer,
            };
            out.extend(builder.build(&event, scratch));
        }
        out
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }
}

/// A batch's rows, and the batch to be filled again.
type Done = (usize, Vec<Built>, Batch);

fn on_threads(
    builder: &RowBuilder<'_>,
    events: &mut Events<'_, '_>,
    pump: &mut Pump,
    sink: &mut dyn Sink,
    mut for_packets: impl FnMut(&Event<'_>),
    threads: usize,
) {
    std::thread::scope(|scope| {
        let (to_workers, jobs) = sync_channel::<Batch>(threads);
        let (from_workers, done) = channel::<Done>();
        let jobs = std::sync::Arc::new(Mutex::new(jobs));
        for _ in 0..threads {
            let (jobs, from_workers) = (std::sync::Arc::clone(&jobs), from_workers.clone());
            scope.spawn(move || work(builder, &jobs, &from_workers));
        }
        drop((jobs, from_workers));
        let mut order = Order {
            done,
            waiting: BTreeMap::new(),
            next: 0,
            sent: 0,
            spare: Vec::new(),
            follower: Follower::new(builder.options.mask_secrets),
        };
        let mut batch = Batch::default();
        while pump.step(events, sink, |event, _| {
            for_packets(event);
            if builder.may_give_row(event) {
                batch.push(event);
            }
        }) {
            if !batch.is_full() {
                continue;
            }
            let full = std::mem::replace(&mut batch, order.spare.pop().unwrap_or_default());
            if !order.send(full, &to_workers, 3 * threads, sink) {
                break;
            }
        }
        if !batch.records.is_empty() {
            order.send(batch, &to_workers, usize::MAX, sink);
        }
        drop(to_workers);
        while order.next < order.sent && order.receive(sink) {}
    });
}

/// Delivers batches in the order they were sent.
struct Order {
    done: Receiver<Done>,
    waiting: BTreeMap<usize, Vec<Built>>,
    next: usize,
    sent: usize,
    spare: Vec<Batch>,
    follower: Follower,
}

impl Order {
    /// Sends a batch, and takes results until at most `ahead` batches are on their way.
    fn send(
        &mut self,
        mut batch: Batch,
        to_workers: &std::sync::mpsc::SyncSender<Batch>,
        ahead: usize,
        sink: &mut dyn Sink,
    ) -> bool {
        batch.number = self.sent;
        self.sent += 1;
        if to_workers.send(batch).is_err() {
            return false;
        }
        while self.sent - self.next > ahead {
            if !self.receive(sink) {
                return false;
            }
        }
        true
    }

    fn receive(&mut self, sink: &mut dyn Sink) -> bool {
        let Ok((number, rows, mut batch)) = self.done.recv() else {
            return false;
        };
        batch.clear();
        self.spare.push(batch);
        self.waiting.insert(number, rows);
        while let Some(rows) = self.waiting.remove(&self.next) {
            self.next += 1;
            for built in rows {
                deliver(built, &mut self.follower, sink);
            }
        }
        true
    }
}

fn work(builder: &RowBuilder<'_>, jobs: &Mutex<Receiver<Batch>>, done: &Sender<Done>) {
    let mut scratch = Scratch::default();
    loop {
        let batch = match jobs.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(batch) = batch else { return };
        let rows = batch.build(builder, &mut scratch);
        if done.send((batch.number, rows, batch)).is_err() {
            return;
        }
    }
}
