//! What was learned about the share's files in earlier runs, so that planning need not read unchanged content again.
//!
//! One line a case: its path, the fingerprint of its files (names, sizes, times, inode or ETag), the hash of their content, and when this machine
//! first saw that fingerprint. A content hash is used only under the same fingerprint, and only if the files were quiet
//! before it was taken; on Unix the fingerprint holds the change time, which no copying tool can set back. Losing
//! the file costs time, never results.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::bundle::{Bundle, Shard};
use crate::clock;
use crate::error::Result;
use crate::store::Store;

/// A hash taken while a file was younger than this is not kept: it may have changed within one tick of its clock.
const QUIET: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    #[serde(rename = "p")]
    path: String,
    #[serde(rename = "f")]
    fingerprint: String,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// Nanoseconds since 1970, by the clock of `host`.
    #[serde(rename = "s")]
    seen_ns: i64,
    #[serde(rename = "h")]
    host: String,
}

/// The memory of one share and shard.
#[derive(Debug)]
pub(crate) struct Cache {
    name: String,
    lines: HashMap<String, Line>,
    /// First sights of this process, by a clock nobody sets.
    live: HashMap<String, (String, Instant)>,
    changed: bool,
}

impl Cache {
    /// Loads what there is for the share named `share`; unreadable lines are forgotten.
    pub(crate) fn open(store: &dyn Store, share: &str, shard: Shard) -> Self {
        let hash = blake3::hash(share.as_bytes()).to_hex();
        let name = format!(
            "{}-{}of{}.jsonl",
            hash.get(..12).unwrap_or_default(),
            shard.index,
            shard.count
        );
        let bytes = store.memory(&name).unwrap_or_default();
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .filter_map(|text| serde_json::from_slice::<Line>(text).ok());
        Self {
            lines: lines.map(|line| (line.path.clone(), line)).collect(),
            name,
            live: HashMap::new(),
            changed: false,
        }
    }

    /// The content hash, if it is known for exactly this state.
    pub(crate) fn content(&self, bundle: &Bundle, fingerprint: &str) -> Option<&str> {
        let line = self.lines.get(&bundle.path)?;
        (line.fingerprint == fingerprint)
            .then_some(line.content.as_deref())
            .flatten()
    }

    /// Keeps a content hash that was taken now.
    pub(crate) fn learn(&mut self, bundle: &Bundle, fingerprint: &str, content: &str) {
        let quiet = clock::age(bundle.newest_ns()).is_some_and(|age| age >= QUIET);
        if let Some(line) = self.lines.get_mut(&bundle.path)
            && line.fingerprint == fingerprint
            && quiet
        {
            line.content = Some(content.to_owned());
            self.changed = true;
        }
    }

    /// Notes that the case looks like this now; returns for how long it is known to have looked so.
    pub(crate) fn see(&mut self, bundle: &Bundle, fingerprint: &str) -> Duration {
        let now = Instant::now();
        let live = self
            .live
            .entry(bundle.path.clone())
            .or_insert_with(|| (fingerprint.to_owned(), now));
        if live.0 != fingerprint {
            *live = (fingerprint.to_owned(), now);
        }
        let in_process = now.duration_since(live.1);
        match self.lines.get(&bundle.path) {
            Some(line) if line.fingerprint == fingerprint => {
                // Another machine's clock says nothing about ours.
                let kept = clock::age(line.seen_ns).filter(|_| line.host == clock::host());
                kept.unwrap_or_default().max(in_process)
            }
            _ => {
                let line = Line {
                    path: bundle.path.clone(),
                    fingerprint: fingerprint.to_owned(),
                    content: None,
                    seen_ns: clock::now_ns(),
                    host: clock::host().to_owned(),
                };
                self.lines.insert(bundle.path.clone(), line);
                self.changed = true;
                in_process
            }
        }
    }

    /// Forgets cases that are gone, and keeps the rest.
    pub(crate) fn save(&mut self, store: &dyn Store, present: &[Bundle]) -> Result<()> {
        let names: std::collections::HashSet<&str> = present.iter().map(|b| b.path.as_str()).collect();
        let before = self.lines.len();
        self.lines.retain(|path, _| names.contains(path.as_str()));
        if !self.changed && before == self.lines.len() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for line in self.lines.values() {
            bytes.extend(serde_json::to_vec(line).unwrap_or_default());
            bytes.push(b'\n');
        }
        store.remember(&self.name, &bytes)?;
        self.changed = false;
        Ok(())
    }
}
