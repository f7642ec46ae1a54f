//! A file that knows how much was read from it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the bytes that are read, also the same ones again.
pub(crate) struct Watched {
    file: File,
    read: Arc<AtomicU64>,
}

impl Watched {
    /// Opens a file; the count outlives it.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Arc<AtomicU64>)> {
        let read = Arc::new(AtomicU64::new(0));
        let file = File::open(path)?;
        let count = Arc::clone(&read);
        Ok((Self { file, read }, count))
    }
}

impl Read for Watched {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buf)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
