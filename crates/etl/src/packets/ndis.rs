//! NDIS capture (`netsh trace … capture=yes`) and the capture inside VPN tunnels.
//!
//! Source: etl-format §7. A packet is one event on newer Windows and several fragments on older; the same packet may be
//! traced once for every filter layer it passes; a metadata event precedes a frame received by radio.

use std::collections::{BTreeMap, HashMap};

use casetrace_model::Direction;

use super::frame::{clear_protected, is_protected, original_len};
use super::recent::RecentFrames;
use super::{Frame, InterfaceKey, Output, link};
use crate::bytes::{Cursor, u8_at, u32_at, utf16};
use crate::container::record::Event;
use crate::survey::PacketCounts;

mod keyword {
    pub(super) const WWAN: u64 = 0x200;
    pub(super) const WIFI: u64 = 0x1_0000;
    pub(super) const TRUNCATED: u64 = 0x200_0000;
    pub(super) const START: u64 = 0x4000_0000;
    pub(super) const END: u64 = 0x8000_0000;
    pub(super) const SEND: u64 = 0x1_0000_0000;
    pub(super) const RECEIVE: u64 = 0x2_0000_0000;
}

/// A packet is at most one IP datagram or one offloaded segment train.
const MAX_PACKET: usize = 1 << 20;
/// Packets that are collected at a time; one per processor, layer and direction in real files.
const MAX_OPEN: usize = 4096;

/// Places a frame can be seen at when both were traced.
const AT_MINIPORT: u32 = 1;
const AT_SWITCH: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct OpenKey {
    processor: u16,
    miniport: u32,
    lower: u32,
    sent: bool,
}

#[derive(Debug)]
struct OpenPacket {
    ts_ns: i64,
    ordinal: u64,
    pid: Option<u32>,
    tid: Option<u32>,
    link: u16,
    direction: Option<Direction>,
    truncated: bool,
    data: Vec<u8>,
    remark: String,
}

/// State of the capture between events.
#[derive(Debug)]
pub(super) struct NdisCapture {
    /// The one filter layer that is shown of each miniport.
    layer: BTreeMap<u32, u32>,
    open: BTreeMap<OpenKey, OpenPacket>,
    radio: HashMap<(u16, u32), String>,
    recent: RecentFrames,
    both_kinds: bool,
    scratch: Vec<u8>,
    pub(super) copies: u64,
    pub(super) torn_fragments: u64,
}

struct Fragment<'a> {
    miniport: u32,
    lower: u32,
    bytes: &'a [u8],
    whole: bool,
}

impl NdisCapture {
    pub(super) fn new(counts: &PacketCounts) -> Self {
        Self {
            layer: layers(&counts.ndis_layers),
            open: BTreeMap::new(),
            radio: HashMap::new(),
            recent: RecentFrames::default(),
            both_kinds: counts.ndis > counts.ndis_switch && counts.ndis_switch > 0,
            scratch: Vec::new(),
            copies: 0,
            torn_fragments: 0,
        }
    }

    pub(super) fn event(&mut self, event: &Event<'_>, ts_ns: i64, out: &mut Output<'_>) {
        match event.id() {
            1001 => self.fragment(event, ts_ns, out),
            1002 => self.radio_metadata(event),
            1003 => self.switch_fragment(event, ts_ns, out),
            _ => {}
        }
    }

    fn fragment(&mut self, event: &Event<'_>, ts_ns: i64, out: &mut Output<'_>) {
        let Some(fragment) = read_fragment(event.payload()) else {
            return;
        };
        if self
            .layer
            .get(&fragment.miniport)
            .is_some_and(|kept| *kept != fragment.lower)
        {
            self.copies += u64::from(event.keywords() & keyword::START != 0);
            return;
        }
        let link = link_of(event.keywords());
        let key = InterfaceKey::Ndis {
            miniport: fragment.miniport,
            lower: fragment.lower,
            link,
        };
        self.join(event, ts_ns, &fragment, key, out);
    }

    /// Frames of a virtual switch; their copies at the miniport are the same packets.
    fn switch_fragment(&mut self, event: &Event<'_>, ts_ns: i64, out: &mut Output<'_>) {
        let Some((fragment, key)) = read_switch_fragment(event.payload()) else {
            return;
        };
        if self.both_kinds && self.recent.is_copy(AT_SWITCH, ts_ns, None, fragment.bytes) {
            self.copies += 1;
            return;
        }
        self.join(event, ts_ns, &fragment, key, out);
    }

