//! An unnamed temporary file for packed texts that would not fit into memory.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Takes blocks once `budget` bytes of them are in memory. The file is made with the first and vanishes with the last user.
#[derive(Debug)]
pub struct Spill {
    folder: PathBuf,
    budget: u64,
    in_memory: AtomicU64,
    file: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: Option<File>,
    end: u64,
    /// The folder refused; everything stays in memory.
    refused: bool,
}

impl Spill {
    /// `budget` bytes stay in memory, the rest goes to a file in `folder`.
    pub fn new(folder: &Path, budget: u64) -> Arc<Self> {
        Arc::new(Self {
            folder: folder.to_owned(),
            budget,
            in_memory: AtomicU64::new(0),
            file: Mutex::new(State {
                file: None,
                end: 0,
                refused: false,
            }),
        })
    }

    /// Bytes in the file.
    pub fn written(&self) -> u64 {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).end
    }

    /// Where the block was put; `None` if it has to stay in memory: within the budget, or because the disk refuses.
    pub(super) fn write(&self, block: &[u8]) -> Option<u64> {
        let len = block.len() as u64;
        let before = self.in_memory.fetch_add(len, Ordering::Relaxed);
        if before.saturating_add(len) <= self.budget {
            return None;
        }
        let mut state = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = state.append(&self.folder, block)?;
        self.in_memory.fetch_sub(len, Ordering::Relaxed);
        Some(offset)
    }

    pub(super) fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut state = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let file = state
            .file
            .as_mut()
            .ok_or_else(|| io::Error::other("the temporary file is gone"))?;
        let mut block = vec![0; len];
        file.seek(SeekFrom::Start(offset))?;
        io::Read::read_exact(file, &mut block)?;
        Ok(block)
    }
}

impl State {
    fn append(&mut self, folder: &Path, block: &[u8]) -> Option<u64> {
        if self.refused {
            return None;
        }
        if self.file.is_none() {
            self.file = tempfile::tempfile_in(folder).ok();
        }
        let offset = self.end;
        let written = self.file.as_mut().map(|file| {
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(block)
        });
        if !matches!(written, Some(Ok(()))) {
            self.refused = true;
            return None;
        }
        self.end += block.len() as u64;
        Some(offset)
    }
}
