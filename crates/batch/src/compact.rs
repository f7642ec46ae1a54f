//! Joins the many small files of a month into one.
//!
//! A new partition folder is made beside the old one and takes its place by one atomic exchange of the two names (Linux:
//! `renameat2` with `RENAME_EXCHANGE`), so that a listing shows either all old files or the joined one: no row twice, none
//! missing. The old folder is kept for a while under a hidden name, for readers in the middle of listing it. A reader that listed
//! it and opens its files by name only after the exchange gets "no such file", loudly, and has to ask again.
//! Where the file system can't exchange (NFS, SMB), nothing is done unless a short absence of the month is allowed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bundle::BundleId;
use crate::clock;
use crate::error::{BatchError, Result};
use crate::steps::{CompactionStep, Steps};
use crate::store::{
    Found, LocalStore, Parts, TABLES, generation_name, index_folders, names, partition, parts, put_file,
    put_parts, remove_folder, sync_folder,
};

/// Journal of one exchange, in the table's folder; readers skip the underscore.
const JOURNAL: &str = "_compacting.json";
/// Prefix of folders being made, and of replaced ones; readers skip the dot.
const BESIDE: &str = ".compact-";
/// Prefix of joined files; the underscore keeps them apart from any case's name.
const PART: &str = "part_";
/// Marks a folder that was replaced; its time says when.
const REPLACED: &str = "_replaced";
/// Held while a table is compacted.
const LOCK: &str = "_compact.lock";

/// Joins Parquet files; the caller knows the format.
pub trait Join {
    /// Writes the rows of `earlier` whose column `bundle` is none of `without`, then all rows of `inputs` in their order, into
    /// `output`. Returns the number of rows.
    fn join(
        &self,
        earlier: Option<&Path>,
        without: &[String],
        inputs: &[PathBuf],
        output: &Path,
    ) -> Result<u64>;
}

/// What to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactionOptions {
    /// Files larger than this stay as they are.
    pub small_bytes: u64,
    /// Fewer small files than this are not worth it.
    pub at_least: usize,
    /// Where names can't be exchanged, let the month be absent for a moment.
    pub allow_gap: bool,
    /// Replaced folders are kept this long for readers that are listing them.
    pub keep_replaced: Duration,
    /// Say what would be done.
    pub dry_run: bool,
}

/// What was joined.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Compaction {
    /// Partitions that got a joined file.
    pub partitions: u64,
    /// Files that went into them.
    pub files_joined: u64,
    /// Rows in them.
    pub rows: u64,
    /// Partitions left alone because the file system can't exchange names.
    pub refused: u64,
    /// Interrupted compactions that were brought to an end.
    pub mended: u64,
    /// Tables somebody else is compacting.
    pub busy: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    /// Name of the partition.
    partition: String,
    /// Name of the folder beside.
    beside: String,
    /// Name of the part that shows which folder is which.
    part: String,
}

/// Joins small files in all tables of an output folder; `steps` is told of each.
pub fn compact(
    root: &Path,
    options: &CompactionOptions,
    join: &dyn Join,
    steps: &dyn Steps,
) -> Result<Compaction> {
    let store = LocalStore::new(root);
    let mut done = Compaction::default();
    for table in TABLES {
        let folder = root.join(table);
        if !folder.is_dir() {
            continue;
        }
        let Some(_lock) = lock(&folder)? else {
            done.busy += 1;
            continue;
        };
        if !options.dry_run {
            done.mended += u64::from(recover(&folder)?);
            remove_strays(&store, &folder, options.keep_replaced)?;
        }
        for (name, folder) in index_folders(root, table)? {
            let task = Task {
                table,
                root: root.join(table),
                name,
                folder,
                options,
                steps,
            };
            task.run(&store, join, &mut done)?;
        }
    }
    if done.partitions > 0 && !options.dry_run {
        // Newer generations that belong to another month than the rows that went.
        crate::store::Store::mend(&store)?;
    }
    Ok(done)
}

struct Task<'a> {
    table: &'a str,
    root: PathBuf,
    name: String,
    folder: PathBuf,
    options: &'a CompactionOptions,
    steps: &'a dyn Steps,
}

/// What goes in and what does not.
struct Selection {
    small: Vec<(BundleId, PathBuf)>,
    large: Vec<PathBuf>,
    before: Parts,
    /// Cases of the earlier part that have a newer generation: its number and file, if it belongs to this partition.
    outdated: Vec<(BundleId, Option<(u32, PathBuf)>)>,
}

