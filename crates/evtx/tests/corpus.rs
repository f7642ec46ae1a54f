//! Real and made-up logs against digests that two other parsers agree on. Skipped where the corpus is not there.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use casetrace_evtx::{Options, decode};
use casetrace_model::{Collected, Inspection, Level, Row, time};
use serde_json::{Map, Value};

/// Logs from which more or fewer rows come than the digest has records, and why.
const COUNTS: &[(&str, i64, &str)] = &[
    (
        "evtx__Microsoft-Windows-HelloForBusiness%4Operational",
        -1,
        "one record is hollow",
    ),
    (
        "evtx__sample-with-zero-data-size-event",
        449 - 335,
        "the walk goes on behind a record of size zero",
    ),
    (
        "evtx__sample_with_a_bad_chunk_magic",
        301 - 1 - 270,
        "the walk goes on behind a bad header; one is hollow",
    ),
];

fn corpus() -> Option<PathBuf> {
    let root = std::env::var_os("CASETRACE_CORPUS")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"));
    let evtx = root.join("evtx");
    if evtx.is_dir() {
        return Some(evtx);
    }
    eprintln!("skipped: no corpus");
    None
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    let mut logs: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    logs.retain(|path| path.extension().is_some_and(|e| e == "evtx"));
    logs.sort();
    logs
}

fn read(path: &Path, threads: usize) -> (Collected, Inspection) {
    let mut sink = Collected::default();
    let options = Options {
        threads,
        ..Options::default()
    };
    let inspection = decode(Box::new(fs::File::open(path).unwrap()), &options, &mut sink);
    (sink, inspection)
}

fn digest(folder: &Path, stem: &str) -> Vec<Value> {
    let packed = fs::read(folder.join("oracle").join(format!("{stem}.jsonl.zst"))).unwrap();
    let text = String::from_utf8(zstd::decode_all(packed.as_slice()).unwrap()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The digest's spelling of a value.
fn spelled(text: &str) -> String {
    // An XML parser turns CR LF into LF; the record has CR LF, and so have we.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = text.trim();
    if let Some(guid) = casetrace_model::normalise_guid(text) {
        return guid.to_string();
    }
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
        && !hex.is_empty()
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
    {
        let short = hex.trim_start_matches('0').to_lowercase();
        return format!("0x{}", if short.is_empty() { "0" } else { &short });
    }
    if text.len() >= 20
        && text.ends_with('Z')
        && text.as_bytes().get(10) == Some(&b'T')
        && text.starts_with(char::is_numeric)
    {
        let (whole, rest) = text.split_at(19);
        let digits: String = rest
            .chars()
            .filter(char::is_ascii_digit)
            .chain("000000".chars())
            .take(6)
            .collect();
        return format!("{whole}.{digits}Z");
    }
    match text {
        "True" | "False" => text.to_lowercase(),
        _ => text.to_owned(),
    }
}

/// Values of `name`, `name_2`… that are the event's own and not empty.
fn ours(fields: &Map<String, Value>, expected: &Map<String, Value>, name: &str) -> Vec<String> {
    let numbered = |key: &str| {
        key == name
            || key
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('_'))
                .is_some_and(|n| {
                    !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) && !expected.contains_key(key)
                })
    };
    let values = fields
        .iter()
        .filter(|(key, _)| numbered(key))
        .map(|(_, value)| spelled(value.as_str().unwrap_or_default()));
    values.filter(|value| !value.is_empty()).collect()
}

fn same_value(ours: &str, theirs: &str) -> bool {
    match ours.strip_suffix('…') {
        // The digest strips blanks, Windows keeps them: compare what both have.
        Some(start) if ours.len() > 16_000 => theirs.starts_with(start),
        _ => ours == theirs,
    }
}

