//! The log of a sweep: a line per file.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// What came of one file, or of all.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// Files.
    pub files: u64,
    /// Variants read.
    pub variants: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows they gave.
    pub rows: u64,
    /// Variants that panicked.
    pub panics: u64,
    /// Variants that lost rows in front of the damage.
    pub losses: u64,
    /// CPU seconds.
    pub cpu_s: f64,
    /// The longest one.
    pub slowest_ms: u64,
    /// Largest resident size.
    pub peak_mib: u64,
}

impl Line {
    pub(super) fn text(&self, path: &str) -> String {
        format!(
            "{path}\t{}\t{}\t{}\t{}\t{}\t{:.2}\t{}\t{}",
            self.variants,
            self.bytes,
            self.rows,
            self.panics,
            self.losses,
            self.cpu_s,
            self.slowest_ms,
            self.peak_mib
        )
    }

    fn parse(line: &str) -> Option<(&str, Self)> {
        let mut parts = line.split('\t');
        let path = parts.next()?;
        let mut number = || parts.next()?.parse::<f64>().ok();
        // All but the seconds were written as whole numbers far below 2^53.
        let line = Self {
            files: 1,
            variants: number()? as u64,
            bytes: number()? as u64,
            rows: number()? as u64,
            panics: number()? as u64,
            losses: number()? as u64,
            cpu_s: number()?,
            slowest_ms: number()? as u64,
            peak_mib: number()? as u64,
        };
        Some((path, line))
    }

    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.variants += other.variants;
        self.bytes += other.bytes;
        self.rows += other.rows;
        self.panics += other.panics;
        self.losses += other.losses;
        self.cpu_s += other.cpu_s;
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
        self.peak_mib = self.peak_mib.max(other.peak_mib);
    }
}

/// Files that have a line in a log.
///
/// Errors: the log is there, but can't be read.
pub(super) fn logged(log: &Path) -> io::Result<HashSet<String>> {
    let text = match fs::read_to_string(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    Ok(text
        .lines()
        .filter_map(|line| Some(Line::parse(line)?.0.to_owned()))
        .collect())
}

/// Adds a line to a log.
///
/// Errors: the file system's.
pub fn append(log: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(log)?;
    writeln!(file, "{line}")
}

/// The sum of a log.
///
/// Errors: the file system's.
pub fn total(log: &Path) -> io::Result<Line> {
    let mut sum = Line::default();
    for line in fs::read_to_string(log)?.lines() {
        if let Some((_, line)) = Line::parse(line) {
            sum.add(&line);
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were_written() {
        let line = Line {
            files: 1,
            variants: 12,
            bytes: 345,
            rows: 6,
            panics: 1,
            losses: 2,
            cpu_s: 1.25,
            slowest_ms: 7,
            peak_mib: 8,
        };
        let text = line.text("a b/c.txt");
        let (path, back) = Line::parse(&text).expect("it was written by us");
        assert_eq!((path, back.text("a b/c.txt")), ("a b/c.txt", text.clone()));
    }
}
