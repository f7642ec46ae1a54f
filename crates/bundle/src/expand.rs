//! Takes inputs apart, archive by archive, and keeps the list of members.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use casetrace_model::{Diagnostic, ReadSeek, Severity};

use crate::aside::Aside;
use crate::case::{Case, Encryption, Member, MemberOutcome, Modified, OpenError, Options, Progress, Step};
use crate::intake::{End, Intake, Stored, Taken};
use crate::names::{self, NameIssues};
use crate::probe::{Kind, probe, unread_archive};
use crate::store::{Bytes, Spool};
use crate::{cabinet, folder, sevenz, stream, tar, zip};

/// The bytes of a container.
pub(crate) type Source = BufReader<Box<dyn ReadSeek + Send>>;

/// Reads all inputs as one case.
///
/// Shape: members sorted by logical path. Errors: only if an input cannot be read at all or the work folder
/// fails; everything else is a diagnostic of the member it concerns.
pub fn open(
    inputs: &[PathBuf],
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Case, OpenError> {
    open_except(inputs, options, &[], progress)
}

/// As [`open`], but archives at the paths in `closed` are not taken apart.
pub fn open_except(
    inputs: &[PathBuf],
    options: &Options,
    closed: &[String],
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Case, OpenError> {
    let mut builder = Builder::new(options, progress);
    builder.closed = closed;
    for input in inputs {
        folder::add_input(&mut builder, input)?;
    }
    Ok(builder.finish())
}

/// An entry as its container describes it, before its bytes are read.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Decoded name.
    pub(crate) name: String,
    pub(crate) declared_size: u64,
    pub(crate) modified: Option<Modified>,
    pub(crate) encryption: Option<Encryption>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// The growing case.
pub(crate) struct Builder<'a> {
    pub(crate) options: &'a Options,
    pub(crate) intake: Intake,
    progress: &'a mut dyn FnMut(Progress<'_>),
    members: Vec<Member>,
    paths: HashSet<String>,
    /// The last number given to a repeated path, so that a million equal names take linear time.
    numbers: HashMap<String, u64>,
    /// Path as Windows would compare it → the first path that folds to it.
    folded: HashMap<String, String>,
    by_hash: HashMap<[u8; 32], usize>,
    hashes: Vec<Option<[u8; 32]>>,
    /// Hashes of input files that are still worked out.
    aside: Aside,
    left_out: u64,
    /// Archives that are not taken apart.
    closed: &'a [String],
}

