//! One TCP connection: attempt, health, end, and its two byte streams in order.
//!
//! Source: RFC 9293. Sequence arithmetic is modulo 2^32; of overlapping copies the first wins. A gap is given up
//! when the receiver acknowledged past it and more data came, when too much waits behind it, or at the end; the
//! protocol on top is told. Limits: 256 segments or 512 KiB waiting in one direction, and a ceiling for all flows.

pub(crate) mod queue;
mod rows;
mod stream;

use casetrace_model::Text;

use crate::app::App;
use crate::emit::{Emit, FlowInfo, Seen};
use crate::net::addr::FlowKey;
use queue::Queue;

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

/// A sequence number this far off is noise, unless it keeps coming.
const MAX_JUMP: u32 = 64 << 20;
/// A SYN after a refusal this soon is the same attempt: Windows asks three times.
const RETRY_NS: i64 = 3_000_000_000;

/// How a connection ended, as far as protocols care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// RST.
    Reset { by_client: bool, now_ns: i64 },
    /// FIN.
    Closed { by_client: bool, now_ns: i64 },
    /// The capture ended, or the connection was silent too long; `answered` if the other side was seen at all.
    Idle { now_ns: i64, answered: bool },
}

/// What flows of one shard share.
pub(crate) struct Shared<'a> {
    pub(crate) out: &'a mut Emit,
    /// Bytes waiting for reassembly, and kept by protocols, in all flows of the shard.
    pub(crate) waiting_bytes: &'a mut usize,
    pub(crate) max_waiting_bytes: usize,
    /// Conversations whose protocol was given up for lack of room.
    pub(crate) given_up: &'a mut u64,
}

/// A TCP segment on its way to its flow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) seen: Seen,
    pub(crate) from_client: bool,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    pub(crate) payload: &'a [u8],
    pub(crate) wire_len: u32,
}

/// One direction.
#[derive(Default)]
struct Half {
    next: u32,
    started: bool,
    window_was_zero: bool,
    fin: bool,
    /// Segments in a row whose number is noise, or the stream elsewhere; up to four.
    far_off: u8,
    queue: Queue,
    bytes: u64,
    packets: u64,
    retransmits: u32,
    zero_window: u32,
    gap_bytes: u64,
}

/// One connection.
///
/// In this order in memory: what every segment needs comes first and fills four cache lines of seven. Thousands of
/// connections are open, so that a segment mostly finds its own outside the nearer caches.
#[repr(C)]
pub(crate) struct Flow {
    pub(crate) key: FlowKey,
    app: App,
    /// Bytes the protocol keeps, as counted in the shard's total.
    held: usize,
    halves: [Half; 2],
    pub(crate) last_ns: i64,
    last_data_ns: Option<i64>,
    established: bool,
    refused: bool,
    syn_ack: bool,
    ended: bool,
    syns: u32,
    isn: Option<u32>,
    closed: Option<Closed>,
    pub(crate) info: FlowInfo,
    first: Seen,
    last_syn_ns: i64,
    rtt_us: Option<i64>,
    /// Boxed, because hardly any connection has one.
    icmp: Option<Box<Text>>,
}

#[derive(Debug, Clone, Copy)]
struct Closed {
    by_client: bool,
    reset: bool,
    idle_ms: i64,
    ts_ns: i64,
}

impl Flow {
    pub(crate) fn new(key: FlowKey, info: FlowInfo, first: Seen) -> Self {
        Self {
            key,
            app: App::default(),
            held: 0,
            halves: [Half::default(), Half::default()],
            last_ns: first.ts_ns,
            last_data_ns: None,
            established: false,
            refused: false,
            syn_ack: false,
            ended: false,
            syns: 0,
            isn: None,
            closed: None,
            info,
            first,
            last_syn_ns: first.ts_ns,
            rtt_us: None,
            icmp: None,
        }
    }

