//! One case through the protocol: lease, stage, work, seal, sync, commit, index, release.

use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::bundle::Bundle;
use crate::clock;
use crate::context::Context;
use crate::error::{BatchError, Result};
use crate::failure::{Attempt, Class, FailureRecord};
use crate::key::JobKey;
use crate::manifest::{Draft, MANIFEST, Manifest, ResultFile, Summary};
use crate::private;
use crate::report::{JobStatus, Report};
use crate::steps::Step;
use crate::store::{Commit, Lease, Sealed, Stage};
use crate::work::Assignment;
use crate::worker::{Ended, Outcome, Slot};

/// Cases up to this size may share a child, one after the other.
const SHARED_CHILD_BYTES: u64 = 8 << 20;

/// A case with results that only have to be made visible.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) sealed: Sealed,
    lease: Lease,
    bundle: Bundle,
    attempt: u32,
    tried_before: bool,
    begin: Instant,
    peak_rss_bytes: u64,
}

/// What the first half of the protocol came to.
#[derive(Debug)]
pub(crate) enum Half {
    Over(Box<Report>),
    Ready(Box<Finished>),
}

/// Up to the seal. `wanted` is the key somebody planned with.
pub(crate) fn prepare(
    context: &Context,
    bundle: &Bundle,
    wanted: Option<&JobKey>,
    attempt: Option<u32>,
    slot: &mut Slot,
    leases: &dyn Fn(&Lease, bool),
) -> Half {
    let begin = Instant::now();
    let (key, content) = match context.key(bundle) {
        Ok(key) => key,
        Err(error) => return Half::Over(Box::new(trouble(bundle, None, &error, begin))),
    };
    let job = Job {
        context,
        bundle,
        key: &key,
        content,
        begin,
    };
    if wanted.is_some_and(|wanted| *wanted != key) {
        let report = Report::new(&bundle.id, Some(&key), JobStatus::Retry);
        return Half::Over(Box::new(
            report.because("the case has changed since it was planned; plan again"),
        ));
    }
    match job.standing(attempt) {
        Ok(Standing::Over(report)) => Half::Over(report),
        Ok(Standing::Go {
            lease,
            attempt,
            tried_before,
        }) => {
            leases(&lease, true);
            let half = job.carry(&lease, attempt, tried_before, slot);
            if matches!(half, Half::Over(_)) {
                leases(&lease, false);
                let _ = context.store.release(&lease);
            }
            half
        }
        Err(error) => Half::Over(Box::new(trouble(bundle, Some(&key), &error, begin))),
    }
}

enum Standing {
    Over(Box<Report>),
    Go {
        lease: Lease,
        attempt: u32,
        tried_before: bool,
    },
}

struct Job<'a> {
    context: &'a Context,
    bundle: &'a Bundle,
    key: &'a JobKey,
    content: String,
    begin: Instant,
}

