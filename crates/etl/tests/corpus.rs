//! Compares every figure of the corpus' `expected.json` and every `*.expected.pcap` with what the reader finds.
//!
//! The corpus is not part of the repository: set `CASETRACE_CORPUS`, or put it beside the checkout as `../shared/corpus`.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use casetrace_etl::{Decoded, Options, decode};
use casetrace_model::{Collected, CountOnly, Packet, PacketSink};
use serde_json::Value;

fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let root = std::env::var_os("CASETRACE_CORPUS")
        .map_or(beside, PathBuf::from)
        .join("etl");
    if root.join("expected.json").exists() {
        return Some(root);
    }
    eprintln!("skipped: no corpus at {}", root.display());
    None
}

fn expected(root: &Path) -> serde_json::Map<String, Value> {
    let text = fs::read_to_string(root.join("expected.json")).unwrap();
    let Value::Object(all) = serde_json::from_str(&text).unwrap() else {
        panic!("expected.json holds an object")
    };
    all.into_iter()
        .filter(|(name, _)| name.ends_with(".etl"))
        .collect()
}

#[derive(Default)]
struct Packets {
    got: Vec<(i64, u16, u32, Vec<u8>)>,
    interfaces: Vec<(u32, String)>,
}

impl PacketSink for Packets {
    fn interface(&mut self, number: u32, _: u16, name: &str, _: &str) {
        self.interfaces.push((number, name.to_owned()));
    }
    fn packet(&mut self, packet: &Packet<'_>) {
        self.got.push((
            packet.ts_ns,
            packet.link_type,
            packet.orig_len,
            packet.data.to_vec(),
        ));
    }
}

fn run(path: &Path, threads: usize) -> (Decoded, CountOnly, Packets) {
    let bytes = fs::read(path).unwrap();
    let (mut sink, mut packets) = (CountOnly::default(), Packets::default());
    let options = Options {
        threads,
        ..Options::default()
    };
    let decoded = decode(&mut Cursor::new(bytes), &options, &mut sink, Some(&mut packets));
    (decoded, sink, packets)
}

/// Seconds and microseconds of an expected time, cut as the reference reader cut them.
fn micros(ts_ns: i64) -> String {
    let text = casetrace_model::time::to_rfc3339(ts_ns);
    text.chars().take(26).collect::<String>() + "Z"
}

fn same(wrong: &mut Vec<String>, file: &str, what: &str, got: &Value, want: &Value) {
    if got != want {
        wrong.push(format!("{file}: {what}: got {got}, expected {want}"));
    }
}

