//! A share of all conversations: packets of one conversation always come to the same shard.
//!
//! The number of shards is fixed, whatever the number of threads, so that ceilings and expiry fall the same way in
//! every run. Limits: `max_flows` and `max_stream_bytes` divided by the number of shards; when a table is full the
//! longest silent of a sample is written out and counted.

use std::collections::HashMap;

use casetrace_model::{JsonObject, Limits, Outcome, Row, Text, member};

use crate::dns::{Queries, protocol_of};
use crate::emit::{Cx, Emit, FlowInfo, Seen};
use crate::flow::{ACK, Arrival, Flow, RST, SYN, Shared};
use crate::index::{Index, Tag};
use crate::names;
use crate::net::Unreachable;
use crate::net::addr::{Addr, FlowKey};
use crate::net::keyed::Keyed;
use crate::udp::UdpFlows;
use crate::unit::{Unit, What};

/// Shares of the work; a power of two.
pub(crate) const SHARDS: usize = 16;

const CLOSED_NS: i64 = 30_000_000_000;
const HALF_OPEN_NS: i64 = 150_000_000_000;
const OPEN_NS: i64 = 3_600_000_000_000;
/// Slots looked at to find one that was silent for long.
const SAMPLE: usize = 32;
/// Conversations written out together, at the end and when they expired on one thread: the rows of all at once would be most of
/// the memory used, and those of a few stay in the cache.
const SLICE: usize = 32;
/// Packets whose connections are looked up and fetched from memory together. So many also because the code that opens
/// frames and the code that reads messages push each other out of the processor's smallest cache.
pub(crate) const LOOK_AHEAD: usize = 128;

/// Connections that ended whose memory is kept for the next ones: in the cache it still is.
const MAX_SPARE: usize = 8;

/// Conversations by their ends.
pub(crate) type FlowMap<V> = HashMap<FlowKey, V, Keyed>;

/// The conversations of one share.
pub(crate) struct Shard {
    /// Where connections are.
    index: Index,
    keyed: Keyed,
    slots: Vec<Option<Box<Flow>>>,
    /// When the connection in each slot will have been silent for too long. Beside and not in the connections: a tick
    /// looks at all of them, and would fetch each from memory.
    deadlines: Vec<i64>,
    free: Vec<u32>,
    /// Memory of the connections that ended last.
    #[expect(clippy::vec_box, reason = "the boxes are what is used again")]
    spare: Vec<Box<Flow>>,
    hand: usize,
    waiting_bytes: usize,
    max_waiting_bytes: usize,
    max_flows: usize,
    queries: Queries,
    udp: UdpFlows,
    work: usize,
    /// At the end: slots still to be written out, in the order of their conversations' first packets.
    ending: Option<std::vec::IntoIter<u32>>,
    /// Conversations written out early for lack of room.
    pub(crate) evicted: u64,
    now_ns: i64,
}

impl Shard {
    pub(crate) fn new(limits: &Limits) -> Self {
        let max_flows = (limits.max_flows / SHARDS).max(16);
        Self {
            index: Index::default(),
            keyed: Keyed::default(),
            slots: Vec::new(),
            deadlines: Vec::new(),
            free: Vec::new(),
            spare: Vec::new(),
            hand: 0,
            waiting_bytes: 0,
            max_waiting_bytes: limits.max_stream_bytes / SHARDS,
            max_flows,
            queries: Queries::default(),
            udp: UdpFlows::new(max_flows),
            work: 0,
            ending: None,
            evicted: 0,
            now_ns: i64::MIN,
        }
    }

    /// Where the unit's connection probably is, if it is a segment of a known one. Only good as a hint.
    pub(crate) fn locate(&self, unit: &Unit) -> Option<u32> {
        match unit.what {
            What::Tcp { .. } => self.index.guess(Tag::of(self.keyed, &unit.key)),
            _ => None,
        }
    }

