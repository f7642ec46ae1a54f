//! Speed of each stage on generated traces: `cargo bench -p casetrace-etl`.
//!
//! One thread unless the name says otherwise, input in memory. Figures of a run are in `benches/etl.md`.
#![expect(clippy::unwrap_used, reason = "a benchmark of generated data")]

use std::io::Cursor;
use std::sync::LazyLock;

use casetrace_etl::{EtlReader, Options, decode};
use casetrace_model::{CountOnly, Diagnostic, Packet, Row, Sink};
use casetrace_synth::etl::{Etl, NDIS_PACKET_CAPTURE};
use casetrace_synth::event::{Event, Provider, Value};
use casetrace_synth::moment::Moment;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const START: &str = "2026-03-02T01:00:00Z";
const DNS: Provider = Provider {
    name: "Microsoft-Windows-DNS-Client",
    guid: "1c95126e-7eea-49a9-a3fe-a378b03ddb4d",
    channel: "",
};

/// Small records over four processors: what a kernel-heavy trace looks like.
static SMALL: LazyLock<(Vec<u8>, u64)> =
    LazyLock::new(|| small(Etl::new(Moment::at(START)).cpus(4), 400_000));
static SMALL_COMPRESSED: LazyLock<(Vec<u8>, u64)> =
    LazyLock::new(|| small(Etl::new(Moment::at(START)).cpus(4).compressed(), 400_000));
/// DNS-Client events of eight fields, decoded by the built-in table.
static TYPED: LazyLock<(Vec<u8>, u64)> = LazyLock::new(typed);
/// Full-size frames of netsh.
static FRAMES: LazyLock<(Vec<u8>, u64)> = LazyLock::new(frames);

fn small(mut etl: Etl, count: u64) -> (Vec<u8>, u64) {
    let start = Moment::at(START);
    for i in 0..count {
        let at = start.plus_us(i as i64 * 7);
        let bytes =
            casetrace_synth::etl::system(5, 36, 2, etl.raw_ts(at), 4, 8, &(i / 3).to_le_bytes().repeat(3));
        etl.record((i / 5 % 4) as u16, at, bytes);
    }
    (etl.write(), count + 1)
}

fn typed() -> (Vec<u8>, u64) {
    let start = Moment::at(START);
    let mut etl = Etl::new(start).cpus(4);
    let count = 100_000;
    for i in 0..count {
        let event = Event::new(DNS, 3006, start.plus_us(i * 11))
            .process(700 + (i % 50) as u32, 4)
            .field(
                "QueryName",
                Value::Text(format!("host-{}.corp.example.com", i % 900)),
            )
            .field("QueryType", Value::U32(28))
            .field("QueryOptions", Value::U64(0x4000_6000))
            .field("ServerList", Value::Text(String::new()))
            .field("IsNetworkQuery", Value::U32(0))
            .field("NetworkQueryIndex", Value::U32(0))
            .field("InterfaceIndex", Value::U32(0))
            .field("IsAsyncQuery", Value::U32(0));
        etl.event(&event);
    }
    (etl.write(), count as u64)
}

fn frames() -> (Vec<u8>, u64) {
    const WHOLE_SENT: u64 = 0x8000_0401_c000_0001;
    let start = Moment::at(START);
    let mut etl = Etl::new(start).cpus(4);
    let count = 30_000;
    for i in 0..count {
        let event = Event::new(NDIS_PACKET_CAPTURE, 1001, start.plus_us(i * 13))
            .process(1234, 8)
            .keywords(WHOLE_SENT)
            .field("MiniportIfIndex", Value::U32(8))
            .field("LowerIfIndex", Value::U32(8))
            .field("FragmentSize", Value::U32(1460))
            .field("Fragment", Value::Binary(vec![i as u8; 1460]));
        etl.event(&event);
    }
    (etl.write(), count as u64)
}

/// Takes rows and forgets them.
#[derive(Default)]
struct Discard(u64);

