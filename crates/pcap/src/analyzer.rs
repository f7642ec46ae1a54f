//! Packets in, rows out: routing to shards, and what needs the whole picture.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use casetrace_model::{Diagnostic, Inspection, Limits, Packet, Row, Sink, Source, Text};
use serde_json::json;

use crate::emit::{Emit, Seen};
use crate::net::addr::FlowKey;
use crate::net::{self, Body, Opener, Skip};
use crate::shard::{SHARDS, Shard, Unit, What};

/// Certificate issuers, and domains of each, that are counted.
const MAX_ISSUERS: usize = 1000;
const MAX_DOMAINS: usize = 100;

/// The last two labels of a name; good enough to tell unrelated names apart.
fn domain(name: &str) -> Text {
    let start = name.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
    Text::new(name.get(start..).unwrap_or(name))
}

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

/// Every shard looks for what expired once in so much capture time.
const TICK_NS: i64 = 10_000_000_000;
/// Times outside 1823 to 2116 are damage; they are moved to the edge so that differences of times can't overflow.
const MIN_NS: i64 = i64::MIN / 2;
const MAX_NS: i64 = i64::MAX / 2;
/// Two packets in a row that are further apart do not move the clock.
const AGREED_NS: u64 = 86_400_000_000_000;
/// Address-to-name pairs remembered from DNS answers.
const MAX_RESOLVED: usize = 50_000;

/// Opens frames and counts what it sees; the part of the work that needs packets in file order.
pub(crate) struct Router {
    opener: Opener,
    packets: u64,
    bytes: u64,
    cut: u64,
    skipped: BTreeMap<&'static str, u64>,
    unknown_links: BTreeMap<u16, u64>,
    span: Option<(i64, i64)>,
    last_tick_ns: Option<i64>,
    backwards: u64,
    last_ns: i64,
    /// Time as far as two packets in a row agree on it: one damaged time must not age every conversation.
    clock_ns: i64,
}

impl Router {
    pub(crate) fn new() -> Self {
        Self {
            opener: Opener::new(),
            packets: 0,
            bytes: 0,
            cut: 0,
            skipped: BTreeMap::new(),
            unknown_links: BTreeMap::new(),
            span: None,
            last_tick_ns: None,
            backwards: 0,
            last_ns: i64::MIN,
            clock_ns: 0,
        }
    }

    pub(crate) fn now_ns(&self) -> i64 {
        self.clock_ns
    }

    /// Hands over a tick if one is due, then the packet's unit with its payload.
    pub(crate) fn route(&mut self, packet: &Packet<'_>, mut take: impl FnMut(&Unit, &[u8])) {
        self.count(packet);
        if let Some(tick) = self.tick(packet) {
            take(&tick, &[]);
        }
        let seen = Seen {
            ts_ns: packet.ts_ns.clamp(MIN_NS, MAX_NS),
            record: packet.record,
        };
        let missing = (packet.orig_len as usize).saturating_sub(packet.data.len());
        let outcome = net::open(
            packet.link_type,
            packet.data,
            missing,
            &mut self.opener,
            |datagram| {
                let (src, dst) = (datagram.src, datagram.dst);
                let unit = |a, b, what, shard| Unit {
                    seen,
                    src: a,
                    dst: b,
                    pid: packet.pid,
                    what,
                    shard,
                };
                match datagram.body {
                    Body::Tcp(s) => {
                        let (a, b) = ((src, s.sport), (dst, s.dport));
                        let what = What::Tcp {
                            seq: s.seq,
                            ack: s.ack,
                            flags: s.flags,
                            window: s.window,
                            wire_len: s.wire_len,
                        };
                        take(&unit(a, b, what, shard_of(FlowKey::new(a, b))), s.payload);
                    }
                    Body::Udp {
                        sport,
                        dport,
                        payload,
                    } => {
                        let (a, b) = ((src, sport), (dst, dport));
                        // Answers to multicast and broadcast questions come from other addresses.
                        let shard = match (sport, dport) {
                            (137 | 5353 | 5355, _) | (_, 137 | 5353 | 5355) => 0,
                            _ => shard_of(FlowKey::new(a, b)),
                        };
                        take(&unit(a, b, What::Udp, shard), payload);
                    }
                    Body::Unreachable(complaint, a, b) => {
                        let what = What::Unreachable {
                            complaint,
                            reporter: src,
                        };
                        take(&unit(a, b, what, shard_of(FlowKey::new(a, b))), &[]);
                    }
                }
            },
        );
        if let Err(skip) = outcome {
            self.skip(skip, packet.link_type);
        }
    }

