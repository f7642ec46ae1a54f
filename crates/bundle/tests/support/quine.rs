//! A gzip file whose content is itself.
//!
//! The construction is Russ Cox's ("Zip Files All The Way Down", 2010): a deflate stream of two operations, "copy the
//! next n units from the file" and "repeat the last n units of the output", each one unit long, in an order in which
//! what they print is what they are. A unit is five bytes here: a stored block's header is that long anyway, and a
//! repetition of four units is a fixed-Huffman block of exactly forty bits. The checksum, which the file contains twice,
//! is found as the fixed point of an affine map over GF(2).

/// A stored block's header: print the next `units`.
fn literal(units: u16) -> Vec<u8> {
    let len = units * 5;
    let mut out = vec![0];
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&(!len).to_le_bytes());
    out
}

/// Repeats the last four units (20 bytes): a fixed-Huffman block of two matches, length 10 at distance 20 each.
fn repeat() -> Vec<u8> {
    let mut bits: Vec<bool> = vec![false, true, false];
    let mut code = |value: u32, width: u32| {
        // Huffman codes start with their most significant bit.
        bits.extend((0..width).rev().map(|i| value >> i & 1 == 1));
    };
    for _ in 0..2 {
        code(264 - 256, 7);
        code(8, 5);
        // Distances 17–24 have three extra bits, least significant first: 20 = 17 + 3.
        code(0b110, 3);
    }
    code(0, 7);
    bits.chunks(8)
        .map(|byte| byte.iter().enumerate().map(|(i, bit)| u8::from(*bit) << i).sum())
        .collect()
}

fn file_with(sum: u32, size: u32) -> Vec<u8> {
    let mut prefix = b"\x1f\x8b\x08\x08\0\0\0\0\0\xff".to_vec();
    prefix.extend_from_slice(b"q.gz\0");
    let mut suffix = literal(0);
    suffix.extend_from_slice(&[3, 0]);
    suffix.extend_from_slice(&sum.to_le_bytes());
    suffix.extend_from_slice(&size.to_le_bytes());
    let mut out = Vec::new();
    let (p, s) = (&prefix, &suffix);
    let (l0, l1, l4, r4) = (&literal(0), &literal(1), &literal(4), &repeat());
    let order = [
        p, l4, p, l4, r4, l1, r4, l1, l1, l4, r4, l1, l1, l4, r4, l4, r4, l4, r4, l4, r4, l4, r4, l0, l0, l4,
        r4, l0, l0, l4, r4, s, r4, s,
    ];
    for part in order {
        out.extend_from_slice(part);
    }
    out
}

fn crc(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}

/// The file.
pub(crate) fn gzip() -> Vec<u8> {
    let size = file_with(0, 0).len() as u32;
    let base = crc(&file_with(0, size));
    // Column i of the map is what bit i of the stated sum does to the real one; solve (map + identity) x = base.
    let mut rows: Vec<u64> = vec![0; 32];
    for i in 0..32 {
        let column = crc(&file_with(1 << i, size)) ^ base ^ 1 << i;
        for (bit, row) in rows.iter_mut().enumerate() {
            *row |= u64::from(column >> bit & 1) << i;
        }
    }
    for (bit, row) in rows.iter_mut().enumerate() {
        *row |= u64::from(base >> bit & 1) << 32;
    }
    let mut done = 0;
    for column in 0..32 {
        let Some(pivot) = (done..32).find(|row| rows[*row] >> column & 1 == 1) else {
            continue;
        };
        rows.swap(done, pivot);
        for row in 0..32 {
            if row != done && rows[row] >> column & 1 == 1 {
                rows[row] ^= rows[done];
            }
        }
        done += 1;
    }
    let sum = rows.iter().fold(0_u32, |sum, row| {
        let lead = (row & 0xffff_ffff).trailing_zeros();
        if lead < 32 && row >> 32 == 1 {
            sum | 1 << lead
        } else {
            sum
        }
    });
    file_with(sum, size)
}