impl Task<'_> {
    fn run(&self, store: &LocalStore, join: &dyn Join, done: &mut Compaction) -> Result<()> {
        let selection = self.select(store)?;
        let worth = selection.small.len() >= self.options.at_least || !selection.outdated.is_empty();
        if !worth {
            return Ok(());
        }
        done.partitions += 1;
        done.files_joined += selection.small.len() as u64;
        if self.options.dry_run {
            return Ok(());
        }
        let beside = self
            .root
            .join(format!("{BESIDE}{}-{}", self.name, clock::unique()));
        let made = self.make(&beside, &selection, store, join);
        let (part, rows) = match made {
            Ok(made) => made,
            Err(error) => {
                let _ = remove_folder(&beside);
                return Err(error);
            }
        };
        self.passed(CompactionStep::Joined)?;
        if self.exchange(&beside, &part)? {
            done.rows += rows;
        } else {
            done.partitions -= 1;
            done.files_joined -= selection.small.len() as u64;
            done.refused += 1;
        }
        Ok(())
    }

    fn passed(&self, step: CompactionStep) -> Result<()> {
        let passed = self.steps.compacted(step, self.table);
        passed.map_err(|error| BatchError::io(format!("after the step {}", step.as_str()), error))
    }

    fn select(&self, store: &LocalStore) -> Result<Selection> {
        let before = parts(&self.folder)?;
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for name in names(&self.folder)? {
            let Some(id) = name.strip_suffix(".parquet") else {
                continue;
            };
            let path = self.folder.join(&name);
            let size = path
                .metadata()
                .map_err(BatchError::on("cannot look at a table's file"))?
                .len();
            match BundleId::parse(id) {
                Some(id) if name != before.part && size <= self.options.small_bytes => small.push((id, path)),
                Some(_) if name != before.part => large.push(path),
                _ => {}
            }
        }
        let mut outdated = Vec::new();
        for (id, generation) in &before.cases {
            let newest = store.generations_of(id)?.last().copied();
            if let Some(newest) = newest.filter(|newest| newest != generation) {
                outdated.push((id.clone(), self.successor(store, id, newest)?));
            }
        }
        Ok(Selection {
            small,
            large,
            before,
            outdated,
        })
    }

    /// The file of a newer generation, if it belongs here; elsewhere it is entered by the next mending.
    fn successor(
        &self,
        store: &LocalStore,
        id: &BundleId,
        generation: u32,
    ) -> Result<Option<(u32, PathBuf)>> {
        let Found::Good(manifest) = store.found(id, generation)? else {
            return Ok(None);
        };
        let file = manifest
            .table(self.table)
            .filter(|_| partition(&manifest.summary) == self.name);
        let folder = store.cases().join(generation_name(id, generation));
        Ok(file.map(|file| (generation, folder.join(file))))
    }

    /// Makes the new partition beside the old one; returns the part's name and rows.
    fn make(
        &self,
        beside: &Path,
        selection: &Selection,
        store: &LocalStore,
        join: &dyn Join,
    ) -> Result<(String, u64)> {
        let failed = || BatchError::on("cannot make a joined partition");
        fs::create_dir(beside).map_err(failed())?;
        let part = format!("{PART}{}.parquet", clock::unique());
        let earlier = Some(&selection.before.part)
            .filter(|part| !part.is_empty())
            .map(|part| self.folder.join(part));
        let mut inputs: Vec<PathBuf> = selection.small.iter().map(|(_, path)| path.clone()).collect();
        let mut without = Vec::new();
        let mut list = Parts {
            part: part.clone(),
            cases: selection.before.cases.clone(),
        };
        for (id, successor) in &selection.outdated {
            without.push(id.as_str().to_owned());
            list.cases.remove(id);
            if let Some((generation, file)) = successor {
                inputs.push(file.clone());
                list.cases.insert(id.clone(), *generation);
            }
        }
        for (id, path) in &selection.small {
            let generation = generation_of(store, id, self.table, path)?;
            list.cases.insert(id.clone(), generation);
        }
        let rows = join.join(earlier.as_deref(), &without, &inputs, &beside.join(&part))?;
        for path in &selection.large {
            let name = path.file_name().unwrap_or_default();
            fs::hard_link(path, beside.join(name)).map_err(failed())?;
        }
        put_parts(beside, &list)?;
        sync_folder(beside).map_err(failed())?;
        Ok((part, rows))
    }

    /// Puts the new partition in the old one's place; false if that can't be done here.
    fn exchange(&self, beside: &Path, part: &str) -> Result<bool> {
        let failed = || BatchError::on("cannot put a joined partition in place");
        let journal = Journal {
            partition: self.name.clone(),
            beside: beside
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            part: part.to_owned(),
        };
        let bytes = serde_json::to_vec(&journal).unwrap_or_default();
        put_file(&self.root.join(JOURNAL), &bytes).map_err(failed())?;
        self.passed(CompactionStep::Noted)?;
        let exchanged = match swap(beside, &self.folder) {
            Ok(()) => true,
            Err(_) if self.options.allow_gap => {
                let away = self.root.join(format!("{BESIDE}old-{}", clock::unique()));
                fs::rename(&self.folder, &away).map_err(failed())?;
                fs::rename(beside, &self.folder).map_err(failed())?;
                fs::rename(&away, beside).map_err(failed())?;
                true
            }
            Err(_) => false,
        };
        if exchanged {
            self.passed(CompactionStep::Exchanged)?;
        }
        recover(&self.root)?;
        self.passed(CompactionStep::Settled)?;
        Ok(exchanged)
    }
}

