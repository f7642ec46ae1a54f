//! Results in an object store. The commit point is one conditional PUT of `manifests/<key>.json`; whoever is second gets
//! 412 and has lost. Readers start from the manifests, or from the tables, which hold copies of committed files only.

mod clean;
mod tables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Cleaning, CleaningOptions, Commit, Counts, Lease, Sealed, Stage, Store};
use crate::blob::{Blobs, Put};
use crate::bundle::BundleId;
use crate::clock;
use crate::error::{BatchError, Result};
use crate::failure::FailureRecord;
use crate::key::JobKey;
use crate::manifest::Manifest;
use crate::private;

/// The store's time is asked for again after this.
const PROBE_AGE: Duration = Duration::from_secs(30);

/// The prefix.
#[derive(Debug)]
pub(crate) struct RemoteStore {
    blobs: Blobs,
    work: PathBuf,
    probe: Mutex<Option<(Instant, i64)>>,
}

fn manifest_name(key: &JobKey) -> String {
    format!("manifests/{key}.json")
}

fn lease_name(key: &JobKey) -> String {
    format!("leases/{key}")
}

fn failure_name(key: &JobKey) -> String {
    format!("failed/{key}.json")
}

impl RemoteStore {
    pub(crate) fn new(blobs: Blobs, work: &Path) -> Self {
        Self {
            blobs,
            work: work.to_owned(),
            probe: Mutex::new(None),
        }
    }

    fn manifest(&self, key: &JobKey) -> Result<Option<Manifest>> {
        let found = self.blobs.get(&manifest_name(key))?;
        Ok(found.and_then(|(bytes, _)| Manifest::parse(&bytes)))
    }

    /// The store's time in microseconds, so that our clock does not matter.
    fn store_time(&self) -> Result<i64> {
        let mut probe = self
            .probe
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((asked, time)) = *probe
            && asked.elapsed() < PROBE_AGE
        {
            return Ok(time + asked.elapsed().as_micros() as i64);
        }
        let name = format!("leases/.time-{}", clock::unique());
        self.blobs.put(&name, vec![b'.'])?;
        let meta = self.blobs.head(&name)?;
        self.blobs.delete(&name)?;
        let time = meta.map_or(0, |meta| meta.last_modified.timestamp_micros());
        *probe = Some((Instant::now(), time));
        Ok(time)
    }

    fn quiet_for(&self, written_micros: i64) -> Result<Duration> {
        let quiet = self.store_time()?.saturating_sub(written_micros);
        Ok(Duration::from_micros(u64::try_from(quiet).unwrap_or(0)))
    }

    /// Sends the stage's files to `data/<key>/<uuid>/`.
    fn send(&self, sealed: &Sealed) -> Result<()> {
        let data = data_name(&sealed.manifest);
        for file in &sealed.manifest.files {
            self.blobs.upload(
                &format!("{data}/{}", file.name),
                &sealed.stage.folder.join(&file.name),
            )?;
        }
        Ok(())
    }

    fn forget(&self, manifest: &Manifest) {
        let data = data_name(manifest);
        for file in &manifest.files {
            // What can't be removed now is the janitor's.
            let _ = self.blobs.delete(&format!("{data}/{}", file.name));
        }
    }
}

fn data_name(manifest: &Manifest) -> String {
    format!("data/{}/{}", manifest.job_key, manifest.uuid)
}

impl Store for RemoteStore {
    fn prepare(&self) -> Result<()> {
        self.store_time().map(drop)
    }

    fn is_published(&self, _: &BundleId, key: &JobKey) -> Result<bool> {
        Ok(self.manifest(key)?.is_some())
    }

