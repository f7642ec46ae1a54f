//! Records whose payload is kept for the second pass, because they explain others.

use crate::Guid;
use crate::bytes::u8_at;
use crate::container::record::{Event, HeaderKind};
use crate::names::{
    EVENT_METADATA, IMAGE_ID, KERNEL_PROCESS, MOF_IMAGE, MOF_PROCESS, PKTMON, SYSTEM_CONFIG_EX,
};

/// Why a record was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeptKind {
    /// A TRACE_EVENT_INFO.
    EventInfo,
    /// A provider GUID and an EVENT_MAP_INFO.
    MapInfo,
    /// SystemConfigEx; the id tells which.
    SystemConfig,
    /// A piece of an EventSource manifest.
    ManifestChunk,
    /// PktMon's list of components and their properties.
    PktMonRundown,
    /// Classic process start or rundown.
    Process,
    /// Classic image load or rundown.
    Image,
    /// Process start or rundown of Kernel-Process.
    ProcessEvent,
    /// Image identity added by merging.
    ImageId,
}

/// One kept record.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Buffer number and place in it, so that the order does not depend on threads.
    pub(crate) order: (u32, u32),
    pub(crate) kind: KeptKind,
    pub(crate) provider: Guid,
    pub(crate) id: u16,
    pub(crate) version: u8,
    pub(crate) raw_ts: u64,
    pub(crate) pid: u32,
    pub(crate) pointer_size: u8,
    pub(crate) payload: Vec<u8>,
}

const GROUP_PROCESS: u8 = 3;
const GROUP_IMAGE: u8 = 20;
/// Event id of a manifest travelling in the stream.
pub(crate) const EVENT_SOURCE_MANIFEST: u16 = 0xfffe;
const EVENT_SOURCE_MAGIC: u8 = 0x5b;

/// Whether a record explains others.
#[inline]
pub(crate) fn why_keep(event: &Event<'_>) -> Option<KeptKind> {
    match event.kind {
        kind if kind.is_kernel() => match (event.kernel_group(), event.opcode()) {
            (GROUP_PROCESS, 1 | 3 | 4) => Some(KeptKind::Process),
            (GROUP_IMAGE, 3 | 4 | 10) => exe_image(event),
            _ => None,
        },
        HeaderKind::Full32 | HeaderKind::Full64 => classic(event),
        HeaderKind::Event32 | HeaderKind::Event64 => manifest(event),
        _ => None,
    }
}

fn classic(event: &Event<'_>) -> Option<KeptKind> {
    match (event.provider()?, event.opcode()) {
        (EVENT_METADATA, 32) => Some(KeptKind::EventInfo),
        (EVENT_METADATA, 33) => Some(KeptKind::MapInfo),
        (SYSTEM_CONFIG_EX, _) => Some(KeptKind::SystemConfig),
        (MOF_PROCESS, 1 | 3 | 4) => Some(KeptKind::Process),
        (MOF_IMAGE, 3 | 4 | 10) => exe_image(event),
        (IMAGE_ID, 0) => ends_in_exe(event.payload()).then_some(KeptKind::ImageId),
        _ => None,
    }
}

fn manifest(event: &Event<'_>) -> Option<KeptKind> {
    if event.id() == EVENT_SOURCE_MANIFEST {
        let payload = event.payload();
        return (u8_at(payload, 0) == 1 && u8_at(payload, 3) == EVENT_SOURCE_MAGIC)
            .then_some(KeptKind::ManifestChunk);
    }
    match (event.provider()?, event.id()) {
        (PKTMON, 20..=75 | 270 | 280) => Some(KeptKind::PktMonRundown),
        (KERNEL_PROCESS, 1 | 15) => Some(KeptKind::ProcessEvent),
        _ => None,
    }
}

fn exe_image(event: &Event<'_>) -> Option<KeptKind> {
    ends_in_exe(event.payload()).then_some(KeptKind::Image)
}

/// Of all images only programs name their process; libraries are by far more.
fn ends_in_exe(payload: &[u8]) -> bool {
    const SUFFIX: [u8; 8] = *b".\0e\0x\0e\0";
    let text = payload.strip_suffix(&[0, 0]).unwrap_or(payload);
    text.last_chunk::<8>()
        .is_some_and(|tail| tail.eq_ignore_ascii_case(&SUFFIX))
}

impl Kept {
    pub(crate) fn new(order: (u32, u32), kind: KeptKind, event: &Event<'_>) -> Self {
        Self {
            order,
            kind,
            provider: event.provider().unwrap_or_default(),
            id: event.id(),
            version: event.version(),
            raw_ts: event.raw_ts,
            pid: event.pid().unwrap_or(0),
            pointer_size: event.pointer_size(),
            payload: event.payload().to_vec(),
        }
    }
}
