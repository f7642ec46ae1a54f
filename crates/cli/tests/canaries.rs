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

use common::{root, run};

/// A word in every encoding that is searched for; for base64 the part that is the same whatever stands around it, for
/// each of the three places it can begin.
fn encodings(word: &str) -> Vec<Vec<u8>> {
    let wide: Vec<u8> = word.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut all = vec![word.as_bytes().to_vec(), wide.clone()];
    all.push(
        word.bytes()
            .flat_map(|b| format!("%{b:02X}").into_bytes())
            .collect(),
    );
    all.push(word.replace('@', "%40").into_bytes());
    for bytes in [word.as_bytes(), &wide] {
        for shift in 0..3_usize {
            let padded = [vec![b'a'; shift], bytes.to_vec()].concat();
            let text = STANDARD.encode(padded);
            let text = text.trim_end_matches('=');
            let (from, to) = ((shift * 4).div_ceil(3), text.len() - 2);
            all.push(text.as_bytes()[from..to].to_vec());
        }
    }
    all
}

/// True if the word is there in any encoding and case; the encodings are ASCII, so other bytes don't matter.
fn holds(output: &[u8], word: &str) -> bool {
    let text = String::from_utf8_lossy(output).to_ascii_lowercase();
    encodings(word).iter().any(|needle| {
        let needle = String::from_utf8_lossy(needle).to_ascii_lowercase();
        text.contains(&needle)
    })
}

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
        keep(format, &["timeline", &case_text, "--format", format]);
    }
    keep("ecs", &["timeline", &case_text, "--naming", "ecs"]);
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
    for bundle in demo::bundles() {
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
    }
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
