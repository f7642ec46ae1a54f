//! TLS records and handshake messages.
//!
//! Source: RFC 5246, RFC 8446. Everything behind ChangeCipherSpec is noise.

use crate::bytes::{Bytes, noise};

/// TLS 1.0 … 1.3 as wire numbers.
pub const TLS10: u16 = 0x0301;
/// TLS 1.1.
pub const TLS11: u16 = 0x0302;
/// TLS 1.2.
pub const TLS12: u16 = 0x0303;
/// TLS 1.3.
pub const TLS13: u16 = 0x0304;

/// Alert: handshake_failure.
pub const HANDSHAKE_FAILURE: u8 = 40;
/// Alert: bad_certificate.
pub const BAD_CERTIFICATE: u8 = 42;
/// Alert: certificate_unknown.
pub const CERTIFICATE_UNKNOWN: u8 = 46;
/// Alert: unknown_ca.
pub const UNKNOWN_CA: u8 = 48;
/// Alert: protocol_version.
pub const PROTOCOL_VERSION: u8 = 70;

/// A ClientHello under construction; the default is what Schannel of Windows 11 sends.
#[derive(Debug, Clone)]
pub struct ClientHello {
    sni: Option<String>,
    alpn: Vec<String>,
    versions: Vec<u16>,
    ciphers: Vec<u16>,
    groups: Vec<u16>,
    grease: bool,
    pad_to: usize,
}

impl ClientHello {
    /// For a server name.
    pub fn new(sni: &str) -> Self {
        Self {
            sni: Some(sni.to_owned()),
            alpn: vec![],
            versions: vec![TLS13, TLS12],
            ciphers: vec![
                0x1302, 0x1301, 0xc02c, 0xc02b, 0xc030, 0xc02f, 0xc024, 0xc023, 0xc028, 0xc027, 0x009d,
                0x009c,
            ],
            groups: vec![0x001d, 0x0017, 0x0018],
            grease: false,
            pad_to: 0,
        }
    }

    /// Leaves the server name out.
    #[must_use]
    pub fn no_sni(mut self) -> Self {
        self.sni = None;
        self
    }

    /// Application protocols.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols.iter().map(ToString::to_string).collect();
        self
    }

    /// Offered versions, best first. Without 1.3 there is no supported_versions extension, as in old stacks.
    #[must_use]
    pub fn versions(mut self, versions: &[u16]) -> Self {
        self.versions = versions.to_vec();
        self
    }

    /// Cipher suites.
    #[must_use]
    pub fn ciphers(mut self, suites: &[u16]) -> Self {
        self.ciphers = suites.to_vec();
        self
    }

    /// Key-exchange groups; the first one gets a key share.
    #[must_use]
    pub fn groups(mut self, groups: &[u16]) -> Self {
        self.groups = groups.to_vec();
        self
    }

    /// Adds the reserved values browsers send (RFC 8701).
    #[must_use]
    pub fn grease(mut self) -> Self {
        self.grease = true;
        self
    }

    /// Pads the handshake message to at least this size, so that it spans several segments.
    #[must_use]
    pub fn pad_to(mut self, bytes: usize) -> Self {
        self.pad_to = bytes;
        self
    }

    fn has13(&self) -> bool {
        self.versions.contains(&TLS13)
    }

    fn extensions(&self) -> Bytes {
        let mut e = Bytes::new();
        if self.grease {
            extension(&mut e, 0x1a1a, &[]);
        }
        if let Some(name) = &self.sni {
            let mut b = Bytes::new();
            b.be16(name.len() as u16 + 3)
                .u8(0)
                .be16(name.len() as u16)
                .raw(name.as_bytes());
            extension(&mut e, 0, &b.0);
        }
        extension(&mut e, 10, &list16(&self.groups));
        extension(&mut e, 11, &[1, 0]);
        extension(
            &mut e,
            13,
            &list16(&[0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0403, 0x0503]),
        );
        if !self.alpn.is_empty() {
            let mut b = Bytes::new();
            for protocol in &self.alpn {
                b.u8(protocol.len() as u8).raw(protocol.as_bytes());
            }
            let list = b.take();
            b.be16(list.len() as u16).raw(&list);
            extension(&mut e, 16, &b.0);
        }
        extension(&mut e, 23, &[]);
        if self.has13() {
            self.extensions13(&mut e);
        }
        extension(&mut e, 0xff01, &[0]);
        e
    }

    fn extensions13(&self, e: &mut Bytes) {
        let mut b = Bytes::new();
        b.u8((self.versions.len() * 2) as u8);
        self.versions.iter().for_each(|v| {
            b.be16(*v);
        });
        extension(e, 43, &b.0);
        extension(e, 45, &[1, 1]);
        let group = self.groups.first().copied().unwrap_or(0x001d);
        let key = noise(&format!("share {group}"), share_len(group));
        let mut share = Bytes::new();
        share
            .be16(key.len() as u16 + 4)
            .be16(group)
            .be16(key.len() as u16)
            .raw(&key);
        extension(e, 51, &share.0);
    }

    /// The handshake message.
    pub fn message(&self) -> Vec<u8> {
        let label = self.sni.clone().unwrap_or_default();
        let best = self.versions.iter().copied().max().unwrap_or(TLS12).min(TLS12);
        let mut b = Bytes::new();
        b.be16(best).raw(&noise(&format!("client random {label}"), 32));
        let session = if self.has13() {
            noise(&format!("session {label}"), 32)
        } else {
            vec![]
        };
        b.u8(session.len() as u8).raw(&session);
        let mut suites = self.ciphers.clone();
        if self.grease {
            suites.insert(0, 0x2a2a);
        }
        b.raw(&list16(&suites)).u8(1).u8(0);
        let mut extensions = self.extensions();
        let size = b.len() + 2 + extensions.len() + 4;
        if size + 4 < self.pad_to {
            extension(&mut extensions, 21, &vec![0; self.pad_to - size - 4]);
        }
        b.be16(extensions.len() as u16).raw(&extensions.0);
        handshake(1, &b.0)
    }

    /// The message in one record.
    pub fn record(&self) -> Vec<u8> {
        record(22, TLS10, &self.message())
    }

    /// The message cut over records of `size` bytes.
    pub fn records(&self, size: usize) -> Vec<u8> {
        self.message()
            .chunks(size)
            .flat_map(|part| record(22, TLS10, part))
            .collect()
    }
}