/// The first difference between a row and its digest.
fn difference(row: &Row, record: &Value) -> Option<String> {
    let fields: Map<String, Value> = serde_json::from_str(&row.fields).unwrap();
    let columns = [
        ("provider", row.provider.as_deref().map(Value::from)),
        ("event_id", row.event_id.map(Value::from)),
        ("version", row.event_version.map(Value::from)),
        ("channel", row.channel.as_deref().map(Value::from)),
        ("computer", row.host.as_deref().map(Value::from)),
        ("process_id", row.pid.map(Value::from)),
        ("thread_id", row.tid.map(Value::from)),
        ("keywords", row.keywords.map(|k| Value::from(format!("{k:#x}")))),
        (
            "task",
            row.task
                .as_deref()
                .map(|t| Value::from(t.parse::<u64>().unwrap_or(0))),
        ),
    ];
    for (name, value) in columns {
        let wanted = record.get(name).filter(|v| !v.is_null()).cloned();
        if value != wanted && !(name == "task" && wanted == Some(0.into())) {
            return Some(format!("{name}: {value:?} for {wanted:?}"));
        }
    }
    let level = record["level"]
        .as_u64()
        .map(|level| Level::from_windows(level as u8));
    if row.level != level {
        return Some(format!("level {:?} for {level:?}", row.level));
    }
    // The activity is only empty where all its digits are zero; the SID may have come from a field.
    let activity = record["activity_id"]
        .as_str()
        .filter(|id| id.bytes().any(|b| !matches!(b, b'0' | b'-')));
    if row.activity_id.as_deref() != activity {
        return Some(format!("activity {:?} for {activity:?}", row.activity_id));
    }
    if record["user_id"].is_string() && row.user_sid.as_deref() != record["user_id"].as_str() {
        return Some("user_sid".to_owned());
    }
    let qualifiers = fields
        .get("System/EventID/@Qualifiers")
        .map(|v| v.as_str().unwrap().to_owned());
    if qualifiers != record["qualifiers"].as_u64().map(|q| q.to_string()) {
        return Some("qualifiers".to_owned());
    }
    let expected = record["data"].as_object().unwrap();
    for (name, theirs) in expected {
        let theirs: Vec<&str> = match theirs {
            Value::Array(list) => list.iter().map(|v| v.as_str().unwrap()).collect(),
            one => vec![one.as_str().unwrap()],
        };
        let ours = ours(&fields, expected, name);
        if ours.len() != theirs.len() || !ours.iter().zip(&theirs).all(|(a, b)| same_value(a, b)) {
            return Some(format!(
                "field {name}: {} values for {}",
                ours.len(),
                theirs.len()
            ));
        }
    }
    None
}

fn key(record: &Value) -> (u64, String) {
    (
        record["record_id"].as_u64().unwrap(),
        record["timestamp"].as_str().unwrap_or_default().to_owned(),
    )
}

/// `2024-05-22T03:11:55.264257Z`: the digest cuts to microseconds.
fn cut_time(row: &Row) -> String {
    row.ts_ns
        .map(|ns| format!("{}Z", &time::to_rfc3339(ns)[..26]))
        .unwrap_or_default()
}

fn compare(folder: &Path, path: &Path) -> (usize, Vec<String>) {
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let digest = digest(folder, stem);
    let (sink, inspection) = read(path, 1);
    assert_eq!(inspection.records as usize, sink.rows.len());
    let mut problems = Vec::new();
    let change = COUNTS
        .iter()
        .find(|(name, ..)| *name == stem)
        .map_or(0, |(_, change, _)| *change);
    if sink.rows.len() as i64 != digest.len() as i64 + change {
        problems.push(format!(
            "{stem}: {} rows for {} records",
            sink.rows.len(),
            digest.len()
        ));
    }
    let mut rows: HashMap<(u64, String), Vec<&Row>> = HashMap::new();
    for row in sink.rows.iter().rev() {
        rows.entry((row.record, cut_time(row))).or_default().push(row);
    }
    for record in digest
        .iter()
        .filter(|record| record["provider"].is_string() || record["event_id"] != 0)
    {
        match rows.get_mut(&key(record)).and_then(Vec::pop) {
            None => problems.push(format!("{stem}: record {:?} is missing", key(record))),
            Some(row) => {
                problems.extend(difference(row, record).map(|what| format!("{stem} {}: {what}", row.record)))
            }
        }
    }
    (digest.len(), problems)
}

#[test]
fn every_field_of_every_log_is_that_of_the_digest() {
    let Some(corpus) = corpus() else { return };
    let (mut records, mut problems) = (0, Vec::new());
    for folder in [corpus.clone(), corpus.join("synth"), corpus.join("mta")] {
        for log in logs(&folder) {
            let (count, found) = compare(&folder, &log);
            records += count;
            problems.extend(found);
        }
    }
    eprintln!("{records} records compared");
    let shown = problems
        .iter()
        .take(20)
        .map(|p| format!("{p}\n"))
        .collect::<String>();
    assert!(problems.is_empty(), "{} differ:\n{shown}", problems.len());
}

