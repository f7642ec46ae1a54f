//! Tar archives: ustar, GNU and pax, read once from front to back.
//!
//! Headers are read by crate `tar`, entry by entry; long names are put together here, so that a header of gigabytes
//! that claims to be a name costs no memory. Behind a damaged header the next sound one is looked for.
//!
//! Source of the layout: POSIX.1-2017 (pax), GNU tar manual, "Basic Tar Format".

use std::io::{self, Read, Seek, SeekFrom};

use casetrace_model::Diagnostic;
use tar::{Archive, EntryType, Header, PaxExtensions};

use crate::case::{ContainerFacts, MemberOutcome, Modified, OpenError};
use crate::expand::{Builder, Entry, Source};
use crate::intake::{End, Stored};
use crate::names::{self, CodePage};

const BLOCK: u64 = 512;
/// Longest name, or list of attributes, that is read.
const MAX_NAME: u64 = 64 << 10;
/// Damaged places that are gone over in one archive.
const MAX_RESTARTS: usize = 100;

/// Adds the files of an archive.
pub(crate) fn expand(builder: &mut Builder<'_>, index: usize) -> Result<(), OpenError> {
    let Some(mut source) = builder.open_source(index, 128 << 10) else {
        return Ok(());
    };
    let mut tar = Tar {
        index,
        size: builder.member_mut(index).map_or(0, |member| member.size),
        expanded: 0,
        entries: 0,
        left_out: 0,
        next: Extended::default(),
    };
    let mut at = 0;
    for _ in 0..=MAX_RESTARTS {
        let Some(damage) = tar.part(builder, &mut source, at)? else {
            break;
        };
        let found = next_header(&mut source, damage + BLOCK).unwrap_or_default();
        let text = match found {
            Some(_) => "a damaged header; the files up to the next sound header are lost",
            None => "a damaged header, and no sound one behind it; the files from here on are lost",
        };
        let lost = found.unwrap_or(tar.size).saturating_sub(damage);
        builder.partial(
            index,
            Diagnostic::warning("TarDamagedHeader", text)
                .at(damage)
                .lost(lost),
        );
        let Some(found) = found else { break };
        at = found;
    }
    tar.tell(builder);
    Ok(())
}

struct Tar {
    index: usize,
    size: u64,
    expanded: u64,
    entries: u64,
    left_out: u64,
    next: Extended,
}

/// What headers in front of a file say about it.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    /// Length, if it differs from the one in the header: files over 8 GiB.
    size: Option<u64>,
}

impl Tar {
    /// Reads entries from `start` on. Gives the place of the header it could not read, if it met one.
    fn part(
        &mut self,
        builder: &mut Builder<'_>,
        source: &mut Source,
        start: u64,
    ) -> Result<Option<u64>, OpenError> {
        if source.seek(SeekFrom::Start(start)).is_err() {
            return Ok(None);
        }
        let mut archive = Archive::new(source);
        let Ok(entries) = archive.entries() else {
            return Ok(Some(start));
        };
        let mut end = start;
        for entry in entries.raw(true) {
            let Ok(mut entry) = entry else {
                return Ok(Some(end));
            };
            let at = start + entry.raw_header_position();
            let size = entry.size();
            // Where the next header stands; the archive may end before it.
            end = at
                .saturating_add(BLOCK)
                .saturating_add(size.div_ceil(BLOCK).saturating_mul(BLOCK));
            let header = entry.header().clone();
            match header.entry_type() {
                EntryType::GNULongName => self.next.name = long_name(&mut entry),
                EntryType::XHeader => self.next.read_pax(&mut entry),
                EntryType::GNULongLink | EntryType::XGlobalHeader => {}
                EntryType::Directory => self.next = Extended::default(),
                kind => {
                    let next = std::mem::take(&mut self.next);
                    let regular = matches!(kind, EntryType::Regular | EntryType::Continuous);
                    let whole = next.size.is_none_or(|real| real == size);
                    self.file(builder, entry_of(&header, next), &mut entry, regular && whole)?;
                    if !whole {
                        return Ok(Some(at));
                    }
                }
            }
        }
        Ok(None)
    }