    /// Reads a word of each part that the next segment will need: the processor then fetches all of them at a time,
    /// and those of other connections too.
    pub(crate) fn touch(&self) {
        let [client, server] = &self.halves;
        let words = client.next ^ server.next ^ u32::from(self.info.client.1) ^ self.held as u32;
        std::hint::black_box(words);
    }

    /// The same for the parts that are only needed at its end.
    pub(crate) fn touch_all(&self) {
        self.touch();
        let words = self.first.record ^ self.last_syn_ns as u64 ^ u64::from(self.info.server.1);
        std::hint::black_box(words);
    }

    /// True if this segment opens another connection between the same ports.
    pub(crate) fn is_reuse(&self, arrival: &Arrival<'_>) -> bool {
        if arrival.flags & (SYN | ACK) != SYN {
            return false;
        }
        let same = self.isn == Some(arrival.seq);
        if same && self.closed.is_none() {
            return false;
        }
        if self.refused {
            return arrival.seen.ts_ns - self.last_ns > RETRY_NS;
        }
        // A SYN with another number while the first one is unanswered is a new attempt too.
        !same
            && (self.closed.is_some()
                || self.established
                || self.isn.is_some()
                || self.halves.iter().any(|h| h.started))
    }

    /// True once nothing more than stragglers can come.
    pub(crate) fn is_over(&self) -> bool {
        self.closed.is_some_and(|c| c.reset) || self.refused || self.halves.iter().all(|h| h.fin)
    }

    /// True while no answer to the SYN was seen.
    pub(crate) fn is_half_open(&self) -> bool {
        !self.established
    }

    pub(crate) fn segment(&mut self, shared: &mut Shared<'_>, arrival: &Arrival<'_>) {
        let seen = arrival.seen;
        if let Some(half) = self.halves.get_mut(usize::from(!arrival.from_client)) {
            half.packets += 1;
            half.window(arrival);
        }
        if arrival.flags & SYN != 0 {
            self.syn(arrival);
        } else if arrival.from_client && arrival.flags & (ACK | RST) == ACK {
            // An ACK or data from the client: the handshake is done, even if its answer was not captured.
            self.established |= self.isn.is_some() && (self.syn_ack || arrival.wire_len > 0);
        }
        if arrival.flags & RST != 0 {
            self.reset(shared, arrival);
            self.last_ns = seen.ts_ns;
            return;
        }
        self.payload(shared, arrival);
        self.skip_acknowledged_gap(shared, arrival);
        if arrival.flags & FIN != 0 {
            self.fin(shared, arrival);
        }
        self.last_ns = self.last_ns.max(seen.ts_ns);
        self.account(shared, seen.ts_ns);
    }

    /// Counts what the protocol keeps; over the ceiling, the conversation that asks for more is given up.
    fn account(&mut self, shared: &mut Shared<'_>, now_ns: i64) {
        if self.held == 0 && self.app.is_done() {
            return;
        }
        let held = self.app.held();
        *shared.waiting_bytes = (*shared.waiting_bytes + held).saturating_sub(self.held);
        self.held = held;
        if held > 0 && *shared.waiting_bytes > shared.max_waiting_bytes {
            self.end_app(
                shared,
                End::Idle {
                    now_ns,
                    answered: false,
                },
            );
            *shared.waiting_bytes = shared.waiting_bytes.saturating_sub(held);
            self.held = 0;
            *shared.given_up += 1;
        }
    }

    #[inline(never)]
    fn syn(&mut self, arrival: &Arrival<'_>) {
        let half = &mut self.halves[usize::from(!arrival.from_client)];
        if !half.started {
            half.started = true;
            half.next = arrival.seq.wrapping_add(1);
        }
        if arrival.flags & ACK == 0 {
            if !self.established {
                self.syns += 1;
                self.refused = false;
                self.closed = None;
                half.next = arrival.seq.wrapping_add(1);
                self.isn = Some(arrival.seq);
            }
            self.last_syn_ns = arrival.seen.ts_ns;
            self.info.after = "syn";
        } else if !self.syn_ack {
            self.syn_ack = true;
            self.established = true;
            self.info.after = "handshake";
            if self.isn.is_some() {
                self.rtt_us = Some((arrival.seen.ts_ns - self.last_syn_ns) / 1000);
            }
        }
    }

