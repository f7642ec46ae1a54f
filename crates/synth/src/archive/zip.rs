//! Zip files.
//!
//! Source: APPNOTE.TXT. Times are fixed, names may be in CP932, members may be encrypted, entries may lie.

use std::io::{self, Write};

use super::crypt::{winzip_aes, zip_crypto};
use super::{Member, copy_name};
use crate::bytes::Bytes;
use crate::moment::Moment;

/// How a member's bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// As they are.
    Stored,
    /// Deflated.
    Deflated,
}

/// How members are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Traditional PKWARE.
    ZipCrypto,
    /// WinZip AE-2 with a 128-bit key.
    Aes128,
    /// WinZip AE-2 with a 256-bit key.
    Aes256,
}

/// A zip under construction.
#[derive(Debug, Clone)]
pub struct Zip {
    method: Method,
    encryption: Option<(Encryption, String)>,
    comment: String,
    at: Moment,
    offset_min: i32,
    cp932_names: bool,
    declared_size: Option<u32>,
    truncate: Option<usize>,
    members: Vec<Member>,
    copies: usize,
    naming: fn(&str, usize, usize) -> String,
}

impl Default for Zip {
    fn default() -> Self {
        Self {
            method: Method::Deflated,
            encryption: None,
            comment: String::new(),
            at: Moment::at("2026-03-02T02:00:00Z"),
            offset_min: 0,
            cp932_names: false,
            declared_size: None,
            truncate: None,
            members: vec![],
            copies: 1,
            naming: copy_name,
        }
    }
}

impl Zip {
    /// An empty, deflating zip.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
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

    /// Writes the members so many times, in a folder of their own each time.
    #[must_use]
    pub fn copies(mut self, count: usize) -> Self {
        self.copies = count;
        self
    }

    /// What a member is called in a copy, by its name, the copy's number and how many there are.
    #[must_use]
    pub(super) fn naming(mut self, naming: fn(&str, usize, usize) -> String) -> Self {
        self.naming = naming;
        self
    }

    /// Sets the method of all members.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Encrypts all members.
    #[must_use]
    pub fn encrypted(mut self, encryption: Encryption, password: &str) -> Self {
        self.encryption = Some((encryption, password.to_owned()));
        self
    }

    /// Archive comment.
    #[must_use]
    pub fn comment(mut self, text: &str) -> Self {
        self.comment = text.to_owned();
        self
    }

    /// Writes names in CP932, as Explorer on a Japanese system does.
    #[must_use]
    pub fn cp932_names(mut self) -> Self {
        self.cp932_names = true;
        self
    }

    /// Member times, in a zone.
    #[must_use]
    pub fn dated(mut self, at: Moment, offset_min: i32) -> Self {
        (self.at, self.offset_min) = (at, offset_min);
        self
    }

    /// Claims this uncompressed size for every member, whatever it really is.
    #[must_use]
    pub fn declared_size(mut self, bytes: u32) -> Self {
        self.declared_size = Some(bytes);
        self
    }

    /// Cuts the file.
    #[must_use]
    pub fn truncate_at(mut self, offset: usize) -> Self {
        self.truncate = Some(offset);
        self
    }

    fn dos_time(&self) -> (u16, u16) {
        let part = |f: &str| self.at.format(f, self.offset_min).parse::<u16>().unwrap_or(0);
        let time = (part("%H") << 11) | (part("%M") << 5) | (part("%S") / 2);
        (
            time,
            (part("%Y").saturating_sub(1980) << 9) | (part("%m") << 5) | part("%d"),
        )
    }

    fn body(&self, member: &Member, crc: u32) -> Vec<u8> {
        let plain = match self.method {
            Method::Stored => member.data.clone(),
            Method::Deflated => deflate(&member.data),
        };
        match &self.encryption {
            None => plain,
            Some((Encryption::ZipCrypto, password)) => zip_crypto(&plain, password, crc, &member.name),
            Some((Encryption::Aes128, password)) => winzip_aes(&plain, password, 1, &member.name),
            Some((Encryption::Aes256, password)) => winzip_aes(&plain, password, 3, &member.name),
        }
    }

