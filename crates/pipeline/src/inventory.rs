//! `inventory.json`: every member of the upload, also the ones nobody decodes.

use casetrace_model::{Diagnostic, Inspection, Severity, time};
use casetrace_redact::Mode;
use casetrace_timeline::ClockOffset;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::read::InputFile;

/// Version of the file's layout.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// How reading a member ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadOutcome {
    /// Read to its end.
    Ok,
    /// Read, but something was lost; the diagnostics say what.
    Partial,
    /// Nothing in it.
    Empty,
    /// Named by its container, but not there.
    Missing,
    /// Left alone on purpose.
    Skipped,
    /// Not readable.
    Failed,
}

impl ReadOutcome {
    /// The spelling in the inventory.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Empty => "empty",
            Self::Missing => "missing",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }

    /// The outcome of a decoded member.
    pub fn of(records: u64, inspection: &Inspection, diagnostics: &[Diagnostic]) -> Self {
        let worst = diagnostics.iter().map(|d| d.severity).max();
        match worst {
            Some(Severity::Error) if records == 0 => Self::Failed,
            Some(Severity::Error | Severity::Warning) => Self::Partial,
            _ if inspection.lost.bytes > 0 => Self::Partial,
            _ if records == 0 => Self::Empty,
            _ => Self::Ok,
        }
    }
}

/// One member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InventoryMember {
    /// Logical path; nesting is `!/`.
    pub path: String,
    /// Expanded bytes.
    pub size: u64,
    /// SHA-256 of the expanded bytes, lower-case hex; empty if it could not be read.
    pub sha256: String,
    /// Kind by content.
    pub kind: String,
    /// Format of a text, by content.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub format: Option<String>,
    /// Text encoding.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub encoding: Option<String>,
    /// How reading ended.
    pub outcome: ReadOutcome,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Rows in the timeline.
    pub rows: u64,
    /// Records in the member (events, packets, lines); more than rows where records are only counted.
    pub records: u64,
    /// First and last time, RFC 3339.
    pub first: Option<String>,
    /// See `first`.
    pub last: Option<String>,
    /// What the times come from.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub clock: String,
    /// How far its clock is off another's, if facts in common tell.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clock_offset: Option<ClockNote>,
    /// Damage and oddities.
    pub diagnostics: Vec<Value>,
}

impl InventoryMember {
    /// Takes what a decoder found out.
    pub fn decoded(&mut self, inspection: &Inspection, rows: u64, diagnostics: &[Diagnostic]) {
        self.rows = rows;
        self.records = inspection.records;
        self.clock = inspection.clock.to_string();
        self.first = inspection.span.map(|(first, _)| time::to_rfc3339(first));
        self.last = inspection.span.map(|(_, last)| time::to_rfc3339(last));
        self.outcome = match self.outcome {
            ReadOutcome::Partial | ReadOutcome::Failed => ReadOutcome::Partial,
            _ => ReadOutcome::of(inspection.records.max(rows), inspection, diagnostics),
        };
        self.add_diagnostics(diagnostics);
    }

    /// Appends remarks in order.
    pub fn add_diagnostics(&mut self, diagnostics: &[Diagnostic]) {
        self.diagnostics
            .extend(diagnostics.iter().filter_map(|d| serde_json::to_value(d).ok()));
    }

    /// Codes of the remarks, for the rules.
    pub fn codes(&self) -> Vec<String> {
        let mut codes: Vec<String> = self
            .diagnostics
            .iter()
            .filter_map(|d| Some(d.get("code")?.as_str()?.to_owned()))
            .collect();
        codes.sort();
        codes.dedup();
        codes
    }
}

/// How far a clock is off another's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockNote {
    /// Milliseconds it is ahead; negative is behind.
    pub offset_ms: i64,
    /// Median deviation of the single differences.
    pub spread_ms: i64,
    /// Facts in common.
    pub pairs: u64,
    /// What they are: `connections`, `events`, `ids`, `servers`.
    pub basis: String,
    /// The member it is compared with; `servers` for times that servers print.
    pub reference: String,
}

impl From<&ClockOffset> for ClockNote {
    fn from(found: &ClockOffset) -> Self {
        Self {
            offset_ms: found.offset_ns / 1_000_000,
            spread_ms: found.spread_ns / 1_000_000,
            pairs: found.pairs as u64,
            basis: found.basis.as_str().to_owned(),
            reference: found.reference.clone().unwrap_or_else(|| "servers".to_owned()),
        }
    }
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// Layout version.
    pub schema_version: u32,
    /// Case name: that of the first input.
    #[serde(default)]
    pub name: String,
    /// The inputs.
    #[serde(default)]
    pub inputs: Vec<InputFile>,
    /// What was hidden while reading: `secrets`, `identity` or `none`; empty in cases of versions that did not say.
    #[serde(default)]
    pub redaction: String,
    /// Key of the pseudonyms that this case gets when it is hidden later, hex. Not there once it is hidden: who has
    /// the key can test guesses.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pseudonym_key: Option<String>,
    /// The other files of the case folder as they were written, by name.
    #[serde(default)]
    pub outputs: Vec<OutputFile>,
    /// All members in logical-path order.
    pub members: Vec<InventoryMember>,
}

/// A result, so that a copy can be held against what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    /// File name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

impl Inventory {
    /// What was hidden, if the case says.
    pub(crate) fn mode(&self) -> Option<Mode> {
        Mode::parse(&self.redaction)
    }
}
