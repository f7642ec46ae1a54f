//! Decodes one log and says how fast: `throughput FILE [THREADS] [rows|json]`. Rows are made and dropped.
//!
//! `json` does what `evtx_dump -o jsonl` does instead: the `evtx` crate's JSON lines, a chunk at a time, dropped too.
//! Without a third argument both are run.

#![expect(clippy::print_stdout, reason = "the result of this program")]

use std::time::Instant;

use casetrace_evtx::{Options, decode};
use casetrace_model::CountOnly;

/// The allocator that the command ships with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which file?")?;
    let threads = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let which = arguments.next();
    if which.as_deref() != Some("json") {
        rows(&path, threads)?;
    }
    if which.as_deref() != Some("rows") {
        json_lines(&path, threads)?;
    }
    Ok(())
}

fn rows(path: &str, threads: usize) -> Result<(), Box<dyn std::error::Error>> {
    let options = Options {
        threads,
        ..Options::default()
    };
    let mut sink = CountOnly::default();
    let started = Instant::now();
    decode(Box::new(std::fs::File::open(path)?), &options, &mut sink);
    say("rows", sink.rows, started, threads);
    Ok(())
}

fn json_lines(path: &str, threads: usize) -> Result<(), Box<dyn std::error::Error>> {
    let settings = evtx::ParserSettings::new().indent(false).num_threads(threads);
    let mut parser = evtx::EvtxParser::from_path(path)?.with_configuration(settings);
    let started = Instant::now();
    let lines = parser
        .chunks_json_bytes(false)
        .map(|chunk| chunk.records().count() as u64)
        .sum();
    say("JSON lines of the evtx crate", lines, started, threads);
    Ok(())
}

fn say(what: &str, count: u64, started: Instant, threads: usize) {
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{count} {what} in {seconds:.2} s, {threads} threads: {:.0} a second",
        count as f64 / seconds
    );
}