    /// The fields local and central headers share, from "version needed" to the name length.
    fn common(&self, member: &Member, crc: u32, packed: usize, name: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let plain_method = if self.method == Method::Stored { 0 } else { 8 };
        let (method, extra, crc) = match &self.encryption {
            Some((kind @ (Encryption::Aes128 | Encryption::Aes256), _)) => {
                let strength = if *kind == Encryption::Aes128 { 1 } else { 3 };
                let mut e = Bytes::new();
                e.u16(0x9901)
                    .u16(7)
                    .u16(2)
                    .raw(b"AE")
                    .u8(strength)
                    .u16(plain_method);
                (99, e.take(), 0)
            }
            _ => (plain_method, vec![], crc),
        };
        let utf8 = !name.is_ascii() && !self.cp932_names;
        let flags = u16::from(self.encryption.is_some()) | if utf8 { 0x800 } else { 0 };
        let (time, date) = self.dos_time();
        let size = self.declared_size.unwrap_or(member.data.len() as u32);
        let mut b = Bytes::new();
        b.u16(if method == 99 { 51 } else { 20 })
            .u16(flags)
            .u16(method)
            .u16(time)
            .u16(date)
            .u32(crc);
        b.u32(packed as u32)
            .u32(size)
            .u16(name.len() as u16)
            .u16(extra.len() as u16);
        (b.take(), extra)
    }

    fn name(&self, member: &Member, copy: usize) -> Vec<u8> {
        let name = (self.naming)(&member.name, copy, self.copies);
        if self.cp932_names {
            encoding_rs::SHIFT_JIS.encode(&name).0.into_owned()
        } else {
            name.into_bytes()
        }
    }

    /// The file.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Memory takes everything.
        let _ = self.write_to(&mut bytes);
        bytes.truncate(self.truncate.unwrap_or(usize::MAX));
        bytes
    }

    /// Writes the file whole; one copy of the packed members is in memory.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let packed: Vec<(&Member, u32, Vec<u8>)> = self
            .members
            .iter()
            .map(|member| {
                let crc = crc32fast::hash(&member.data);
                (member, crc, self.body(member, crc))
            })
            .collect();
        let (mut directory, mut start, mut count) = (Bytes::new(), 0_usize, 0_u16);
        for copy in 0..self.copies {
            for (member, crc, body) in &packed {
                let name = self.name(member, copy);
                let (common, extra) = self.common(member, *crc, body.len(), &name);
                let mut head = Bytes::new();
                head.u32(0x0403_4b50).raw(&common).raw(&name).raw(&extra);
                out.write_all(&head.0)?;
                out.write_all(body)?;
                central(&mut directory, &common, start as u32);
                directory.raw(&name).raw(&extra);
                start += head.len() + body.len();
                count = count.wrapping_add(1);
            }
        }
        out.write_all(&directory.0)?;
        let mut end = Bytes::new();
        end.u32(0x0605_4b50).u16(0).u16(0).u16(count).u16(count);
        end.u32(directory.len() as u32)
            .u32(start as u32)
            .u16(self.comment.len() as u16)
            .raw(self.comment.as_bytes());
        out.write_all(&end.0)
    }
}

/// The directory's entry, up to the name, of a member that begins at `at`.
fn central(directory: &mut Bytes, common: &[u8], at: u32) {
    directory
        .u32(0x0201_4b50)
        .u16(20)
        .raw(common)
        .u16(0)
        .u16(0)
        .u16(0)
        .u32(0)
        .u32(at);
}

/// Raw deflate. Not through flate2: which engine that uses depends on what else is built, and with it the bytes.
pub(super) fn deflate(data: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec(data, 9)
}
