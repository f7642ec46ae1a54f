//! 7z archives: LZMA, LZMA2, PPMd and deflate with their filters, AES-256; every block decoded once from front to back.
//!
//! Crate `sevenz-rust2` reads headers and blocks and checks sums. Files of a solid block are cut out of one stream: damage
//! costs the files of its block from there on, other blocks are read. What a password costs is limited: an archive states
//! how many hashes it takes, up to 2^24.
//!
//! Source of the layout: `DOC/7zFormat.txt` of the LZMA SDK.

use std::io::Read;

use casetrace_model::Diagnostic;
use sevenz_rust2::{Archive, ArchiveEntry, BlockDecoder, EncoderMethod, Error, Password};

use crate::case::{ContainerFacts, Encryption, MemberOutcome, Modified, OpenError};
use crate::expand::{Builder, Entry, Source};
use crate::intake::{End, Stored, Taken};
use crate::stream::MAX_DICTIONARY_KIB;

/// Hashes that deriving keys may take in one archive: two hundred of 7-Zip's usual keys.
const MAX_KEY_HASHES: u64 = 200 << 19;

/// 100-nanosecond steps from 1601 to 1970.
const EPOCH: u64 = 116_444_736_000_000_000;

/// Adds the files of an archive.
pub(crate) fn expand(builder: &mut Builder<'_>, index: usize) -> Result<(), OpenError> {
    let Some(mut source) = builder.open_source(index, 64 << 10) else {
        return Ok(());
    };
    let passwords: Vec<Password> = builder
        .options
        .passwords
        .iter()
        .map(|secret| secret.wide())
        .collect();
    let archive = match read_headers(&mut source, &passwords) {
        Ok(archive) => archive,
        Err(error) => {
            refuse(builder, index, &error);
            return Ok(());
        }
    };
    let mut reading = Reading {
        index,
        archive: &archive,
        passwords: &passwords,
        hashes_left: MAX_KEY_HASHES,
        facts: ContainerFacts::default(),
        left_out: 0,
    };
    for block in 0..archive.blocks.len() {
        reading.block(builder, &mut source, block)?;
    }
    reading.without_blocks(builder)?;
    reading.tell(builder);
    Ok(())
}

fn read_headers(source: &mut Source, passwords: &[Password]) -> Result<Archive, Error> {
    let limit = MAX_DICTIONARY_KIB as usize;
    let mut result = Archive::read_with_memory_limit(source, &Password::empty(), limit);
    for password in passwords {
        match result {
            Err(Error::PasswordRequired | Error::MaybeBadPassword(_)) => {}
            // What a wrong password makes of a header may be anything.
            Err(_) if !std::ptr::eq(password, &passwords[0]) => {}
            _ => break,
        }
        result = match Archive::read_with_memory_limit(source, password, limit) {
            Err(_) => Err(Error::MaybeBadPassword(std::io::ErrorKind::InvalidData.into())),
            read => read,
        };
    }
    result
}

fn refuse(builder: &mut Builder<'_>, index: usize, error: &Error) {
    let (outcome, diagnostic) = match error {
        Error::PasswordRequired => (
            MemberOutcome::Skipped,
            Diagnostic::warning(
                "SevenZipEncrypted",
                "names and contents are encrypted. Ask for the password and give it with --password-file",
            ),
        ),
        Error::MaybeBadPassword(_) => (
            MemberOutcome::Skipped,
            Diagnostic::warning(
                "SevenZipEncrypted",
                "names and contents are encrypted and none of the given passwords opens them",
            ),
        ),
        other => (
            MemberOutcome::Failed,
            Diagnostic::error(
                "SevenZipUnreadable",
                format!(
                    "the list of files cannot be read ({}); it stands at the end, so the upload may be cut off: ask for the archive again",
                    reason(other)
                ),
            ),
        ),
    };
    builder.diagnose(index, diagnostic);
    if let Some(member) = builder.member_mut(index) {
        member.outcome = outcome;
    }
}