#[test]
fn every_figure_is_equal() {
    let Some(root) = corpus() else { return };
    let mut wrong = Vec::new();
    for (file, want) in expected(&root) {
        let (decoded, _, _) = run(&root.join(&file), 2);
        let inspection = &decoded.inspection;
        let container = &inspection.container;
        let null = Value::Null;
        let fact = |name| container.get(name).unwrap_or(&null);
        for (ours, theirs) in [
            ("os_build", "os_build"),
            ("pointer_size", "pointer_size"),
            ("mode", "log_file_mode"),
            ("clock_type", "clock"),
            ("perf_frequency", "perf_freq"),
            ("logger", "logger"),
            ("buffers_written", "header_buffers_written"),
            ("buffers", "buffers"),
            ("compression", "compressed"),
            ("records_by_header", "records_by_header"),
            ("extended_items", "ext_items"),
        ] {
            same(&mut wrong, &file, ours, fact(ours), &want[theirs]);
        }
        same(
            &mut wrong,
            &file,
            "events_lost",
            &inspection.lost.events.into(),
            &want["events_lost"],
        );
        same(
            &mut wrong,
            &file,
            "buffers_lost",
            &inspection.lost.buffers.into(),
            &want["buffers_lost"],
        );
        same(
            &mut wrong,
            &file,
            "records",
            &inspection.records.into(),
            &want["records"],
        );
        if let Some(pktmon) = want["pktmon"].as_object() {
            for (name, value) in pktmon {
                same(&mut wrong, &file, name, &fact("pktmon")[name], value);
            }
        }
        times(&mut wrong, &file, &decoded, &want);
        providers(&mut wrong, &file, &decoded, &want);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn times(wrong: &mut Vec<String>, file: &str, decoded: &Decoded, want: &Value) {
    if want["first_event_utc"].is_string() {
        let (first, last) = decoded.inspection.span.unwrap();
        for (what, got) in [("first_event_utc", first), ("last_event_utc", last)] {
            same(wrong, file, what, &micros(got).into(), &long(&want[what]));
        }
    }
    for what in ["start", "end"] {
        let got = decoded
            .inspection
            .container
            .get(what)
            .and_then(Value::as_str)
            .map(|t| t[..26].to_owned() + "Z");
        same(
            wrong,
            file,
            what,
            &got.into(),
            &long(&want[format!("{what}_utc")]),
        );
    }
}

/// `…:30Z` with six digits.
fn long(time: &Value) -> Value {
    match time.as_str() {
        Some(text) if !text.contains('.') => format!("{}.000000Z", text.trim_end_matches('Z')).into(),
        _ => time.clone(),
    }
}

fn providers(wrong: &mut Vec<String>, file: &str, decoded: &Decoded, want: &Value) {
    let mut by_provider = serde_json::Map::new();
    for (name, count) in &decoded.inspection.counts {
        let key = count.guid.as_deref().unwrap_or(name).to_owned();
        by_provider.insert(key, count.total.into());
    }
    same(
        wrong,
        file,
        "records_by_provider",
        &by_provider.into(),
        &want["records_by_provider"],
    );
    let mut by_id = std::collections::BTreeMap::<(String, String), u64>::new();
    for (key, n) in want["top_event_ids"].as_object().unwrap() {
        let mut parts = key.split('/');
        let (guid, id) = (parts.next().unwrap(), parts.next().unwrap());
        *by_id.entry((guid.to_owned(), id.to_owned())).or_default() += n.as_u64().unwrap();
    }
    for ((guid, id), n) in by_id {
        let count = decoded
            .inspection
            .counts
            .values()
            .find(|c| c.guid.as_deref() == Some(&guid))
            .unwrap();
        let got = count.by_event.get(id.as_str()).copied().unwrap_or(0);
        // The list is of the most frequent ones, so a version may be missing from it.
        if got < n {
            wrong.push(format!("{file}: event {guid}/{id}: got {got}, expected {n}"));
        }
    }
}

#[test]
fn every_expected_capture_is_reproduced() {
    let Some(root) = corpus() else { return };
    let mut wrong = Vec::new();
    for (file, want) in expected(&root) {
        let Some(pcap) = want["expected_pcap"]["file"].as_str() else {
            continue;
        };
        let want = read_pcap(&fs::read(root.join(pcap)).unwrap());
        let (_, _, packets) = run(&root.join(&file), 1);
        if packets.got.len() != want.len() {
            wrong.push(format!(
                "{file}: got {} packets, expected {}",
                packets.got.len(),
                want.len()
            ));
        }
        for (i, (got, want)) in packets.got.iter().zip(&want).enumerate() {
            if got != want {
                wrong.push(format!(
                    "{file}: packet {i}: got {} {} {} {}, expected {} {} {} {}",
                    got.0,
                    got.1,
                    got.2,
                    got.3.len(),
                    want.0,
                    want.1,
                    want.2,
                    want.3.len()
                ));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn read_pcap(file: &[u8]) -> Vec<(i64, u16, u32, Vec<u8>)> {
    let u32_at = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!(u32_at(0), 0xa1b2_3c4d, "nanosecond capture");
    let link = u16::try_from(u32_at(20)).unwrap();
    let (mut at, mut out) = (24, Vec::new());
    while at < file.len() {
        let len = usize::try_from(u32_at(at + 8)).unwrap();
        let ts_ns = i64::from(u32_at(at)) * 1_000_000_000 + i64::from(u32_at(at + 4));
        out.push((
            ts_ns,
            link,
            u32_at(at + 12),
            file[at + 16..at + 16 + len].to_vec(),
        ));
        at += 16 + len;
    }
    out
}

#[test]
fn packet_monitor_copies_become_one_packet_each() {
    let Some(root) = corpus() else { return };
    let mut wrong = Vec::new();
    for (file, at_least, at_most) in [
        ("pktmon_demi.etl", 38, 38),
        ("pktmon_nath1.etl", 200, 260),
        ("pktmon_triton.etl", 1, 51),
    ] {
        let (_, _, packets) = run(&root.join(file), 1);
        if !(at_least..=at_most).contains(&packets.got.len()) {
            wrong.push(format!(
                "{file}: got {} packets on {:?}",
                packets.got.len(),
                packets.interfaces
            ));
        }
        assert!(packets.interfaces.iter().all(|(_, name)| !name.is_empty()));
    }
    let (_, _, packets) = run(&root.join("netsh_wifi_1packet.etl"), 1);
    assert_eq!(packets.got.len(), 1);
    assert_eq!(packets.got[0].1, 105);
    assert_eq!(packets.got[0].3.len(), 197);
    assert_eq!(packets.interfaces, [(0, "Wi-Fi 2".to_owned())]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn threads_change_nothing() {
    let Some(root) = corpus() else { return };
    for file in ["pv_net452x64.etl", "pktmon_nath1.etl", "tx_CrossMachineHTTP.etl"] {
        let bytes = fs::read(root.join(file)).unwrap();
        let run = |threads| {
            let mut sink = Collected::default();
            let options = Options {
                threads,
                ..Options::default()
            };
            let decoded = decode(&mut Cursor::new(&bytes), &options, &mut sink, None);
            (decoded.inspection, sink)
        };
        let (one, two) = (run(1), run(3));
        assert_eq!(one.0, two.0, "{file}");
        assert_eq!(one.1.diagnostics, two.1.diagnostics, "{file}");
        assert!(one.1.rows == two.1.rows, "{file}: rows differ");
    }
}

/// Files all of whose events have a layout, with the number of their rows.
const EXACT: &[(&str, usize)] = &[
    ("AMSITrace.etl", 19),
    ("ShutdownPerfDiagLogger.etl", 60),
    ("krabs_powershell.etl", 112),
    ("pv_SelfDescribingSingleEvent.etl", 1),
    ("pv_primitive-types.etl", 5),
    ("s4_WindowsUpdate.etl", 80),
    ("s4_waasmedic.etl", 17),
    ("sonde_test.etl", 9),
    ("tx_CrossMachineHTTP.etl", 3396),
    ("tx_KernelNetwork.etl", 8923),
    ("tx_WsRm01.etl", 70),
];

#[test]
fn events_fit_their_layouts_to_the_last_byte() {
    let Some(root) = corpus() else { return };
    let mut wrong = Vec::new();
    for (file, rows) in EXACT {
        let mut out = Collected::default();
        let mut input = fs::File::open(root.join(file)).unwrap();
        decode(&mut input, &Options::default(), &mut out, None);
        let misfits = out.rows.iter().filter(|row| {
            ["\"_cut\":", "\"_rest\":", "\"_schema\":"]
                .iter()
                .any(|mark| row.fields.contains(mark))
        });
        let misfits = misfits.count();
        if out.rows.len() != *rows || misfits > 0 {
            wrong.push(format!("{file}: {} rows, {misfits} do not fit", out.rows.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