    fn count(&mut self, packet: &Packet<'_>) {
        self.packets += 1;
        self.bytes += u64::from(packet.orig_len);
        self.cut += u64::from(packet.orig_len as usize > packet.data.len());
        self.span = Some(match self.span {
            Some((first, last)) => (first.min(packet.ts_ns), last.max(packet.ts_ns)),
            None => (packet.ts_ns, packet.ts_ns),
        });
        // A second back is a step of the clock, not mere reordering.
        self.backwards += u64::from(packet.ts_ns < self.last_ns.saturating_sub(1_000_000_000));
        let agreed = packet.ts_ns.abs_diff(self.last_ns) < AGREED_NS || self.packets == 1;
        if agreed {
            self.clock_ns = packet.ts_ns.clamp(MIN_NS, MAX_NS);
        }
        self.last_ns = packet.ts_ns;
    }

    fn tick(&mut self, packet: &Packet<'_>) -> Option<Unit> {
        let due = match self.last_tick_ns {
            None => {
                self.last_tick_ns = Some(self.clock_ns);
                false
            }
            Some(last) => self.clock_ns.saturating_sub(last) > TICK_NS,
        };
        if !due {
            return None;
        }
        self.last_tick_ns = Some(self.clock_ns);
        let seen = Seen {
            ts_ns: self.clock_ns,
            record: packet.record,
        };
        Some(Unit::tick(seen))
    }

    fn skip(&mut self, skip: Skip, link_type: u16) {
        let name = match skip {
            Skip::Other => "not_tcp_udp",
            Skip::Fragment => "fragment",
            Skip::Damaged => "damaged_headers",
            Skip::LinkType => {
                *self.unknown_links.entry(link_type).or_default() += 1;
                "unknown_link_type"
            }
        };
        *self.skipped.entry(name).or_default() += 1;
    }

    /// Adds totals and what was lost on the way.
    pub(crate) fn report(&self, inspection: &mut Inspection, sink: &mut dyn Sink) {
        inspection.records = self.packets;
        inspection.span = self.span;
        inspection.container.insert("packets", json!(self.packets));
        inspection.container.insert("wire_bytes", json!(self.bytes));
        if !self.skipped.is_empty() {
            inspection
                .container
                .insert("packets_without_facts", json!(self.skipped));
        }
        if self.cut > 0 {
            inspection
                .container
                .insert("packets_cut_by_snap_length", json!(self.cut));
            let text = format!(
                "{} of {} packets were recorded only in part; messages that did not fit are missing or incomplete. Capture again with full packet size.",
                self.cut, self.packets
            );
            sink.diagnostic(Diagnostic::warning("PacketsCutBySnapLength", text));
        }
        for (link_type, count) in &self.unknown_links {
            let text = format!("{count} packets have link type {link_type}, which is not decoded.");
            sink.diagnostic(Diagnostic::warning("UnknownLinkType", text));
        }
        if self.backwards > 0 {
            let text = format!(
                "The capture's clock steps back {} times by more than a second.",
                self.backwards
            );
            sink.diagnostic(Diagnostic::warning("ClockStepsBack", text));
        }
        let unfinished = self.opener.fragments.unfinished();
        if unfinished > 0 {
            let text = format!("{unfinished} fragmented IP packets lack a fragment and were not decoded.");
            sink.diagnostic(Diagnostic::warning("FragmentsMissing", text));
        }
    }
}

fn shard_of(key: FlowKey) -> u8 {
    (key.spread() as usize & (SHARDS - 1)) as u8
}

/// The last station of rows: names from elsewhere are added, kinds counted.
pub(crate) struct Finisher {
    pub(crate) inspection: Inspection,
    resolved: HashMap<Text, Text>,
    issuers: HashMap<Text, HashSet<Text>>,
    processes: Option<ProcessLookup>,
    /// How many rows of each kind; a few dozen, of which a handful make up nearly all.
    kinds: Vec<(Text, u64)>,
    wants_rows: bool,
}

impl Finisher {
    pub(crate) fn new(sink: &dyn Sink) -> Self {
        Self {
            inspection: Inspection::default(),
            resolved: HashMap::new(),
            issuers: HashMap::new(),
            processes: None,
            kinds: Vec::new(),
            wants_rows: sink.wants_rows(),
        }
    }

