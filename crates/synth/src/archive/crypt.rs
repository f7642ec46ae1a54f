//! The two ciphers of encrypted zips. Salts and headers come from the member's name, so that bytes repeat.
//!
//! Source: APPNOTE.TXT §6.1 (traditional PKWARE) and WinZip's AE-2 description.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256, Block};
use sha1::{Digest, Sha1};

use crate::bytes::noise;

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut block = [0u8; 64];
    if key.len() > 64 {
        block[..20].copy_from_slice(&Sha1::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |byte: u8| block.map(|b| b ^ byte);
    let mut inner = Sha1::new();
    inner.update(pad(0x36));
    parts.iter().for_each(|p| inner.update(p));
    let mut outer = Sha1::new();
    outer.update(pad(0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

fn pbkdf2_sha1(password: &[u8], salt: &[u8], rounds: u32, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 20);
    let mut index = 1u32;
    while out.len() < len {
        let mut u = hmac_sha1(password, &[salt, &index.to_be_bytes()]);
        let mut sum = u;
        for _ in 1..rounds {
            u = hmac_sha1(password, &[&u]);
            sum.iter_mut().zip(u).for_each(|(s, b)| *s ^= b);
        }
        out.extend_from_slice(&sum);
        index += 1;
    }
    out.truncate(len);
    out
}

/// AE-2 payload: salt, two check bytes, ciphertext, ten bytes of authentication code. `strength` 1 or 3.
pub(super) fn winzip_aes(plain: &[u8], password: &str, strength: u8, label: &str) -> Vec<u8> {
    let key_len = if strength == 1 { 16 } else { 32 };
    let salt = noise(&format!("salt {label}"), key_len / 2);
    let keys = pbkdf2_sha1(password.as_bytes(), &salt, 1000, 2 * key_len + 2);
    let (cipher_key, rest) = keys.split_at(key_len);
    let (mac_key, check) = rest.split_at(key_len);
    let mut text = plain.to_vec();
    if strength == 1 {
        if let Ok(cipher) = Aes128::new_from_slice(cipher_key) {
            counter_mode(&mut text, |b| cipher.encrypt_block(b));
        }
    } else if let Ok(cipher) = Aes256::new_from_slice(cipher_key) {
        counter_mode(&mut text, |b| cipher.encrypt_block(b));
    }
    let mac = hmac_sha1(mac_key, &[&text]);
    [&salt, check, &text, &mac[..10]].concat()
}

/// Little-endian counter from 1, as WinZip uses it.
fn counter_mode(text: &mut [u8], encrypt: impl Fn(&mut Block)) {
    for (index, chunk) in text.chunks_mut(16).enumerate() {
        let mut block = Block::default();
        block[..8].copy_from_slice(&(index as u64 + 1).to_le_bytes());
        encrypt(&mut block);
        chunk.iter_mut().zip(block.iter()).for_each(|(t, k)| *t ^= k);
    }
}

struct ZipCrypto([u32; 3]);

impl ZipCrypto {
    fn new(password: &str) -> Self {
        let mut keys = Self([0x1234_5678, 0x2345_6789, 0x3456_7890]);
        password.bytes().for_each(|b| keys.update(b));
        keys
    }

    fn update(&mut self, byte: u8) {
        let [a, b, c] = &mut self.0;
        *a = crc_step(*a, byte);
        *b = b
            .wrapping_add(*a & 0xff)
            .wrapping_mul(134_775_813)
            .wrapping_add(1);
        *c = crc_step(*c, (*b >> 24) as u8);
    }

    fn encrypt(&mut self, byte: u8) -> u8 {
        let t = (self.0[2] | 2) as u16;
        let key = (t.wrapping_mul(t ^ 1) >> 8) as u8;
        self.update(byte);
        byte ^ key
    }
}

fn crc_step(crc: u32, byte: u8) -> u32 {
    let mut c = (crc ^ u32::from(byte)) & 0xff;
    for _ in 0..8 {
        c = if c & 1 == 1 {
            0xedb8_8320 ^ (c >> 1)
        } else {
            c >> 1
        };
    }
    c ^ (crc >> 8)
}

/// Traditional encryption: twelve header bytes, the last of which repeats the CRC's high byte.
pub(super) fn zip_crypto(plain: &[u8], password: &str, crc: u32, label: &str) -> Vec<u8> {
    let mut keys = ZipCrypto::new(password);
    let mut head = noise(&format!("header {label}"), 12);
    head[11] = (crc >> 24) as u8;
    head.iter().chain(plain).map(|b| keys.encrypt(*b)).collect()
}
