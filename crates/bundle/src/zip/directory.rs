//! Finding and reading the central directory, and holding it against the local headers.

use std::io::{self, Read, Seek, SeekFrom};

use casetrace_model::Diagnostic;

use super::fields::{BIT_DESCRIPTOR, BIT_ENCRYPTED, Listed, Trouble, Zip64Needs, le_u16, le_u32, le_u64};
use super::{Source, recover, seek_to};

const EOCD_SIZE: u64 = 22;
const LOCATOR_SIZE: u64 = 20;
/// A directory larger than this would list more than 100 million entries.
const MAX_TAIL: u64 = EOCD_SIZE + 0xffff;

/// What a zip archive says it holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) entries: Vec<Listed>,
    pub(super) comment: Vec<u8>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// True for a valid archive without entries.
    pub(super) empty: bool,
}

/// Where the directory is.
#[derive(Debug, Clone, Default)]
struct Place {
    start: u64,
    end: u64,
    count: u64,
    /// Bytes in front of the archive proper (self-extractor, mail header).
    shift: u64,
    comment: Vec<u8>,
    /// Number of this file in a split archive.
    disk: u16,
    /// What is odd about it.
    remarks: Vec<Diagnostic>,
}

/// Lists up to `max` entries, from the central directory or, if that is lost, from the local headers.
pub(super) fn list(source: &mut Source, max: usize) -> Listing {
    let len = source.seek(SeekFrom::End(0)).unwrap_or(0);
    let place = find(source, len).ok().flatten();
    let Some(place) = place else {
        return recover::list(source, len, max, Vec::new());
    };
    if place.count == 0 && place.start == place.end {
        return Listing {
            comment: place.comment,
            diagnostics: place.remarks,
            empty: true,
            ..Listing::default()
        };
    }
    let (entries, complete) = read(source, &place, max);
    if !complete {
        return recover::list(source, len, max, place.comment);
    }
    let mut listing = Listing {
        entries,
        comment: place.comment.clone(),
        diagnostics: place.remarks.clone(),
        ..Listing::default()
    };
    check_count(&mut listing, &place, max);
    let (mut disagreeing, mut nowhere) = (0_u64, false);
    for entry in &mut listing.entries {
        let found = check_local(source, entry, len).is_ok();
        nowhere |= !found;
        if entry.disk != place.disk && (!found || !entry.diagnostics.is_empty()) {
            entry.trouble = Some(Trouble::OtherPart);
            entry.diagnostics.clear();
        } else if !found {
            entry.trouble = Some(Trouble::NoHeader);
        }
        disagreeing += u64::from(!entry.diagnostics.is_empty());
    }
    if place.disk == 0
        && listing.entries.len() < max
        && let Some(remark) = unlisted(source, &listing.entries, &place, len)
    {
        // Entries that are nowhere, and data that is not listed: it is the directory that is damaged.
        if nowhere {
            return recover::list(source, len, max, place.comment);
        }
        listing.diagnostics.push(remark);
    }
    // All pointing nowhere means the directory belongs to another file, or the start is gone.
    if !listing.entries.is_empty()
        && listing
            .entries
            .iter()
            .all(|e| e.trouble == Some(Trouble::NoHeader))
    {
        let recovered = recover::list(source, len, max, place.comment);
        if !recovered.entries.is_empty() {
            return recovered;
        }
    }
    if disagreeing > 0 {
        let text = format!(
            "{disagreeing} entries are described differently in the directory and at their data; the directory was believed"
        );
        listing
            .diagnostics
            .push(Diagnostic::warning("ZipHeaderMismatch", text));
    }
    listing
}

fn check_count(listing: &mut Listing, place: &Place, max: usize) {
    let found = listing.entries.len() as u64;
    if place.count > found && listing.entries.len() >= max {
        let text = format!(
            "the case has more members than max_members; {} entries of this archive were left out",
            place.count - found
        );
        listing
            .diagnostics
            .push(Diagnostic::warning("BundleMemberLimit", text));
    } else if place.count & 0xffff != found & 0xffff {
        let text = format!("the archive announces {} entries and lists {found}", place.count);
        listing
            .diagnostics
            .push(Diagnostic::warning("ZipCountMismatch", text).at(place.start));
    }
}

