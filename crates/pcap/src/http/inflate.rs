//! Gzip bodies undone, with one decompressor for all of them.
//!
//! Source: RFC 1952. A decoder made anew for each body clears and copies 80 KiB for a body of a few; here the output
//! buffer is the window as well. What comes out is what `flate2`'s decoder gives, of
//! cut bodies too.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::body::MAX_INFLATED;

/// Flags of a member's head: a checksum of it, an extra field, a file name, a comment.
const HEAD_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// Longest file name or comment of a member.
const MAX_TEXT: usize = 65_535;

/// A decompressor and room for what it gives.
pub(crate) struct Inflater {
    state: Decompress,
    out: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            state: Decompress::new(false),
            out: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl Inflater {
    /// The content of a gzip body, at most [`MAX_INFLATED`] bytes: all members up to the first that is damaged, and of
    /// one that is only cut what there is.
    pub(crate) fn gzip(&mut self, mut bytes: &[u8]) -> &[u8] {
        self.out.resize(MAX_INFLATED, 0);
        let mut end = 0;
        while let Some(packed) = behind_head(bytes) {
            // Distances must not reach back into an earlier member (or body).
            let Some(room) = self.out.get_mut(end..).filter(|room| !room.is_empty()) else {
                break;
            };
            self.state.reset(false);
            let Ok(status) = self.state.decompress(packed, room, FlushDecompress::Finish) else {
                break;
            };
            let (used, given) = (self.state.total_in() as usize, self.state.total_out() as usize);
            end += given;
            let content = room.get(..given).unwrap_or_default();
            match packed.get(used..).and_then(|rest| rest.split_first_chunk::<8>()) {
                Some((trailer, rest)) if status == Status::StreamEnd && !rest.is_empty() => {
                    if !matches(content, *trailer) {
                        break;
                    }
                    bytes = rest;
                }
                _ => break,
            }
        }
        self.out.get(..end).unwrap_or_default()
    }
}

/// True if a member's checksum and length are those of its content.
fn matches(content: &[u8], trailer: [u8; 8]) -> bool {
    let mut crc = Crc::new();
    crc.update(content);
    let expected = u64::from(crc.amount()) << 32 | u64::from(crc.sum());
    expected == u64::from_le_bytes(trailer)
}

/// The packed data behind a member's head.
fn behind_head(bytes: &[u8]) -> Option<&[u8]> {
    let (head, mut rest) = bytes.split_first_chunk::<10>()?;
    let [0x1f, 0x8b, 8, flags, ..] = *head else {
        return None;
    };
    if flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (len, tail) = rest.split_first_chunk::<2>()?;
        rest = tail.get(usize::from(u16::from_le_bytes(*len))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let len = memchr::memchr(0, rest).filter(|len| *len <= MAX_TEXT)?;
            rest = rest.get(len + 1..)?;
        }
    }
    if flags & HEAD_CRC != 0 {
        let (sum, tail) = rest.split_first_chunk::<2>()?;
        let mut crc = Crc::new();
        crc.update(bytes.get(..bytes.len() - rest.len())?);
        if crc.sum() as u16 != u16::from_le_bytes(*sum) {
            return None;
        }
        rest = tail;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::io::{Read, Write};

    use super::*;

    /// What `flate2` gives, in pieces, up to its first error.
    fn reference(bytes: &[u8]) -> Vec<u8> {
        let mut reader = flate2::read::MultiGzDecoder::new(bytes).take(MAX_INFLATED as u64);
        let (mut out, mut piece) = (Vec::new(), [0; 2048]);
        while let Ok(n @ 1..) = reader.read(&mut piece) {
            out.extend_from_slice(&piece[..n]);
        }
        out
    }

    fn packed(content: &[u8], builder: flate2::GzBuilder) -> Vec<u8> {
        let mut packer = builder.write(Vec::new(), flate2::Compression::default());
        packer.write_all(content).unwrap();
        packer.finish().unwrap()
    }

    fn page(words: usize) -> Vec<u8> {
        (0..words)
            .flat_map(|n| format!("<p>{} {}</p>", n * 7919 % 1000, n % 10).into_bytes())
            .collect()
    }

    #[test]
    fn bodies_come_out_as_another_decoder_gives_them() {
        let mut inflater = Inflater::default();
        let named = || flate2::GzBuilder::new().filename("a").comment("b").extra(*b"xyz");
        let one = packed(&page(60), flate2::GzBuilder::new());
        let two = [&one[..], &packed(&page(20), named())].concat();
        let many = packed(&page(9000), named());
        for whole in [&one, &two, &many] {
            assert_eq!(inflater.gzip(whole), reference(whole));
        }
        // The same decompressor again and again, for bodies cut anywhere.
        for len in 0..two.len() {
            let cut = &two[..len];
            assert_eq!(inflater.gzip(cut), reference(cut), "{len} bytes");
        }
        assert_eq!(inflater.gzip(&many).len(), MAX_INFLATED);
    }

    #[test]
    fn damage_costs_what_it_costs_elsewhere() {
        let mut inflater = Inflater::default();
        let one = packed(&page(60), flate2::GzBuilder::new());
        let two = [&one[..], &one].concat();
        let (mut same, mut all) = (0, 0);
        for at in 0..two.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = two.clone();
                damaged[at] ^= flip;
                let (got, expected) = (inflater.gzip(&damaged), reference(&damaged));
                // The other decoder makes bytes up for distances that reach back behind the start.
                assert!(expected.starts_with(got), "byte {at}, {flip:#x}");
                same += usize::from(got == expected);
                all += 1;
            }
        }
        assert!(same * 2 > all, "{same} of {all}");
    }

    #[test]
    fn a_head_with_a_checksum_is_checked() {
        let plain = packed(b"hello", flate2::GzBuilder::new());
        let mut head = plain[..10].to_vec();
        head[3] |= HEAD_CRC;
        let mut crc = Crc::new();
        crc.update(&head);
        let sum = (crc.sum() as u16).to_le_bytes();
        let right = [&head[..], &sum, &plain[10..]].concat();
        let wrong = [&head[..], &[sum[0] ^ 1, sum[1]], &plain[10..]].concat();
        let mut inflater = Inflater::default();
        assert_eq!(inflater.gzip(&right), b"hello");
        assert!(inflater.gzip(&wrong).is_empty() && reference(&wrong).is_empty());
    }
}
