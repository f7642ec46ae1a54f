//! Prints the rows of text files: `cargo run -p casetrace-text --example text_rows FILE…`; with `--count` as first
//! argument only how many there are and how long reading took.
#![expect(clippy::print_stdout, reason = "an example that prints")]

use casetrace_model::{Collected, CountOnly, Value};
use casetrace_text::{Options, decode};

fn main() -> std::io::Result<()> {
    let mut paths = std::env::args().skip(1).peekable();
    if paths.next_if_eq("--count").is_some() {
        return paths.try_for_each(|path| count(&path));
    }
    for path in paths {
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

fn count(path: &str) -> std::io::Result<()> {
    let mut sink = CountOnly::default();
    let options = Options {
        name: path.to_owned(),
        ..Options::default()
    };
    let started = std::time::Instant::now();
    let result = decode(&mut std::fs::File::open(path)?, &options, &mut sink);
    let seconds = started.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap_or_default();
    println!(
        "{path}: {} {} rows, {} lines, {seconds:.2} s, {peak}",
        result.format.name(),
        sink.rows,
        result.lines
    );
    Ok(())
}