    fn file(
        &mut self,
        builder: &mut Builder<'_>,
        mut entry: Entry,
        reader: &mut dyn Read,
        regular: bool,
    ) -> Result<(), OpenError> {
        self.entries += 1;
        let added = if builder.intake.exhausted() || !regular {
            entry.diagnostics.push(match regular {
                true => Diagnostic::warning(
                    "BundleSizeLimit",
                    "the case expands beyond max_total_bytes; this entry was not read",
                ),
                false => Diagnostic::warning(
                    "BundleNotRegular",
                    "a link, device or sparse file; not followed, not read",
                ),
            });
            builder.add_absent(Some(self.index), "", entry, MemberOutcome::Skipped)
        } else {
            let stored = Stored {
                bytes: self.size,
                expanded: self.expanded,
            };
            let mut taken = builder.take(reader, stored)?;
            self.expanded += taken.size;
            if taken.size < entry.declared_size && matches!(taken.end, End::Complete) {
                taken.end = End::Broken(io::ErrorKind::UnexpectedEof.into());
            }
            builder.add_taken(self.index, entry, taken)
        };
        self.left_out += u64::from(added.is_none());
        Ok(())
    }

    fn tell(&self, builder: &mut Builder<'_>) {
        if self.left_out > 0 {
            let text = format!(
                "the case has more members than max_members; {} files of this archive were left out",
                self.left_out
            );
            builder.partial(self.index, Diagnostic::warning("BundleMemberLimit", text));
        }
        if let Some(member) = builder.member_mut(self.index) {
            member.container = Some(ContainerFacts {
                entries: self.entries,
                methods: vec!["tar".to_owned()],
                ..ContainerFacts::default()
            });
        }
    }
}

impl Extended {
    fn read_pax(&mut self, reader: &mut dyn Read) {
        let mut bytes = Vec::new();
        if reader.take(MAX_NAME).read_to_end(&mut bytes).is_err() {
            return;
        }
        for extension in PaxExtensions::new(&bytes).flatten() {
            match extension.key_bytes() {
                b"path" => self.name = Some(extension.value_bytes().to_vec()),
                b"size" => self.size = extension.value().ok().and_then(|value| value.parse().ok()),
                _ => {}
            }
        }
    }
}

fn long_name(reader: &mut dyn Read) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    reader.take(MAX_NAME).read_to_end(&mut name).ok()?;
    name.truncate(name.iter().position(|b| *b == 0).unwrap_or(name.len()));
    (!name.is_empty()).then_some(name)
}

fn entry_of(header: &Header, next: Extended) -> Entry {
    let raw = next.name.unwrap_or_else(|| header.path_bytes().into_owned());
    let seconds = header
        .mtime()
        .ok()
        .and_then(|s| i64::try_from(s).ok())
        .filter(|s| *s != 0);
    Entry {
        name: names::decode(&raw, false, CodePage::guess([raw.as_slice()])),
        declared_size: next.size.or_else(|| header.size().ok()).unwrap_or_default(),
        modified: seconds
            .and_then(|s| s.checked_mul(1_000_000_000))
            .map(Modified::Utc),
        ..Entry::default()
    }
}

/// The place of the next header with a right checksum, at `from` or behind it.
fn next_header(source: &mut Source, from: u64) -> io::Result<Option<u64>> {
    let mut at = from.next_multiple_of(BLOCK);
    source.seek(SeekFrom::Start(at))?;
    let mut block = [0_u8; BLOCK as usize];
    loop {
        match source.read_exact(&mut block) {
            Ok(()) if is_header(&block) => return Ok(Some(at)),
            Ok(()) => at += BLOCK,
            Err(_) => return Ok(None),
        }
    }
}

fn is_header(block: &[u8; BLOCK as usize]) -> bool {
    let stated = Header::from_byte_slice(block).cksum().ok();
    let sum = block
        .iter()
        .enumerate()
        // The checksum itself counts as blanks.
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum();
    block.get(257..262) == Some(b"ustar") && stated == Some(sum)
}
