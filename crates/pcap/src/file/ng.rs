//! The pcapng format: sections of typed blocks, each with its length before and after.
//!
//! Source: draft-ietf-opsawg-pcapng. Blocks are parsed by `pcap-parser`; interface clocks, packet options and the
//! obsolete Packet Block are read here. A block whose length can't be right makes the reader look for the next
//! one. Decryption secrets, name resolution and custom blocks are counted and left alone.

use std::collections::BTreeMap;

use casetrace_model::{Diagnostic, Direction, Lost, Packet, Text};
use pcap_parser::pcapng::{Block, PcapNGOption};
use serde_json::json;

use super::options::{Options, number, pid_of, text_option};
use super::{FileSink, time::Clock, u16_at, u32_at};

/// A block may be this long; enough for jumbo frames with comments and for embedded secrets.
const MAX_BLOCK: usize = 16 << 20;
const MAX_INTERFACES: usize = 65_536;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

struct Interface {
    number: u32,
    link_type: u16,
    snaplen: u32,
    clock: Clock,
}

/// A pcapng file being read.
#[derive(Default)]
pub(crate) struct Ng {
    big: bool,
    /// Interfaces of the current section; block fields index into this.
    interfaces: Vec<Interface>,
    announced: u32,
    sections: u32,
    records: u64,
    last_ns: i64,
    link_types: Vec<u16>,
    names: Vec<Text>,
    clock: String,
    application: Option<Text>,
    os: Option<Text>,
    hardware: Option<Text>,
    other_blocks: u64,
    dropped: u64,
    lost_bytes: u64,
    pub(crate) wants: usize,
}

struct Found<'a> {
    interface: u32,
    count: Option<u64>,
    data: &'a [u8],
    orig_len: u32,
    flags: u32,
    comment: Option<&'a str>,
}

impl Ng {
    pub(crate) fn parse<S: FileSink>(&mut self, buf: &[u8], base: u64, eof: bool, sink: &mut S) -> usize {
        let mut at = 0;
        loop {
            let rest = buf.get(at..).unwrap_or_default();
            if rest.len() < 12 {
                self.wants = 12;
                return if eof && !rest.is_empty() {
                    at + self.cut(rest.len(), base + at as u64, sink)
                } else {
                    at
                };
            }
            let Some((kind, len)) = self.block_head(rest) else {
                match self.resync(rest, base + at as u64, eof, sink) {
                    0 => return at,
                    skipped => at += skipped,
                }
                continue;
            };
            let Some(block) = rest.get(..len) else {
                if eof {
                    return at + self.cut(rest.len(), base + at as u64, sink);
                }
                self.wants = len;
                return at;
            };
            self.block(kind, block, base + at as u64, sink);
            at += len;
        }
    }

    /// Type and credible length of the block at the start of `rest`.
    fn block_head(&mut self, rest: &[u8]) -> Option<(u32, usize)> {
        let mut kind = u32_at(rest, 0, self.big)?;
        if rest.starts_with(&SECTION_HEADER.to_be_bytes()) {
            self.big = match *rest.get(8..)?.first_chunk::<4>()? {
                [0x1a, 0x2b, 0x3c, 0x4d] => true,
                [0x4d, 0x3c, 0x2b, 0x1a] => false,
                _ => return None,
            };
            kind = SECTION_HEADER;
        }
        let len = u32_at(rest, 4, self.big)? as usize;
        (len >= 12 && len.is_multiple_of(4) && len <= MAX_BLOCK).then_some((kind, len))
    }

    fn block<S: FileSink>(&mut self, kind: u32, block: &[u8], offset: u64, sink: &mut S) {
        if u32_at(block, block.len() - 4, self.big) != u32_at(block, 4, self.big) {
            let text = "A pcapng block's two lengths differ; the first was believed.";
            sink.remark(Diagnostic::warning("PcapngLengthMismatch", text).at(offset));
        }
        match kind {
            ENHANCED_PACKET => self.enhanced(block, offset, sink),
            OLD_PACKET => self.old_packet(block, offset, sink),
            SIMPLE_PACKET => self.simple(block, offset, sink),
            SECTION_HEADER | INTERFACE | STATISTICS => self.described(block, offset, sink),
            _ => self.other_blocks += 1,
        }
    }

