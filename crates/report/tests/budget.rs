//! However much there is to say, the report stays short enough to read and to paste.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use casetrace_knowledge::Lang;
use casetrace_report::{Input, InputLine, Report, SourceLine, Templates, html, markdown};
use common::{findings, timeline};

#[test]
fn a_huge_case_makes_a_bounded_report() {
    let long = "a long sentence of the case ".repeat(120);
    let mut all = findings(&long);
    (all.tool_version, all.rules_version) = ("0.1.0".to_owned(), "0".to_owned());
    all.data_quality[0].id = "DQ-01".to_owned();
    let sample = all.findings[0].clone();
    let of = |number: u32, status| {
        let mut finding = sample.clone();
        finding.rule_id = format!("PXY-{number}");
        finding.subject = Some(format!("host{number}.example.com"));
        finding.status = status;
        finding.rank = Some(number);
        finding.count = 1_000_000;
        finding.evidence = vec![sample.evidence[0].clone(); 20];
        finding.consequence_of.clear();
        for step in &mut finding.next_steps_for {
            step.text = format!("step {number} {long}");
        }
        finding.ask_customer = vec![format!("ask {number} {long}")];
        finding
    };
    use casetrace_rules::Status::{Active, Refuted, Resolved};
    all.findings = (1..=600)
        .map(|n| of(n, Active))
        .chain((601..=900).map(|n| of(n, Resolved)))
        .chain((901..=1200).map(|n| of(n, Refuted)))
        .collect();
    all.data_quality = vec![all.data_quality[0].clone(); 3000];
    let inputs = vec![
        InputLine {
            path: long.clone(),
            size: 1,
            sha256: "0".repeat(64),
        };
        1000
    ];
    let sources = vec![
        SourceLine {
            path: long.clone(),
            kind: "etl".to_owned(),
            outcome: "ok".to_owned(),
            rows: 1,
            span: String::new(),
        };
        5000
    ];
    let timeline = timeline(20_000, "host.example.com");
    let input = Input {
        name: "upload",
        inputs: &inputs,
        sources: &sources,
        findings: &all,
        attempts: &casetrace_rules::Attempts::default(),
        timeline: &timeline,
    };
    let report = Report::build(&input, Lang::En);
    let plain = markdown(&report, &Templates::builtin()).unwrap();
    let page = html(&report, &Templates::builtin()).unwrap();
    assert!(plain.len() < 1 << 20, "report.md has {} bytes", plain.len());
    assert!(page.len() < 3 << 20, "report.html has {} bytes", page.len());
    for told in ["casetrace query CASE", "findings.json", "inventory.json"] {
        assert!(plain.contains(told) && page.contains(told), "{told}");
    }
    // Nothing is left out in silence: 600 active findings, 40 whole and 200 in a line.
    assert!(plain.contains("360 more are in") && page.contains("360 more are in"));
    let longest = plain.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest < 5000, "a line of {longest} characters");
}
