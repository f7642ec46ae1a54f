//! Measures the report of a large case: 5 million rows and 200 findings unless other numbers are given.
//!
//! `cargo bench -p casetrace-report --bench render_speed -- [ROWS] [FINDINGS] [FILE.html]`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring tool")]

use std::time::Instant;

use casetrace_knowledge::Lang;
use casetrace_model::{Outcome, Row, Source};
use casetrace_report::{Input, InputLine, Report, SourceLine, Templates, html, markdown};
use casetrace_rules::Findings;
use casetrace_timeline::{Timeline, TimelineBuilder};

const START: i64 = 1_772_413_200_000_000_000;
const KINDS: [&str; 8] = [
    "dns.query",
    "dns.response",
    "tcp.connect",
    "tls.client_hello",
    "tls.server_hello",
    "http.request",
    "http.response",
    "event",
];

/// Rows as traces have them: eight kinds, three thousand names, a million conversations.
fn timeline(rows: u64) -> Timeline {
    let sources = [Source::Pcap, Source::Etl, Source::Evtx, Source::Text];
    let mut builder = TimelineBuilder::new();
    for record in 1..=rows {
        let kind = KINDS[record as usize % KINDS.len()];
        let source = sources[record as usize / 7 % sources.len()];
        let mut row = Row::new(source, kind, record).at(START + record as i64 * 1_000_000);
        if record % 3 > 0 {
            row.server_name = Some(format!("host{}.example.com", record % 3000).into());
        }
        row.dst_ip = Some(format!("192.0.{}.{}", record % 250, record % 11).into());
        row.flow_id = Some(record / 5);
        row.outcome = Some(if record % 17 == 0 {
            Outcome::Timeout
        } else {
            Outcome::Success
        });
        row.dns_rcode = Some("NOERROR".into());
        row.http_status = Some(200);
        row.message = format!("{kind} number {record}");
        builder.push("upload.zip!/trace.etl", Some("PC042"), row);
    }
    builder.finish()
}

fn findings(count: u64) -> Findings {
    let prose =
        "The proxy asks for authentication and no request on that connection succeeds afterwards. ".repeat(4);
    let finding = |number: u64| {
        let evidence: Vec<_> = (1..=40_u64)
            .map(|n| {
                let record = number * 1000 + n;
                let ts = START + record as i64 * 1_000_000;
                serde_json::json!({ "role": "decisive", "artifact": "upload.zip!/trace.etl", "record": record,
                    "ts": casetrace_model::time::to_rfc3339(ts), "source": "etl", "kind": "http.response",
                    "summary": format!("407 Proxy Authentication Required to CONNECT host{n}.example.com:443 {}", "x".repeat(150)) })
            })
            .collect();
        serde_json::json!({ "rule_id": format!("PXY-{number:02}"), "title": "Proxy authentication is not completed",
            "family": "proxy", "phase": "proxy", "confidence": "proved", "status": "active", "severity": "high",
            "rank": number, "consequence_of": [], "first_ts": evidence[0]["ts"], "last_ts": evidence[39]["ts"],
            "count": 4000, "subject": format!("host{number}.example.com"), "context": "system", "hosts": ["PC042"],
            "evidence": evidence, "codes": ["0x80190197"], "explanation": prose, "next_steps": [prose],
            "next_steps_for": [{ "to": "network", "text": format!("Exempt host{number}.example.com. {prose}") }],
            "ask_customer": [], "false_positives": [], "references": [] })
    };
    serde_json::from_value(
        serde_json::json!({ "schema_version": 1, "tool_version": "0", "rules_version": "0",
        "case": { "hosts": [], "span": null, "inputs": [] },
        "findings": (1..=count).map(finding).collect::<Vec<_>>(), "data_quality": [] }),
    )
    .unwrap()
}

/// What was given, without what cargo adds.
fn arguments() -> impl Iterator<Item = String> {
    std::env::args().skip(1).filter(|argument| argument != "--bench")
}

fn main() {
    let number = |at: usize, default: u64| {
        arguments()
            .nth(at)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (rows, count) = (number(0, 5_000_000), number(1, 200));
    let begin = Instant::now();
    let (timeline, findings) = (timeline(rows), findings(count));
    println!(
        "made {rows} rows and {count} findings in {:.2} s",
        begin.elapsed().as_secs_f64()
    );
    let inputs = [InputLine {
        path: "upload.zip".to_owned(),
        size: 1,
        sha256: "0".repeat(64),
    }];
    let sources: [SourceLine; 0] = [];
    let input = Input {
        name: "upload",
        inputs: &inputs,
        sources: &sources,
        findings: &findings,
        attempts: &casetrace_rules::Attempts::default(),
        timeline: &timeline,
    };
    let begin = Instant::now();
    let report = Report::build(&input, Lang::En);
    let built = begin.elapsed();
    let plain = markdown(&report, &Templates::builtin()).unwrap();
    let page = html(&report, &Templates::builtin()).unwrap();
    println!(
        "view model {:.2} s, both reports {:.2} s; report.md {} KiB, report.html {} KiB",
        built.as_secs_f64(),
        begin.elapsed().as_secs_f64(),
        plain.len() >> 10,
        page.len() >> 10
    );
    // For `reports/check/browser.py`.
    if let Some(path) = std::env::args_os().nth(3) {
        std::fs::write(path, page).unwrap();
    }
}
