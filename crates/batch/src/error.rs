//! Why a step did not come to its end; the variants map to exit codes.

use std::io;

/// A failure of a batch step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The caller asked for something that can't be.
    #[error("{0}")]
    Usage(String),
    /// The environment failed: share gone, disk full, store away. The same call may work later.
    #[error("{what}: {source}")]
    TryAgain {
        /// What was attempted.
        what: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Our own fault, or a state nobody should meet.
    #[error("{0}")]
    Internal(String),
}

impl BatchError {
    /// Sorts an I/O error on `what`: anything a healthy share and disk would not do is worth another try.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::TryAgain {
            what: what.into(),
            source,
        }
    }

    /// The same as a function for `map_err`.
    pub(crate) fn on(what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::io(what.to_string(), source)
    }

    /// True if the disk or quota is full; then every other bundle would meet the same.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::TryAgain { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}

/// Short for a result of a batch step.
pub type Result<T> = std::result::Result<T, BatchError>;
