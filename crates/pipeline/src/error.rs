//! Why a run ended without results. Damage inside inputs is never one of these.

use std::io;
use std::path::PathBuf;

/// A run's failure; the variants map to exit codes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// An input is not there or not readable.
    #[error("cannot read input {}", path.display())]
    Input {
        /// As given.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The work folder refused.
    #[error("cannot use the work folder {}", path.display())]
    Work {
        /// As given.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// A result could not be written.
    #[error("cannot write {}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// A finished case folder could not be read back.
    #[error("{} is no finished case folder: {reason}", path.display())]
    Case {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A case can't be compared in the way that was asked for.
    #[error("cannot compare with {}: {reason}", path.display())]
    Pair {
        /// Its folder.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// The timeline refused a query or a file.
    #[error(transparent)]
    Timeline(#[from] casetrace_timeline::TimelineError),
    /// A report template does not work.
    #[error(transparent)]
    Template(#[from] casetrace_report::RenderError),
    /// The rules or templates are unusable.
    #[error("{0}")]
    Definition(String),
}

impl From<casetrace_bundle::OpenError> for RunError {
    fn from(error: casetrace_bundle::OpenError) -> Self {
        match error {
            casetrace_bundle::OpenError::Input { path, source } => Self::Input { path, source },
            casetrace_bundle::OpenError::Work { path, source } => Self::Work { path, source },
            other => Self::Definition(other.to_string()),
        }
    }
}
