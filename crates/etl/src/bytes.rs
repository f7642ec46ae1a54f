//! Little-endian reads that cannot panic: fixed places in a validated header, and a cursor over a payload.

/// `N` bytes at `at`, or `None` past the end.
#[inline]
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// The byte at `at`; 0 past the end.
#[inline]
pub(crate) fn u8_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The number at `at`; 0 past the end, for headers whose length was checked before.
#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    array(bytes, at).map_or(0, u16::from_le_bytes)
}

/// As [`u16_at`].
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    array(bytes, at).map_or(0, u32::from_le_bytes)
}

/// As [`u16_at`].
#[inline]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    array(bytes, at).map_or(0, u64::from_le_bytes)
}

/// Walks a payload; every read says how much is needed by its type and yields `None` when it is not there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.data.len()
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..len)?;
        self.at += len;
        Some(taken)
    }

    /// As many as there are, at most `len`.
    pub(crate) fn take_up_to(&mut self, len: usize) -> &'a [u8] {
        let rest = self.rest();
        let taken = rest.get(..len).unwrap_or(rest);
        self.at += taken.len();
        taken
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = array(self.data, self.at)?;
        self.at += N;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A pointer of the record's width.
    pub(crate) fn pointer(&mut self, size: u8) -> Option<u64> {
        if size == 4 {
            self.u32().map(u64::from)
        } else {
            self.u64()
        }
    }

    /// UTF-16 units up to a NUL, which is consumed; a missing NUL at the end is legal.
    pub(crate) fn utf16_nul(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let units = rest.chunks_exact(2).take_while(|unit| *unit != [0, 0]).count() * 2;
        let text = rest.get(..units).unwrap_or_default();
        self.at = (self.at + units + 2).min(self.data.len());
        text
    }

    /// Bytes up to a NUL, which is consumed; a missing NUL at the end is legal.
    pub(crate) fn bytes_nul(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let len = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
        self.at = (self.at + len + 1).min(self.data.len());
        rest.get(..len).unwrap_or_default()
    }
}

/// UTF-16 text; unpaired surrogates become U+FFFD.
pub(crate) fn utf16(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() / 2);
    push_utf16(&mut out, bytes);
    out
}

/// Appends UTF-16 text.
pub(crate) fn push_utf16(out: &mut String, bytes: &[u8]) {
    let units = bytes
        .chunks_exact(2)
        .map(|unit| u16::from_le_bytes([u8_at(unit, 0), u8_at(unit, 1)]));
    out.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

/// UTF-16 text up to its first NUL.
pub(crate) fn utf16_until_nul(bytes: &[u8]) -> String {
    utf16(Cursor::new(bytes).utf16_nul())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_at_their_nul_or_at_the_end() {
        let mut cursor = Cursor::new(b"a\0b\0\0\0c\0");
        assert_eq!(utf16(cursor.utf16_nul()), "ab");
        assert_eq!(utf16(cursor.utf16_nul()), "c");
        assert!(cursor.is_empty());
        assert_eq!(cursor.u16(), None);
        let mut cursor = Cursor::new(b"xy\0z");
        assert_eq!(cursor.bytes_nul(), b"xy");
        assert_eq!(cursor.bytes_nul(), b"z");
        assert_eq!(cursor.take(1), None);
    }
}
