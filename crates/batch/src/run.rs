//! A whole run: several slots work, one thread publishes, one renews leases.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::abreast::ask_all;
use crate::bundle::{Bundle, BundleId, Shard};
use crate::clock;
use crate::context::{Context, Settings};
use crate::error::{BatchError, Result};
use crate::job::{Finished, Half, prepare, publish};
use crate::key::JobKey;
use crate::plan::{State, cases, is_stable, state};
use crate::report::{JobStatus, Report};
use crate::store::Lease;
use crate::worker::Slot;

/// Cases published with one visit to the disk.
const PUBLISH_AT_ONCE: usize = 64;
/// First pause before a case is tried again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The surroundings are taken for broken after so many cases in a row, for each slot.
const TROUBLE_PER_SLOT: u64 = 4;
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
        let floor = Floor {
            context: self.context,
            observer: self.observer,
            queue: Mutex::new(Queue::new(tasks)),
            changed: Condvar::new(),
            held: Held::default(),
            in_trouble: AtomicU64::new(0),
            trouble_limit: TROUBLE_PER_SLOT * self.options.jobs.max(1) as u64,
            log: &self.log,
        };
        let slots = self.options.jobs.max(1);
        let (send, receive) = sync_channel(PUBLISH_AT_ONCE);
        std::thread::scope(|scope| {
            scope.spawn(|| floor.held.keep(self.context));
            let workers: Vec<_> = (0..slots)
                .map(|_| {
                    let send = send.clone();
                    let floor = &floor;
                    scope.spawn(move || floor.work(&send))
                })
                .collect();
            drop(send);
            floor.publish_all(&receive);
            for worker in workers {
                let _ = worker.join();
            }
            floor.held.close();
        });
        let queue = floor.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
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

#[derive(Debug)]
struct Task {
    bundle: Bundle,
    bytes: u64,
    mark: Mark,
    /// Times the surroundings failed under it.
    tries: u32,
    not_before: Option<Instant>,
}

impl Task {
    fn new(bundle: Bundle, mark: Mark) -> Self {
        Self {
            bytes: bundle.bytes(),
            bundle,
            mark,
            tries: 0,
            not_before: None,
        }
    }
}

#[derive(Debug)]
struct Queue {
    /// Largest last; taken from the end.
    waiting: Vec<Task>,
    out: usize,
    ended: BTreeMap<&'static str, u64>,
    settled: Vec<Mark>,
    left: u64,
    trouble: Option<String>,
}

impl Queue {
    fn new(mut tasks: Vec<Task>) -> Self {
        tasks.reverse();
        Self {
            waiting: tasks,
            out: 0,
            ended: BTreeMap::new(),
            settled: Vec::new(),
            left: 0,
            trouble: None,
        }
    }
}

/// Where the slots work.
struct Floor<'a> {
    context: &'a Context,
    observer: &'a dyn Observer,
    queue: Mutex<Queue>,
    changed: Condvar,
    held: Held,
    /// Cases in a row the surroundings failed under.
    in_trouble: AtomicU64,
    trouble_limit: u64,
    log: &'a Log,
}

