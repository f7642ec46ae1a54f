//! QUIC version 1 Initial packets of a client, really protected.
//!
//! Source: RFC 9000 §17.2.2, RFC 9001 §5 (its appendix A.1 is a test here).

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit as _};
use aes_gcm::Aes128Gcm;
use aes_gcm::aead::{Aead, Payload};
use hkdf::Hkdf;
use sha2::Sha256;

use super::tls::ClientHello;
use crate::bytes::Bytes;

const SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
    0xbb, 0x7f, 0x0a,
];

fn expand<const N: usize>(from: &Hkdf<Sha256>, label: &str) -> [u8; N] {
    let full = format!("tls13 {label}");
    let mut info = Bytes::new();
    info.be16(N as u16)
        .u8(full.len() as u8)
        .raw(full.as_bytes())
        .u8(0);
    let mut out = [0u8; N];
    // Fails only for outputs of more than 255 hashes.
    let _ = from.expand(&info.0, &mut out);
    out
}

/// Key, IV and header-protection key of the client's Initial packets.
fn client_keys(dcid: &[u8]) -> ([u8; 16], [u8; 12], [u8; 16]) {
    let initial = Hkdf::<Sha256>::new(Some(&SALT), dcid);
    let secret: [u8; 32] = expand(&initial, "client in");
    let Ok(client) = Hkdf::<Sha256>::from_prk(&secret) else {
        return Default::default();
    };
    (
        expand(&client, "quic key"),
        expand(&client, "quic iv"),
        expand(&client, "quic hp"),
    )
}

fn varint(out: &mut Bytes, value: usize) {
    if value < 64 {
        out.u8(value as u8);
    } else {
        out.be16(value as u16 | 0x4000);
    }
}

/// The client's first datagram: an Initial packet of 1200 bytes with the hello in one CRYPTO frame.
pub fn initial(dcid: &[u8], hello: &ClientHello) -> Vec<u8> {
    let message = hello.message();
    let mut frames = Bytes::new();
    frames.u8(6).u8(0);
    varint(&mut frames, message.len());
    frames.raw(&message);
    let mut head = Bytes::new();
    // Long header, Initial, four-byte packet number; version 1; no source id, no token.
    head.u8(0xc3).be32(1).u8(dcid.len() as u8).raw(dcid).u8(0).u8(0);
    let padded = 1200usize
        .saturating_sub(head.len() + 2 + 4 + 16)
        .max(frames.len());
    let missing = padded - frames.len();
    frames.fill(0, missing);
    varint(&mut head, 4 + padded + 16);
    let number_at = head.len();
    head.be32(0);
    protect(head, &frames.0, number_at, dcid)
}

/// Encrypts the frames and masks the header; packet number 0, so the IV is the nonce.
fn protect(mut head: Bytes, frames: &[u8], number_at: usize, dcid: &[u8]) -> Vec<u8> {
    let (key, iv, hp) = client_keys(dcid);
    let cipher = Aes128Gcm::new(&key.into());
    let sealed = cipher
        .encrypt(
            &iv.into(),
            Payload {
                msg: frames,
                aad: &head.0,
            },
        )
        .unwrap_or_default();
    let mut block = aes::Block::default();
    block.iter_mut().zip(&sealed).for_each(|(b, s)| *b = *s);
    Aes128::new(&hp.into()).encrypt_block(&mut block);
    head.0[0] ^= block[0] & 0x0f;
    (0..4).for_each(|n| head.0[number_at + n] ^= block[n + 1]);
    head.raw(&sealed);
    head.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_standard() {
        let dcid = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
        let (key, iv, hp) = client_keys(&dcid);
        assert_eq!(key[..4], [0x1f, 0x36, 0x96, 0x13]);
        assert_eq!(iv[..4], [0xfa, 0x04, 0x4b, 0x2f]);
        assert_eq!(hp[..4], [0x9f, 0x50, 0x44, 0x9e]);
    }

    #[test]
    fn datagrams_have_full_size() {
        let hello = ClientHello::new("login.microsoftonline.com")
            .alpn(&["h3"])
            .versions(&[crate::net::tls::TLS13]);
        assert_eq!(initial(&[1; 8], &hello).len(), 1200);
    }
}
