//! Packet Monitor: packets seen at every component of the network stack they pass.
//!
//! Source: etl-format §8. Newer builds no longer number the copies of a packet, so one component is chosen instead: the
//! miniport, at its lower edge, which is what a capture on the wire would show.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use casetrace_model::Direction;

use super::frame::{clear_protected, is_protected};
use super::interfaces::InterfaceTable;
use super::recent::RecentFrames;
use super::{Frame, InterfaceKey, Output, link};
use crate::bytes::{Cursor, u16_at, u32_at, utf16};
use crate::container::record::Event;
use crate::survey::{Kept, KeptKind, PacketCounts};

const MINIPORT: u16 = 2;
const NETCX: u16 = 14;
const LOWER_EDGE: u16 = 1;
const EVENT_DROP: u16 = 170;
const MAX_GROUPS: usize = 1 << 20;

/// A part of the network stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Component {
    /// 2 miniport, 3 filter, 4 protocol, 11 TCP/IP, 14 NetCx, …
    pub(crate) kind: u16,
    /// Driver file.
    pub(crate) name: String,
    /// What it is.
    pub(crate) description: String,
    /// Index of its interface.
    pub(crate) if_index: Option<u32>,
}

/// Components as listed after the packets.
#[derive(Debug, Clone, Default)]
pub(crate) struct PktMonTable {
    components: BTreeMap<u16, Component>,
    /// Texts of drop reasons, from the trace's own value map.
    pub(crate) reasons: BTreeMap<u32, String>,
}

impl PktMonTable {
    pub(crate) fn collect(kept: &[Kept]) -> Self {
        let mut table = Self::default();
        for record in kept.iter().filter(|k| k.kind == KeptKind::PktMonRundown) {
            let mut cursor = Cursor::new(&record.payload);
            let (Some(id), Some(kind)) = (cursor.u16(), cursor.u16()) else {
                continue;
            };
            match (record.id, kind) {
                (20, _) => {
                    let component = table.components.entry(id).or_default();
                    component.kind = kind;
                    component.name = utf16(cursor.utf16_nul());
                    component.description = utf16(cursor.utf16_nul());
                }
                // Interface index, or the one of the miniport.
                (30, 1 | 2) => {
                    if let Some(value) = cursor.u32() {
                        table
                            .components
                            .entry(id)
                            .or_default()
                            .if_index
                            .get_or_insert(value);
                    }
                }
                _ => {}
            }
        }
        table
    }

    pub(crate) fn get(&self, id: u16) -> Option<&Component> {
        self.components.get(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.components.len()
    }

    pub(crate) fn describe(&self, id: u16, link: u16, interfaces: &InterfaceTable) -> (String, String) {
        let Some(component) = self.get(id) else {
            return (format!("component {id}"), String::new());
        };
        let interface = component
            .if_index
            .and_then(|index| interfaces.get(index).map(|_| interfaces.describe(index, link)));
        let own = format!("{} ({})", component.description, component.name);
        match interface {
            Some((alias, _)) => (alias, own),
            None if component.description.is_empty() => (format!("component {id}"), component.name.clone()),
            None => (component.description.clone(), component.name.clone()),
        }
    }

    /// Places where each packet passes once: every miniport at its lowest edge that saw any.
    fn chosen(&self, seen: &BTreeMap<(u16, u16), u64>) -> BTreeSet<(u16, u16)> {
        let is_miniport = |id: &u16| self.get(*id).is_some_and(|c| matches!(c.kind, MINIPORT | NETCX));
        let mut chosen = BTreeMap::new();
        for (component, edge) in seen.keys().filter(|(component, _)| is_miniport(component)) {
            let best = chosen.entry(*component).or_insert(*edge);
            if *edge == LOWER_EDGE {
                *best = LOWER_EDGE;
            }
        }
        chosen.into_iter().collect()
    }
}

/// The fixed 34 bytes of events 160 and 170.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PktMonHead {
    pub(crate) group: u64,
    pub(crate) number: u16,
    pub(crate) appearance: u16,
    pub(crate) direction: u16,
    pub(crate) packet_type: u16,
    pub(crate) component: u16,
    pub(crate) edge: u16,
    pub(crate) drop_reason: u32,
    pub(crate) drop_location: u32,
    pub(crate) original: u16,
    pub(crate) logged: u16,
}

