//! Seeds, past failures and a few hundred damaged seeds of every target.

use std::time::Duration;

use casetrace_fuzz::session::{self, Settings, Watch};
use casetrace_fuzz::{TARGETS, stored};

/// Enough for a smoke test: large inputs get fewer executions in it.
fn settings() -> Settings {
    Settings {
        time: Duration::from_secs(2),
        cpu: None,
        executions: 300,
        seed: 7,
        slow: Duration::from_secs(10),
        corpus: false,
        keep: false,
        guided: true,
        watch: Watch::default(),
    }
}

#[test]
fn properties_hold_on_seeds_past_failures_and_damage() {
    let mut failures = Vec::new();
    for target in TARGETS {
        let outcome = session::run(target, &settings());
        assert!(outcome.executions > 0, "{} has no seeds", target.name);
        assert_eq!(outcome.slow, 0, "{} took {:?}", target.name, outcome.slowest.0);
        failures.extend(outcome.crashes.into_iter().map(|crash| (target.name, crash.told)));
    }
    casetrace_fuzz::finish();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn names_are_distinct_and_every_kept_input_has_its_target() {
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), TARGETS.len());
    for entry in std::fs::read_dir(stored::regressions(env!("CARGO_MANIFEST_DIR")))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        assert!(
            names.iter().any(|known| name == *known),
            "{} belongs to no target",
            name.display()
        );
    }
}
