//! Results in a folder. The commit point is one `rename` of a staging folder onto a name that must not be taken.
//!
//! `cases/bundle=<id>` is the first generation. When content, tool, rules or settings change, the next results become
//! `cases/bundle=<id>,gen=2` and so on: the number says which is newest without any clock, two workers on
//! one key still collide on one name, and nothing that a reader has open is ever replaced. A pointer file would be a second step
//! after the rename, with a state in between.

mod clean;
mod files;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use self::files::{absent, rename, sync_all};
pub(crate) use self::files::{names, put_file, remove_file, remove_folder, sync_folder};
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
/// The server's time is asked for again after this.
const PROBE_AGE: Duration = Duration::from_secs(5);

/// The folder.
#[derive(Debug)]
pub(crate) struct LocalStore {
    root: PathBuf,
    /// What the file server's clock said, and when we asked.
    probe: Mutex<Option<(Instant, SystemTime)>>,
}

/// What is at the place of a generation.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    Good(Box<Manifest>),
    /// A folder without a readable manifest.
    Damaged,
}

/// Folder name of a generation.
pub(crate) fn generation_name(bundle: &BundleId, generation: u32) -> String {
    match generation {
        1 => format!("bundle={bundle}"),
        n => format!("bundle={bundle},gen={n}"),
    }
}

