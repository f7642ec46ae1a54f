//! Thousands of damaged variants of small traces: nothing panics, hangs or points outside of the file.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Cursor;
use std::time::{Duration, Instant};

use casetrace_etl::{EtlReader, Options, decode, fuzz};
use casetrace_model::{Collected, CountOnly};
use casetrace_synth::etl::{Etl, NDIS_PACKET_CAPTURE, Process, TraceLogging, message};
use casetrace_synth::event::{Event, Provider, Value};
use casetrace_synth::moment::Moment;

const START: &str = "2026-03-02T01:00:00Z";
const DNS: Provider = Provider {
    name: "Microsoft-Windows-DNS-Client",
    guid: "1c95126e-7eea-49a9-a3fe-a378b03ddb4d",
    channel: "",
};

/// A little of everything, in small buffers.
fn trace(compressed: bool) -> Vec<u8> {
    let start = Moment::at(START);
    let mut etl = Etl::new(start).cpus(3).buffer_size(2048);
    if compressed {
        etl = etl.compressed();
    }
    for i in 0..30 {
        let at = start.plus_ms(i * 10);
        let mut query = Event::new(DNS, 3006, at).process(700, 704);
        query.cpu = (i % 3) as u16;
        etl.event(
            &query
                .field("QueryName", Value::Text(format!("h{i}.example")))
                .field("QueryType", Value::U32(1)),
        );
        TraceLogging::new("Contoso.Test", "Step", at.plus_us(3))
            .field("number", Value::U32(7))
            .field("text", "some text")
            .add_to(&mut etl);
        let frame = Event::new(NDIS_PACKET_CAPTURE, 1001, at.plus_us(5))
            .keywords(0x8000_0401_c000_0001)
            .field("", Value::U32(8))
            .field("", Value::U32(8))
            .field("", Value::U32(60))
            .field("", Value::Binary(vec![i as u8; 60]));
        etl.event(&frame);
        let wpp = message(
            "11111111-2222-3333-4444-555555555555",
            10,
            etl.raw_ts(at),
            4,
            8,
            &[1, 2, 3],
        );
        etl.record(1, at, wpp);
    }
    etl.process_rundown(&Process::new(700, "lsass.exe", "S-1-5-18"), start.plus_s(1));
    etl.schema(
        &Event::new(DNS, 3006, start)
            .field("QueryName", "x")
            .field("QueryType", Value::U32(1)),
        start.plus_s(1),
    );
    etl.write()
}

/// Small, seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below.max(1)
    }
}

fn damaged(file: &[u8], dice: &mut Dice) -> Vec<u8> {
    const TELLING: [u8; 8] = [0, 1, 0x40, 0x7f, 0x80, 0xc0, 0xfe, 0xff];
    let mut out = file.to_vec();
    match dice.roll(4) {
        0 => out.truncate(dice.roll(out.len())),
        1 => {
            let (at, len) = (dice.roll(out.len()), dice.roll(64));
            out.drain(at..(at + len).min(file.len()));
        }
        2 => {
            let (from, to, len) = (dice.roll(out.len()), dice.roll(out.len()), dice.roll(512));
            let part: Vec<u8> = file[from..(from + len).min(file.len())].to_vec();
            out.splice(to..to, part);
        }
        _ => {}
    }
    for _ in 0..dice.roll(6) {
        if !out.is_empty() {
            let at = dice.roll(out.len());
            out[at] = if dice.roll(2) == 0 {
                TELLING[dice.roll(8)]
            } else {
                dice.roll(256) as u8
            };
        }
    }
    out
}

#[test]
fn damaged_traces_are_read_as_far_as_they_go() {
    let mut dice = Dice(1);
    let started = Instant::now();
    for compressed in [false, true] {
        let file = trace(compressed);
        for _ in 0..600 {
            fuzz::container(&damaged(&file, &mut dice));
        }
    }
    assert!(
        started.elapsed() < Duration::from_secs(120),
        "damage must not make it slow: {:?}",
        started.elapsed()
    );
}

#[test]
fn every_length_of_a_cut_trace_is_read() {
    let file = trace(false);
    let whole = records(&file);
    let mut before = 0;
    for len in (0..=file.len()).step_by(97) {
        let now = records(&file[..len]);
        assert!(
            now >= before,
            "cutting later loses nothing: {now} after {before} at {len}"
        );
        before = now;
    }
    assert!(whole >= before && whole > 100);
}

fn buffer_at(file: &[u8], number: usize) -> usize {
    usize::try_from(EtlReader::from_slice(file).unwrap().buffers()[number].at).unwrap()
}

