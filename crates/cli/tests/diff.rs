//! `casetrace diff` on pairs of labelled bundles: better, worse, same, and other computers.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use casetrace_synth::scenario::all::scenarios;
use serde_json::Value;

use common::{root, run, stdout};

/// Analyses one bundle of the labelled set.
fn case(name: &str, work: &Path) -> PathBuf {
    let bundle = scenarios()
        .into_iter()
        .find(|bundle| bundle.name == name)
        .unwrap();
    let upload = work.join(format!("{name}/upload"));
    for file in &bundle.files {
        let path = upload.join(&file.name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &file.data).unwrap();
    }
    let case = work.join(format!("{name}.casetrace"));
    let arguments = [
        "analyze",
        upload.to_str().unwrap(),
        "-q",
        "-o",
        case.to_str().unwrap(),
    ];
    assert!(run(&root(), &arguments).status.success(), "{name}");
    case
}

fn diff(before: &Path, after: &Path, more: &[&str]) -> String {
    let arguments = [&["diff", before.to_str().unwrap(), after.to_str().unwrap()], more].concat();
    let output = run(&root(), &arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    stdout(&output)
}

fn ids(diff: &Value, list: &str) -> Vec<String> {
    let changes = diff[list].as_array().unwrap();
    changes
        .iter()
        .map(|f| f["rule_id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_repaired_proxy_is_better_and_the_way_back_is_worse() {
    let work = tempfile::tempdir().unwrap();
    let bad = case("proxy-forbidden", work.path());
    let good = case("quiet-open-proxy", work.path());
    let expected = scenarios()
        .into_iter()
        .find(|b| b.name == "proxy-forbidden")
        .unwrap()
        .expected;
    let cause: &str = expected.findings[0].rule_id;

    let better: Value = serde_json::from_str(&diff(&bad, &good, &["--format", "json"])).unwrap();
    assert!(ids(&better, "gone").iter().any(|id| id == cause), "{better:#}");
    assert!(ids(&better, "worse").is_empty(), "{better:#}");
    assert!(better.get("t").is_none());
    let join = better["facts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["label"] == "Join state")
        .unwrap();
    assert_eq!(join["before"], "domain joined only");
    assert_ne!(join["after"], join["before"]);
    let hosts = better["endpoints"].as_array().unwrap();
    assert!(
        hosts
            .iter()
            .any(|e| e["host"] == "enterpriseregistration.windows.net" && e["layer"] == "http"),
        "{hosts:#?}"
    );

    let worse: Value = serde_json::from_str(&diff(&good, &bad, &["--format", "json"])).unwrap();
    assert_eq!(ids(&worse, "new"), ids(&better, "gone"));
    let text = diff(&good, &bad, &[]);
    assert!(text.contains("It got worse.") && text.contains(cause), "{text}");
    let page = diff(&bad, &good, &["--format", "html", "--lang", "ja"]);
    assert!(page.contains("<html lang=\"ja\">") && page.contains("解消") && !page.contains("<script"));
}

#[test]
fn a_case_compared_with_itself_says_nothing_changed() {
    let work = tempfile::tempdir().unwrap();
    let bad = case("proxy-forbidden", work.path());
    let out = work.path().join("same.md");
    assert_eq!(diff(&bad, &bad, &["-o", out.to_str().unwrap()]), "");
    let text = fs::read_to_string(out).unwrap();
    assert!(text.contains("Nothing got better or worse"), "{text}");
    for absent in [
        "## New",
        "## Worse",
        "## Gone",
        "## Better",
        "## Endpoints",
        "different computers",
    ] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
}

#[test]
fn other_computers_and_lost_sources_are_said() {
    let work = tempfile::tempdir().unwrap();
    let demo = |name: &str| {
        let case = work.path().join(name);
        let upload = root().join("fixtures/demo").join(name).join("upload");
        let arguments = [
            "analyze",
            upload.to_str().unwrap(),
            "-q",
            "-o",
            case.to_str().unwrap(),
        ];
        assert!(run(&root(), &arguments).status.success());
        case
    };
    let (hybrid, az) = (demo("hybrid-join-407"), demo("az-arm-blocked"));
    let text = diff(&hybrid, &az, &[]);
    assert!(text.contains("different computers (PC042; DEV007)"), "{text}");
    assert!(
        text.contains("no records of these kinds") && text.contains("Event logs"),
        "{text}"
    );
    let no_case = run(
        &root(),
        &["diff", work.path().to_str().unwrap(), hybrid.to_str().unwrap()],
    );
    assert_eq!(no_case.status.code(), Some(2));
}

#[test]
fn names_are_hidden_alike_in_both_captures() {
    let work = tempfile::tempdir().unwrap();
    let bad = case("proxy-forbidden", work.path());
    let good = case("quiet-open-proxy", work.path());
    let plain = diff(&bad, &good, &["--format", "json"]);
    let hidden = diff(&bad, &good, &["--format", "json", "--redact", "identity"]);
    let plain: Value = serde_json::from_str(&plain).unwrap();
    let json: Value = serde_json::from_str(&hidden).unwrap();
    let hosts = |diff: &Value, which: &str| -> Vec<String> {
        let hosts = diff[which]["hosts"].as_str().unwrap();
        hosts.split(", ").map(ToOwned::to_owned).collect()
    };
    for which in ["before", "after"] {
        let names = hosts(&plain, which);
        assert!(!names.is_empty());
        for name in names {
            assert!(!hidden.contains(&name), "{name}");
        }
    }
    // One computer before and after: one pseudonym.
    let same = |diff: &Value| hosts(diff, "before") == hosts(diff, "after");
    assert_eq!(same(&plain), same(&json));
    for list in ["gone", "new", "better", "worse"] {
        assert_eq!(ids(&plain, list), ids(&json, list), "{list}");
    }

    // A case whose names are gone can't be compared with one that has them, by names.
    let other = work.path().join("hidden");
    let arguments = [
        "report",
        good.to_str().unwrap(),
        "--redact",
        "identity",
        "-o",
        other.to_str().unwrap(),
    ];
    assert!(run(&root(), &arguments).status.success());
    let arguments = [
        "diff",
        bad.to_str().unwrap(),
        other.to_str().unwrap(),
        "--redact",
        "identity",
    ];
    let output = run(&root(), &arguments);
    assert_eq!(
        output.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
