//! Cabinet files.
//!
//! Source: MS-CAB. MSZIP blocks don't refer to the block before; readers can't tell.

use std::io::{self, Write};

use super::zip::deflate;
use super::{Member, copy_name, lzx};
use crate::bytes::Bytes;
use crate::moment::Moment;

/// Bytes of a data block.
const BLOCK: usize = lzx::FRAME;

/// How a folder is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CabMethod {
    /// Not at all.
    Stored,
    /// Deflate in blocks of 32 KiB.
    MsZip,
    /// LZX with a window of 2 MiB.
    Lzx,
}

/// A cabinet with one folder, or several that are equal.
#[derive(Debug, Clone)]
pub struct Cab {
    method: CabMethod,
    members: Vec<Member>,
    copies: usize,
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
            copies: 1,
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

    /// Writes the folder so many times, its members in a folder of their own each time.
    #[must_use]
    pub fn copies(mut self, count: usize) -> Self {
        self.copies = count;
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
        let packed: Vec<Vec<u8>> = match self.method {
            CabMethod::Stored => stream.chunks(BLOCK).map(<[u8]>::to_vec).collect(),
            CabMethod::MsZip => stream
                .chunks(BLOCK)
                .map(|plain| [b"CK".as_slice(), &deflate(plain)].concat())
                .collect(),
            CabMethod::Lzx => lzx::frames(&stream),
        };
        let mut out = Bytes::new();
        for (index, (mut packed, plain)) in packed.into_iter().zip(stream.chunks(BLOCK)).enumerate() {
            let sum = checksum(&packed, plain.len() as u16);
            if self.bad_block == Some(index) {
                packed.iter_mut().skip(16).for_each(|b| *b ^= 0x5a);
            }
            out.u32(sum)
                .u16(packed.len() as u16)
                .u16(plain.len() as u16)
                .raw(&packed);
        }
        (out.take(), stream.len().div_ceil(BLOCK) as u16)
    }

    fn method_code(&self) -> u16 {
        match self.method {
            CabMethod::Stored => 0,
            CabMethod::MsZip => 1,
            CabMethod::Lzx => 3 | lzx::WINDOW_BITS << 8,
        }
    }

    fn entries(&self) -> Vec<u8> {
        let part = |f: &str| self.at.format(f, self.offset_min).parse::<u16>().unwrap_or(0);
        let date = (part("%Y").saturating_sub(1980) << 9) | (part("%m") << 5) | part("%d");
        let time = (part("%H") << 11) | (part("%M") << 5) | (part("%S") / 2);
        let mut b = Bytes::new();
        for copy in 0..self.copies {
            let mut offset = 0u32;
            for member in &self.members {
                let name = copy_name(&member.name, copy, self.copies);
                let utf8 = if name.is_ascii() { 0 } else { 0x80 };
                b.u32(member.data.len() as u32)
                    .u32(offset)
                    .u16(copy as u16)
                    .u16(date)
                    .u16(time)
                    .u16(0x20 | utf8);
                b.asciiz(&name.replace('/', "\\"));
                offset += member.data.len() as u32;
            }
        }
        b.take()
    }

    /// The file.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Memory takes everything.
        let _ = self.write_to(&mut bytes);
        bytes.truncate(self.truncate.unwrap_or(usize::MAX));
        bytes
    }

    /// Writes the file whole; one copy of the folder is in memory.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let (blocks, count) = self.blocks();
        let entries = self.entries();
        let files_at = 36 + 8 * self.copies as u32;
        let data_at = files_at + entries.len() as u32;
        let total = data_at + (blocks.len() * self.copies) as u32;
        let mut b = Bytes::new();
        b.raw(b"MSCF")
            .u32(0)
            .u32(total)
            .u32(0)
            .u32(files_at)
            .u32(0)
            .u8(3)
            .u8(1);
        b.u16(self.copies as u16)
            .u16((self.members.len() * self.copies) as u16)
            .u16(0)
            .u16(0x1234)
            .u16(0);
        for copy in 0..self.copies {
            b.u32(data_at + (blocks.len() * copy) as u32)
                .u16(count)
                .u16(self.method_code());
        }
        out.write_all(&b.take())?;
        out.write_all(&entries)?;
        (0..self.copies).try_for_each(|_| out.write_all(&blocks))
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
