//! The pcap format: a 24-byte file header, then records of a 16-byte header and the packet.
//!
//! Source: draft-ietf-opsawg-pcap. Six magic numbers are known: micro- and nanoseconds in both byte orders, and
//! the 24-byte record headers of "modified" pcap in both. A record header that can't be right (longer than any
//! packet) makes the reader look for the next one that can.

use std::collections::BTreeMap;

use casetrace_model::{Diagnostic, Lost, Packet};
use serde_json::json;

use super::{FileSink, u32_at};

/// No link carries longer packets; tcpdump's own ceiling.
const MAX_PACKET: u32 = 262_144;
/// Two packets of one capture are rarely further apart; used only when looking for a lost record boundary.
const RESYNC_WINDOW_S: u32 = 7 * 86_400;

/// Byte order, unit and record header of one pcap dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    big: bool,
    ns_per_unit: i64,
    record_header: usize,
}

impl Layout {
    /// The layout behind a magic number as it stands in the file.
    pub(crate) fn of(magic: [u8; 4]) -> Option<Self> {
        let layout = |big, ns_per_unit, record_header| {
            Some(Self {
                big,
                ns_per_unit,
                record_header,
            })
        };
        match u32::from_be_bytes(magic) {
            0xa1b2_c3d4 => layout(true, 1000, 16),
            0xd4c3_b2a1 => layout(false, 1000, 16),
            0xa1b2_3c4d => layout(true, 1, 16),
            0x4d3c_b2a1 => layout(false, 1, 16),
            0xa1b2_cd34 => layout(true, 1000, 24),
            0x34cd_b2a1 => layout(false, 1000, 24),
            _ => None,
        }
    }
}

/// A pcap file being read.
pub(crate) struct Legacy {
    layout: Layout,
    link_type: u16,
    snaplen: u32,
    version: (u16, u16),
    in_header: bool,
    records: u64,
    last_s: Option<u32>,
    lost_bytes: u64,
    pub(crate) wants: usize,
}

struct RecordHead {
    ts_s: u32,
    fraction: u32,
    caplen: u32,
    orig_len: u32,
}

impl Legacy {
    pub(crate) fn open(head: &[u8]) -> Option<Self> {
        let layout = Layout::of(*head.first_chunk::<4>()?)?;
        // The upper half of the link type field holds FCS length and flags.
        let link_type = u32_at(head, 20, layout.big).unwrap_or(0) as u16;
        Some(Self {
            layout,
            link_type,
            snaplen: u32_at(head, 16, layout.big).unwrap_or(0),
            version: (
                super::u16_at(head, 4, layout.big)?,
                super::u16_at(head, 6, layout.big)?,
            ),
            in_header: true,
            records: 0,
            last_s: None,
            lost_bytes: 0,
            wants: 24,
        })
    }

    pub(crate) fn facts(&self, container: &mut BTreeMap<&'static str, serde_json::Value>, lost: &mut Lost) {
        container.insert("format", json!("pcap"));
        container.insert("version", json!(format!("{}.{}", self.version.0, self.version.1)));
        container.insert("big_endian", json!(self.layout.big));
        container.insert("nanoseconds", json!(self.layout.ns_per_unit == 1));
        container.insert("link_types", json!([self.link_type]));
        container.insert("snaplen", json!(self.snaplen));
        lost.bytes += self.lost_bytes;
    }

    pub(crate) fn parse<S: FileSink>(&mut self, buf: &[u8], base: u64, eof: bool, sink: &mut S) -> usize {
        let mut at = 0;
        if self.in_header {
            if buf.len() < 24 {
                return if eof { self.cut(buf.len(), base, sink) } else { 0 };
            }
            sink.interface(0, self.link_type, "", "");
            self.in_header = false;
            at = 24;
        }
        loop {
            let rest = buf.get(at..).unwrap_or_default();
            let Some(head) = self.head(rest) else {
                self.wants = self.layout.record_header;
                if eof && !rest.is_empty() {
                    return at + self.cut(rest.len(), base + at as u64, sink);
                }
                return at;
            };
            if !self.credible(&head) {
                match self.resync(rest, base + at as u64, eof, sink) {
                    0 => return at,
                    skipped => at += skipped,
                }
                continue;
            }
            let start = self.layout.record_header;
            let end = start + head.caplen as usize;
            let Some(data) = rest.get(start..end) else {
                self.wants = end;
                if !eof {
                    return at;
                }
                return at + self.cut(rest.len(), base + at as u64, sink);
            };
            self.emit(&head, data, sink);
            at += end;
        }
    }

