//! Runs a target: over given inputs, or over damaged seeds for a time.
//!
//! A panic is caught, told apart from others by its place, shrunk and kept. Slow inputs are counted, the slowest is
//! kept in memory. An input that does not come to an end can only be told from outside: [`Watch`] lends the current
//! input to whoever looks at the clock.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::budget::Budget;
use crate::mutate::Dice;
use crate::pool::Pool;
use crate::shrink::shrink;
use crate::{Target, process, shown, stored};

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics silent; [`attempt`] tells where they were. Call once, before the first attempt.
pub fn silence_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line()));
        let text = info.payload_as_str().unwrap_or("(no text)");
        let first = text.lines().next().unwrap_or_default();
        let told = format!("{} at {}", first, place.unwrap_or_default());
        LAST.with(|last| *last.borrow_mut() = Some(told));
    }));
}

/// Checks one input; the panic's first line and place if it failed.
pub fn attempt(target: &Target, input: &[u8]) -> Result<(), String> {
    guarded(|| (target.check)(input))
}

/// Runs `f`; the panic's first line and place if it did.
pub fn guarded<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    LAST.with(|last| last.borrow_mut().take());
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(|_| {
        // A panic of a worker thread was told to that thread's slot; here it shows as a failed join.
        LAST.with(|last| last.borrow_mut().take())
            .unwrap_or_else(|| "panic in a worker thread".to_owned())
    })
}

/// The place of a panic, without its text, which may hold numbers of the input.
fn place(told: &str) -> &str {
    told.rsplit_once(" at ").map_or(told, |(_, place)| place)
}

/// Since when which target works on which input.
type Current = (Instant, &'static str, Vec<u8>);

/// The input being worked on and since when, for a watchdog.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Mutex<Option<Current>>>);

impl Watch {
    /// Now this target works on this input; `None` between inputs.
    pub fn set(&self, current: Option<(&'static str, &[u8])>) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match current {
            None => *slot = None,
            Some((name, input)) => {
                let mut kept = slot.take().map(|(_, _, bytes)| bytes).unwrap_or_default();
                kept.clear();
                kept.extend_from_slice(input);
                *slot = Some((Instant::now(), name, kept));
            }
        }
    }

    /// Since when which target has worked on which input, if that is longer than `limit`.
    pub fn stuck(&self, limit: Duration) -> Option<(Instant, &'static str, Vec<u8>)> {
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref()
            .filter(|(since, _, _)| since.elapsed() > limit)
            .cloned()
    }
}

/// How long, how, and what counts as slow.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Wall-clock time of each target.
    pub time: Duration,
    /// CPU time of each target, where it is known: what counts on a busy machine.
    pub cpu: Option<Duration>,
    /// Most executions of each target.
    pub executions: u64,
    /// Number that decides all damage.
    pub seed: u64,
    /// Executions above this are counted as slow.
    pub slow: Duration,
    /// Use corpus files as seeds as well.
    pub corpus: bool,
    /// Write failing inputs to the regressions folder.
    pub keep: bool,
    /// Damage inputs further that showed something new.
    pub guided: bool,
    /// Told the current input.
    pub watch: Watch,
}

/// A way to fail.
#[derive(Debug, Clone)]
pub struct Crash {
    /// First line and place of the panic.
    pub told: String,
    /// How many inputs failed there.
    pub count: u64,
    /// The first of them, shrunk.
    pub input: Vec<u8>,
    /// Where it is kept.
    pub kept: Option<PathBuf>,
}

/// What came of one target.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Seeds and past failures it started from.
    pub seeds: usize,
    /// Inputs that showed something new, and were damaged further.
    pub kept: usize,
    /// Different things that executions showed.
    pub marks: usize,
    /// Inputs checked.
    pub executions: u64,
    /// CPU seconds, where known.
    pub cpu_s: Option<f64>,
    /// Largest resident size of the process, where known.
    pub peak_mib: Option<u64>,
    /// Executions over the limit.
    pub slow: u64,
    /// The longest execution, and its input if it was slow.
    pub slowest: (Duration, Vec<u8>),
    /// Distinct ways to fail.
    pub crashes: Vec<Crash>,
}

