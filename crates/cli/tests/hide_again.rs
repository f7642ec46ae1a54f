//! Hiding more in a finished case gives what hiding while reading gives, and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use casetrace_synth::scenario::canary::{PERSON, SECRET};
use casetrace_synth::scenario::demo;

use common::search::holds;
use common::{json, root, run, side_by_side, stdout};

const FILES: [&str; 6] = [
    "report.md",
    "report.html",
    "findings.json",
    "attempts.json",
    "inventory.json",
    "timeline.parquet",
];

/// Runs the command, which must end well; returns its standard output.
fn good(arguments: &[&str]) -> String {
    let output = run(&root(), arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    stdout(&output)
}

/// Analyses a demo bundle into `work` and returns the case folder.
fn analyze(bundle: &str, redact: &str, work: &Path) -> String {
    let folder = root().join("fixtures/demo").join(bundle);
    let case = work.join(format!("{bundle}-{redact}"));
    let case = case.to_str().unwrap().to_owned();
    let (upload, passwords) = (folder.join("upload"), folder.join("passwords.txt"));
    let mut arguments = vec!["analyze", upload.to_str().unwrap(), "-q", "-o", &case];
    arguments.extend(["--redact", redact]);
    if passwords.exists() {
        arguments.extend(["--password-file", passwords.to_str().unwrap()]);
    }
    good(&arguments);
    case
}

fn read(case: &str, name: &str) -> Vec<u8> {
    fs::read(Path::new(case).join(name)).unwrap()
}

#[test]
fn a_finished_case_hides_the_same_as_an_analysis() {
    let work = tempfile::tempdir().unwrap();
    side_by_side(&demo::bundles(), |bundle| {
        let [plain, secrets, identity] =
            ["none", "secrets", "identity"].map(|redact| analyze(bundle.name, redact, work.path()));
        let export =
            |case: &str, format| good(&["timeline", case, "--format", format, "--redact", "identity"]);
        let formats = ["jsonl", "csv", "excel", "timesketch", "l2tcsv"];
        let hidden = formats.map(|format| export(&identity, format));
        for case in [&plain, &secrets] {
            let sent = format!("{case}-to-send");
            good(&["report", case, "--redact", "identity", "-o", &sent]);
            for name in FILES {
                assert!(
                    read(&sent, name) == read(&identity, name),
                    "{}: {name} differs from what an analysis hides",
                    bundle.name
                );
            }
            for (format, hidden) in formats.iter().zip(&hidden) {
                assert!(export(case, format) == *hidden, "{}: {format}", bundle.name);
            }
        }
        for (format, rows) in formats.iter().zip(&hidden) {
            for word in [SECRET, PERSON, PERSON.split_once('@').unwrap().0] {
                assert!(
                    !holds(rows.as_bytes(), word),
                    "{}: {word} in {format}",
                    bundle.name
                );
            }
        }
        // What hides nothing carries what is searched for, so the search can fail.
        let rows = good(&["timeline", &plain, "--redact", "none"]);
        assert!(
            holds(rows.as_bytes(), SECRET) && holds(rows.as_bytes(), PERSON),
            "{}",
            bundle.name
        );
    });
}

#[test]
fn secrets_are_hidden_without_asking() {
    let work = tempfile::tempdir().unwrap();
    let case = analyze("hybrid-join-407", "none", work.path());
    let secrets = analyze("hybrid-join-407", "secrets", work.path());
    assert!(!holds(good(&["timeline", &case]).as_bytes(), SECRET));
    let whole = format!("{case}-whole");
    good(&["report", &case, "-o", &whole]);
    for name in FILES {
        assert!(read(&whole, name) == read(&secrets, name), "{name}");
    }
    good(&["report", &case]);
    for name in ["report.md", "report.html"] {
        assert!(read(&case, name) == read(&secrets, name), "{name}");
    }
}

#[test]
fn the_key_stays_with_the_names() {
    let work = tempfile::tempdir().unwrap();
    let case = analyze("hybrid-join-407", "secrets", work.path());
    let inventory = json(&Path::new(&case).join("inventory.json"));
    let key = inventory["pseudonym_key"].as_str().unwrap().to_owned();
    let (sent, map) = (format!("{case}-to-send"), format!("{case}-map.json"));
    let arguments = [
        "report",
        &case,
        "--redact",
        "identity",
        "-o",
        &sent,
        "--redaction-map",
        &map,
    ];
    good(&arguments);
    for name in FILES {
        assert!(!holds(&read(&sent, name), &key), "the key is in {name}");
    }
    let names = json(Path::new(&map));
    let pc = names["PC042"].as_str().unwrap();
    let report = String::from_utf8(read(&sent, "report.md")).unwrap();
    assert!(report.contains(pc) && !report.contains("PC042"));
    // Hidden twice is hidden once.
    let twice = format!("{case}-twice");
    good(&["report", &sent, "--redact", "identity", "-o", &twice]);
    for name in FILES {
        assert!(read(&twice, name) == read(&sent, name), "{name}");
    }
}

#[test]
fn a_case_is_never_hidden_in_part_or_over_itself() {
    let work = tempfile::tempdir().unwrap();
    let case = analyze("hybrid-join-407", "secrets", work.path());
    let before: Vec<_> = FILES.iter().map(|name| read(&case, name)).collect();
    for more in [
        &[][..],
        &["-o", &case],
        &["-o", &format!("{case}/timeline.parquet")],
    ] {
        let arguments = [&["report", &case, "--redact", "identity"], more].concat();
        let refused = run(&root(), &arguments);
        assert_eq!(refused.status.code(), Some(2), "{more:?}");
    }
    assert!(before == FILES.map(|name| read(&case, name)));
    let page = format!("{case}-page.html");
    good(&["report", &case, "--redact", "identity", "-o", &page]);
    let page = fs::read(page).unwrap();
    assert!(page.starts_with(b"<!DOCTYPE html>") && !holds(&page, "PC042"));
}
