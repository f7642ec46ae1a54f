//! Zip archives (and SAZ, which is one): listing, recovery, decryption, extraction.
//!
//! The listing is our own ([`directory`]), because it has to survive what a general reader may refuse: a lost or
//! lying central directory, repeated names, overlapping data. Each entry's bytes then go through crate `zip`
//! ([`entry`]), which decrypts, inflates and checks the CRC.
//!
//! Source of the layout: PKWARE APPNOTE 6.3.10; WinZip AE-1/AE-2 specification for method 99.

mod directory;
mod entry;
mod fields;
mod recover;

use std::io::{self, Seek};

use casetrace_model::{Diagnostic, Severity};

use crate::case::{ContainerFacts, Encryption, MemberOutcome, OpenError};
use crate::expand::{Builder, Entry, Source};
use crate::intake::{End, Stored, Taken};
use crate::names::{self, CodePage};
use crate::probe::Kind;
use directory::Listing;
pub(crate) use fields::dos_modified;
use fields::{Listed, Trouble};

/// Goes to `at` without throwing the buffer away, as most steps are short.
fn seek_to(source: &mut Source, at: u64) -> io::Result<()> {
    let here = source.stream_position()?;
    match i64::try_from(i128::from(at) - i128::from(here)) {
        Ok(by) => source.seek_relative(by),
        Err(_) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Adds the entries of a zip archive.
pub(crate) fn expand(builder: &mut Builder<'_>, index: usize) -> Result<(), OpenError> {
    let Some(mut source) = builder.open_source(index, 64 << 10) else {
        return Ok(());
    };
    let mut listing = directory::list(&mut source, builder.member_room());
    let len = builder.member_mut(index).map_or(0, |member| member.size);
    fields::mark_overlaps(&mut listing.entries, len);
    listing.entries.iter_mut().for_each(doubt_utf8);
    let codec = CodePage::guess(
        listing
            .entries
            .iter()
            .filter(|e| !e.utf8)
            .map(|e| e.raw_name.as_slice()),
    );
    let named: Vec<(String, Listed)> = listing
        .entries
        .drain(..)
        .map(|e| (names::decode(&e.raw_name, e.utf8, codec), e))
        .collect();
    if let Some(kind) = whole_kind(&named)
        && let Some(member) = builder.member_mut(index)
    {
        member.kind = kind;
    }
    report_listing(builder, index, &listing, named.len());
    let mut facts = ContainerFacts {
        comment: comment(&listing),
        ..ContainerFacts::default()
    };
    let is_office = builder
        .member_mut(index)
        .is_some_and(|m| m.kind == Kind::OfficeDocument);
    if !is_office {
        extract_all(builder, index, &mut source, named, &mut facts)?;
    }
    if let Some(member) = builder.member_mut(index) {
        member.container = Some(facts);
    }
    Ok(())
}

/// A name that is flagged as UTF-8 and is none was written by a tool that flags everything: the PC's code page it is.
fn doubt_utf8(listed: &mut Listed) {
    if listed.utf8 && std::str::from_utf8(&listed.raw_name).is_err() {
        listed.utf8 = false;
        let text = "the name is flagged as UTF-8 and is not; it was read in a code page";
        listed
            .diagnostics
            .push(Diagnostic::new(Severity::Info, "BundleNameEncoding", text));
    }
}

/// A zip that is one document by convention: Fiddler's archive, or an office package.
fn whole_kind(named: &[(String, Listed)]) -> Option<Kind> {
    let has = |test: fn(&str) -> bool| named.iter().any(|(name, _)| test(&name.replace('\\', "/")));
    if has(is_session_part) {
        return Some(Kind::Saz);
    }
    let office = has(|n| n.eq_ignore_ascii_case("[Content_Types].xml"))
        && has(|n| {
            ["word/", "xl/", "ppt/", "visio/"]
                .iter()
                .any(|dir| n.starts_with(dir))
        });
    office.then_some(Kind::OfficeDocument)
}

/// `raw/17_c.txt`, in any case.
fn is_session_part(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let Some(stem) = lower.strip_prefix("raw/").and_then(|n| n.strip_suffix("_c.txt")) else {
        return false;
    };
    !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_digit())
}

fn comment(listing: &Listing) -> Option<String> {
    let codec = CodePage::guess([listing.comment.as_slice()]);
    let text = names::decode(&listing.comment, false, codec);
    let clean: String = text.chars().filter(|c| !c.is_control()).take(256).collect();
    (!clean.trim().is_empty()).then(|| clean.trim().to_owned())
}

fn report_listing(builder: &mut Builder<'_>, index: usize, listing: &Listing, found: usize) {
    for diagnostic in &listing.diagnostics {
        match diagnostic.severity {
            Severity::Info => builder.diagnose(index, diagnostic.clone()),
            _ => builder.partial(index, diagnostic.clone()),
        }
    }
    if found == 0 && !listing.empty {
        let text = "no entry of this zip archive could be found; ask for it to be packed and uploaded again";
        builder.diagnose(index, Diagnostic::error("ZipUnreadable", text));
        if let Some(member) = builder.member_mut(index) {
            member.outcome = MemberOutcome::Failed;
        }
    }
}

fn extract_all(
    builder: &mut Builder<'_>,
    index: usize,
    source: &mut Source,
    named: Vec<(String, Listed)>,
    facts: &mut ContainerFacts,
) -> Result<(), OpenError> {
    let mut left_out = 0_u64;
    for (name, listed) in named {
        if listed.is_folder() {
            continue;
        }
        facts.entries += 1;
        facts.encrypted += u64::from(listed.encryption().is_some());
        let method = listed.method_name();
        if !facts.methods.contains(&method) {
            facts.methods.push(method);
        }
        let locked = extract(builder, index, source, name, &listed)?;
        match locked {
            Some(locked) => facts.locked += u64::from(locked),
            None => left_out += 1,
        }
    }
    facts.methods.sort();
    if left_out > 0 {
        let text = format!(
            "the case has more members than max_members; {left_out} entries of this archive were left out"
        );
        builder.partial(index, Diagnostic::warning("BundleMemberLimit", text));
    }
    if facts.locked > 0 {
        builder.partial(
            index,
            locked_diagnostic(facts, builder.options.passwords.is_empty()),
        );
    }
    Ok(())
}

fn locked_diagnostic(facts: &ContainerFacts, no_password: bool) -> Diagnostic {
    let (locked, entries) = (facts.locked, facts.entries);
    let text = if no_password {
        format!(
            "{locked} of {entries} entries are encrypted; only their names are known. Ask for the password and give it with --password-file"
        )
    } else {
        format!("{locked} of {entries} entries are encrypted and none of the given passwords opens them")
    };
    Diagnostic::warning("ZipEncrypted", text)
}

/// Reads one entry. Gives whether it stayed locked, or `None` if there was no room for it.
fn extract(
    builder: &mut Builder<'_>,
    parent: usize,
    source: &mut Source,
    name: String,
    listed: &Listed,
) -> Result<Option<bool>, OpenError> {
    let mut entry = Entry {
        name,
        declared_size: listed.size,
        modified: listed.modified.clone(),
        encryption: listed.encryption(),
        diagnostics: listed.diagnostics.clone(),
    };
    if let Some((outcome, diagnostic)) = refusal(builder, listed) {
        entry.diagnostics.push(diagnostic);
        return Ok(builder
            .add_absent(Some(parent), "", entry, outcome)
            .map(|_| false));
    }
    let taken = match listed.encryption() {
        None => Some(take(builder, source, listed, None)?),
        Some(_) => decrypt(builder, source, listed)?,
    };
    match taken {
        Some(Ok(taken)) => Ok(builder.add_taken(parent, entry, taken).map(|_| false)),
        Some(Err(diagnostic)) => {
            entry.diagnostics.push(diagnostic);
            Ok(builder
                .add_absent(Some(parent), "", entry, MemberOutcome::Failed)
                .map(|_| false))
        }
        None => {
            let text = match builder.options.passwords.is_empty() {
                true => "encrypted, and no password was given",
                false => "encrypted, and none of the given passwords opens it",
            };
            entry
                .diagnostics
                .push(Diagnostic::warning("ZipEntryEncrypted", text));
            Ok(builder
                .add_absent(Some(parent), "", entry, MemberOutcome::Skipped)
                .map(|_| true))
        }
    }
}

fn refusal(builder: &Builder<'_>, listed: &Listed) -> Option<(MemberOutcome, Diagnostic)> {
    if builder.intake.exhausted() {
        let text = "the case expands beyond max_total_bytes; this entry was not read";
        return Some((
            MemberOutcome::Skipped,
            Diagnostic::warning("BundleSizeLimit", text),
        ));
    }
    if listed.encryption() == Some(Encryption::Other) {
        let text = "encrypted with a scheme other than ZipCrypto and WinZip AES; not supported";
        return Some((
            MemberOutcome::Skipped,
            Diagnostic::warning("ZipEncryptionUnsupported", text),
        ));
    }
    match listed.trouble {
        None if !listed.is_supported() => Some((MemberOutcome::Skipped, entry::unsupported(listed))),
        None => None,
        Some(Trouble::Special) => {
            let text = "a symbolic link or device; not followed";
            Some((
                MemberOutcome::Skipped,
                Diagnostic::warning("BundleNotRegular", text),
            ))
        }
        Some(Trouble::Overlap) => {
            let text = "its data overlaps another entry's (a zip bomb does this); not read";
            Some((
                MemberOutcome::Skipped,
                Diagnostic::warning("ZipOverlap", text).at(listed.header_at),
            ))
        }
        Some(Trouble::OtherPart) => {
            let text = "the entry begins in another file of this split archive; upload all parts to get it";
            Some((
                MemberOutcome::Missing,
                Diagnostic::error("ZipOtherPart", text).lost(listed.stored),
            ))
        }
        Some(Trouble::NoHeader) => {
            let text = "the archive has no data where its directory says; the entry is lost";
            Some((
                MemberOutcome::Failed,
                Diagnostic::error("ZipNoLocalHeader", text)
                    .at(listed.header_at)
                    .lost(listed.stored),
            ))
        }
    }
}

/// Bytes, or why there are none.
type Extracted = Result<Taken, Diagnostic>;

fn take(
    builder: &mut Builder<'_>,
    source: &mut Source,
    listed: &Listed,
    password: Option<&[u8]>,
) -> Result<Extracted, OpenError> {
    let stored = Stored {
        bytes: listed.stored,
        expanded: 0,
    };
    let first = entry::with_reader(source, listed, password, |reader| builder.take(reader, stored))
        .transpose_inner()?;
    match first {
        Ok(taken) if matches!(taken.end, End::Broken(_)) && !listed.is_stored() => {
            entry::with_reader(source, listed, password, |reader| {
                builder.take_again(taken, reader, stored)
            })
            .transpose_inner()
        }
        other => Ok(other),
    }
}

/// Tries the passwords in order; `None` if none fits. A wrong one passes ZipCrypto's check once in 256 times, so
/// a damaged result only counts when no other password does better.
fn decrypt(
    builder: &mut Builder<'_>,
    source: &mut Source,
    listed: &Listed,
) -> Result<Option<Extracted>, OpenError> {
    let mut damaged = None;
    let candidates: Vec<_> = builder
        .options
        .passwords
        .iter()
        .flat_map(|secret| secret.encodings())
        .collect();
    for password in candidates {
        match take(builder, source, listed, Some(&password))? {
            Ok(taken) if matches!(taken.end, End::Broken(_)) => damaged = damaged.or(Some(Ok(taken))),
            Ok(taken) => return Ok(Some(Ok(taken))),
            Err(diagnostic) if diagnostic.code == entry::WRONG_PASSWORD => {}
            Err(diagnostic) => return Ok(Some(Err(diagnostic))),
        }
    }
    // With AES the check is 16 bits and the data authenticated: damage then is damage.
    Ok(damaged.filter(|_| matches!(listed.encryption(), Some(Encryption::WinZipAes(_)))))
}

/// `Result<Result<Taken, OpenError>, Diagnostic>` with our own failure outermost.
trait TransposeInner {
    fn transpose_inner(self) -> Result<Extracted, OpenError>;
}

impl TransposeInner for Result<Result<Taken, OpenError>, Diagnostic> {
    fn transpose_inner(self) -> Result<Extracted, OpenError> {
        match self {
            Ok(Ok(taken)) => Ok(Ok(taken)),
            Ok(Err(fatal)) => Err(fatal),
            Err(diagnostic) => Ok(Err(diagnostic)),
        }
    }
}
