//! LZX, as cabinets use it: one verbatim block a frame of 32 KiB, own Huffman trees for each, matches anywhere in the window.
//!
//! Source: MS-PATCH 2 and MS-CAB. Repeated offsets and aligned blocks are never used; readers can't tell.

/// Bytes of a frame, which is a cabinet's data block.
pub(super) const FRAME: usize = 32_768;
/// The window is two to the power of this.
pub(super) const WINDOW_BITS: u16 = 21;

const SLOTS: usize = 50;
const MAIN: usize = 256 + 8 * SLOTS;
const LENGTHS: usize = 249;
const SHORTEST: usize = 3;
const LONGEST: usize = 257;
const HASHES: usize = 1 << 16;

/// Packs a stream, frame by frame.
pub(super) fn frames(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut packer = Packer {
        seen: vec![0; HASHES],
        main: vec![0; MAIN],
        lengths: vec![0; LENGTHS],
    };
    (0..stream.len())
        .step_by(FRAME)
        .map(|at| packer.frame(stream, at))
        .collect()
}

/// What is kept from frame to frame.
struct Packer {
    /// Where three bytes with this hash were last, plus one.
    seen: Vec<usize>,
    /// Code lengths of the last trees; the next ones are written as differences.
    main: Vec<u8>,
    lengths: Vec<u8>,
}

/// A literal or a match in terms of the trees.
struct Token {
    main: usize,
    length: Option<usize>,
    /// Value and number of the offset's low bits.
    low: (u32, u8),
}

impl Packer {
    fn frame(&mut self, stream: &[u8], at: usize) -> Vec<u8> {
        let end = (at + FRAME).min(stream.len());
        let tokens = self.tokens(stream, at, end);
        let (mut main, mut lengths) = (vec![0; MAIN], vec![0; LENGTHS]);
        for token in &tokens {
            main[token.main] += 1;
            token.length.iter().for_each(|symbol| lengths[*symbol] += 1);
        }
        let (main, lengths) = (code_lengths(&main), code_lengths(&lengths));
        let mut bits = Bits::default();
        if at == 0 {
            // Calls are not translated.
            bits.put(0, 1);
        }
        bits.put(1, 3);
        bits.put((end - at) as u32, 24);
        write_tree(&mut bits, &self.main[..256], &main[..256]);
        write_tree(&mut bits, &self.main[256..], &main[256..]);
        write_tree(&mut bits, &self.lengths, &lengths);
        let (main_codes, length_codes) = (codes(&main), codes(&lengths));
        for token in &tokens {
            bits.put(main_codes[token.main], main[token.main]);
            if let Some(symbol) = token.length {
                bits.put(length_codes[symbol], lengths[symbol]);
            }
            bits.put(token.low.0, token.low.1);
        }
        (self.main, self.lengths) = (main, lengths);
        bits.finish()
    }

    fn tokens(&mut self, stream: &[u8], from: usize, end: usize) -> Vec<Token> {
        let mut out = Vec::new();
        let mut at = from;
        while at < end {
            let (length, offset) = self.longest(stream, at, end);
            let step = if length < SHORTEST { 1 } else { length };
            out.push(match step {
                1 => Token {
                    main: usize::from(stream[at]),
                    length: None,
                    low: (0, 0),
                },
                _ => matched(length, offset),
            });
            (at + 1..at + step).for_each(|next| _ = self.meet(stream, next));
            at += step;
        }
        out
    }

    /// Length and distance of the last match, 0 if there is none.
    fn longest(&mut self, stream: &[u8], at: usize, end: usize) -> (usize, usize) {
        let Some(earlier) = self.meet(stream, at) else {
            return (0, 0);
        };
        let offset = at - earlier;
        if offset > (1 << WINDOW_BITS) - 3 {
            return (0, 0);
        }
        let limit = (end - at).min(LONGEST);
        let same = (0..limit)
            .take_while(|n| stream[earlier + n] == stream[at + n])
            .count();
        (same, offset)
    }

    /// Notes the three bytes here and tells where they may have been before.
    fn meet(&mut self, stream: &[u8], at: usize) -> Option<usize> {
        let three = stream.get(at..at + SHORTEST)?;
        let value = u32::from_le_bytes([three[0], three[1], three[2], 0]);
        let place = (value.wrapping_mul(0x9e37_79b1) >> 16) as usize % HASHES;
        std::mem::replace(&mut self.seen[place], at + 1).checked_sub(1)
    }
}

