//! First look at a file: where each buffer lies, judged by the 72 header bytes alone.
//!
//! Damage between two buffers is stepped over by hunting for the next believable header; the bytes in between are counted.

use super::buffer::{BufferHeader, HEADER_LEN, MAX_BUFFER};
use super::input::Input;

/// A buffer and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferAt {
    /// Byte offset in the file.
    pub at: u64,
    /// Its header.
    pub header: BufferHeader,
    /// Bytes that are really there; fewer than the header's size in a torn last buffer.
    pub stored: usize,
}

/// What lies between buffers and should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) at: u64,
    pub(crate) len: u64,
    /// All zeros: never written (preallocated files), nothing lost.
    pub(crate) blank: bool,
}

/// All buffers of a file in file order, and the gaps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scan {
    pub(crate) buffers: Vec<BufferAt>,
    pub(crate) gaps: Vec<Gap>,
    /// The ceiling on buffers was reached before the end of the file.
    pub(crate) too_many: bool,
}

/// Bytes looked at in one step of a hunt.
const WINDOW: usize = 1 << 20;
/// 64 GiB of the smallest usual buffers; bounds the table, not real files.
const MAX_BUFFERS: usize = 1 << 20;

impl Scan {
    /// Scans the whole file. Errors of the reader end the scan; they are returned with what was found.
    pub(crate) fn run(input: &mut Input<'_>) -> (Self, Option<std::io::Error>) {
        let mut scan = Self::default();
        let mut at = 0;
        let mut head = Vec::new();
        while at < input.len() {
            if scan.buffers.len() + scan.gaps.len() >= MAX_BUFFERS {
                scan.too_many = true;
                break;
            }
            if let Err(error) = input.read_into(at, HEADER_LEN, &mut head) {
                return (scan, Some(error));
            }
            match BufferHeader::parse(&head) {
                Some(header) => at = scan.push(at, header, input.len()),
                None => match scan.hunt(input, at) {
                    Ok(next) => at = next,
                    Err(error) => return (scan, Some(error)),
                },
            }
        }
        (scan, None)
    }

    fn push(&mut self, at: u64, header: BufferHeader, file_len: u64) -> u64 {
        let size = u64::from(header.size);
        let stored = size.min(file_len - at);
        self.buffers.push(BufferAt {
            at,
            header,
            stored: stored as usize,
        });
        at + stored
    }

    /// The next place after `at` where a header stands that leads to another one or to the end of the file.
    fn hunt(&mut self, input: &mut Input<'_>, at: u64) -> std::io::Result<u64> {
        let (mut window, mut next) = (Vec::new(), Vec::new());
        let mut blank = true;
        let mut from = at;
        let mut found = input.len();
        'windows: while from < input.len() {
            input.read_into(from, WINDOW + HEADER_LEN, &mut window)?;
            for i in 0..window.len().min(WINDOW) {
                let candidate = from + i as u64;
                if candidate > at
                    && leads_on(input, candidate, window.get(i..).unwrap_or_default(), &mut next)?
                {
                    found = candidate;
                    break 'windows;
                }
                blank &= window.get(i) == Some(&0);
            }
            from += WINDOW as u64;
        }
        self.gaps.push(Gap {
            at,
            len: found - at,
            blank,
        });
        Ok(found)
    }
}

/// A cheap test on four bytes first, because a hunt asks this for every byte of a damaged file.
fn leads_on(input: &mut Input<'_>, at: u64, bytes: &[u8], next: &mut Vec<u8>) -> std::io::Result<bool> {
    let size = crate::bytes::u32_at(bytes, 0) as usize;
    if !(HEADER_LEN..=MAX_BUFFER).contains(&size) {
        return Ok(false);
    }
    let Some(header) = BufferHeader::parse(bytes).filter(is_ordinary) else {
        return Ok(false);
    };
    // The first record must look like one; a compressed buffer begins with 32 flag bits, of which nothing is known.
    let first = bytes.get(HEADER_LEN..).unwrap_or_default();
    if !header.is_compressed() && first.len() >= 8 && super::record::RecordHead::marker(first).is_none() {
        return Ok(false);
    }
    let end = at + size as u64;
    if end >= input.len() {
        return Ok(end == input.len());
    }
    input.read_into(end, HEADER_LEN, next)?;
    Ok(next.iter().all(|b| *b == 0) || BufferHeader::parse(next).is_some_and(|h| is_ordinary(&h)))
}

/// Stricter than [`BufferHeader::parse`]: what sessions really write, so that a hunt does not stop at random bytes.
fn is_ordinary(header: &BufferHeader) -> bool {
    header.kind <= 7
        && header.flags & !0x7f == 0
        && header.state <= 5
        && header.saved_offset as usize <= MAX_BUFFER
}
