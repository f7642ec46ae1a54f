//! One TCP connection told step by step.

use std::net::SocketAddr;

use super::frame::{TcpSegment, tcp_frame};
use super::wire::Wire;
use crate::bytes::noise;
use crate::moment::Moment;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// MSS 1460, window scale 8, SACK permitted: what Windows offers.
const SYN_OPTIONS: [u8; 12] = [2, 4, 0x05, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2];

/// A connection from the recording machine to a server. Each step advances the clock by about one network
/// delay; [`Tcp::wait_ms`] adds more.
#[derive(Debug)]
pub struct Tcp<'w> {
    wire: &'w mut Wire,
    client: SocketAddr,
    server: SocketAddr,
    client_seq: u32,
    server_seq: u32,
    now: Moment,
    delay_us: i64,
    mss: usize,
    pid: u32,
}

impl<'w> Tcp<'w> {
    /// Nothing is sent yet.
    pub fn new(wire: &'w mut Wire, at: Moment, client: SocketAddr, server: SocketAddr) -> Self {
        let n = noise(&format!("{client}>{server}@{}", at.0), 8);
        let client_seq = u32::from_le_bytes([n[0], n[1], n[2], n[3]]);
        let server_seq = u32::from_le_bytes([n[4], n[5], n[6], n[7]]);
        Self {
            wire,
            client,
            server,
            client_seq,
            server_seq,
            now: at,
            delay_us: 9_000,
            mss: 1460,
            pid: 4,
        }
    }