#[test]
fn made_up_logs_equal_their_truth() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("synth");
    let packed = fs::read(folder.join("expected.jsonl.zst")).unwrap();
    let text = String::from_utf8(zstd::decode_all(packed.as_slice()).unwrap()).unwrap();
    let mut logs: HashMap<String, HashMap<u64, Row>> = HashMap::new();
    let mut compared = 0;
    for line in text.lines() {
        let truth: Value = serde_json::from_str(line).unwrap();
        let file = truth["file"].as_str().unwrap();
        let rows = logs.entry(file.to_owned()).or_insert_with(|| {
            read(&folder.join(file), 2)
                .0
                .rows
                .into_iter()
                .map(|row| (row.record, row))
                .collect()
        });
        let row = &rows[&truth["record_id"].as_u64().unwrap()];
        assert_eq!(
            row.ts_ns,
            time::from_rfc3339(truth["timestamp"].as_str().unwrap()),
            "{file} {}",
            row.record
        );
        assert_eq!(row.provider.as_deref(), truth["provider"].as_str());
        let fields: Map<String, Value> = serde_json::from_str(&row.fields).unwrap();
        for (name, value) in truth["data"].as_object().unwrap() {
            assert_eq!(fields.get(name), Some(value), "{file} {} {name}", row.record);
        }
        compared += 1;
    }
    assert_eq!(compared, 3_600);
}

#[test]
fn the_companion_gives_rendered_text() {
    let Some(corpus) = corpus() else { return };
    let mta = fs::read(corpus.join("mta/test_1033.MTA")).unwrap();
    let options = Options {
        mta: Some(mta),
        ..Options::default()
    };
    let mut sink = Collected::default();
    decode(
        Box::new(fs::File::open(corpus.join("mta/test.evtx")).unwrap()),
        &options,
        &mut sink,
    );
    let rendered = sink
        .rows
        .iter()
        .filter(|row| row.fields.contains("\"rendered\":"));
    assert_eq!((sink.rows.len(), rendered.count()), (239, 239));
}

#[test]
fn threads_change_nothing() {
    let Some(corpus) = corpus() else { return };
    for log in logs(&corpus)
        .iter()
        .filter(|log| fs::metadata(log).unwrap().len() > 1 << 20)
        .take(3)
    {
        let (one, alone) = read(log, 1);
        let (three, together) = read(log, 3);
        assert!(one.rows == three.rows && one.diagnostics == three.diagnostics && alone == together);
    }
}

#[test]
fn both_ways_of_reading_give_the_same_rows() {
    let Some(corpus) = corpus() else { return };
    let folders = [
        corpus.clone(),
        corpus.join("synth"),
        corpus.join("mta"),
        corpus.join("../bundles"),
    ];
    for log in folders.iter().flat_map(|folder| logs(folder)) {
        let options = Options {
            only_by_xml: true,
            ..Options::default()
        };
        let mut by_xml = Collected::default();
        let slow = decode(Box::new(fs::File::open(&log).unwrap()), &options, &mut by_xml);
        let (straight, quick) = read(&log, 1);
        for (one, other) in straight.rows.iter().zip(&by_xml.rows) {
            assert_eq!(one, other, "{}", log.display());
        }
        assert_eq!(
            (straight.rows.len(), &straight.diagnostics),
            (by_xml.rows.len(), &by_xml.diagnostics),
            "{}",
            log.display()
        );
        assert_eq!(quick, slow, "{}", log.display());
    }
}

#[test]
fn carving_finds_more_and_marks_it() {
    let Some(corpus) = corpus() else { return };
    let log = corpus.join("deepbluecli__smb-password-guessing-security.evtx");
    let mut sink = Collected::default();
    let options = Options {
        recover: true,
        ..Options::default()
    };
    let inspection = decode(Box::new(fs::File::open(log).unwrap()), &options, &mut sink);
    let marked = sink
        .rows
        .iter()
        .filter(|row| row.fields.contains("\"recovered\":true"))
        .count();
    assert_eq!((marked, sink.rows.len() - marked), (77, 3_561));
    assert_eq!(inspection.container["recovered_records"], marked);
}
