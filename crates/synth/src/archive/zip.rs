//! Zip files.
//!
//! Source: APPNOTE.TXT. Times are fixed, names may be in CP932, members may be encrypted, entries may lie.

use super::Member;
use super::crypt::{winzip_aes, zip_crypto};
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

    fn name(&self, member: &Member) -> Vec<u8> {
        if self.cp932_names {
            encoding_rs::SHIFT_JIS.encode(&member.name).0.into_owned()
        } else {
            member.name.clone().into_bytes()
        }
    }

    /// The file.
    pub fn write(&self) -> Vec<u8> {
        let (mut out, mut directory) = (Bytes::new(), Bytes::new());
        for member in &self.members {
            let crc = crc32fast::hash(&member.data);
            let body = self.body(member, crc);
            let name = self.name(member);
            let at = out.len() as u32;
            let (common, extra) = self.common(member, crc, body.len(), &name);
            out.u32(0x0403_4b50)
                .raw(&common)
                .raw(&name)
                .raw(&extra)
                .raw(&body);
            directory
                .u32(0x0201_4b50)
                .u16(20)
                .raw(&common)
                .u16(0)
                .u16(0)
                .u16(0)
                .u32(0)
                .u32(at);
            directory.raw(&name).raw(&extra);
        }
        let (start, count) = (out.len() as u32, self.members.len() as u16);
        out.raw(&directory.0)
            .u32(0x0605_4b50)
            .u16(0)
            .u16(0)
            .u16(count)
            .u16(count);
        out.u32(directory.len() as u32)
            .u32(start)
            .u16(self.comment.len() as u16)
            .raw(self.comment.as_bytes());
        let mut bytes = out.take();
        bytes.truncate(self.truncate.unwrap_or(usize::MAX));
        bytes
    }
}

/// Raw deflate. Not through flate2: which engine that uses depends on what else is built, and with it the bytes.
pub(super) fn deflate(data: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec(data, 9)
}
