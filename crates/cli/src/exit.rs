//! How a command ends: the exit codes of the contract.

use std::io;
use std::process::ExitCode;

/// Findings at or above `--fail-on`.
pub(crate) const FINDINGS: u8 = 3;
/// Not one artefact could be decoded.
pub(crate) const UNREADABLE: u8 = 4;
/// Some artefact was not fully read, with `--strict`.
pub(crate) const PARTIAL: u8 = 5;

/// The command was interrupted; only the supervisor sees this.
pub(crate) const INTERRUPTED: i32 = 130;

const INTERNAL: u8 = 1;
const USAGE: u8 = 2;
const TRY_AGAIN: u8 = 75;

/// Why a command stopped.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The caller asked for something that can't be; a hint is part of the text.
    Usage(String),
    /// The environment failed; the same call may work later.
    TryAgain(String),
    /// Our own fault, or an output that can't be written.
    Internal(String),
    /// The reader of our output has gone; not an error.
    BrokenPipe,
    /// Ended as designed, with this code.
    Code(u8),
}

impl Failure {
    /// The process exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => USAGE,
            Self::TryAgain(_) => TRY_AGAIN,
            Self::Internal(_) => INTERNAL,
            Self::BrokenPipe => 0,
            Self::Code(code) => *code,
        })
    }

    /// What to tell the user; nothing for a broken pipe or a designed code.
    pub(crate) fn message(&self) -> Option<&str> {
        match self {
            Self::Usage(text) | Self::TryAgain(text) | Self::Internal(text) => Some(text),
            Self::BrokenPipe | Self::Code(_) => None,
        }
    }

    /// Sorts an I/O error on `what` into the classes.
    pub(crate) fn io(what: &str, error: &io::Error) -> Self {
        let text = format!("{what}: {error}");
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            io::ErrorKind::NotFound | io::ErrorKind::InvalidInput => Self::Usage(text),
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::TimedOut
            | io::ErrorKind::StaleNetworkFileHandle
            | io::ErrorKind::ResourceBusy
            | io::ErrorKind::Interrupted => Self::TryAgain(text),
            _ => Self::Internal(text),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::io("writing the result", &error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(kind) => Self::io("writing the result", &io::Error::from(kind)),
            None => Self::Internal(format!("JSON: {error}")),
        }
    }
}
