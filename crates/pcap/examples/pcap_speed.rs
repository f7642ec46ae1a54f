//! Times the decoder: `cargo run --release -p casetrace-pcap --example pcap_speed FILE [THREADS]`.
//!
//! Every row is built, counted and forgotten. The allocator is that of the casetrace binary. What reading alone costs is
//! told by `pcap_floor`.
#![expect(clippy::print_stdout, reason = "an example that prints")]

use casetrace_model::{Diagnostic, Row, Sink};
use casetrace_pcap::{Options, decode};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Default)]
struct Count {
    rows: u64,
    bytes: u64,
}

impl Sink for Count {
    fn row(&mut self, mut row: Row) {
        self.lend(&mut row);
    }
    fn lend(&mut self, row: &mut Row) {
        self.rows += 1;
        self.bytes += (row.fields.len() + row.message.len()) as u64;
    }
    fn diagnostic(&mut self, _: Diagnostic) {}
}

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_default();
    let threads = args.next().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut file = std::fs::File::open(path)?;
    let mut sink = Count::default();
    let start = std::time::Instant::now();
    let inspection = decode(
        &mut file,
        &Options {
            threads,
            ..Options::default()
        },
        &mut sink,
    );
    let wall = start.elapsed().as_secs_f64();
    println!(
        "{} packets, {} rows, {} bytes of text, {wall:.3} s",
        inspection.records, sink.rows, sink.bytes
    );
    Ok(())
}
