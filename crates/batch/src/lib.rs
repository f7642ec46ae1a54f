//! Scheduled work over a share of cases: each is analysed once for its content, tool, rules and settings, whatever dies in between.
//!
//! Execution is at least once, publication exactly once. A case's results are written where nobody looks, sealed with a
//! manifest, brought to disk, and become visible by one step: a rename, or a conditional PUT. Leases only save work; two workers on one
//! case are harmless, because the second rename or PUT fails. The analysis itself runs in a child process ([`serve`]), which may crash,
//! hang or eat memory without harm to anything else.
//!
//! This crate knows nothing about traces or Parquet: the child's [`Work`] does.

mod abreast;
mod blob;
mod bundle;
mod cache;
mod clock;
mod compact;
mod config;
mod context;
mod error;
mod failure;
mod fetch;
mod janitor;
mod job;
mod key;
mod location;
mod manifest;
mod pattern;
mod plan;
mod private;
mod report;
mod run;
mod share;
mod status;
mod steps;
mod store;
mod work;
mod worker;

pub use bundle::{Bundle, BundleId, InputFile, Shard};
pub use clock::shift_clock;
pub use compact::{Compaction, CompactionOptions, Join, compact};
pub use config::{CONFIG_FILE, ShareRules, parse_duration};
pub use context::Settings;
pub use error::{BatchError, Result};
pub use failure::{Attempt, Class, FailureRecord, JobLimits};
pub use fetch::{MAX_FETCHED, fetch_tables};
pub use janitor::clean;
pub use key::{JobKey, Versions};
pub use location::{Location, StoreUri};
pub use manifest::{MANIFEST, Manifest, ResultFile, Summary};
pub use plan::{PlanLine, State, plan};
pub use report::{JobStatus, Report};
pub use run::{NoObserver, Observer, RunOptions, RunSummary, run, run_one};
pub use status::{FailedCase, Status, status};
pub use steps::{CompactionStep, Step, Steps, Unwatched};
pub use store::{Cleaning, CleaningOptions};
pub use work::{Answer, Assignment, Work, WorkError, serve};
pub use worker::ChildCommand;

/// Memory this machine could give to one of `jobs` cases, leaving a fifth for everything else; 4 GiB where that can't be told.
pub fn memory_share(jobs: usize) -> u64 {
    let free = work::proc_value(std::path::Path::new("/proc/meminfo"), "MemAvailable:");
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    let free = match (free, group) {
        (Some(free), Some(group)) => free.min(group),
        (Some(free), None) => free,
        _ => return 4 << 30,
    };
    (free / 5 * 4 / jobs.max(1) as u64).max(256 << 20)
}
