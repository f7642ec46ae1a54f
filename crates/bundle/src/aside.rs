//! Hashes of large input files, made beside taking the same files apart.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::path::Path;
use std::thread::{self, JoinHandle};

use crate::intake::{End, Intake};

/// Smaller files are hashed in less time than it takes to think about it.
const LARGE: u64 = 16 << 20;

/// What reading a whole file gives: size, SHA-256, and how it ended.
pub(crate) type Hashed = (u64, [u8; 32], End);

/// Files that are being hashed, in the order in which they became members.
pub(crate) struct Aside {
    threads: usize,
    under_way: VecDeque<Job>,
    /// Sizes of all members so far. Files of different sizes can't be equal, and so need not wait for each other.
    sizes: HashSet<u64>,
}

struct Job {
    member: usize,
    size: u64,
    thread: JoinHandle<Hashed>,
}

impl Aside {
    /// With one thread nothing is done beside.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            threads: if threads > 1 { threads } else { 0 },
            under_way: VecDeque::new(),
            sizes: HashSet::new(),
        }
    }

    /// Notes a member's size.
    pub(crate) fn saw(&mut self, size: u64) {
        self.sizes.insert(size);
    }

    /// True if a file of this size may become a member before its hash is known.
    pub(crate) fn may_wait(&self, size: u64) -> bool {
        self.threads > 0 && size >= LARGE && !self.sizes.contains(&size)
    }

    /// Begins to hash the file of a member; false if that can't be.
    pub(crate) fn begin(&mut self, member: usize, size: u64, path: &Path) -> bool {
        let Ok(mut file) = File::open(path) else {
            return false;
        };
        let work = move || {
            let (size, sha256, _, end) = Intake::hash_in_place(&mut file);
            (size, sha256, end)
        };
        let Ok(thread) = thread::Builder::new().spawn(work) else {
            return false;
        };
        self.under_way.push_back(Job { member, size, thread });
        true
    }

    /// True if no more files should be begun.
    pub(crate) fn is_full(&self) -> bool {
        self.under_way.len() >= self.threads
    }

    /// True if a file of this size is being hashed.
    pub(crate) fn has_size(&self, size: u64) -> bool {
        self.under_way.iter().any(|job| job.size == size)
    }

    /// The first file, once it is hashed: its member, and what was read.
    pub(crate) fn next(&mut self) -> Option<(usize, Hashed)> {
        let job = self.under_way.pop_front()?;
        let hashed = job
            .thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Some((job.member, hashed))
    }
}
