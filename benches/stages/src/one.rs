//! One stage, once, in this process.

use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{Failure, Given, Stage, Work};

/// What the allocator was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocations {
    /// Blocks, those that grew or shrank in place included.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Tells what the allocator was asked for so far, in programs that count.
pub type Counter = Option<fn() -> Allocations>;

/// What one run took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Measured {
    /// Bytes worked through.
    pub bytes: u64,
    /// What came of them.
    pub items: u64,
    /// Bytes read from the file.
    pub read: u64,
    /// By the clock on the wall.
    pub seconds: f64,
    /// On processors, the kernel's part included.
    pub cpu_seconds: f64,
    /// Most memory the process had while the stage ran, what it works on included.
    pub peak_kib: u64,
    /// In programs that count.
    pub allocations: Option<Allocations>,
}

/// Makes a stage ready and runs it once.
pub fn run(stage: &Stage, given: &Given, counter: Counter) -> Result<Measured, Failure> {
    let mut ready = (stage.prepare)(given)?;
    forget_peak();
    let (asked, cpu, begun) = (counter.map(|count| count()), cpu_seconds(), Instant::now());
    let work: Work = ready()?;
    let seconds = begun.elapsed().as_secs_f64();
    let allocations = counter.zip(asked).map(|(count, before)| {
        let now = count();
        Allocations {
            count: now.count - before.count,
            bytes: now.bytes - before.bytes,
        }
    });
    if work.bytes == 0 || work.items == 0 {
        return Err(format!("{} worked through nothing: {work:?}", stage.name).into());
    }
    Ok(Measured {
        bytes: work.bytes,
        items: work.items,
        read: work.read,
        seconds,
        cpu_seconds: cpu_seconds() - cpu,
        peak_kib: peak_kib(),
        allocations,
    })
}

/// The peak starts again from what is in memory now, where the system can do that.
fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// User and system time of all threads, in hundredths.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold blanks; the two times are the twelfth and thirteenth field behind it.
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = fields.split(' ').skip(11).take(2);
    ticks.filter_map(|n| n.parse::<f64>().ok()).sum::<f64>() / 100.0
}
