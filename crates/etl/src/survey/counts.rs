//! How many records of which kind, provider and id.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::Guid;
use crate::bytes::{Cursor, u16_at};
use crate::container::extended::kind;
use crate::container::record::{Event, HeaderKind};
use crate::names::{NDIS_CAPTURE, PKTMON, RAS_NDISWAN};

/// What one counter stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ProviderEvent {
    pub(crate) provider: Guid,
    pub(crate) id: u16,
    pub(crate) version: u8,
    pub(crate) class: Class,
}

/// Kinds of records that are counted apart although provider and id may be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Class {
    Event,
    Classic,
    /// WPP, in either header.
    Wpp,
}

/// Header flag of an event that is a WPP message.
const FLAG_TRACE_MESSAGE: u16 = 0x8;
const CACHE: usize = 64;
/// Names of self-describing events and packet groups that are told apart.
const MAX_DISTINCT: usize = 1 << 20;
/// Miniports times filter layers of one machine, generously.
const MAX_LAYERS: usize = 4096;

/// Counters of one pass, or of one thread's share of it.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    pub(crate) by_header: [u64; HeaderKind::ALL.len()],
    kernel: Vec<u64>,
    slots: HashMap<ProviderEvent, usize>,
    counters: Vec<(ProviderEvent, u64)>,
    cache: [usize; CACHE],
    pub(crate) extended: BTreeMap<u16, u64>,
    pub(crate) self_describing: HashMap<Guid, HashMap<Vec<u8>, u64>>,
    pub(crate) packets: PacketCounts,
    pub(crate) event_span: Option<(u64, u64)>,
    pub(crate) record_span: Option<(u64, u64)>,
}

/// Packets, before any choice between copies.
#[derive(Debug, Clone, Default)]
pub(crate) struct PacketCounts {
    /// Events 1001 and 1003.
    pub(crate) ndis: u64,
    /// Events 1003 only.
    pub(crate) ndis_switch: u64,
    /// Events 1001 by miniport and layer.
    pub(crate) ndis_layers: BTreeMap<(u32, u32), u64>,
    pub(crate) ras: u64,
    pub(crate) pktmon: u64,
    pub(crate) pktmon_by_type: BTreeMap<u16, u64>,
    /// Packet events by component and edge.
    pub(crate) pktmon_edges: BTreeMap<(u16, u16), u64>,
    pub(crate) pktmon_truncated: u64,
    pub(crate) pktmon_groups: HashSet<(u64, u16)>,
}

impl Counts {
    pub(crate) fn new() -> Self {
        Self {
            by_header: Default::default(),
            kernel: vec![0; 1 << 16],
            slots: HashMap::new(),
            counters: Vec::new(),
            cache: [usize::MAX; CACHE],
            extended: BTreeMap::new(),
            self_describing: HashMap::new(),
            packets: PacketCounts::default(),
            event_span: None,
            record_span: None,
        }
    }

    #[inline]
    pub(crate) fn record(&mut self, event: &Event<'_>, has_time: bool) {
        if let Some(n) = self.by_header.get_mut(event.kind as usize) {
            *n += 1;
        }
        if has_time {
            widen(&mut self.record_span, event.raw_ts);
        }
        if event.kind.is_kernel() {
            if let Some(n) = self.kernel.get_mut(usize::from(event.id())) {
                *n += 1;
            }
            return;
        }
        let class = class_of(event);
        if class == Class::Event {
            widen(&mut self.event_span, event.raw_ts);
            self.event(event);
        }
        let provider = event.provider().unwrap_or_default();
        self.count(
            ProviderEvent {
                provider,
                id: event.id(),
                version: event.version(),
                class,
            },
            1,
        );
    }

