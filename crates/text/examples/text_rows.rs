//! Prints the rows of text files: `cargo run -p casetrace-text --example text_rows FILE…`; with `--count` as first
//! argument only how many there are and how long reading took. `--redact secrets` or `--redact identity` before the
//! files masks the rows as a case's are.
#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::fs::File;

use casetrace_model::{Collected, Diagnostic, Row, Sink, Value};
use casetrace_redact::{Mode, Redactor};
use casetrace_text::{Options, decode};

/// The allocator that the command ships with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    let counts = arguments.next_if_eq("--count").is_some();
    let mut mode = Mode::None;
    if arguments.next_if_eq("--redact").is_some() {
        let name = arguments.next().unwrap_or_default();
        mode = Mode::parse(&name).ok_or(std::io::ErrorKind::InvalidInput)?;
    }
    let redactor = Redactor::new(mode, b"");
    for path in arguments {
        match counts {
            true => count(&path, &redactor)?,
            false => print(&path, &redactor)?,
        }
    }
    Ok(())
}

fn print(path: &str, redactor: &Redactor) -> std::io::Result<()> {
    let mut sink = Collected::default();
    let result = decode(&mut File::open(path)?, &options(path), &mut sink);
    println!(
        "== {path}: {} {} lines={}",
        result.format.name(),
        result.encoding,
        result.lines
    );
    for row in &mut sink.rows {
        redactor.redact_row(row);
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
    Ok(())
}

fn options(path: &str) -> Options {
    Options {
        name: path.to_owned(),
        ..Options::default()
    }
}

/// Redacts rows and drops them.
struct Counting<'r> {
    redactor: &'r Redactor,
    rows: u64,
}

impl Sink for Counting<'_> {
    fn row(&mut self, mut row: Row) {
        self.redactor.redact_row(&mut row);
        self.rows += 1;
    }
    fn diagnostic(&mut self, _: Diagnostic) {}
}

fn count(path: &str, redactor: &Redactor) -> std::io::Result<()> {
    let mut sink = Counting { redactor, rows: 0 };
    let started = std::time::Instant::now();
    let result = decode(&mut File::open(path)?, &options(path), &mut sink);
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
