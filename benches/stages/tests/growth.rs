//! Allocations, rows and bytes read grow as the input does, for every stage, at small sizes. Large ones: `stages --growth`.

use std::alloc::System;

use casetrace_benches::one::{Allocations, Measured, run};
use casetrace_benches::{Given, STAGES, Stage, growth};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Large enough that what a stage keeps once, however large its input, is small beside the rest.
const SIZES: [u64; 2] = [1_000_000, 4_000_000];

fn asked() -> Allocations {
    let stats = ALLOCATOR.stats();
    Allocations {
        count: (stats.allocations + stats.reallocations) as u64,
        bytes: stats.bytes_allocated as u64,
    }
}

fn measured(stage: &Stage, bytes: u64) -> Measured {
    let folder = tempfile::tempdir().expect("a folder");
    let given = Given::new(stage, folder.path().join("input.bin"), bytes);
    stage.input.write(&given.path, bytes).expect("an input");
    run(stage, &given, Some(asked)).unwrap_or_else(|failure| panic!("{}: {failure}", stage.name))
}

/// One test, as the allocator counts for the whole process.
#[test]
fn counts_grow_as_inputs_do() {
    let faults: Vec<String> = STAGES
        .iter()
        .flat_map(|stage| {
            let [small, large] = SIZES.map(|bytes| measured(stage, bytes));
            growth::faults(stage, &small, &large)
        })
        .collect();
    assert_eq!(faults, Vec::<String>::new());
}
