//! 7z archives: stored or as LZMA2 chunks that are not compressed, in one or several blocks, with or without AES-256.
//!
//! Source: `DOC/7zFormat.txt` of the LZMA SDK; the key is SHA-256 over 2^n times password and counter.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes256, Block as AesBlock};
use sha2::{Digest, Sha256};

use super::Member;
use crate::bytes::{Bytes, noise};

const COPY: &[u8] = &[0];
const LZMA2: &[u8] = &[0x21];
const AES: &[u8] = &[6, 0xf1, 7, 1];

/// A 7z archive under construction.
#[derive(Debug, Clone, Default)]
pub struct SevenZip {
    blocks: Vec<Vec<Member>>,
    empty: Vec<String>,
    lzma2: bool,
    password: Option<(String, u8)>,
}

struct Packed {
    bytes: Vec<u8>,
    /// Method id and properties.
    coder: (&'static [u8], Vec<u8>),
    size: usize,
}

impl SevenZip {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a block with these files.
    #[must_use]
    pub fn block(mut self, members: impl IntoIterator<Item = Member>) -> Self {
        self.blocks.push(members.into_iter().collect());
        self
    }

    /// Adds a file without content, which is in no block.
    #[must_use]
    pub fn empty(mut self, name: &str) -> Self {
        self.empty.push(name.to_owned());
        self
    }

    /// Keeps the bytes as chunks of LZMA2.
    #[must_use]
    pub fn lzma2(mut self) -> Self {
        self.lzma2 = true;
        self
    }

    /// Encrypts contents with a key of 2^`power` hashes; names stay open.
    #[must_use]
    pub fn encrypted(mut self, password: &str, power: u8) -> Self {
        self.password = Some((password.to_owned(), power));
        self
    }

    /// The archive.
    pub fn build(&self) -> Vec<u8> {
        let packed: Vec<Packed> = self.blocks.iter().map(|block| self.pack(block)).collect();
        let header = self.header(&packed);
        let streams: Vec<u8> = packed.iter().flat_map(|block| block.bytes.clone()).collect();
        let mut start = Bytes::new();
        start
            .u64(streams.len() as u64)
            .u64(header.len() as u64)
            .u32(crc32fast::hash(&header.0));
        let mut out = Bytes::new();
        out.raw(b"7z\xbc\xaf\x27\x1c\0\x04")
            .u32(crc32fast::hash(&start.0))
            .raw(&start.0)
            .raw(&streams)
            .raw(&header.0);
        out.0
    }

    fn pack(&self, block: &[Member]) -> Packed {
        let plain: Vec<u8> = block.iter().flat_map(|member| member.data.clone()).collect();
        let size = plain.len();
        if let Some((password, power)) = &self.password {
            let label = block
                .first()
                .map(|member| member.name.as_str())
                .unwrap_or_default();
            let iv = noise(&format!("iv {label}"), 16);
            let properties = [&[power | 0x40, 0x0f], iv.as_slice()].concat();
            return Packed {
                bytes: cbc(&plain, &key(password, *power), &iv),
                coder: (AES, properties),
                size,
            };
        }
        match self.lzma2 {
            true => Packed {
                bytes: chunks(&plain),
                // A dictionary of 64 KiB.
                coder: (LZMA2, vec![8]),
                size,
            },
            false => Packed {
                bytes: plain,
                coder: (COPY, Vec::new()),
                size,
            },
        }
    }

    fn header(&self, packed: &[Packed]) -> Bytes {
        let mut out = Bytes::new();
        out.u8(1);
        if !packed.is_empty() {
            self.streams(&mut out, packed);
        }
        self.files(&mut out);
        out.u8(0);
        out
    }

