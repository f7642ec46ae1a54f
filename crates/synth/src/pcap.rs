//! Capture files: classic pcap in both byte orders and precisions, and pcapng.
//!
//! Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.

use crate::net::{Frame, Wire};

/// How a classic pcap is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pcap {
    /// Nanosecond magic instead of microseconds.
    pub nanos: bool,
    /// Big-endian headers.
    pub big_endian: bool,
    /// Link type; 1 is Ethernet.
    pub link: u32,
    /// Snap length of the header; frames are written as they are.
    pub snaplen: u32,
}

impl Default for Pcap {
    fn default() -> Self {
        Self {
            nanos: false,
            big_endian: false,
            link: 1,
            snaplen: 262_144,
        }
    }
}

impl Pcap {
    fn u32(self, out: &mut Vec<u8>, value: u32) {
        out.extend_from_slice(&if self.big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        });
    }

    fn u16(self, out: &mut Vec<u8>, value: u16) {
        out.extend_from_slice(&if self.big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        });
    }

    /// The file with the wire's frames in time order.
    pub fn write(self, wire: &Wire) -> Vec<u8> {
        let mut out = Vec::new();
        self.u32(&mut out, if self.nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 });
        self.u16(&mut out, 2);
        self.u16(&mut out, 4);
        self.u32(&mut out, 0);
        self.u32(&mut out, 0);
        self.u32(&mut out, self.snaplen);
        self.u32(&mut out, self.link);
        for frame in wire.sorted() {
            self.packet(&mut out, &frame);
        }
        out
    }

    fn packet(self, out: &mut Vec<u8>, frame: &Frame) {
        let rest = frame.at.0.rem_euclid(1_000_000_000);
        self.u32(out, frame.at.unix_s() as u32);
        self.u32(out, if self.nanos { rest } else { rest / 1_000 } as u32);
        self.u32(out, frame.bytes.len() as u32);
        self.u32(out, frame.wire_len as u32);
        out.extend_from_slice(&frame.bytes);
    }
}

/// A pcapng with one interface per name; frames go to the first.
#[derive(Debug, Clone)]
pub struct PcapNg {
    interfaces: Vec<String>,
    resolution: u8,
    application: String,
}

impl Default for PcapNg {
    fn default() -> Self {
        Self {
            interfaces: vec!["Ethernet".into()],
            resolution: 9,
            application: "Dumpcap (casetrace-synth)".into(),
        }
    }
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let total = (body.len().next_multiple_of(4) + 12) as u32;
    let mut out = kind.to_le_bytes().to_vec();
    out.extend_from_slice(&total.to_le_bytes());
    out.extend_from_slice(body);
    out.resize(total as usize - 4, 0);
    out.extend_from_slice(&total.to_le_bytes());
    out
}

impl PcapNg {
    /// Names the interfaces.
    #[must_use]
    pub fn interfaces(mut self, names: &[&str]) -> Self {
        self.interfaces = names.iter().map(ToString::to_string).collect();
        self
    }

    /// Timestamp digits after the second: 6 or 9.
    #[must_use]
    pub fn resolution(mut self, digits: u8) -> Self {
        self.resolution = digits;
        self
    }

    /// The file.
    pub fn write(&self, wire: &Wire) -> Vec<u8> {
        let mut section = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
        section.extend_from_slice(&[1, 0, 0, 0]);
        section.extend_from_slice(&[0xff; 8]);
        option(&mut section, 4, self.application.as_bytes());
        option(&mut section, 0, &[]);
        let mut out = block(0x0a0d_0d0a, &section);
        for name in &self.interfaces {
            let mut body = vec![1, 0, 0, 0, 0, 0, 4, 0];
            option(&mut body, 2, name.as_bytes());
            option(&mut body, 9, &[self.resolution]);
            option(&mut body, 0, &[]);
            out.extend(block(1, &body));
        }
        for frame in wire.sorted() {
            out.extend(self.packet(&frame));
        }
        out
    }

    fn packet(&self, frame: &Frame) -> Vec<u8> {
        let ticks = frame.at.0 / 10i64.pow(9 - u32::from(self.resolution.min(9)));
        let mut body = vec![0; 4];
        body.extend_from_slice(&((ticks >> 32) as u32).to_le_bytes());
        body.extend_from_slice(&(ticks as u32).to_le_bytes());
        body.extend_from_slice(&(frame.bytes.len() as u32).to_le_bytes());
        body.extend_from_slice(&(frame.wire_len as u32).to_le_bytes());
        body.extend_from_slice(&frame.bytes);
        body.resize(body.len().next_multiple_of(4), 0);
        option(
            &mut body,
            2,
            &(if frame.outbound { 2u32 } else { 1 }).to_le_bytes(),
        );
        option(&mut body, 0, &[]);
        block(6, &body)
    }
}