    fn head(&self, rest: &[u8]) -> Option<RecordHead> {
        if rest.len() < self.layout.record_header {
            return None;
        }
        // One look for all four: this runs for every packet.
        let [ts_s, fraction, caplen, orig_len] = rest.first_chunk::<16>()?.as_chunks::<4>().0 else {
            return None;
        };
        let number = |bytes: &[u8; 4]| match self.layout.big {
            true => u32::from_be_bytes(*bytes),
            false => u32::from_le_bytes(*bytes),
        };
        Some(RecordHead {
            ts_s: number(ts_s),
            fraction: number(fraction),
            caplen: number(caplen),
            orig_len: number(orig_len),
        })
    }

    fn credible(&self, head: &RecordHead) -> bool {
        head.caplen <= MAX_PACKET.max(self.snaplen.min(16 << 20))
    }

    fn emit<S: FileSink>(&mut self, head: &RecordHead, data: &[u8], sink: &mut S) {
        self.records += 1;
        self.last_s = Some(head.ts_s);
        let fraction_ns = i64::from(head.fraction) * self.layout.ns_per_unit;
        sink.packet(&Packet {
            ts_ns: i64::from(head.ts_s)
                .saturating_mul(1_000_000_000)
                .saturating_add(fraction_ns),
            record: self.records,
            link_type: self.link_type,
            data,
            orig_len: head.orig_len.max(head.caplen),
            interface: 0,
            direction: None,
            pid: None,
            comment: None,
        });
    }

    /// Reports the cut end; returns all of it as used.
    fn cut<S: FileSink>(&mut self, len: usize, offset: u64, sink: &mut S) -> usize {
        self.lost_bytes += len as u64;
        let text =
            "The capture ends in the middle of a packet; that packet is lost. The recording was cut off.";
        sink.remark(
            Diagnostic::warning("PcapTruncated", text)
                .at(offset)
                .lost(len as u64),
        );
        len
    }

    /// Skips to the next place where a record header is likely; 0 asks for more bytes.
    fn resync<S: FileSink>(&mut self, rest: &[u8], offset: u64, eof: bool, sink: &mut S) -> usize {
        let found = (1..rest.len()).find(|&at| self.likely(rest.get(at..).unwrap_or_default()));
        let skipped = match found {
            Some(at) => at,
            None if eof => rest.len(),
            // Keep what could be the start of a header and the header after it.
            None if rest.len() > 2 * MAX_PACKET as usize => rest.len() - MAX_PACKET as usize,
            None => {
                self.wants = rest.len() + 2 * MAX_PACKET as usize;
                return 0;
            }
        };
        self.lost_bytes += skipped as u64;
        let text = "A record header is damaged; its bytes were skipped up to the next readable packet.";
        sink.remark(
            Diagnostic::warning("PcapBadRecord", text)
                .at(offset)
                .lost(skipped as u64),
        );
        skipped
    }

    /// A header here, and another (or the end) right behind its packet.
    fn likely(&self, rest: &[u8]) -> bool {
        let Some(head) = self.head(rest) else { return false };
        if !self.strict(&head) {
            return false;
        }
        let next = rest.get(self.layout.record_header + head.caplen as usize..);
        match next {
            None => false,
            Some([]) => true,
            Some(next) => self.head(next).is_some_and(|head| self.strict(&head)),
        }
    }

    fn strict(&self, head: &RecordHead) -> bool {
        let units: i64 = 1_000_000_000 / self.layout.ns_per_unit;
        let near = self
            .last_s
            .is_none_or(|last| head.ts_s.abs_diff(last) < RESYNC_WINDOW_S);
        near && i64::from(head.fraction) < units
            && (14..=MAX_PACKET).contains(&head.caplen)
            && head.orig_len >= head.caplen
            && head.orig_len <= 1 << 20
    }
}