    fn streams(&self, out: &mut Bytes, packed: &[Packed]) {
        out.u8(4).u8(6);
        number(out, 0);
        number(out, packed.len());
        out.u8(9);
        packed.iter().for_each(|block| number(out, block.bytes.len()));
        out.u8(0).u8(7).u8(0x0b);
        number(out, packed.len());
        out.u8(0);
        for block in packed {
            let (id, properties) = &block.coder;
            let has = if properties.is_empty() { 0 } else { 0x20 };
            out.u8(1).u8(id.len() as u8 | has).raw(id);
            if !properties.is_empty() {
                number(out, properties.len());
                out.raw(properties);
            }
        }
        out.u8(0x0c);
        packed.iter().for_each(|block| number(out, block.size));
        out.u8(0).u8(8).u8(0x0d);
        self.blocks.iter().for_each(|block| number(out, block.len()));
        out.u8(9);
        for block in &self.blocks {
            let all_but_last = block.iter().rev().skip(1).rev();
            all_but_last.for_each(|member| number(out, member.data.len()));
        }
        out.u8(0x0a).u8(1);
        for member in self.blocks.iter().flatten() {
            out.u32(crc32fast::hash(&member.data));
        }
        out.u8(0).u8(0);
    }

    fn files(&self, out: &mut Bytes) {
        let full = self.blocks.iter().flatten().map(|member| member.name.as_str());
        let names: Vec<&str> = full.chain(self.empty.iter().map(String::as_str)).collect();
        let with_bytes = names.len() - self.empty.len();
        out.u8(5);
        number(out, names.len());
        if !self.empty.is_empty() {
            bits(out, 0x0e, (0..names.len()).map(|at| at >= with_bytes));
            bits(out, 0x0f, self.empty.iter().map(|_| true));
        }
        let mut text = Bytes::new();
        text.u8(0);
        for name in &names {
            text.utf16z(name);
        }
        out.u8(0x11);
        number(out, text.len());
        out.raw(&text.0).u8(0x14);
        number(out, 2 + 8 * names.len());
        out.u8(1).u8(0);
        // 2 March 2026, 10:00 UTC.
        names.iter().for_each(|_| {
            out.u64(134_169_192_000_000_000);
        });
        out.u8(0);
    }
}

/// A property with a bit for each file.
fn bits(out: &mut Bytes, id: u8, flags: impl Iterator<Item = bool>) {
    let flags: Vec<bool> = flags.collect();
    let bytes: Vec<u8> = flags
        .chunks(8)
        .map(|byte| {
            byte.iter()
                .enumerate()
                .fold(0, |sum, (at, set)| sum | (u8::from(*set) << (7 - at)))
        })
        .collect();
    out.u8(id);
    number(out, bytes.len());
    out.raw(&bytes);
}

/// A number as 7z writes it: leading ones of the first byte count the bytes behind it, whose rest is the upper part.
fn number(out: &mut Bytes, value: usize) {
    let value = value as u64;
    let more = (0..8).find(|more| value < 1 << (7 * (more + 1))).unwrap_or(8);
    let mask = !(0xff_u16 >> more) as u8;
    let upper = if more < 7 { (value >> (8 * more)) as u8 } else { 0 };
    out.u8(mask | upper);
    out.raw(value.to_le_bytes().get(..more).unwrap_or_default());
}

fn chunks(plain: &[u8]) -> Vec<u8> {
    let mut out = Bytes::new();
    for (at, chunk) in plain.chunks(1 << 16).enumerate() {
        // The first one resets the dictionary.
        out.u8(if at == 0 { 1 } else { 2 });
        out.be16((chunk.len() as u16).wrapping_sub(1)).raw(chunk);
    }
    out.u8(0);
    out.0
}

fn key(password: &str, power: u8) -> [u8; 32] {
    let wide: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut hash = Sha256::new();
    for round in 0..1_u64 << power {
        hash.update(&wide);
        hash.update(round.to_le_bytes());
    }
    hash.finalize().into()
}

fn cbc(plain: &[u8], key: &[u8; 32], iv: &[u8]) -> Vec<u8> {
    let Ok(cipher) = Aes256::new_from_slice(key) else {
        return Vec::new();
    };
    let mut last: Vec<u8> = iv.to_vec();
    let mut out = Vec::with_capacity(plain.len() + 16);
    for piece in plain.chunks(16) {
        let mut block = AesBlock::default();
        for (at, byte) in block.iter_mut().enumerate() {
            *byte = piece.get(at).copied().unwrap_or(0) ^ last.get(at).copied().unwrap_or(0);
        }
        cipher.encrypt_block(&mut block);
        last = block.to_vec();
        out.extend_from_slice(&block);
    }
    out
}