    /// Has the processor fetch what a segment of the connection needs.
    pub(crate) fn touch(&self, at: u32) {
        if let Some(flow) = self.flow(at) {
            flow.touch();
        }
    }

    /// Takes one packet; `hint` is where its connection was a while ago.
    // What is seldom, here and in flows, is marked `inline(never)`: with all of it the way of every segment was a function
    // of 4,000 instructions and a stack frame of 3.6 KB.
    pub(crate) fn unit(&mut self, out: &mut Emit, unit: &Unit, hint: Option<u32>, payload: &[u8]) {
        self.count(unit.seen.ts_ns);
        match unit.what {
            What::Tcp {
                seq,
                ack,
                flags,
                window,
                wire_len,
            } => {
                let arrival = Arrival {
                    seen: unit.seen,
                    from_client: true,
                    seq,
                    ack,
                    flags,
                    window,
                    payload,
                    wire_len,
                };
                self.tcp(out, unit, hint, arrival);
            }
            What::Udp => self.datagram(out, unit, payload),
            What::Unreachable { complaint, reporter } => self.unreachable(out, unit, &complaint, reporter),
            What::Tick => {
                let mut left = self.expire(out, unit.seen.ts_ns);
                while let Some(from) = left {
                    left = self.go_on_with_tick(out, unit.seen.ts_ns, from);
                }
            }
            What::End => self.finish(out, unit.seen.ts_ns),
        }
    }

    fn tcp(&mut self, out: &mut Emit, unit: &Unit, hint: Option<u32>, mut arrival: Arrival<'_>) {
        let at = self.slot_of(out, unit, hint, &arrival);
        let Self {
            slots,
            deadlines,
            waiting_bytes,
            max_waiting_bytes,
            evicted,
            ..
        } = self;
        let at = at as usize;
        let (Some(Some(flow)), Some(due)) = (slots.get_mut(at), deadlines.get_mut(at)) else {
            return;
        };
        arrival.from_client = flow.info.client == unit.src();
        // A sent packet names its process; acknowledgements may leave in any process's context.
        if arrival.wire_len > 0 || arrival.from_client && arrival.flags & SYN != 0 {
            flow.info.saw_pid(unit.pid);
        }
        let mut shared = Shared {
            out,
            waiting_bytes,
            max_waiting_bytes: *max_waiting_bytes,
            given_up: evicted,
        };
        flow.segment(&mut shared, &arrival);
        *due = deadline(flow);
    }

    /// The slot of the segment's connection, a new one if need be.
    fn slot_of(&mut self, out: &mut Emit, unit: &Unit, hint: Option<u32>, arrival: &Arrival<'_>) -> u32 {
        let key = unit.key;
        let known = |at: &u32| self.flow(*at).is_some_and(|flow| flow.key == key);
        if let Some(at) = hint.filter(known)
            && arrival.flags & SYN == 0
        {
            return at;
        }
        let tag = Tag::of(self.keyed, &key);
        match self.find(tag, &key) {
            Some(at) if self.flow(at).is_some_and(|flow| flow.is_reuse(arrival)) => {
                self.finish_slot(out, at, unit.seen.ts_ns);
            }
            Some(at) => return at,
            None => {}
        }
        self.open(out, tag, key, unit, arrival.flags)
    }

    fn flow(&self, at: u32) -> Option<&Flow> {
        self.slots.get(at as usize)?.as_deref()
    }

    fn find(&self, tag: Tag, key: &FlowKey) -> Option<u32> {
        let is = |at: u32| self.flow(at).is_some_and(|flow| flow.key == *key);
        self.index.find(tag, is)
    }

