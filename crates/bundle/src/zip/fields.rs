//! The fields of zip headers, as central directory and local headers share them.

use casetrace_model::Diagnostic;

use crate::case::{Encryption, Modified};

pub(super) const BIT_ENCRYPTED: u16 = 1;
pub(super) const BIT_DESCRIPTOR: u16 = 1 << 3;
const BIT_STRONG: u16 = 1 << 6;
const BIT_UTF8: u16 = 1 << 11;
/// Directory fields are masked because the directory itself is encrypted.
const BIT_MASKED: u16 = 1 << 13;
const METHOD_AES: u16 = 99;

/// Why an entry is not extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Symbolic link, device, socket.
    Special,
    /// Shares bytes with an earlier entry.
    Overlap,
    /// No local header where the directory points.
    NoHeader,
    /// In another file of a split archive.
    OtherPart,
}

/// One entry, from the central directory or recovered from its local header.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    pub(super) raw_name: Vec<u8>,
    /// The name of the header itself, where an extra field replaced it.
    pub(super) header_name: Option<Vec<u8>>,
    pub(super) utf8: bool,
    /// File of a split archive that the directory says the entry starts in.
    pub(super) disk: u16,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) dos_time: u16,
    pub(super) dos_date: u16,
    pub(super) crc: u32,
    /// Compressed bytes.
    pub(super) stored: u64,
    /// Declared expanded bytes; meaningless unless [`sizes_known`](Self::sizes_known).
    pub(super) size: u64,
    pub(super) sizes_known: bool,
    pub(super) header_at: u64,
    pub(super) data_at: u64,
    /// Body of extra field 0x9901.
    pub(super) aes: Option<[u8; 7]>,
    pub(super) modified: Option<Modified>,
    pub(super) trouble: Option<Trouble>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Listed {
    pub(super) fn is_folder(&self) -> bool {
        matches!(self.raw_name.last(), Some(b'/' | b'\\')) && (self.size == 0 || !self.sizes_known)
    }

    pub(super) fn encryption(&self) -> Option<Encryption> {
        if self.flags & (BIT_STRONG | BIT_MASKED) != 0 {
            return Some(Encryption::Other);
        }
        match (self.method, &self.aes) {
            (METHOD_AES, Some(aes)) => Some(match aes[4] {
                1 => Encryption::WinZipAes(128),
                2 => Encryption::WinZipAes(192),
                3 => Encryption::WinZipAes(256),
                _ => Encryption::Other,
            }),
            (METHOD_AES, None) => Some(Encryption::Other),
            _ => (self.flags & BIT_ENCRYPTED != 0).then_some(Encryption::ZipCrypto),
        }
    }

    /// The compression method, below encryption.
    fn inner_method(&self) -> u16 {
        match (self.method, &self.aes) {
            (METHOD_AES, Some(aes)) => u16::from_le_bytes([aes[5], aes[6]]),
            (method, _) => method,
        }
    }

    pub(super) fn is_stored(&self) -> bool {
        self.inner_method() == 0
    }

    /// True for the methods crate `zip` is built with here.
    pub(super) fn is_supported(&self) -> bool {
        matches!(self.inner_method(), 0 | 8 | 9)
    }

    pub(super) fn method_name(&self) -> String {
        match self.inner_method() {
            0 => "stored".to_owned(),
            8 => "deflate".to_owned(),
            9 => "deflate64".to_owned(),
            12 => "bzip2".to_owned(),
            14 => "lzma".to_owned(),
            93 => "zstd".to_owned(),
            95 => "xz".to_owned(),
            98 => "ppmd".to_owned(),
            other => format!("method {other}"),
        }
    }

    /// Takes over what flags and the extra field say. `local` says which of the two layouts the timestamps have.
    pub(super) fn apply_extra(&mut self, extra: &[u8], needs: &mut Zip64Needs<'_>) {
        self.utf8 = self.flags & BIT_UTF8 != 0;
        self.modified = dos_modified(self.dos_date, self.dos_time);
        let mut rest = extra;
        while let Some((id, body, after)) = next_extra(rest) {
            rest = after;
            match id {
                0x0001 => needs.fill(body),
                0x9901 => self.aes = body.get(..7).and_then(|b| b.try_into().ok()),
                0x7075 => self.unicode_name(body),
                0x5455 => self.unix_time(body),
                0x000a => self.ntfs_time(body),
                _ => {}
            }
        }
    }

    /// Info-ZIP Unicode path: version 1, CRC-32 of the plain name, UTF-8 name.
    fn unicode_name(&mut self, body: &[u8]) {
        let (Some(&1), Some(crc), Some(name)) = (body.first(), le_u32(body, 1), body.get(5..)) else {
            return;
        };
        let mut actual = flate2::Crc::new();
        actual.update(&self.raw_name);
        if actual.sum() == crc && std::str::from_utf8(name).is_ok() && !name.is_empty() {
            if self.raw_name.is_ascii() && self.raw_name != name {
                let text =
                    "the Unicode name and the plain name of the entry differ; the Unicode name was believed";
                self.diagnostics
                    .push(Diagnostic::warning("ZipHeaderMismatch", text));
            }
            self.header_name = Some(std::mem::replace(&mut self.raw_name, name.to_vec()));
            self.utf8 = true;
        }
    }

    fn unix_time(&mut self, body: &[u8]) {
        if body.first().is_some_and(|flags| flags & 1 != 0)
            && let Some(seconds) = le_u32(body, 1)
        {
            self.modified = Some(Modified::Utc(i64::from(seconds.cast_signed()) * 1_000_000_000));
        }
    }

    fn ntfs_time(&mut self, body: &[u8]) {
        let tag1 = body.get(4..8) == Some(&[1, 0, 24, 0]);
        if let Some(filetime) = body
            .get(8..16)
            .and_then(|b| b.try_into().ok())
            .map(u64::from_le_bytes)
            && tag1
        {
            self.modified = casetrace_model::time::from_filetime(filetime)
                .map(Modified::Utc)
                .or(self.modified.take());
        }
    }
}

