//! QUIC long headers and the frames of Initial packets.
//!
//! Source: RFC 9000 sections 12, 17 and 19; RFC 8999 for what all versions share.

/// What kind of long-header packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
    VersionNegotiation,
    /// A version whose packet types are not known.
    Unknown,
}

/// A long-header packet at the front of a datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LongHeader<'a> {
    pub(crate) version: u32,
    pub(crate) dcid: &'a [u8],
    pub(crate) scid: &'a [u8],
    pub(crate) kind: Kind,
    /// Where the packet number starts.
    pub(crate) number_at: usize,
    /// Where the packet ends; the next of the datagram starts there.
    pub(crate) end: usize,
}

/// A variable-length integer and its size.
fn varint(data: &[u8]) -> Option<(u64, usize)> {
    let first = *data.first()?;
    let len = 1_usize << (first >> 6);
    let bytes = data.get(..len)?;
    let value = bytes.iter().skip(1).fold(u64::from(first & 0x3f), |value, byte| {
        value << 8 | u64::from(*byte)
    });
    Some((value, len))
}

/// Reads the long header at the start of `data`; `v2` tells how packet types are numbered.
pub(crate) fn long_header(data: &[u8], v2: impl Fn(u32) -> Option<bool>) -> Option<LongHeader<'_>> {
    let first = *data.first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let version = u32::from_be_bytes(*data.get(1..)?.first_chunk()?);
    let dcid_len = usize::from(*data.get(5)?);
    let dcid = data.get(6..6 + dcid_len)?;
    let scid_at = 6 + dcid_len;
    let scid_len = usize::from(*data.get(scid_at)?);
    let scid = data.get(scid_at + 1..scid_at + 1 + scid_len)?;
    let mut at = scid_at + 1 + scid_len;
    let whole = |kind| {
        Some(LongHeader {
            version,
            dcid,
            scid,
            kind,
            number_at: at,
            end: data.len(),
        })
    };
    if version == 0 {
        return whole(Kind::VersionNegotiation);
    }
    if dcid_len > 20 || scid_len > 20 {
        return None;
    }
    let Some(v2) = v2(version) else {
        return whole(Kind::Unknown);
    };
    let kind = match (first >> 4 & 3, v2) {
        (0, false) | (1, true) => Kind::Initial,
        (1, false) | (2, true) => Kind::ZeroRtt,
        (2, false) | (3, true) => Kind::Handshake,
        _ => return whole(Kind::Retry),
    };
    if kind == Kind::Initial {
        let (token, size) = varint(data.get(at..)?)?;
        at = at.checked_add(size)?.checked_add(usize::try_from(token).ok()?)?;
    }
    let (len, size) = varint(data.get(at..)?)?;
    at += size;
    let end = at.checked_add(usize::try_from(len).ok()?)?;
    Some(LongHeader {
        version,
        dcid,
        scid,
        kind,
        number_at: at,
        end,
    })
}

/// A frame worth reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Crypto { offset: u64, data: &'a [u8] },
    Close { code: u64, reason: &'a [u8] },
}

/// The frames of an Initial packet; stops at the first it does not know.
pub(crate) struct Frames<'a>(pub(crate) &'a [u8]);

impl<'a> Frames<'a> {
    fn number(&mut self) -> Option<u64> {
        let (value, len) = varint(self.0)?;
        self.0 = self.0.get(len..)?;
        Some(value)
    }

    fn bytes(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn acknowledgement(&mut self, with_ecn: bool) -> Option<()> {
        let (_largest, _delay, ranges, _first) =
            (self.number()?, self.number()?, self.number()?, self.number()?);
        for _ in 0..ranges.min(1024) {
            let _ = (self.number()?, self.number()?);
        }
        if with_ecn {
            let _ = (self.number()?, self.number()?, self.number()?);
        }
        Some(())
    }
}

/// How many zeros come first; looks at many bytes at a time.
fn leading_zeros(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    let whole = 32 * blocks.iter().take_while(|block| **block == [0; 32]).count();
    let rest = bytes.get(whole..).unwrap_or_default();
    whole + rest.iter().take_while(|byte| **byte == 0).count()
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        loop {
            // Padding fills most of a first packet.
            self.0 = self.0.get(leading_zeros(self.0)..)?;
            match self.number()? {
                // Padding in a longer spelling, and ping.
                0 | 1 => {}
                kind @ (2 | 3) => self.acknowledgement(kind == 3)?,
                6 => {
                    let (offset, len) = (self.number()?, self.number()?);
                    return Some(Frame::Crypto {
                        offset,
                        data: self.bytes(len)?,
                    });
                }
                0x1c => {
                    let (code, _frame, len) = (self.number()?, self.number()?, self.number()?);
                    return Some(Frame::Close {
                        code,
                        reason: self.bytes(len)?,
                    });
                }
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_around_padding() {
        let bytes = [
            0, 0, 1, 2, 5, 0, 0, 5, 6, 0x40, 0x10, 2, 0xaa, 0xbb, 0, 0x1c, 0x41, 0x30, 6, 1, b'x', 0,
        ];
        let found: Vec<_> = Frames(&bytes).collect();
        assert_eq!(
            found,
            [
                Frame::Crypto {
                    offset: 16,
                    data: &[0xaa, 0xbb]
                },
                Frame::Close {
                    code: 0x130,
                    reason: b"x"
                }
            ]
        );
    }

    #[test]
    fn padding_of_any_length_is_skipped() {
        for len in 0..100 {
            let mut bytes = vec![0; len];
            assert_eq!(leading_zeros(&bytes), len);
            bytes.extend([1, 0]);
            assert_eq!(leading_zeros(&bytes), len);
        }
    }

    #[test]
    fn lying_lengths_give_nothing() {
        assert!(Frames(&[6, 0, 0x7f, 0xff, 1]).next().is_none());
        assert!(long_header(&[0xc0, 0, 0, 0, 1, 255, 1], |_| Some(false)).is_none());
    }
}