    fn join(
        &mut self,
        event: &Event<'_>,
        ts_ns: i64,
        fragment: &Fragment<'_>,
        key: InterfaceKey,
        out: &mut Output<'_>,
    ) {
        let keywords = event.keywords();
        let direction = direction_of(keywords);
        let truncated = keywords & keyword::TRUNCATED != 0 || !fragment.whole;
        let place = OpenKey {
            processor: event.processor,
            miniport: fragment.miniport,
            lower: fragment.lower,
            sent: direction == Some(Direction::Out),
        };
        match (keywords & keyword::START != 0, keywords & keyword::END != 0) {
            (true, true) => {
                let remark = self.take_remark(event.processor, fragment.miniport);
                let packet = Single {
                    ts_ns,
                    ordinal: event.ordinal,
                    direction,
                    truncated,
                };
                self.single(event, packet, fragment.bytes, key, &remark, out);
            }
            (true, false) => {
                let packet = OpenPacket {
                    ts_ns,
                    ordinal: event.ordinal,
                    pid: event.pid(),
                    tid: event.tid(),
                    link: key.link(),
                    direction,
                    truncated,
                    data: fragment.bytes.to_vec(),
                    remark: self.take_remark(event.processor, fragment.miniport),
                };
                self.begin(place, packet);
            }
            (false, end) => {
                if let Some(packet) = self.go_on(place, fragment.bytes, truncated, end) {
                    self.note_for_switch(packet.ts_ns, &packet.data);
                    deliver(packet, key, out);
                }
            }
        }
    }

    /// Opens a packet; one that was open at the same place lost its end.
    fn begin(&mut self, place: OpenKey, packet: OpenPacket) {
        let room = self.open.len() < MAX_OPEN || self.open.contains_key(&place);
        if !room || self.open.insert(place, packet).is_some() {
            self.torn_fragments += 1;
        }
    }

    /// Appends to an open packet; the packet if this was its end.
    fn go_on(&mut self, place: OpenKey, bytes: &[u8], truncated: bool, end: bool) -> Option<OpenPacket> {
        let Some(packet) = self.open.get_mut(&place) else {
            self.torn_fragments += 1;
            return None;
        };
        packet.truncated |= truncated;
        if packet.data.len() + bytes.len() <= MAX_PACKET {
            packet.data.extend_from_slice(bytes);
        } else {
            packet.truncated = true;
        }
        if end { self.open.remove(&place) } else { None }
    }

    fn single(
        &mut self,
        event: &Event<'_>,
        packet: Single,
        bytes: &[u8],
        key: InterfaceKey,
        remark: &str,
        out: &mut Output<'_>,
    ) {
        self.note_for_switch(packet.ts_ns, bytes);
        let link = key.link();
        let data = if link == link::WIFI && is_protected(bytes) {
            self.scratch.clear();
            self.scratch.extend_from_slice(bytes);
            clear_protected(&mut self.scratch);
            self.scratch.as_slice()
        } else {
            bytes
        };
        let orig_len = if packet.truncated {
            original_len(link, data)
        } else {
            data.len()
        };
        out.frame(&Frame {
            key,
            ts_ns: packet.ts_ns,
            ordinal: packet.ordinal,
            data,
            orig_len,
            direction: packet.direction,
            pid: event.pid(),
            tid: event.tid(),
            remark,
        });
    }

    fn note_for_switch(&mut self, ts_ns: i64, bytes: &[u8]) {
        if self.both_kinds {
            self.recent.is_copy(AT_MINIPORT, ts_ns, None, bytes);
        }
    }

    /// DOT11_EXTSTA_RECV_CONTEXT of the next frame of the same processor and interface.
    fn radio_metadata(&mut self, event: &Event<'_>) {
        let payload = event.payload();
        let metadata = payload.get(12..).unwrap_or_default();
        if metadata.len() < 25 || self.radio.len() >= MAX_OPEN {
            return;
        }
        let (mhz, rssi, rate) = (
            u32_at(metadata, 12),
            u32_at(metadata, 20) as i32,
            u8_at(metadata, 24),
        );
        let text = format!("{mhz} MHz, {rssi} dBm, {}.{} Mb/s", rate / 2, rate % 2 * 5);
        self.radio.insert((event.processor, u32_at(payload, 0)), text);
    }

    fn take_remark(&mut self, processor: u16, miniport: u32) -> String {
        if self.radio.is_empty() {
            String::new()
        } else {
            self.radio.remove(&(processor, miniport)).unwrap_or_default()
        }
    }

