//! Running the command, and holding its findings against a bundle's label.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub(crate) mod confusion;
pub(crate) mod search;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs the command in `folder`.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_casetrace"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

/// Does something with each item, on all cores. One that panics fails the test when the others are done.
// Not that of the timeline, which would link polars into tests that only run the command.
pub(crate) fn side_by_side<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}

/// Standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Reads a JSON file.
pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

const CONFIDENCES: [&str; 3] = ["proved", "likely", "possible"];

fn strength(confidence: &str) -> usize {
    CONFIDENCES
        .iter()
        .position(|c| *c == confidence)
        .unwrap_or(CONFIDENCES.len())
}

/// Everything in which `findings` differ from the label, a sentence each.
pub(crate) fn differences(expected: &Value, findings: &Value) -> Vec<String> {
    let found: Vec<&Value> = findings["findings"].as_array().unwrap().iter().collect();
    let mut wrong = Vec::new();
    for wanted in expected["findings"].as_array().unwrap() {
        wrong.extend(missing(wanted, &found));
    }
    for id in texts(&expected["refuted"]) {
        if !found
            .iter()
            .any(|f| f["rule_id"] == id && f["status"] == "refuted")
        {
            wrong.push(format!("{id} is not refuted"));
        }
    }
    for id in texts(&expected["absent"]) {
        if let Some(f) = found
            .iter()
            .find(|f| f["rule_id"] == id && f["status"] == "active" && f["severity"] != "info")
        {
            wrong.push(format!("{id} is there ({})", f["confidence"].as_str().unwrap()));
        }
    }
    for id in texts(&expected["data_quality"]) {
        if !findings["data_quality"]
            .as_array()
            .unwrap()
            .iter()
            .any(|q| q["id"] == id)
        {
            wrong.push(format!("{id} is not among the remarks on data quality"));
        }
    }
    wrong.extend(unexpected(expected, &found));
    wrong.extend(usurper(expected, &found));
    wrong
}

/// The finding at rank 1, if the label expects active findings and this is none of them.
fn usurper(expected: &Value, found: &[&Value]) -> Option<String> {
    let wanted = expected["findings"].as_array()?;
    let active = wanted.iter().any(|w| w["status"] == "active");
    let first = found
        .iter()
        .find(|f| f["rank"] == 1 && f["severity"] != "info" && active)?;
    let listed = wanted.iter().any(|w| w["rule_id"] == first["rule_id"]);
    (!listed).then(|| format!("{} has rank 1", first["rule_id"]))
}

fn missing(wanted: &Value, found: &[&Value]) -> Vec<String> {
    let id = wanted["rule_id"].as_str().unwrap();
    let of_rule: Vec<&&Value> = found.iter().filter(|f| f["rule_id"] == id).collect();
    let matching = of_rule
        .iter()
        .find(|f| f["confidence"] == wanted["confidence"] && f["status"] == wanted["status"]);
    let Some(finding) = matching else {
        let got: Vec<String> = of_rule
            .iter()
            .map(|f| format!("{} {}", f["status"], f["confidence"]))
            .collect();
        return vec![format!(
            "{id} {} {} is missing; got {got:?}",
            wanted["status"], wanted["confidence"]
        )];
    };
    let mut wrong = Vec::new();
    if wanted["rank"].is_u64() && finding["rank"] != wanted["rank"] {
        wrong.push(format!(
            "{id} has rank {} instead of {}",
            finding["rank"], wanted["rank"]
        ));
    }
    let all_evidence: Vec<&Value> = of_rule
        .iter()
        .flat_map(|f| f["evidence"].as_array().unwrap())
        .collect();
    for evidence in wanted["evidence"].as_array().into_iter().flatten() {
        let cited = all_evidence.iter().any(|e| {
            e["artifact"]
                .as_str()
                .unwrap()
                .ends_with(evidence["artifact"].as_str().unwrap())
                && e["source"] == evidence["source"]
                && e["kind"] == evidence["kind"]
        });
        if !cited {
            wrong.push(format!(
                "{id} does not cite {} ({})",
                evidence["artifact"], evidence["kind"]
            ));
        }
    }
    wrong
}

fn unexpected(expected: &Value, found: &[&Value]) -> Vec<String> {
    let Some(limit) = expected["others_below"].as_str() else {
        return Vec::new();
    };
    let mut known: Vec<&str> = texts(&expected["allowed"]);
    known.extend(
        expected["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|f| f["rule_id"].as_str()),
    );
    found
        .iter()
        .filter(|f| f["status"] == "active" && f["severity"] != "info")
        .filter(|f| !known.contains(&f["rule_id"].as_str().unwrap()))
        .filter(|f| strength(f["confidence"].as_str().unwrap()) <= strength(limit))
        .map(|f| {
            format!(
                "{} {} was not expected",
                f["rule_id"].as_str().unwrap(),
                f["confidence"].as_str().unwrap()
            )
        })
        .collect()
}
