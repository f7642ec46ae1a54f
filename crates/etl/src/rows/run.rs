//! The second pass: records in order of time, packets and rows out.
//!
//! With several threads the calling one reads, merges and delivers, the others build rows (see [`super::threads`]).

use casetrace_model::{Diagnostic, Row, Sink};

use super::builder::{RowBuilder, Rows, Scratch};
use super::follow::{Follower, HttpFact};
use super::threads;
use crate::container::merge::Events;
use crate::container::record::Event;
use crate::packets::PacketDecoder;
use crate::reader::EtlReader;

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
        Some(builder) => threads::run(builder, &mut events, &mut pump, sink, for_packets, threads),
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
pub(super) struct Pump {
    file_len: u64,
    told: u64,
}

impl Pump {
    /// Hands the next record on; false at the end.
    pub(super) fn step(
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
        let follower = &mut follower;
        builder.build(event, &mut scratch, &mut Deliver { follower, sink });
    };
    while pump.step(events, sink, &mut *each) {}
}

/// Passes rows on, those behind which another one follows with it.
pub(super) struct Deliver<'d> {
    pub(super) follower: &'d mut Follower,
    pub(super) sink: &'d mut dyn Sink,
}

impl Rows for Deliver<'_> {
    fn row(&mut self, row: &mut Row, fact: Option<Box<HttpFact>>) {
        let extra = fact.and_then(|fact| self.follower.follow(row, *fact));
        self.sink.lend(row);
        if let Some(row) = extra {
            self.sink.row(row);
        }
    }
}
