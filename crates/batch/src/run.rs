//! A whole run: several slots work, one thread publishes, one renews leases.

mod floor;
mod held;
mod log;

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use serde::Serialize;

use self::floor::{Floor, Task};
use self::held::Held;
use self::log::Log;
use crate::abreast::ask_all;
use crate::bundle::{Bundle, BundleId, Shard};
use crate::clock;
use crate::context::{Context, Settings};
use crate::error::{BatchError, Result};
use crate::job::{Half, prepare, publish};
use crate::key::JobKey;
use crate::plan::{State, cases, is_stable, state};
use crate::report::{JobStatus, Report};
use crate::store::Lease;
use crate::worker::Slot;

/// How often waiting threads look up.
const TICK: Duration = Duration::from_millis(50);

/// How a run goes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOptions {
    /// Our part of the cases.
    pub shard: Shard,
    /// Cases at once.
    pub jobs: usize,
    /// One look at the share: what is still being uploaded is left for the next run.
    pub once: bool,
    /// Never end: look again after this.
    pub watch: Option<Duration>,
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// Name of the run and of its log.
    pub run: String,
    /// Cases in our part of the share.
    pub found: u64,
    /// By state before anything was done.
    pub planned: BTreeMap<&'static str, u64>,
    /// Cases by how they ended.
    pub ended: BTreeMap<&'static str, u64>,
    /// Left as they may still be uploaded.
    pub unstable: u64,
    /// Left because the surroundings failed.
    pub left: u64,
    /// Told to stop.
    pub stopped: bool,
    /// How long it took.
    pub ms: u64,
    /// What else there is to say, if the run ended early.
    pub trouble: Option<String>,
}

impl RunSummary {
    /// 75 if something is left that the same call may do later.
    pub fn exit(&self) -> u8 {
        if self.left > 0 || self.trouble.is_some() {
            75
        } else {
            0
        }
    }
}

/// Looks on while a run goes.
pub trait Observer: Sync {
    /// So many cases and bytes are to be done.
    fn planned(&self, cases: u64, bytes: u64) {
        let _ = (cases, bytes);
    }
    /// One ended, for now; `bytes` is its size, `again` says that it will be tried again in this run.
    fn ended(&self, report: &Report, bytes: u64, again: bool) {
        let _ = (report, bytes, again);
    }
}

/// Sees nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}

/// Works on all cases of a share.
pub fn run(settings: &Settings, options: &RunOptions, observer: &dyn Observer) -> Result<RunSummary> {
    let begin = Instant::now();
    let context = Context::open(settings, options.shard)?;
    let mended = context.store.mend()?;
    if mended.index_added + mended.index_removed > 0 {
        tracing::info!(
            added = mended.index_added,
            removed = mended.index_removed,
            "Mended the tables across cases."
        );
    }
    let started = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut run = Run {
        context: &context,
        options,
        observer,
        log: Log::new(format!("{started}-{}", clock::unique())),
        settled: HashSet::new(),
        summary: RunSummary::default(),
    };
    run.summary.run = run.log.run.clone();
    run.passes()?;
    run.summary.stopped = context.stopped();
    run.summary.ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    run.log.end(&context, &run.summary);
    Ok(run.summary)
}

/// Works on one case, in its own child; for schedulers that do the rest themselves.
pub fn run_one(
    settings: &Settings,
    bundle: &BundleId,
    key: Option<&JobKey>,
    attempt: Option<u32>,
) -> Result<Report> {
    let context = Context::open(settings, Shard::ALL)?;
    let Some(found) = context.share.find(bundle, &context.rules)? else {
        return Err(BatchError::Usage(format!(
            "there is no case {bundle} in the share; `batch plan` lists them"
        )));
    };
    // A case is hashed once, here; what was planned is checked against it.
    context.cache().see(&found, &found.fingerprint());
    let held = Held::default();
    std::thread::scope(|scope| {
        scope.spawn(|| held.keep(&context));
        let mut slot = Slot::new(settings.child.clone(), true);
        let note = |lease: &Lease, ours: bool| held.note(lease, ours);
        let half = prepare(&context, &found, key, attempt, &mut slot, &note);
        let report = match half {
            Half::Over(report) => *report,
            Half::Ready(finished) => publish(&context, vec![*finished], &note)
                .pop()
                .unwrap_or_else(|| Report::new(&found.id, key, JobStatus::Retry)),
        };
        held.close();
        Ok(report)
    })
}

