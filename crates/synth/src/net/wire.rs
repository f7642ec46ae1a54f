//! The collected frames of one capture, in the order they were added.

use std::net::{IpAddr, SocketAddr};

use super::frame::{icmp_unreachable, udp_frame};
use crate::moment::Moment;

/// One captured frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// When it passed.
    pub at: Moment,
    /// The Ethernet frame.
    pub bytes: Vec<u8>,
    /// Length on the wire; larger than `bytes` after a snap length was applied.
    pub wire_len: usize,
    /// True if it left the recording machine.
    pub outbound: bool,
    /// Process in whose context it was seen (event traces only; often not the owner).
    pub pid: u32,
}

/// Frames of one capture.
#[derive(Debug, Clone, Default)]
pub struct Wire {
    /// As added; writers sort by time.
    pub frames: Vec<Frame>,
    next_id: u16,
}

impl Wire {
    /// An empty capture.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn ip_id(&mut self) -> u16 {
        self.next_id = self.next_id.wrapping_add(1);
        self.next_id
    }

    /// Adds a frame. Inbound frames are padded to the 60 bytes a network card delivers.
    pub fn push(&mut self, at: Moment, mut bytes: Vec<u8>, outbound: bool, pid: u32) {
        if !outbound && bytes.len() < 60 {
            bytes.resize(60, 0);
        }
        let wire_len = bytes.len();
        self.frames.push(Frame {
            at,
            bytes,
            wire_len,
            outbound,
            pid,
        });
    }

    /// Adds a UDP datagram; `outbound` says whose side `from` is.
    pub fn udp(
        &mut self,
        at: Moment,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
        outbound: bool,
        pid: u32,
    ) {
        let id = self.ip_id();
        self.push(at, udp_frame(from, to, id, payload), outbound, pid);
    }

    /// Adds an ICMP unreachable from `reporter` about the last frame.
    pub fn icmp_about_last(&mut self, at: Moment, reporter: IpAddr, to: IpAddr, code: u8, mtu: u16) {
        let Some(last) = self.frames.last() else { return };
        let frame = icmp_unreachable(reporter, to, code, mtu, &last.bytes);
        self.push(at, frame, false, 0);
    }

    /// The frames in time order (stable).
    pub fn sorted(&self) -> Vec<Frame> {
        let mut frames = self.frames.clone();
        frames.sort_by_key(|f| f.at);
        frames
    }

    /// Cuts every frame to `len` captured bytes, as a snap length does.
    pub fn snap(&mut self, len: usize) {
        for frame in &mut self.frames {
            frame.bytes.truncate(len);
        }
    }

    /// Shifts all times, as a wrong clock would.
    pub fn shift_ms(&mut self, ms: i64) {
        for frame in &mut self.frames {
            frame.at = frame.at.plus_ms(ms);
        }
    }
}
