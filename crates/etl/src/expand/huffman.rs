//! LZ77 with Huffman codes ([MS-XCA] 2.1/2.2): every 64 KiB of output starts with 256 bytes of code lengths for 512
//! symbols; 256 literals, then 16 distances × 16 lengths.

use super::copy_match;
use crate::bytes::{array, u8_at, u16_at, u32_at};

const TABLE_BYTES: usize = 256;
const LONGEST: u32 = 15;
const BLOCK: usize = 65_536;

/// Fills `out` from `source`; the number of bytes that came out.
pub(super) fn expand(source: &[u8], out: &mut [u8]) -> usize {
    let mut table = vec![0_u16; 1 << LONGEST];
    let (mut read, mut written) = (0, 0);
    while written < out.len() {
        let Some(lengths) = array::<TABLE_BYTES>(source, read) else {
            break;
        };
        read += TABLE_BYTES;
        if fill_table(&lengths, &mut table).is_none() {
            break;
        }
        let end = (written + BLOCK).min(out.len());
        let mut bits = Bits::new(source, read);
        let done = block(&mut bits, &table, out, &mut written, end);
        read = bits.read;
        if done.is_none() {
            break;
        }
    }
    written
}

/// A direct table over the next 15 bits: symbol in the high 9 bits... packed as `symbol << 4 | length`.
fn fill_table(lengths: &[u8; TABLE_BYTES], table: &mut [u16]) -> Option<()> {
    let length_of = |symbol: u16| {
        let pair = lengths[usize::from(symbol / 2)];
        u32::from(if symbol.is_multiple_of(2) {
            pair & 15
        } else {
            pair >> 4
        })
    };
    let mut next = 0;
    for length in 1..=LONGEST {
        for symbol in (0..512).filter(|s| length_of(*s) == length) {
            let span = 1_usize << (LONGEST - length);
            table
                .get_mut(next..next + span)?
                .fill(symbol << 4 | length as u16);
            next += span;
        }
    }
    // An incomplete code would leave stale entries; the format has none.
    (next == table.len()).then_some(())
}

fn block(bits: &mut Bits<'_>, table: &[u16], out: &mut [u8], written: &mut usize, end: usize) -> Option<()> {
    while *written < end {
        let entry = *table.get(bits.peek() as usize)?;
        bits.skip(u32::from(entry & 15))?;
        let symbol = entry >> 4;
        if let Ok(literal) = u8::try_from(symbol) {
            *out.get_mut(*written)? = literal;
            *written += 1;
            continue;
        }
        let short = usize::from(symbol & 15);
        let distance_bits = u32::from(symbol - 256) >> 4;
        let mut len = short;
        if short == 15 {
            len = bits.long_length()?;
        }
        let distance = (1_usize << distance_bits) + bits.take(distance_bits)? as usize;
        *written = copy_match(out, *written, distance, len.saturating_add(3))?;
    }
    Some(())
}

/// Bits from the top of little-endian words; extra length bytes lie in the byte stream behind the words already loaded.
struct Bits<'a> {
    source: &'a [u8],
    read: usize,
    next: u32,
    extra: i32,
}

impl<'a> Bits<'a> {
    fn new(source: &'a [u8], read: usize) -> Self {
        let next = u32::from(u16_at(source, read)) << 16 | u32::from(u16_at(source, read + 2));
        Self {
            source,
            read: read + 4,
            next,
            extra: 16,
        }
    }

    fn peek(&self) -> u32 {
        self.next >> (32 - LONGEST)
    }

    fn skip(&mut self, count: u32) -> Option<()> {
        self.next = self.next.checked_shl(count)?;
        self.extra -= count as i32;
        if self.extra < 0 {
            // Words past the end read as zero; a stream that really ends there is complete by then.
            let word = u32::from(u16_at(self.source, self.read));
            if self.read > self.source.len() + 8 {
                return None;
            }
            self.next |= word << (-self.extra) as u32;
            self.read += 2;
            self.extra += 16;
        }
        Some(())
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        if count == 0 {
            return Some(0);
        }
        let value = self.next >> (32 - count);
        self.skip(count)?;
        Some(value)
    }

    fn long_length(&mut self) -> Option<usize> {
        self.source.get(self.read)?;
        let byte = u8_at(self.source, self.read);
        self.read += 1;
        if byte < 255 {
            return Some(usize::from(byte) + 15);
        }
        self.source.get(self.read..self.read + 2)?;
        let mut len = u32::from(u16_at(self.source, self.read));
        self.read += 2;
        if len == 0 {
            self.source.get(self.read..self.read + 4)?;
            len = u32_at(self.source, self.read);
            self.read += 4;
        }
        (len >= 15).then_some(len as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn published_example_expands() {
        // [MS-XCA] 3.2: "abcdefghijklmnopqrstuvwxyz".
        let mut source = vec![0_u8; 256];
        source[0x30..0x40].copy_from_slice(&[
            0x50, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x45, 0x44, 0x04, 0, 0,
        ]);
        source[0x80] = 0x04;
        source.extend([
            0xd8, 0x52, 0x3e, 0xd7, 0x94, 0x11, 0x5b, 0xe9, 0x19, 0x5f, 0xf9, 0xd6, 0x7c, 0xdf, 0x8d, 0x04,
            0, 0, 0, 0,
        ]);
        let mut out = [0; 26];
        let n = expand(&source, &mut out);
        assert_eq!(std::str::from_utf8(&out[..n]), Ok("abcdefghijklmnopqrstuvwxyz"));
    }

    #[test]
    fn nonsense_ends_early() {
        let mut out = [0; 100];
        assert_eq!(expand(&[0; 300], &mut out), 0);
        assert_eq!(expand(&[0xff; 300], &mut out), 0);
    }
}