    fn described<S: FileSink>(&mut self, block: &[u8], offset: u64, sink: &mut S) {
        let parsed = if self.big {
            pcap_parser::parse_block_be(block)
        } else {
            pcap_parser::parse_block_le(block)
        };
        match parsed {
            Ok((_, Block::SectionHeader(header))) => {
                self.sections += 1;
                self.interfaces.clear();
                self.hardware = text_option(&header.options, 2).or(self.hardware.take());
                self.os = text_option(&header.options, 3).or(self.os.take());
                self.application = text_option(&header.options, 4).or(self.application.take());
            }
            Ok((_, Block::InterfaceDescription(found))) => {
                self.interface(found.linktype.0 as u16, found.snaplen, &found.options, sink);
            }
            Ok((_, Block::InterfaceStatistics(found))) => {
                for option in found.options.iter().filter(|o| matches!(o.code.0, 5 | 7)) {
                    self.dropped = self
                        .dropped
                        .saturating_add(number(option, self.big).unwrap_or(0) as u64);
                }
            }
            _ if u32_at(block, 0, self.big) == Some(INTERFACE) => {
                // Options are broken; the link type in front of them still serves.
                let link_type = u16_at(block, 8, self.big).unwrap_or(1);
                self.interface(link_type, u32_at(block, 12, self.big).unwrap_or(0), &[], sink);
                self.bad(block, offset, sink);
            }
            _ => self.bad(block, offset, sink),
        }
    }

    fn interface<S: FileSink>(
        &mut self,
        link_type: u16,
        snaplen: u32,
        options: &[PcapNGOption<'_>],
        sink: &mut S,
    ) {
        if self.interfaces.len() >= MAX_INTERFACES {
            return;
        }
        let option = |code| options.iter().find(|o| o.code.0 == code);
        let tsresol = option(9).and_then(|o| o.value().first().copied()).unwrap_or(6);
        let tsoffset = option(14).and_then(|o| number(o, self.big)).unwrap_or(0);
        let clock = Clock::new(tsresol, tsoffset);
        let name = text_option(options, 2).unwrap_or_default();
        let description = text_option(options, 3).unwrap_or_default();
        sink.interface(self.announced, link_type, &name, &description);
        if self.clock.is_empty() {
            self.clock = clock.describe();
        }
        if !self.link_types.contains(&link_type) {
            self.link_types.push(link_type);
        }
        let label = if description.is_empty() { name } else { description };
        if !label.is_empty() && self.names.len() < 64 {
            self.names.push(label);
        }
        self.interfaces.push(Interface {
            number: self.announced,
            link_type,
            snaplen,
            clock,
        });
        self.announced += 1;
    }

    fn enhanced<S: FileSink>(&mut self, block: &[u8], offset: u64, sink: &mut S) {
        let word = |at| u32_at(block, at, self.big);
        let (Some(interface), Some(high), Some(low), Some(caplen), Some(orig_len)) =
            (word(8), word(12), word(16), word(20), word(24))
        else {
            return self.bad(block, offset, sink);
        };
        let count = u64::from(high) << 32 | u64::from(low);
        self.packet_with_options(block, 28, interface, count, (caplen, orig_len), offset, sink);
    }

    fn old_packet<S: FileSink>(&mut self, block: &[u8], offset: u64, sink: &mut S) {
        let word = |at| u32_at(block, at, self.big);
        let (Some(interface), Some(high), Some(low), Some(caplen), Some(orig_len)) =
            (u16_at(block, 8, self.big), word(12), word(16), word(20), word(24))
        else {
            return self.bad(block, offset, sink);
        };
        let count = u64::from(high) << 32 | u64::from(low);
        self.packet_with_options(
            block,
            28,
            u32::from(interface),
            count,
            (caplen, orig_len),
            offset,
            sink,
        );
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one block, read by two callers"
    )]
    fn packet_with_options<S: FileSink>(
        &mut self,
        block: &[u8],
        start: usize,
        interface: u32,
        count: u64,
        (caplen, orig_len): (u32, u32),
        offset: u64,
        sink: &mut S,
    ) {
        let body = block.get(start..block.len() - 4).unwrap_or_default();
        let Some(data) = body.get(..caplen as usize) else {
            return self.bad(block, offset, sink);
        };
        let padded = (caplen as usize).next_multiple_of(4);
        let (mut flags, mut comment) = (0, None);
        let options = Options {
            rest: body.get(padded..).unwrap_or_default(),
            big: self.big,
        };
        for (code, value) in options {
            match code {
                1 if comment.is_none() => comment = std::str::from_utf8(value).ok(),
                2 => flags = u32_at(value, 0, self.big).unwrap_or(0),
                _ => {}
            }
        }
        let found = Found {
            interface,
            count: Some(count),
            data,
            orig_len,
            flags,
            comment,
        };
        self.emit(&found, block, offset, sink);
    }