fn records(file: &[u8]) -> u64 {
    decode(
        &mut Cursor::new(file),
        &Options::default(),
        &mut CountOnly::default(),
        None,
    )
    .inspection
    .records
}

#[test]
fn other_readers_take_any_bytes() {
    let mut dice = Dice(2);
    let seeds: Vec<Vec<u8>> = vec![
        trace(false),
        b"\x1c\0\0Ev\0a\0\x08s\0\xd8\x02m\0\x88\x84\x01n\0\x01f\0\x24\x03\0 payload".to_vec(),
        br#"<provider name="P" guid="{11111111-2222-3333-4444-555555555555}"><template tid="A"><data name="n" inType="win:UInt16"/><struct name="g" count="n"><data name="x" inType="win:Binary" length="n"/></struct></template><event value="5" version="2" template="A"/></provider>"#.to_vec(),
        b"11111111-2222-3333-4444-555555555555 c // x\n#typev f 12 \"%0a %10!s! %11!08X!\" // LEVEL=2\n{\nn, ItemWString -- 10\ns, ItemHEXDump -- 11\n}\n".to_vec(),
    ];
    for seed in &seeds {
        for _ in 0..1500 {
            let end = seed.len().min(700);
            let data = damaged(&seed[..end], &mut dice);
            fuzz::expansion(&data);
            fuzz::self_describing(&data);
            fuzz::embedded(&data);
            fuzz::manifest_xml(&data);
            fuzz::tmf_text(&data);
            fuzz::builtin_layout(&data);
        }
    }
}

#[test]
fn one_damaged_buffer_costs_only_itself() {
    let mut file = trace(false);
    let all = records(&file);
    let second = buffer_at(&file, 1);
    // The size of its first record becomes nonsense.
    file[second + 72] = 1;
    file[second + 73] = 0;
    let mut out = Collected::default();
    let decoded = decode(&mut Cursor::new(&file), &Options::default(), &mut out, None);
    assert!(
        decoded.inspection.records > all - 40,
        "{} of {all}",
        decoded.inspection.records
    );
    assert!(decoded.inspection.records < all);
    assert!(decoded.inspection.lost.bytes > 0);
    assert!(
        out.diagnostics
            .iter()
            .any(|d| d.code == "EtlDamagedRecord" && d.offset == Some(second as u64))
    );
}

#[test]
fn garbage_between_buffers_is_stepped_over() {
    let file = trace(false);
    let third = buffer_at(&file, 2);
    let mut broken = file[..third].to_vec();
    broken.extend(std::iter::repeat_n(0xa5, 333));
    broken.extend(&file[third..]);
    let mut out = Collected::default();
    let decoded = decode(&mut Cursor::new(&broken), &Options::default(), &mut out, None);
    assert_eq!(decoded.inspection.records, records(&file));
    assert_eq!(decoded.inspection.lost.bytes, 333);
    assert!(
        out.diagnostics
            .iter()
            .any(|d| d.code == "EtlNoBuffer" && d.offset == Some(third as u64) && d.bytes_lost == Some(333))
    );
}

#[test]
fn what_is_no_trace_is_said_to_be_none() {
    for (bytes, code) in [
        (&b""[..], "EtlEmptyFile"),
        (
            b"date,level,text\n2026-03-02,info,an ETL job of a data warehouse\n",
            "EtlNotATrace",
        ),
        (b"RlFs............", "EtlRtBackup"),
        (&[0; 4096], "EtlNotATrace"),
    ] {
        let mut out = Collected::default();
        let decoded = decode(&mut Cursor::new(bytes), &Options::default(), &mut out, None);
        assert_eq!(decoded.inspection.records, 0);
        assert_eq!(out.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), [code]);
    }
}

#[test]
fn losses_that_do_not_fit_together_are_told_all_the_same() {
    // The sum of the two overflows 32 bits; the event keeps the trace from being empty, no packet was recorded.
    let start = Moment::at(START);
    let mut etl = Etl::new(start).lost(u32::MAX, u32::MAX);
    etl.event(&Event::new(DNS, 3006, start).field("QueryName", Value::Text("a.example".into())));
    let mut out = Collected::default();
    let decoded = decode(&mut Cursor::new(etl.write()), &Options::default(), &mut out, None);
    let why = decoded.inspection.container["no_packets_because"]
        .as_str()
        .unwrap();
    assert!(why.contains("the session lost events"), "{why}");
    assert_eq!(decoded.inspection.lost.events, u64::from(u32::MAX));
}
