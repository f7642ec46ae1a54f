//! The log: a line per pack. Packs with a line are not read again.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// What came of one pack, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Line {
    pub(super) packs: u64,
    pub(super) variants: u64,
    pub(super) bytes: u64,
    pub(super) members: u64,
    /// Rows of the timelines.
    pub(super) rows: u64,
    /// Variants that broke a promise: see the list of failures.
    pub(super) failures: u64,
    /// Variants that give fewer rows than the part in front of the damage.
    pub(super) losses: u64,
    /// Analyses: one a pack, one of a single variant, and what was split.
    pub(super) analyses: u64,
    /// CPU seconds of the decoders alone.
    pub(super) decode_s: f64,
    /// CPU seconds of the analyses.
    pub(super) analysis_s: f64,
    /// The longest analysis, of a pack or of a single variant.
    pub(super) slowest_s: f64,
    /// The longest analysis of a single variant.
    pub(super) slowest_alone_s: f64,
    /// Largest resident size of an analysis.
    pub(super) peak_mib: u64,
}

impl Line {
    pub(super) fn text(&self, pack: usize) -> String {
        format!(
            "{pack}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{:.2}\t{:.2}\t{:.2}\t{:.2}\t{}",
            self.variants,
            self.bytes,
            self.members,
            self.rows,
            self.failures,
            self.losses,
            self.analyses,
            self.decode_s,
            self.analysis_s,
            self.slowest_s,
            self.slowest_alone_s,
            self.peak_mib
        )
    }

    fn parse(text: &str) -> Option<(usize, Self)> {
        let mut parts = text.split('\t');
        let pack = parts.next()?.parse().ok()?;
        let [variants, bytes, members, rows, failures, losses, analyses] =
            std::array::from_fn(|_| parts.next().and_then(|part| part.parse::<u64>().ok()));
        let [decode_s, analysis_s, slowest_s, slowest_alone_s] =
            std::array::from_fn(|_| parts.next().and_then(|part| part.parse::<f64>().ok()));
        let line = Self {
            packs: 1,
            variants: variants?,
            bytes: bytes?,
            members: members?,
            rows: rows?,
            failures: failures?,
            losses: losses?,
            analyses: analyses?,
            decode_s: decode_s?,
            analysis_s: analysis_s?,
            slowest_s: slowest_s?,
            slowest_alone_s: slowest_alone_s?,
            peak_mib: parts.next()?.parse().ok()?,
        };
        Some((pack, line))
    }

    fn add(&mut self, other: &Self) {
        self.packs += other.packs;
        self.variants += other.variants;
        self.bytes += other.bytes;
        self.members += other.members;
        self.rows += other.rows;
        self.failures += other.failures;
        self.losses += other.losses;
        self.analyses += other.analyses;
        self.decode_s += other.decode_s;
        self.analysis_s += other.analysis_s;
        self.slowest_s = self.slowest_s.max(other.slowest_s);
        self.slowest_alone_s = self.slowest_alone_s.max(other.slowest_alone_s);
        self.peak_mib = self.peak_mib.max(other.peak_mib);
    }
}

/// Packs that are done, and the sum of their lines.
///
/// Errors: the log is there, but can't be read.
pub(super) fn done(log: &Path) -> io::Result<(BTreeSet<usize>, Line)> {
    let text = match fs::read_to_string(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    let (mut packs, mut sum) = (BTreeSet::new(), Line::default());
    for (pack, line) in text.lines().filter_map(Line::parse) {
        packs.insert(pack);
        sum.add(&line);
    }
    Ok((packs, sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_where_to_go_on() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("log.tsv");
        assert_eq!(done(&log).ok(), Some((BTreeSet::new(), Line::default())));
        let line = Line {
            packs: 1,
            variants: 200,
            bytes: 9,
            members: 300,
            rows: 4,
            failures: 1,
            losses: 2,
            analyses: 3,
            decode_s: 0.25,
            analysis_s: 1.5,
            slowest_s: 1.25,
            slowest_alone_s: 0.5,
            peak_mib: 90,
        };
        let text = format!("{}\n{}\n7\tbroken off", line.text(4), line.text(5));
        fs::write(&log, text).expect("it can be written");
        let (packs, sum) = done(&log).expect("it can be read");
        assert_eq!(packs, BTreeSet::from([4, 5]));
        assert_eq!((sum.packs, sum.variants, sum.peak_mib), (2, 400, 90));
        assert_eq!((sum.analysis_s, sum.slowest_s), (3.0, 1.25));
    }
}
