//! Expansion of compressed buffers: plain XPRESS, XPRESS with Huffman codes, LZNT1.
//!
//! Source: [MS-XCA] for the formats, etl-format §1.5 for where they occur: every compressed file seen so far uses plain
//! XPRESS. All three stop at the promised size and keep what they expanded before damage.

mod huffman;
mod lznt1;
mod xpress;

/// Compression format as numbered in the header buffer (the system's COMPRESSION_FORMAT values).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// LZNT1.
    Lznt1,
    /// LZ77 without entropy coding.
    Xpress,
    /// LZ77 with Huffman codes.
    XpressHuffman,
}

impl Compression {
    /// From the low 16 bits of the header buffer's State.
    pub fn from_number(number: u16) -> Option<Self> {
        match number {
            2 => Some(Self::Lznt1),
            3 => Some(Self::Xpress),
            4 => Some(Self::XpressHuffman),
            _ => None,
        }
    }

    /// Name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lznt1 => "lznt1",
            Self::Xpress => "xpress",
            Self::XpressHuffman => "xpress-huffman",
        }
    }
}

/// The compressed stream ended or contradicted itself before the promised size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("compressed data is damaged after {expanded} expanded bytes")]
pub struct ExpandError {
    /// Bytes that were expanded before; they are in the output.
    pub expanded: usize,
}

/// Expands `source` to exactly `size` bytes, replacing what `out` held.
///
/// Errors: `out` then holds what came before the damage.
pub fn expand(format: Compression, source: &[u8], size: usize, out: &mut Vec<u8>) -> Result<(), ExpandError> {
    out.clear();
    out.resize(size, 0);
    let expanded = match format {
        Compression::Lznt1 => lznt1::expand(source, out),
        Compression::Xpress => xpress::expand(source, out),
        Compression::XpressHuffman => huffman::expand(source, out),
    };
    out.truncate(expanded);
    if expanded == size {
        Ok(())
    } else {
        Err(ExpandError { expanded })
    }
}

/// Repeats `len` bytes from `distance` back at `at`, clipped at the end of `out`; the new position, or `None` if the
/// distance reaches before the start.
#[inline]
fn copy_match(out: &mut [u8], at: usize, distance: usize, len: usize) -> Option<usize> {
    let from = at.checked_sub(distance)?;
    let end = at.saturating_add(len).min(out.len());
    if distance >= 16 && len <= 16 && at + 16 <= out.len() {
        // One fixed-size move; what it writes beyond `len` is overwritten by the next step.
        out.copy_within(from..from + 16, at);
        return Some(end);
    }
    if distance >= len {
        out.copy_within(from..from + (end - at), at);
    } else if distance == 1 {
        let byte = *out.get(from)?;
        out.get_mut(at..end)?.fill(byte);
    } else {
        // The copied part doubles as source, so the pattern grows with every step.
        let mut have = at;
        while have < end {
            let step = (have - from).min(end - have);
            out.copy_within(from..from + step, have);
            have += step;
        }
    }
    Some(end)
}