    fn failure(&self, key: &JobKey) -> Result<Option<FailureRecord>> {
        let found = self.blobs.get(&failure_name(key))?;
        Ok(found.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok()))
    }

    fn failures(&self) -> Result<Vec<FailureRecord>> {
        let mut all = Vec::new();
        for meta in self.blobs.list("failed")? {
            if let Some((bytes, _)) = self.blobs.get(&self.blobs.name(&meta))? {
                all.extend(serde_json::from_slice::<FailureRecord>(&bytes).ok());
            }
        }
        all.sort_by(|a, b| a.bundle.cmp(&b.bundle));
        Ok(all)
    }

    fn put_failure(&self, record: &FailureRecord) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(record).unwrap_or_default();
        self.blobs.put(&failure_name(&record.job_key), bytes)
    }

    fn clear_failure(&self, key: &JobKey) -> Result<()> {
        self.blobs.delete(&failure_name(key))
    }

    fn is_leased(&self, key: &JobKey, ttl: Duration) -> Result<bool> {
        match self.blobs.head(&lease_name(key))? {
            Some(meta) => Ok(self.quiet_for(meta.last_modified.timestamp_micros())? < ttl),
            None => Ok(false),
        }
    }

    fn lease(&self, key: &JobKey, ttl: Duration) -> Result<Option<Lease>> {
        let lease = Lease {
            key: key.clone(),
            nonce: clock::unique(),
        };
        let name = lease_name(key);
        if self.blobs.create(&name, lease.nonce.clone().into_bytes())? == Put::Done {
            return Ok(Some(lease));
        }
        if self.is_leased(key, ttl)? {
            return Ok(None);
        }
        let Some((_, version)) = self.blobs.get(&name)? else {
            return Ok(None);
        };
        let taken = self
            .blobs
            .replace(&name, lease.nonce.clone().into_bytes(), version)?;
        Ok((taken == Put::Done).then_some(lease))
    }

    fn renew(&self, lease: &Lease) -> Result<bool> {
        let name = lease_name(&lease.key);
        match self.blobs.get(&name)? {
            Some((bytes, version)) if bytes == lease.nonce.as_bytes() => {
                Ok(self.blobs.replace(&name, bytes, version)? == Put::Done)
            }
            _ => Ok(false),
        }
    }

    fn release(&self, lease: &Lease) -> Result<()> {
        let name = lease_name(&lease.key);
        match self.blobs.get(&name)? {
            Some((bytes, _)) if bytes == lease.nonce.as_bytes() => self.blobs.delete(&name),
            _ => Ok(()),
        }
    }

    fn stage(&self, _: &JobKey) -> Result<Stage> {
        let private = private::folder("casetrace-stage-", &self.work)
            .map_err(BatchError::on("cannot make a staging folder"))?;
        Ok(Stage {
            folder: private.path().to_owned(),
            uuid: clock::unique(),
            private: Some(private),
        })
    }

    fn discard(&self, stage: Stage) {
        drop(stage.private);
    }

    fn seal(&self, stage: Stage, mut manifest: Manifest) -> Result<Sealed> {
        manifest.data = Some(data_name(&manifest));
        Ok(Sealed { stage, manifest })
    }

    fn sync(&self, stages: &[&Sealed]) -> Vec<Result<()>> {
        stages.iter().map(|sealed| self.send(sealed)).collect()
    }

    fn commit(&self, sealed: &Sealed) -> Result<Commit> {
        let manifest = &sealed.manifest;
        let name = manifest_name(&manifest.job_key);
        let bytes = manifest.to_bytes();
        if self.blobs.create(&name, bytes.clone())? == Put::Done {
            return Ok(Commit::Published);
        }
        match self.blobs.get(&name)? {
            Some((there, version)) => match Manifest::parse(&there) {
                // The store did it and the answer was lost.
                Some(other) if other.uuid == manifest.uuid => Ok(Commit::Published),
                Some(_) => {
                    self.forget(manifest);
                    Ok(Commit::LostRace)
                }
                // A damaged manifest is replaced, but only exactly this one.
                None if self.blobs.replace(&name, bytes, version)? == Put::Done => Ok(Commit::Published),
                None => {
                    self.forget(manifest);
                    Ok(Commit::LostRace)
                }
            },
            None => Err(BatchError::io(
                "a manifest vanished while it was looked at",
                std::io::Error::from(std::io::ErrorKind::NotFound),
            )),
        }
    }

    fn index(&self, sealed: &Sealed) -> Result<()> {
        self.enter(&sealed.manifest)
    }

    fn log(&self, run: &str, line: &str) -> Result<()> {
        // Objects can't be appended to: a line is an object.
        self.blobs.put(
            &format!("runs/{run}/{}.jsonl", clock::now_ns()),
            format!("{line}\n").into_bytes(),
        )
    }

    fn newest_log(&self) -> Result<Option<String>> {
        let mut all: Vec<String> = self
            .blobs
            .list("runs")?
            .iter()
            .map(|meta| self.blobs.name(meta))
            .collect();
        all.sort();
        let Some(run) = all
            .last()
            .and_then(|name| name.rsplit_once('/'))
            .map(|(run, _)| run.to_owned())
        else {
            return Ok(None);
        };
        let mut text = String::new();
        for name in all.iter().filter(|name| name.starts_with(&run)) {
            if let Some((bytes, _)) = self.blobs.get(name)? {
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        Ok(Some(text))
    }

    fn counts(&self) -> Result<Counts> {
        let manifests = self.blobs.list("manifests")?.len() as u64;
        let newest = self.blobs.list("newest")?.len() as u64;
        Ok(Counts {
            bundles: newest,
            generations: manifests,
            leases: self.blobs.list("leases")?.len() as u64,
            staging: 0,
        })
    }

    fn manifests(&self) -> Result<BTreeMap<BundleId, Manifest>> {
        let mut all: BTreeMap<BundleId, Manifest> = BTreeMap::new();
        for meta in self.blobs.list("manifests")? {
            let found = self.blobs.get(&self.blobs.name(&meta))?;
            if let Some(manifest) = found.and_then(|(bytes, _)| Manifest::parse(&bytes)) {
                let newer = all
                    .get(&manifest.bundle)
                    .is_none_or(|other| other.sealed_at < manifest.sealed_at);
                if newer {
                    all.insert(manifest.bundle.clone(), manifest);
                }
            }
        }
        Ok(all)
    }

    fn clean(&self, options: &CleaningOptions) -> Result<Cleaning> {
        let mut done = Cleaning::default();
        self.clean_leases(options, &mut done)?;
        self.clean_uploads(options, &mut done)?;
        self.mend_tables(options.dry_run, &mut done)?;
        Ok(done)
    }

    /// Asking for every manifest costs a request each, so only the janitor does it.
    fn mend(&self) -> Result<Cleaning> {
        Ok(Cleaning::default())
    }

    fn memory(&self, name: &str) -> Option<Vec<u8>> {
        let found = self.blobs.get(&format!("_cache/{name}")).ok()?;
        found.map(|(bytes, _)| bytes)
    }

    fn remember(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.blobs.put(&format!("_cache/{name}"), bytes.to_vec())
    }
}

#[cfg(test)]
mod tests;
