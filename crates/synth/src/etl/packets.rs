//! Packets of `netsh trace` (NDIS packet capture) and the network interfaces merging adds.

use super::container::Etl;
use crate::bytes::Bytes;
use crate::event::{Event, Provider, Value};
use crate::moment::Moment;
use crate::net::{Frame, Host, Wire};

/// The capture provider.
pub const NDIS_PACKET_CAPTURE: Provider = Provider {
    name: "Microsoft-Windows-NDIS-PacketCapture",
    guid: "2ed6006e-4729-4609-b423-3ee7bcd678ef",
    channel: "Microsoft-Windows-NDIS-PacketCapture/Diagnostic",
};

const ETHERNET: u64 = 0x1;
const START: u64 = 0x4000_0000;
const END: u64 = 0x8000_0000;
const SEND: u64 = 0x1_0000_0000;
const RECEIVE: u64 = 0x2_0000_0000;
const PACKET: u64 = 0x8000_0400_0000_0000;

/// A network interface of the recording machine.
#[derive(Debug, Clone)]
pub struct Interface {
    /// Index, as packet events name it.
    pub index: u32,
    /// Alias, such as `Ethernet`.
    pub alias: String,
    /// Adapter description.
    pub description: String,
    /// IANA type: 6 Ethernet, 71 Wi-Fi.
    pub kind: u16,
    /// Hardware address owner.
    pub host: Host,
}

fn fragment(frame: &Frame, part: &[u8], index: u32, edge: u64, modern: bool) -> Event {
    let direction = if frame.outbound { SEND } else { RECEIVE };
    let mut event = Event::new(NDIS_PACKET_CAPTURE, 1001, frame.at)
        .process(frame.pid, frame.pid.saturating_add(4))
        .keywords(PACKET | ETHERNET | edge | direction)
        .field("MiniportIfIndex", index)
        .field("LowerIfIndex", index)
        .field("FragmentSize", part.len() as u32)
        .field("Fragment", Value::Binary(part.to_vec()));
    if modern {
        event = event
            .field("GftFlowEntryId", Value::U64(0))
            .field("GftOffloadInformation", Value::U64(0));
    }
    event
}

impl Etl {
    /// Adds the wire's frames as whole packets of one interface, spread over the processors.
    pub fn packets(&mut self, wire: &Wire, interface: u32) -> &mut Self {
        for (n, frame) in wire.sorted().iter().enumerate() {
            let event = fragment(frame, &frame.bytes, interface, START | END, true).cpu(n as u16 % 4);
            self.event(&event);
        }
        self
    }

    /// Adds each frame as start, middle and end events of at most `size` bytes, as Windows 7 and 8 did.
    pub fn packets_in_fragments(&mut self, wire: &Wire, interface: u32, size: usize) -> &mut Self {
        for frame in wire.sorted() {
            let parts: Vec<&[u8]> = frame.bytes.chunks(size.max(1)).collect();
            for (n, part) in parts.iter().enumerate() {
                let start = if n == 0 { START } else { 0 };
                let end = if n + 1 == parts.len() { END } else { 0 };
                self.event(&fragment(&frame, part, interface, start | end, false));
            }
        }
        self
    }

    /// Adds the schema of the packet event.
    pub fn packet_schema(&mut self, at: Moment) -> &mut Self {
        let frame = Frame {
            at,
            bytes: vec![],
            wire_len: 0,
            outbound: true,
            pid: 0,
        };
        let sample = fragment(&frame, &[], 0, START | END, true);
        self.schema(&sample, at)
    }

    /// Adds a SystemConfigEx record with one MIB_IF_ROW2.
    pub fn interface(&mut self, interface: &Interface, at: Moment) -> &mut Self {
        let mut row = Bytes::new();
        let luid = u64::from(interface.kind) << 48 | u64::from(interface.index) << 24;
        row.u64(luid)
            .u32(interface.index)
            .guid(&crate::bytes::guid_for(&interface.alias));
        wide(&mut row, &interface.alias, 542);
        wide(&mut row, &interface.description, 1056);
        let mac = interface.host.mac();
        row.u32(6).raw(&mac).fill(0, 26).raw(&mac).fill(0, 26);
        row.u32(1500).u32(u32::from(interface.kind));
        let rest = 1352 - row.len();
        row.fill(0, rest);
        let payload = row.take();
        self.classic("9b79ee91-b5fd-41c0-a243-4248e266e9d0", 36, 0, at, &payload)
    }
}

/// UTF-16 text padded with zeros up to offset `end`; at least one NUL stays.
fn wide(row: &mut Bytes, text: &str, end: usize) {
    let room = (end - row.len()) / 2 - 1;
    let cut: String = text.chars().take(room).collect();
    row.utf16(&cut);
    let rest = end - row.len();
    row.fill(0, rest);
}
