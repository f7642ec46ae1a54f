//! Record headers of every kind, read where they lie.
//!
//! Source: etl-format §2. Byte 2 of a record is its kind, byte 3 holds marker flags; size and time stand at places that
//! depend on the kind.

use super::extended::ExtendedItems;
use crate::Guid;
use crate::bytes::{u8_at, u16_at, u32_at, u64_at};

/// What kind of header a record has; 32 and 64 tell the width of the process or kernel that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[expect(
    missing_docs,
    reason = "the names are the documentation; see the table in etl-format §2"
)]
pub enum HeaderKind {
    System32,
    System64,
    Compact32,
    Compact64,
    PerfInfo32,
    PerfInfo64,
    Full32,
    Full64,
    Instance32,
    Instance64,
    Event32,
    Event64,
    Message,
    Error,
}

impl HeaderKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::System32,
        Self::System64,
        Self::Compact32,
        Self::Compact64,
        Self::PerfInfo32,
        Self::PerfInfo64,
        Self::Full32,
        Self::Full64,
        Self::Instance32,
        Self::Instance64,
        Self::Event32,
        Self::Event64,
        Self::Message,
        Self::Error,
    ];

    /// Short name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System32 => "SYS32",
            Self::System64 => "SYS64",
            Self::Compact32 => "COMPACT32",
            Self::Compact64 => "COMPACT64",
            Self::PerfInfo32 => "PERF32",
            Self::PerfInfo64 => "PERF64",
            Self::Full32 => "FULL32",
            Self::Full64 => "FULL64",
            Self::Instance32 => "INST32",
            Self::Instance64 => "INST64",
            Self::Event32 => "EVT32",
            Self::Event64 => "EVT64",
            Self::Message => "MSG",
            Self::Error => "ERR",
        }
    }

    #[inline]
    const fn from_type(kind: u8) -> Option<Self> {
        Some(match kind {
            1 => Self::System32,
            2 => Self::System64,
            3 => Self::Compact32,
            4 => Self::Compact64,
            16 => Self::PerfInfo32,
            17 => Self::PerfInfo64,
            10 => Self::Full32,
            20 => Self::Full64,
            11 => Self::Instance32,
            21 => Self::Instance64,
            18 => Self::Event32,
            19 => Self::Event64,
            13 => Self::Error,
            15 => Self::Message,
            _ => return None,
        })
    }

    const fn header_len(self) -> usize {
        match self {
            Self::System32 | Self::System64 => 32,
            Self::Compact32 | Self::Compact64 => 24,
            Self::PerfInfo32 | Self::PerfInfo64 => 16,
            Self::Full32 | Self::Full64 => 48,
            Self::Instance32 | Self::Instance64 => 56,
            Self::Event32 | Self::Event64 => 80,
            Self::Message | Self::Error => 8,
        }
    }

    /// True for the kinds the kernel logger writes without a GUID.
    pub const fn is_kernel(self) -> bool {
        matches!(
            self,
            Self::System32
                | Self::System64
                | Self::Compact32
                | Self::Compact64
                | Self::PerfInfo32
                | Self::PerfInfo64
        )
    }

    /// True for records of manifest, TraceLogging and EventSource providers.
    pub const fn is_event(self) -> bool {
        matches!(self, Self::Event32 | Self::Event64)
    }

    /// True for records of classic providers.
    pub const fn is_classic(self) -> bool {
        matches!(
            self,
            Self::Full32 | Self::Full64 | Self::Instance32 | Self::Instance64
        )
    }
}

const MARKER: u8 = 0x80;
const MARKER_MESSAGE: u8 = 0x10;

/// A record's place in its buffer: enough to order it and to step over it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordHead {
    pub(crate) kind: HeaderKind,
    pub(crate) size: usize,
    /// `None` for messages logged without a time.
    pub(crate) raw_ts: Option<u64>,
}

