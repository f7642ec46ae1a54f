//! The demo bundles through the whole command: findings, golden reports, equal bytes.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{differences, json, root, run};

const BUNDLES: [&str; 5] = [
    "hybrid-join-407",
    "tls-inspection",
    "az-arm-blocked",
    "writeback-servicebus-blocked",
    "healthy",
];

fn analyze(bundle: &str, out: &Path, more: &[&str]) {
    let folder = root().join("fixtures/demo").join(bundle);
    let passwords = folder.join("passwords.txt");
    let upload = folder.join("upload");
    let mut arguments = vec![
        "analyze",
        upload.to_str().unwrap(),
        "-q",
        "-o",
        out.to_str().unwrap(),
    ];
    if passwords.exists() {
        arguments.extend(["--password-file", passwords.to_str().unwrap()]);
    }
    arguments.extend(more);
    let output = run(&root(), &arguments);
    assert!(
        output.status.success(),
        "{bundle}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn each_bundle_gives_its_finding_and_its_golden_report() {
    let work = tempfile::tempdir().unwrap();
    for bundle in BUNDLES {
        let out = work.path().join(bundle);
        analyze(bundle, &out, &[]);
        let expected = json(&root().join("fixtures/demo").join(bundle).join("expected.json"));
        let wrong = differences(&expected, &json(&out.join("findings.json")));
        assert!(wrong.is_empty(), "{bundle}: {wrong:#?}");

        let report = fs::read_to_string(out.join("report.md")).unwrap();
        let golden = root().join("reports/golden").join(format!("{bundle}.md"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &report).unwrap();
        }
        let golden = fs::read_to_string(&golden).unwrap();
        // The fingerprint of the rules changes with every rule; the rest must not change unseen.
        let stable = |text: &str| {
            text.lines()
                .filter(|l| !l.starts_with("- Tool: "))
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert!(
            stable(&report) == stable(&golden),
            "{bundle}: the report differs from reports/golden/{bundle}.md; look at it, then UPDATE_GOLDEN=1"
        );
    }
}

#[test]
fn the_root_cause_stands_on_two_kinds_of_source() {
    let work = tempfile::tempdir().unwrap();
    for bundle in BUNDLES.iter().filter(|b| **b != "healthy") {
        let out = work.path().join(bundle);
        analyze(bundle, &out, &[]);
        let findings = json(&out.join("findings.json"));
        let first = &findings["findings"][0];
        let sources: std::collections::BTreeSet<&str> = first["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|e| e["source"].as_str())
            .collect();
        assert!(sources.len() >= 2, "{bundle}: {sources:?}");
    }
}

#[test]
fn threads_and_place_do_not_change_a_byte() {
    let work = tempfile::tempdir().unwrap();
    let bundle = "hybrid-join-407";
    let (one, two) = (work.path().join("one"), work.path().join("two"));
    analyze(bundle, &one, &["--jobs", "1"]);
    analyze(bundle, &two, &["--jobs", "2"]);
    // The same upload at another place.
    let moved = work.path().join("elsewhere/upload");
    copy(&root().join("fixtures/demo").join(bundle).join("upload"), &moved);
    let three = work.path().join("three");
    let output = run(
        work.path(),
        &[
            "analyze",
            moved.to_str().unwrap(),
            "-q",
            "-o",
            three.to_str().unwrap(),
        ],
    );
    assert!(output.status.success());
    for name in [
        "findings.json",
        "attempts.json",
        "timeline.parquet",
        "report.md",
        "report.html",
        "inventory.json",
    ] {
        let bytes = fs::read(one.join(name)).unwrap();
        assert!(
            bytes == fs::read(two.join(name)).unwrap(),
            "{name} depends on --jobs"
        );
        assert!(
            bytes == fs::read(three.join(name)).unwrap(),
            "{name} depends on the place"
        );
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