impl Sink for Discard {
    fn row(&mut self, row: Row) {
        self.0 += black_box(row).record;
    }
    fn diagnostic(&mut self, _: Diagnostic) {}
}

/// Neither rows nor packets: the first pass alone.
struct NoRows(CountOnly);

impl Sink for NoRows {
    fn row(&mut self, row: Row) {
        self.0.row(row);
    }
    fn diagnostic(&mut self, diagnostic: Diagnostic) {
        self.0.diagnostic(diagnostic);
    }
    fn wants_rows(&self) -> bool {
        false
    }
}

#[divan::bench(args = ["plain", "compressed"])]
fn walk_headers_in_order(bencher: Bencher, kind: &str) {
    let (file, records) = if kind == "plain" {
        &*SMALL
    } else {
        &*SMALL_COMPRESSED
    };
    bencher
        .counter(BytesCount::new(SMALL.0.len()))
        .counter(ItemsCount::new(*records))
        .bench(|| {
            let mut reader = EtlReader::from_slice(file).unwrap();
            let mut events = reader.events();
            let mut sum = 0_u64;
            while let Some(event) = events.next() {
                sum = sum
                    .wrapping_add(event.raw_ts)
                    .wrapping_add(event.payload().len() as u64);
            }
            sum
        });
}

#[divan::bench]
fn walk_headers_through_a_reader(bencher: Bencher) {
    let (file, records) = &*SMALL;
    bencher
        .counter(BytesCount::new(file.len()))
        .counter(ItemsCount::new(*records))
        .bench(|| {
            let mut source = Cursor::new(file);
            let mut reader = EtlReader::open(&mut source).unwrap();
            let mut events = reader.events();
            let mut sum = 0_u64;
            while let Some(event) = events.next() {
                sum = sum.wrapping_add(event.raw_ts);
            }
            sum
        });
}

#[divan::bench(args = [1, 2])]
fn inspect(bencher: Bencher, threads: usize) {
    let (file, records) = &*SMALL;
    let options = Options {
        threads,
        ..Options::default()
    };
    bencher
        .counter(BytesCount::new(file.len()))
        .counter(ItemsCount::new(*records))
        .bench(|| {
            let mut sink = NoRows(CountOnly::default());
            decode(&mut Cursor::new(file), &options, &mut sink, None)
                .inspection
                .records
        });
}

#[divan::bench(args = [1, 2])]
fn typed_rows(bencher: Bencher, threads: usize) {
    let (file, records) = &*TYPED;
    let options = Options {
        threads,
        ..Options::default()
    };
    bencher
        .counter(BytesCount::new(file.len()))
        .counter(ItemsCount::new(*records))
        .bench(|| {
            let mut sink = Discard::default();
            decode(&mut Cursor::new(file), &options, &mut sink, None);
            sink.0
        });
}

#[divan::bench]
fn packets(bencher: Bencher) {
    let (file, records) = &*FRAMES;
    bencher
        .counter(BytesCount::new(file.len()))
        .counter(ItemsCount::new(*records))
        .bench(|| {
            let mut sink = NoRows(CountOnly::default());
            let mut bytes = 0;
            let mut packets = |packet: &Packet<'_>| bytes += packet.data.len();
            decode(
                &mut Cursor::new(file),
                &Options::default(),
                &mut sink,
                Some(&mut packets),
            );
            bytes
        });
}

#[divan::bench]
fn expand_xpress(bencher: Bencher) {
    let plain: Vec<u8> = SMALL.0.iter().copied().take(8 << 20).collect();
    let packed = casetrace_synth::etl::compress(&plain);
    let mut out = Vec::new();
    bencher.counter(BytesCount::new(plain.len())).bench_local(|| {
        casetrace_etl::expand(
            casetrace_etl::Compression::Xpress,
            black_box(&packed),
            plain.len(),
            &mut out,
        )
        .unwrap();
        out.len()
    });
}
