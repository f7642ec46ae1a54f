//! What was run so far: a line per run in a file that is committed, so that hours add up over months and machines.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::Target;
use crate::session::Outcome;

const HEAD: &str = "target\tseed\texecutions\tcpu_s\tpeak_mib\tslow\tcrashes\n";

/// Runs of a target so far.
///
/// Errors: the file is there, but can't be read.
pub fn runs(record: &Path, target: &str) -> io::Result<u64> {
    let text = text(record)?;
    let own = text
        .lines()
        .filter(|line| line.split('\t').next() == Some(target));
    Ok(own.count() as u64)
}

/// CPU seconds of a target so far.
///
/// Errors: the file is there, but can't be read.
pub fn cpu_s(record: &Path, target: &str) -> io::Result<f64> {
    let text = text(record)?;
    let own = text.lines().filter_map(parse).filter(|(name, _)| *name == target);
    Ok(own.map(|(_, sum)| sum.cpu_s).sum())
}

fn text(record: &Path) -> io::Result<String> {
    match fs::read_to_string(record) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other,
    }
}

/// Adds a run, as one piece, so that processes can share a record.
///
/// Errors: what the file system says.
pub fn note(record: &Path, target: &str, seed: u64, outcome: &Outcome) -> io::Result<()> {
    let head = if record.exists() { "" } else { HEAD };
    let line = format!(
        "{head}{target}\t{seed}\t{}\t{:.1}\t{}\t{}\t{}\n",
        outcome.executions,
        outcome.cpu_s.unwrap_or_default(),
        outcome.peak_mib.unwrap_or_default(),
        outcome.slow,
        outcome.crashes.len()
    );
    let mut file = OpenOptions::new().create(true).append(true).open(record)?;
    file.write_all(line.as_bytes())
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    runs: u64,
    executions: u64,
    cpu_s: f64,
    peak_mib: u64,
    slow: u64,
    crashes: u64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.executions += other.executions;
        self.cpu_s += other.cpu_s;
        self.peak_mib = self.peak_mib.max(other.peak_mib);
        self.slow += other.slow;
        self.crashes += other.crashes;
    }

    fn row(&self, name: &str) -> String {
        format!(
            "| {name} | {} | {} | {:.1} | {} | {} | {} |",
            self.runs,
            self.executions,
            self.cpu_s / 60.0,
            self.peak_mib,
            self.slow,
            self.crashes
        )
    }
}

fn parse(line: &str) -> Option<(&str, Sum)> {
    let parts: Vec<&str> = line.split('\t').collect();
    let [target, _, executions, cpu_s, peak_mib, slow, crashes] = parts.as_slice() else {
        return None;
    };
    let sum = Sum {
        runs: 1,
        executions: executions.parse().ok()?,
        cpu_s: cpu_s.parse().ok()?,
        peak_mib: peak_mib.parse().ok()?,
        slow: slow.parse().ok()?,
        crashes: crashes.parse().ok()?,
    };
    Some((target, sum))
}

/// The sums of all targets, in markdown; targets that were never run are in it.
///
/// Errors: the file can't be read.
pub fn table(targets: &[Target], record: &Path) -> io::Result<String> {
    let text = text(record)?;
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    let mut all = Sum::default();
    for (target, sum) in text.lines().filter_map(parse) {
        sums.entry(target).or_default().add(sum);
        all.add(sum);
    }
    let mut lines = vec![
        "| target | runs | executions | CPU min | peak MiB | slow | places that failed |".to_owned(),
        "|---|---:|---:|---:|---:|---:|---:|".to_owned(),
    ];
    lines.extend(targets.iter().map(|target| {
        sums.get(target.name)
            .copied()
            .unwrap_or_default()
            .row(target.name)
    }));
    lines.push(all.row("all"));
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_add_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let record = folder.path().join("done.tsv");
        let outcome = Outcome {
            executions: 10,
            cpu_s: Some(90.0),
            peak_mib: Some(7),
            ..Outcome::default()
        };
        for seed in 1..=2 {
            note(&record, "har", seed, &outcome).expect("it can be written");
        }
        assert_eq!(runs(&record, "har").ok(), Some(2));
        let table = table(crate::TARGETS, &record).expect("it can be read");
        assert!(table.contains("| har | 2 | 20 | 3.0 | 7 | 0 | 0 |"), "{table}");
        assert!(table.contains("| pcap_dns | 0 |"));
    }
}
