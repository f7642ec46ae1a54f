//! Secrets and people planted in every demo bundle are in no output, in no encoding.
//!
//! The bundles carry them as UTF-8, UTF-16, percent-encoded and in base64; `--redact none` shows that each bundle does.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casetrace_synth::scenario::canary::{PERSON, SECRET};
use casetrace_synth::scenario::demo;

use common::search::holds;
use common::{root, run, side_by_side};

/// Everything a run leaves behind, by name.
fn outputs(bundle: &str, redact: &str, work: &Path) -> Vec<(String, Vec<u8>)> {
    let folder = root().join("fixtures/demo").join(bundle);
    let upload = folder.join("upload");
    let case = work.join(format!("{bundle}-{redact}"));
    let passwords = folder.join("passwords.txt");
    let mut more = vec!["--redact", redact];
    if passwords.exists() {
        more.extend(["--password-file", passwords.to_str().unwrap()]);
    }
    let mut outputs = Vec::new();
    let mut keep = |name: &str, arguments: &[&str]| {
        let output = run(&root(), arguments);
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        outputs.push((format!("{name} stdout"), output.stdout));
        outputs.push((format!("{name} stderr"), output.stderr));
    };
    let case_text = case.to_str().unwrap().to_owned();
    let analyze = [
        &["analyze", upload.to_str().unwrap(), "-vv", "-o", &case_text],
        &more[..],
    ]
    .concat();
    keep("analyze", &analyze);
    // The finished case says what the Parquet file holds; its own bytes are compressed.
    for format in ["jsonl", "csv", "excel", "timesketch", "l2tcsv"] {
        let timeline = ["timeline", &case_text, "--format", format, "--redact", redact];
        keep(format, &timeline);
    }
    keep(
        "ecs",
        &["timeline", &case_text, "--naming", "ecs", "--redact", redact],
    );
    keep(
        "query",
        &["query", &case_text, "SELECT * FROM timeline", "--format", "csv"],
    );
    let direct = [&["timeline", upload.to_str().unwrap(), "-v"], &more[..]].concat();
    keep("timeline of the upload", &direct);
    let inspect = [
        &["inspect", upload.to_str().unwrap(), "--format", "json"],
        &more[..],
    ]
    .concat();
    keep("inspect", &inspect);
    for name in [
        "report.md",
        "report.html",
        "findings.json",
        "inventory.json",
        "timeline.parquet",
    ] {
        outputs.push((name.to_owned(), fs::read(case.join(name)).unwrap()));
    }
    outputs
}

#[test]
fn planted_secrets_and_people_are_in_no_output() {
    let work = tempfile::tempdir().unwrap();
    side_by_side(&demo::bundles(), |bundle| {
        let plain = outputs(bundle.name, "none", work.path());
        let rows = &plain.iter().find(|(name, _)| name == "jsonl stdout").unwrap().1;
        assert!(
            holds(rows, SECRET) && holds(rows, PERSON),
            "{} carries no canary",
            bundle.name
        );
        for redact in ["secrets", "identity"] {
            for (name, output) in outputs(bundle.name, redact, work.path()) {
                assert!(
                    !holds(&output, SECRET),
                    "{}, {redact}: the secret is in {name}",
                    bundle.name
                );
                if redact == "identity" {
                    let (user, domain) = PERSON.split_once('@').unwrap();
                    for part in [PERSON, user, domain] {
                        assert!(
                            !holds(&output, part),
                            "{}, {redact}: {part} is in {name}",
                            bundle.name
                        );
                    }
                }
            }
        }
    });
}

#[test]
fn the_search_finds_each_encoding() {
    let wide: Vec<u8> = SECRET.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let percent: String = SECRET.bytes().map(|b| format!("%{b:02x}")).collect();
    for before in ["", "x", "xy"] {
        for text in [
            format!("{before}{SECRET}").into_bytes(),
            percent.clone().into_bytes(),
            wide.clone(),
            STANDARD.encode(format!("{before}{SECRET}&y=1")).into_bytes(),
            STANDARD
                .encode([before.as_bytes(), &wide, b"z"].concat())
                .into_bytes(),
        ] {
            assert!(holds(&text, SECRET), "{}", String::from_utf8_lossy(&text));
        }
    }
    assert!(!holds(b"nothing to see", SECRET));
}