/// A case's path and the fingerprint it had.
type Mark = (String, String);

struct Run<'a> {
    context: &'a Context,
    options: &'a RunOptions,
    observer: &'a dyn Observer,
    log: Log,
    /// Fingerprints of cases this run need not look at again.
    settled: HashSet<Mark>,
    summary: RunSummary,
}

impl Run<'_> {
    fn passes(&mut self) -> Result<()> {
        loop {
            let (queue, unstable) = self.survey()?;
            let fruitless = queue.is_empty();
            self.work_off(queue);
            self.summary.unstable = unstable;
            if self.context.stopped() || self.options.once || self.summary.trouble.is_some() {
                return Ok(());
            }
            let pause = match (self.options.watch, unstable) {
                (Some(watch), _) => watch,
                (None, 0) if fruitless => return Ok(()),
                (None, 0) => continue,
                (None, _) => self.context.rules.stable_for.min(Duration::from_secs(30)),
            };
            if !self.context.rules_can_settle(unstable) && self.options.watch.is_none() {
                return Ok(());
            }
            self.pause(pause);
        }
    }

    fn pause(&self, pause: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < pause && !self.context.stopped() {
            std::thread::sleep(TICK.min(pause));
        }
    }

    /// What there is to do now, largest first, and how many cases are not complete yet.
    fn survey(&mut self) -> Result<(Vec<Task>, u64)> {
        let bundles = cases(self.context, self.options.shard)?;
        let looked = ask_all(&bundles, |bundle| self.look(bundle));
        let (mut tasks, mut unstable) = (Vec::new(), 0);
        let mut planned: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (bundle, look) in bundles.iter().zip(looked) {
            let Some((mark, state)) = look? else {
                continue;
            };
            *planned.entry(state.as_str()).or_default() += 1;
            match state {
                State::New => tasks.push(Task::new(bundle.clone(), mark)),
                State::Unstable => unstable += 1,
                State::Published | State::Failed | State::Leased => {
                    self.settled.insert(mark);
                }
            }
        }
        self.summary.found = bundles.len() as u64;
        if self.summary.planned.is_empty() {
            self.summary.planned = planned;
        }
        self.context.cache().save(&*self.context.store, &bundles)?;
        tasks.sort_by(|a, b| {
            b.bytes
                .cmp(&a.bytes)
                .then_with(|| a.bundle.path.cmp(&b.bundle.path))
        });
        Ok((tasks, unstable))
    }

    /// The fingerprint and state of a case this run has not settled yet.
    fn look(&self, bundle: &Bundle) -> Result<Option<(Mark, State)>> {
        let mark = (bundle.path.clone(), bundle.fingerprint());
        if self.settled.contains(&mark) {
            return Ok(None);
        }
        let state = if !is_stable(self.context, bundle, &mark.1) {
            State::Unstable
        } else if let Some(key) = self.context.known_key(bundle, &mark.1) {
            state(self.context, bundle, &key)?
        } else {
            State::New
        };
        Ok(Some((mark, state)))
    }

    fn work_off(&mut self, tasks: Vec<Task>) {
        if tasks.is_empty() {
            return;
        }
        let bytes = tasks.iter().map(|task| task.bytes).sum();
        self.observer.planned(tasks.len() as u64, bytes);
        let floor = Floor::new(self.context, self.observer, &self.log, tasks, self.options.jobs);
        let queue = floor.work_off();
        self.summary.left += queue.left;
        self.summary.trouble = queue.trouble;
        for (status, count) in queue.ended {
            *self.summary.ended.entry(status).or_default() += count;
        }
        self.settled.extend(queue.settled);
        self.log.flush(self.context);
        let present = cases(self.context, self.options.shard).unwrap_or_default();
        if !present.is_empty()
            && let Err(error) = self.context.cache().save(&*self.context.store, &present)
        {
            tracing::debug!("{error}");
        }
    }
}

impl Context {
    /// Waiting helps only where quiet is what is missing.
    fn rules_can_settle(&self, unstable: u64) -> bool {
        unstable == 0 || !self.rules.stable_for.is_zero()
    }
}
