//! Writes packets as pcapng.
//!
//! Source: draft-ietf-opsawg-pcapng. Nanosecond resolution, one interface block per announced interface with its name
//! and description, direction flags, comments. Byte-equal output for equal input: no times or names of this run.

use std::io::{self, Write};

use casetrace_model::{Direction, Packet, PacketSink};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
/// Option values have a 16-bit length.
const MAX_OPTION: usize = 4096;

/// A pcapng file in the making.
///
/// ```
/// use casetrace_model::{Packet, PacketSink};
///
/// let mut writer = casetrace_pcap::PcapngWriter::new(Vec::new()).unwrap();
/// writer.interface(0, 1, "Ethernet", "Intel NIC");
/// writer.packet(&Packet {
///     ts_ns: 1_700_000_000_000_000_001, record: 1, link_type: 1, data: &[0; 14], orig_len: 60, interface: 0,
///     direction: None, pid: None, comment: None,
/// });
/// let file = writer.finish().unwrap();
/// assert_eq!(casetrace_pcap::probe(&file), Some(casetrace_pcap::CaptureKind::Pcapng));
/// ```
pub struct PcapngWriter<W: Write> {
    out: W,
    /// Link type of each interface written, by the number the source gave it.
    interfaces: Vec<(u32, u16)>,
    block: Vec<u8>,
    packets: u64,
    error: Option<io::Error>,
}

impl<W: Write> PcapngWriter<W> {
    /// Starts a file.
    ///
    /// Errors: what writing the section header gives.
    pub fn new(mut out: W) -> io::Result<Self> {
        let mut body = Vec::new();
        body.extend(0x1a2b_3c4d_u32.to_le_bytes());
        body.extend([1, 0, 0, 0]);
        // The section's length is not known ahead.
        body.extend(u64::MAX.to_le_bytes());
        option(&mut body, 4, b"casetrace");
        body.extend([0; 4]);
        out.write_all(&framed(SECTION_HEADER, &body))?;
        Ok(Self {
            out,
            interfaces: Vec::new(),
            block: Vec::new(),
            packets: 0,
            error: None,
        })
    }

    /// Packets written so far.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Ends the file and gives the output back.
    ///
    /// Errors: the first error that writing a packet met, or that of the last flush.
    pub fn finish(mut self) -> io::Result<W> {
        match self.error.take() {
            Some(error) => Err(error),
            None => {
                self.out.flush()?;
                Ok(self.out)
            }
        }
    }

    fn write(&mut self, kind: u32) {
        if self.error.is_none() {
            self.error = self.out.write_all(&framed(kind, &self.block)).err();
        }
    }

    fn describe(&mut self, number: u32, link_type: u16, name: &str, description: &str) {
        self.block.clear();
        self.block.extend(link_type.to_le_bytes());
        // Reserved, and no snap length.
        self.block.extend([0; 6]);
        if !name.is_empty() {
            option(&mut self.block, 2, name.as_bytes());
        }
        if !description.is_empty() {
            option(&mut self.block, 3, description.as_bytes());
        }
        option(&mut self.block, 9, &[9]);
        self.block.extend([0; 4]);
        self.write(INTERFACE);
        self.interfaces.push((number, link_type));
    }

    /// The block number of the packet's interface; one interface may carry several link types in a trace.
    fn interface_of(&mut self, packet: &Packet<'_>) -> u32 {
        let wanted = (packet.interface, packet.link_type);
        if let Some(at) = self.interfaces.iter().position(|known| *known == wanted) {
            return at as u32;
        }
        self.describe(packet.interface, packet.link_type, "", "");
        (self.interfaces.len() - 1) as u32
    }
}

impl<W: Write> PacketSink for PcapngWriter<W> {
    fn interface(&mut self, number: u32, link_type: u16, name: &str, description: &str) {
        self.describe(number, link_type, name, description);
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        let interface = self.interface_of(packet);
        // Times before 1970 have no place in the format.
        let time = u64::try_from(packet.ts_ns).unwrap_or(0);
        self.block.clear();
        let block = &mut self.block;
        block.extend(interface.to_le_bytes());
        block.extend(((time >> 32) as u32).to_le_bytes());
        block.extend((time as u32).to_le_bytes());
        block.extend((packet.data.len() as u32).to_le_bytes());
        block.extend(packet.orig_len.max(packet.data.len() as u32).to_le_bytes());
        block.extend_from_slice(packet.data);
        pad(block);
        let before = block.len();
        if let Some(direction) = packet.direction {
            let flag: u32 = if direction == Direction::In { 1 } else { 2 };
            option(block, 2, &flag.to_le_bytes());
        }
        if let Some(comment) = packet.comment {
            option(block, 1, comment.as_bytes());
        }
        if let Some(pid) = packet
            .pid
            .filter(|_| packet.comment.is_none_or(|c| !c.contains("PID=")))
        {
            option(block, 1, format!("PID={pid}").as_bytes());
        }
        if block.len() > before {
            block.extend([0; 4]);
        }
        self.write(ENHANCED_PACKET);
        self.packets += 1;
    }
}

fn framed(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = (body.len() + 12) as u32;
    let mut out = Vec::with_capacity(body.len() + 12);
    out.extend(kind.to_le_bytes());
    out.extend(len.to_le_bytes());
    out.extend_from_slice(body);
    out.extend(len.to_le_bytes());
    out
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..MAX_OPTION).unwrap_or(value);
    out.extend(code.to_le_bytes());
    out.extend((value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
    pad(out);
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}
