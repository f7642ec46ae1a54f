//! The labelled scenario set: every rule family, noise, several failures at once, quiet bundles.
//!
//! Prints the confusion table; run with `-- --nocapture` to see it.

#![allow(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "the table is the result")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use casetrace_knowledge::Lang;
use casetrace_pipeline::{Secret, Settings, Silent, analyze};
use casetrace_rules::RulePack;
use casetrace_synth::scenario::Bundle;
use casetrace_synth::scenario::all::{from_the_table, scenarios};
use casetrace_timeline::Alone;

use common::confusion::Confusion;

/// Bytes a page may have, whatever the case.
const MAX_PAGE: usize = 3_000_000;

/// The largest page so far, and whose it is.
type Largest = Mutex<(usize, &'static str)>;

/// Where the findings of a bundle differ from its label, or its page is too large; counts both.
fn judge(bundle: &Bundle, pack: &RulePack, confusion: &Mutex<Confusion>, largest: &Largest) -> Vec<String> {
    let work = tempfile::tempdir().unwrap();
    let mut inputs: Vec<PathBuf> = Vec::new();
    let upload = work.path().join("upload");
    for file in &bundle.files {
        let path = upload.join(&file.name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &file.data).unwrap();
    }
    inputs.push(upload);
    let mut settings = Settings::new().unwrap();
    settings.jobs = 1;
    settings.work_dir = work.path().to_path_buf();
    settings.passwords = bundle
        .passwords
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| Secret::new(line.to_owned()))
        .collect();
    let result = analyze(&inputs, &settings, pack, Lang::En, &Silent).unwrap();
    let expected = serde_json::from_str(&bundle.expected.json()).unwrap();
    let findings = serde_json::to_value(&result.findings).unwrap();
    confusion.lock().unwrap().count(&expected, &findings);
    let mut wrong = common::differences(&expected, &findings);
    let page = result.report.html.len();
    let mut largest = largest.lock().unwrap();
    *largest = (*largest).max((page, bundle.name));
    if page > MAX_PAGE {
        wrong.push(format!("report.html has {page} bytes"));
    }
    wrong
}

#[test]
fn every_bundle_is_judged_as_labelled() {
    compare(&scenarios());
}

#[test]
fn labels_from_the_table_alone() {
    compare(&from_the_table());
}

/// Judges all bundles, prints where a judgement differs from its label, and fails if one does.
fn compare(bundles: &[Bundle]) {
    let loaded = RulePack::builtin();
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    let wrong = Mutex::new(Vec::new());
    let (confusion, largest) = (Mutex::new(Confusion::default()), Mutex::new((0, "")));
    common::side_by_side(bundles, |bundle| {
        let _alone = Alone::begin();
        let differences = judge(bundle, &loaded.pack, &confusion, &largest);
        if !differences.is_empty() {
            wrong.lock().unwrap().push((bundle.name, differences));
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    let findings: usize = bundles.iter().map(|b| b.expected.findings.len()).sum();
    println!(
        "{} bundles, {findings} expected findings, {} bundles judged otherwise",
        bundles.len(),
        wrong.len()
    );
    println!("{}", confusion.into_inner().unwrap());
    let (page, name) = largest.into_inner().unwrap();
    println!("largest report.html: {page} bytes ({name})");
    for (name, differences) in &wrong {
        println!("  {name}: {}", differences.join("; "));
    }
    assert!(wrong.is_empty());
}
