//! Plain LZ77 XPRESS as compressed traces use it.
//!
//! Source: MS-XCA 2.3. Greedy matches of the last occurrence of three bytes; good enough for small files.

use std::collections::HashMap;

/// Longest distance the format can name.
const WINDOW: usize = 8192;
/// Longest match written: three plus what three bits, a nibble and a byte can add.
const LONGEST: usize = 3 + 7 + 15 + 254;

struct Writer {
    out: Vec<u8>,
    flags: u32,
    flag_count: u32,
    flag_at: usize,
    nibble_at: Option<usize>,
}

impl Writer {
    fn flag(&mut self, bit: u32) {
        self.flags = self.flags << 1 | bit;
        self.flag_count += 1;
    }

    /// The flag word stands in front of the 32 items it describes, so a full one is stored before the next item.
    fn flush_if_full(&mut self) {
        if self.flag_count == 32 {
            self.out[self.flag_at..self.flag_at + 4].copy_from_slice(&self.flags.to_le_bytes());
            (self.flags, self.flag_count, self.flag_at) = (0, 0, self.out.len());
            self.out.extend_from_slice(&[0; 4]);
        }
    }

    fn literal(&mut self, byte: u8) {
        self.out.push(byte);
        self.flag(0);
        self.flush_if_full();
    }

    fn found(&mut self, distance: usize, length: usize) {
        let extra = length - 3;
        let word = ((distance - 1) << 3 | extra.min(7)) as u16;
        self.out.extend_from_slice(&word.to_le_bytes());
        if extra >= 7 {
            self.nibble((extra - 7).min(15) as u8);
            if extra - 7 >= 15 {
                self.out.push((extra - 7 - 15) as u8);
            }
        }
        self.flag(1);
        self.flush_if_full();
    }

    fn nibble(&mut self, value: u8) {
        match self.nibble_at.take() {
            Some(at) => self.out[at] |= value << 4,
            None => {
                self.nibble_at = Some(self.out.len());
                self.out.push(value);
            }
        }
    }
}

/// Compresses a buffer's payload.
pub fn compress(input: &[u8]) -> Vec<u8> {
    let mut w = Writer {
        out: vec![0; 4],
        flags: 0,
        flag_count: 0,
        flag_at: 0,
        nibble_at: None,
    };
    let mut seen: HashMap<[u8; 3], usize> = HashMap::new();
    let mut at = 0;
    while at < input.len() {
        let key = input.get(at..at + 3).map(|k| [k[0], k[1], k[2]]);
        let earlier = key
            .and_then(|k| seen.insert(k, at))
            .filter(|from| at - from <= WINDOW);
        match earlier {
            Some(from) => {
                let same = |n: &usize| at + n < input.len() && input[from + n] == input[at + n];
                let length = (0..LONGEST).take_while(same).count();
                w.found(at - from, length);
                at += length;
            }
            None => {
                w.literal(input[at]);
                at += 1;
            }
        }
    }
    // The rest of the last flag word is ones; a match flag at the end of input means "done".
    let free = 32 - w.flag_count;
    let rest = if free == 32 {
        u32::MAX
    } else {
        w.flags << free | ((1 << free) - 1)
    };
    w.out[w.flag_at..w.flag_at + 4].copy_from_slice(&rest.to_le_bytes());
    w.out
}
