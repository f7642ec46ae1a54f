//! How long the built-in pack takes over a large timeline, and how much memory.
//!
//! `cargo bench -p casetrace-rules --bench rules_speed -- 5000000`
//!
//! Rows are generated, or those of a `timeline.parquet` if a path is given instead of a number.
#![expect(clippy::print_stdout, reason = "it is what it is for")]

use std::path::Path;
use std::time::Instant;

use casetrace_model::{JsonObject, Outcome, Row, Source, Text};
use casetrace_rules::{Context, RulePack};
use casetrace_timeline::{Timeline, TimelineBuilder, TimelineError, read_parquet};

// What the program has, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KINDS: &[&str] = &[
    "tcp.connect",
    "tcp.close",
    "tls.client_hello",
    "tls.server_hello",
    "tls.certificate",
    "http.request",
    "http.response",
    "dns.query",
    "dns.response",
    "event",
    "event",
    "event",
    "event",
    "log.line",
];
const HOSTS: &[&str] = &[
    "login.microsoftonline.com",
    "enterpriseregistration.windows.net",
    "www.example.com",
    "cdn.example.net",
];
const PROVIDERS: &[&str] = &[
    "Microsoft-Windows-AAD",
    "Microsoft-Windows-WinHttp",
    "Microsoft-Windows-TCPIP",
    "Microsoft-Windows-Kernel-Process",
];

/// A cheap, repeatable source of variety.
fn mix(n: u64) -> u64 {
    let mut x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

fn pick<'a>(list: &[&'a str], n: u64) -> &'a str {
    list.get((n % list.len().max(1) as u64) as usize)
        .copied()
        .unwrap_or_default()
}

fn row(n: u64) -> Row {
    let r = mix(n);
    let mut row = Row::new(Source::Etl, "event", n).at(1_767_261_600_000_000_000 + n as i64 * 1_000_000);
    row.kind = Text::new_static(pick(KINDS, r));
    row.flow_id = Some(r % 50_000);
    row.pid = Some((r % 300) as u32);
    match row.kind.as_str() {
        "event" => {
            row.provider = Some(Text::new_static(pick(PROVIDERS, r / 7)));
            row.event_id = Some((r / 11 % 1_500) as u32);
            row.fields = JsonObject::new()
                .str("Status", "0x0")
                .num("Size", r)
                .str("Name", "value")
                .finish();
        }
        "log.line" => {}
        _ => {
            row.server_name = Some(Text::new_static(pick(HOSTS, r / 5)));
            row.outcome = Some(if r.is_multiple_of(97) {
                Outcome::Timeout
            } else {
                Outcome::Success
            });
            row.http_status = Some(if r.is_multiple_of(89) { 407 } else { 200 });
            row.fields = JsonObject::new()
                .num("bytes_out", r)
                .str("close", "fin")
                .num("rtt_us", 900)
                .finish();
        }
    }
    row.message = format!("row {n}");
    row
}

/// Peak resident memory in MiB, where the system tells.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|l| l.starts_with("VmHWM:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

/// Rows that no decoder saw, in the proportions of a trace with event logs.
fn generated(rows: u64) -> Timeline {
    let start = Instant::now();
    let mut builder = TimelineBuilder::new();
    for n in 0..rows {
        builder.push("trace.etl", Some("PC1"), row(n));
    }
    println!("{rows} rows pushed in {:.2?}", start.elapsed());
    let start = Instant::now();
    let timeline = builder.finish();
    println!("sorted in {:.2?}, peak {} MiB", start.elapsed(), peak_mib());
    timeline
}

fn read(path: &str) -> Result<Timeline, TimelineError> {
    let start = Instant::now();
    let timeline = read_parquet(Path::new(path))?;
    println!(
        "{} rows read in {:.2?}, peak {} MiB",
        timeline.len(),
        start.elapsed(),
        peak_mib()
    );
    Ok(timeline)
}

/// What was given, without what cargo adds.
fn arguments() -> impl Iterator<Item = String> {
    std::env::args().skip(1).filter(|argument| argument != "--bench")
}

fn main() -> Result<(), TimelineError> {
    let of = arguments().next().unwrap_or_else(|| "500000".to_owned());
    let timeline = match of.parse() {
        Ok(rows) => generated(rows),
        Err(_) => read(&of)?,
    };
    let start = Instant::now();
    let pack = RulePack::builtin().pack;
    println!(
        "{} rules, {} conditions loaded in {:.2?}",
        pack.rules().len(),
        pack.condition_count(),
        start.elapsed()
    );
    let start = Instant::now();
    let findings = pack.evaluate(&timeline, &Context::default());
    println!(
        "{} findings in {:.2?}, peak {} MiB",
        findings.findings.len(),
        start.elapsed(),
        peak_mib()
    );
    let start = Instant::now();
    let judged = pack.judge(&timeline, &Context::default());
    println!(
        "{} findings and {} attempts in {:.2?}, peak {} MiB",
        judged.findings.findings.len(),
        judged.attempts.attempts.len(),
        start.elapsed(),
        peak_mib()
    );
    Ok(())
}