/// Why, in words that hold nothing of the input.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::BadSignature(_) | Error::UnsupportedVersion { .. } => "an unknown version",
        Error::ChecksumVerificationFailed | Error::NextHeaderCrcMismatch => "wrong checksum",
        Error::MaxMemLimited { .. } => "it asks for more memory than is given to an archive",
        Error::UnsupportedCompressionMethod(_) | Error::Unsupported(_) | Error::ExternalUnsupported => {
            "a method that is not supported"
        }
        Error::Io(error, _) if error.kind() == std::io::ErrorKind::UnexpectedEof => "the file ends before it",
        _ => "damaged",
    }
}

/// What to say of the entries that an error costs.
fn lost(error: &Error) -> Diagnostic {
    match error {
        Error::UnsupportedCompressionMethod(_) | Error::Unsupported(_) => Diagnostic::error(
            "SevenZipMethodUnsupported",
            "packed with a method that is not read; the entry is lost. Unpack the archive and give the folder, or have it packed with 7-Zip's own settings",
        ),
        Error::MaxMemLimited { .. } => Diagnostic::error(
            "SevenZipMethodUnsupported",
            "unpacking asks for more memory than is given to an archive (a dictionary over 256 MiB); the entry is lost. Unpack the archive and give the folder",
        ),
        other => {
            let text = format!(
                "its block of the archive is damaged ({}); the entry is lost",
                reason(other)
            );
            Diagnostic::error("SevenZipDamagedBlock", text)
        }
    }
}

struct Reading<'a> {
    index: usize,
    archive: &'a Archive,
    passwords: &'a [Password],
    hashes_left: u64,
    facts: ContainerFacts,
    left_out: u64,
}

/// How far a block was read.
struct Progress {
    /// Entries of the block that are dealt with.
    done: usize,
    error: Option<Error>,
    /// A file expands beyond a limit, so what stands behind it in the block was not read.
    limited: bool,
    /// The first file came out damaged, and was not kept.
    refused: bool,
}

