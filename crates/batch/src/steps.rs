//! The steps of the protocol, so that a test can stop the world at each of them.

use std::io;

/// A point that was just passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The lease is ours.
    Leased,
    /// The work is done, its files are in the staging folder.
    Staged,
    /// The manifest is written.
    Sealed,
    /// Everything is on disk.
    Synced,
    /// The results are visible.
    Committed,
    /// The tables across cases have them.
    Indexed,
    /// The lease is gone.
    Released,
}

impl Step {
    /// All, in order.
    pub const ALL: [Self; 7] = [
        Self::Leased,
        Self::Staged,
        Self::Sealed,
        Self::Synced,
        Self::Committed,
        Self::Indexed,
        Self::Released,
    ];

    /// For test names and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leased => "leased",
            Self::Staged => "staged",
            Self::Sealed => "sealed",
            Self::Synced => "synced",
            Self::Committed => "committed",
            Self::Indexed => "indexed",
            Self::Released => "released",
        }
    }
}

/// Is told of every step; an error it returns counts as an error of the disk.
pub trait Steps: Send + Sync {
    /// `step` was passed for the case of this name.
    fn passed(&self, step: Step, bundle: &str) -> io::Result<()> {
        let _ = (step, bundle);
        Ok(())
    }
}

/// Looks on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Steps for Unwatched {}
