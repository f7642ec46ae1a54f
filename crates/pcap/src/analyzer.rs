//! Packets in, rows out, on the calling thread.

use std::sync::Arc;

use casetrace_model::{Inspection, Limits, Packet, Sink, Source, Text};
use serde_json::json;

use crate::emit::Emit;
use crate::finisher::Finisher;
use crate::router::Router;
use crate::shard::{SHARDS, Shard};
use crate::unit::{Unit, What};

/// How packets are decoded.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Ceilings; `max_flows`, `max_stream_bytes` and `max_diagnostics` are used here.
    pub limits: Limits,
    /// What rows say they come from: [`Source::Pcap`], or [`Source::Etl`] for packets out of an event trace.
    pub source: Source,
    /// Worker threads of [`decode`](crate::decode); 1 works on the calling thread. Rows are the same either way.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            source: Source::Pcap,
            threads: 1,
        }
    }
}

/// Gives the image name of a process id at a time.
pub type ProcessLookup = Arc<dyn Fn(u32, i64) -> Option<Text> + Send + Sync>;

/// Turns packets into rows, one packet at a time; for packets that come out of other containers.
///
/// ```
/// use casetrace_model::{Collected, Packet};
/// use casetrace_pcap::{Analyzer, Options};
///
/// let mut out = Collected::default();
/// let mut analyzer = Analyzer::new(&Options::default());
/// analyzer.interface(0, 101, "vpn", "");
/// let data = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
/// let packet = Packet {
///     ts_ns: 0, record: 1, link_type: 101, data: &data, orig_len: 20, interface: 0,
///     direction: None, pid: None, comment: None,
/// };
/// analyzer.packet(&packet, &mut out);
/// assert_eq!(analyzer.finish(&mut out).records, 1);
/// ```
pub struct Analyzer {
    router: Router,
    shards: Vec<Shard>,
    emit: Emit,
    finisher: Option<Finisher>,
    processes: Option<ProcessLookup>,
    interfaces: Vec<String>,
    link_types: Vec<u16>,
}

impl Analyzer {
    /// An analyzer without packets.
    pub fn new(options: &Options) -> Self {
        Self {
            router: Router::new(),
            shards: (0..SHARDS).map(|_| Shard::new(&options.limits)).collect(),
            emit: Emit::new(options.source),
            finisher: None,
            processes: None,
            interfaces: Vec::new(),
            link_types: Vec::new(),
        }
    }

    /// Names processes: rows with a process id get the name the lookup gives for that id at the row's time.
    pub fn set_processes(&mut self, lookup: impl Fn(u32, i64) -> Option<Text> + Send + Sync + 'static) {
        self.processes = Some(Arc::new(lookup));
    }

    /// Remembers an interface for the inspection.
    pub fn interface(&mut self, number: u32, link_type: u16, name: &str, description: &str) {
        let label = if description.is_empty() { name } else { description };
        if self.interfaces.len() < 64 {
            self.interfaces.push(format!("{number}: {label}"));
        }
        if !self.link_types.contains(&link_type) {
            self.link_types.push(link_type);
        }
    }

    /// Takes one packet; rows that are ready go to `sink`.
    pub fn packet(&mut self, packet: &Packet<'_>, sink: &mut dyn Sink) {
        let Self {
            router, shards, emit, ..
        } = self;
        router.route(packet, |unit, payload| work(shards, emit, unit, None, payload));
        self.drain(sink);
    }

    /// Opens a packet and counts it, to be worked on later.
    pub(crate) fn open(&mut self, packet: &Packet<'_>, take: impl FnMut(&Unit, &[u8])) {
        self.router.route(packet, take);
    }

    /// Where the unit's connection is; good as a hint to [`Self::unit`].
    pub(crate) fn locate(&self, unit: &Unit) -> Option<u32> {
        self.shards.get(usize::from(unit.shard))?.locate(unit)
    }

    /// Has the processor fetch the connection there.
    pub(crate) fn touch(&self, unit: &Unit, slot: Option<u32>) {
        if let (Some(shard), Some(at)) = (self.shards.get(usize::from(unit.shard)), slot) {
            shard.touch(at);
        }
    }

    /// Rows that are ready.
    pub(crate) fn rows(&self) -> usize {
        self.emit.rows.len()
    }

    /// Works on a packet that was opened before.
    pub(crate) fn unit(&mut self, unit: &Unit, slot: Option<u32>, payload: &[u8]) {
        self.emit.place.unit += 1;
        work(&mut self.shards, &mut self.emit, unit, slot, payload);
    }

    /// Time has passed: hands over what expired a few connections at a time, so that there is never a long list of rows. It
    /// can be a thousand at once, and their rows two megabytes.
    pub(crate) fn tick(&mut self, unit: &Unit, sink: &mut dyn Sink) {
        let now_ns = unit.seen.ts_ns;
        for at in 0..self.shards.len() {
            self.drain(sink);
            let shard = self.shards.get_mut(at);
            let mut left = shard.and_then(|shard| shard.begin_tick(&mut self.emit, now_ns));
            while let Some(from) = left {
                self.drain(sink);
                let shard = self.shards.get_mut(at);
                left = shard.and_then(|shard| shard.go_on_with_tick(&mut self.emit, now_ns, from));
            }
        }
    }

    /// Hands over the rows that are ready.
    pub(crate) fn drain(&mut self, sink: &mut dyn Sink) {
        self.emit.place.unit = 0;
        if self.emit.rows.is_empty() {
            return;
        }
        let processes = &self.processes;
        let finisher = self.finisher.get_or_insert_with(|| {
            let mut finisher = Finisher::new(sink);
            finisher.processes.clone_from(processes);
            finisher
        });
        finisher.drain(&mut self.emit, sink);
    }

    /// Writes everything that is still open and sums up.
    pub fn finish(&mut self, sink: &mut dyn Sink) -> Inspection {
        let now_ns = self.router.now_ns();
        let mut finisher = self.finisher.take().unwrap_or_else(|| Finisher::new(sink));
        finisher.processes.clone_from(&self.processes);
        for shard in &mut self.shards {
            for _ in 0..shard.slices() {
                shard.finish(&mut self.emit, now_ns);
                finisher.drain(&mut self.emit, sink);
            }
        }
        if !self.interfaces.is_empty() {
            finisher
                .inspection
                .container
                .insert("interfaces", json!(self.interfaces));
            finisher
                .inspection
                .container
                .insert("link_types", json!(self.link_types));
        }
        let evicted = self.shards.iter().map(|s| s.evicted).sum();
        finisher.finish(&self.router, evicted, sink)
    }
}

fn work(shards: &mut [Shard], emit: &mut Emit, unit: &Unit, slot: Option<u32>, payload: &[u8]) {
    if let What::Tick = unit.what {
        for shard in shards {
            shard.unit(emit, unit, None, payload);
        }
    } else if let Some(shard) = shards.get_mut(usize::from(unit.shard)) {
        shard.unit(emit, unit, slot, payload);
    }
}