impl<'a> Builder<'a> {
    fn new(options: &'a Options, progress: &'a mut dyn FnMut(Progress<'_>)) -> Self {
        Self {
            options,
            intake: Intake::new(
                options.limits,
                Spool::new(options.work_dir.clone()),
                options.threads,
            ),
            progress,
            members: Vec::new(),
            paths: HashSet::new(),
            numbers: HashMap::new(),
            folded: HashMap::new(),
            by_hash: HashMap::new(),
            hashes: Vec::new(),
            aside: Aside::new(options.threads),
            left_out: 0,
            closed: &[],
        }
    }

    pub(crate) fn full(&self) -> bool {
        self.members.len() >= self.options.limits.max_members
    }

    pub(crate) fn member_room(&self) -> usize {
        self.options.limits.max_members.saturating_sub(self.members.len())
    }

    pub(crate) fn work_error(&self, source: io::Error) -> OpenError {
        OpenError::Work {
            path: self.options.work_dir.clone(),
            source,
        }
    }

    pub(crate) fn open_member(&self, index: usize) -> io::Result<Box<dyn ReadSeek + Send>> {
        match self.members.get(index) {
            Some(member) => member.open(),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Opens a container's bytes, read `buffer` bytes at a time; says so in the inventory if they can't be had.
    pub(crate) fn open_source(&mut self, index: usize, buffer: usize) -> Option<Source> {
        match self.open_member(index) {
            Ok(reader) => Some(BufReader::with_capacity(buffer, reader)),
            Err(error) => {
                let text = format!("cannot be opened: {}", error.kind());
                self.partial(index, Diagnostic::error("BundleUnreadable", text));
                None
            }
        }
    }

    pub(crate) fn member_mut(&mut self, index: usize) -> Option<&mut Member> {
        self.members.get_mut(index)
    }

    /// Adds a diagnostic to a member, up to the limit kept for one artifact.
    pub(crate) fn diagnose(&mut self, index: usize, diagnostic: Diagnostic) {
        let max = self.options.limits.max_diagnostics;
        if let Some(member) = self.members.get_mut(index)
            && member.diagnostics.len() < max
        {
            member.diagnostics.push(diagnostic);
        }
    }

    /// Marks a container as not fully read.
    pub(crate) fn partial(&mut self, index: usize, diagnostic: Diagnostic) {
        self.downgrade(index);
        self.diagnose(index, diagnostic);
    }

    fn downgrade(&mut self, index: usize) {
        if let Some(member) = self.members.get_mut(index)
            && member.outcome == MemberOutcome::Ok
        {
            member.outcome = MemberOutcome::Partial;
        }
    }

    /// Registers a member without content.
    pub(crate) fn add_absent(
        &mut self,
        parent: Option<usize>,
        base: &str,
        entry: Entry,
        outcome: MemberOutcome,
    ) -> Option<usize> {
        self.push(parent, base, entry, outcome, None)
    }

    /// Registers a member whose bytes were read from its container.
    pub(crate) fn add_taken(&mut self, parent: usize, entry: Entry, taken: Taken) -> Option<usize> {
        self.push(Some(parent), "", entry, MemberOutcome::Ok, Some(taken))
    }

    /// Registers an input file that stays where it is. `logical` is its path within the case.
    pub(crate) fn add_disk(
        &mut self,
        logical: &str,
        file: &Path,
        mut reader: impl io::Read,
    ) -> Option<usize> {
        let taken = match self.begin_aside(file) {
            Some(size) => Taken {
                bytes: Bytes::Disk(file.into()),
                size,
                sha256: None,
                head: Intake::head_of(&mut reader),
                end: End::Complete,
            },
            None => {
                let (size, sha256, head, end) = Intake::hash_in_place(&mut reader);
                Taken {
                    bytes: Bytes::Disk(file.into()),
                    size,
                    sha256: Some(sha256),
                    head,
                    end,
                }
            }
        };
        let size = taken.size;
        let entry = Entry {
            name: logical.to_owned(),
            declared_size: size,
            ..Entry::default()
        };
        self.push(None, "", entry, MemberOutcome::Ok, Some(taken))
    }

    /// Has a large file hashed while it is taken apart, if nothing before can be equal to it; gives its size.
    fn begin_aside(&mut self, file: &Path) -> Option<u64> {
        let size = file.metadata().ok()?.len();
        if self.full() || !self.aside.may_wait(size) {
            return None;
        }
        while self.aside.is_full() {
            self.settle_next();
        }
        self.aside.begin(self.members.len(), size, file).then_some(size)
    }

    /// Waits for the first of the hashes that are under way; false if there is none.
    fn settle_next(&mut self) -> bool {
        let Some((index, (size, sha256, end))) = self.aside.next() else {
            return false;
        };
        if let (Some(member), Some(hash)) = (self.members.get_mut(index), self.hashes.get_mut(index)) {
            member.size = size;
            member.sha256 = Some(names::hex(&sha256));
            *hash = Some(sha256);
            self.by_hash.entry(sha256).or_insert(index);
        }
        if let End::Broken(error) = end {
            self.partial(index, broken(&error, size));
        }
        true
    }

    /// Reads an entry's bytes; `Err` only for trouble with our own storage.
    pub(crate) fn take(&mut self, reader: &mut dyn io::Read, stored: Stored) -> Result<Taken, OpenError> {
        self.intake.take(reader, stored).map_err(|e| self.work_error(e))
    }

    /// As [`take`](Self::take), after damage: forgets `broken` and reads again in small steps.
    pub(crate) fn take_again(
        &mut self,
        broken: Taken,
        reader: &mut dyn io::Read,
        stored: Stored,
    ) -> Result<Taken, OpenError> {
        self.intake.give_back(broken);
        self.intake
            .take_in_small_steps(reader, stored)
            .map_err(|e| self.work_error(e))
    }

    fn push(
        &mut self,
        parent: Option<usize>,
        base: &str,
        entry: Entry,
        outcome: MemberOutcome,
        taken: Option<Taken>,
    ) -> Option<usize> {
        if self.full() {
            self.left_out += 1;
            return None;
        }
        let mut diagnostics = entry.diagnostics;
        let path = self.unique_path(parent, base, &entry.name, &mut diagnostics);
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let index = self.members.len();
        let mut member = Member {
            path,
            name,
            parent,
            size: entry.declared_size,
            sha256: None,
            kind: Kind::Unknown,
            modified: entry.modified,
            outcome,
            encryption: entry.encryption,
            duplicate_of: None,
            container: None,
            diagnostics,
            bytes: Bytes::Absent,
        };
        if let Some(taken) = &taken {
            while self.aside.has_size(taken.size) && taken.sha256.is_some() && self.settle_next() {}
            self.aside.saw(taken.size);
        }
        let hash = taken.and_then(|taken| self.fill(&mut member, taken, index));
        self.hashes.push(hash);
        if let Some(parent) = parent.filter(|_| is_loss(&member)) {
            self.downgrade(parent);
        }
        (self.progress)(Progress {
            step: Step::Member,
            path: &member.path,
            members: index + 1,
            expanded_bytes: self.intake.total(),
        });
        self.members.push(member);
        Some(index)
    }

    fn fill(&mut self, member: &mut Member, taken: Taken, index: usize) -> Option<[u8; 32]> {
        member.size = taken.size;
        member.kind = probe(&taken.head, &member.name);
        member.sha256 = taken.sha256.as_ref().map(|hash| names::hex(hash));
        member.bytes = taken.bytes;
        member.outcome = match taken.end {
            End::Complete if taken.size == 0 => MemberOutcome::Empty,
            End::Complete => MemberOutcome::Ok,
            _ if taken.size == 0 => MemberOutcome::Failed,
            _ => MemberOutcome::Partial,
        };
        if member.kind == Kind::OtherArchive {
            member.outcome = MemberOutcome::Skipped;
            member
                .diagnostics
                .push(unread(unread_archive(&taken.head).unwrap_or("unknown")));
        }
        match taken.end {
            End::Complete => {}
            End::Limit(limit) => member.diagnostics.push(over_limit(limit, taken.size)),
            End::Broken(error) => member.diagnostics.push(broken(&error, taken.size)),
        }
        if let Some(hash) = taken.sha256.filter(|_| member.size > 0) {
            member.duplicate_of = self.by_hash.get(&hash).copied();
            self.by_hash.entry(hash).or_insert(index);
        }
        taken.sha256
    }

    fn unique_path(
        &mut self,
        parent: Option<usize>,
        base: &str,
        name: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> String {
        let (relative, issues) =
            names::logical(name).unwrap_or_else(|| ("unnamed".to_owned(), NameIssues::default()));
        diagnostics.extend(name_diagnostics(issues));
        let mut path = match parent.and_then(|p| self.members.get(p)) {
            Some(container) => format!("{}!/{relative}", container.path),
            None => format!("{base}{relative}"),
        };
        if self.paths.contains(&path) {
            diagnostics.push(Diagnostic::warning(
                "BundleDuplicateName",
                "another entry has the same name; both are kept, this one under a numbered path",
            ));
            path = self.numbered(path);
        } else if let Some(_other) = self.folded.get(&names::fold(&path)) {
            diagnostics.push(Diagnostic::new(
                Severity::Info,
                "BundleNameCollision",
                "another entry's name differs only in case, Unicode form or trailing dots; Windows would keep one of them, here both are kept",
            ));
        }
        self.folded
            .entry(names::fold(&path))
            .or_insert_with(|| path.clone());
        self.paths.insert(path.clone());
        path
    }

    fn numbered(&mut self, path: String) -> String {
        let last = self.numbers.entry(path.clone()).or_insert(1);
        loop {
            *last += 1;
            let candidate = format!("{path}#{last}");
            if !self.paths.contains(&candidate) {
                return candidate;
            }
        }
    }

    /// Takes a member apart if it is an archive. `depth` counts the archives around it.
    pub(crate) fn expand(&mut self, index: usize, depth: usize) -> Result<(), OpenError> {
        let Some(member) = self.members.get(index) else {
            return Ok(());
        };
        let kind = member.kind;
        if !kind.is_container() || !member.is_readable() {
            return Ok(());
        }
        if self.closed.contains(&member.path) {
            return Ok(());
        }
        if let Some(reason) = self.refusal(index, depth) {
            self.diagnose(index, reason);
            if let Some(member) = self.members.get_mut(index) {
                member.outcome = MemberOutcome::Partial;
            }
            return Ok(());
        }
        if self.members.get(index).is_some_and(|m| m.duplicate_of.is_some()) {
            let text = "same content as an archive that was already taken apart; not taken apart again";
            self.diagnose(
                index,
                Diagnostic::new(Severity::Info, "BundleDuplicateArchive", text),
            );
            return Ok(());
        }
        let first_child = self.members.len();
        self.tell(index, Step::Opening);
        match kind {
            Kind::Cab => cabinet::expand(self, index)?,
            Kind::Gzip | Kind::Xz | Kind::Zstd => stream::expand(self, index, kind)?,
            Kind::Tar => tar::expand(self, index)?,
            Kind::SevenZip => sevenz::expand(self, index)?,
            _ => zip::expand(self, index)?,
        }
        self.tell(index, Step::Opened);
        let mut children: Vec<usize> = (first_child..self.members.len()).collect();
        children.sort_by(|a, b| self.path_of(*a).cmp(self.path_of(*b)));
        children
            .into_iter()
            .try_for_each(|child| self.expand(child, depth + 1))
    }

    fn tell(&mut self, index: usize, step: Step) {
        if let Some(member) = self.members.get(index) {
            (self.progress)(Progress {
                step,
                path: &member.path,
                members: self.members.len(),
                expanded_bytes: self.intake.total(),
            });
        }
    }

    fn path_of(&self, index: usize) -> &str {
        self.members
            .get(index)
            .map(|m| m.path.as_str())
            .unwrap_or_default()
    }

    fn refusal(&self, index: usize, depth: usize) -> Option<Diagnostic> {
        if depth >= self.options.limits.max_depth {
            let text = "archives are nested deeper than max_depth; this one was not taken apart and its entries are missing";
            return Some(Diagnostic::warning("BundleDepthLimit", text));
        }
        let own = self.hashes.get(index).copied().flatten();
        let mut ancestor = self.members.get(index).and_then(|m| m.parent);
        while let Some(at) = ancestor {
            if own.is_some() && self.hashes.get(at).copied().flatten() == own {
                let text = "the archive contains itself; not taken apart again, nothing is lost";
                return Some(Diagnostic::warning("BundleQuine", text));
            }
            ancestor = self.members.get(at).and_then(|m| m.parent);
        }
        None
    }

    /// Sorts by path and renumbers the references.
    fn finish(mut self) -> Case {
        while self.settle_next() {}
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        order.sort_by(|a, b| self.path_of(*a).cmp(self.path_of(*b)));
        let mut new_index = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            if let Some(slot) = new_index.get_mut(*old) {
                *slot = new;
            }
        }
        let renumber = |old: Option<usize>| old.and_then(|old| new_index.get(old).copied());
        let mut members: Vec<Member> = self.members;
        for member in &mut members {
            member.parent = renumber(member.parent);
            member.duplicate_of = renumber(member.duplicate_of);
        }
        members.sort_by(|a, b| a.path.cmp(&b.path));
        let diagnostics = match self.left_out {
            0 => Vec::new(),
            n => vec![Diagnostic::warning(
                "BundleMemberLimit",
                format!("the case has at least {n} members more than max_members; they were left out"),
            )],
        };
        Case { members, diagnostics }
    }
}

/// True if the container did not give all of the member: links and other things left out on purpose are no loss.
fn is_loss(member: &Member) -> bool {
    match member.outcome {
        MemberOutcome::Ok | MemberOutcome::Empty => false,
        MemberOutcome::Skipped => member.diagnostics.iter().any(|d| d.code != "BundleNotRegular"),
        _ => true,
    }
}

fn name_diagnostics(issues: NameIssues) -> Vec<Diagnostic> {
    let table = [
        (
            issues.escapes,
            "BundleUnsafePath",
            "the entry's name is absolute or climbs out of its folder; it was only used as a label",
        ),
        (
            issues.device,
            "BundleDeviceName",
            "the entry is named like a Windows device; it was only used as a label",
        ),
        (
            issues.deceptive,
            "BundleDeceptiveName",
            "the entry's name has invisible or control characters; they are percent-encoded in its path",
        ),
        (
            issues.shortened,
            "BundleLongName",
            "the entry's name is too long and was shortened in its path",
        ),
    ];
    table
        .into_iter()
        .filter(|(hit, ..)| *hit)
        .map(|(_, code, text)| Diagnostic::warning(code, text))
        .collect()
}

fn unread(format: &str) -> Diagnostic {
    let text = format!(
        "a {format} archive, which is not read: nothing in it was looked at. Unpack it and give the folder, or have it packed as zip, 7z, tar or cab"
    );
    Diagnostic::error("BundleArchiveUnread", text)
}

fn over_limit(limit: &'static str, kept: u64) -> Diagnostic {
    let text = match limit {
        "max_ratio" => "expands suspiciously far (max_ratio, a zip bomb?); the rest of it was not read",
        "max_total_bytes" => "the case expands beyond max_total_bytes; the rest of this member was not read",
        _ => "larger than max_member_bytes; the rest of it was not read",
    };
    Diagnostic::warning("BundleSizeLimit", text).at(kept)
}

fn broken(error: &io::Error, kept: u64) -> Diagnostic {
    let text = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the container ends inside this entry; the bytes before are kept",
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            "the entry is damaged (checksum or compressed data); what came out before is kept and may end in garbage"
        }
        _ => "reading stopped with an I/O error; the bytes before are kept",
    };
    Diagnostic::warning("BundleDamagedEntry", text).at(kept)
}
