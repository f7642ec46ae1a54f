//! An append-only byte buffer with the integer and string forms that file formats use.

/// Bytes under construction. Every method returns `self`'s reference, so that a layout reads as one chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True before the first byte.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// Raw bytes.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// `count` times the same byte.
    pub fn fill(&mut self, byte: u8, count: usize) -> &mut Self {
        self.0.resize(self.0.len() + count, byte);
        self
    }

    /// Little-endian 16 bit.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Little-endian 32 bit.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Little-endian 64 bit.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Big-endian 16 bit.
    pub fn be16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// Big-endian 24 bit; higher bits are dropped.
    pub fn be24(&mut self, value: usize) -> &mut Self {
        let bytes = (value as u32).to_be_bytes();
        self.raw(&bytes[1..])
    }

    /// Big-endian 32 bit.
    pub fn be32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// UTF-16LE without terminator.
    pub fn utf16(&mut self, text: &str) -> &mut Self {
        for unit in text.encode_utf16() {
            self.u16(unit);
        }
        self
    }

    /// UTF-16LE with a NUL.
    pub fn utf16z(&mut self, text: &str) -> &mut Self {
        self.utf16(text).u16(0)
    }

    /// 8-bit text with a NUL.
    pub fn asciiz(&mut self, text: &str) -> &mut Self {
        self.raw(text.as_bytes()).u8(0)
    }

    /// A GUID in Windows' mixed-endian form.
    pub fn guid(&mut self, text: &str) -> &mut Self {
        self.raw(&guid_bytes(text))
    }

    /// Zero bytes up to the next multiple of `step`.
    pub fn align(&mut self, step: usize) -> &mut Self {
        let missing = self.0.len().next_multiple_of(step) - self.0.len();
        self.fill(0, missing)
    }

    /// Overwrites bytes at `at`; a place beyond the end is ignored.
    pub fn patch(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        if let Some(place) = self.0.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        self
    }

    /// The bytes, leaving the buffer empty.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// The sixteen bytes of a GUID text (`{…}` allowed) as Windows stores them. Characters that are not hex digits
/// are skipped and missing digits are zero, so that a test may write a short made-up GUID.
pub fn guid_bytes(text: &str) -> [u8; 16] {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|d| d as u8)
        .collect();
    let mut bytes = [0u8; 16];
    for (place, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *place = pair.first().copied().unwrap_or(0) << 4 | pair.get(1).copied().unwrap_or(0);
    }
    bytes[0..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

/// A deterministic stand-in for random bytes: the same label gives the same bytes.
pub fn noise(label: &str, count: usize) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut out = Vec::with_capacity(count + 32);
    let mut round = 0u32;
    while out.len() < count {
        let mut hash = Sha256::new();
        hash.update(round.to_le_bytes());
        hash.update(label.as_bytes());
        out.extend_from_slice(&hash.finalize());
        round += 1;
    }
    out.truncate(count);
    out
}

/// A made-up GUID that depends on `label` alone, of the random kind (version 4).
pub fn guid_for(label: &str) -> String {
    let n = noise(label, 16);
    let hex: String = n.iter().map(|b| format!("{b:02x}")).collect();
    format!(
        "{}-{}-4{}-a{}-{}",
        &hex[0..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_mixed_endian() {
        assert_eq!(
            guid_bytes("{00112233-4455-6677-8899-aabbccddeeff}"),
            [
                0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
                0xff
            ]
        );
        assert_eq!(guid_for("x").len(), 36);
        assert_eq!(guid_for("x"), guid_for("x"));
    }
}