impl RecordHead {
    /// Reads the head at the start of `bytes`; `None` where no record can be (filler, damage, end).
    #[inline]
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let word = u64::from_le_bytes(*bytes.first_chunk()?);
        let (kind, flags) = ((word >> 16) as u8, (word >> 24) as u8);
        if flags & MARKER == 0 || word as u32 == u32::MAX {
            return None;
        }
        let kind = if flags & MARKER_MESSAGE != 0 {
            HeaderKind::Message
        } else {
            HeaderKind::from_type(kind)?
        };
        let (size, ts_at) = match kind {
            HeaderKind::System32 | HeaderKind::System64 | HeaderKind::Compact32 | HeaderKind::Compact64 => {
                ((word >> 32) as u16, 16)
            }
            HeaderKind::PerfInfo32 | HeaderKind::PerfInfo64 => ((word >> 32) as u16, 8),
            HeaderKind::Message => return Self::message(bytes, usize::from(word as u16)),
            _ => (word as u16, 16),
        };
        let size = usize::from(size);
        if size < kind.header_len() || size > bytes.len() {
            return None;
        }
        Some(Self {
            kind,
            size,
            raw_ts: Some(u64_at(bytes, ts_at)),
        })
    }

    /// The kind at the start of `bytes` if its marker is that of a record.
    pub(crate) fn marker(bytes: &[u8]) -> Option<HeaderKind> {
        let (kind, flags) = (u8_at(bytes, 2), u8_at(bytes, 3));
        match flags {
            _ if flags & 0xc0 == 0xc0 => HeaderKind::from_type(kind),
            _ if flags & 0x90 == 0x90 => Some(HeaderKind::Message),
            _ => None,
        }
    }

    fn message(bytes: &[u8], size: usize) -> Option<Self> {
        if size < 8 || size > bytes.len() {
            return None;
        }
        let parts = MessageParts::of(bytes.get(..size)?);
        Some(Self {
            kind: HeaderKind::Message,
            size,
            raw_ts: parts.raw_ts,
        })
    }
}

/// Where the optional parts of a WPP message lie (etl-format §2.7).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MessageParts {
    pub(crate) guid: Option<Guid>,
    pub(crate) component: Option<u32>,
    pub(crate) raw_ts: Option<u64>,
    pub(crate) thread_process: Option<(u32, u32)>,
    pub(crate) pointer_size: Option<u8>,
    /// Where the arguments begin.
    pub(crate) payload_at: usize,
}

impl MessageParts {
    pub(crate) fn of(record: &[u8]) -> Self {
        let options = u16_at(record, 6);
        let mut parts = Self::default();
        let mut at = 8;
        if options & 0x01 != 0 {
            at += 4;
        }
        if options & 0x02 != 0 {
            parts.guid = Some(Guid::at(record, at));
            at += 16;
        } else if options & 0x04 != 0 {
            parts.component = Some(u32_at(record, at));
            at += 4;
        }
        if options & 0x08 != 0 {
            parts.raw_ts = crate::bytes::array(record, at).map(u64::from_le_bytes);
            at += 8;
        }
        if options & 0x20 != 0 {
            parts.thread_process = Some((u32_at(record, at), u32_at(record, at + 4)));
            at += 8;
        }
        parts.pointer_size = match options & 0xc0 {
            0x40 => Some(4),
            0x80 => Some(8),
            _ => None,
        };
        parts.payload_at = at;
        parts
    }
}

/// One record, lent by the reader until the next one is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    pub(crate) bytes: &'a [u8],
    /// Kind of header.
    pub kind: HeaderKind,
    /// Time in units of the file's clock; [`EtlReader::time_ns`](crate::EtlReader::time_ns) converts it.
    pub raw_ts: u64,
    /// Processor whose buffer held the record.
    pub processor: u16,
    /// 1-based place in the order of delivery.
    pub ordinal: u64,
    /// Pointer size of the machine, for kinds that do not tell their own.
    pub(crate) machine_pointer: u8,
}