fn matched(length: usize, offset: usize) -> Token {
    let formatted = offset as u32 + 2;
    let (mut slot, mut base) = (0_u32, 0_u32);
    let bits = |slot: u32| (slot / 2).saturating_sub(1).min(17);
    while base + (1 << bits(slot)) <= formatted {
        base += 1 << bits(slot);
        slot += 1;
    }
    let header = (length - 2).min(7);
    Token {
        main: 256 + slot as usize * 8 + header,
        length: (header == 7).then(|| length - 9),
        low: (formatted - base, bits(slot) as u8),
    }
}

/// Lengths of a Huffman code, 16 bits at most; 0 for symbols that do not occur.
fn code_lengths(counts: &[u32]) -> Vec<u8> {
    let mut counts = counts.to_vec();
    // A code of one symbol would be incomplete.
    let used = counts.iter().filter(|n| **n > 0).count();
    if used == 1 {
        let spare = counts.iter().position(|n| *n == 0).unwrap_or(0);
        counts[spare] = 1;
    }
    loop {
        let lengths = huffman(&counts);
        if lengths.iter().all(|length| *length <= 16) {
            return lengths;
        }
        counts
            .iter_mut()
            .filter(|n| **n > 0)
            .for_each(|n| *n = *n / 2 + 1);
    }
}

fn huffman(counts: &[u32]) -> Vec<u8> {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    let mut parents = vec![usize::MAX; counts.len()];
    let mut heap: BinaryHeap<_> = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(symbol, count)| Reverse((*count, symbol)))
        .collect();
    while heap.len() > 1 {
        let (Some(Reverse(a)), Some(Reverse(b))) = (heap.pop(), heap.pop()) else {
            break;
        };
        let node = parents.len();
        parents.push(usize::MAX);
        (parents[a.1], parents[b.1]) = (node, node);
        heap.push(Reverse((a.0 + b.0, node)));
    }
    let mut depths = vec![0_u8; parents.len()];
    for node in (0..parents.len()).rev() {
        if let Some(depth) = depths.get(parents[node]).copied() {
            depths[node] = depth + 1;
        }
    }
    depths.truncate(counts.len());
    depths
}

/// Canonical codes: by length, then by symbol.
fn codes(lengths: &[u8]) -> Vec<u32> {
    let mut out = vec![0; lengths.len()];
    let mut next = 0;
    for length in 1..=16 {
        for symbol in (0..lengths.len()).filter(|symbol| lengths[*symbol] == length) {
            out[symbol] = next;
            next += 1;
        }
        next <<= 1;
    }
    out
}

/// Lengths as differences from the last ones; runs of zeros are told as such.
fn write_tree(bits: &mut Bits, before: &[u8], now: &[u8]) {
    let mut steps: Vec<(usize, u32, u8)> = Vec::new();
    let mut at = 0;
    while at < now.len() {
        let zeros = now[at..]
            .iter()
            .take_while(|length| **length == 0)
            .count()
            .min(51);
        let step = match zeros {
            20.. => (18, zeros as u32 - 20, 5),
            4.. => (17, zeros.min(19) as u32 - 4, 4),
            _ => (usize::from((before[at] + 17 - now[at]) % 17), 0, 0),
        };
        at += match zeros {
            20.. => zeros,
            4.. => zeros.min(19),
            _ => 1,
        };
        steps.push(step);
    }
    let mut counts = vec![0; 20];
    steps.iter().for_each(|step| counts[step.0] += 1);
    let lengths = code_lengths(&counts);
    let codes = codes(&lengths);
    lengths.iter().for_each(|length| bits.put(u32::from(*length), 4));
    for (symbol, extra, count) in steps {
        bits.put(codes[symbol], lengths[symbol]);
        bits.put(extra, count);
    }
}

/// Bits from the top of little-endian words of 16.
#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    held: u64,
    count: u8,
}

impl Bits {
    fn put(&mut self, value: u32, count: u8) {
        self.held = self.held << count | u64::from(value);
        self.count += count;
        while self.count >= 16 {
            self.count -= 16;
            let word = (self.held >> self.count) as u16;
            self.out.extend_from_slice(&word.to_le_bytes());
            self.held &= (1 << self.count) - 1;
        }
    }

    /// A frame ends at a word.
    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.put(0, 16 - self.count);
        }
        self.out
    }
}
