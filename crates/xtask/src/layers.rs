//! Which of our crates may use which: the picture in ARCHITECTURE.md as data.

use std::process::Command;

use serde_json::Value;

/// Every crate with the crates of ours it may depend on (dev-dependencies are free).
pub(crate) const ALLOWED: &[(&str, &[&str])] = &[
    ("casetrace-model", &[]),
    ("casetrace-synth", &[]),
    ("casetrace-bundle", &["casetrace-model"]),
    ("casetrace-events", &["casetrace-model"]),
    ("casetrace-saz", &["casetrace-model"]),
    ("casetrace-etl", &["casetrace-model", "casetrace-events"]),
    ("casetrace-pcap", &["casetrace-model"]),
    ("casetrace-evtx", &["casetrace-model", "casetrace-events"]),
    ("casetrace-text", &["casetrace-model", "casetrace-events"]),
    ("casetrace-knowledge", &["casetrace-model"]),
    ("casetrace-redact", &["casetrace-model"]),
    ("casetrace-batch", &["casetrace-model"]),
    ("casetrace-timeline", &["casetrace-model"]),
    (
        "casetrace-rules",
        &["casetrace-model", "casetrace-timeline", "casetrace-knowledge"],
    ),
    (
        "casetrace-report",
        &[
            "casetrace-model",
            "casetrace-timeline",
            "casetrace-rules",
            "casetrace-knowledge",
            "casetrace-redact",
        ],
    ),
    (
        "casetrace-fleet",
        &[
            "casetrace-model",
            "casetrace-timeline",
            "casetrace-rules",
            "casetrace-knowledge",
            "casetrace-report",
        ],
    ),
    (
        "casetrace-pipeline",
        &[
            "casetrace-model",
            "casetrace-bundle",
            "casetrace-saz",
            "casetrace-etl",
            "casetrace-pcap",
            "casetrace-evtx",
            "casetrace-text",
            "casetrace-knowledge",
            "casetrace-redact",
            "casetrace-timeline",
            "casetrace-rules",
            "casetrace-report",
        ],
    ),
];

/// Crates at the top, which may use everything.
const TOP: &[&str] = &[
    "casetrace",
    "casetrace-xtask",
    "casetrace-fuzz",
    "casetrace-fuzz-analysis",
    "casetrace-benches",
];

/// Edges that the table does not allow, one sentence each.
pub(crate) fn violations() -> Result<Vec<String>, String> {
    let metadata = metadata()?;
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata lists no packages")?;
    let mut found = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        if TOP.contains(&name) {
            continue;
        }
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            found.push(format!("{name} has no line in crates/xtask/src/layers.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let target = dependency["name"].as_str().unwrap_or_default();
            let is_dev = dependency["kind"].as_str() == Some("dev");
            if target.starts_with("casetrace") && !is_dev && !allowed.contains(&target) {
                found.push(format!("{name} must not depend on {target}"));
            }
        }
    }
    Ok(found)
}

/// The check as a chore.
pub(crate) fn check() -> Result<(), String> {
    let found = violations()?;
    if found.is_empty() {
        Ok(())
    } else {
        Err(found.join("\n"))
    }
}

fn metadata() -> Result<Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version=1",
            "--no-deps",
            "--offline",
            "--manifest-path",
        ])
        .arg(crate::root::root().join("Cargo.toml"))
        .output()
        .map_err(|error| format!("cargo metadata did not start: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_depend_downwards_only() {
        assert_eq!(violations(), Ok(Vec::new()));
    }

    #[test]
    fn the_table_itself_has_no_cycle() {
        for (name, uses) in ALLOWED {
            for used in *uses {
                let back = ALLOWED
                    .iter()
                    .find(|(other, _)| other == used)
                    .is_some_and(|(_, u)| u.contains(name));
                assert!(!back, "{name} and {used} may use each other");
            }
        }
    }
}
