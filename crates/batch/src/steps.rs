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

/// A point in the compaction of one month of a table that was just passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompactionStep {
    /// The joined month lies beside the old one, on disk.
    Joined,
    /// The journal says which two names are to be exchanged.
    Noted,
    /// The names are exchanged: readers see the joined month.
    Exchanged,
    /// Late arrivals are taken over, the journal is gone.
    Settled,
}

impl CompactionStep {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::Joined, Self::Noted, Self::Exchanged, Self::Settled];

    /// For test names and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Noted => "noted",
            Self::Exchanged => "exchanged",
            Self::Settled => "settled",
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

    /// `step` was passed for a month of `table`.
    fn compacted(&self, step: CompactionStep, table: &str) -> io::Result<()> {
        let _ = (step, table);
        Ok(())
    }
}

/// Looks on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Steps for Unwatched {}
