//! Results in a folder. The commit point is one `rename` of a staging folder onto a name that must not be taken.
//!
//! `cases/bundle=<id>` is the first generation. When content, tool, rules or settings change, the next results become
//! `cases/bundle=<id>,gen=2` and so on: the number says which is newest without any clock, two workers on
//! one key still collide on one name, and nothing that a reader has open is ever replaced. A pointer file would be a second step
//! after the rename, with a state in between.

mod clean;
mod files;
mod generations;
mod lease;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use self::files::{absent, rename, sync_all};
pub(crate) use self::files::{names, put_file, remove_file, remove_folder, sync_folder};
use self::generations::parse_generation;
pub(crate) use self::generations::{Found, generation_name};
use super::{Cleaning, CleaningOptions, Commit, Counts, Lease, Sealed, Stage, Store, index};
use crate::bundle::BundleId;
use crate::clock;
use crate::error::{BatchError, Result};
use crate::failure::FailureRecord;
use crate::key::JobKey;
use crate::manifest::{MANIFEST, Manifest};

/// Folders of an output.
pub(crate) const CASES: &str = "cases";
const LEASES: &str = "leases";
const FAILED: &str = "failed";
const RUNS: &str = "runs";
const CACHE: &str = "_cache";

/// Staging folders of fewer cases than this are brought to disk file by file; above it, the whole file system at once is cheaper.
const SYNC_ALL: usize = 2;

/// The folder.
#[derive(Debug)]
pub(crate) struct LocalStore {
    root: PathBuf,
    /// What the file server's clock said, and when we asked.
    probe: Mutex<Option<(Instant, SystemTime)>>,
}

impl LocalStore {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            probe: Mutex::new(None),
        }
    }

    pub(crate) fn cases(&self) -> PathBuf {
        self.root.join(CASES)
    }

    fn failure_file(&self, key: &JobKey) -> PathBuf {
        self.root.join(FAILED).join(format!("{key}.json"))
    }
}

impl Store for LocalStore {
    fn prepare(&self) -> Result<()> {
        // The folder above must be there: a share that is not mounted must not be filled below its mount point.
        let above = self.root.parent().filter(|p| !p.as_os_str().is_empty());
        if let Some(above) = above.filter(|above| !above.is_dir()) {
            let missing = io::Error::from(ErrorKind::NotFound);
            return Err(BatchError::io(
                format!("the folder of the output, {}, is not there", above.display()),
                missing,
            ));
        }
        for folder in [CASES, LEASES, FAILED, RUNS, CACHE] {
            let folder = self.root.join(folder);
            fs::create_dir_all(&folder)
                .map_err(BatchError::on(format!("cannot make {}", folder.display())))?;
        }
        Ok(())
    }