impl Job<'_> {
    fn report(&self, status: JobStatus) -> Report {
        let mut report = Report::new(&self.bundle.id, Some(self.key), status);
        report.ms = elapsed(self.begin);
        report
    }

    fn standing(&self, attempt: Option<u32>) -> Result<Standing> {
        let store = &self.context.store;
        let settings = &self.context.settings;
        if store.is_published(&self.bundle.id, self.key)? {
            return Ok(Standing::Over(Box::new(self.report(JobStatus::Already))));
        }
        let record = store.failure(self.key)?;
        if let Some(record) = &record
            && record.still_holds(&settings.limits)
            && !settings.retry_failed
        {
            let mut report = self.report(JobStatus::Failed).because(&record.reason);
            report.class = Some(record.class);
            report.attempt = record.tried();
            return Ok(Standing::Over(Box::new(report)));
        }
        let Some(lease) = store.lease(self.key, settings.lease_ttl)? else {
            let report = self
                .report(JobStatus::Leased)
                .because("somebody else is working on it");
            return Ok(Standing::Over(Box::new(report)));
        };
        // Somebody may have finished between the first look and the lease.
        if store.is_published(&self.bundle.id, self.key)? {
            store.release(&lease)?;
            return Ok(Standing::Over(Box::new(self.report(JobStatus::Already))));
        }
        let tried = record.as_ref().map_or(0, FailureRecord::tried);
        Ok(Standing::Go {
            lease,
            attempt: attempt.unwrap_or(1).max(tried + 1),
            tried_before: record.is_some(),
        })
    }

    /// With the lease in hand.
    fn carry(&self, lease: &Lease, attempt: u32, tried_before: bool, slot: &mut Slot) -> Half {
        let trouble = |error: &BatchError| {
            Half::Over(Box::new(
                trouble(self.bundle, Some(self.key), error, self.begin).at(attempt),
            ))
        };
        let leased = self.context.step(Step::Leased, self.bundle.id.as_str());
        let stage = match leased.and_then(|()| self.context.store.stage(self.key)) {
            Ok(stage) => stage,
            Err(error) => return trouble(&error),
        };
        let outcome = match self.work(&stage, attempt, slot) {
            Ok(outcome) => outcome,
            Err(error) => {
                self.context.store.discard(stage);
                return trouble(&error);
            }
        };
        let Outcome {
            ended,
            peak_rss_bytes,
            ..
        } = &outcome;
        let summary = match ended {
            Ended::Done(summary) => summary.clone(),
            _ => {
                self.context.store.discard(stage);
                return Half::Over(Box::new(self.unsuccessful(&outcome, attempt)));
            }
        };
        match self.seal(stage, summary, attempt) {
            Ok(sealed) => Half::Ready(Box::new(Finished {
                sealed,
                lease: lease.clone(),
                bundle: self.bundle.clone(),
                attempt,
                tried_before,
                begin: self.begin,
                peak_rss_bytes: *peak_rss_bytes,
            })),
            Err(error) => trouble(&error),
        }
    }

    fn work(&self, stage: &Stage, attempt: u32, slot: &mut Slot) -> Result<Outcome> {
        let settings = &self.context.settings;
        let work = private::folder("casetrace-work-", &settings.work_dir)
            .map_err(BatchError::on("cannot make a work folder"))?;
        let assignment = Assignment {
            bundle: self.bundle.id.as_str().to_owned(),
            input: self.context.share.fetch(self.bundle, work.path())?,
            stage: stage.folder.clone(),
            work: work.path().to_owned(),
            limits: settings.limits,
        };
        let fresh = attempt > 1 || self.bundle.bytes() > SHARED_CHILD_BYTES;
        let outcome = slot.work(&assignment, fresh, &settings.stop);
        if matches!(outcome.ended, Ended::Done(_)) {
            self.unchanged()?;
            self.context.step(Step::Staged, self.bundle.id.as_str())?;
        }
        Ok(outcome)
    }

    /// Results of a case that changed while it was read belong to no key.
    fn unchanged(&self) -> Result<()> {
        let now = self.context.share.look(&self.bundle.path, &self.context.rules)?;
        if now.is_some_and(|now| now.fingerprint() == self.bundle.fingerprint()) {
            return Ok(());
        }
        let changed = std::io::Error::other("its files are not what they were");
        Err(BatchError::io("the case changed while it was read", changed))
    }

    fn seal(&self, stage: Stage, summary: Summary, attempt: u32) -> Result<Sealed> {
        let files = match result_files(&stage.folder) {
            Ok(files) => files,
            Err(error) => {
                self.context.store.discard(stage);
                return Err(BatchError::io("cannot read the results back", error));
            }
        };
        let draft = Draft {
            bundle: self.bundle.id.clone(),
            path: self.bundle.path.clone(),
            job_key: self.key.clone(),
            content: self.content.clone(),
            input_bytes: self.bundle.bytes(),
            input_files: self.bundle.files.len() as u64,
            versions: self.context.settings.versions.clone(),
            attempt,
        };
        let manifest = Manifest::new(draft, &stage.uuid, summary, files);
        let folder = stage.folder.clone();
        let sealed = self.context.store.seal(stage, manifest).and_then(|sealed| {
            self.context
                .step(Step::Sealed, self.bundle.id.as_str())
                .map(|()| sealed)
        });
        if sealed.is_err() {
            let _ = fs::remove_dir_all(folder);
        }
        sealed
    }

    /// Records what is the case's fault, and says whether another try makes sense.
    fn unsuccessful(&self, outcome: &Outcome, attempt: u32) -> Report {
        let settings = &self.context.settings;
        let mut report = match &outcome.ended {
            Ended::Failed(class, reason) => {
                let tried = Attempt {
                    number: attempt,
                    at: jiff::Timestamp::now().to_string(),
                    host: clock::host().to_owned(),
                    class: *class,
                    reason: reason.clone(),
                    ms: outcome.ms,
                    peak_rss_bytes: outcome.peak_rss_bytes,
                    limits: settings.limits,
                };
                self.record(tried, *class, reason)
            }
            Ended::Stopped => {
                let mut report = self.report(JobStatus::Retry).because("the run was told to stop");
                report.stopped = true;
                report
            }
            Ended::TryAgain(reason) => {
                let mut report = self.report(JobStatus::Retry).because(reason);
                report.full = reason.contains("No space left") || reason.contains("quota");
                report
            }
            Ended::Done(_) => self.report(JobStatus::Retry),
        };
        report.attempt = attempt;
        report.peak_rss_bytes = outcome.peak_rss_bytes;
        report
    }

    fn record(&self, tried: Attempt, class: Class, reason: &str) -> Report {
        let store = &self.context.store;
        let settings = &self.context.settings;
        let before = store.failure(self.key).ok().flatten();
        let job = (
            &self.bundle.id,
            self.bundle.path.as_str(),
            self.key,
            &settings.versions,
        );
        let record = FailureRecord::add(before, job, tried, settings.max_attempts);
        let status = match (store.put_failure(&record), record.permanent) {
            (Ok(()), true) => JobStatus::Failed,
            _ => JobStatus::Retry,
        };
        let mut report = self.report(status).because(reason);
        report.class = Some(class);
        report
    }
}

