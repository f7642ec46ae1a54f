//! What lies beside the tables of a batch output: `failed/<key>.json`, run logs, manifests.
//!
//! Run logs are `runs/<run>.jsonl` of `batch run` and `_runs/<application>/part-*` of the Spark fan-out; both have one report a case and line.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Largest record that is read.
const MAX_RECORD: u64 = 1 << 20;
/// Longest line of a run log.
const MAX_LINE: usize = 256 << 10;
/// Files of a folder that are read.
const MAX_FILES: usize = 200_000;

/// The records of one output.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    /// By case.
    pub(crate) failures: Vec<Failure>,
    /// Time and memory of the run that published a case.
    pub(crate) costs: BTreeMap<String, Cost>,
    /// Path of a case below the share.
    pub(crate) paths: BTreeMap<String, String>,
}

/// A case that could not be analysed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Failure {
    pub(crate) bundle: String,
    /// `unreadable`, `crash`, …
    pub(crate) class: String,
    /// True if it is not tried again.
    pub(crate) permanent: bool,
}

/// What a case cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) ms: u64,
    pub(crate) peak_rss_bytes: u64,
}

#[derive(Deserialize)]
struct LogLine {
    bundle: String,
    status: String,
    ms: u64,
    #[serde(default)]
    peak_rss_bytes: u64,
}

#[derive(Deserialize)]
struct ManifestHead {
    bundle: String,
    path: String,
}

impl Records {
    pub(crate) fn read(out: &Path) -> Self {
        let mut failures: Vec<Failure> = files(&out.join("failed"))
            .into_iter()
            .filter_map(|file| document(&file))
            .collect();
        failures.sort_by(|a, b| (&a.bundle, &a.class).cmp(&(&b.bundle, &b.class)));
        let manifests = files(&out.join("cases")).into_iter();
        Self {
            failures,
            costs: costs(out),
            paths: manifests
                .filter_map(|case| document::<ManifestHead>(&case.join("_manifest.json")))
                .map(|head| (head.bundle, head.path))
                .collect(),
        }
    }
}

/// Entries of a folder in name order, without those in the making.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let visible = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    let mut paths: Vec<PathBuf> = visible.take(MAX_FILES).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn document<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let small = path
        .metadata()
        .is_ok_and(|m| m.is_file() && m.len() <= MAX_RECORD);
    small
        .then(|| fs::read(path).ok())
        .flatten()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
}

/// From all run logs, in the order of their names; the last line that tells of a publication counts.
fn costs(out: &Path) -> BTreeMap<String, Cost> {
    let spark = files(&out.join("_runs")).into_iter().flat_map(|run| files(&run));
    let logs = files(&out.join("runs")).into_iter().chain(spark);
    let mut costs = BTreeMap::new();
    for log in logs {
        let Ok(file) = fs::File::open(&log) else { continue };
        let lines = BufReader::new(file)
            .lines()
            .map_while(Result::ok)
            .filter(|line| line.len() <= MAX_LINE);
        for line in lines.filter_map(|line| serde_json::from_str::<LogLine>(&line).ok()) {
            if line.status == "published" {
                let cost = Cost {
                    ms: line.ms,
                    peak_rss_bytes: line.peak_rss_bytes,
                };
                costs.insert(line.bundle, cost);
            }
        }
    }
    costs
}