impl Floor<'_> {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Task> {
        let mut queue = self.queue();
        loop {
            if self.context.stopped() || queue.trouble.is_some() {
                queue.left += queue.waiting.len() as u64;
                queue.waiting.clear();
                self.changed.notify_all();
                return None;
            }
            let now = Instant::now();
            let due = |task: &Task| task.not_before.is_none_or(|at| at <= now);
            if let Some(at) = queue.waiting.iter().rposition(due) {
                queue.out += 1;
                return Some(queue.waiting.remove(at));
            }
            if queue.waiting.is_empty() && queue.out == 0 {
                self.changed.notify_all();
                return None;
            }
            queue = match self.changed.wait_timeout(queue, TICK) {
                Ok((queue, _)) => queue,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn work(&self, send: &SyncSender<(Task, Finished)>) {
        let settings = &self.context.settings;
        let mut slot = Slot::new(settings.child.clone(), settings.always_fresh);
        let note = |lease: &Lease, ours: bool| self.held.note(lease, ours);
        while let Some(mut task) = self.next() {
            if task.tries > 0 && !self.refresh(&mut task) {
                self.gone(task);
                continue;
            }
            match prepare(self.context, &task.bundle, None, None, &mut slot, &note) {
                Half::Over(report) => self.over(task, *report),
                Half::Ready(finished) => {
                    if let Err(lost) = send.send((task, *finished)) {
                        let (task, finished) = lost.0;
                        self.over(
                            task,
                            Report::new(&finished_bundle(&finished), None, JobStatus::Retry),
                        );
                    }
                }
            }
        }
    }

    /// After trouble, the case is looked at again: it may have changed. False if it is gone.
    fn refresh(&self, task: &mut Task) -> bool {
        match self.context.share.look(&task.bundle.path, &self.context.rules) {
            Ok(Some(now)) => {
                let fingerprint = now.fingerprint();
                self.context.cache().see(&now, &fingerprint);
                task.mark = (now.path.clone(), fingerprint);
                task.bytes = now.bytes();
                task.bundle = now;
                true
            }
            Ok(None) => false,
            // The share is away; working on the case will say so.
            Err(_) => true,
        }
    }

    fn gone(&self, task: Task) {
        let mut queue = self.queue();
        queue.out = queue.out.saturating_sub(1);
        queue.settled.push(task.mark);
        drop(queue);
        self.changed.notify_all();
    }

    fn publish_all(&self, receive: &Receiver<(Task, Finished)>) {
        let note = |lease: &Lease, ours: bool| self.held.note(lease, ours);
        while let Ok(first) = receive.recv() {
            let mut batch = vec![first];
            while batch.len() < PUBLISH_AT_ONCE
                && let Ok(next) = receive.try_recv()
            {
                batch.push(next);
            }
            let (tasks, finished): (Vec<Task>, Vec<Finished>) = batch.into_iter().unzip();
            let reports = publish(self.context, finished, &note);
            for (task, report) in tasks.into_iter().zip(reports) {
                self.over(task, report);
            }
        }
    }

    /// A case is done with, or goes back into the queue.
    fn over(&self, mut task: Task, report: Report) {
        let most = self.context.settings.max_attempts.max(1);
        let environment = report.status == JobStatus::Retry && report.class.is_none() && !report.stopped;
        if environment {
            task.tries += 1;
            self.in_trouble.fetch_add(1, Ordering::Relaxed);
        } else {
            self.in_trouble.store(0, Ordering::Relaxed);
        }
        let broken = self.in_trouble.load(Ordering::Relaxed) >= self.trouble_limit;
        let again = report.status == JobStatus::Retry
            && !report.stopped
            && !report.full
            && !broken
            && !self.context.stopped()
            && task.tries < most;
        self.log.line(self.context, &report);
        self.observer.ended(&report, task.bytes, again);
        let mut queue = self.queue();
        queue.out = queue.out.saturating_sub(1);
        if (report.full || broken) && queue.trouble.is_none() {
            queue.trouble = Some(report.reason.clone().unwrap_or_default());
        }
        if again {
            let tried = task.tries.max(report.attempt).saturating_sub(1);
            let pause = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(tried).unwrap_or(u32::MAX));
            task.not_before = Some(Instant::now() + pause.min(LONGEST_PAUSE));
            queue.waiting.insert(0, task);
        } else {
            *queue.ended.entry(report.status.as_str()).or_default() += 1;
            if report.status == JobStatus::Retry {
                queue.left += 1;
            }
            queue.settled.push(task.mark);
        }
        drop(queue);
        self.changed.notify_all();
    }
}

fn finished_bundle(finished: &Finished) -> BundleId {
    finished.sealed.manifest.bundle.clone()
}

/// Leases that have to be renewed.
#[derive(Debug, Default)]
struct Held {
    leases: Mutex<(Vec<Lease>, bool)>,
    changed: Condvar,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, (Vec<Lease>, bool)> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, lease: &Lease, ours: bool) {
        let mut held = self.lock();
        held.0.retain(|other| other != lease);
        if ours {
            held.0.push(lease.clone());
        }
    }

    fn close(&self) {
        self.lock().1 = true;
        self.changed.notify_all();
    }

    /// Renews until closed.
    fn keep(&self, context: &Context) {
        let every = (context.settings.lease_ttl / 3).max(TICK);
        let mut renewed = Instant::now();
        loop {
            let held = self.lock();
            if held.1 {
                return;
            }
            let wait = every
                .saturating_sub(renewed.elapsed())
                .max(Duration::from_millis(1));
            let (held, _) = match self.changed.wait_timeout(held, wait) {
                Ok(woken) => woken,
                Err(poisoned) => poisoned.into_inner(),
            };
            if held.1 {
                return;
            }
            if renewed.elapsed() >= every {
                renewed = Instant::now();
                // Under the lock, so that nothing is renewed that is being released. A lease lost costs double work at most.
                for lease in &held.0 {
                    let _ = context.store.renew(lease);
                }
            }
        }
    }
}

/// The log of a run in the output: a line for each case, written in bursts.
#[derive(Debug)]
struct Log {
    run: String,
    pending: Mutex<(Vec<String>, Option<Instant>)>,
}

impl Log {
    fn new(run: String) -> Self {
        Self {
            run,
            pending: Mutex::new((Vec::new(), None)),
        }
    }

    fn line(&self, context: &Context, report: &Report) {
        let line = serde_json::to_string(report).unwrap_or_default();
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.0.push(line);
        let begin = *pending.1.get_or_insert_with(Instant::now);
        let due = pending.0.len() >= 256 || begin.elapsed() > Duration::from_secs(2);
        drop(pending);
        if due {
            self.flush(context);
        }
    }

    fn flush(&self, context: &Context) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = std::mem::take(&mut pending.0);
        pending.1 = None;
        if !lines.is_empty()
            && let Err(error) = context.store.log(&self.run, &lines.join("\n"))
        {
            tracing::debug!("{error}");
        }
    }

    fn end(&self, context: &Context, summary: &RunSummary) {
        self.flush(context);
        let ended = jiff::Timestamp::now().to_string();
        let line = serde_json::json!({ "ended": ended, "summary": summary });
        if let Err(error) = context.store.log(&self.run, &line.to_string()) {
            tracing::debug!("{error}");
        }
    }
}
