//! The child's side: takes one case at a time on standard input, answers with one line each on standard output.
//!
//! A child that dies takes only the case it was working on with it. It knows nothing of leases and commits: it writes files into
//! a folder it is given. When its parent goes, standard input ends, and so does the child, whatever it was doing.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;

use serde::{Deserialize, Serialize};

use crate::failure::JobLimits;
use crate::manifest::Summary;

/// One case to work on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Name of the case in results.
    pub bundle: String,
    /// File or folder to analyse.
    pub input: PathBuf,
    /// Where the results go; exists and is empty.
    pub stage: PathBuf,
    /// For everything temporary; exists and is private.
    pub work: PathBuf,
    /// What may be used up.
    pub limits: JobLimits,
}

/// How the work on a case ended, if it ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The files are there.
    Done {
        /// What came out.
        summary: Summary,
        /// Most memory used.
        peak_rss_bytes: u64,
    },
    /// Nothing in it can be decoded; it never will.
    Unreadable(String),
    /// The environment failed; the same may work later.
    TryAgain(String),
    /// Our own fault.
    Internal(String),
}

/// Why a piece of work has no results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkError {
    /// See [`Answer::Unreadable`].
    Unreadable(String),
    /// See [`Answer::TryAgain`].
    TryAgain(String),
    /// See [`Answer::Internal`].
    Internal(String),
}

/// What is done with a case.
pub trait Work {
    /// Analyses `assignment.input` and writes all result files into `assignment.stage`.
    fn analyse(&self, assignment: &Assignment) -> Result<Summary, WorkError>;
}

/// Serves assignments until standard input ends.
pub fn serve(work: &dyn Work) -> ExitCode {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || read_assignments(&send));
    let mut out = io::stdout().lock();
    for assignment in receive {
        let answer = one(work, &assignment);
        let mut line = serde_json::to_vec(&answer).unwrap_or_default();
        line.push(b'\n');
        if out.write_all(&line).and_then(|()| out.flush()).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn read_assignments(send: &mpsc::Sender<Assignment>) {
    for line in io::stdin().lock().lines() {
        let Some(assignment) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else {
            break;
        };
        if send.send(assignment).is_err() {
            break;
        }
    }
    // The parent is gone or has nothing more for us; work under way is of no use to anybody.
    std::process::exit(0);
}

fn one(work: &dyn Work, assignment: &Assignment) -> Answer {
    confine(&assignment.limits);
    match work.analyse(assignment) {
        Ok(summary) => Answer::Done {
            summary,
            peak_rss_bytes: peak_rss(),
        },
        Err(WorkError::Unreadable(reason)) => Answer::Unreadable(reason),
        Err(WorkError::TryAgain(reason)) => Answer::TryAgain(reason),
        Err(WorkError::Internal(reason)) => Answer::Internal(reason),
    }
}

/// Ceilings of the kernel, behind the parent's own watching: they hold even if the parent is frozen.
///
/// Polars and the allocator reserve far more address space than they use, and large inputs are mapped; so the address space is
/// bounded loosely, and data (private writable memory) at twice the limit.
#[cfg(target_os = "linux")]
fn confine(limits: &JobLimits) {
    use rlimit::Resource;
    let lower = |resource: Resource, wanted: u64| {
        let Ok((_, hard)) = resource.get() else { return };
        // A ceiling that can't be set is no reason not to work: the parent watches as well.
        let _ = resource.set(wanted.min(hard), hard);
    };
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let memory = limits.memory_bytes;
    lower(Resource::AS, memory.saturating_mul(4).saturating_add(64 << 30));
    lower(Resource::DATA, memory.saturating_mul(2).saturating_add(2 << 30));
    lower(Resource::FSIZE, limits.file_bytes);
    lower(Resource::CORE, 0);
    let seconds = limits
        .time_ms
        .div_ceil(1000)
        .saturating_mul(cores)
        .saturating_add(1);
    lower(Resource::CPU, cpu_seconds_used().saturating_add(seconds));
    // A fresh mark for the peak of this case.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[cfg(not(target_os = "linux"))]
fn confine(_: &JobLimits) {}

/// User and system time of this process in whole seconds; the kernel reports in hundredths on every architecture.
#[cfg(target_os = "linux")]
fn cpu_seconds_used() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name may hold blanks and brackets; fields are counted from behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    (ticks(12) + ticks(13)) / 100 + 1
}

#[cfg(target_os = "linux")]
fn peak_rss() -> u64 {
    proc_value(Path::new("/proc/self/status"), "VmHWM:").unwrap_or(0)
}

#[cfg(not(target_os = "linux"))]
fn peak_rss() -> u64 {
    0
}

/// A value in kilobytes out of a `status` or `meminfo` file, in bytes.
pub(crate) fn proc_value(file: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let number: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    number.checked_mul(1024)
}
