//! Speed of each stage on generated traces: `cargo bench -p casetrace-etl`.
//!
//! One thread unless the name says otherwise, input in memory. Figures of a run are in `benches/etl.md`.
#![expect(clippy::unwrap_used, reason = "a benchmark of generated data")]

use std::io::Cursor;
use std::sync::LazyLock;

use casetrace_etl::{EtlReader, Options, decode};
use casetrace_model::{CountOnly, Diagnostic, Packet, Row, Sink};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

mod traces;

/// The allocator that the command ships with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// Small records over four processors: what a kernel-heavy trace looks like.
static SMALL: LazyLock<(Vec<u8>, u64)> = LazyLock::new(|| traces::small(traces::four_processors(), 400_000));
static SMALL_COMPRESSED: LazyLock<(Vec<u8>, u64)> =
    LazyLock::new(|| traces::small(traces::four_processors().compressed(), 400_000));
/// DNS-Client events of eight fields, decoded by the built-in table.
static TYPED: LazyLock<(Vec<u8>, u64)> = LazyLock::new(|| traces::typed(100_000));
/// TCP events of Kernel-Network.
static TCP: LazyLock<(Vec<u8>, u64)> = LazyLock::new(|| traces::kernel_network(100_000));
/// Full-size frames of netsh.
static FRAMES: LazyLock<(Vec<u8>, u64)> = LazyLock::new(traces::frames);

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

#[divan::bench(args = [("dns", 1), ("dns", 2), ("tcp", 1), ("tcp", 2)])]
fn typed_rows(bencher: Bencher, (kind, threads): (&str, usize)) {
    let (file, records) = if kind == "dns" { &*TYPED } else { &*TCP };
    let options = Options {
        threads,
        ..Options::default()
    };
    bencher
        .counter(BytesCount::new(file.len()))
        .counter(ItemsCount::new(*records))
        .bench(|| {
            let mut sink = CountOnly::default();
            decode(&mut Cursor::new(file), &options, &mut sink, None);
            sink.rows
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