/// The rest, for several cases at once: bringing to disk is what costs, and it costs hardly more for many.
pub(crate) fn publish(
    context: &Context,
    finished: Vec<Finished>,
    leases: &dyn Fn(&Lease, bool),
) -> Vec<Report> {
    let stages: Vec<&Sealed> = finished.iter().map(|f| &f.sealed).collect();
    let synced = context.store.sync(&stages);
    finished
        .into_iter()
        .zip(synced)
        .map(|(finished, synced)| {
            let report = publish_one(context, &finished, synced);
            leases(&finished.lease, false);
            let _ = context.store.release(&finished.lease);
            let _ = context.step(Step::Released, finished.bundle.id.as_str());
            if report.status == JobStatus::Retry {
                context.store.discard(finished.sealed.stage);
            }
            report
        })
        .collect()
}

fn publish_one(context: &Context, finished: &Finished, synced: Result<()>) -> Report {
    let manifest = &finished.sealed.manifest;
    let name = manifest.bundle.as_str();
    let committed = synced
        .and_then(|()| context.step(Step::Synced, name))
        .and_then(|()| context.store.commit(&finished.sealed));
    let status = match committed {
        Ok(Commit::Published) => JobStatus::Published,
        Ok(Commit::LostRace) => JobStatus::LostRace,
        Err(error) => {
            let report = trouble(&finished.bundle, Some(&manifest.job_key), &error, finished.begin);
            return report.at(finished.attempt);
        }
    };
    // From here on the results are there; what fails now is mended by the next run.
    let indexed = context
        .step(Step::Committed, name)
        .and_then(|()| context.store.index(&finished.sealed))
        .and_then(|()| context.step(Step::Indexed, name));
    if let Err(error) = indexed {
        tracing::warn!(
            bundle = name,
            "Published, but not yet in the tables across cases: {error}."
        );
    }
    if finished.tried_before {
        let _ = context.store.clear_failure(&manifest.job_key);
    }
    let mut report = Report::new(&manifest.bundle, Some(&manifest.job_key), status);
    report.attempt = finished.attempt;
    report.rows = manifest.summary.rows;
    report.findings = manifest.summary.findings;
    report.ms = elapsed(finished.begin);
    report.peak_rss_bytes = finished.peak_rss_bytes;
    report
}

fn elapsed(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// An error of the surroundings as a report.
fn trouble(bundle: &Bundle, key: Option<&JobKey>, error: &BatchError, begin: Instant) -> Report {
    let mut report = Report::new(&bundle.id, key, JobStatus::Retry).because(error.to_string());
    report.ms = elapsed(begin);
    report.full = error.is_full();
    report
}

fn result_files(folder: &Path) -> std::io::Result<Vec<ResultFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == MANIFEST || name.starts_with('.') {
            continue;
        }
        let bytes = fs::File::open(entry.path())?;
        let size = bytes.metadata()?.len();
        let mut hash = blake3::Hasher::new();
        hash.update_reader(bytes)?;
        files.push(ResultFile {
            name,
            size,
            blake3: hash.finalize().to_hex().to_string(),
        });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}
