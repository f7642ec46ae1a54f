//! Little-endian reads from a chunk; every read past the end is `None`.

/// A place in a chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'c> {
    data: &'c [u8],
    at: usize,
}

impl<'c> Cursor<'c> {
    pub(super) fn new(data: &'c [u8], at: usize) -> Self {
        Self { data, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'c [u8]> {
        let end = self.at.checked_add(len)?;
        let bytes = self.data.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
}
