//! Chunks in a file, and those of them that a thread has read lately.
//!
//! Rows are mostly gone through in the order of time, which goes back and forth between the few chunks of each column that hold the
//! same minutes of different members.

use std::cell::RefCell;
use std::sync::Arc;

use crate::store::Spill;

/// Chunks that a thread keeps are shared out by their place in the file, into so many sets …
const SETS: usize = 128;

/// … of at most so many: 32 MiB if all of them were as large as a chunk can be, and some megabytes as they mostly are.
const WAYS: usize = 4;

/// A block of a file.
#[derive(Debug, Clone)]
pub(super) struct Page {
    spill: Arc<Spill>,
    offset: u64,
    len: u32,
}

impl Page {
    /// `None` if the bytes stay in memory, as they fit into the budget or the disk refuses.
    pub(super) fn write(spill: &Arc<Spill>, bytes: &[u8]) -> Option<Self> {
        let len = u32::try_from(bytes.len()).ok()?;
        let offset = spill.write(bytes)?;
        Some(Self {
            spill: Arc::clone(spill),
            offset,
            len,
        })
    }

    fn key(&self) -> (u64, u64) {
        (self.spill.id(), self.offset)
    }

    /// What can't be read is zeros, and the spill says so: nothing of it will be published.
    fn read(&self) -> Vec<u8> {
        let len = self.len as usize;
        self.spill.read(self.offset, len).unwrap_or_else(|_| vec![0; len])
    }
}

/// A block that was read, and which one it is.
type Kept = ((u64, u64), Vec<u8>);

thread_local! {
    static KEPT: RefCell<[Vec<Kept>; SETS]> = const { RefCell::new([const { Vec::new() }; SETS]) };
}

/// Runs `f` on the bytes of a page; `f` opens no other one.
pub(super) fn open<R>(page: &Page, f: impl FnOnce(&[u8]) -> R) -> R {
    KEPT.with_borrow_mut(|sets| {
        let key = page.key();
        // Blocks have a hundred bytes and more, so neighbours are in different sets, and so are files that were filled side by side.
        let set = (key.1 >> 7)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(key.0)
            >> 32;
        let Some(set) = sets.get_mut(set as usize % SETS) else {
            return f(&page.read());
        };
        match set.iter().position(|(kept, _)| *kept == key) {
            // The last one used is in front.
            Some(at) => set.swap(0, at),
            None => {
                set.truncate(WAYS - 1);
                set.push((key, page.read()));
                let last = set.len() - 1;
                set.swap(0, last);
            }
        }
        f(set.first().map_or(&[], |(_, bytes)| bytes))
    })
}
