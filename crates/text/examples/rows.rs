//! Prints the rows of text files, one JSON object a line: `cargo run -p casetrace-text --example rows FILE…`
#![expect(clippy::print_stdout, reason = "an example that prints")]

use casetrace_model::{Collected, Value};
use casetrace_text::{Options, decode};

fn main() -> std::io::Result<()> {
    for path in std::env::args().skip(1) {
        let mut sink = Collected::default();
        let options = Options {
            name: path.clone(),
            ..Options::default()
        };
        let result = decode(&mut std::fs::File::open(&path)?, &options, &mut sink);
        println!(
            "== {path}: {} {} lines={}",
            result.format.name(),
            result.encoding,
            result.lines
        );
        for row in &sink.rows {
            let mut cells = Vec::new();
            row.for_each(|name, value| match value {
                Value::Null | Value::I64(_) => {}
                Value::Str(text) => cells.push(format!("{name}={text:?}")),
                Value::U64(number) => cells.push(format!("{name}={number}")),
                Value::TimeNs(ts) => cells.push(format!("{name}={}", casetrace_model::time::to_rfc3339(ts))),
            });
            println!("{}", cells.join(" "));
        }
        for diagnostic in &sink.diagnostics {
            println!("! {diagnostic:?}");
        }
    }
    Ok(())
}
