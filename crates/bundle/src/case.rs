//! The result of opening a case: its members in logical-path order.

use std::borrow::Cow;
use std::io::{self, Read};
use std::path::PathBuf;

use casetrace_model::{Diagnostic, Limits, ReadSeek};

use crate::intake::HEAD;
use crate::probe::Kind;
use crate::secret::Secret;
use crate::store::Bytes;

/// How to open a case.
#[derive(Debug, Clone)]
pub struct Options {
    /// Ceilings on what the archives may expand to.
    pub limits: Limits,
    /// Tried on encrypted entries, in this order.
    pub passwords: Vec<Secret>,
    /// Large members are spooled to an unnamed file in here; nothing else is ever written. Made (0700) if absent.
    pub work_dir: PathBuf,
    /// With more than one, large members are hashed and stored on another thread than they are unpacked on. Changes no result.
    pub threads: usize,
}

/// What [`Progress`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A member was read.
    Member,
    /// An archive is about to be taken apart.
    Opening,
    /// All entries of an archive were read; archives among them come next.
    Opened,
}

/// How far reading has come; sent after each member, before and behind each archive.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// What happened.
    pub step: Step,
    /// The member it happened to.
    pub path: &'a str,
    /// Members so far.
    pub members: usize,
    /// Bytes expanded from archives so far.
    pub expanded_bytes: u64,
}

/// Why a case could not be opened at all. Damage inside inputs is never one of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// An input named by the caller is not there or not readable.
    #[error("cannot read input {}", path.display())]
    Input {
        /// As given.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The work folder refused (full, read-only); worth a retry elsewhere or later.
    #[error("cannot write to the work folder {}", path.display())]
    Work {
        /// As given.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
}

/// All members of all inputs.
#[derive(Debug)]
pub struct Case {
    /// Containers and leaves, sorted by [`Member::path`]; parents come before their members.
    pub members: Vec<Member>,
    /// What concerns no single member.
    pub diagnostics: Vec<Diagnostic>,
}

/// What became of a member so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberOutcome {
    /// All bytes are there.
    Ok,
    /// Some bytes (or some entries of a container) are missing; a diagnostic says which.
    Partial,
    /// It has no bytes.
    Empty,
    /// Listed, but its bytes are in a file we do not have.
    Missing,
    /// Deliberately not read: encrypted, over a limit, not a regular file.
    Skipped,
    /// Nothing of it could be read.
    Failed,
}

impl MemberOutcome {
    /// The spelling in the inventory.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Empty => "empty",
            Self::Missing => "missing",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// How a member is encrypted in its archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// PKWARE's traditional cipher.
    ZipCrypto,
    /// WinZip AES with this key length in bits.
    WinZipAes(u16),
    /// AES-256 with a key of many rounds of SHA-256, in 7z archives.
    SevenZipAes,
    /// PKWARE strong encryption or another scheme that is not supported.
    Other,
}

impl Encryption {
    /// The spelling in the inventory.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ZipCrypto => "zipcrypto",
            Self::WinZipAes(128) => "aes-128",
            Self::WinZipAes(192) => "aes-192",
            Self::WinZipAes(_) | Self::SevenZipAes => "aes-256",
            Self::Other => "other",
        }
    }
}

/// A modification time as an archive stores it. Times of input files on disk are not reported: they change with
/// every copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Modified {
    /// Nanoseconds since 1970, from a UTC extra field.
    Utc(i64),
    /// DOS time of the packing PC's clock and zone, `2026-03-02T10:16:12`.
    Local(String),
}

/// Facts about an archive as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerFacts {
    /// Entries the directory lists, folders not counted.
    pub entries: u64,
    /// Of these, encrypted ones.
    pub encrypted: u64,
    /// Of these, encrypted ones that no password opened.
    pub locked: u64,
    /// The archive comment (Fiddler writes its version here).
    pub comment: Option<String>,
    /// Compression, or generator, in the format's own terms: `MSZIP`, `LZX:21`, `deflate`.
    pub methods: Vec<String>,
}

/// One file of the case: an input, or an entry of an archive at any depth.
#[derive(Debug)]
pub struct Member {
    /// Logical path; nesting is `!/`. Unique within the case.
    pub path: String,
    /// Last component, in the packing PC's spelling as far as it is harmless.
    pub name: String,
    /// Index of the archive it came out of; `None` for inputs.
    pub parent: Option<usize>,
    /// Bytes that can be read; the declared size where [`sha256`](Self::sha256) is `None`.
    pub size: u64,
    /// Lower-case hex over what can be read; `None` if nothing was extracted.
    pub sha256: Option<String>,
    /// By content.
    pub kind: Kind,
    /// As the archive says.
    pub modified: Option<Modified>,
    /// How it went so far.
    pub outcome: MemberOutcome,
    /// Set if its archive has it encrypted, opened or not.
    pub encryption: Option<Encryption>,
    /// Index of a member with the same content that was read earlier.
    pub duplicate_of: Option<usize>,
    /// Set for archives that were taken apart.
    pub container: Option<ContainerFacts>,
    /// What was lost and why.
    pub diagnostics: Vec<Diagnostic>,
    pub(crate) bytes: Bytes,
}

impl Member {
    /// Opens the content; every call gives an independent reader at offset 0.
    ///
    /// Errors: `NotFound` for members that were not extracted, else whatever the file system says.
    pub fn open(&self) -> io::Result<Box<dyn ReadSeek + Send>> {
        self.bytes.open()
    }

    /// The first 64 KiB (or less, if it is shorter).
    pub fn head(&self) -> io::Result<Cow<'_, [u8]>> {
        if let Bytes::Memory(bytes) = &self.bytes {
            return Ok(Cow::Borrowed(
                bytes.get(..bytes.len().min(HEAD)).unwrap_or_default(),
            ));
        }
        let mut head = Vec::new();
        self.open()?.take(HEAD as u64).read_to_end(&mut head)?;
        Ok(Cow::Owned(head))
    }

    /// All bytes if they are held in memory, without copying.
    pub fn in_memory(&self) -> Option<&[u8]> {
        match &self.bytes {
            Bytes::Memory(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// True if there is content to decode.
    pub fn is_readable(&self) -> bool {
        !matches!(self.bytes, Bytes::Absent)
    }
}

impl Case {
    /// Indexes of the direct members of an archive, in path order.
    pub fn children(&self, container: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.members.len())
            .filter(move |i| self.members.get(*i).is_some_and(|m| m.parent == Some(container)))
    }
}