    /// Clear-text frames of a VPN connection (events 5001 sent, 5002 received).
    pub(super) fn tunnel(&mut self, event: &Event<'_>, ts_ns: i64, out: &mut Output<'_>) {
        let direction = match event.id() {
            5001 => Direction::Out,
            5002 => Direction::In,
            _ => return,
        };
        let mut cursor = Cursor::new(event.payload());
        let Some(_routing_domain) = cursor.take(16) else {
            return;
        };
        let user = utf16(cursor.utf16_nul());
        let Some(size) = cursor.u32() else { return };
        let data = cursor.take_up_to(size as usize);
        out.frame(&Frame {
            key: InterfaceKey::Ras { user },
            ts_ns,
            ordinal: event.ordinal,
            data,
            orig_len: size as usize,
            direction: Some(direction),
            pid: event.pid(),
            tid: event.tid(),
            remark: "",
        });
    }

    /// A packet whose end never came is shown as far as it goes.
    pub(super) fn finish(&mut self, out: &mut Output<'_>) {
        for (key, mut packet) in std::mem::take(&mut self.open) {
            packet.truncated = true;
            self.torn_fragments += 1;
            let interface = InterfaceKey::Ndis {
                miniport: key.miniport,
                lower: key.lower,
                link: packet.link,
            };
            deliver(packet, interface, out);
        }
    }
}

#[derive(Clone, Copy)]
struct Single {
    ts_ns: i64,
    ordinal: u64,
    direction: Option<Direction>,
    truncated: bool,
}

fn deliver(mut packet: OpenPacket, key: InterfaceKey, out: &mut Output<'_>) {
    if packet.link == link::WIFI {
        clear_protected(&mut packet.data);
    }
    let orig_len = if packet.truncated {
        original_len(packet.link, &packet.data)
    } else {
        packet.data.len()
    };
    out.frame(&Frame {
        key,
        ts_ns: packet.ts_ns,
        ordinal: packet.ordinal,
        data: &packet.data,
        orig_len,
        direction: packet.direction,
        pid: packet.pid,
        tid: packet.tid,
        remark: &packet.remark,
    });
}

fn link_of(keywords: u64) -> u16 {
    if keywords & keyword::WIFI != 0 {
        link::WIFI
    } else if keywords & keyword::WWAN != 0 {
        link::RAW_IP
    } else {
        link::ETHERNET
    }
}

fn direction_of(keywords: u64) -> Option<Direction> {
    if keywords & keyword::SEND != 0 {
        Some(Direction::Out)
    } else if keywords & keyword::RECEIVE != 0 {
        Some(Direction::In)
    } else {
        None
    }
}

/// The bytes are followed by flow offload data on newer Windows, so only FragmentSize tells where they end.
fn read_fragment(payload: &[u8]) -> Option<Fragment<'_>> {
    let mut cursor = Cursor::new(payload);
    let (miniport, lower, size) = (cursor.u32()?, cursor.u32()?, cursor.u32()? as usize);
    let bytes = cursor.take_up_to(size);
    Some(Fragment {
        miniport,
        lower,
        bytes,
        whole: bytes.len() == size,
    })
}

fn read_switch_fragment(payload: &[u8]) -> Option<(Fragment<'_>, InterfaceKey)> {
    let mut cursor = Cursor::new(payload);
    let (miniport, lower, _port_id) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
    let port = utf16(cursor.utf16_nul());
    let nic = utf16(cursor.utf16_nul());
    let _nic_type = cursor.utf16_nul();
    let destinations = cursor.u32()? as usize;
    cursor.take(destinations.checked_mul(8)?)?;
    let size = cursor.u32()? as usize;
    let bytes = cursor.take_up_to(size);
    Some((
        Fragment {
            miniport,
            lower,
            bytes,
            whole: bytes.len() == size,
        },
        InterfaceKey::Switch { port, nic },
    ))
}

/// One layer per miniport: the miniport itself where it was traced, else the busiest layer.
fn layers(seen: &BTreeMap<(u32, u32), u64>) -> BTreeMap<u32, u32> {
    let mut best: BTreeMap<u32, (bool, u64, u32)> = BTreeMap::new();
    for ((miniport, lower), n) in seen {
        let candidate = (miniport == lower, *n, *lower);
        let entry = best.entry(*miniport).or_insert(candidate);
        *entry = (*entry).max(candidate);
    }
    best.into_iter()
        .map(|(miniport, (_, _, lower))| (miniport, lower))
        .collect()
}

/// The pair that tells the layer of an event 1001, for counting.
pub(crate) fn layer_of(payload: &[u8]) -> (u32, u32) {
    (u32_at(payload, 0), u32_at(payload, 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_miniport_wins_over_busier_layers() {
        let seen = BTreeMap::from([((8, 8), 1), ((8, 12), 50), ((9, 20), 1), ((9, 21), 2)]);
        assert_eq!(layers(&seen), BTreeMap::from([(8, 8), (9, 21)]));
    }
}
