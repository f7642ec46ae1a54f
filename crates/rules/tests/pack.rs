//! The rule files under `pipelines/` are sound, and every case in them comes out as written.
//!
//! Files are read from disk, so that a changed rule is tested without building anything: run the test binary again.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use casetrace_rules::{RuleError, RulePack};

fn files() -> Vec<(String, String)> {
    let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines");
    let mut names: Vec<String> = fs::read_dir(pipelines.join("rules"))
        .unwrap()
        .map(|entry| format!("rules/{}", entry.unwrap().file_name().to_string_lossy()))
        .filter(|name| name.ends_with(".toml"))
        .collect();
    names.sort();
    names.insert(0, "predicates.toml".to_owned());
    names
        .into_iter()
        .map(|name| (name.clone(), fs::read_to_string(pipelines.join(name)).unwrap()))
        .collect()
}

#[test]
fn every_rule_is_sound_and_every_case_comes_out() {
    let loaded = RulePack::only(&files());
    let mut faults: Vec<String> = loaded
        .errors
        .iter()
        .chain(&loaded.pack.dangling())
        .map(RuleError::to_string)
        .collect();
    for result in loaded.pack.test() {
        faults.extend(
            result
                .failures
                .iter()
                .map(|f| format!("{}: case \"{}\": {f}", result.file, result.name)),
        );
    }
    faults.extend(
        loaded
            .pack
            .untested()
            .into_iter()
            .map(|(id, what)| format!("{id}: {what}")),
    );
    assert!(
        faults.is_empty(),
        "{} faults\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// What comes with the program is not shown to polars at each start, so it is here.
#[test]
fn polars_takes_the_attempts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/attempts.toml");
    let loaded = RulePack::only(&[("attempts.toml".to_owned(), fs::read_to_string(path).unwrap())]);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
}

#[test]
fn the_embedded_pack_loads() {
    let loaded = RulePack::builtin();
    assert!(loaded.pack.rule("pxy-01").is_some());
    assert_eq!(loaded.pack.version().len(), 12);
    assert_eq!(RulePack::builtin().pack.version(), loaded.pack.version());
}
