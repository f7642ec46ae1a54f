//! An unnamed temporary file for packed columns that would not fit into memory.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Takes blocks once `budget` bytes of them are in memory. The file is made with the first and vanishes with the last user.
#[derive(Debug)]
pub struct Spill {
    folder: PathBuf,
    budget: u64,
    in_memory: AtomicU64,
    /// No other one of this process has it.
    id: u64,
    file: Mutex<State>,
    trouble: OnceLock<String>,
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
        static IDS: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            trouble: OnceLock::new(),
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

    /// Why something could not be read back. What was made since then may be wrong.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }

    /// Tells blocks of this file from those of others.
    pub(super) fn id(&self) -> u64 {
        self.id
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
        let block = self.read_block(offset, len);
        if let Err(error) = &block {
            // The first says it all.
            let _ = self.trouble.set(format!("at byte {offset}: {error}"));
        }
        block
    }

    fn read_block(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
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

#[cfg(test)]
impl Spill {
    /// As if someone else had cut the file off.
    pub(super) fn cut(&self) {
        let state = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let cut = state.file.as_ref().map(|file| file.set_len(0));
        assert!(matches!(cut, Some(Ok(()))));
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