    #[inline]
    fn count(&mut self, key: ProviderEvent, n: u64) {
        let line = usize::from(key.provider.0[0] ^ key.provider.0[5] ^ key.id as u8) % CACHE;
        if let Some((cached, count)) = self.cache.get(line).and_then(|slot| self.counters.get_mut(*slot))
            && *cached == key
        {
            *count += n;
            return;
        }
        let slot = *self.slots.entry(key).or_insert_with(|| {
            self.counters.push((key, 0));
            self.counters.len() - 1
        });
        if let Some((_, count)) = self.counters.get_mut(slot) {
            *count += n;
        }
        if let Some(line) = self.cache.get_mut(line) {
            *line = slot;
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        for item in event.extended() {
            *self.extended.entry(item.kind).or_default() += 1;
            if item.kind == kind::SCHEMA
                && let Some(provider) = event.provider()
            {
                self.self_described(provider, crate::schema::tracelogging::event_name(item.data));
            }
        }
        match event.provider() {
            Some(PKTMON) if matches!(event.id(), 160 | 170) => self.packets.pktmon_packet(event.payload()),
            Some(NDIS_CAPTURE) if matches!(event.id(), 1001 | 1003) => {
                self.packets.ndis_packet(event.id(), event.payload())
            }
            Some(RAS_NDISWAN) if matches!(event.id(), 5001 | 5002) => self.packets.ras += 1,
            _ => {}
        }
    }

    fn self_described(&mut self, provider: Guid, name: &[u8]) {
        let names = self.self_describing.entry(provider).or_default();
        if let Some(n) = names.get_mut(name) {
            *n += 1;
        } else if names.len() < MAX_DISTINCT {
            names.insert(name.to_vec(), 1);
        }
    }

    /// Adds another share of the same pass.
    pub(crate) fn absorb(&mut self, other: Self) {
        for (mine, theirs) in self.by_header.iter_mut().zip(other.by_header) {
            *mine += theirs;
        }
        for (mine, theirs) in self.kernel.iter_mut().zip(other.kernel) {
            *mine += theirs;
        }
        for (key, n) in other.counters {
            self.count(key, n);
        }
        for (item, n) in other.extended {
            *self.extended.entry(item).or_default() += n;
        }
        for (provider, names) in other.self_describing {
            let mine = self.self_describing.entry(provider).or_default();
            for (name, n) in names {
                *mine.entry(name).or_default() += n;
            }
        }
        self.packets.absorb(other.packets);
        for (mine, theirs) in [
            (&mut self.event_span, other.event_span),
            (&mut self.record_span, other.record_span),
        ] {
            if let Some((first, last)) = theirs {
                widen(mine, first);
                widen(mine, last);
            }
        }
    }

    /// Counters of everything but kernel records, in a stable order.
    pub(crate) fn providers(&self) -> Vec<(ProviderEvent, u64)> {
        let mut all = self.counters.clone();
        all.sort_unstable();
        all
    }

    /// Kernel records by group and type.
    pub(crate) fn kernel(&self) -> impl Iterator<Item = (u8, u8, u64)> + '_ {
        self.kernel
            .iter()
            .enumerate()
            .filter(|(_, n)| **n > 0)
            .map(|(hook, n)| ((hook >> 8) as u8, hook as u8, *n))
    }

    pub(crate) fn total(&self) -> u64 {
        self.by_header.iter().sum()
    }
}

impl PacketCounts {
    fn ndis_packet(&mut self, id: u16, payload: &[u8]) {
        self.ndis += 1;
        if id == 1003 {
            self.ndis_switch += 1;
        } else if self.ndis_layers.len() < MAX_LAYERS {
            *self
                .ndis_layers
                .entry(crate::packets::ndis::layer_of(payload))
                .or_default() += 1;
        }
    }

    fn pktmon_packet(&mut self, payload: &[u8]) {
        let mut cursor = Cursor::new(payload);
        let (Some(group), Some(number)) = (cursor.u64(), cursor.u16()) else {
            return;
        };
        self.pktmon += 1;
        *self.pktmon_by_type.entry(u16_at(payload, 14)).or_default() += 1;
        *self
            .pktmon_edges
            .entry((u16_at(payload, 16), u16_at(payload, 18)))
            .or_default() += 1;
        self.pktmon_truncated += u64::from(u16_at(payload, 32) < u16_at(payload, 30));
        if self.pktmon_groups.len() < MAX_DISTINCT {
            self.pktmon_groups.insert((group, number));
        }
    }

    fn absorb(&mut self, other: Self) {
        self.ndis += other.ndis;
        self.ndis_switch += other.ndis_switch;
        self.ras += other.ras;
        for (layer, n) in other.ndis_layers {
            *self.ndis_layers.entry(layer).or_default() += n;
        }
        for (edge, n) in other.pktmon_edges {
            *self.pktmon_edges.entry(edge).or_default() += n;
        }
        self.pktmon += other.pktmon;
        self.pktmon_truncated += other.pktmon_truncated;
        self.pktmon_groups.extend(other.pktmon_groups);
        for (kind, n) in other.pktmon_by_type {
            *self.pktmon_by_type.entry(kind).or_default() += n;
        }
    }
}

/// Tells WPP messages, whichever header they came in, from events and classic records.
#[inline]
pub(crate) fn class_of(event: &Event<'_>) -> Class {
    match event.kind {
        HeaderKind::Event32 | HeaderKind::Event64 if event.flags() & FLAG_TRACE_MESSAGE == 0 => Class::Event,
        HeaderKind::Full32 | HeaderKind::Full64 | HeaderKind::Instance32 | HeaderKind::Instance64 => {
            Class::Classic
        }
        _ => Class::Wpp,
    }
}

fn widen(span: &mut Option<(u64, u64)>, raw_ts: u64) {
    *span = Some(match *span {
        Some((first, last)) => (first.min(raw_ts), last.max(raw_ts)),
        None => (raw_ts, raw_ts),
    });
}

/// Group names of kernel records (etl-format §2.1).
pub(crate) fn kernel_group_name(group: u8) -> Option<&'static str> {
    const NAMES: [&str; 31] = [
        "header",
        "io",
        "memory",
        "process",
        "file",
        "thread",
        "tcpip",
        "job",
        "udpip",
        "registry",
        "dbgprint",
        "config",
        "",
        "wnf",
        "pool",
        "perfinfo",
        "heap",
        "object",
        "power",
        "modbound",
        "image",
        "dpc",
        "cc",
        "critsec",
        "stackwalk",
        "ums",
        "alpc",
        "splitio",
        "threadpool",
        "hypervisor",
        "hypervisorx",
    ];
    NAMES
        .get(usize::from(group))
        .copied()
        .filter(|name| !name.is_empty())
}
