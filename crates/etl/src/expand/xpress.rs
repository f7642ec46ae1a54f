//! Plain LZ77 ([MS-XCA] 2.3/2.4): 32 flag bits, then literals and 16-bit matches with lengths that grow by nibble, byte,
//! word and double word.

use super::copy_match;
use crate::bytes::{array, u16_at, u32_at};

/// Fills `out` from `source`; the number of bytes that came out.
pub(super) fn expand(source: &[u8], out: &mut [u8]) -> usize {
    let mut state = State {
        source,
        read: 0,
        nibble: None,
        written: 0,
    };
    // `None` means damage or a regular end; the caller judges by the number of bytes.
    let _ = state.run(out);
    state.written
}

struct State<'a> {
    source: &'a [u8],
    read: usize,
    /// Where the byte lies whose high half is the next short length.
    nibble: Option<usize>,
    written: usize,
}

impl State<'_> {
    fn run(&mut self, out: &mut [u8]) -> Option<()> {
        while self.written < out.len() {
            let mut flags = array(self.source, self.read).map(u32::from_le_bytes)?;
            self.read += 4;
            let mut left = 32;
            while left > 0 && self.written < out.len() {
                let literals = flags.leading_zeros().min(left);
                if literals > 0 {
                    self.literals(out, literals as usize)?;
                    left -= literals;
                    // A shift by 32 happens only when nothing is left.
                    flags = flags.checked_shl(literals).unwrap_or(0);
                } else {
                    self.one_match(out)?;
                    left -= 1;
                    flags <<= 1;
                }
            }
        }
        Some(())
    }

    #[inline]
    fn literals(&mut self, out: &mut [u8], run: usize) -> Option<()> {
        let run = run
            .min(out.len() - self.written)
            .min(self.source.len().saturating_sub(self.read));
        if run == 0 {
            return None;
        }
        let from = self.source.get(self.read..self.read + run)?;
        out.get_mut(self.written..self.written + run)?
            .copy_from_slice(from);
        self.read += run;
        self.written += run;
        Some(())
    }

    #[inline]
    fn one_match(&mut self, out: &mut [u8]) -> Option<()> {
        let code = array(self.source, self.read).map(u16::from_le_bytes)?;
        self.read += 2;
        let distance = usize::from(code >> 3) + 1;
        let mut len = usize::from(code & 7);
        if len == 7 {
            len = self.long_length()?;
        }
        self.written = copy_match(out, self.written, distance, len.saturating_add(3))?;
        Some(())
    }

    fn long_length(&mut self) -> Option<usize> {
        let half = match self.nibble.take() {
            Some(at) => *self.source.get(at)? >> 4,
            None => {
                let byte = *self.source.get(self.read)?;
                self.nibble = Some(self.read);
                self.read += 1;
                byte & 15
            }
        };
        if half < 15 {
            return Some(usize::from(half) + 7);
        }
        let byte = *self.source.get(self.read)?;
        self.read += 1;
        if byte < 255 {
            return Some(usize::from(byte) + 15 + 7);
        }
        self.source.get(self.read..self.read + 2)?;
        let mut len = u32::from(u16_at(self.source, self.read));
        self.read += 2;
        if len == 0 {
            self.source.get(self.read..self.read + 4)?;
            len = u32_at(self.source, self.read);
            self.read += 4;
        }
        // The long forms count from zero and must not be shorter than the forms below them.
        (len >= 15 + 7).then_some(len as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn published_examples_expand() {
        // [MS-XCA] 3.1: "abcdefghijklmnopqrstuvwxyz" and "abc" × 100.
        let mut alphabet = vec![0x3f, 0, 0, 0];
        alphabet.extend(b"abcdefghijklmnopqrstuvwxyz");
        let mut out = [0; 26];
        assert_eq!(expand(&alphabet, &mut out), 26);
        assert_eq!(&out, b"abcdefghijklmnopqrstuvwxyz");

        let repeated = [
            0xff, 0xff, 0xff, 0x1f, 0x61, 0x62, 0x63, 0x17, 0x00, 0x0f, 0xff, 0x26, 0x01,
        ];
        let mut out = [0; 300];
        assert_eq!(expand(&repeated, &mut out), 300);
        assert_eq!(out.to_vec(), b"abc".repeat(100));
    }

    #[test]
    fn damage_keeps_what_came_before() {
        let mut out = [0; 300];
        assert_eq!(expand(&[0, 0, 0, 0x40, b'a'], &mut out), 1);
        assert_eq!(expand(&[0, 0, 0, 0x80, 0xff, 0xff], &mut out), 0);
        assert_eq!(expand(&[], &mut out), 0);
    }
}
