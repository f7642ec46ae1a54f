//! The tables across cases: `timeline/month=2026-03/<id>.parquet` and its sisters, hard links to files of published results.
//!
//! They are derived: made right after a commit, mended by the next run or the janitor, never ahead of what is published. Each case is in a table
//! at most once at any moment. A case in a compacted part (its `_parts.json` lists which) is not linked again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::local::{Found, LocalStore, generation_name, names, put_file, remove_file};
use super::{Cleaning, partition};
use crate::bundle::BundleId;
use crate::clock;
use crate::error::{BatchError, Result};
use crate::manifest::Manifest;

/// Tables across cases.
pub(crate) const TABLES: [&str; 4] = ["timeline", "findings", "quality", "bundles"];

/// Beside compacted parts: which generation of which case is in them.
pub(crate) const PARTS: &str = "_parts.json";

/// The content of `_parts.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parts {
    /// File name of the part.
    pub(crate) part: String,
    /// Case and generation.
    pub(crate) cases: BTreeMap<BundleId, u32>,
}

/// Folders of all partitions of a table, by name.
pub(crate) fn folders(root: &Path, table: &str) -> Result<Vec<(String, PathBuf)>> {
    let table = root.join(table);
    let all = names(&table)?.into_iter();
    Ok(all
        .filter(|name| name.starts_with("month="))
        .map(|name| (name.clone(), table.join(name)))
        .collect())
}

/// What is compacted in a partition.
pub(crate) fn parts(folder: &Path) -> Result<Parts> {
    match fs::read(folder.join(PARTS)) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|_| BatchError::Internal(format!("{} in {} is damaged", PARTS, folder.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Parts::default()),
        Err(error) => Err(BatchError::io("cannot read the list of compacted cases", error)),
    }
}

pub(crate) fn put_parts(folder: &Path, parts: &Parts) -> Result<()> {
    let bytes = serde_json::to_vec(parts).unwrap_or_default();
    put_file(&folder.join(PARTS), &bytes).map_err(BatchError::on("cannot write the list of compacted cases"))
}

/// Enters the newest good generation of a case; returns the number of links made.
pub(super) fn enter(root: &Path, store: &LocalStore, bundle: &BundleId, generations: &[u32]) -> Result<u64> {
    for generation in generations.iter().rev() {
        if let Found::Good(manifest) = store.found(bundle, *generation)? {
            let folder = store.cases().join(generation_name(bundle, *generation));
            if *generation > 1 {
                return replace(root, store, &folder, &manifest, generations);
            }
            return link_all(root, &folder, &manifest);
        }
    }
    Ok(0)
}

/// A later generation: what the tables hold of earlier ones goes first, so that no row is ever there twice.
fn replace(
    root: &Path,
    store: &LocalStore,
    folder: &Path,
    manifest: &Manifest,
    generations: &[u32],
) -> Result<u64> {
    let here = partition(&manifest.summary);
    for generation in generations {
        let Found::Good(older) = store.found(&manifest.bundle, *generation)? else {
            continue;
        };
        let there = partition(&older.summary);
        for table in TABLES {
            let partition = root.join(table).join(&there);
            if parts(&partition)?.cases.contains_key(&manifest.bundle) {
                // The next compaction writes the part without the old rows; until then the old ones are shown.
                return Ok(0);
            }
            if there != here {
                remove_file(&partition.join(format!("{}.parquet", manifest.bundle)))?;
            }
        }
    }
    link_all(root, folder, manifest)
}

fn link_all(root: &Path, folder: &Path, manifest: &Manifest) -> Result<u64> {
    let mut made = 0;
    for table in TABLES {
        if let Some(file) = manifest.table(table) {
            let target = root.join(table).join(partition(&manifest.summary));
            if parts(&target)?.cases.contains_key(&manifest.bundle) {
                continue;
            }
            made += u64::from(link(&folder.join(file), &target, &manifest.bundle)?);
        }
    }
    Ok(made)
}

/// Links one file into a partition; false if it was there.
fn link(file: &Path, partition: &Path, bundle: &BundleId) -> Result<bool> {
    let failed = || BatchError::on(format!("cannot enter a case into {}", partition.display()));
    let target = partition.join(format!("{bundle}.parquet"));
    match fs::hard_link(file, &target) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && same_file(file, &target) => {
            return Ok(false);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(partition).map_err(failed())?;
        }
        Err(_) => {}
    }
    // Something else is there, or links don't work here: beside, then in place.
    let beside = partition.join(format!("_new-{}", clock::unique()));
    if fs::hard_link(file, &beside).is_err() {
        fs::copy(file, &beside).map_err(failed())?;
        fs::File::open(&beside)
            .and_then(|copy| copy.sync_all())
            .map_err(failed())?;
    }
    let placed = fs::rename(&beside, &target).map_err(failed());
    // Renaming a link onto a link of the same file does nothing and leaves the first name.
    remove_file(&beside)?;
    placed.map(|()| true)
}

#[cfg(unix)]
fn same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (a.metadata(), b.metadata()) {
        (Ok(a), Ok(b)) => a.ino() == b.ino() && a.dev() == b.dev(),
        _ => false,
    }
}

/// Without inode numbers: a copy of the same size made later than its source.
#[cfg(not(unix))]
fn same_file(a: &Path, b: &Path) -> bool {
    match (a.metadata(), b.metadata()) {
        (Ok(a), Ok(b)) => a.len() == b.len() && a.modified().ok() <= b.modified().ok(),
        _ => false,
    }
}

/// What one table shows: case to its partition.
fn shown(root: &Path, table: &str) -> Result<(BTreeMap<BundleId, PathBuf>, BTreeMap<BundleId, u32>)> {
    let (mut links, mut compacted) = (BTreeMap::new(), BTreeMap::new());
    for (_, folder) in folders(root, table)? {
        for name in names(&folder)? {
            if let Some(id) = name.strip_suffix(".parquet").and_then(BundleId::parse) {
                links.insert(id, folder.join(&name));
            }
        }
        compacted.extend(parts(&folder)?.cases);
    }
    Ok((links, compacted))
}

/// Brings the tables into agreement with the published cases.
pub(super) fn mend(root: &Path, store: &LocalStore, dry_run: bool, done: &mut Cleaning) -> Result<()> {
    let generations = store.generations()?;
    let mut missing: BTreeSet<&BundleId> = BTreeSet::new();
    for table in TABLES {
        let (links, compacted) = shown(root, table)?;
        for (id, list) in &generations {
            let newer = list.last().is_some_and(|newest| *newest > 1);
            if !compacted.contains_key(id) && (newer || !links.contains_key(id)) {
                missing.insert(id);
            }
        }
        for (id, path) in &links {
            // A case that is gone, or that is in a part as well.
            if !generations.contains_key(id) || compacted.contains_key(id) {
                done.index_removed += 1;
                if !dry_run {
                    remove_file(path)?;
                }
            }
        }
    }
    for id in missing {
        let list = generations.get(id).map(Vec::as_slice).unwrap_or_default();
        if !dry_run {
            done.index_added += enter(root, store, id, list)?;
        }
    }
    Ok(())
}