impl<'a> Event<'a> {
    /// The whole record, header included.
    pub fn record(&self) -> &'a [u8] {
        self.bytes
    }

    /// Provider of an event, class of a classic record, message GUID of a WPP message; `None` for kernel records.
    pub fn provider(&self) -> Option<Guid> {
        match self.kind {
            kind if kind.is_kernel() => None,
            HeaderKind::Message => MessageParts::of(self.bytes).guid,
            HeaderKind::Error => None,
            _ => Some(Guid::at(self.bytes, 24)),
        }
    }

    /// Event id; the opcode of classic records, `group << 8 | type` of kernel ones, the number of a WPP message.
    pub fn id(&self) -> u16 {
        match self.kind {
            HeaderKind::Event32 | HeaderKind::Event64 => u16_at(self.bytes, 40),
            HeaderKind::Message | HeaderKind::Error => u16_at(self.bytes, 4),
            kind if kind.is_kernel() => u16_at(self.bytes, 6),
            _ => u16::from(u8_at(self.bytes, 4)),
        }
    }

    /// Version of the event's layout.
    pub fn version(&self) -> u8 {
        match self.kind {
            HeaderKind::Event32 | HeaderKind::Event64 => u8_at(self.bytes, 42),
            HeaderKind::Message | HeaderKind::Error => 0,
            kind if kind.is_kernel() => u8_at(self.bytes, 0),
            _ => u8_at(self.bytes, 6),
        }
    }

    /// Channel number; 0 where the kind has none.
    pub fn channel(&self) -> u8 {
        if self.kind.is_event() {
            u8_at(self.bytes, 43)
        } else {
            0
        }
    }

    /// Level; 0 where the kind has none.
    pub fn level(&self) -> u8 {
        match self.kind {
            kind if kind.is_event() => u8_at(self.bytes, 44),
            kind if kind.is_classic() => u8_at(self.bytes, 5),
            _ => 0,
        }
    }

    /// Opcode.
    pub fn opcode(&self) -> u8 {
        match self.kind {
            kind if kind.is_event() => u8_at(self.bytes, 45),
            kind if kind.is_classic() => u8_at(self.bytes, 4),
            kind if kind.is_kernel() => u8_at(self.bytes, 6),
            _ => 0,
        }
    }

    /// Task; 0 where the kind has none.
    pub fn task(&self) -> u16 {
        if self.kind.is_event() {
            u16_at(self.bytes, 46)
        } else {
            0
        }
    }

    /// Keywords; 0 where the kind has none.
    pub fn keywords(&self) -> u64 {
        if self.kind.is_event() {
            u64_at(self.bytes, 48)
        } else {
            0
        }
    }

    /// Thread that logged it.
    pub fn tid(&self) -> Option<u32> {
        self.thread_process().map(|ids| ids.0)
    }

    /// Process that logged it.
    pub fn pid(&self) -> Option<u32> {
        self.thread_process().map(|ids| ids.1)
    }

    fn thread_process(&self) -> Option<(u32, u32)> {
        let ids = match self.kind {
            HeaderKind::PerfInfo32 | HeaderKind::PerfInfo64 | HeaderKind::Error => None,
            HeaderKind::Message => MessageParts::of(self.bytes).thread_process,
            _ => Some((u32_at(self.bytes, 8), u32_at(self.bytes, 12))),
        };
        // The header of records logged without a thread context holds all ones.
        ids.filter(|ids| ids.1 != u32::MAX)
    }

    /// Activity id, unless it is all zeros.
    pub fn activity_id(&self) -> Option<Guid> {
        let id = self.kind.is_event().then(|| Guid::at(self.bytes, 64))?;
        (!id.is_nil()).then_some(id)
    }

    /// Bytes of a pointer in the payload.
    pub fn pointer_size(&self) -> u8 {
        match self.kind {
            HeaderKind::System32
            | HeaderKind::Compact32
            | HeaderKind::PerfInfo32
            | HeaderKind::Full32
            | HeaderKind::Instance32
            | HeaderKind::Event32 => 4,
            HeaderKind::Message => MessageParts::of(self.bytes)
                .pointer_size
                .unwrap_or(self.machine_pointer),
            HeaderKind::Error => self.machine_pointer,
            _ => 8,
        }
    }

    /// Header flags of an EVENT_HEADER record; 0 for others.
    pub fn flags(&self) -> u16 {
        if self.kind.is_event() {
            u16_at(self.bytes, 4)
        } else {
            0
        }
    }

    /// Extended data items between header and payload.
    pub fn extended(&self) -> ExtendedItems<'a> {
        let has = self.kind.is_event() && self.flags() & 1 != 0;
        ExtendedItems::new(if has {
            self.bytes.get(80..).unwrap_or_default()
        } else {
            &[]
        })
    }

    /// What the provider logged.
    pub fn payload(&self) -> &'a [u8] {
        let at = match self.kind {
            HeaderKind::Event32 | HeaderKind::Event64 if self.flags() & 1 != 0 => {
                80 + self.extended().total_len()
            }
            HeaderKind::PerfInfo32 | HeaderKind::PerfInfo64 => 16 + self.performance_counters_len(),
            HeaderKind::Message => MessageParts::of(self.bytes).payload_at,
            kind => kind.header_len(),
        };
        self.bytes.get(at..).unwrap_or_default()
    }

    /// PERFINFO headers may be followed by a sampling index and counter values, told by the version's high byte.
    fn performance_counters_len(&self) -> usize {
        let version = u16_at(self.bytes, 0);
        let index = usize::from(version >> 15);
        let counters = usize::from(version >> 8 & 7);
        (index + counters) * 8
    }

    /// For kernel records: the event group (process, thread, image, tcpip …).
    pub fn kernel_group(&self) -> u8 {
        u8_at(self.bytes, 7)
    }
}