    fn is_published(&self, bundle: &BundleId, key: &JobKey) -> Result<bool> {
        if let Found::Good(manifest) = self.found(bundle, 1)?
            && manifest.job_key == *key
        {
            return Ok(true);
        }
        for generation in self.generations_of(bundle)? {
            if let Found::Good(manifest) = self.found(bundle, generation)?
                && manifest.job_key == *key
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn failure(&self, key: &JobKey) -> Result<Option<FailureRecord>> {
        match fs::read(self.failure_file(key)) {
            // A damaged record is no record: the case is tried again.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(BatchError::io("cannot read a failure record", error)),
        }
    }

    fn failures(&self) -> Result<Vec<FailureRecord>> {
        let folder = self.root.join(FAILED);
        let mut all = Vec::new();
        for name in names(&folder)? {
            let key = name.strip_suffix(".json").and_then(JobKey::parse);
            if let Some(key) = key {
                all.extend(self.failure(&key)?);
            }
        }
        all.sort_by(|a, b| a.bundle.cmp(&b.bundle));
        Ok(all)
    }

    fn put_failure(&self, record: &FailureRecord) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(record).unwrap_or_default();
        put_file(&self.failure_file(&record.job_key), &bytes)
            .map_err(BatchError::on("cannot record a failure"))
    }

    fn clear_failure(&self, key: &JobKey) -> Result<()> {
        remove_file(&self.failure_file(key))
    }

    fn is_leased(&self, key: &JobKey, ttl: Duration) -> Result<bool> {
        Ok(self
            .quiet_for(&self.lease_file(key))?
            .is_some_and(|quiet| quiet < ttl))
    }

    fn lease(&self, key: &JobKey, ttl: Duration) -> Result<Option<Lease>> {
        self.take_lease(key, ttl)
    }

    fn renew(&self, lease: &Lease) -> Result<bool> {
        self.renew_lease(lease)
    }

    fn release(&self, lease: &Lease) -> Result<()> {
        self.release_lease(lease)
    }

    fn stage(&self, key: &JobKey) -> Result<Stage> {
        let uuid = clock::unique();
        let folder = self.cases().join(format!(".tmp-{key}-{uuid}"));
        fs::create_dir(&folder).map_err(BatchError::on("cannot make a staging folder"))?;
        Ok(Stage {
            folder,
            uuid,
            private: None,
        })
    }

    fn discard(&self, stage: Stage) {
        // What can't be removed now is the janitor's.
        let _ = remove_folder(&stage.folder);
    }

    fn seal(&self, stage: Stage, manifest: Manifest) -> Result<Sealed> {
        fs::write(stage.folder.join(MANIFEST), manifest.to_bytes())
            .map_err(BatchError::on("cannot write a manifest"))?;
        Ok(Sealed { stage, manifest })
    }

    fn sync(&self, stages: &[&Sealed]) -> Vec<Result<()>> {
        if stages.len() >= SYNC_ALL && sync_all(&self.cases()).is_ok() {
            return stages.iter().map(|_| Ok(())).collect();
        }
        let each = |sealed: &&Sealed| {
            sync_folder(&sealed.stage.folder).map_err(BatchError::on("cannot bring results to disk"))
        };
        stages.iter().map(each).collect()
    }

    fn commit(&self, sealed: &Sealed) -> Result<Commit> {
        let bundle = &sealed.manifest.bundle;
        loop {
            let generations = self.generations_of(bundle)?;
            if let Some(outcome) = self.settled(sealed, &generations)? {
                return Ok(outcome);
            }
            let newest = generations.last().copied().unwrap_or(0);
            if newest > 0 && matches!(self.found(bundle, newest)?, Found::Damaged) {
                self.put_aside(bundle, newest)?;
                continue;
            }
            let target = self.cases().join(generation_name(bundle, newest + 1));
            match rename(&sealed.stage.folder, &target) {
                Ok(()) => {
                    #[cfg(unix)]
                    let _ = File::open(self.cases()).and_then(|folder| folder.sync_all());
                    return Ok(Commit::Published);
                }
                // Somebody was faster; the next look says who.
                Err(_) if target.symlink_metadata().is_ok() => {}
                // A server did the rename and lost the answer; the next look finds ours.
                Err(error) if absent(&error) && sealed.stage.folder.symlink_metadata().is_err() => {
                    return match self.settled(sealed, &self.generations_of(bundle)?)? {
                        Some(outcome) => Ok(outcome),
                        None => Err(BatchError::io("the staging folder is gone", error)),
                    };
                }
                Err(error) => return Err(BatchError::io("cannot publish results", error)),
            }
        }
    }

    fn index(&self, sealed: &Sealed) -> Result<()> {
        let generations = self.generations_of(&sealed.manifest.bundle)?;
        index::enter(&self.root, self, &sealed.manifest.bundle, &generations).map(drop)
    }

    fn log(&self, run: &str, line: &str) -> Result<()> {
        let path = self.root.join(RUNS).join(format!("{run}.jsonl"));
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .map_err(BatchError::on("cannot write the run's log"))?;
        file.write_all(format!("{line}\n").as_bytes())
            .map_err(BatchError::on("cannot write the run's log"))
    }

    fn newest_log(&self) -> Result<Option<String>> {
        let folder = self.root.join(RUNS);
        let newest = names(&folder)?
            .into_iter()
            .filter(|n| n.ends_with(".jsonl"))
            .max();
        match newest {
            Some(name) => fs::read_to_string(folder.join(name))
                .map(Some)
                .map_err(BatchError::on("cannot read a run's log")),
            None => Ok(None),
        }
    }

    fn counts(&self) -> Result<Counts> {
        let mut counts = Counts::default();
        for name in names(&self.cases())? {
            match parse_generation(&name) {
                Some((_, 1)) => {
                    counts.bundles += 1;
                    counts.generations += 1;
                }
                Some(_) => counts.generations += 1,
                None => counts.staging += u64::from(name.starts_with(".tmp-")),
            }
        }
        let leases = names(&self.root.join(LEASES))?;
        counts.leases = leases.iter().filter(|name| JobKey::parse(name).is_some()).count() as u64;
        Ok(counts)
    }

    fn manifests(&self) -> Result<BTreeMap<BundleId, Manifest>> {
        let mut all = BTreeMap::new();
        for (bundle, generations) in self.generations()? {
            for generation in generations.into_iter().rev() {
                if let Found::Good(manifest) = self.found(&bundle, generation)? {
                    all.insert(bundle.clone(), *manifest);
                    break;
                }
            }
        }
        Ok(all)
    }

    fn clean(&self, options: &CleaningOptions) -> Result<Cleaning> {
        let mut done = Cleaning::default();
        self.clean_leases(options, &mut done)?;
        self.clean_stages(options, &mut done)?;
        self.clean_cases(options, &mut done)?;
        self.clean_failures(options, &mut done)?;
        index::mend(&self.root, self, options.dry_run, &mut done)?;
        Ok(done)
    }

    fn mend(&self) -> Result<Cleaning> {
        let mut done = Cleaning::default();
        index::mend(&self.root, self, false, &mut done)?;
        Ok(done)
    }

    fn memory(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.root.join(CACHE).join(name)).ok()
    }

    fn remember(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let folder = self.root.join(CACHE);
        let failed = || BatchError::on("cannot keep what is known of the share");
        fs::create_dir_all(&folder).map_err(failed())?;
        // Not brought to disk: losing it costs time only.
        let mut part = tempfile::Builder::new()
            .prefix(".part-")
            .tempfile_in(&folder)
            .map_err(failed())?;
        part.write_all(bytes).map_err(failed())?;
        part.persist(folder.join(name))
            .map(drop)
            .map_err(|error| failed()(error.error))
    }
}
