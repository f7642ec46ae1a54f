//! Decodes a trace and prints its rows as JSON-like lines, then what is known about the file.
#![expect(clippy::print_stdout, reason = "an example")]

use casetrace_etl::{Options, decode};
use casetrace_model::{Collected, Value};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: rows FILE.etl")?;
    let mut out = Collected::default();
    let decoded = decode(
        &mut std::fs::File::open(path)?,
        &Options::default(),
        &mut out,
        None,
    );
    for row in &out.rows {
        row.for_each(|name, value| {
            if value != Value::Null {
                println!("  {name}: {value:?}");
            }
        });
        println!();
    }
    for diagnostic in &out.diagnostics {
        println!("{diagnostic:?}");
    }
    println!("{}", serde_json::to_string_pretty(&decoded.inspection)?);
    Ok(())
}
