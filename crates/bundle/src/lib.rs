//! From whatever a customer uploaded to a flat list of readable members.
//!
//! Folders, zip (stored, deflate, deflate64; ZipCrypto and WinZip AES), cabinets (stored, MSZIP, LZX), Fiddler SAZ,
//! 7z (with AES), tar, and gzip, xz and zstd streams, nested in any way, become [`Member`]s in logical-path order (`upload.zip!/Authlogs/NGC.etl`), archives
//! and their contents alike. What a member is comes from its content ([`probe`]); what the whole upload is comes
//! from the names in it ([`Collection`]).
//!
//! Invariants: archive names never reach the file system; nothing is written but one unnamed spool file inside
//! [`Options::work_dir`]; input files are read in place; every size, count and depth the input states is held
//! against [`Limits`](casetrace_model::Limits); damage costs the entry it hits, leaves a [`Diagnostic`] there, and
//! the rest is read. Passwords are wiped on drop and never printed.
//!
//! ```
//! use casetrace_bundle::{Kind, Options, open};
//!
//! let folder = tempfile::tempdir()?;
//! let log = folder.path().join("dsregcmd.txt");
//! std::fs::write(&log, "AzureAdJoined : NO\r\n")?;
//! let options = Options {
//!     limits: casetrace_model::Limits::default(),
//!     passwords: Vec::new(),
//!     work_dir: folder.path().join("work"),
//!     threads: 1,
//! };
//! let case = open(&[log], &options, &mut |_| {})?;
//! assert_eq!(case.members[0].path, "dsregcmd.txt");
//! assert_eq!(case.members[0].kind, Kind::Text);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Diagnostic`]: casetrace_model::Diagnostic

mod aside;
mod cabinet;
mod case;
mod collection;
mod expand;
mod folder;
mod intake;
mod names;
mod probe;
mod secret;
mod sevenz;
mod store;
mod stream;
mod tar;
mod zip;

pub use case::{
    Case, ContainerFacts, Encryption, Member, MemberOutcome, Modified, OpenError, Options, Progress, Step,
};
pub use collection::{Collection, detect};
pub use expand::{open, open_except};
pub use probe::{Kind, probe, unread_archive};
pub use secret::Secret;