/// Which 64-bit values the zip64 extra field has to supply, in its fixed order.
pub(super) struct Zip64Needs<'a> {
    pub(super) fields: Vec<&'a mut u64>,
}

impl Zip64Needs<'_> {
    fn fill(&mut self, body: &[u8]) {
        for (field, value) in self.fields.iter_mut().zip(body.chunks_exact(8)) {
            if let Ok(value) = value.try_into() {
                **field = u64::from_le_bytes(value);
            }
        }
    }
}

fn next_extra(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (id, len) = (le_u16(bytes, 0)?, usize::from(le_u16(bytes, 2)?));
    Some((id, bytes.get(4..4 + len)?, bytes.get(4 + len..)?))
}

pub(crate) fn dos_modified(date: u16, time: u16) -> Option<Modified> {
    let (year, month, day) = (1980 + (date >> 9), date >> 5 & 15, date & 31);
    let (hour, minute, second) = (time >> 11, time >> 5 & 63, (time & 31) * 2);
    let valid =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    valid.then(|| {
        Modified::Local(format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        ))
    })
}

pub(super) fn le_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..at.checked_add(2)?)?
        .try_into()
        .ok()
        .map(u16::from_le_bytes)
}

pub(super) fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at.checked_add(4)?)?
        .try_into()
        .ok()
        .map(u32::from_le_bytes)
}

pub(super) fn le_u64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..at.checked_add(8)?)?
        .try_into()
        .ok()
        .map(u64::from_le_bytes)
}

/// Marks entries that share bytes with one before them in the file, and puts all in file order.
///
/// Overlap is how a few kilobytes become petabytes without nesting; honest writers never do it. But a first entry that
/// claims the whole file must not hide all others: overlapping entries are read as long as they add up to no more
/// than the file (`len`), so that no byte counts much more than twice. The same header a second time is never read.
pub(super) fn mark_overlaps(entries: &mut [Listed], len: u64) {
    entries.sort_by_key(|entry| entry.header_at);
    let (mut end, mut room, mut last) = (0_u64, len, None);
    for entry in entries
        .iter_mut()
        .filter(|e| !matches!(e.trouble, Some(Trouble::NoHeader | Trouble::OtherPart)))
    {
        let again = last.replace(entry.header_at) == Some(entry.header_at);
        let entry_end = entry.data_at.saturating_add(entry.stored);
        if entry.header_at >= end {
            end = entry_end;
        } else if again || room < entry.stored {
            entry.trouble = entry.trouble.or(Some(Trouble::Overlap));
        } else {
            room -= entry.stored;
            let text = "its data overlaps another entry's; one of the two sizes is a lie, both were read";
            entry
                .diagnostics
                .push(Diagnostic::warning("ZipOverlap", text).at(entry.header_at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(header_at: u64, stored: u64) -> Listed {
        Listed {
            header_at,
            data_at: header_at + 30,
            stored,
            ..Listed::default()
        }
    }

    #[test]
    fn only_the_first_of_overlapping_entries_is_read() {
        let mut entries = [at(100, 50), at(0, 70), at(120, 10), at(100, 50), at(500, 1)];
        mark_overlaps(&mut entries, 9);
        let troubles: Vec<_> = entries
            .iter()
            .map(|e| (e.header_at, e.trouble.is_some()))
            .collect();
        assert_eq!(
            troubles,
            [(0, false), (100, false), (100, true), (120, true), (500, false)]
        );
    }

    #[test]
    fn one_entry_over_everything_does_not_hide_the_others() {
        let mut entries = [at(0, 1000), at(100, 50), at(200, 60), at(300, 900)];
        mark_overlaps(&mut entries, 1000);
        let read: Vec<bool> = entries.iter().map(|e| e.trouble.is_none()).collect();
        assert_eq!(read, [true, true, true, false]);
        assert_eq!(entries[1].diagnostics[0].code, "ZipOverlap");
    }

    #[test]
    fn extra_fields_override_name_and_time() {
        let mut entry = Listed {
            raw_name: b"?.txt".to_vec(),
            ..Listed::default()
        };
        let mut crc = flate2::Crc::new();
        crc.update(b"?.txt");
        let mut extra = vec![0x75, 0x70, 11, 0, 1];
        extra.extend_from_slice(&crc.sum().to_le_bytes());
        extra.extend_from_slice("é.txt".as_bytes());
        extra.extend_from_slice(&[0x55, 0x54, 5, 0, 1, 1, 0, 0, 0]);
        entry.apply_extra(&extra, &mut Zip64Needs { fields: Vec::new() });
        assert_eq!(entry.raw_name, "é.txt".as_bytes());
        assert_eq!(entry.modified, Some(Modified::Utc(1_000_000_000)));
    }
}
