//! The slots of a run: each takes the next case, works on it in its own child, and hands the result to the thread that publishes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::held::Held;
use super::log::Log;
use super::{Mark, Observer, TICK};
use crate::bundle::{Bundle, BundleId};
use crate::context::Context;
use crate::job::{Finished, Half, prepare, publish};
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

/// A case to work on.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) bundle: Bundle,
    pub(super) bytes: u64,
    mark: Mark,
    /// Times the surroundings failed under it.
    tries: u32,
    not_before: Option<Instant>,
}

impl Task {
    pub(super) fn new(bundle: Bundle, mark: Mark) -> Self {
        Self {
            bytes: bundle.bytes(),
            bundle,
            mark,
            tries: 0,
            not_before: None,
        }
    }
}

/// What waits, and what became of the rest.
#[derive(Debug)]
pub(super) struct Queue {
    /// Largest last; taken from the end.
    waiting: Vec<Task>,
    out: usize,
    pub(super) ended: BTreeMap<&'static str, u64>,
    pub(super) settled: Vec<Mark>,
    pub(super) left: u64,
    pub(super) trouble: Option<String>,
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
pub(super) struct Floor<'a> {
    context: &'a Context,
    observer: &'a dyn Observer,
    queue: Mutex<Queue>,
    changed: Condvar,
    held: Held,
    /// Cases in a row the surroundings failed under.
    in_trouble: AtomicU64,
    trouble_limit: u64,
    slots: usize,
    log: &'a Log,
}

impl<'a> Floor<'a> {
    /// With room for `jobs` cases at once.
    pub(super) fn new(
        context: &'a Context,
        observer: &'a dyn Observer,
        log: &'a Log,
        tasks: Vec<Task>,
        jobs: usize,
    ) -> Self {
        let slots = jobs.max(1);
        Self {
            context,
            observer,
            queue: Mutex::new(Queue::new(tasks)),
            changed: Condvar::new(),
            held: Held::default(),
            in_trouble: AtomicU64::new(0),
            trouble_limit: TROUBLE_PER_SLOT * slots as u64,
            slots,
            log,
        }
    }

    /// Until nothing waits any more.
    pub(super) fn work_off(self) -> Queue {
        let (send, receive) = sync_channel(PUBLISH_AT_ONCE);
        std::thread::scope(|scope| {
            scope.spawn(|| self.held.keep(self.context));
            let workers: Vec<_> = (0..self.slots)
                .map(|_| {
                    let send = send.clone();
                    let floor = &self;
                    scope.spawn(move || floor.work(&send))
                })
                .collect();
            drop(send);
            self.publish_all(&receive);
            for worker in workers {
                let _ = worker.join();
            }
            self.held.close();
        });
        self.queue.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

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
