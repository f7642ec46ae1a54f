//! The 72 bytes in front of every buffer (WMI_BUFFER_HEADER).
//!
//! Source: etl-format §1.1, observed from Windows 7 to Windows 11. Offsets are the same for 32- and 64-bit writers.

use crate::bytes::{u8_at, u16_at, u32_at, u64_at};

/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = 72;

/// The largest buffer a session can have is 16 MiB; anything beyond this is damage, not data.
pub(crate) const MAX_BUFFER: usize = 32 << 20;

/// Set in [`BufferHeader::flags`] when the payload is compressed.
const FLAG_COMPRESSED: u16 = 0x40;
const FLAG_WIDE_PROCESSOR: u16 = 0x20;
const TYPE_HEADER: u16 = 4;

/// One buffer's header, as far as readers need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferHeader {
    /// Bytes the buffer takes in the file (offset 0x00).
    pub size: u32,
    /// End of data, header included; counts expanded bytes in a compressed buffer (0x04).
    pub saved_offset: u32,
    /// Order of writing within the session (0x18).
    pub sequence: u64,
    /// Processor whose stream this buffer continues (0x28).
    pub processor: u16,
    /// Number of the session (0x2a).
    pub logger_id: u16,
    /// Low word of State; the compression format in the header buffer of a compressed file (0x2c).
    pub state: u16,
    /// End of data when the buffer was flushed (0x30).
    pub offset: u32,
    /// Flush marker, losses, compression (0x34).
    pub flags: u16,
    /// Generic, rundown, …, 4 header (0x36).
    pub kind: u16,
}

impl BufferHeader {
    /// Reads the header if the numbers make sense together.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER_LEN)?;
        let flags = u16_at(bytes, 0x34);
        let processor = if flags & FLAG_WIDE_PROCESSOR != 0 {
            u16_at(bytes, 0x28) & 0x07ff
        } else {
            // Windows 7 keeps the alignment in the next byte.
            u16::from(u8_at(bytes, 0x28))
        };
        let header = Self {
            size: u32_at(bytes, 0),
            saved_offset: u32_at(bytes, 4),
            sequence: u64_at(bytes, 0x18),
            processor,
            logger_id: u16_at(bytes, 0x2a),
            state: u16_at(bytes, 0x2c),
            offset: u32_at(bytes, 0x30),
            flags,
            kind: u16_at(bytes, 0x36),
        };
        header.is_plausible().then_some(header)
    }

    fn is_plausible(&self) -> bool {
        let size = self.size as usize;
        let fits = (HEADER_LEN..=MAX_BUFFER).contains(&size) && self.flags < 0x100 && self.kind < 16;
        let end = self.end_of_data();
        fits && (HEADER_LEN..=MAX_BUFFER).contains(&end)
    }

    /// True if the payload is compressed.
    pub fn is_compressed(&self) -> bool {
        self.flags & FLAG_COMPRESSED != 0
    }

    /// True for the buffer that holds the log file header.
    pub fn is_header(&self) -> bool {
        self.kind == TYPE_HEADER
    }

    /// True if the session says that events before this buffer, or a whole buffer, were lost.
    pub fn marks_loss(&self) -> bool {
        self.flags & 0x6 != 0
    }

    /// Where the records end, counted from the buffer's start, after expansion.
    pub(crate) fn end_of_data(&self) -> usize {
        let (size, saved, offset) = (
            self.size as usize,
            self.saved_offset as usize,
            self.offset as usize,
        );
        if self.is_compressed() {
            return saved;
        }
        let inside = HEADER_LEN..=size;
        if self.is_header() {
            // Relogged header buffers have a SavedOffset before the end, Windows 7 ones have 0.
            return saved.max(offset).min(size).max(HEADER_LEN);
        }
        match (inside.contains(&offset), inside.contains(&saved)) {
            (true, _) => offset,
            (_, true) => saved,
            _ => size,
        }
    }
}