impl<'a> Reading<'a> {
    /// The files of a block, which lie side by side.
    fn entries(&self, number: usize) -> &'a [ArchiveEntry] {
        let map = &self.archive.stream_map;
        let from = map
            .block_first_file_index
            .get(number)
            .copied()
            .unwrap_or(usize::MAX);
        let of = map.file_block_index.get(from..).unwrap_or_default();
        let many = of.iter().take_while(|block| **block == Some(number)).count();
        self.archive
            .files
            .get(from..from.saturating_add(many))
            .unwrap_or_default()
    }

    fn block(
        &mut self,
        builder: &mut Builder<'_>,
        source: &mut Source,
        number: usize,
    ) -> Result<(), OpenError> {
        let key = self.note_methods(number);
        let entries = self.entries(number);
        let files = entries.iter().filter(|entry| !entry.is_directory).count() as u64;
        self.facts.entries += files;
        if key.is_some() {
            self.facts.encrypted += files;
        }
        if builder.intake.exhausted() {
            let text = "the case expands beyond max_total_bytes; this entry was not read";
            let diagnostic = Diagnostic::warning("BundleSizeLimit", text);
            self.absent(
                builder,
                entries,
                key.is_some(),
                MemberOutcome::Skipped,
                &diagnostic,
            );
            return Ok(());
        }
        let progress = match key {
            None => self.read(builder, source, number, &Password::empty(), false)?,
            Some(hashes) => match self.unlock(builder, source, number, hashes)? {
                Some(progress) => progress,
                None => {
                    self.facts.locked += files;
                    let text = match self.passwords.is_empty() {
                        true => "encrypted, and no password was given",
                        false => "encrypted, and none of the given passwords opens it",
                    };
                    let diagnostic = Diagnostic::warning("SevenZipEntryEncrypted", text);
                    self.absent(builder, entries, true, MemberOutcome::Skipped, &diagnostic);
                    return Ok(());
                }
            },
        };
        let rest = entries.get(progress.done..).unwrap_or_default();
        if progress.limited {
            let text = "stands in one block behind a file that expands beyond a limit; it was not read";
            let diagnostic = Diagnostic::warning("BundleSizeLimit", text);
            self.absent(builder, rest, key.is_some(), MemberOutcome::Skipped, &diagnostic);
        } else if let Some(error) = progress.error {
            let diagnostic = lost(&error);
            self.absent(builder, rest, key.is_some(), MemberOutcome::Failed, &diagnostic);
        }
        Ok(())
    }

    /// Notes the block's methods; gives the hashes its key takes if it is encrypted.
    fn note_methods(&mut self, number: usize) -> Option<u64> {
        let mut key = None;
        for coder in self
            .archive
            .blocks
            .get(number)
            .iter()
            .flat_map(|block| &block.coders)
        {
            let id = coder.encoder_method_id();
            let name = EncoderMethod::by_id(id).map_or("unknown", |method| method.name());
            if !self.facts.methods.iter().any(|known| known == name) {
                self.facts.methods.push(name.to_owned());
            }
            if id == EncoderMethod::ID_AES256_SHA256 {
                let power = coder.properties().first().map_or(0, |byte| byte & 63);
                key = Some(1_u64.checked_shl(u32::from(power)).unwrap_or(u64::MAX));
            }
        }
        key
    }

    /// Tries the passwords in order; `None` if none fits. There is no sum over the key: a wrong one shows as damage in the first file.
    fn unlock(
        &mut self,
        builder: &mut Builder<'_>,
        source: &mut Source,
        number: usize,
        hashes: u64,
    ) -> Result<Option<Progress>, OpenError> {
        for password in self.passwords {
            let Some(left) = self.hashes_left.checked_sub(hashes) else {
                return Ok(None);
            };
            self.hashes_left = left;
            let progress = self.read(builder, source, number, password, true)?;
            if progress.done > 0 || (progress.error.is_none() && !progress.refused) {
                return Ok(Some(progress));
            }
        }
        Ok(None)
    }

    /// Reads a block's files. With `doubt`, a first file that is damaged is given back and ends the block.
    fn read(
        &mut self,
        builder: &mut Builder<'_>,
        source: &mut Source,
        number: usize,
        password: &Password,
        doubt: bool,
    ) -> Result<Progress, OpenError> {
        let packed = self.packed(number);
        let mut progress = Progress {
            done: 0,
            error: None,
            limited: false,
            refused: false,
        };
        let mut expanded = 0;
        let mut fatal = None;
        let decoder = BlockDecoder::new_with_memory_limit(
            1,
            MAX_DICTIONARY_KIB as usize,
            number,
            self.archive,
            password,
            source,
        );
        let result = decoder.for_each_entries(&mut |file: &ArchiveEntry, reader: &mut dyn Read| {
            let stored = Stored {
                bytes: packed,
                expanded,
            };
            match self.file(builder, file, reader, stored, doubt.then_some(progress.done)) {
                Ok(Kept::Whole(size)) => {
                    expanded += size;
                    progress.done += 1;
                    Ok(true)
                }
                Ok(Kept::Cut { by_limit }) => {
                    progress.done += 1;
                    progress.limited = by_limit;
                    Ok(false)
                }
                Ok(Kept::Nothing) => {
                    progress.refused = true;
                    Ok(false)
                }
                Err(error) => {
                    fatal = Some(error);
                    Ok(false)
                }
            }
        });
        match (fatal, result) {
            (Some(fatal), _) => return Err(fatal),
            (None, Err(error)) => progress.error = Some(error),
            // Ended by us in the middle: what is behind a cut file in its block is lost, too.
            (None, Ok(false)) if !progress.refused && !progress.limited => {
                progress.error = Some(Error::ChecksumVerificationFailed)
            }
            (None, Ok(_)) => {}
        }
        Ok(progress)
    }

    fn file(
        &mut self,
        builder: &mut Builder<'_>,
        file: &ArchiveEntry,
        reader: &mut dyn Read,
        stored: Stored,
        doubt: Option<usize>,
    ) -> Result<Kept, OpenError> {
        if file.is_directory || file.is_anti_item {
            return Ok(Kept::Whole(0));
        }
        let mut entry = entry_of(file, doubt.is_some());
        if is_link(file) {
            let text = "a symbolic link or device; not followed";
            entry
                .diagnostics
                .push(Diagnostic::warning("BundleNotRegular", text));
            let added = builder.add_absent(Some(self.index), "", entry, MemberOutcome::Skipped);
            self.left_out += u64::from(added.is_none());
            return Ok(Kept::Whole(0));
        }
        let taken = builder.take(reader, stored)?;
        let damaged = matches!(taken.end, End::Broken(_));
        if damaged && doubt == Some(0) {
            builder.intake.give_back(taken);
            return Ok(Kept::Nothing);
        }
        let kept = match taken.end {
            End::Complete => Kept::Whole(taken.size),
            End::Limit(_) => Kept::Cut { by_limit: true },
            End::Broken(_) => Kept::Cut { by_limit: false },
        };
        self.add(builder, entry, taken);
        Ok(kept)
    }

    fn add(&mut self, builder: &mut Builder<'_>, entry: Entry, taken: Taken) {
        let added = builder.add_taken(self.index, entry, taken);
        self.left_out += u64::from(added.is_none());
    }

    /// Bytes of the archive that a block takes.
    fn packed(&self, number: usize) -> u64 {
        let firsts = self.archive.stream_map.block_first_pack_stream_index();
        let sizes = self.archive.pack_sizes();
        let from = firsts.get(number).copied().unwrap_or(sizes.len());
        let to = firsts.get(number + 1).copied().unwrap_or(sizes.len());
        let sizes = sizes.get(from..to.max(from)).unwrap_or_default();
        sizes.iter().fold(0, |sum, size| sum.saturating_add(*size))
    }

    /// Files without bytes belong to no block.
    fn without_blocks(&mut self, builder: &mut Builder<'_>) -> Result<(), OpenError> {
        let of = &self.archive.stream_map.file_block_index;
        for (file, block) in self.archive.files.iter().zip(of) {
            if block.is_none() && !file.is_directory && !file.is_anti_item {
                self.facts.entries += 1;
                let taken = builder.take(&mut std::io::empty(), Stored::default())?;
                self.add(builder, entry_of(file, false), taken);
            }
        }
        Ok(())
    }

    /// Lists entries whose bytes there are not.
    fn absent(
        &mut self,
        builder: &mut Builder<'_>,
        entries: &[ArchiveEntry],
        encrypted: bool,
        outcome: MemberOutcome,
        diagnostic: &Diagnostic,
    ) {
        for file in entries
            .iter()
            .filter(|file| !file.is_directory && !file.is_anti_item)
        {
            let mut entry = entry_of(file, encrypted);
            entry.diagnostics.push(diagnostic.clone());
            let added = builder.add_absent(Some(self.index), "", entry, outcome);
            self.left_out += u64::from(added.is_none());
        }
    }

    fn tell(mut self, builder: &mut Builder<'_>) {
        if self.left_out > 0 {
            let text = format!(
                "the case has more members than max_members; {} files of this archive were left out",
                self.left_out
            );
            builder.partial(self.index, Diagnostic::warning("BundleMemberLimit", text));
        }
        if self.facts.locked > 0 {
            let (locked, entries) = (self.facts.locked, self.facts.entries);
            let text = match self.passwords.is_empty() {
                true => format!(
                    "{locked} of {entries} entries are encrypted; only their names are known. Ask for the password and give it with --password-file"
                ),
                false => format!(
                    "{locked} of {entries} entries are encrypted and none of the given passwords opens them"
                ),
            };
            builder.partial(self.index, Diagnostic::warning("SevenZipEncrypted", text));
        }
        self.facts.methods.sort();
        if let Some(member) = builder.member_mut(self.index) {
            member.container = Some(self.facts);
        }
    }
}

/// What became of a file.
enum Kept {
    Whole(u64),
    /// A part of it, by a limit or by damage.
    Cut {
        by_limit: bool,
    },
    Nothing,
}

fn entry_of(file: &ArchiveEntry, encrypted: bool) -> Entry {
    let modified = file
        .has_last_modified_date
        .then(|| u64::from(file.last_modified_date));
    let unix = modified.and_then(|ticks| {
        i64::try_from(ticks)
            .ok()?
            .checked_sub_unsigned(EPOCH)?
            .checked_mul(100)
    });
    Entry {
        name: file.name.clone(),
        declared_size: file.size,
        modified: unix.map(Modified::Utc),
        encryption: encrypted.then_some(Encryption::SevenZipAes),
        ..Entry::default()
    }
}

/// Archivers on Unix keep the file's mode in the upper half of the attributes.
fn is_link(file: &ArchiveEntry) -> bool {
    const UNIX: u32 = 0x8000;
    const KIND: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;
    let kind = (file.windows_attributes >> 16) & KIND;
    file.has_windows_attributes && file.windows_attributes & UNIX != 0 && kind != REGULAR && kind != 0
}