impl PktMonHead {
    pub(crate) const LEN: usize = 34;

    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let head = payload.get(..Self::LEN)?;
        Some(Self {
            group: crate::bytes::u64_at(head, 0),
            number: u16_at(head, 8),
            appearance: u16_at(head, 10),
            direction: u16_at(head, 12),
            packet_type: u16_at(head, 14),
            component: u16_at(head, 16),
            edge: u16_at(head, 18),
            drop_reason: u32_at(head, 22),
            drop_location: u32_at(head, 26),
            original: u16_at(head, 30),
            logged: u16_at(head, 32),
        })
    }

    fn link(&self) -> Option<u16> {
        match self.packet_type {
            1 => Some(link::ETHERNET),
            2 => Some(link::WIFI),
            3 => Some(link::RAW_IP),
            // Upper-layer fragments have no link type a capture file could name.
            _ => None,
        }
    }

    /// Direction for people.
    pub(crate) fn direction_name(&self) -> &'static str {
        match self.direction() {
            Some(Direction::In) => "in",
            Some(Direction::Out) => "out",
            None => "unknown",
        }
    }

    fn direction(&self) -> Option<Direction> {
        match self.direction {
            1 | 3 | 5 => Some(Direction::In),
            2 | 4 | 6 => Some(Direction::Out),
            _ => None,
        }
    }
}

/// State of the capture between events.
#[derive(Debug)]
pub(super) struct PktMonCapture {
    chosen: BTreeSet<(u16, u16)>,
    /// Packets already shown, where the trace numbers them.
    shown: HashSet<(u64, u16)>,
    recent: RecentFrames,
    scratch: Vec<u8>,
    pub(super) copies: u64,
}

impl PktMonCapture {
    pub(super) fn new(table: &PktMonTable, counts: &PacketCounts) -> Self {
        Self {
            chosen: table.chosen(&counts.pktmon_edges),
            shown: HashSet::new(),
            recent: RecentFrames::default(),
            scratch: Vec::new(),
            copies: 0,
        }
    }

    pub(super) fn event(&mut self, event: &Event<'_>, ts_ns: i64, out: &mut Output<'_>) {
        if !matches!(event.id(), 160 | EVENT_DROP) {
            return;
        }
        let payload = event.payload();
        let Some(head) = PktMonHead::parse(payload) else {
            return;
        };
        let rest = payload.get(PktMonHead::LEN..).unwrap_or_default();
        let bytes = rest.get(..usize::from(head.logged)).unwrap_or(rest);
        let Some(link) = head.link() else { return };
        if !self.is_wanted(&head, event.id() == EVENT_DROP, ts_ns, bytes) {
            self.copies += 1;
            return;
        }
        let remark = if event.id() == EVENT_DROP {
            out.components.drop_remark(&head)
        } else {
            String::new()
        };
        self.deliver(event, &head, link, ts_ns, bytes, &remark, out);
    }

    /// Copies are told by their number, where builds give one, else by content. A machine with accelerated networking
    /// passes each packet through two miniports. A drop is shown as a packet only if the packet was not shown before: it
    /// never reached the wire.
    fn is_wanted(&mut self, head: &PktMonHead, dropped: bool, ts_ns: i64, bytes: &[u8]) -> bool {
        let place = (head.component, head.edge);
        if !dropped && !self.chosen.is_empty() && !self.chosen.contains(&place) {
            return false;
        }
        if head.appearance > 0 {
            return !self.is_shown(head);
        }
        let place = u32::from(head.component) << 16 | u32::from(head.edge);
        !self.recent.is_copy(place, ts_ns, head.direction(), bytes)
    }

    fn is_shown(&mut self, head: &PktMonHead) -> bool {
        if self.shown.len() >= MAX_GROUPS {
            self.shown.clear();
        }
        !self.shown.insert((head.group, head.number))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one call site; the parts come from three places"
    )]
    fn deliver(
        &mut self,
        event: &Event<'_>,
        head: &PktMonHead,
        link: u16,
        ts_ns: i64,
        bytes: &[u8],
        remark: &str,
        out: &mut Output<'_>,
    ) {
        let data = if link == link::WIFI && is_protected(bytes) {
            self.scratch.clear();
            self.scratch.extend_from_slice(bytes);
            clear_protected(&mut self.scratch);
            self.scratch.as_slice()
        } else {
            bytes
        };
        out.frame(&Frame {
            key: InterfaceKey::PktMon {
                component: head.component,
                link,
            },
            ts_ns,
            ordinal: event.ordinal,
            data,
            orig_len: usize::from(head.original),
            direction: head.direction(),
            pid: event.pid(),
            tid: event.tid(),
            remark,
        });
    }
}

impl PktMonTable {
    /// `dropped: <reason> at <component>`.
    pub(crate) fn drop_remark(&self, head: &PktMonHead) -> String {
        let (reason, place) = (self.reason(head.drop_reason), self.label(head.component));
        format!(
            "dropped: {reason} at {place} (location {:#x})",
            head.drop_location
        )
    }

    /// The trace's own text for a reason, else its number.
    pub(crate) fn reason(&self, reason: u32) -> String {
        self.reasons
            .get(&reason)
            .cloned()
            .unwrap_or_else(|| format!("reason {reason}"))
    }

    /// Driver file of a component, else its number.
    pub(crate) fn label(&self, component: u16) -> String {
        match self.get(component) {
            Some(known) if !known.name.is_empty() => known.name.clone(),
            _ => format!("component {component}"),
        }
    }
}
