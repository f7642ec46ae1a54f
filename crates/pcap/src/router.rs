//! Frames to units of work, in file order: which shard gets what, and what the whole capture looks like.

use std::collections::BTreeMap;

use casetrace_model::{Diagnostic, Inspection, Packet, Sink};
use serde_json::json;

use crate::emit::Seen;
use crate::net::addr::FlowKey;
use crate::net::{self, Body, Datagram, Opener, Skip};
use crate::shard::SHARDS;
use crate::unit::{Unit, What};

/// Every shard looks for what expired once in so much capture time.
const TICK_NS: i64 = 10_000_000_000;
/// Times outside 1823 to 2116 are damage; they are moved to the edge so that differences of times can't overflow.
const MIN_NS: i64 = i64::MIN / 2;
const MAX_NS: i64 = i64::MAX / 2;
/// Two packets in a row that are further apart do not move the clock.
const AGREED_NS: u64 = 86_400_000_000_000;

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
        let missing = (packet.orig_len as usize).saturating_sub(packet.data.len());
        let outcome = net::open(
            packet.link_type,
            packet.data,
            missing,
            &mut self.opener,
            |datagram| {
                let (unit, payload) = unit_of(packet, &datagram);
                take(&unit, payload);
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

fn shard_of(key: &FlowKey) -> u8 {
    (key.spread() as usize & (SHARDS - 1)) as u8
}

/// What a datagram means to its shard, and its payload.
#[inline]
fn unit_of<'a>(packet: &Packet<'_>, datagram: &Datagram<'a>) -> (Unit, &'a [u8]) {
    let (src, dst) = (datagram.src, datagram.dst);
    let (a, b, what, payload) = match datagram.body {
        Body::Tcp(s) => {
            let what = What::Tcp {
                seq: s.seq,
                ack: s.ack,
                flags: s.flags,
                window: s.window,
                wire_len: s.wire_len,
            };
            ((src, s.sport), (dst, s.dport), what, s.payload)
        }
        Body::Udp {
            sport,
            dport,
            payload,
        } => ((src, sport), (dst, dport), What::Udp, payload),
        Body::Unreachable(complaint, a, b) => {
            let reporter = src;
            (a, b, What::Unreachable { complaint, reporter }, &[][..])
        }
    };
    let seen = Seen {
        ts_ns: packet.ts_ns.clamp(MIN_NS, MAX_NS),
        record: packet.record,
    };
    let (key, from_low) = FlowKey::from_to(a, b);
    let shard = match (what, a.1, b.1) {
        // Answers to multicast and broadcast questions come from other addresses.
        (What::Udp, 137 | 5353 | 5355, _) | (What::Udp, _, 137 | 5353 | 5355) => 0,
        _ => shard_of(&key),
    };
    let unit = Unit {
        seen,
        key,
        from_low,
        pid: packet.pid,
        what,
        shard,
    };
    (unit, payload)
}
