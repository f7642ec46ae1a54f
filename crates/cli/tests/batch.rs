//! `casetrace batch` with the real analysis: plan, run, publish, ask, compact. The protocol's own tests are in crates/batch.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use casetrace_synth::scenario::demo;
use serde_json::Value;

use common::{json, run, stdout};

/// A share with two demo bundles and something nobody can read.
fn share(root: &Path) {
    for bundle in demo::bundles().iter().take(2) {
        for file in &bundle.files {
            let path = root.join("share").join(bundle.name).join(&file.name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &file.data).unwrap();
        }
    }
    let noise: Vec<u8> = (0..64_u64)
        .flat_map(|at| *blake3::hash(&at.to_le_bytes()).as_bytes())
        .collect();
    fs::write(root.join("share/noise.bin"), noise).unwrap();
}

fn batch(root: &Path, verb: &str, more: &[&str]) -> std::process::Output {
    let mut arguments = vec![
        "batch",
        verb,
        "--share",
        "share",
        "--out",
        "out",
        "--stable-for",
        "0s",
    ];
    arguments.extend(more);
    run(root, &arguments)
}

fn lines(output: &std::process::Output) -> Vec<Value> {
    let text = stdout(output);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn count(root: &Path, sql: &str) -> u64 {
    let output = run(root, &["query", "out", sql, "--format", "jsonl"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    lines(&output)[0]["n"].as_u64().unwrap()
}

#[test]
fn a_share_becomes_a_dataset() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    share(root);
    let plan = lines(&batch(root, "plan", &["--format", "jsonl"]));
    assert_eq!(plan.len(), 3);
    assert!(plan.iter().all(|line| line["state"] == "new"));

    let one = plan.iter().find(|line| line["path"] != "noise.bin").unwrap();
    let (bundle, key) = (one["bundle"].as_str().unwrap(), one["job_key"].as_str().unwrap());
    let done = batch(
        root,
        "run-one",
        &["--bundle", bundle, "--job-key", key, "--attempt", "1"],
    );
    assert_eq!(
        done.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let done = lines(&done);
    assert_eq!((done.len(), done[0]["status"].as_str()), (1, Some("published")));
    let again = lines(&batch(root, "run-one", &["--bundle", bundle]));
    assert_eq!(again[0]["status"], "already");
    let stale = batch(
        root,
        "run-one",
        &["--bundle", bundle, "--job-key", &"0".repeat(40)],
    );
    assert_eq!(
        (stale.status.code(), lines(&stale)[0]["status"].as_str()),
        (Some(75), Some("retry"))
    );

    let all = batch(root, "run", &["--jobs", "2", "--format", "json"]);
    assert_eq!(
        all.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&all.stderr)
    );
    let ended = &lines(&all)[0]["ended"];
    assert_eq!(
        (ended["published"].as_u64(), ended["failed"].as_u64()),
        (Some(1), Some(1))
    );
    let status = run(root, &["batch", "status", "--out", "out", "--format", "json"]);
    let status: Value = serde_json::from_str(&stdout(&status)).unwrap();
    assert_eq!(
        (status["published"].as_u64(), status["failed"].as_u64()),
        (Some(2), Some(1))
    );
    assert_eq!(status["failures"][0]["class"], "unreadable");
    let text = run(
        root,
        &["batch", "status", "--out", "out", "--format", "prometheus"],
    );
    assert!(stdout(&text).contains("casetrace_batch_failed{class=\"unreadable\"} 1"));

    questions(root, bundle);
    compacted(root);
}

fn questions(root: &Path, bundle: &str) {
    assert_eq!(count(root, "SELECT COUNT(DISTINCT bundle) AS n FROM timeline"), 2);
    assert_eq!(count(root, "SELECT COUNT(*) AS n FROM bundles"), 2);
    assert!(count(root, "SELECT COUNT(*) AS n FROM findings WHERE status = 'active'") > 0);
    let case = root.join("out/cases").join(format!("bundle={bundle}"));
    let manifest = json(&case.join("_manifest.json"));
    let sql = format!("SELECT COUNT(bundle) AS n FROM timeline WHERE bundle = '{bundle}'");
    assert_eq!(Some(count(root, &sql)), manifest["summary"]["rows"].as_u64());
    // A published case is a case folder like any other.
    let rows = run(
        root,
        &[
            "timeline",
            case.to_str().unwrap(),
            "--columns",
            "kind",
            "--format",
            "csv",
        ],
    );
    assert_eq!(
        stdout(&rows).lines().count() as u64,
        manifest["summary"]["rows"].as_u64().unwrap() + 1
    );
    assert!(case.join("report.md").is_file() && case.join("report.html").is_file());
    let checked = run(root, &["batch", "janitor", "--out", "out", "--verify"]);
    assert_eq!(checked.status.code(), Some(0), "{}", stdout(&checked));
}

fn compacted(root: &Path) {
    let rows = count(root, "SELECT COUNT(*) AS n FROM timeline");
    let findings = count(root, "SELECT COUNT(bundle) AS n FROM findings");
    let joined = run(
        root,
        &[
            "batch",
            "janitor",
            "--out",
            "out",
            "--compact",
            "--at-least",
            "2",
            "--format",
            "json",
        ],
    );
    assert!(
        joined.status.success(),
        "{}",
        String::from_utf8_lossy(&joined.stderr)
    );
    let joined: Value = serde_json::from_str(&stdout(&joined)).unwrap();
    assert!(
        joined["compaction"]["files_joined"].as_u64().unwrap() >= 2,
        "{joined}"
    );
    assert_eq!(count(root, "SELECT COUNT(*) AS n FROM timeline"), rows);
    assert_eq!(count(root, "SELECT COUNT(bundle) AS n FROM findings"), findings);
    batch(root, "run", &[]);
    assert_eq!(
        count(root, "SELECT COUNT(*) AS n FROM timeline"),
        rows,
        "nothing comes in twice"
    );
}

/// The same bytes, whoever does the work: by themselves, one of many in a child, with another number of threads.
#[test]
fn results_do_not_depend_on_how_the_work_was_spread() {
    let files = |more: &[&str]| {
        let root = tempfile::tempdir().unwrap();
        share(root.path());
        assert!(batch(root.path(), "run", more).status.success());
        let mut all: Vec<Value> = fs::read_dir(root.path().join("out/cases"))
            .unwrap()
            .map(|entry| json(&entry.unwrap().path().join("_manifest.json"))["files"].clone())
            .collect();
        all.sort_by_key(Value::to_string);
        all
    };
    assert_eq!(
        files(&["--jobs", "1", "--threads", "2"]),
        files(&["--jobs", "2", "--threads", "1", "--fresh-process"])
    );
}
