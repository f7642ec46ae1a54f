//! Damage: from one seed and its siblings to a slightly wrong input. The same seed number gives the same damage.

use std::ops::Range;

/// Longest input that growing damage may make.
pub const MAX_INPUT: usize = 1 << 20;
/// Longest run that is copied, removed or filled at once.
const MAX_BLOCK: usize = 512;

/// A xorshift generator: small, fast, and the same everywhere.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// A sequence of its own for every number.
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds would start alike, and zero would stay zero.
        let mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self((mixed ^ (mixed >> 29)).max(1))
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`; 0 if there is none.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = limit.max(1) as u64;
        usize::try_from((self.any() >> 11) % limit).unwrap_or(0)
    }

    /// One of these.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// A run inside `len` bytes, short ones more often.
    fn block(&mut self, len: usize) -> Range<usize> {
        let start = self.below(len);
        let longest = 1 << self.below(MAX_BLOCK.ilog2() as usize + 1);
        start..(start + 1 + self.below(longest)).min(len)
    }
}

/// Numbers at which arithmetic, signs, sizes and offsets tip over.
const TELLING: [u64; 24] = [
    0,
    1,
    2,
    4,
    7,
    8,
    16,
    0x3f,
    0x40,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x1000,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// Texts on which readers of text, paths, times and markup tip over.
const TOKENS: [&[u8]; 28] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"99999999999999999999",
    b"-1",
    b"0x",
    b"1e999",
    b"9999-12-31T23:59:60Z",
    b"0000-00-00 00:00:00",
    b"../",
    b"!/",
    b"\\",
    b"%00",
    b"%",
    b"\"",
    b"{",
    b"[[[[[[[[",
    b"<a b=\"",
    b"&#x0;",
    b"PK\x03\x04",
    b"MSCF",
    b"=",
    b":",
    b"\xe3\x82\xa8",
];

/// Writes a damaged copy of `seed` into `out`; `others` are inputs to splice from.
pub fn mutate(seed: &[u8], others: &[Vec<u8>], dice: &mut Dice, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(seed);
    // One wrong place finds most faults, several find those behind a check.
    let most = 1 << dice.below(5);
    let rounds = 1 + dice.below(most);
    for _ in 0..rounds {
        damage(others, dice, out);
    }
    out.truncate(MAX_INPUT);
}

fn damage(others: &[Vec<u8>], dice: &mut Dice, out: &mut Vec<u8>) {
    let len = out.len();
    match dice.below(16) {
        0..=2 => {
            let bit = dice.below(8);
            set(out, dice.below(len), |byte| byte ^ (1 << bit));
        }
        3 | 4 => {
            let value = dice.any().to_le_bytes()[0];
            set(out, dice.below(len), |_| value);
        }
        5..=7 => number(dice, out),
        8 => {
            let by = 1 + dice.below(35);
            let by = u8::try_from(by).unwrap_or(1);
            let down = dice.below(2) == 0;
            set(out, dice.below(len), |byte| {
                if down {
                    byte.wrapping_sub(by)
                } else {
                    byte.wrapping_add(by)
                }
            });
        }
        9 => out.truncate(dice.below(len)),
        10 => drop(out.drain(dice.block(len))),
        11 => duplicate(dice, out),
        12 => splice(others, dice, out),
        13 => {
            let token = dice.one(&TOKENS).copied().unwrap_or_default();
            let at = dice.below(len + 1);
            let end = if dice.below(2) == 0 {
                at
            } else {
                (at + token.len()).min(len)
            };
            out.splice(at..end, token.iter().copied());
        }
        14 => {
            let value = *dice.one(&[0_u8, 0xff, b'0', b'A', b' ']).unwrap_or(&0);
            for byte in dice.block(len) {
                set(out, byte, |_| value);
            }
        }
        _ => {
            let (one, other) = (dice.below(len), dice.below(len));
            if len > 0 {
                out.swap(one, other);
            }
        }
    }
}

fn set(out: &mut [u8], at: usize, value: impl FnOnce(u8) -> u8) {
    if let Some(byte) = out.get_mut(at) {
        *byte = value(*byte);
    }
}

/// A telling number, or its negative, in one to eight bytes of either order.
fn number(dice: &mut Dice, out: &mut [u8]) {
    let value = dice.one(&TELLING).copied().unwrap_or(0);
    let value = if dice.below(4) == 0 {
        value.wrapping_neg()
    } else {
        value
    };
    let width = *dice.one(&[1_usize, 2, 2, 4, 4, 8]).unwrap_or(&1);
    let mut bytes = value.to_le_bytes();
    let bytes = bytes.get_mut(..width).unwrap_or_default();
    if dice.below(3) == 0 {
        bytes.reverse();
    }
    // Fields of binary formats are mostly aligned.
    let step = if dice.below(2) == 0 { width } else { 1 };
    let at = dice.below(out.len()) / step * step;
    for (to, from) in out.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

fn duplicate(dice: &mut Dice, out: &mut Vec<u8>) {
    let block = out.get(dice.block(out.len())).unwrap_or_default().to_vec();
    let most = 1 << dice.below(7);
    let times = 1 + dice.below(most);
    let at = dice.below(out.len() + 1);
    if out.len() + block.len() * times <= MAX_INPUT {
        out.splice(at..at, block.repeat(times));
    }
}

/// A run of a sibling in place of, or in between, what is there.
fn splice(others: &[Vec<u8>], dice: &mut Dice, out: &mut Vec<u8>) {
    let Some(other) = dice.one(others) else { return };
    let part = other.get(dice.block(other.len())).unwrap_or_default();
    let at = dice.below(out.len() + 1);
    let end = if dice.below(2) == 0 {
        at
    } else {
        (at + part.len()).min(out.len())
    };
    out.splice(at..end, part.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_gives_the_same_damage() {
        let seeds = [vec![7_u8; 300], b"some text\nof two lines".to_vec(), Vec::new()];
        let run = |number| {
            let (mut dice, mut out, mut all) = (Dice::new(number), Vec::new(), Vec::new());
            for round in 0..2000 {
                mutate(&seeds[round % 3], &seeds, &mut dice, &mut out);
                assert!(out.len() <= MAX_INPUT);
                all.push(out.clone());
            }
            all
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn dice_stay_below_their_limit() {
        let mut dice = Dice::new(3);
        assert!((0..1000).all(|_| dice.below(7) < 7));
        assert_eq!(dice.below(0), 0);
    }
}
