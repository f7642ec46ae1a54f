//! Entries without a central directory: an upload that was cut, or a disk that filled up.
//!
//! Local headers are found by signature and believed if they look sane. An entry written as a stream has no size in
//! its header; it reaches to the next header, and the decompressor finds its true end.

use std::io::{self, Read};

use casetrace_model::Diagnostic;

use super::directory::Listing;
use super::fields::{BIT_DESCRIPTOR, Listed, Zip64Needs, le_u16, le_u32, le_u64};
use super::{Source, seek_to};

/// The search starts small, as the next header is mostly right there, and doubles up to this.
const MAX_WINDOW: u64 = 256 << 10;
/// Signature and fixed part of a local header.
const HEADER: usize = 30;

/// Lists up to `max` entries from their local headers.
pub(super) fn list(source: &mut Source, len: u64, max: usize, comment: Vec<u8>) -> Listing {
    let mut listing = Listing {
        comment,
        ..Listing::default()
    };
    let mut at = 0;
    while listing.entries.len() < max {
        let Ok(Some(found)) = next_signature(source, at, len, &[*b"PK\x03\x04"]) else {
            break;
        };
        match read_header(source, found, len) {
            Ok(Some(entry)) => {
                at = entry.data_at + entry.stored.max(1);
                listing.entries.push(entry);
            }
            _ => at = found + 4,
        }
    }
    let text = format!(
        "the zip directory at the end is missing or damaged (cut upload?); {} entries were recovered from their own headers, what followed is lost",
        listing.entries.len()
    );
    listing
        .diagnostics
        .push(Diagnostic::warning("ZipDirectoryLost", text).at(len));
    if starts_a_set(source) {
        let text = "this is the first part of a split archive; upload all parts to get the rest";
        listing
            .diagnostics
            .push(Diagnostic::warning("ZipOtherPart", text));
    }
    listing
}

/// Split archives begin with a signature of their own.
fn starts_a_set(source: &mut Source) -> bool {
    let mut bytes = [0; 4];
    seek_to(source, 0).is_ok() && source.read_exact(&mut bytes).is_ok() && bytes == *b"PK\x07\x08"
}

/// How many entries begin in `from..to`, between those the directory lists.
pub(super) fn count(source: &mut Source, from: u64, to: u64, len: u64) -> u64 {
    let (mut at, mut found) = (from, 0);
    while at < to {
        let Ok(Some(next)) = next_signature(source, at, to, &[*b"PK\x03\x04"]) else {
            break;
        };
        at = match read_header(source, next, len) {
            Ok(Some(entry)) => {
                found += 1;
                entry.data_at + entry.stored.max(1)
            }
            _ => next + 4,
        };
    }
    found
}

fn read_header(source: &mut Source, at: u64, len: u64) -> io::Result<Option<Listed>> {
    let mut fixed = [0; HEADER];
    seek_to(source, at)?;
    source.read_exact(&mut fixed)?;
    let u16_at = |at| le_u16(&fixed, at).unwrap_or_default();
    let u32_at = |at| le_u32(&fixed, at).unwrap_or_default();
    let (name_len, extra_len) = (usize::from(u16_at(26)), usize::from(u16_at(28)));
    let known_method = matches!(u16_at(8), 0..=10 | 12 | 14 | 19 | 93..=99);
    if !known_method || u16_at(4) & 0xff > 70 || name_len == 0 || name_len > 4096 {
        return Ok(None);
    }
    let mut name = vec![0; name_len];
    source.read_exact(&mut name)?;
    // Before the extra field is read: false headers lie close together, and each may announce a long one.
    if name.contains(&0) {
        return Ok(None);
    }
    let mut extra = vec![0; extra_len];
    source.read_exact(&mut extra)?;
    let (mut size, mut stored) = (u64::from(u32_at(22)), u64::from(u32_at(18)));
    let mut entry = Listed {
        raw_name: name,
        flags: u16_at(6),
        method: u16_at(8),
        dos_time: u16_at(10),
        dos_date: u16_at(12),
        crc: u32_at(14),
        header_at: at,
        data_at: at + (HEADER + name_len + extra_len) as u64,
        sizes_known: true,
        ..Listed::default()
    };
    let fields = [&mut size, &mut stored]
        .into_iter()
        .filter(|v| **v == u64::from(u32::MAX))
        .collect();
    entry.apply_extra(&extra, &mut Zip64Needs { fields });
    (entry.size, entry.stored) = (size, stored);
    if entry.flags & BIT_DESCRIPTOR != 0 && entry.stored == 0 {
        measure_stream(source, &mut entry, len)?;
    }
    let left = len.saturating_sub(entry.data_at);
    if entry.stored > left {
        let text = "the archive ends inside this entry's data";
        entry.diagnostics.push(
            Diagnostic::warning("ZipTruncated", text)
                .at(len)
                .lost(entry.stored - left),
        );
        entry.stored = left;
    }
    Ok(Some(entry))
}

/// Sizes of an entry that was written as a stream: its data descriptor sits before the next header.
fn measure_stream(source: &mut Source, entry: &mut Listed, len: u64) -> io::Result<()> {
    let next = next_signature(source, entry.data_at, len, &[*b"PK\x03\x04", *b"PK\x01\x02"])?;
    let end = next.unwrap_or(len);
    entry.stored = end - entry.data_at;
    entry.sizes_known = false;
    for (size, wide) in [(16_u64, false), (24, true)] {
        let Some(at) = end.checked_sub(size).filter(|at| *at >= entry.data_at) else {
            continue;
        };
        let mut descriptor = vec![0; usize::try_from(size).unwrap_or_default()];
        seek_to(source, at)?;
        source.read_exact(&mut descriptor)?;
        let (stored, expanded) = match wide {
            true => (le_u64(&descriptor, 8), le_u64(&descriptor, 16)),
            false => (
                le_u32(&descriptor, 8).map(u64::from),
                le_u32(&descriptor, 12).map(u64::from),
            ),
        };
        if descriptor.starts_with(b"PK\x07\x08") && stored == Some(at - entry.data_at) {
            entry.stored = at - entry.data_at;
            entry.size = expanded.unwrap_or_default();
            entry.crc = le_u32(&descriptor, 4).unwrap_or_default();
            entry.sizes_known = true;
        }
    }
    Ok(())
}

/// Offset of the next of `signatures` in `from..to`.
fn next_signature(
    source: &mut Source,
    from: u64,
    to: u64,
    signatures: &[[u8; 4]],
) -> io::Result<Option<u64>> {
    seek_to(source, from)?;
    let mut window = Vec::new();
    let mut start = from;
    let mut step = 512;
    loop {
        let kept = window.len();
        if start >= to {
            return Ok(None);
        }
        source.by_ref().take(step).read_to_end(&mut window)?;
        if window.len() == kept {
            return Ok(None);
        }
        if let Some(at) = window
            .windows(4)
            .position(|w| w[0] == b'P' && signatures.iter().any(|s| w == s))
        {
            return Ok(Some(start + at as u64).filter(|found| *found < to));
        }
        step = (step * 2).min(MAX_WINDOW);
        let keep = window.len().min(3);
        let drop = window.len() - keep;
        window.drain(..drop);
        start += drop as u64;
    }
}