/// Entries in the gaps between the listed ones: left behind by an update, or hidden from every tool but one.
fn unlisted(source: &mut Source, entries: &[Listed], place: &Place, len: u64) -> Option<Diagnostic> {
    let mut taken: Vec<(u64, u64)> = entries
        .iter()
        .filter(|e| e.data_at > 0)
        .map(|e| (e.header_at, e.data_at.saturating_add(e.stored)))
        .collect();
    taken.sort_unstable();
    taken.push((place.start, place.start));
    let (mut at, mut found, mut first) = (0, 0, None);
    for (start, end) in taken {
        if start > at {
            let here = recover::count(source, at, start, len);
            first = first.or((here > 0).then_some(at));
            found += here;
        }
        at = at.max(end);
    }
    let text = format!(
        "{found} entries lie in the archive that its directory does not list (removed, or hidden); they were not read"
    );
    Some(Diagnostic::warning("ZipUnlisted", text).at(first?))
}

/// Looks for the end record from the back; the last one that points at a directory wins.
fn find(source: &mut Source, len: u64) -> io::Result<Option<Place>> {
    let tail_start = len.saturating_sub(MAX_TAIL);
    seek_to(source, tail_start)?;
    let mut tail = Vec::new();
    source.by_ref().take(MAX_TAIL).read_to_end(&mut tail)?;
    let mut at = tail.len().saturating_sub(3);
    let mut best: Option<Place> = None;
    while at > 0 {
        at -= 1;
        if tail.get(at..at + 4) != Some(b"PK\x05\x06".as_slice()) {
            continue;
        }
        let Some(place) = place_of(source, tail.get(at..).unwrap_or_default(), tail_start + at as u64)?
        else {
            continue;
        };
        match &mut best {
            None => best = Some(place),
            // Each look may cost a seek; a tail full of end records is hostile enough after the first.
            Some(best) => {
                if place.start != best.start {
                    let text = "the archive has a second directory that other tools may follow; entries listed only there were not read";
                    best.remarks
                        .push(Diagnostic::warning("ZipSecondDirectory", text).at(place.start));
                }
                break;
            }
        }
    }
    Ok(best)
}

/// Reads one end record (and its zip64 twin); `None` if it leads nowhere.
fn place_of(source: &mut Source, record: &[u8], eocd_at: u64) -> io::Result<Option<Place>> {
    let (Some(count), Some(size), Some(offset), Some(comment_len)) = (
        le_u16(record, 10),
        le_u32(record, 12),
        le_u32(record, 16),
        le_u16(record, 20),
    ) else {
        return Ok(None);
    };
    let comment = record.get(22..).unwrap_or_default();
    let comment = comment
        .get(..usize::from(comment_len).min(comment.len()))
        .unwrap_or_default()
        .to_vec();
    let disk = le_u16(record, 4).filter(|disk| *disk != u16::MAX).unwrap_or(0);
    let plain = End {
        at: eocd_at,
        count: u64::from(count),
        size: u64::from(size),
        offset: u64::from(offset),
    };
    let mut remarks = Vec::new();
    if disk > 0 {
        let text = format!(
            "this is part {} of a split archive; upload all parts to get the rest",
            u32::from(disk) + 1
        );
        remarks.push(Diagnostic::warning("ZipOtherPart", text));
    }
    let wide = zip64_record(source, eocd_at)?;
    if wide.as_ref().is_some_and(|wide| plain.contradicts(wide)) {
        let text = "the two end records of the archive disagree; the first one that leads to a directory was believed";
        remarks.push(Diagnostic::warning("ZipCountMismatch", text).at(eocd_at));
    }
    // The wide one first; but one that says "empty" must not hide what the other finds.
    let mut records: Vec<&End> = wide.iter().chain([&plain]).collect();
    records.sort_by_key(|record| record.is_empty());
    for record in records {
        if let Some((start, shift)) = record.leads_to(source)? {
            return Ok(Some(Place {
                start,
                end: record.at,
                count: record.count,
                shift,
                comment,
                disk,
                remarks,
            }));
        }
    }
    Ok(None)
}

