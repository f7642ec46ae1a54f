//! `casetrace batch report` and the questions of `pipelines/questions`, over a share of demonstration bundles on two shelves.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use casetrace_synth::scenario::demo;

/// A share `north/…`, `south/…` with every demonstration bundle twice, and its published results in `out`.
fn published(folder: &Path) {
    let share = folder.join("share");
    for shelf in ["north", "south"] {
        for bundle in demo::bundles() {
            let case = share.join(shelf).join(bundle.name);
            fs::create_dir_all(&case).unwrap();
            for file in &bundle.files {
                fs::write(case.join(&file.name), &file.data).unwrap();
            }
        }
    }
    fs::create_dir_all(share.join("north/broken")).unwrap();
    fs::write(
        share.join("north/broken/upload.zip"),
        [b"PK\x03\x04".as_slice(), &[0; 200]].concat(),
    )
    .unwrap();
    fs::write(
        share.join("casetrace-batch.toml"),
        "cases = ['*/*']\nstable_for = '0s'\n",
    )
    .unwrap();
    let done = common::run(
        folder,
        &["-q", "batch", "run", "--share", "share", "--out", "out"],
    );
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn report(folder: &Path, options: &[&str]) -> String {
    let done = common::run(folder, &[&["batch", "report", "--out", "out"], options].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    common::stdout(&done)
}

#[test]
fn the_fleet_report_tells_what_cases_share() {
    let work = tempfile::tempdir().unwrap();
    published(work.path());
    let text = report(work.path(), &[]);
    for part in [
        "Published cases: 10",
        "| PXY-01 |",
        "| TLS-01 |",
        "| PXY-01 | subject |",
        "| PXY-01 | tenant |",
        "| unreadable | 1 | 1 |",
        "Sizes and times",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert_eq!(text, report(work.path(), &["--format", "md"]));
    report(work.path(), &["-o", "fleet.html", "--lang", "ja"]);
    let page = fs::read_to_string(work.path().join("fleet.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("フリート レポート"));
    assert!(report(work.path(), &["--by", "week"]).contains("2026-W"));
    assert!(report(work.path(), &["--since", "2099-01-01T00:00:00Z"]).contains("Published cases: 0"));
    answers(work.path());
}

/// Every question runs with `casetrace query` as it is.
fn answers(folder: &Path) {
    let questions = common::root().join("pipelines/questions");
    let mut asked = 0;
    for entry in fs::read_dir(questions).unwrap() {
        let sql = fs::read_to_string(entry.unwrap().path()).unwrap();
        let done = common::run(folder, &["query", "out", &sql, "--format", "jsonl"]);
        assert!(
            done.status.success(),
            "{sql}\n{}",
            String::from_utf8_lossy(&done.stderr)
        );
        assert!(!done.stdout.is_empty(), "no answer to\n{sql}");
        asked += 1;
    }
    assert!(asked >= 7);
}

#[test]
fn an_output_without_cases_is_refused() {
    let work = tempfile::tempdir().unwrap();
    fs::create_dir_all(work.path().join("out/cases")).unwrap();
    let done = common::run(work.path(), &["batch", "report", "--out", "out"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("no case is published"));
}
