//! Times one trace: walking all records in order, and decoding it to rows and packets with one and two threads.
//!
//! Each is repeated for a second at least. The best pass is told by the clock on the wall, the mean pass by the CPU
//! time of all threads together (Linux only), which other programs on the machine change little.
#![expect(clippy::print_stdout, reason = "an example")]

use std::io::Cursor;
use std::time::{Duration, Instant};

use casetrace_etl::{EtlReader, Options, decode};
use casetrace_model::{CountOnly, Packet};

/// The allocator that the command ships with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let path = std::env::args().nth(1).ok_or("usage: speed FILE.etl")?;
    let file = std::fs::read(path)?;
    measure("our walk", &file, || walk(&file))?;
    measure("our rows", &file, || Ok(rows(&file, 1)))?;
    measure("our rows, 2", &file, || Ok(rows(&file, 2)))
}

fn walk(file: &[u8]) -> Outcome<u64> {
    let mut reader = EtlReader::from_slice(file)?;
    let mut events = reader.events();
    let mut records = 0;
    while let Some(event) = events.next() {
        records += u64::from(!event.record().is_empty());
    }
    Ok(records)
}

fn rows(file: &[u8], threads: usize) -> u64 {
    let options = Options {
        threads,
        ..Options::default()
    };
    let (mut sink, mut packets) = (CountOnly::default(), 0);
    let mut count = |_: &Packet<'_>| packets += 1;
    let decoded = decode(&mut Cursor::new(file), &options, &mut sink, Some(&mut count));
    std::hint::black_box(sink.rows + packets);
    // Some events give several rows, some none: what counts is what was read.
    decoded.inspection.records
}

fn measure(what: &str, file: &[u8], mut run: impl FnMut() -> Outcome<u64>) -> Outcome<()> {
    let (mut passes, mut best, mut records) = (0_u32, f64::MAX, 0);
    let (started, cpu_before) = (Instant::now(), cpu_seconds());
    while passes < 3 || started.elapsed() < Duration::from_secs(1) {
        let pass = Instant::now();
        records = run()?;
        best = best.min(pass.elapsed().as_secs_f64());
        passes += 1;
    }
    let per_second = records as f64 / best;
    let bytes_per_second = file.len() as f64 / 1e6 / best;
    print!(
        "  {what:12} {records:9} records {best:8.5} s {per_second:12.0} records/s {bytes_per_second:6.0} MB/s"
    );
    if let (Some(before), Some(after)) = (cpu_before, cpu_seconds()) {
        let cpu = (after - before) / f64::from(passes);
        print!("   {:12.0} records/CPU s", records as f64 / cpu);
    }
    println!();
    Ok(())
}

/// User and system time of all threads so far; the kernel counts hundredths of seconds for programs.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, behind_name) = stat.rsplit_once(')')?;
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    let ticks: Option<u64> = ticks.map(|field| field.parse::<u64>().ok()).sum();
    Some(ticks? as f64 / 100.0)
}