    /// Process id written beside the client's frames.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = pid;
        self
    }

    /// One-way delay.
    #[must_use]
    pub fn delay_us(mut self, us: i64) -> Self {
        self.delay_us = us;
        self
    }

    /// Largest payload of one segment.
    #[must_use]
    pub fn mss(mut self, mss: usize) -> Self {
        self.mss = mss;
        self
    }

    /// The time after the last step.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Lets time pass.
    pub fn wait_ms(&mut self, ms: i64) -> &mut Self {
        self.now = self.now.plus_ms(ms);
        self
    }

    fn emit(&mut self, from_client: bool, flags: u8, payload: Vec<u8>, options: &[u8]) {
        let (src, dst) = if from_client {
            (self.client, self.server)
        } else {
            (self.server, self.client)
        };
        let (seq, other) = if from_client {
            (self.client_seq, self.server_seq)
        } else {
            (self.server_seq, self.client_seq)
        };
        let consumed = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        let ack = if flags & ACK == 0 { 0 } else { other };
        let window = if flags & SYN == 0 { 1026 } else { 64240 };
        let segment = TcpSegment {
            seq,
            ack,
            flags,
            window,
            options: options.to_vec(),
            payload,
        };
        let id = self.wire.ip_id();
        let frame = tcp_frame(src, dst, id, &segment);
        self.wire.push(
            self.now,
            frame,
            from_client,
            if from_client { self.pid } else { 0 },
        );
        if flags & RST == 0 {
            let side = if from_client {
                &mut self.client_seq
            } else {
                &mut self.server_seq
            };
            *side = side.wrapping_add(consumed);
        }
    }

    fn step(&mut self) {
        self.now = self.now.plus_us(self.delay_us);
    }

    /// SYN, SYN-ACK, ACK.
    pub fn handshake(&mut self) -> &mut Self {
        self.emit(true, SYN, vec![], &SYN_OPTIONS);
        self.now = self.now.plus_us(self.delay_us * 2);
        self.emit(false, SYN | ACK, vec![], &SYN_OPTIONS);
        self.now = self.now.plus_us(60);
        self.emit(true, ACK, vec![], &[]);
        self.now = self.now.plus_us(200);
        self
    }

    /// SYN and its repeats after 1, 2, 4… seconds that nobody answers. A handshake may follow: it repeats the SYN
    /// once more.
    pub fn unanswered(&mut self, syns: u32) -> &mut Self {
        let first = self.client_seq;
        for round in 0..syns {
            self.client_seq = first;
            self.emit(true, SYN, vec![], &SYN_OPTIONS);
            self.wait_ms(1_000 << round.min(6));
        }
        self.client_seq = first;
        self
    }

    /// SYN answered by RST, `times` times half a second apart, as Windows tries.
    pub fn refused(&mut self, times: u32) -> &mut Self {
        let first = self.client_seq;
        for _ in 0..times {
            self.client_seq = first;
            self.emit(true, SYN, vec![], &SYN_OPTIONS);
            self.step();
            self.server_seq = 0;
            self.emit(false, RST | ACK, vec![], &[]);
            self.wait_ms(500);
        }
        self
    }

    fn data(&mut self, from_client: bool, bytes: &[u8]) {
        let last = bytes.chunks(self.mss).count().saturating_sub(1);
        for (index, chunk) in bytes.chunks(self.mss).enumerate() {
            let flags = if index == last { ACK | PSH } else { ACK };
            self.emit(from_client, flags, chunk.to_vec(), &[]);
            self.now = self.now.plus_us(30);
        }
        self.step();
        self.emit(!from_client, ACK, vec![], &[]);
        self.now = self.now.plus_us(150);
    }

    /// The client sends bytes, cut at the MSS, and the server acknowledges.
    pub fn client(&mut self, bytes: &[u8]) -> &mut Self {
        self.data(true, bytes);
        self
    }

    /// The server sends bytes, cut at the MSS, and the client acknowledges.
    pub fn server(&mut self, bytes: &[u8]) -> &mut Self {
        self.step();
        self.data(false, bytes);
        self
    }

    /// The client sends bytes and repeats them `times` times without any acknowledgement.
    pub fn client_lost(&mut self, bytes: &[u8], times: u32) -> &mut Self {
        let first = self.client_seq;
        for round in 0..=times {
            self.client_seq = first;
            for chunk in bytes.chunks(self.mss) {
                self.emit(true, ACK | PSH, chunk.to_vec(), &[]);
            }
            self.wait_ms(300 << round.min(6));
        }
        self
    }

    /// The client repeats its last `bytes` once although they arrived (a spurious retransmission).
    pub fn client_repeat(&mut self, bytes: &[u8]) -> &mut Self {
        self.client_seq = self.client_seq.wrapping_sub(bytes.len() as u32);
        self.data(true, bytes);
        self
    }

    /// Skips bytes of the server's stream, as if the capture had dropped them.
    pub fn gap_from_server(&mut self, bytes: usize) -> &mut Self {
        self.server_seq = self.server_seq.wrapping_add(bytes as u32);
        self
    }

    /// The server resets.
    pub fn server_rst(&mut self) -> &mut Self {
        self.step();
        self.emit(false, RST | ACK, vec![], &[]);
        self
    }

    /// The client resets.
    pub fn client_rst(&mut self) -> &mut Self {
        self.emit(true, RST | ACK, vec![], &[]);
        self
    }

    /// The client closes and the server follows.
    pub fn client_close(&mut self) -> &mut Self {
        self.close(true);
        self
    }

    /// The server closes and the client follows.
    pub fn server_close(&mut self) -> &mut Self {
        self.close(false);
        self
    }

    fn close(&mut self, client_first: bool) {
        self.emit(client_first, FIN | ACK, vec![], &[]);
        self.step();
        self.emit(!client_first, FIN | ACK, vec![], &[]);
        self.step();
        self.emit(client_first, ACK, vec![], &[]);
    }

    /// A keep-alive probe of the client and its answer.
    pub fn keep_alive(&mut self) -> &mut Self {
        self.client_seq = self.client_seq.wrapping_sub(1);
        self.emit(true, ACK, vec![], &[]);
        self.client_seq = self.client_seq.wrapping_add(1);
        self.step();
        self.emit(false, ACK, vec![], &[]);
        self
    }
}
