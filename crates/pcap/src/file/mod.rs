//! Capture files: which format it is, and its packets out of one buffer after another.
//!
//! Source: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. Blocks are cut out with `pcap-parser`; times,
//! options and going on after damage are ours.

pub(crate) mod legacy;
pub(crate) mod ng;
mod options;
pub(crate) mod time;

use std::collections::BTreeMap;

use casetrace_model::{Diagnostic, Lost, PacketSink};

/// Takes packets and remarks out of a capture file.
pub(crate) trait FileSink: PacketSink {
    /// A remark on damage, with its offset in the file.
    fn remark(&mut self, diagnostic: Diagnostic);
}

/// A capture file being read.
pub(crate) enum Capture {
    /// pcap, in any of its six spellings.
    Legacy(legacy::Legacy),
    /// pcapng.
    Ng(ng::Ng),
}

/// What the header of a file says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureKind {
    /// pcap: `d4c3b2a1` and its relatives.
    Pcap,
    /// pcapng: starts with a section header block.
    Pcapng,
}

/// Tells a capture by its first bytes (24 are enough).
///
/// ```
/// assert_eq!(casetrace_pcap::probe(&[0x0a, 0x0d, 0x0d, 0x0a]), Some(casetrace_pcap::CaptureKind::Pcapng));
/// assert_eq!(casetrace_pcap::probe(b"PK\x03\x04"), None);
/// ```
pub fn probe(head: &[u8]) -> Option<CaptureKind> {
    match head.first_chunk::<4>()? {
        [0x0a, 0x0d, 0x0d, 0x0a] => Some(CaptureKind::Pcapng),
        magic if legacy::Layout::of(*magic).is_some() => Some(CaptureKind::Pcap),
        _ => None,
    }
}

impl Capture {
    /// Opens a capture by its first bytes; `None` if it is no capture.
    pub(crate) fn open(head: &[u8]) -> Option<Self> {
        match probe(head)? {
            CaptureKind::Pcapng => Some(Self::Ng(ng::Ng::default())),
            CaptureKind::Pcap => legacy::Legacy::open(head).map(Self::Legacy),
        }
    }

    /// Takes all whole packets out of `buf`, which starts at file offset `base`; returns the bytes used.
    ///
    /// At `eof` nothing more will come: what is left then is a cut packet and is reported.
    pub(crate) fn parse<S: FileSink>(&mut self, buf: &[u8], base: u64, eof: bool, sink: &mut S) -> usize {
        match self {
            Self::Legacy(pcap) => pcap.parse(buf, base, eof, sink),
            Self::Ng(ng) => ng.parse(buf, base, eof, sink),
        }
    }

    /// Bytes the buffer must at least be able to hold for the packet at its start.
    pub(crate) fn wants(&self) -> usize {
        match self {
            Self::Legacy(pcap) => pcap.wants,
            Self::Ng(ng) => ng.wants,
        }
    }

    /// Format facts for `inspect`.
    pub(crate) fn facts(&self, container: &mut BTreeMap<&'static str, serde_json::Value>, lost: &mut Lost) {
        match self {
            Self::Legacy(pcap) => pcap.facts(container, lost),
            Self::Ng(ng) => ng.facts(container, lost),
        }
    }
}

/// Reads a 32-bit number of either byte order at `at`.
pub(crate) fn u32_at(buf: &[u8], at: usize, big: bool) -> Option<u32> {
    let bytes = *buf.get(at..)?.first_chunk::<4>()?;
    Some(if big {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    })
}

/// Reads a 16-bit number of either byte order at `at`.
pub(crate) fn u16_at(buf: &[u8], at: usize, big: bool) -> Option<u16> {
    let bytes = *buf.get(at..)?.first_chunk::<2>()?;
    Some(if big {
        u16::from_be_bytes(bytes)
    } else {
        u16::from_le_bytes(bytes)
    })
}
