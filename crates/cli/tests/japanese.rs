//! A Japanese report is Japanese: what is left of Latin letters are names, codes, commands and quoted records.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{root, run};

const BUNDLES: [&str; 5] = [
    "hybrid-join-407",
    "tls-inspection",
    "az-arm-blocked",
    "writeback-servicebus-blocked",
    "healthy",
];

/// Names of products, protocols and files that Japanese texts write in Latin letters, and whole phrases that are quoted.
const NAMES: &str = include_str!("japanese_names.txt");

/// The report's lines without what is quoted: code spans, diagrams, and the last column of evidence tables.
fn own_words(report: &str) -> String {
    let mut out = String::new();
    let (mut fenced, mut evidence) = (false, false);
    for line in report.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        evidence = line.starts_with("| 役割 |") || (evidence && line.starts_with('|'));
        let line = if evidence {
            line.trim_end_matches(" |")
                .rsplit_once(" | ")
                .map_or(line, |(own, _)| own)
        } else {
            line
        };
        // What a refuted candidate or a remark cites stands behind a dash or in brackets as code.
        let spans: Vec<&str> = line.split('`').step_by(2).collect();
        out.push_str(&spans.join(" "));
        out.push('\n');
    }
    out
}

/// Host names, versions, ids and codes are no words.
fn is_word(token: &str) -> bool {
    token.len() > 1
        && token.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
        && token.bytes().any(|b| b.is_ascii_lowercase())
}

#[test]
fn no_english_word_is_left() {
    let lines = NAMES.lines().filter(|line| !line.starts_with('#'));
    let (phrases, names): (BTreeSet<&str>, BTreeSet<&str>) = lines.partition(|line| line.contains(' '));
    let work = tempfile::tempdir().unwrap();
    let mut left: BTreeSet<(String, String)> = BTreeSet::new();
    for bundle in BUNDLES {
        let folder = root().join("fixtures/demo").join(bundle);
        let out = work.path().join(bundle);
        let (upload, out) = (folder.join("upload"), out.to_str().unwrap());
        let mut arguments = vec![
            "analyze",
            upload.to_str().unwrap(),
            "-q",
            "-o",
            out,
            "--lang",
            "ja",
        ];
        let passwords = folder.join("passwords.txt");
        if passwords.exists() {
            arguments.extend(["--password-file", passwords.to_str().unwrap()]);
        }
        assert!(run(&root(), &arguments).status.success());
        let report = fs::read_to_string(format!("{out}/report.md")).unwrap();
        let separators = |c: char| !(c.is_ascii_alphanumeric() || "-_.@:/\\%$&#;=".contains(c));
        let own = own_words(&report);
        let own = phrases.iter().fold(own, |own, phrase| own.replace(phrase, " "));
        for line in own.lines() {
            for token in line.split(separators) {
                let token = token.trim_matches(|c: char| !c.is_ascii_alphanumeric());
                if is_word(token) && !names.contains(token) {
                    left.insert((token.to_owned(), format!("{bundle}: {line}")));
                }
            }
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}