    fn idle_ms(&self, now_ns: i64) -> i64 {
        (now_ns - self.last_data_ns.unwrap_or(self.last_ns)) / 1_000_000
    }

    #[inline(never)]
    fn reset(&mut self, shared: &mut Shared<'_>, arrival: &Arrival<'_>) {
        let by_client = arrival.from_client;
        if !self.established && self.isn.is_some() && !by_client {
            self.refused = true;
        }
        if self.closed.is_some_and(|c| c.reset) {
            return;
        }
        let idle_ms = self.idle_ms(arrival.seen.ts_ns);
        let orderly = self.halves.iter().all(|h| h.fin);
        if !orderly {
            self.flush(shared);
            self.closed = Some(Closed {
                by_client,
                reset: true,
                idle_ms,
                ts_ns: arrival.seen.ts_ns,
            });
            self.close_row(shared, "tcp.reset", arrival.seen, by_client, idle_ms);
            self.end_app(
                shared,
                End::Reset {
                    by_client,
                    now_ns: arrival.seen.ts_ns,
                },
            );
        }
    }

    #[inline(never)]
    fn fin(&mut self, shared: &mut Shared<'_>, arrival: &Arrival<'_>) {
        let by_client = arrival.from_client;
        let half = &mut self.halves[usize::from(!by_client)];
        if half.fin {
            return;
        }
        half.fin = true;
        let whole = half.queue.is_empty();
        if self.closed.is_none() {
            let idle_ms = self.idle_ms(arrival.seen.ts_ns);
            self.closed = Some(Closed {
                by_client,
                reset: false,
                idle_ms,
                ts_ns: arrival.seen.ts_ns,
            });
            self.close_row(shared, "tcp.close", arrival.seen, by_client, idle_ms);
        }
        let first_by_client = self.closed.is_some_and(|c| c.by_client);
        if (!by_client && whole) || self.halves.iter().all(|h| h.fin && h.queue.is_empty()) {
            self.end_app(
                shared,
                End::Closed {
                    by_client: first_by_client,
                    now_ns: arrival.seen.ts_ns,
                },
            );
        }
    }

    #[inline(never)]
    fn end_app(&mut self, shared: &mut Shared<'_>, end: End) {
        if !self.ended {
            self.ended = true;
            self.app.end(shared, &mut self.info, end);
            self.app = App::Done;
        }
    }

    /// Somebody reported that a packet of this connection could not be delivered.
    pub(crate) fn unreachable(&mut self, name: &Text) {
        if !self.established {
            self.icmp = Some(Box::new(name.clone()));
        }
    }

    /// Writes what is still open; the connection is forgotten afterwards.
    pub(crate) fn finish(&mut self, shared: &mut Shared<'_>, now_ns: i64) {
        self.flush(shared);
        let answered = self.halves.iter().all(|h| h.packets > 0);
        let end = match self.closed {
            Some(c) if c.reset => End::Reset {
                by_client: c.by_client,
                now_ns: c.ts_ns,
            },
            Some(c) => End::Closed {
                by_client: c.by_client,
                now_ns: c.ts_ns,
            },
            None => End::Idle { now_ns, answered },
        };
        self.end_app(shared, end);
        for half in &mut self.halves {
            half.queue.clear(shared);
        }
        *shared.waiting_bytes = shared.waiting_bytes.saturating_sub(self.held);
        self.connect_row(shared, now_ns);
    }
}

impl Half {
    fn window(&mut self, arrival: &Arrival<'_>) {
        if arrival.flags & (SYN | RST | FIN) != 0 {
            return;
        }
        let zero = arrival.window == 0;
        if zero && !self.window_was_zero {
            self.zero_window += 1;
        }
        self.window_was_zero = zero;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stay_small() {
        assert!(size_of::<Flow>() <= 448);
        assert!(std::mem::offset_of!(Flow, closed) <= 256);
    }
}
