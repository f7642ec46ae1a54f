//! LZNT1 ([MS-XCA] 2.5): chunks of up to 4096 bytes whose match split moves with the position.

use super::copy_match;
use crate::bytes::array;

const CHUNK: usize = 4096;

/// Fills `out` from `source`; the number of bytes that came out.
pub(super) fn expand(source: &[u8], out: &mut [u8]) -> usize {
    let (mut read, mut written) = (0, 0);
    while written < out.len() {
        let Some(header) = array(source, read).map(u16::from_le_bytes) else {
            break;
        };
        if header == 0 {
            break;
        }
        read += 2;
        let len = usize::from(header & 0x0fff) + 1;
        let rest = source.get(read..).unwrap_or_default();
        let body = rest.get(..len).unwrap_or(rest);
        read += len;
        let end = (written + CHUNK).min(out.len());
        let Some(window) = out.get_mut(written..end) else {
            break;
        };
        let (got, whole) = if header & 0x8000 == 0 {
            stored(body, window)
        } else {
            compressed(body, window)
        };
        written += got;
        if !whole || got == 0 {
            break;
        }
    }
    written
}

fn stored(body: &[u8], window: &mut [u8]) -> (usize, bool) {
    let len = body.len().min(window.len());
    for (to, from) in window.iter_mut().zip(body) {
        *to = *from;
    }
    (len, true)
}

fn compressed(body: &[u8], window: &mut [u8]) -> (usize, bool) {
    let (mut read, mut written) = (0, 0);
    while read < body.len() && written < window.len() {
        let Some(flags) = body.get(read).copied() else {
            break;
        };
        read += 1;
        for bit in 0..8 {
            if read >= body.len() || written >= window.len() {
                break;
            }
            if flags >> bit & 1 == 0 {
                let (Some(to), Some(from)) = (window.get_mut(written), body.get(read)) else {
                    return (written, false);
                };
                *to = *from;
                read += 1;
                written += 1;
                continue;
            }
            let Some(code) = array(body, read).map(u16::from_le_bytes) else {
                return (written, false);
            };
            read += 2;
            let length_bits = length_bits(written);
            let distance = usize::from(code >> length_bits) + 1;
            let len = usize::from(code & ((1 << length_bits) - 1)) + 3;
            match copy_match(window, written, distance, len) {
                Some(end) => written = end,
                None => return (written, false),
            }
        }
    }
    (written, true)
}

/// Twelve bits hold the length at the start of a chunk, four at its end; each doubling moves one over to the distance.
fn length_bits(position: usize) -> u32 {
    let mut bits = 12;
    let mut reach = position.saturating_sub(1) >> 4;
    while reach > 0 {
        bits -= 1;
        reach >>= 1;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn published_example_expands() {
        // [MS-XCA] 3.3.
        let source = [
            0x38, 0xb0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xa2, 0x47, 0x01,
            0xa0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01, 0x50, 0x79, 0x00, 0xc0, 0x45, 0x20, 0x05, 0x24,
            0x13, 0x88, 0x05, 0xb4, 0x02, 0x4a, 0x44, 0xef, 0x03, 0x58, 0x02, 0x8c, 0x09, 0x16, 0x01, 0x48,
            0x45, 0x00, 0xbe, 0x00, 0x9e, 0x00, 0x04, 0x01, 0x18, 0x90, 0x00,
        ];
        let expected = "F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E F# \
                        G F# E D E A F# F# G A A G F# E D D E F# E D D";
        let mut out = vec![0; 142];
        let n = expand(&source, &mut out);
        assert_eq!(
            std::str::from_utf8(&out[..n]).map(|s| s.trim_end_matches('\0')),
            Ok(expected)
        );
    }

    #[test]
    fn stored_chunks_pass_through() {
        let mut out = [0; 3];
        assert_eq!(expand(&[2, 0x30, 1, 2, 3], &mut out), 3);
        assert_eq!(out, [1, 2, 3]);
        assert_eq!(expand(&[2, 0xb0, 1, 2], &mut out), 0);
    }
}