    fn simple<S: FileSink>(&mut self, block: &[u8], offset: u64, sink: &mut S) {
        let Some(orig_len) = u32_at(block, 8, self.big) else {
            return self.bad(block, offset, sink);
        };
        let body = block.get(12..block.len() - 4).unwrap_or_default();
        let snaplen = self.interfaces.first().map_or(0, |i| i.snaplen);
        let limit = if snaplen == 0 {
            orig_len
        } else {
            orig_len.min(snaplen)
        };
        let data = body.get(..limit as usize).unwrap_or(body);
        let found = Found {
            interface: 0,
            count: None,
            data,
            orig_len,
            flags: 0,
            comment: None,
        };
        self.emit(&found, block, offset, sink);
    }

    fn emit<S: FileSink>(&mut self, found: &Found<'_>, block: &[u8], offset: u64, sink: &mut S) {
        let Some(interface) = self.interfaces.get(found.interface as usize) else {
            return self.bad(block, offset, sink);
        };
        self.records += 1;
        // Simple packets carry no time; the one before them is the nearest that is known.
        self.last_ns = found
            .count
            .map_or(self.last_ns, |count| interface.clock.ns(count));
        let direction = match found.flags & 3 {
            1 => Some(Direction::In),
            2 => Some(Direction::Out),
            _ => None,
        };
        sink.packet(&Packet {
            ts_ns: self.last_ns,
            record: self.records,
            link_type: interface.link_type,
            data: found.data,
            orig_len: found.orig_len.max(found.data.len() as u32),
            interface: interface.number,
            direction,
            pid: if direction == Some(Direction::In) {
                None
            } else {
                found.comment.and_then(pid_of)
            },
            comment: found.comment,
        });
    }

    fn bad<S: FileSink>(&mut self, block: &[u8], offset: u64, sink: &mut S) {
        self.lost_bytes += block.len() as u64;
        let text = "A pcapng block contradicts itself and was skipped.";
        sink.remark(
            Diagnostic::warning("PcapngBadBlock", text)
                .at(offset)
                .lost(block.len() as u64),
        );
    }

    fn cut<S: FileSink>(&mut self, len: usize, offset: u64, sink: &mut S) -> usize {
        self.lost_bytes += len as u64;
        let text =
            "The capture ends in the middle of a block; that block is lost. The recording was cut off.";
        sink.remark(
            Diagnostic::warning("PcapngTruncated", text)
                .at(offset)
                .lost(len as u64),
        );
        len
    }

    /// Skips to the next aligned place that holds a known block with two equal lengths; 0 asks for more bytes.
    fn resync<S: FileSink>(&mut self, rest: &[u8], offset: u64, eof: bool, sink: &mut S) -> usize {
        let found = (4..rest.len())
            .step_by(4)
            .find(|&at| self.likely(rest.get(at..).unwrap_or_default()));
        let skipped = match found {
            Some(at) => at,
            None if eof => rest.len(),
            None if rest.len() > 1 << 20 => (rest.len() - (1 << 19)) & !3,
            None => {
                self.wants = rest.len() + (1 << 20);
                return 0;
            }
        };
        self.lost_bytes += skipped as u64;
        let text =
            "A pcapng block has an impossible length; bytes were skipped up to the next readable block.";
        sink.remark(
            Diagnostic::warning("PcapngResync", text)
                .at(offset)
                .lost(skipped as u64),
        );
        skipped
    }

    fn likely(&self, rest: &[u8]) -> bool {
        let (Some(kind), Some(len)) = (u32_at(rest, 0, self.big), u32_at(rest, 4, self.big)) else {
            return false;
        };
        let len = len as usize;
        let known = rest.starts_with(&SECTION_HEADER.to_be_bytes()) || (1..=11).contains(&kind);
        known
            && (12..=MAX_BLOCK).contains(&len)
            && len.is_multiple_of(4)
            && u32_at(rest, len - 4, self.big) == Some(len as u32)
    }

    pub(crate) fn facts(&self, container: &mut BTreeMap<&'static str, serde_json::Value>, lost: &mut Lost) {
        container.insert("format", json!("pcapng"));
        container.insert("big_endian", json!(self.big));
        container.insert("sections", json!(self.sections));
        container.insert("interfaces", json!(self.announced));
        container.insert("link_types", json!(self.link_types));
        container.insert("time_resolution", json!(self.clock));
        if !self.names.is_empty() {
            container.insert(
                "interface_names",
                json!(self.names.iter().map(Text::as_str).collect::<Vec<_>>()),
            );
        }
        let named = [
            ("hardware", &self.hardware),
            ("os", &self.os),
            ("application", &self.application),
        ];
        for (key, value) in named {
            if let Some(value) = value {
                container.insert(key, json!(value.as_str()));
            }
        }
        container.insert("other_blocks", json!(self.other_blocks));
        lost.events += self.dropped;
        lost.bytes += self.lost_bytes;
    }
}