    pub(crate) fn resolved(&mut self, address: Text, name: Text) {
        if self.resolved.len() >= MAX_RESOLVED {
            self.resolved.clear();
        }
        self.resolved.insert(address, name);
    }

    pub(crate) fn row(&mut self, mut row: Row, sink: &mut dyn Sink) {
        match self.kinds.iter().position(|(kind, _)| *kind == row.kind) {
            Some(at) => {
                if let Some((_, count)) = self.kinds.get_mut(at) {
                    *count += 1;
                }
                // The frequent ones move to the front.
                if at > 0 {
                    self.kinds.swap(at, at / 2);
                }
            }
            None => self.kinds.push((row.kind.clone(), 1)),
        }
        if !self.wants_rows {
            return;
        }
        if row.kind == "tcp.connect"
            && row.server_name.is_none()
            && let Some(name) = row.dst_ip.as_ref().and_then(|ip| self.resolved.get(ip))
        {
            row.server_name = Some(name.clone());
            if row.fields.ends_with('}') {
                row.fields.pop();
                row.fields.push_str(",\"name_source\":\"dns\"}");
            }
        }
        if row.kind == "tls.certificate" {
            self.issuer_domains(&mut row);
        }
        if let (Some(lookup), Some(pid)) = (&self.processes, row.pid) {
            row.process = lookup(pid, row.ts_ns.unwrap_or(0));
        }
        sink.row(row);
    }

    /// How many unrelated domains the issuer has signed for: an inspecting proxy signs for all of them.
    fn issuer_domains(&mut self, row: &mut Row) {
        let (Some(issuer), Some(name)) = (&row.cert_issuer, &row.server_name) else {
            return;
        };
        if self.issuers.len() >= MAX_ISSUERS && !self.issuers.contains_key(issuer) {
            return;
        }
        let domains = self.issuers.entry(issuer.clone()).or_default();
        if domains.len() < MAX_DOMAINS {
            domains.insert(domain(name));
        }
        if row.fields.ends_with('}') {
            row.fields.pop();
            row.fields
                .push_str(&format!(",\"issuer_domains\":{}}}", domains.len()));
        }
    }

    /// Takes what one unit brought about.
    pub(crate) fn drain(&mut self, emit: &mut Emit, sink: &mut dyn Sink) {
        for (_, address, name) in emit.resolved.drain(..) {
            self.resolved(address, name);
        }
        for (_, row) in emit.rows.drain(..) {
            self.row(row, sink);
        }
    }

    pub(crate) fn finish(mut self, router: &Router, evicted: u64, sink: &mut dyn Sink) -> Inspection {
        router.report(&mut self.inspection, sink);
        if evicted > 0 {
            self.inspection
                .container
                .insert("conversations_evicted", json!(evicted));
            let text = format!(
                "{evicted} conversations were written out early because too many were open at a time; facts that span their later packets may be missing."
            );
            sink.diagnostic(Diagnostic::warning("ConversationsEvicted", text));
        }
        for (kind, count) in std::mem::take(&mut self.kinds) {
            let protocol = kind.split('.').next().unwrap_or_default();
            let entry = self.inspection.counts.entry(protocol.into()).or_default();
            entry.total += count;
            *entry.by_event.entry(kind.clone()).or_default() += count;
        }
        self.inspection
    }
}

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
        router.route(packet, |unit, payload| {
            if let What::Tick = unit.what {
                for shard in shards.iter_mut() {
                    shard.unit(emit, unit, payload);
                }
            } else if let Some(shard) = shards.get_mut(usize::from(unit.shard)) {
                shard.unit(emit, unit, payload);
            }
        });
        if !self.emit.rows.is_empty() {
            let processes = &self.processes;
            let finisher = self.finisher.get_or_insert_with(|| {
                let mut finisher = Finisher::new(sink);
                finisher.processes.clone_from(processes);
                finisher
            });
            finisher.drain(&mut self.emit, sink);
        }
    }

    /// Writes everything that is still open and sums up.
    pub fn finish(&mut self, sink: &mut dyn Sink) -> Inspection {
        let now_ns = self.router.now_ns();
        let mut finisher = self.finisher.take().unwrap_or_else(|| Finisher::new(sink));
        finisher.processes.clone_from(&self.processes);
        for shard in &mut self.shards {
            shard.finish(&mut self.emit, now_ns);
            finisher.drain(&mut self.emit, sink);
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
