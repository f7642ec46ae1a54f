//! Damage and oddities as data: they end up in the inventory and the report's data-quality section.

use serde::Serialize;

use crate::Text;

/// How much a diagnostic takes away from the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing was lost.
    Info,
    /// Something was lost or assumed.
    Warning,
    /// The artifact could not be read (further).
    Error,
}

/// What went wrong while reading, where, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// Stable short code such as `EtlTruncatedBuffer`; scripts may match on it.
    pub code: &'static str,
    /// Byte offset in the artifact where it was noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Bytes that were skipped because of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_lost: Option<u64>,
    /// One sentence: what happened, what was lost, what to do. Never quotes payload.
    pub message: Text,
}

impl Diagnostic {
    /// A diagnostic without place.
    pub fn new(severity: Severity, code: &'static str, message: impl Into<Text>) -> Self {
        Self {
            severity,
            code,
            offset: None,
            bytes_lost: None,
            message: message.into(),
        }
    }

    /// Something was lost or assumed.
    pub fn warning(code: &'static str, message: impl Into<Text>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Reading ended here.
    pub fn error(code: &'static str, message: impl Into<Text>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Adds the cost.
    #[must_use]
    pub fn lost(mut self, bytes: u64) -> Self {
        self.bytes_lost = Some(bytes);
        self
    }
}
