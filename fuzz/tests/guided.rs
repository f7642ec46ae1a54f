//! A planted fault that needs several steps is found by what executions show, in a fraction of what damage needs blindly.

use std::cell::Cell;
use std::time::Duration;

use casetrace_fuzz::session::{self, Settings, Watch};
use casetrace_fuzz::{Target, shown};

/// What the planted reader stumbles over.
const MAGIC: &[u8] = b"\xd7case";
/// Executions of a run.
const EXECUTIONS: u64 = 300_000;

thread_local! {
    /// Inputs checked, and the first that hit the fault.
    static CHECKED: Cell<u64> = const { Cell::new(0) };
    static FOUND: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A reader that fails on all of [`MAGIC`], and shows how far it came.
fn stumble(data: &[u8]) {
    CHECKED.set(CHECKED.get() + 1);
    let matching = data.iter().zip(MAGIC).take_while(|(one, other)| one == other);
    let matching = matching.count();
    shown::note("matching", "", matching as u64);
    if matching == MAGIC.len() {
        FOUND.set(FOUND.get().or(Some(CHECKED.get())));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    vec![vec![b'.'; 8], b"innocent".to_vec()]
}

/// Executions until the fault was hit first.
fn found_after(seed: u64, guided: bool) -> Option<u64> {
    let target = Target {
        name: "planted",
        check: stumble,
        seeds,
        corpus: &[],
        home: env!("CARGO_MANIFEST_DIR"),
    };
    let settings = Settings {
        time: Duration::from_hours(1),
        cpu: None,
        executions: EXECUTIONS,
        seed,
        slow: Duration::from_hours(1),
        corpus: false,
        keep: false,
        guided,
        watch: Watch::default(),
    };
    CHECKED.set(0);
    FOUND.set(None);
    let outcome = session::run(&target, &settings);
    assert_eq!((outcome.executions, CHECKED.get()), (EXECUTIONS, EXECUTIONS));
    assert_eq!(outcome.kept > 0, guided, "{} inputs were kept", outcome.kept);
    FOUND.get()
}

#[test]
fn what_executions_show_leads_to_a_planted_fault() {
    for seed in [1, 2, 3] {
        let guided = found_after(seed, true);
        assert!(
            guided.is_some(),
            "seed {seed}: not found in {EXECUTIONS} executions"
        );
        assert_eq!(found_after(seed, true), guided, "the same seed does the same");
        assert_eq!(found_after(seed, false), None, "blindly, it would be luck");
    }
}
