//! Cabinet files.
//!
//! Source: MS-CAB. MSZIP blocks don't refer to the block before; readers can't tell.

use super::Member;
use super::zip::deflate;
use crate::bytes::Bytes;
use crate::moment::Moment;

/// How a folder is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CabMethod {
    /// Not at all.
    Stored,
    /// Deflate in blocks of 32 KiB.
    MsZip,
}

/// A cabinet with one folder.
#[derive(Debug, Clone)]
pub struct Cab {
    method: CabMethod,
    members: Vec<Member>,
    at: Moment,
    offset_min: i32,
    bad_block: Option<usize>,
    truncate: Option<usize>,
}

impl Cab {
    /// An empty cabinet.
    pub fn new(method: CabMethod) -> Self {
        let at = Moment::at("2026-03-02T02:00:00Z");
        Self {
            method,
            members: vec![],
            at,
            offset_min: 0,
            bad_block: None,
            truncate: None,
        }
    }

    /// Adds a file; `/` in the name becomes `\`.
    #[must_use]
    pub fn file(mut self, name: &str, data: impl Into<Vec<u8>>) -> Self {
        self.members.push(Member::new(name, data));
        self
    }

    /// Adds files.
    #[must_use]
    pub fn files(mut self, members: impl IntoIterator<Item = Member>) -> Self {
        self.members.extend(members);
        self
    }

    /// Member times, in a zone.
    #[must_use]
    pub fn dated(mut self, at: Moment, offset_min: i32) -> Self {
        (self.at, self.offset_min) = (at, offset_min);
        self
    }

    /// Damages the n-th data block.
    #[must_use]
    pub fn bad_block(mut self, index: usize) -> Self {
        self.bad_block = Some(index);
        self
    }

    /// Cuts the file.
    #[must_use]
    pub fn truncate_at(mut self, offset: usize) -> Self {
        self.truncate = Some(offset);
        self
    }

    fn blocks(&self) -> (Vec<u8>, u16) {
        let stream: Vec<u8> = self.members.iter().flat_map(|m| m.data.iter().copied()).collect();
        let mut out = Bytes::new();
        let mut count = 0u16;
        for (index, plain) in stream.chunks(32_768).enumerate() {
            let mut packed = match self.method {
                CabMethod::Stored => plain.to_vec(),
                CabMethod::MsZip => [b"CK".as_slice(), &deflate(plain)].concat(),
            };
            let sum = checksum(&packed, plain.len() as u16);
            if self.bad_block == Some(index) {
                packed.iter_mut().skip(16).for_each(|b| *b ^= 0x5a);
            }
            out.u32(sum)
                .u16(packed.len() as u16)
                .u16(plain.len() as u16)
                .raw(&packed);
            count += 1;
        }
        (out.take(), count)
    }

    fn entries(&self) -> Vec<u8> {
        let part = |f: &str| self.at.format(f, self.offset_min).parse::<u16>().unwrap_or(0);
        let date = (part("%Y").saturating_sub(1980) << 9) | (part("%m") << 5) | part("%d");
        let time = (part("%H") << 11) | (part("%M") << 5) | (part("%S") / 2);
        let mut b = Bytes::new();
        let mut offset = 0u32;
        for member in &self.members {
            let utf8 = if member.name.is_ascii() { 0 } else { 0x80 };
            b.u32(member.data.len() as u32)
                .u32(offset)
                .u16(0)
                .u16(date)
                .u16(time)
                .u16(0x20 | utf8);
            b.asciiz(&member.name.replace('/', "\\"));
            offset += member.data.len() as u32;
        }
        b.take()
    }

    /// The file.
    pub fn write(&self) -> Vec<u8> {
        let (blocks, count) = self.blocks();
        let entries = self.entries();
        let files_at = 36 + 8;
        let data_at = files_at + entries.len() as u32;
        let total = data_at + blocks.len() as u32;
        let mut b = Bytes::new();
        b.raw(b"MSCF")
            .u32(0)
            .u32(total)
            .u32(0)
            .u32(files_at)
            .u32(0)
            .u8(3)
            .u8(1);
        b.u16(1).u16(self.members.len() as u16).u16(0).u16(0x1234).u16(0);
        b.u32(data_at)
            .u16(count)
            .u16(u16::from(self.method == CabMethod::MsZip));
        b.raw(&entries).raw(&blocks);
        let mut bytes = b.take();
        bytes.truncate(self.truncate.unwrap_or(usize::MAX));
        bytes
    }
}

/// CFDATA checksum: XOR of little-endian words; the odd tail is taken big-endian, then the two sizes.
fn checksum(data: &[u8], plain_len: u16) -> u32 {
    let mut sum = 0u32;
    let mut words = data.chunks_exact(4);
    for word in words.by_ref() {
        sum ^= u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
    }
    sum ^= words
        .remainder()
        .iter()
        .fold(0u32, |tail, b| tail << 8 | u32::from(*b));
    sum ^ u32::from(data.len() as u16) ^ u32::from(plain_len) << 16
}
