//! The same stages over an allocator that counts; it would slow down what is timed, so it is a program of its own.

use std::alloc::System;
use std::process::ExitCode;

use casetrace_benches::one::Allocations;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    casetrace_benches::program::main(Some(asked))
}

fn asked() -> Allocations {
    let stats = ALLOCATOR.stats();
    Allocations {
        count: (stats.allocations + stats.reallocations) as u64,
        bytes: stats.bytes_allocated as u64,
    }
}