/// Which generation a file in a table is.
fn generation_of(store: &LocalStore, id: &BundleId, table: &str, path: &Path) -> Result<u32> {
    let generations = store.generations_of(id)?;
    let newest = generations.last().copied().unwrap_or(1);
    for generation in generations.iter().rev() {
        let file = store.cases().join(generation_name(id, *generation));
        let linked = [
            format!("{table}.parquet"),
            format!("{}.parquet", table.trim_end_matches('s')),
        ]
        .iter()
        .any(|name| same_content(&file.join(name), path));
        if linked {
            return Ok(*generation);
        }
    }
    Ok(newest)
}

#[cfg(unix)]
fn same_content(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    matches!((a.metadata(), b.metadata()), (Ok(a), Ok(b)) if a.ino() == b.ino() && a.dev() == b.dev())
}

#[cfg(not(unix))]
fn same_content(a: &Path, b: &Path) -> bool {
    matches!((fs::read(a), fs::read(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(target_os = "linux")]
fn swap(a: &Path, b: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
}

#[cfg(not(target_os = "linux"))]
fn swap(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// The right to compact a table; the system takes it back when its holder dies.
fn lock(table: &Path) -> Result<Option<fs::File>> {
    let failed = || BatchError::on("cannot lock a table for compaction");
    let file = fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(table.join(LOCK))
        .map_err(failed())?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(failed()(error)),
    }
}

/// Brings an exchange to its end, or takes it back; true if there was one. The part's name in the partition tells whether it took
/// place. Files that were entered into the old folder meanwhile go into the new one.
fn recover(table: &Path) -> Result<bool> {
    let journal_file = table.join(JOURNAL);
    let journal = match fs::read(&journal_file) {
        Ok(bytes) => serde_json::from_slice::<Journal>(&bytes).ok(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(BatchError::io("cannot read a journal", error)),
    };
    if let Some(journal) = journal {
        let partition = table.join(&journal.partition);
        let beside = table.join(&journal.beside);
        if !partition.exists() && beside.join(&journal.part).exists() {
            // Died within the gap of the way without an exchange.
            fs::rename(&beside, &partition).map_err(BatchError::on("cannot bring a month back"))?;
        }
        if partition.join(&journal.part).exists() && beside.exists() {
            fs::write(beside.join(REPLACED), "").map_err(BatchError::on("cannot mark a replaced month"))?;
            rescue(&beside, &partition)?;
        }
    }
    crate::store::remove_file(&journal_file)?;
    Ok(true)
}

/// Late arrivals in a folder that was replaced.
fn rescue(beside: &Path, partition: &Path) -> Result<()> {
    let listed = parts(partition)?;
    for file in names(beside)? {
        let late = file.strip_suffix(".parquet").and_then(BundleId::parse);
        if late.is_some_and(|id| !listed.cases.contains_key(&id)) {
            // There already, or gone: both are fine, the janitor compares with what is published anyway.
            let _ = fs::hard_link(beside.join(&file), partition.join(&file));
        }
    }
    Ok(())
}

/// Folders that never came into use, and replaced ones nobody lists any more.
fn remove_strays(store: &LocalStore, table: &Path, keep: Duration) -> Result<()> {
    for name in names(table)?.into_iter().filter(|name| name.starts_with(BESIDE)) {
        let folder = table.join(name);
        let replaced = store.quiet_for(&folder.join(REPLACED))?;
        if replaced.is_none_or(|since| since >= keep) {
            remove_folder(&folder)?;
        }
    }
    Ok(())
}
