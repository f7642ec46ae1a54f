//! Writes a generated trace to a file: `sample dns|tcp|small|compressed|frames FILE [EVENTS]`.

use std::error::Error;

#[path = "../benches/traces/mod.rs"]
mod traces;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().ok_or("which kind?")?;
    let path = arguments.next().ok_or("which file?")?;
    let events = arguments.next().map_or(Ok(100_000), |text| text.parse::<u64>())?;
    let (file, _) = match kind.as_str() {
        "dns" => traces::typed(events),
        "tcp" => traces::kernel_network(events),
        "small" => traces::small(traces::four_processors(), events),
        "compressed" => traces::small(traces::four_processors().compressed(), events),
        "frames" => traces::frames(),
        _ => return Err("dns, tcp, small, compressed or frames".into()),
    };
    Ok(std::fs::write(path, file)?)
}
