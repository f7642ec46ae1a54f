//! A report whose every text is the same given text.

#![allow(clippy::unwrap_used, dead_code, reason = "tests; each file uses a part")]

use casetrace_knowledge::Lang;
use casetrace_model::{Row, Source};
use casetrace_report::{Input, InputLine, Report, SourceLine};
use casetrace_rules::{Findings, QualityFinding, Severity};
use casetrace_timeline::{Timeline, TimelineBuilder};

/// Text that tries to be markup of every kind.
pub(crate) const HOSTILE: &str =
    "</script><script>alert(1)</script><!-- \"'><img src=x onerror=alert(2)> \u{202e}\u{1b}[31m {{ 7 * 7 }}";
const START: i64 = 1_772_413_200_000_000_000;

pub(crate) fn timeline(rows: u64, text: &str) -> Timeline {
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
        // Different, or a story would take them for one step.
        row.message = format!("{record} {text}");
        row.correlation_id = Some("6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11".into());
        row.outcome = Some(casetrace_model::Outcome::Timeout);
        builder.push(text, Some(text), row);
    }
    builder.finish()
}

pub(crate) fn findings(text: &str) -> Findings {
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
        "data_quality": [QualityFinding { id: text.into(), title: text.into(), artifact: Some(text.into()),
            severity: Severity::Low, summary: text.into(), what_is_lost: text.into(), ask_customer: vec![text.into()] }] }))
    .unwrap()
}

pub(crate) fn report(text: &str, timeline: &Timeline, lang: Lang) -> Report {
    report_of(text, &findings(text), timeline, lang)
}

pub(crate) fn report_of(text: &str, findings: &Findings, timeline: &Timeline, lang: Lang) -> Report {
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
        findings,
        attempts: &casetrace_rules::Attempts::default(),
        timeline,
    };
    Report::build(&input, lang)
}