    #[inline(never)]
    fn open(&mut self, out: &mut Emit, tag: Tag, key: FlowKey, unit: &Unit, flags: u8) -> u32 {
        if self.index.len() >= self.max_flows {
            self.evict(out);
        }
        let client_sent = match flags & (SYN | ACK | RST) {
            f if f & (SYN | ACK) == SYN => true,
            f if f & (SYN | ACK) == SYN | ACK => false,
            // In the middle of a conversation the lower port is the server's.
            _ => unit.dst().1 <= unit.src().1,
        };
        let (client, server) = if client_sent {
            (unit.src(), unit.dst())
        } else {
            (unit.dst(), unit.src())
        };
        let info = FlowInfo::new(unit.seen.record, client, server, "tcp", &mut out.memo);
        let flow = Flow::new(key, info, unit.seen);
        let flow = match self.spare.pop() {
            Some(mut used) => {
                *used = flow;
                used
            }
            None => Box::new(flow),
        };
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.slots.push(None);
                self.deadlines.push(i64::MAX);
                (self.slots.len() - 1) as u32
            }
        };
        if let Some(slot) = self.slots.get_mut(at as usize) {
            *slot = Some(flow);
        }
        self.index.insert(tag, at);
        at
    }

    fn finish_slot(&mut self, out: &mut Emit, at: u32, now_ns: i64) {
        let Some(mut flow) = self.slots.get_mut(at as usize).and_then(Option::take) else {
            return;
        };
        self.index.remove(Tag::of(self.keyed, &flow.key), at);
        self.free.push(at);
        if let Some(due) = self.deadlines.get_mut(at as usize) {
            *due = i64::MAX;
        }
        let Self {
            waiting_bytes,
            max_waiting_bytes,
            evicted,
            ..
        } = self;
        let mut shared = Shared {
            out,
            waiting_bytes,
            max_waiting_bytes: *max_waiting_bytes,
            given_up: evicted,
        };
        flow.finish(&mut shared, now_ns);
        if self.spare.len() < MAX_SPARE {
            self.spare.push(flow);
        }
    }

    /// Makes room: of a few slots behind the hand, the one silent for longest goes; closed ones first.
    #[inline(never)]
    fn evict(&mut self, out: &mut Emit) {
        let len = self.slots.len().max(1);
        let candidates = (0..SAMPLE.min(len)).map(|i| (self.hand + i) % len);
        let age = |flow: &Flow| (!flow.is_over(), flow.last_ns);
        let oldest = candidates
            .filter_map(|at| Some((age(self.flow(at as u32)?), at as u32)))
            .min();
        self.hand = (self.hand + SAMPLE) % len;
        if let Some(((open, _), at)) = oldest {
            self.evicted += u64::from(open);
            self.finish_slot(out, at, self.now_ns);
        }
    }

    #[inline(never)]
    fn datagram(&mut self, out: &mut Emit, unit: &Unit, payload: &[u8]) {
        if protocol_of(unit.src().1, unit.dst().1).is_some() {
            self.queries
                .datagram(out, unit.seen, unit.pid, unit.src(), unit.dst(), payload);
        } else {
            self.udp.datagram(out, unit, payload);
        }
    }

    #[inline(never)]
    fn unreachable(&mut self, out: &mut Emit, unit: &Unit, complaint: &Unreachable, reporter: Addr) {
        let number = u32::from(complaint.version) * 256 + u32::from(complaint.code);
        let name = match (complaint.version, complaint.kind) {
            (6, 2) => Text::new_static("packet_too_big"),
            _ => names::ICMP_CODES.or_number(number),
        };
        let transport = match complaint.protocol {
            6 => "tcp",
            17 => "udp",
            _ => "icmp",
        };
        let mut info = FlowInfo::new(unit.seen.record, unit.src(), unit.dst(), transport, &mut out.memo);
        let fatal = complaint.mtu == 0 && name != "packet_too_big" && name != "fragmentation_needed";
        let key = unit.key;
        let slot = self
            .find(Tag::of(self.keyed, &key), &key)
            .filter(|_| transport == "tcp");
        if let Some(flow) = slot.and_then(|at| self.slots.get_mut(at as usize)?.as_deref_mut()) {
            info.id = flow.info.id;
            if fatal {
                flow.unreachable(&name);
            }
        }
        let row = unreachable_row(out, &mut info, unit.seen, complaint, reporter, &name);
        out.push(row);
    }

    fn count(&mut self, now_ns: i64) {
        self.now_ns = self.now_ns.max(now_ns);
        self.work += 1;
    }

    /// A tick, to be gone on with until nothing is left: there may be more than should be written at a time.
    pub(crate) fn begin_tick(&mut self, out: &mut Emit, now_ns: i64) -> Option<usize> {
        self.count(now_ns);
        self.expire(out, now_ns)
    }

    /// Writes what expired but for connections; returns where to go on with those, if it is time.
    #[inline(never)]
    fn expire(&mut self, out: &mut Emit, now_ns: i64) -> Option<usize> {
        self.queries.expire(out, now_ns);
        // A walk over all slots is paid for by as many packets since the last one.
        if self.work < self.slots.len() {
            return None;
        }
        self.work = 0;
        self.udp.expire(out, now_ns);
        Some(0)
    }

    /// Writes a few of the connections that expired, from a slot on; returns where to go on, if there are more.
    #[inline(never)]
    pub(crate) fn go_on_with_tick(&mut self, out: &mut Emit, now_ns: i64, from: usize) -> Option<usize> {
        let mut left = SLICE;
        for at in from..self.slots.len() {
            if self.deadlines.get(at).is_some_and(|due| now_ns > *due) {
                if left == 0 {
                    return Some(at);
                }
                left -= 1;
                self.finish_slot(out, at as u32, now_ns);
            }
        }
        None
    }

    /// How often [`Self::finish`] must be called.
    pub(crate) fn slices(&self) -> usize {
        self.index.len() / SLICE + 1
    }

    /// Writes what is open, a slice at a time; conversations in the order of their first packet.
    #[inline(never)]
    pub(crate) fn finish(&mut self, out: &mut Emit, now_ns: i64) {
        let mut left = match self.ending.take() {
            Some(left) => left,
            None => {
                self.queries.finish(out, now_ns);
                self.udp.finish(out, now_ns);
                self.evicted += self.queries.evicted + self.udp.evicted;
                self.in_order().into_iter()
            }
        };
        for at in left.as_slice().iter().take(SLICE) {
            if let Some(flow) = self.flow(*at) {
                flow.touch_all();
            }
        }
        for at in left.by_ref().take(SLICE) {
            self.finish_slot(out, at, now_ns);
        }
        self.ending = Some(left);
    }

    fn in_order(&self) -> Vec<u32> {
        let slots = 0..self.slots.len() as u32;
        let mut open: Vec<(u64, u32)> = slots
            .filter_map(|at| Some((self.flow(at)?.info.id, at)))
            .collect();
        open.sort_unstable();
        open.into_iter().map(|(_, at)| at).collect()
    }
}

/// The last moment at which a connection that stays silent is still worth keeping.
fn deadline(flow: &Flow) -> i64 {
    let patience = if flow.is_over() {
        CLOSED_NS
    } else if flow.is_half_open() {
        HALF_OPEN_NS
    } else {
        OPEN_NS
    };
    flow.last_ns + patience
}

fn unreachable_row(
    out: &mut Emit,
    info: &mut FlowInfo,
    seen: Seen,
    complaint: &Unreachable,
    reporter: Addr,
    name: &Text,
) -> Row {
    let cx = Cx { out, info };
    let mut row = cx.row("icmp.unreachable", seen, true);
    row.outcome = Some(Outcome::Failure);
    let to = cx.info.server.0.with_port(cx.info.server.1);
    row.message = format!("{} says {to} is unreachable: {name}", reporter.text());
    let mut fields = JsonObject::new()
        .num(member!("type"), complaint.kind)
        .num(member!("code"), complaint.code)
        .str(member!("name"), name)
        .str(member!("reporter"), &reporter.text());
    if complaint.mtu > 0 {
        fields.push_num(member!("mtu"), complaint.mtu);
    }
    row.fields = fields.finish();
    row
}
