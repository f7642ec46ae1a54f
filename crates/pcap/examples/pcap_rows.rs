//! Prints the rows of captures, one JSON object a line: `cargo run -p casetrace-pcap --example pcap_rows [-THREADS] FILE…`.
//!
//! Rows are the same on any number of threads, and should be the same before and after a change of speed.
#![expect(clippy::print_stdout, reason = "an example that prints")]

use casetrace_model::{Collected, JsonObject, Value};
use casetrace_pcap::{Options, decode};

fn main() -> std::io::Result<()> {
    let mut options = Options::default();
    for path in std::env::args().skip(1) {
        if let Some(threads) = path.strip_prefix('-').and_then(|n| n.parse().ok()) {
            options.threads = threads;
            continue;
        }
        let mut file = std::fs::File::open(&path)?;
        let mut out = Collected::default();
        let inspection = decode(&mut file, &options, &mut out);
        for row in &out.rows {
            let mut object = JsonObject::new();
            row.for_each(|name, value| match (name, value) {
                ("artifact", _) | (_, Value::Null) | ("ts", _) => {}
                ("fields", Value::Str(json)) => {
                    object.push_raw(name, if json.is_empty() { "{}" } else { json })
                }
                (_, Value::Str(text)) => object.push_str(name, text),
                (_, Value::U64(number)) => object.push_num(name, number),
                (_, Value::I64(number) | Value::TimeNs(number)) => object.push_num(name, number),
            });
            println!("{}", object.finish());
        }
        for diagnostic in &out.diagnostics {
            println!("{}", serde_json::to_string(diagnostic).unwrap_or_default());
        }
        println!("{}", serde_json::to_string(&inspection).unwrap_or_default());
    }
    Ok(())
}
