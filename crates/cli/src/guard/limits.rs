//! What the work process may use, and what it leaves behind.

use std::fs;
use std::io;

use rlimit::{Resource, getrlimit, setrlimit};

/// An upload that needs more CPU time than this is not going to end.
const CPU_SECONDS: u64 = 12 * 60 * 60;
/// Files mapped for reading, thread stacks and what the allocator only reserves count as address space: it is bounded
/// loosely, and private writable memory exactly.
const BESIDES: u64 = 64 << 30;
/// Above the budget that `--memory-limit` gives to rows and streams: tables, rules, polars, and what the allocator
/// reserves ahead. Who exceeds this is out of control, not merely large.
const BESIDE_BUDGET: u64 = 2 << 30;
/// No core dump. Linux takes 0 as "none" for files only; 1 also stops handlers behind a pipe, and is too little for a file.
const NO_CORE: u64 = 1;

/// Takes the limits: memory as `budget` allows (default: what the machine has), CPU time, and the size of files.
pub(super) fn take(budget: Option<u64>, largest_file: Option<u64>) -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::CORE)?;
    setrlimit(Resource::CORE, NO_CORE.min(hard), NO_CORE.min(hard))?;
    let memory = budget.map(|bytes| bytes.saturating_add(BESIDE_BUDGET));
    if let Some(bytes) = memory.or_else(installed) {
        lower(Resource::DATA, bytes)?;
        lower(Resource::AS, bytes.saturating_mul(4).saturating_add(BESIDES))?;
    }
    lower(Resource::CPU, CPU_SECONDS)?;
    largest_file.map_or(Ok(()), |bytes| lower(Resource::FSIZE, bytes))
}

/// Never raises what the caller's environment has set.
fn lower(resource: Resource, to: u64) -> io::Result<()> {
    let (soft, hard) = getrlimit(resource)?;
    setrlimit(resource, soft.min(to), hard.min(to))
}

/// Bytes of memory the machine has.
fn installed() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}
