//! An event saved as XML gives the row of the same event in its .evtx: what people export is no worse than what they collect.
//!
//! The XML comes from the `evtx` crate, the rows of it from `casetrace-text`. Blanks around values are lost in XML.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use casetrace_evtx::{Options, decode};
use casetrace_model::{Collected, Row};
use casetrace_synth::event::{Element, Event, Provider, Value};
use casetrace_synth::evtx::Evtx;
use casetrace_synth::moment::Moment;
use evtx::EvtxParser;
use serde_json::Value as Json;

/// Rows by record number; a number that comes twice is left out.
type Rows = BTreeMap<u64, Option<Row>>;

fn by_record(rows: Vec<Row>) -> Rows {
    let mut found = Rows::new();
    for row in rows {
        let twice = found.contains_key(&row.record);
        found.insert(row.record, (!twice).then_some(row));
    }
    found
}

fn rows_of_log(bytes: &[u8]) -> Rows {
    let mut sink = Collected::default();
    decode(
        Box::new(Cursor::new(bytes.to_vec())),
        &Options::default(),
        &mut sink,
    );
    by_record(sink.rows)
}

fn rows_of_xml(bytes: &[u8]) -> Rows {
    let mut xml = String::from("<Events>");
    let mut parser = EvtxParser::from_buffer(bytes.to_vec()).unwrap();
    for record in parser.records().flatten() {
        let text = record.data;
        xml.push_str(text.split_once("?>").map_or(text.as_str(), |(_, rest)| rest));
    }
    xml.push_str("</Events>");
    let options = casetrace_text::Options {
        name: "events.xml".to_owned(),
        ..casetrace_text::Options::default()
    };
    let mut sink = Collected::default();
    let result = casetrace_text::decode(&mut xml.as_bytes(), &options, &mut sink);
    assert_eq!(result.format.name(), "events_xml");
    by_record(sink.rows)
}

/// A text without what XML does to blanks.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The event's own data; parts of System without a column are told by .evtx only.
fn data(row: &Row) -> BTreeMap<String, String> {
    let fields: BTreeMap<String, Json> = serde_json::from_str(&row.fields).unwrap();
    fields
        .into_iter()
        .filter(|(name, _)| !name.starts_with("System/"))
        .map(|(name, value)| (name, words(value.as_str().unwrap_or(&value.to_string()))))
        .collect()
}

/// Everything a rule asks for.
fn meaning(row: &Row) -> Vec<String> {
    let mut cells = vec![
        format!("{:?} {:?} {:?}", row.ts_ns, row.event_id, row.event_version),
        format!("{:?} {:?} {:?}", row.provider, row.host, row.user_sid),
        format!("{:?} {:?} {:?}", row.level, row.keywords, row.outcome),
        format!("{:?} {:?} {:?}", row.pid, row.tid, row.context),
        format!(
            "{:?} {:?} {:?}",
            row.error_code, row.correlation_id, row.activity_id
        ),
        format!("{:?} {:?} {:?}", row.server_name, row.http_status, row.url),
        format!("{:?} {:?} {:?}", row.tenant_id, row.user, row.proxy),
    ];
    cells.extend(
        data(row)
            .into_iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    cells
}

/// How many events were compared, and what differs in the first that do.
fn compare(bytes: &[u8]) -> (usize, Vec<String>) {
    let (log, xml) = (rows_of_log(bytes), rows_of_xml(bytes));
    let mut compared = 0;
    let mut problems = Vec::new();
    for (record, row) in &log {
        let (Some(row), Some(Some(other))) = (row, xml.get(record)) else {
            continue;
        };
        compared += 1;
        let (left, right) = (meaning(row), meaning(other));
        if left != right && problems.len() < 3 {
            let only = |a: &[String], b: &[String]| -> Vec<String> {
                a.iter().filter(|cell| !b.contains(cell)).cloned().collect()
            };
            problems.push(format!(
                "{record}: {:?} {:?}",
                only(&left, &right),
                only(&right, &left)
            ));
        }
    }
    (compared, problems)
}

#[test]
fn made_events() {
    let provider = |name, channel| Provider {
        name,
        guid: "23b8d46b-67dd-40a3-b636-d43e50552c6d",
        channel,
    };
    let at = |second| Moment::at("2026-03-02T01:16:11.1234567Z").plus_s(second);
    let join = Event::new(
        provider("Microsoft-Windows-User Device Registration", "X/Admin"),
        304,
        at(0),
    )
    .level(2)
    .user("S-1-5-18")
    .field("ExitCode", Value::I32(-2_145_648_607))
    .field("ServerErrorMessage", "")
    .field("DebugOutput", "joinMode: Join\r\nerrorPhase: auth\r\n");
    let chain = Element::new("CertGetCertificateChain")
        .child(Element::new("Certificate").attr("subjectName", "login.microsoftonline.com"))
        .child(
            Element::new("Result")
                .attr("value", "800B0109")
                .text("An untrusted root."),
        );
    let capi = Event::new(provider("Microsoft-Windows-CAPI2", "Y/Operational"), 11, at(1))
        .level(2)
        .user_data(chain);
    let bytes = Evtx::new("PC042").event(join).event(capi).write();
    let (compared, problems) = compare(&bytes);
    assert_eq!((compared, problems), (2, vec![]));
}

#[test]
fn logs_of_the_corpus() {
    let root = std::env::var_os("CASETRACE_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
        Into::into,
    );
    let mut compared = 0;
    let mut problems = Vec::new();
    for folder in ["evtx", "evtx/synth"] {
        let Ok(entries) = fs::read_dir(root.join(folder)) else {
            eprintln!("skipped: no corpus");
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            // The largest say nothing new; damaged headers stop the XML writer, not the reader under test.
            let is_log = path.extension().is_some_and(|e| e == "evtx");
            let Ok(bytes) = fs::read(&path) else { continue };
            if !is_log || bytes.len() > 1_200_000 || EvtxParser::from_buffer(bytes.clone()).is_err() {
                continue;
            }
            let (count, found) = compare(&bytes);
            compared += count;
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            problems.extend(found.into_iter().map(|what| format!("{name} {what}")));
        }
    }
    eprintln!("{compared} events compared");
    assert!(compared > 10_000);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
