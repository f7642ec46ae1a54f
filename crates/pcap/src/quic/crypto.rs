//! Keys of QUIC Initial packets: anyone who sees the first connection id can derive them.
//!
//! Source: RFC 9001 section 5 (version 1), RFC 9369 (version 2), draft-ietf-quic-tls 23 to 34 for their salts.

use aes::Aes128;
use aes::cipher::BlockCipherEncrypt;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes128Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;

const SALT_V1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
    0xbb, 0x7f, 0x0a,
];
const SALT_V2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
    0xbd, 0x2e, 0xd9,
];
const SALT_DRAFT_29: [u8; 20] = [
    0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43,
    0x90, 0xa8, 0x99,
];
const SALT_DRAFT_23: [u8; 20] = [
    0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe,
    0xf9, 0xf5, 0x02,
];

/// Salt and key labels of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suite {
    salt: [u8; 20],
    /// Version 2 numbers its packet types and names its labels differently.
    pub(crate) v2: bool,
}

/// The suite of a version number; `None` if its keys are not known.
pub(crate) fn suite(version: u32) -> Option<Suite> {
    let suite = |salt, v2| Some(Suite { salt, v2 });
    match version {
        1 | 0xff00_0021 | 0xff00_0022 => suite(SALT_V1, false),
        0x6b33_43cf => suite(SALT_V2, true),
        0xff00_001d..=0xff00_0020 => suite(SALT_DRAFT_29, false),
        // 23 to 28, and Facebook's mvfst that follows draft 27.
        0xff00_0017..=0xff00_001c | 0xface_b002 => suite(SALT_DRAFT_23, false),
        _ => None,
    }
}

/// Keys of one direction.
pub(crate) struct Keys {
    header: Aes128,
    payload: Aes128Gcm,
    iv: [u8; 12],
}

/// An Initial packet without its protection.
pub(crate) struct Opened {
    pub(crate) payload: Vec<u8>,
}

impl Keys {
    /// Keys of the client's and the server's Initial packets for the client's first destination connection id.
    pub(crate) fn derive(suite: Suite, dcid: &[u8]) -> Option<(Self, Self)> {
        let (_, initial) = Hkdf::<Sha256>::extract(Some(&suite.salt), dcid);
        Some((
            Self::of_side(suite, &initial, "client in")?,
            Self::of_side(suite, &initial, "server in")?,
        ))
    }

    fn of_side(suite: Suite, initial: &Hkdf<Sha256>, side: &str) -> Option<Self> {
        let mut secret = [0; 32];
        expand(initial, side, &mut secret)?;
        let secret = Hkdf::<Sha256>::from_prk(&secret).ok()?;
        let (mut key, mut iv, mut header) = ([0; 16], [0; 12], [0; 16]);
        let labels = if suite.v2 {
            ["quicv2 key", "quicv2 iv", "quicv2 hp"]
        } else {
            ["quic key", "quic iv", "quic hp"]
        };
        expand(&secret, labels[0], &mut key)?;
        expand(&secret, labels[1], &mut iv)?;
        expand(&secret, labels[2], &mut header)?;
        Some(Self {
            header: Aes128::new(&header.into()),
            payload: Aes128Gcm::new(&key.into()),
            iv,
        })
    }

    /// Takes the protection off `packet`, whose packet number starts at `number_at` and which ends where the slice ends.
    pub(crate) fn open(&self, packet: &[u8], number_at: usize) -> Option<Opened> {
        let sample: [u8; 16] = *packet.get(number_at + 4..)?.first_chunk()?;
        let mut mask = sample.into();
        self.header.encrypt_block(&mut mask);
        let first = packet.first()? ^ (mask[0] & 0x0f);
        let number_len = usize::from(first & 3) + 1;
        // Long headers without a token are far shorter.
        let (mut short, mut long) = ([0; 64], Vec::new());
        let sent = packet.get(..number_at + number_len)?;
        let head = match short.get_mut(..sent.len()) {
            Some(space) => {
                space.copy_from_slice(sent);
                space
            }
            None => {
                long.extend_from_slice(sent);
                long.as_mut_slice()
            }
        };
        *head.first_mut()? = first;
        let mut number: u64 = 0;
        for (i, byte) in head.iter_mut().skip(number_at).enumerate() {
            *byte ^= mask.get(1 + i)?;
            number = number << 8 | u64::from(*byte);
        }
        let mut nonce = self.iv;
        for (slot, byte) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
            *slot ^= byte;
        }
        let sealed = packet.get(number_at + number_len..)?;
        let nonce: Nonce<_> = nonce.into();
        let payload = self
            .payload
            .decrypt(
                &nonce,
                Payload {
                    msg: sealed,
                    aad: head,
                },
            )
            .ok()?;
        Some(Opened { payload })
    }
}

/// HKDF-Expand-Label of TLS 1.3 with an empty context.
fn expand(secret: &Hkdf<Sha256>, label: &str, out: &mut [u8]) -> Option<()> {
    let len = (out.len() as u16).to_be_bytes();
    let label_len = [6 + label.len() as u8];
    secret
        .expand_multi_info(&[&len, &label_len, b"tls13 ", label.as_bytes(), &[0]], out)
        .ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// RFC 9001, appendix A.1: the header protection of the client's first packet gives these mask bytes.
    #[test]
    fn keys_match_the_rfc() {
        let dcid = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
        let (keys, _) = Keys::derive(suite(1).unwrap(), &dcid).unwrap();
        let sample = [
            0xd1, 0xb1, 0xc9, 0x8d, 0xd7, 0x68, 0x9f, 0xb8, 0xec, 0x11, 0xd2, 0x42, 0xb1, 0x23, 0xdc, 0x9b,
        ];
        let mut block = sample.into();
        keys.header.encrypt_block(&mut block);
        assert_eq!(block[..5], [0x43, 0x7b, 0x9a, 0xec, 0x36]);
        assert_eq!(
            keys.iv,
            [
                0xfa, 0x04, 0x4b, 0x2f, 0x42, 0xa3, 0xfd, 0x3b, 0x46, 0xfb, 0x25, 0x5c
            ]
        );
    }
}
