//! Records by file, as short as a sentence needs them: `Nettrace.etl` 124, 130.

use casetrace_rules::EvidenceItem;
use serde::Serialize;

use super::{EvidenceView, MAX_PATH};
use crate::escape::shorten;

/// Files and records named where a few stand for all.
const MAX_FILES: usize = 3;
const MAX_RECORDS: usize = 4;

/// Records of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cite {
    /// The file's own name; the whole path is in the evidence.
    pub artifact: String,
    /// Record numbers with commas.
    pub records: String,
}

/// Some records that stand for all.
pub(super) fn some<'a>(items: impl Iterator<Item = &'a EvidenceItem>) -> Vec<Cite> {
    let named = items.filter(|item| item.record != 0);
    let pairs = named.map(|item| (item.artifact.as_str(), item.record.to_string()));
    cites(pairs, MAX_FILES, MAX_RECORDS)
}

/// All of them.
pub(super) fn all<'a>(items: impl Iterator<Item = &'a EvidenceView>) -> Vec<Cite> {
    let pairs = items.map(|item| (item.artifact.as_str(), item.record.clone()));
    cites(pairs, usize::MAX, usize::MAX)
}

fn cites<'a>(
    pairs: impl Iterator<Item = (&'a str, String)>,
    most_files: usize,
    most_records: usize,
) -> Vec<Cite> {
    let mut files: Vec<(&str, Vec<String>)> = Vec::new();
    for (artifact, record) in pairs {
        match files.iter_mut().find(|(name, _)| *name == artifact) {
            Some((_, records)) if records.contains(&record) => {}
            Some((_, records)) => records.push(record),
            None => files.push((artifact, vec![record])),
        }
    }
    let cite = |(artifact, records): (&str, Vec<String>)| {
        let shown = records.iter().take(most_records).cloned().collect::<Vec<_>>();
        let rest = if records.len() > shown.len() { ", …" } else { "" };
        Cite {
            artifact: shorten(artifact.rsplit('/').next().unwrap_or(artifact), MAX_PATH),
            records: shown.join(", ") + rest,
        }
    };
    files.into_iter().take(most_files).map(cite).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_by_file_and_few_of_many() {
        let pairs = (0..6).map(|n| ("a.zip!/x/Net.etl", n.to_string()));
        let more = [("b.evtx", "7".to_owned()), ("a.zip!/x/Net.etl", "0".to_owned())];
        let found = cites(pairs.chain(more), 3, 4);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].artifact.as_str(), found[0].records.as_str()),
            ("Net.etl", "0, 1, 2, 3, …")
        );
        assert_eq!(
            (found[1].artifact.as_str(), found[1].records.as_str()),
            ("b.evtx", "7")
        );
    }
}
