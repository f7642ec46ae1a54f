//! Lists every record of a trace: time, provider, id, process, payload size.
#![expect(clippy::print_stdout, reason = "an example")]

use casetrace_etl::EtlReader;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: events FILE.etl")?;
    let mut file = std::fs::File::open(path)?;
    let mut reader = EtlReader::open(&mut file)?;
    let clock = reader.clock();
    let mut events = reader.events();
    while let Some(event) = events.next() {
        let time = clock
            .to_unix_ns(event.raw_ts)
            .map(casetrace_model::time::to_rfc3339)
            .unwrap_or_default();
        let provider = event.provider().map(|guid| guid.to_string()).unwrap_or_default();
        println!(
            "{time} {provider} {} pid {:?} {} bytes",
            event.id(),
            event.pid(),
            event.payload().len()
        );
    }
    Ok(())
}
