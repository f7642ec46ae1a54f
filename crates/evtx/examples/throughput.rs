//! Decodes one log and says how fast: `throughput FILE [THREADS]`. Rows are made and dropped.

#![expect(clippy::print_stdout, reason = "the result of this program")]

use std::time::Instant;

use casetrace_evtx::{Options, decode};
use casetrace_model::CountOnly;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_default();
    let threads = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let options = Options {
        threads,
        ..Options::default()
    };
    let mut sink = CountOnly::default();
    let started = Instant::now();
    let inspection = decode(Box::new(std::fs::File::open(&path)?), &options, &mut sink);
    let seconds = started.elapsed().as_secs_f64();
    let rate = sink.rows as f64 / seconds;
    println!(
        "{} rows in {seconds:.2} s with {threads} threads: {rate:.0} rows/s, {} lost",
        sink.rows, inspection.lost.events
    );
    Ok(())
}
