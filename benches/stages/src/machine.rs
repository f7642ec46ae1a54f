//! What figures were measured on.

use std::fs;

use serde_json::{Value, json};

/// Processor, cores, memory, system and the day.
pub fn describe() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    json!({
        "date": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%MZ").to_string(),
        "processor": line("/proc/cpuinfo", "model name"),
        "cores": cores,
        "memory_kib": line("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<u64>().unwrap_or(0),
        "kernel": fs::read_to_string("/proc/sys/kernel/ostype").unwrap_or_default().trim(),
    })
}

/// What stands behind the name and the colon in such a file.
fn line(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map_or(String::new(), |(_, value)| value.trim().to_owned())
}
