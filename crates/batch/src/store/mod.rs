//! Where results go: a folder, or a prefix of an object store. Both keep the same promise: a case's results become visible in one
//! step, and only once for a key.

mod index;
mod local;
mod remote;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bundle::BundleId;
use crate::error::Result;
use crate::failure::FailureRecord;
use crate::key::JobKey;
use crate::location::Location;
use crate::manifest::{Manifest, Summary};

pub(crate) use index::{Parts, TABLES, folders as index_folders, parts, put_parts};
pub(crate) use local::{
    Found, LocalStore, generation_name, names, put_file, remove_file, remove_folder, sync_folder,
};
pub(crate) use remote::RemoteStore;

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commit {
    /// Ours is the visible one.
    Published,
    /// Somebody else's for the same key was first; ours is gone.
    LostRace,
}

/// A folder results are written into before anybody can see them.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) folder: PathBuf,
    pub(crate) uuid: String,
    /// Keeps a private folder alive; none where the stage lies in the output itself.
    pub(crate) private: Option<tempfile::TempDir>,
}

/// A stage with its manifest.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) stage: Stage,
    pub(crate) manifest: Manifest,
}

/// A right to work on a key, for a while. Only thrift: nothing breaks if two have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) key: JobKey,
    pub(crate) nonce: String,
}

/// Counts for `batch status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Counts {
    pub(crate) bundles: u64,
    pub(crate) generations: u64,
    pub(crate) leases: u64,
    pub(crate) staging: u64,
}

/// What a janitor removed or mended.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Cleaning {
    /// Left-over staging folders or unreferenced uploads.
    pub stages_removed: u64,
    /// Leases nobody holds any more.
    pub leases_removed: u64,
    /// Results with a damaged or missing manifest, put aside.
    pub damaged_put_aside: u64,
    /// Missing entries of the tables across cases, made again.
    pub index_added: u64,
    /// Entries of those tables without a case.
    pub index_removed: u64,
    /// Journals of interrupted compactions that were brought to an end.
    pub compactions_mended: u64,
    /// Failure records of cases that were published since.
    pub failures_cleared: u64,
    /// Results whose files do not agree with their manifest; only with `--verify`.
    pub corrupt: Vec<String>,
}

/// How to clean.
#[derive(Debug, Clone, Copy)]
pub struct CleaningOptions {
    /// Say what would be done, do nothing.
    pub dry_run: bool,
    /// Stages older than this, without a lease, are left over.
    pub older_than: Duration,
    /// A lease not renewed for this long has no holder.
    pub lease_ttl: Duration,
    /// Read every result file and compare it with its manifest.
    pub verify: bool,
}

/// The protocol's operations.
pub(crate) trait Store: Send + Sync {
    /// Makes the folders; says why the place can't be used.
    fn prepare(&self) -> Result<()>;
    /// True if results for this key are published.
    fn is_published(&self, bundle: &BundleId, key: &JobKey) -> Result<bool>;
    fn failure(&self, key: &JobKey) -> Result<Option<FailureRecord>>;
    fn failures(&self) -> Result<Vec<FailureRecord>>;
    fn put_failure(&self, record: &FailureRecord) -> Result<()>;
    fn clear_failure(&self, key: &JobKey) -> Result<()>;
    /// True if somebody holds a lease that was renewed within `ttl`.
    fn is_leased(&self, key: &JobKey, ttl: Duration) -> Result<bool>;
    /// Takes the lease; `None` if somebody holds it.
    fn lease(&self, key: &JobKey, ttl: Duration) -> Result<Option<Lease>>;
    /// Says that we are still at it; false if it is no longer ours.
    fn renew(&self, lease: &Lease) -> Result<bool>;
    fn release(&self, lease: &Lease) -> Result<()>;
    fn stage(&self, key: &JobKey) -> Result<Stage>;
    fn discard(&self, stage: Stage);
    /// Writes the manifest as the stage's last file.
    fn seal(&self, stage: Stage, manifest: Manifest) -> Result<Sealed>;
    /// Brings stages to disk (or into the store); one result each.
    fn sync(&self, stages: &[&Sealed]) -> Vec<Result<()>>;
    /// The one step that makes results visible. The stage is used up either way, except on an error.
    fn commit(&self, sealed: &Sealed) -> Result<Commit>;
    /// Enters published results into the tables across cases.
    fn index(&self, sealed: &Sealed) -> Result<()>;
    /// Adds a line to the log of a run.
    fn log(&self, run: &str, line: &str) -> Result<()>;
    /// Last lines of the newest run logs: file name and text.
    fn newest_log(&self) -> Result<Option<String>>;
    fn counts(&self) -> Result<Counts>;
    /// All published cases with the manifest of their newest generation.
    fn manifests(&self) -> Result<BTreeMap<BundleId, Manifest>>;
    fn clean(&self, options: &CleaningOptions) -> Result<Cleaning>;
    /// Brings the tables across cases into agreement with what is published; quick when they agree.
    fn mend(&self) -> Result<Cleaning>;
    /// A small file about the share that was kept earlier.
    fn memory(&self, name: &str) -> Option<Vec<u8>>;
    /// Keeps a small file about the share; losing it costs time only.
    fn remember(&self, name: &str, bytes: &[u8]) -> Result<()>;
}

/// Opens an output.
pub(crate) fn open(location: &Location, work: &Path) -> Result<Box<dyn Store>> {
    Ok(match location {
        Location::Folder(folder) => Box::new(LocalStore::new(folder)),
        Location::Store(uri) => Box::new(RemoteStore::new(uri.open()?, work)),
    })
}

/// Partition of the tables across cases.
pub(crate) fn partition(summary: &Summary) -> String {
    let plain = |ch: char| ch.is_ascii_digit() || ch == '-';
    let month = &summary.month;
    if month.len() == 7 && month.chars().all(plain) {
        format!("month={month}")
    } else {
        "month=unknown".to_owned()
    }
}