/// Seeds, past failures and corpus files of a target.
pub fn inputs(target: &Target, corpus: bool) -> Vec<Vec<u8>> {
    let mut all = (target.seeds)();
    all.extend(
        stored::past(target)
            .unwrap_or_default()
            .into_iter()
            .map(|(_, input)| input),
    );
    if corpus {
        all.extend(stored::corpus_seeds(target));
    }
    all
}

/// First every seed as it is, whatever time that takes, then damaged ones until time or executions are used up.
pub fn run(target: &Target, settings: &Settings) -> Outcome {
    let seeds = inputs(target, settings.corpus);
    let mut session = Session {
        target,
        settings,
        outcome: Outcome {
            seeds: seeds.len(),
            ..Outcome::default()
        },
        found: BTreeMap::new(),
    };
    process::forget_peak();
    let (started, cpu) = (Instant::now(), process::cpu_s());
    let used = || process::cpu_s().zip(cpu).map(|(now, then)| now - then);
    let mut pool = Pool::new(seeds, settings.guided);
    for at in 0..pool.seeds().len() {
        let marks = session.execute(pool.seeds().get(at).map_or(&[], Vec::as_slice));
        pool.know(marks);
    }
    // Each target has a sequence of its own, so that adding one does not change the others.
    let name = target
        .name
        .bytes()
        .fold(settings.seed, |n, b| n.rotate_left(7) ^ u64::from(b));
    let (mut dice, mut input) = (Dice::new(name), Vec::new());
    let mut budget = Budget::new(settings.time, settings.cpu);
    while session.outcome.executions < settings.executions
        && !budget.is_spent(started.elapsed(), used)
        && pool.draw(&mut dice, &mut input)
    {
        let marks = session.execute(&input);
        pool.learn(&input, &marks);
    }
    (session.outcome.kept, session.outcome.marks) = (pool.kept(), pool.marks());
    session.outcome.cpu_s = used();
    session.outcome.peak_mib = process::peak_mib();
    session.outcome.crashes = session.found.into_values().collect();
    session.outcome
}

struct Session<'a> {
    target: &'a Target,
    settings: &'a Settings,
    outcome: Outcome,
    found: BTreeMap<String, Crash>,
}

impl Session<'_> {
    /// Checks an input; what was seen of it.
    fn execute(&mut self, input: &[u8]) -> BTreeSet<u64> {
        self.settings.watch.set(Some((self.target.name, input)));
        shown::take();
        let started = Instant::now();
        let result = attempt(self.target, input);
        let marks = shown::take();
        let mut took = started.elapsed();
        if took > self.settings.slow {
            // A busy machine is not a slow input: CPU time of a second execution counts, where it is known.
            let (started, cpu) = (Instant::now(), process::cpu_s());
            let _ = attempt(self.target, input);
            let used = process::cpu_s().zip(cpu).map(|(now, then)| now - then);
            took = used.map_or_else(
                || took.min(started.elapsed()),
                |s| Duration::from_secs_f64(s.max(0.0)),
            );
        }
        self.outcome.executions += 1;
        let slow = took > self.settings.slow;
        self.outcome.slow += u64::from(slow);
        if took > self.outcome.slowest.0 {
            self.outcome.slowest = (took, if slow { input.to_vec() } else { Vec::new() });
        }
        if let Err(told) = result {
            self.failed(input, told);
        }
        self.settings.watch.set(None);
        marks
    }

    fn failed(&mut self, input: &[u8], told: String) {
        let at = place(&told).to_owned();
        if let Some(known) = self.found.get_mut(&at) {
            known.count += 1;
            return;
        }
        let small = shrink(input, |bytes| {
            self.settings.watch.set(Some((self.target.name, bytes)));
            attempt(self.target, bytes).is_err_and(|told| place(&told) == at)
        });
        let kept = self
            .settings
            .keep
            .then(|| stored::keep(self.target, &small).ok())
            .flatten();
        let crash = Crash {
            told,
            count: 1,
            input: small,
            kept,
        };
        self.found.insert(at, crash);
    }
}