/// The reverse.
pub(crate) fn parse_generation(name: &str) -> Option<(BundleId, u32)> {
    let rest = name.strip_prefix("bundle=")?;
    match rest.split_once(",gen=") {
        None => Some((BundleId::parse(rest)?, 1)),
        Some((id, n)) => Some((BundleId::parse(id)?, n.parse().ok().filter(|n| *n > 1)?)),
    }
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

    fn lease_file(&self, key: &JobKey) -> PathBuf {
        self.root.join(LEASES).join(key.as_str())
    }

    fn failure_file(&self, key: &JobKey) -> PathBuf {
        self.root.join(FAILED).join(format!("{key}.json"))
    }

    pub(crate) fn found(&self, bundle: &BundleId, generation: u32) -> Result<Found> {
        let folder = self.cases().join(generation_name(bundle, generation));
        match fs::read(folder.join(MANIFEST)) {
            Ok(bytes) => Ok(Manifest::parse(&bytes).map_or(Found::Damaged, |m| Found::Good(Box::new(m)))),
            Err(error) if absent(&error) => match folder.symlink_metadata() {
                Ok(_) => Ok(Found::Damaged),
                Err(error) if absent(&error) => Ok(Found::Nothing),
                Err(error) => Err(BatchError::io("cannot look at published results", error)),
            },
            Err(error) => Err(BatchError::io("cannot read a manifest", error)),
        }
    }

    /// Generations of all cases by name alone.
    pub(crate) fn generations(&self) -> Result<BTreeMap<BundleId, Vec<u32>>> {
        let mut all: BTreeMap<BundleId, Vec<u32>> = BTreeMap::new();
        for name in names(&self.cases())? {
            if let Some((id, generation)) = parse_generation(&name) {
                all.entry(id).or_default().push(generation);
            }
        }
        all.values_mut().for_each(|list| list.sort_unstable());
        Ok(all)
    }

    /// A damaged result goes out of sight, for somebody to look at; its place is free again.
    pub(crate) fn put_aside(&self, bundle: &BundleId, generation: u32) -> Result<()> {
        let name = generation_name(bundle, generation);
        let aside = self.cases().join(format!(".damaged-{name}-{}", clock::unique()));
        match rename(&self.cases().join(&name), &aside) {
            Err(error) if !absent(&error) => Err(BatchError::io("cannot put damaged results aside", error)),
            _ => Ok(()),
        }
    }

    /// The file server's time, so that our clock does not matter.
    fn server_time(&self) -> Result<SystemTime> {
        let mut probe = self
            .probe
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((asked, time)) = *probe
            && asked.elapsed() < PROBE_AGE
        {
            return Ok(time + asked.elapsed());
        }
        let failed = || BatchError::on("cannot ask the output for its time");
        let file = tempfile::Builder::new()
            .prefix(".time-")
            .tempfile_in(self.root.join(LEASES))
            .map_err(failed())?;
        let time = file
            .as_file()
            .metadata()
            .and_then(|m| m.modified())
            .map_err(failed())?;
        *probe = Some((Instant::now(), time));
        Ok(time)
    }

    /// Time since the file was last written, by the server's clock.
    pub(crate) fn quiet_for(&self, path: &Path) -> Result<Option<Duration>> {
        match path.symlink_metadata().and_then(|m| m.modified()) {
            Ok(written) => Ok(Some(
                self.server_time()?.duration_since(written).unwrap_or_default(),
            )),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(BatchError::io("cannot look at a lease", error)),
        }
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
        let path = self.lease_file(key);
        let lease = Lease {
            key: key.clone(),
            nonce: clock::unique(),
        };
        for _ in 0..2 {
            match File::create_new(&path) {
                Ok(mut file) => {
                    file.write_all(lease_text(&lease).as_bytes())
                        .map_err(BatchError::on("cannot write a lease"))?;
                    return Ok(Some(lease));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if self.is_leased(key, ttl)? {
                        return Ok(None);
                    }
                    // Its holder is gone. Two may remove it at once; then one of them works for nothing.
                    remove_file(&path)?;
                }
                Err(error) => return Err(BatchError::io("cannot take a lease", error)),
            }
        }
        Ok(None)
    }

    fn renew(&self, lease: &Lease) -> Result<bool> {
        let path = self.lease_file(&lease.key);
        match fs::read_to_string(&path) {
            // Not created: a lease that was released meanwhile must not come back.
            Ok(text) if text == lease_text(lease) => {
                let renewed = File::options()
                    .write(true)
                    .truncate(true)
                    .open(&path)
                    .and_then(|mut file| file.write_all(text.as_bytes()));
                match renewed {
                    Err(error) if !absent(&error) => Err(BatchError::io("cannot renew a lease", error)),
                    other => Ok(other.is_ok()),
                }
            }
            Ok(_) => Ok(false),
            Err(error) if absent(&error) => Ok(false),
            Err(error) => Err(BatchError::io("cannot renew a lease", error)),
        }
    }

    fn release(&self, lease: &Lease) -> Result<()> {
        let path = self.lease_file(&lease.key);
        match fs::read_to_string(&path) {
            Ok(text) if text == lease_text(lease) => remove_file(&path),
            _ => Ok(()),
        }
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

impl LocalStore {
    /// Existing generations of one case, lowest first. One missing number in between is tolerated.
    pub(crate) fn generations_of(&self, bundle: &BundleId) -> Result<Vec<u32>> {
        let mut all = Vec::new();
        let mut gap = 0;
        for generation in 1.. {
            let folder = self.cases().join(generation_name(bundle, generation));
            match folder.symlink_metadata() {
                Ok(_) => {
                    gap = 0;
                    all.push(generation);
                }
                Err(error) if absent(&error) && gap == 0 => gap = 1,
                Err(error) if absent(&error) => break,
                Err(error) => return Err(BatchError::io("cannot look at published results", error)),
            }
        }
        Ok(all)
    }

    /// How the race for this key ended, if it has.
    fn settled(&self, sealed: &Sealed, generations: &[u32]) -> Result<Option<Commit>> {
        let manifest = &sealed.manifest;
        for generation in generations {
            let Found::Good(other) = self.found(&manifest.bundle, *generation)? else {
                continue;
            };
            if other.job_key == manifest.job_key {
                if other.uuid == manifest.uuid {
                    return Ok(Some(Commit::Published));
                }
                let _ = remove_folder(&sealed.stage.folder);
                return Ok(Some(Commit::LostRace));
            }
        }
        Ok(None)
    }
}

fn lease_text(lease: &Lease) -> String {
    format!(
        "{{\"nonce\":\"{}\",\"host\":{:?},\"pid\":{}}}\n",
        lease.nonce,
        clock::host(),
        std::process::id()
    )
}