fn share_len(group: u16) -> usize {
    match group {
        0x0017 => 65,
        0x0018 => 97,
        // X25519MLKEM768: what makes a ClientHello larger than one segment.
        0x11ec => 1216,
        _ => 32,
    }
}

fn list16(values: &[u16]) -> Vec<u8> {
    let mut b = Bytes::new();
    b.be16(values.len() as u16 * 2);
    values.iter().for_each(|v| {
        b.be16(*v);
    });
    b.take()
}

fn extension(out: &mut Bytes, kind: u16, data: &[u8]) {
    out.be16(kind).be16(data.len() as u16).raw(data);
}

/// A handshake message with its header.
pub fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut b = Bytes::new();
    b.u8(kind).be24(body.len()).raw(body);
    b.take()
}

/// One record. Content types: 20 change_cipher_spec, 21 alert, 22 handshake, 23 application data.
pub fn record(kind: u8, version: u16, body: &[u8]) -> Vec<u8> {
    let mut b = Bytes::new();
    b.u8(kind).be16(version).be16(body.len() as u16).raw(body);
    b.take()
}

/// ServerHello of TLS ≤ 1.2 with an optional ALPN answer, without a record.
pub fn server_hello(version: u16, cipher: u16, alpn: Option<&str>) -> Vec<u8> {
    let mut e = Bytes::new();
    extension(&mut e, 23, &[]);
    extension(&mut e, 0xff01, &[0]);
    if let Some(protocol) = alpn {
        let mut b = Bytes::new();
        b.be16(protocol.len() as u16 + 1)
            .u8(protocol.len() as u8)
            .raw(protocol.as_bytes());
        extension(&mut e, 16, &b.0);
    }
    let mut b = Bytes::new();
    b.be16(version)
        .raw(&noise("server random", 32))
        .u8(32)
        .raw(&noise("server session", 32))
        .be16(cipher)
        .u8(0);
    b.be16(e.len() as u16).raw(&e.0);
    handshake(2, &b.0)
}

/// ServerHello of TLS 1.3, without a record.
pub fn server_hello13(cipher: u16, group: u16) -> Vec<u8> {
    let mut e = Bytes::new();
    extension(&mut e, 43, &TLS13.to_be_bytes());
    let key = noise(
        "server share",
        if group == 0x11ec { 1120 } else { share_len(group) },
    );
    let mut share = Bytes::new();
    share.be16(group).be16(key.len() as u16).raw(&key);
    extension(&mut e, 51, &share.0);
    let mut b = Bytes::new();
    b.be16(TLS12)
        .raw(&noise("server random 13", 32))
        .u8(32)
        .raw(&noise("session", 32))
        .be16(cipher)
        .u8(0);
    b.be16(e.len() as u16).raw(&e.0);
    handshake(2, &b.0)
}

/// Certificate (≤ 1.2) with a chain, leaf first; an empty chain is what a client without certificate sends.
pub fn certificate(chain: &[Vec<u8>]) -> Vec<u8> {
    let mut list = Bytes::new();
    for der in chain {
        list.be24(der.len()).raw(der);
    }
    let mut b = Bytes::new();
    b.be24(list.len()).raw(&list.0);
    handshake(11, &b.0)
}

/// CertificateRequest (≤ 1.2) without acceptable authorities.
pub fn certificate_request() -> Vec<u8> {
    let mut b = Bytes::new();
    b.u8(2)
        .u8(1)
        .u8(64)
        .raw(&list16(&[0x0401, 0x0501, 0x0403]))
        .be16(0);
    handshake(13, &b.0)
}

/// ServerKeyExchange with noise.
pub fn server_key_exchange() -> Vec<u8> {
    handshake(12, &noise("server key exchange", 296))
}

/// ServerHelloDone.
pub fn server_hello_done() -> Vec<u8> {
    handshake(14, &[])
}

/// ClientKeyExchange with noise.
pub fn client_key_exchange() -> Vec<u8> {
    handshake(16, &noise("client key exchange", 66))
}

/// CertificateVerify with noise.
pub fn certificate_verify() -> Vec<u8> {
    handshake(15, &noise("certificate verify", 260))
}

/// ChangeCipherSpec record and an encrypted Finished.
pub fn finished() -> Vec<u8> {
    [record(20, TLS12, &[1]), record(22, TLS12, &noise("finished", 40))].concat()
}

/// An application data record of `n` bytes of noise.
pub fn application_data(label: &str, n: usize) -> Vec<u8> {
    record(23, TLS12, &noise(label, n))
}

/// A clear-text alert: level 1 warning, 2 fatal.
pub fn alert(level: u8, code: u8) -> Vec<u8> {
    record(21, TLS12, &[level, code])
}
