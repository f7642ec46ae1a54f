//! The byte streams of a connection: in order, each byte once, holes skipped when nothing can fill them.

use super::queue::MAX_WAITING;
use super::{ACK, Arrival, Flow, MAX_JUMP, SYN, Shared};
use crate::emit::Seen;

impl Flow {
    pub(super) fn payload(&mut self, shared: &mut Shared<'_>, arrival: &Arrival<'_>) {
        let at = usize::from(!arrival.from_client);
        // A SYN occupies one number before its data.
        let seq = if arrival.flags & SYN != 0 {
            arrival.seq.wrapping_add(1)
        } else {
            arrival.seq
        };
        let half = &mut self.halves[at];
        if !half.started {
            half.started = true;
            half.next = seq;
        }
        if arrival.wire_len == 0 {
            return;
        }
        let distance = seq.wrapping_sub(half.next) as i32;
        // Keep-alive probes repeat the last byte and are no activity.
        let keep_alive = distance == -1 && arrival.wire_len == 1;
        if keep_alive {
            return;
        }
        self.last_data_ns = Some(arrival.seen.ts_ns);
        if distance.unsigned_abs() > MAX_JUMP && !self.jump(shared, arrival.from_client, seq) {
            return;
        }
        let half = &mut self.halves[at];
        half.far_off = 0;
        let distance = seq.wrapping_sub(half.next) as i32;
        if distance > 0 {
            return self.out_of_order(shared, arrival, seq, distance as u32);
        }
        let old = distance.unsigned_abs();
        if old >= arrival.wire_len {
            half.retransmits += 1;
            return;
        }
        let flipped = self.deliver(
            shared,
            arrival.from_client,
            arrival.payload,
            arrival.wire_len,
            old,
            arrival.seen,
        );
        let from_client = arrival.from_client != flipped;
        if !self.halves[usize::from(!from_client)].queue.is_empty() {
            self.drain(shared, from_client);
        }
    }

    /// Follows a stream that went on elsewhere; false while the far number may still be noise.
    #[inline(never)]
    fn jump(&mut self, shared: &mut Shared<'_>, from_client: bool, seq: u32) -> bool {
        let half = &mut self.halves[usize::from(!from_client)];
        half.far_off += 1;
        if half.far_off < 4 {
            return false;
        }
        half.queue.clear(shared);
        half.next = seq;
        self.app.gap(shared, &mut self.info, from_client, 0);
        true
    }

    /// Hands the part of a segment behind its first `old` bytes to the protocol; true if that swapped the sides.
    fn deliver(
        &mut self,
        shared: &mut Shared<'_>,
        from_client: bool,
        payload: &[u8],
        wire_len: u32,
        old: u32,
        seen: Seen,
    ) -> bool {
        let half = &mut self.halves[usize::from(!from_client)];
        let fresh = wire_len - old;
        half.next = half.next.wrapping_add(fresh);
        half.bytes += u64::from(fresh);
        let data = payload.get(old as usize..).unwrap_or_default();
        let missing = u64::from(fresh).saturating_sub(data.len() as u64);
        half.gap_bytes += missing;
        let mut flipped = false;
        if !data.is_empty() && !self.app.is_done() {
            flipped = self.app.data(shared, &mut self.info, from_client, seen, data);
            if flipped {
                self.flip();
            }
        }
        if missing > 0 && !self.app.is_done() {
            self.app
                .gap(shared, &mut self.info, from_client != flipped, missing);
        }
        flipped
    }

    /// The sides were guessed wrong; the protocol has put the addresses right already.
    fn flip(&mut self) {
        self.halves.swap(0, 1);
        if let Some(closed) = &mut self.closed {
            closed.by_client = !closed.by_client;
        }
    }

    #[inline(never)]
    fn out_of_order(&mut self, shared: &mut Shared<'_>, arrival: &Arrival<'_>, seq: u32, distance: u32) {
        let half = &mut self.halves[usize::from(!arrival.from_client)];
        if self.app.is_done() {
            // Nobody wants the bytes; the hole is counted and the stream goes on behind it.
            half.gap_bytes += u64::from(distance);
            half.bytes += u64::from(arrival.wire_len);
            half.next = seq.wrapping_add(arrival.wire_len);
            return;
        }
        if half
            .queue
            .iter()
            .any(|w| w.seq == seq && w.wire_len >= arrival.wire_len)
        {
            half.retransmits += 1;
            return;
        }
        let end = u64::from(distance) + u64::from(arrival.wire_len);
        let unread = self.app.skips(arrival.from_client, end);
        half.queue.push(seq, arrival, unread, shared);
        if half.queue.is_full() || *shared.waiting_bytes > shared.max_waiting_bytes {
            self.skip_gap(shared, arrival.from_client);
        }
    }

    /// Delivers waiting segments that are next in line.
    fn drain(&mut self, shared: &mut Shared<'_>, mut from_client: bool) {
        loop {
            let half = &mut self.halves[usize::from(!from_client)];
            let next = half.next;
            let Some(waiting) = half.queue.take(next, shared) else {
                return;
            };
            let old = next.wrapping_sub(waiting.seq);
            if old < waiting.wire_len {
                from_client ^= self.deliver(
                    shared,
                    from_client,
                    waiting.data(),
                    waiting.wire_len,
                    old,
                    waiting.seen,
                );
            }
            waiting.give_back(&mut shared.out.memo);
        }
    }

    /// Jumps over the hole in front of the first waiting segment.
    #[inline(never)]
    fn skip_gap(&mut self, shared: &mut Shared<'_>, from_client: bool) {
        let half = &mut self.halves[usize::from(!from_client)];
        let next = half.next;
        let Some(hole) = half.queue.iter().map(|w| w.seq.wrapping_sub(next)).min() else {
            return;
        };
        half.gap_bytes += u64::from(hole);
        half.next = next.wrapping_add(hole);
        self.app.gap(shared, &mut self.info, from_client, u64::from(hole));
        self.drain(shared, from_client);
    }

    /// The other side acknowledged bytes that were never captured: no retransmission will bring them.
    pub(super) fn skip_acknowledged_gap(&mut self, shared: &mut Shared<'_>, arrival: &Arrival<'_>) {
        if arrival.flags & ACK == 0 {
            return;
        }
        let sender = usize::from(arrival.from_client);
        let half = &self.halves[sender];
        let Some(first) = half.queue.first() else { return };
        let acked = arrival.ack.wrapping_sub(half.next) as i32 > 0;
        let waited = half.queue.len() >= 4 || arrival.seen.ts_ns - first.seen.ts_ns > 1_000_000_000;
        if acked && waited {
            self.skip_gap(shared, !arrival.from_client);
        }
    }

    /// Delivers everything that waits, gaps or not.
    pub(super) fn flush(&mut self, shared: &mut Shared<'_>) {
        for from_client in [true, false] {
            for _ in 0..=MAX_WAITING {
                if self.halves[usize::from(!from_client)].queue.is_empty() {
                    break;
                }
                self.skip_gap(shared, from_client);
            }
        }
    }
}
