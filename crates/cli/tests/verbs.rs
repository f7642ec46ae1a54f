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
fn a_timeline_that_was_damaged_since_is_not_reported_on() {
    let work = tempfile::tempdir().unwrap();
    let case = work.path().join("case");
    let case_name = case.to_str().unwrap();
    run(&root(), &["analyze", DEMO, "-q", "-o", case_name]);
    let report = fs::read(case.join("report.md")).unwrap();
    assert!(run(&root(), &["report", case_name]).status.success());

    let timeline = case.join("timeline.parquet");
    let mut bytes = fs::read(&timeline).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&timeline, bytes).unwrap();
    for verb in [
        vec!["report", case_name],
        vec!["diff", case_name, case_name],
        vec!["query", case_name, "SELECT * FROM timeline"],
    ] {
        let output = run(&root(), &verb);
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            told.contains("timeline.parquet is damaged or was changed"),
            "{told}"
        );
    }
    assert_eq!(fs::read(case.join("report.md")).unwrap(), report);
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
fn rules_are_shown_checked_and_pass_their_own_cases() {
    let cases = |rules: &[&str]| {
        let output = run(&root(), &[&["rules", "test"], rules].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
        let told = stdout(&output);
        told.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let (one, family, all) = (cases(&["pxy-01"]), cases(&["PXY-*"]), cases(&[]));
    assert!(one >= 2 && family > one && all > family, "{one}, {family}, {all}");
    assert_eq!(run(&root(), &["rules", "test", "PXY-99"]).status.code(), Some(2));
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
fn the_map_of_names_is_private_and_never_written_over_a_file() {
    let work = tempfile::tempdir().unwrap();
    let (map, case) = (work.path().join("map.json"), work.path().join("case"));
    let (map, case) = (map.to_str().unwrap(), case.to_str().unwrap());
    let arguments = [
        "analyze",
        DEMO,
        "-q",
        "-o",
        case,
        "--redaction-map",
        map,
        "--redact",
    ];
    let secrets = run(&root(), &[&arguments[..], &["secrets"]].concat());
    assert_eq!(secrets.status.code(), Some(2));
    assert!(!std::path::Path::new(map).exists());
    let identity = [&arguments[..], &["identity"]].concat();
    assert_eq!(run(&root(), &identity).status.code(), Some(0));
    let names: std::collections::BTreeMap<String, String> =
        serde_json::from_str(&fs::read_to_string(map).unwrap()).unwrap();
    let pc = names.get("PC042").unwrap();
    let report = fs::read_to_string(format!("{case}/report.md")).unwrap();
    assert!(report.contains(pc.as_str()), "{pc}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(map).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let before = fs::read(map).unwrap();
    let again = run(&root(), &identity);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already"));
    assert_eq!(fs::read(map).unwrap(), before);
}

#[test]
fn own_templates_replace_the_report_and_mistakes_are_usage_errors() {
    let work = tempfile::tempdir().unwrap();
    let case = work.path().join("case");
    let case = case.to_str().unwrap();
    let templates = work.path().join("templates");
    fs::create_dir(&templates).unwrap();
    let folder = templates.to_str().unwrap();
    fs::write(
        templates.join("report.md.j2"),
        "{{ name }}: {{ findings[0].rule_id }}",
    )
    .unwrap();
    let analyze = ["analyze", DEMO, "-q", "-o", case, "--templates", folder];
    assert_eq!(run(&root(), &analyze).status.code(), Some(0));
    let report = std::path::Path::new(case).join("report.md");
    assert_eq!(fs::read_to_string(&report).unwrap(), "upload: PXY-01\n");
    fs::write(templates.join("report.md.j2"), "one\n{% if %}").unwrap();
    let refused = run(&root(), &["report", case, "--templates", folder]);
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("report.md.j2:2"), "{text}");
    assert_eq!(fs::read_to_string(&report).unwrap(), "upload: PXY-01\n");
}

#[test]
fn exports_have_the_names_and_marks_that_were_asked_for() {
    let trace = "fixtures/demo/tls-inspection/upload/az-login-debug.txt";
    let timeline = |more: &[&str]| run(&root(), &[&["timeline", trace, "-q"], more].concat());
    let ecs = stdout(&timeline(&["--naming", "ecs"]));
    let line: serde_json::Value = serde_json::from_str(ecs.lines().next().unwrap()).unwrap();
    assert!(
        line.get("@timestamp").is_some() && line["event.action"].is_string(),
        "{line}"
    );
    assert!(line.get("kind").is_none() && line.get("casetrace.ts_ns").is_some());
    assert!(stdout(&timeline(&["--format", "csv", "--bom"])).starts_with("\u{feff}ts,"));
    assert!(stdout(&timeline(&["--format", "csv"])).starts_with("ts,"));
    assert_eq!(
        timeline(&["--format", "l2tcsv", "--naming", "ecs"]).status.code(),
        Some(2)
    );
}

#[test]
fn schema_lists_every_column() {
    let text = stdout(&run(&root(), &["schema"]));
    for column in casetrace_model::COLUMNS {
        assert!(text.contains(column.name), "{}", column.name);
    }
}

#[test]
fn every_verb_explains_itself_with_an_example() {
    let mut todo: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = 0;
    while let Some(verb) = todo.pop() {
        let mut arguments: Vec<&str> = verb.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = stdout(&run(&root(), &arguments));
        let name = format!("casetrace {}", verb.join(" "));
        let inner = subcommands(&help);
        assert!(
            help.contains("Example") || !inner.is_empty(),
            "{name} --help has no example"
        );
        for line in help.lines().filter(|line| line.starts_with("  casetrace ")) {
            assert!(line.contains(name.trim()), "{name} --help shows {line:?}");
        }
        seen += 1;
        todo.extend(
            inner
                .into_iter()
                .map(|last| verb.iter().cloned().chain([last]).collect()),
        );
    }
    assert!(seen > 15, "{seen}");
}

/// Names below `Commands:` in a help text.
fn subcommands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A long description goes on in the next line, further in.
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help" && !name.starts_with('-'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn there_is_a_manual_page_for_every_verb() {
    let work = tempfile::tempdir().unwrap();
    let folder = work.path().join("man1");
    assert!(
        run(&root(), &["man", "--all", folder.to_str().unwrap()])
            .status
            .success()
    );
    for page in ["casetrace.1", "casetrace-analyze.1", "casetrace-rules-check.1"] {
        let text = fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
    let one = stdout(&run(&root(), &["man", "rules", "check"]));
    assert_eq!(
        one,
        fs::read_to_string(folder.join("casetrace-rules-check.1")).unwrap()
    );
    let refused = run(&root(), &["man", "analyse"]);
    assert_eq!(refused.status.code(), Some(2));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(
            stdout(&run(&root(), &["completions", shell])).contains("analyze"),
            "{shell}"
        );
    }
}

#[test]
fn a_demo_is_written_and_analysed() {
    let work = tempfile::tempdir().unwrap();
    let output = run(work.path(), &["demo"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        stdout(&output).contains("1. PXY-01 proved"),
        "{}",
        stdout(&output)
    );
    let made = work.path().join("casetrace-demo/hybrid-join-407");
    for name in ["Authlogs.zip", "dsregcmd-user.txt"] {
        assert_eq!(
            fs::read(made.join("upload").join(name)).unwrap(),
            fs::read(root().join(DEMO).join(name)).unwrap()
        );
    }
    assert!(made.join("upload.casetrace/report.html").is_file());

    // The encrypted archive of the healthy one is opened: its password comes with it.
    let healthy = work.path().join("healthy");
    let output = run(work.path(), &["demo", "healthy", "-o", healthy.to_str().unwrap()]);
    assert!(
        stdout(&output).contains("No cause of a failure was found."),
        "{}",
        stdout(&output)
    );
    let inventory = fs::read_to_string(healthy.join("upload.casetrace/inventory.json")).unwrap();
    assert!(inventory.contains("session of"), "the SAZ was not opened");

    let refused = run(work.path(), &["demo", "helthy"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("did you mean healthy?"));
    assert_eq!(stdout(&run(work.path(), &["demo", "--list"])).lines().count(), 5);
}

#[test]
fn mistyped_names_get_a_suggestion() {
    for (arguments, hint) in [
        (&["analyse", "x"][..], "analyze"),
        (&["rules", "show", "PXY-1"], "PXY-01"),
        (&["timeline", "x", "--formt", "csv"], "--format"),
    ] {
        let refused = run(&root(), arguments);
        assert_eq!(refused.status.code(), Some(2));
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(text.contains(hint), "{arguments:?}: {text}");
    }
    let text = stdout(&run(&root(), &["explain", "0x801c00d1"]));
    assert!(text.contains("0x801c001d"), "{text}");
}

#[test]
fn a_memory_limit_keeps_the_beginning_and_says_what_is_missing() {
    let work = tempfile::tempdir().unwrap();
    let log = work.path().join("big.log");
    let mut text = String::new();
    for i in 0..150_000 {
        text.push_str(&format!(
            "2026-03-02 01:{:02}:{:02} line {i} {}\n",
            i / 60 % 60,
            i % 60,
            "word ".repeat(60)
        ));
    }
    fs::write(&log, text).unwrap();
    let (case, again) = (work.path().join("case"), work.path().join("again"));
    for (out, jobs) in [(&case, "1"), (&again, "2")] {
        let arguments = [
            "analyze",
            log.to_str().unwrap(),
            "-q",
            "-o",
            out.to_str().unwrap(),
            "--memory-limit",
            "64M",
            "--jobs",
            jobs,
        ];
        assert_eq!(run(&root(), &arguments).status.code(), Some(0));
    }
    let inventory = common::json(&case.join("inventory.json"));
    let member = &inventory["members"][0];
    assert_eq!(member["outcome"], "partial", "{member}");
    assert!(
        member["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .any(|d| d["code"] == "MemoryLimit")
    );
    let rows = member["rows"].as_u64().unwrap();
    assert!((10_000..150_000).contains(&rows), "{rows}");
    for name in ["timeline.parquet", "inventory.json"] {
        assert!(
            fs::read(case.join(name)).unwrap() == fs::read(again.join(name)).unwrap(),
            "{name} depends on --jobs"
        );
    }
    let refused = run(&root(), &["analyze", "x", "--memory-limit", "1M"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn the_backend_of_windows_is_refused_elsewhere() {
    let refused = run(&root(), &["analyze", DEMO, "--etl-backend", "os", "-o", "never"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(text.contains("--manifests"), "{text}");
    assert!(stdout(&run(&root(), &["--version"])).contains("Trace backends: portable"));
}
