//! Which members are in hand, on disk before the work on them begins: a killed process can't tell any more.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use casetrace_pipeline::{Progress, Stage};

use super::{journal_file, work_folder};

/// Passes progress on, and keeps the journal in a work process.
pub(crate) struct Journal<'a> {
    inner: &'a dyn Progress,
    file: Option<Mutex<File>>,
}

impl<'a> Journal<'a> {
    /// Without a work folder it only passes on.
    pub(crate) fn new(inner: &'a dyn Progress) -> Self {
        let file = work_folder().and_then(|folder| {
            let mut options = OpenOptions::new();
            options.append(true).create(true).open(journal_file(&folder)).ok()
        });
        Self {
            inner,
            file: file.map(Mutex::new),
        }
    }

    fn note(&self, mark: char, path: &str) {
        let Some(file) = &self.file else { return };
        let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // One write: lines of several threads stay whole. A full disk costs the retry, not the run.
        let _ = file.write_all(format!("{mark}{path}\n").as_bytes());
    }
}

impl Progress for Journal<'_> {
    fn stage(&self, stage: Stage, total: u64) {
        self.inner.stage(stage, total);
    }

    fn advance(&self, units: u64) {
        self.inner.advance(units);
    }

    fn begin(&self, path: &str) {
        self.note('+', path);
        #[cfg(debug_assertions)]
        fault::maybe(path);
        self.inner.begin(path);
    }

    fn end(&self, path: &str) {
        self.inner.end(path);
        self.note('-', path);
    }

    fn detail(&self, name: &str) {
        self.inner.detail(name);
    }
}

/// The members that were begun and not ended, in order; empties the journal for the next attempt.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "there is no supervisor"))]
pub(super) fn in_hand(folder: &Path) -> Vec<String> {
    let text = std::fs::read(journal_file(folder)).unwrap_or_default();
    let _ = std::fs::remove_file(journal_file(folder));
    let mut begun: Vec<String> = Vec::new();
    for line in String::from_utf8_lossy(&text).lines() {
        match (line.get(..1), line.get(1..)) {
            (Some("+"), Some(path)) => begun.push(path.to_owned()),
            (Some("-"), Some(path)) => begun.retain(|other| other != path),
            _ => {}
        }
    }
    begun
}

/// Failures on demand, for the tests of the supervisor: `CASETRACE_FAULT=abort:suffix of a path`, or a verb. Not in release builds.
#[cfg(debug_assertions)]
pub(crate) mod fault {
    use std::hint::black_box;
    use std::time::Duration;

    pub(crate) fn maybe(path: &str) {
        let Ok(wish) = std::env::var("CASETRACE_FAULT") else {
            return;
        };
        for (what, suffix) in wish.split(';').filter_map(|one| one.split_once(':')) {
            if !path.ends_with(suffix) {
                continue;
            }
            match what {
                "abort" => std::process::abort(),
                "stack" => drop(black_box(deeper(&[0; 64]))),
                "memory" => more(),
                "panic" => std::panic::panic_any("a fault was asked for"),
                "wait" => std::thread::sleep(Duration::from_secs(60)),
                _ => {}
            }
        }
    }

    fn deeper(of: &[u8]) -> Vec<u8> {
        if black_box(of.is_empty()) {
            return Vec::new();
        }
        let mut own = [0_u8; 4096];
        if let (Some(to), Some(from)) = (own.first_mut(), of.first()) {
            *to = from.wrapping_add(1);
        }
        let mut below = deeper(black_box(&own));
        below.push(1);
        below
    }

    fn more() {
        let mut kept = Vec::new();
        loop {
            kept.push(black_box(vec![1_u8; 64 << 20]));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_was_begun_and_not_ended_is_in_hand() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(journal_file(folder.path()), "+a\n+b c\n-a\n+d\n-d\n+e").unwrap();
        assert_eq!(in_hand(folder.path()), ["b c", "e"]);
        assert!(in_hand(folder.path()).is_empty(), "the next attempt starts anew");
    }
}