/// What an end record, plain or zip64, says about the directory.
struct End {
    at: u64,
    count: u64,
    size: u64,
    offset: u64,
}

impl End {
    /// True if a field of this plain record is not saturated and differs from its wide twin.
    fn contradicts(&self, wide: &Self) -> bool {
        (self.count != 0xffff && self.count != wide.count)
            || (self.size != u64::from(u32::MAX) && self.size != wide.size)
            || (self.offset != u64::from(u32::MAX) && self.offset != wide.offset)
    }

    fn is_empty(&self) -> bool {
        self.count == 0 && self.size == 0
    }

    /// Start of the directory, and the bytes in front of the archive.
    fn leads_to(&self, source: &mut Source) -> io::Result<Option<(u64, u64)>> {
        // The directory ends where the end record begins; a prefix shifts every offset by the same amount.
        for start in [self.at.checked_sub(self.size), Some(self.offset)]
            .into_iter()
            .flatten()
        {
            if start <= self.at && (self.is_empty() || has_signature(source, start, *b"PK\x01\x02")?) {
                return Ok(Some((start, start.saturating_sub(self.offset))));
            }
        }
        Ok(None)
    }
}

/// The zip64 end record, through its locator.
fn zip64_record(source: &mut Source, eocd_at: u64) -> io::Result<Option<End>> {
    let Some(locator_at) = eocd_at.checked_sub(LOCATOR_SIZE) else {
        return Ok(None);
    };
    let mut locator = [0; LOCATOR_SIZE as usize];
    seek_to(source, locator_at)?;
    source.read_exact(&mut locator)?;
    if !locator.starts_with(b"PK\x06\x07") {
        return Ok(None);
    }
    // Behind a prefix the stated offset is too small; the record normally sits right before its locator.
    let stated = le_u64(&locator, 8).unwrap_or(u64::MAX);
    for at in [stated, locator_at.saturating_sub(56)] {
        let mut record = [0; 56];
        if at > locator_at || !has_signature(source, at, *b"PK\x06\x06")? {
            continue;
        }
        seek_to(source, at)?;
        source.read_exact(&mut record)?;
        let values = (le_u64(&record, 32), le_u64(&record, 40), le_u64(&record, 48));
        if let (Some(count), Some(size), Some(offset)) = values {
            return Ok(Some(End {
                at,
                count,
                size,
                offset,
            }));
        }
    }
    Ok(None)
}

fn has_signature(source: &mut Source, at: u64, signature: [u8; 4]) -> io::Result<bool> {
    let mut bytes = [0; 4];
    seek_to(source, at)?;
    match source.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes == signature),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads directory records from `place.start`; false if it breaks off before its end, or ends elsewhere with entries missing.
fn read(source: &mut Source, place: &Place, max: usize) -> (Vec<Listed>, bool) {
    let mut entries = Vec::new();
    if seek_to(source, place.start).is_err() {
        return (entries, false);
    }
    let mut at = place.start;
    while at < place.end {
        if entries.len() >= max {
            return (entries, true);
        }
        match read_record(source, place.shift) {
            Ok(Some((entry, size))) => {
                entries.push(entry);
                at += size;
            }
            // A digital signature or padding may follow the last record.
            Ok(None) => {
                let all = entries.len() as u64 >= place.count;
                return (entries, all && at > place.start);
            }
            Err(_) => return (entries, false),
        }
    }
    let all = entries.len() as u64 >= place.count;
    (entries, all || at == place.end)
}

