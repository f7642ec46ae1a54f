//! Captured frames inside a trace: NDIS capture (netsh), tunnel capture (RAS) and Packet Monitor.
//!
//! Each source gives frames with an interface, a direction and, for sent ones, a process; this module numbers the
//! interfaces and hands everything to one [`PacketSink`].

mod frame;
mod interfaces;
pub(crate) mod ndis;
mod pktmon;
mod recent;

use std::collections::HashMap;

use casetrace_model::{Direction, Packet, PacketSink};

pub(crate) use interfaces::InterfaceTable;
pub(crate) use pktmon::{PktMonHead, PktMonTable};

use crate::container::record::Event;
use crate::names::{NDIS_CAPTURE, PKTMON, RAS_NDISWAN};
use crate::process::Processes;
use crate::survey::PacketCounts;

/// Link types as pcap numbers them.
pub(crate) mod link {
    pub(crate) const ETHERNET: u16 = 1;
    pub(crate) const RAW_IP: u16 = 101;
    pub(crate) const WIFI: u16 = 105;
}

/// A frame on its way to the sink.
pub(crate) struct Frame<'f> {
    pub(crate) key: InterfaceKey,
    pub(crate) ts_ns: i64,
    pub(crate) ordinal: u64,
    pub(crate) data: &'f [u8],
    pub(crate) orig_len: usize,
    pub(crate) direction: Option<Direction>,
    pub(crate) pid: Option<u32>,
    pub(crate) tid: Option<u32>,
    pub(crate) remark: &'f str,
}

/// What makes two frames belong to one interface of a capture file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum InterfaceKey {
    Ndis { miniport: u32, lower: u32, link: u16 },
    Switch { port: String, nic: String },
    Ras { user: String },
    PktMon { component: u16, link: u16 },
}

impl InterfaceKey {
    fn link(&self) -> u16 {
        match self {
            Self::Ndis { link, .. } | Self::PktMon { link, .. } => *link,
            Self::Switch { .. } | Self::Ras { .. } => link::ETHERNET,
        }
    }
}

/// Interfaces of one capture; more than any machine has, so that damage cannot grow the table.
const MAX_INTERFACES: usize = 10_000;

/// Turns capture events into packets.
pub(crate) struct PacketDecoder<'s> {
    out: Output<'s>,
    ndis: ndis::NdisCapture,
    pktmon: pktmon::PktMonCapture,
}

/// The sink with the numbering of its interfaces.
pub(crate) struct Output<'s> {
    sink: &'s mut dyn PacketSink,
    interfaces: &'s InterfaceTable,
    components: &'s PktMonTable,
    processes: &'s Processes,
    numbers: HashMap<InterfaceKey, u32>,
    comment: String,
    pub(crate) delivered: u64,
}

/// How many packets went out, and why others did not.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PacketResult {
    pub(crate) delivered: u64,
    pub(crate) copies: u64,
    pub(crate) torn_fragments: u64,
}

impl<'s> PacketDecoder<'s> {
    pub(crate) fn new(
        sink: &'s mut dyn PacketSink,
        interfaces: &'s InterfaceTable,
        components: &'s PktMonTable,
        processes: &'s Processes,
        counts: &PacketCounts,
    ) -> Self {
        let out = Output {
            sink,
            interfaces,
            components,
            processes,
            numbers: HashMap::new(),
            comment: String::new(),
            delivered: 0,
        };
        let ndis = ndis::NdisCapture::new(counts);
        let pktmon = pktmon::PktMonCapture::new(components, counts);
        Self { out, ndis, pktmon }
    }

    /// Looks at one event; most are not for us.
    #[inline]
    pub(crate) fn event(&mut self, event: &Event<'_>, ts_ns: Option<i64>) {
        if !event.kind.is_event() {
            return;
        }
        // A capture without a usable clock still shows its packets.
        let ts_ns = ts_ns.unwrap_or(0);
        match event.provider() {
            Some(NDIS_CAPTURE) => self.ndis.event(event, ts_ns, &mut self.out),
            Some(RAS_NDISWAN) => self.ndis.tunnel(event, ts_ns, &mut self.out),
            Some(PKTMON) => self.pktmon.event(event, ts_ns, &mut self.out),
            _ => {}
        }
    }

    /// Delivers what is still unfinished.
    pub(crate) fn finish(mut self) -> PacketResult {
        self.ndis.finish(&mut self.out);
        PacketResult {
            delivered: self.out.delivered,
            copies: self.ndis.copies + self.pktmon.copies,
            torn_fragments: self.ndis.torn_fragments,
        }
    }
}

impl Output<'_> {
    pub(crate) fn frame(&mut self, frame: &Frame<'_>) {
        let Some(interface) = self.number(&frame.key) else {
            return;
        };
        // Received packets are logged in whatever process was interrupted.
        let sent = frame.direction == Some(Direction::Out);
        let pid = frame.pid.filter(|pid| sent && *pid != 0);
        self.write_comment(pid, frame);
        self.sink.packet(&Packet {
            ts_ns: frame.ts_ns,
            record: frame.ordinal,
            link_type: frame.key.link(),
            data: frame.data,
            orig_len: u32::try_from(frame.orig_len.max(frame.data.len())).unwrap_or(u32::MAX),
            interface,
            direction: frame.direction,
            pid,
            comment: (!self.comment.is_empty()).then_some(self.comment.as_str()),
        });
        self.delivered += 1;
    }

    fn write_comment(&mut self, pid: Option<u32>, frame: &Frame<'_>) {
        use std::fmt::Write;
        self.comment.clear();
        // Writing to a String can't fail.
        if let Some(pid) = pid {
            let _ = write!(self.comment, "PID={pid}");
            if let Some(tid) = frame.tid {
                let _ = write!(self.comment, " TID={tid}");
            }
            if let Some(name) = self.processes.name_at(pid, frame.ts_ns) {
                let _ = write!(self.comment, " {name}");
            }
        }
        if !frame.remark.is_empty() {
            let gap = if self.comment.is_empty() { "" } else { "; " };
            let _ = write!(self.comment, "{gap}{}", frame.remark);
        }
    }

    fn number(&mut self, key: &InterfaceKey) -> Option<u32> {
        if let Some(number) = self.numbers.get(key) {
            return Some(*number);
        }
        if self.numbers.len() >= MAX_INTERFACES {
            return None;
        }
        let number = u32::try_from(self.numbers.len()).ok()?;
        let (name, description) = self.describe(key);
        self.sink.interface(number, key.link(), &name, &description);
        self.numbers.insert(key.clone(), number);
        Some(number)
    }

    fn describe(&self, key: &InterfaceKey) -> (String, String) {
        match key {
            InterfaceKey::Ndis {
                miniport,
                lower,
                link,
            } => {
                let (name, mut description) = self.interfaces.describe(*miniport, *link);
                if lower != miniport {
                    description.push_str(&format!(" (layer {lower} over {miniport})"));
                }
                (name, description)
            }
            InterfaceKey::Switch { port, nic } => {
                (format!("vSwitch {nic}"), format!("virtual switch port {port}"))
            }
            InterfaceKey::Ras { user } => ("RAS".to_owned(), format!("inside the VPN tunnel of {user}")),
            InterfaceKey::PktMon { component, link } => {
                self.components.describe(*component, *link, self.interfaces)
            }
        }
    }
}
