//! Inputs on disk: what failed once, and the corpus.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Target;

/// Corpus files above this size take too long per execution to be good seeds.
const MAX_CORPUS_SEED: u64 = 160 << 10;
/// Corpus seeds of one target.
const MAX_CORPUS_SEEDS: usize = 60;

/// Where inputs of a crate's targets that failed once are kept: a folder per target.
pub fn regressions(home: &str) -> PathBuf {
    Path::new(home).join("regressions")
}

/// Regression inputs of a target, by name.
///
/// Errors: the folder is there, but it or a file in it can't be read.
pub fn past(target: &Target) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = regressions(target.home).join(target.name);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| Ok((path.clone(), fs::read(path)?)))
        .collect()
}

/// Keeps an input that failed; its name comes from its content.
///
/// Errors: what the file system says.
pub fn keep(target: &Target, input: &[u8]) -> io::Result<PathBuf> {
    let folder = regressions(target.home).join(target.name);
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{:016x}", fnv(input, None)));
    fs::write(&path, input)?;
    Ok(path)
}

/// FNV-1a, from the start or going on with what was hashed before.
pub(crate) fn fnv(bytes: &[u8], before: Option<u64>) -> u64 {
    bytes
        .iter()
        .fold(before.unwrap_or(0xcbf2_9ce4_8422_2325), |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// The corpus folder: `CASETRACE_CORPUS`, or `../shared/corpus` beside the workspace.
pub fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("CASETRACE_CORPUS").map_or_else(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// Corpus files that are seeds of a target, in order of path; smaller ones only.
pub fn corpus_seeds(target: &Target) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    if let Some(folder) = corpus().filter(|_| !target.corpus.is_empty()) {
        list(&folder, target.corpus, &mut paths);
    }
    paths.sort();
    // Evenly over all folders, where there are too many.
    let step = paths.len().div_ceil(MAX_CORPUS_SEEDS).max(1);
    paths
        .iter()
        .step_by(step)
        .filter_map(|path| fs::read(path).ok())
        .collect()
}

fn list(folder: &Path, extensions: &[&str], out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            list(&path, extensions, out);
            continue;
        }
        let wanted = path
            .extension()
            .and_then(|e| e.to_str())
            .is_some_and(|e| extensions.iter().any(|wanted| wanted.eq_ignore_ascii_case(e)));
        if wanted && entry.metadata().is_ok_and(|m| m.len() <= MAX_CORPUS_SEED) {
            out.push(path);
        }
    }
}
