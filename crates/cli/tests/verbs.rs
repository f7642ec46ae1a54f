//! Every verb, on small inputs: results, exit codes, and errors that say what to do.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{root, run, stdout};

const DEMO: &str = "fixtures/demo/hybrid-join-407/upload";

#[test]
fn inspect_counts_what_is_inside() {
    let output = run(&root(), &["inspect", DEMO, "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let document: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let members = document["members"].as_array().unwrap();
    let trace = members
        .iter()
        .find(|m| m["path"].as_str().unwrap().ends_with("Nettrace.etl"))
        .unwrap();
    assert_eq!(trace["kind"], "etl");
    assert!(trace["records"].as_u64().unwrap() > 100);
    assert!(
        trace["counts"]["Microsoft-Windows-NDIS-PacketCapture"]["by_event"]["1001"]
            .as_u64()
            .unwrap()
            > 10
    );
}

#[test]
fn timeline_and_query_work_on_a_finished_case() {
    let work = tempfile::tempdir().unwrap();
    let case = work.path().join("case");
    let case = case.to_str().unwrap();
    assert!(
        run(&root(), &["analyze", DEMO, "-q", "-o", case])
            .status
            .success()
    );

    let rows = stdout(&run(
        &root(),
        &[
            "timeline",
            case,
            "--where",
            "http_status = 407",
            "--columns",
            "kind,proxy_auth",
        ],
    ));
    assert!(rows.lines().count() >= 2, "{rows}");
    assert!(
        rows.contains(r#"{"kind":"http.response","proxy_auth":"Negotiate,NTLM"}"#),
        "{rows}"
    );

    let sql = "SELECT rule_id FROM findings WHERE rank = 1";
    let csv = stdout(&run(&root(), &["query", case, sql, "--format", "csv"]));
    assert_eq!(csv.trim(), "rule_id\nPXY-01");
    let counted = stdout(&run(
        &root(),
        &[
            "query",
            case,
            "SELECT COUNT(*) AS n FROM timeline",
            "--format",
            "jsonl",
        ],
    ));
    assert!(counted.starts_with(r#"{"n":"#), "{counted}");

    let refused = run(&root(), &["query", case, "SELECT * FROM read_csv('/etc/passwd')"]);
    assert_eq!(refused.status.code(), Some(2));

    let again = work.path().join("ja.md");
    assert!(
        run(
            &root(),
            &["report", case, "--lang", "ja", "-o", again.to_str().unwrap()]
        )
        .status
        .success()
    );
    assert!(fs::read_to_string(again).unwrap().contains("結論"));
}

#[test]
fn attempts_can_be_listed_and_joined_with_their_rows() {
    let work = tempfile::tempdir().unwrap();
    let case = work.path().join("case");
    let case = case.to_str().unwrap();
    let analyzed = run(&root(), &["analyze", DEMO, "-q", "-o", case]);
    assert!(analyzed.status.success());
    let ask = |sql: &str| stdout(&run(&root(), &["query", case, sql, "--format", "csv"]));
    let failed = ask(
        "SELECT attempt_id, outcome FROM attempts WHERE kind = 'join' AND outcome = 'failure' AND findings LIKE '%PXY-01%'",
    );
    assert!(failed.lines().count() >= 2, "{failed}");
    let sources = ask(
        "SELECT t.source AS seen_by FROM attempt_rows AS r INNER JOIN timeline AS t ON r.artifact = t.artifact AND r.record = t.record AND r.kind = t.kind WHERE r.attempt_id = 'join-1'",
    );
    assert!(sources.contains("etl") && sources.contains("evtx"), "{sources}");
}

#[test]
fn report_honours_own_rules_and_a_broken_one_stops_nothing() {
    let work = tempfile::tempdir().unwrap();
    let (case, rules) = (work.path().join("case"), work.path().join("rules"));
    let case = case.to_str().unwrap();
    fs::create_dir(&rules).unwrap();
    fs::write(
        rules.join("own.toml"),
        "schema_version = 1\nfamily = \"own\"\nphase = \"meta\"\n\n[[rule]]\nid = \"OWN-01\"\ntitle = \"Rows of my own rule\"\nseverity = \"low\"\n\n[[rule.evidence]]\nid = \"row\"\nrole = \"decisive\"\nwhere = \"kind = 'tcp.connect'\"\n",
    )
    .unwrap();
    fs::write(
        rules.join("broken.toml"),
        "schema_version = 1\n[[rule]]\nid = 7\n",
    )
    .unwrap();
    assert!(
        run(&root(), &["analyze", DEMO, "-q", "-o", case])
            .status
            .success()
    );
    let before = fs::read_to_string(Path::new(case).join("report.md")).unwrap();
    let again = run(&root(), &["report", case, "--rules", rules.to_str().unwrap()]);
    assert!(again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("broken.toml:3:6"));
    let after = fs::read_to_string(Path::new(case).join("report.md")).unwrap();
    assert!(!before.contains("Rows of my own rule") && after.contains("Rows of my own rule"));
}

#[test]
fn explain_knows_one_code_in_every_spelling() {
    for code in ["0x801c0021", "-2145648607", "2149318689"] {
        let text = stdout(&run(&root(), &["explain", code]));
        assert!(text.contains("DSREG_AUTOJOIN_DISC_FAILED"), "{code}: {text}");
    }
    assert!(stdout(&run(&root(), &["explain", "AADSTS50126", "--lang", "ja"])).contains("AADSTS50126"));
}

#[test]
fn convert_writes_the_packets_or_says_why_there_are_none() {
    let work = tempfile::tempdir().unwrap();
    let trace = root().join("fixtures/demo/tls-inspection/upload/NetTrace.etl");
    let out = work.path().join("a.pcapng");
    let output = run(
        &root(),
        &["convert", trace.to_str().unwrap(), "-o", out.to_str().unwrap()],
    );
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        fs::read(&out).unwrap().get(..4),
        Some(&[0x0a, 0x0d, 0x0d, 0x0a][..])
    );
    let rows = stdout(&run(
        &root(),
        &[
            "timeline",
            out.to_str().unwrap(),
            "--where",
            "kind = 'tls.client_hello'",
        ],
    ));
    assert!(rows.contains("login.microsoftonline.com"), "{rows}");

    let text = work.path().join("no.etl");
    fs::write(&text, "not a trace").unwrap();
    let refused = run(
        &root(),
        &["convert", text.to_str().unwrap(), "-o", out.to_str().unwrap()],
    );
    assert_eq!(refused.status.code(), Some(4));
}

#[test]
fn exit_codes_are_those_of_the_contract() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("case");
    let out = out.to_str().unwrap();
    let code = |arguments: &[&str]| run(&root(), arguments).status.code();
    assert_eq!(
        code(&["analyze", DEMO, "-q", "-o", out, "--fail-on", "likely"]),
        Some(3)
    );
    assert_eq!(code(&["analyze", DEMO, "-q", "-o", out]), Some(0));
    assert_eq!(code(&["analyze"]), Some(2));
    assert_eq!(code(&["analyze", "no-such-file", "-q", "-o", out]), Some(2));
    let picture = work.path().join("a.png");
    fs::write(&picture, b"\x89PNG\r\n\x1a\n").unwrap();
    assert_eq!(
        code(&["analyze", picture.to_str().unwrap(), "-q", "-o", out]),
        Some(4)
    );
    assert_eq!(code(&["--help"]), Some(0));
}

#[test]
fn the_rule_pack_passes_its_own_cases() {
    let output = run(&root(), &["rules", "test"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let shown = stdout(&run(&root(), &["rules", "show", "PXY-01"]));
    assert!(shown.contains("PXY-01"));
    let work = tempfile::tempdir().unwrap();
    let broken = work.path().join("broken.toml");
    fs::write(
        &broken,
        "schema_version = 1\nfamily = 'x'\nphase = 'proxy'\n[[rule]]\nid = 'X-01'\ntitel = 'no'\n",
    )
    .unwrap();
    let refused = run(&root(), &["rules", "check", broken.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stdout(&refused).contains("titel"), "{}", stdout(&refused));
}

#[test]
fn a_sigma_rule_becomes_a_rule_that_passes_the_check() {
    let work = tempfile::tempdir().unwrap();
    let sigma = work.path().join("log-cleared.yml");
    fs::write(
        &sigma,
        "title: Log cleared\nlogsource:\n  product: windows\n  service: security\ndetection:\n  selection:\n    EventID: 1102\n  condition: selection\nlevel: high\n",
    )
    .unwrap();
    let output = run(
        &root(),
        &["rules", "check", "--import-sigma", sigma.to_str().unwrap()],
    );
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rule = work.path().join("log-cleared.toml");
    fs::write(&rule, &output.stdout).unwrap();
    let checked = run(&root(), &["rules", "check", rule.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", stdout(&checked));
}

#[test]
fn identity_redaction_leaves_the_verdict_and_no_name() {
    let work = tempfile::tempdir().unwrap();
    let case = work.path().join("case");
    let case_arg = case.to_str().unwrap();
    let arguments = ["analyze", DEMO, "-q", "-o", case_arg, "--redact", "identity"];
    assert!(run(&root(), &arguments).status.success());
    let rows = stdout(&run(&root(), &["timeline", case_arg]));
    let mut outputs = vec![("timeline", rows)];
    for name in ["findings.json", "report.md", "report.html", "inventory.json"] {
        outputs.push((name, fs::read_to_string(case.join(name)).unwrap()));
    }
    for (name, text) in &outputs {
        for canary in [
            "PC042",
            "pc042",
            "user1",
            "admin1",
            "contoso",
            "CONTOSO",
            "192.0.2.42",
            "aaaabbbb-0000-cccc",
        ] {
            let at = text
                .find(canary)
                .map(|at| text.get(at.saturating_sub(120)..at + 40));
            assert_eq!(at, None, "{canary} is in {name}");
        }
    }
    assert!(outputs[1].1.contains("PXY-01"));
    assert!(outputs[0].1.contains("enterpriseregistration.windows.net"));
}

#[test]
fn schema_lists_every_column() {
    let text = stdout(&run(&root(), &["schema"]));
    for column in casetrace_model::COLUMNS {
        assert!(text.contains(column.name), "{}", column.name);
    }
}

#[test]
fn the_commands_of_the_readme_work() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let quick_start = "cargo run -p casetrace -- analyze fixtures/demo/hybrid-join-407/upload";
    assert!(readme.contains(quick_start) && readme.contains("cargo test --workspace"));
    // Everyday lines: the same words with demo files in place of the reader's.
    let work = tempfile::tempdir().unwrap();
    let demo = root().join(DEMO).join("Authlogs.zip");
    fs::copy(demo, work.path().join("upload.zip")).unwrap();
    fs::copy(
        root().join("fixtures/demo/tls-inspection/upload/NetTrace.etl"),
        work.path().join("NetTrace.etl"),
    )
    .unwrap();
    fs::write(work.path().join("pw.txt"), "Passw0rd!\n").unwrap();
    let lines: Vec<&str> = readme
        .lines()
        .filter(|line| line.starts_with("casetrace "))
        .collect();
    assert!(lines.len() >= 6);
    for line in lines {
        let line = line.split('#').next().unwrap().trim();
        let arguments = words(line.trim_start_matches("casetrace "));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run(work.path(), &arguments);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Words of a shell line with double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in line.split('"').enumerate() {
        if i % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