fn read_record(source: &mut Source, shift: u64) -> io::Result<Option<(Listed, u64)>> {
    let mut fixed = [0; 46];
    source.read_exact(&mut fixed)?;
    if !fixed.starts_with(b"PK\x01\x02") {
        return Ok(None);
    }
    let u16_at = |at| le_u16(&fixed, at).unwrap_or_default();
    let u32_at = |at| le_u32(&fixed, at).unwrap_or_default();
    let (name_len, extra_len, comment_len) = (u16_at(28), u16_at(30), u16_at(32));
    let mut variable = vec![0; usize::from(name_len) + usize::from(extra_len) + usize::from(comment_len)];
    source.read_exact(&mut variable)?;
    let (name, rest) = variable.split_at(usize::from(name_len));
    let (mut size, mut stored, mut offset) = (
        u64::from(u32_at(24)),
        u64::from(u32_at(20)),
        u64::from(u32_at(42)),
    );
    let mut entry = Listed {
        raw_name: name.to_vec(),
        flags: u16_at(8),
        method: u16_at(10),
        dos_time: u16_at(12),
        dos_date: u16_at(14),
        crc: u32_at(16),
        // 0xffff: the number is in the zip64 field, where no real set has so many parts.
        disk: Some(u16_at(34)).filter(|disk| *disk != u16::MAX).unwrap_or(0),
        sizes_known: true,
        ..Listed::default()
    };
    let fields = [&mut size, &mut stored, &mut offset]
        .into_iter()
        .filter(|v| **v == u64::from(u32::MAX))
        .collect();
    entry.apply_extra(
        rest.get(..usize::from(extra_len)).unwrap_or_default(),
        &mut Zip64Needs { fields },
    );
    (entry.size, entry.stored) = (size, stored);
    entry.header_at = offset.saturating_add(shift);
    // Upper half of the external attributes is a Unix mode if made on Unix (3) or macOS (19).
    let mode = u32_at(38) >> 16;
    let unix = matches!(u16_at(4) >> 8, 3 | 19);
    if unix && !matches!(mode & 0xf000, 0 | 0x8000 | 0x4000) {
        entry.trouble = Some(Trouble::Special);
    }
    Ok(Some((entry, 46 + variable.len() as u64)))
}

/// Finds the data behind the local header and notes where the two descriptions differ.
fn check_local(source: &mut Source, entry: &mut Listed, len: u64) -> io::Result<()> {
    let mut fixed = [0; 30];
    seek_to(source, entry.header_at)?;
    source.read_exact(&mut fixed)?;
    if !fixed.starts_with(b"PK\x03\x04") {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let u16_at = |at| le_u16(&fixed, at).unwrap_or_default();
    let u32_at = |at| le_u32(&fixed, at).unwrap_or_default();
    let (name_len, extra_len) = (u16_at(26), u16_at(28));
    // A directory may list one header many times, and that may announce a long name.
    let expected = entry.header_name.as_ref().unwrap_or(&entry.raw_name);
    let mut same_name = usize::from(name_len) == expected.len();
    if same_name {
        let mut name = vec![0; usize::from(name_len)];
        source.read_exact(&mut name)?;
        same_name = name == *expected;
    }
    entry.data_at = entry.header_at + 30 + u64::from(name_len) + u64::from(extra_len);
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
    let own_sizes = u16_at(6) & BIT_DESCRIPTOR == 0 && u32_at(18) != u32::MAX && u32_at(22) != u32::MAX;
    let differs = [
        ("name", !same_name),
        ("method", u16_at(8) != entry.method),
        ("encryption", (u16_at(6) ^ entry.flags) & BIT_ENCRYPTED != 0),
        (
            "size",
            own_sizes && (u64::from(u32_at(22)) != entry.size || u32_at(14) != entry.crc),
        ),
    ];
    for (what, _) in differs.into_iter().filter(|(_, differs)| *differs) {
        let text = format!("directory and local header disagree on the {what}; the directory was believed");
        entry
            .diagnostics
            .push(Diagnostic::warning("ZipHeaderMismatch", text).at(entry.header_at));
    }
    Ok(())
}
