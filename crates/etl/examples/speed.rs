//! Times one trace, best of three: walking all records in order, and decoding it to rows and packets.
#![expect(clippy::print_stdout, reason = "an example")]

use std::io::Cursor;
use std::time::Instant;

use casetrace_etl::{EtlReader, Options, decode};
use casetrace_model::{CountOnly, Packet};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: speed FILE.etl")?;
    let file = std::fs::read(path)?;
    let megabytes = file.len() as f64 / 1e6;
    let report = |what: &str, items: u64, seconds: f64| {
        let per_second = items as f64 / seconds;
        println!(
            "  {what:12} {items:9} items   {seconds:8.5} s {per_second:14.0} items/s {:8.0} MB/s",
            megabytes / seconds
        );
    };
    let (records, seconds) = best(|| {
        let mut reader = EtlReader::from_slice(&file)?;
        let mut events = reader.events();
        let mut records = 0;
        while let Some(event) = events.next() {
            records += u64::from(!event.record().is_empty());
        }
        Ok(records)
    })?;
    report("our walk", records, seconds);
    for threads in [1, 2] {
        let options = Options {
            threads,
            ..Options::default()
        };
        let (rows, seconds) = best(|| {
            let (mut sink, mut packets) = (CountOnly::default(), 0);
            let mut count = |_: &Packet<'_>| packets += 1;
            decode(&mut Cursor::new(&file), &options, &mut sink, Some(&mut count));
            Ok(sink.rows + packets)
        })?;
        report(
            if threads == 1 { "our rows" } else { "our rows, 2" },
            rows,
            seconds,
        );
    }
    Ok(())
}

type Measured = Result<(u64, f64), Box<dyn std::error::Error>>;

fn best(mut run: impl FnMut() -> Result<u64, Box<dyn std::error::Error>>) -> Measured {
    let mut best = (0, f64::MAX);
    for _ in 0..3 {
        let started = Instant::now();
        let items = run()?;
        best = (items, best.1.min(started.elapsed().as_secs_f64()));
    }
    Ok(best)
}
