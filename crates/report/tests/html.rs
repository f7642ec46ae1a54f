//! `report.html`: hostile text stays text, nothing is loaded, the picture is bounded.

#![allow(clippy::unwrap_used, reason = "tests")]

use casetrace_knowledge::Lang;
use casetrace_model::{Row, Source};
use casetrace_report::{Input, InputLine, Report, SourceLine, html, markdown};
use casetrace_rules::{Findings, QualityFinding, Severity};
use casetrace_timeline::{Timeline, TimelineBuilder};

const HOSTILE: &str =
    "</script><script>alert(1)</script><!-- \"'><img src=x onerror=alert(2)> \u{202e}\u{1b}[31m {{ 7 * 7 }}";
const START: i64 = 1_772_413_200_000_000_000;

fn timeline(rows: u64, text: &str) -> Timeline {
    let mut builder = TimelineBuilder::new();
    let sources = [
        Source::Pcap,
        Source::Etl,
        Source::Evtx,
        Source::Text,
        Source::Saz,
        Source::Registry,
    ];
    for (source, record) in sources.into_iter().cycle().zip(1..=rows) {
        let ts = START + i64::try_from(record).unwrap() * 700_000_000;
        let mut row = Row::new(source, "dns.query", record).at(ts);
        row.server_name = Some(text.into());
        row.message = text.into();
        row.outcome = Some(casetrace_model::Outcome::Timeout);
        builder.push(text, Some(text), row);
    }
    builder.finish()
}

fn findings(text: &str) -> Findings {
    let item = |role: &str, record: u64, ts: Option<&str>| {
        serde_json::json!({ "role": role, "artifact": text, "record": record, "ts": ts, "source": "pcap",
            "kind": "dns.query", "summary": text })
    };
    let evidence = [
        item("decisive", 1, Some("2026-03-02T01:00:01Z")),
        item("refuting", 2, Some("2026-03-02T01:00:02Z")),
        item("supporting", 3, None),
        item("weak", 4, Some("2026-03-02T01:00:03.5Z")),
    ];
    let finding = serde_json::json!({ "rule_id": "PXY-01", "title": text, "family": "proxy", "phase": "proxy",
        "confidence": "proved", "status": "active", "severity": "high", "rank": 1, "consequence_of": [text],
        "first_ts": "2026-03-02T01:00:01Z", "last_ts": "2026-03-02T01:00:03Z", "count": 40, "subject": text,
        "context": "system", "hosts": [text], "evidence": evidence, "codes": ["0x80190197"], "explanation": text,
        "next_steps": [text], "next_steps_for": [{ "to": "network", "text": text }], "ask_customer": [text],
        "false_positives": [], "references": [] });
    let mut refuted = finding.clone();
    refuted["status"] = "refuted".into();
    refuted["rank"] = serde_json::Value::Null;
    let mut resolved = finding.clone();
    resolved["status"] = "resolved".into();
    serde_json::from_value(serde_json::json!({ "schema_version": 1, "tool_version": text, "rules_version": text,
        "case": { "hosts": [], "span": null, "inputs": [] }, "findings": [finding, resolved, refuted],
        "data_quality": [QualityFinding { id: text.into(), title: text.into(), artifact: None,
            severity: Severity::Low, summary: text.into(), what_is_lost: text.into(), ask_customer: vec![text.into()] }] }))
    .unwrap()
}

fn report(text: &str, timeline: &Timeline, lang: Lang) -> Report {
    let inputs = [InputLine {
        path: text.to_owned(),
        size: 7,
        sha256: text.to_owned(),
    }];
    let sources = [SourceLine {
        path: text.to_owned(),
        kind: text.to_owned(),
        outcome: text.to_owned(),
        rows: 3,
        span: text.to_owned(),
    }];
    let input = Input {
        name: text,
        inputs: &inputs,
        sources: &sources,
        findings: &findings(text),
        attempts: &casetrace_rules::Attempts::default(),
        timeline,
    };
    Report::build(&input, lang)
}

#[test]
fn hostile_text_stays_text() {
    let page = html(&report(HOSTILE, &timeline(200, HOSTILE), Lang::En), None).unwrap();
    let harmless = html(&report("text", &timeline(200, "text"), Lang::En), None).unwrap();
    for markup in ["<script", "</script", "<img", "<!--", "<style", "<svg"] {
        assert_eq!(
            page.matches(markup).count(),
            harmless.matches(markup).count(),
            "{markup}"
        );
    }
    assert_eq!(page.matches("<!--").count(), 0);
    assert!(!page.contains(['\u{202e}', '\u{1b}']));
    assert!(page.contains("{{ 7 * 7 }}"));
    assert!(page.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn nothing_is_loaded_and_the_policy_forbids_it() {
    let page = html(&report("text", &timeline(200, "text"), Lang::En), None).unwrap();
    for outside in [
        "http://",
        "https://",
        "//cdn",
        "src=",
        "@import",
        "url(",
        "<link",
        " style=",
        " onclick=",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    let policy = page.find("default-src").unwrap();
    assert!(policy < page.find("<style>").unwrap());
    assert!(!page.contains("unsafe-inline"));
}

#[test]
fn the_page_says_what_report_md_says() {
    let report = report("text", &timeline(200, "text"), Lang::En);
    let (page, plain) = (html(&report, None).unwrap(), markdown(&report, None).unwrap());
    for heading in plain.lines().filter_map(|line| line.strip_prefix("## ")) {
        assert!(page.contains(&format!(">{heading}</h2>")), "{heading}");
    }
    for word in report.facts.iter().map(|fact| &fact.label) {
        assert!(page.contains(word.as_str()), "{word}");
    }
    // Evidence 1 and 3 have a time; the refuting record is not among them, 2 has none.
    for id in ["m-1-1", "m-1-3", "e-1-1", "e-1-2", "e-1-3"] {
        assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
    }
    for target in page
        .split("href=\"#")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
    }
    assert_eq!(page, html(&report, None).unwrap());
}

#[test]
fn the_picture_is_bounded() {
    let report = report("text", &timeline(60_000, "text"), Lang::Ja);
    let picture = &report.picture;
    assert_eq!(picture.lanes.len(), 6);
    assert!(picture.lanes.iter().map(|lane| lane.bars.len()).sum::<usize>() <= 600);
    let counted: u64 = picture
        .lanes
        .iter()
        .flat_map(|lane| &lane.bars)
        .map(|bar| bar.rows)
        .sum();
    assert_eq!(counted, 60_000);
    let page = html(&report, None).unwrap();
    assert!(page.len() < 1 << 20, "{}", page.len());
    assert!(page.contains("<html lang=\"ja\">"));
}

#[test]
fn a_case_without_rows_has_no_picture() {
    let page = html(&report("text", &timeline(0, "text"), Lang::En), None).unwrap();
    assert!(!page.contains("<svg") && !page.contains("href=\"#m-"));
}

#[test]
fn an_own_template_is_escaped_too() {
    let report = report(HOSTILE, &timeline(1, "text"), Lang::En);
    let page = html(&report, Some("<p>{{ name }}</p>{{ verdict|join('; ') }}")).unwrap();
    assert!(!page.contains("<script") && page.starts_with("<p>&lt;"), "{page}");
    assert!(html(&report, Some("{% for %}")).is_err());
}
