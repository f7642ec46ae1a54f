//! `findings.json`: the result of an evaluation, as docs/contract describes it.

use serde::{Deserialize, Serialize};

use crate::error::RuleError;
use crate::words::{Audience, Confidence, Phase, Role, Severity, Status, Whose};

/// Version of the layout below.
pub const FINDINGS_SCHEMA_VERSION: u32 = 1;

/// Everything the rules have to say about a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// Version of this layout.
    pub schema_version: u32,
    /// Version of the program.
    pub tool_version: String,
    /// Fingerprint of the rule files.
    pub rules_version: String,
    /// What was looked at.
    pub case: CaseInfo,
    /// Ranked ones first, then refuted ones.
    pub findings: Vec<Finding>,
    /// Failures that no active or resolved finding rests on, the newest first.
    #[serde(default)]
    pub unexplained: Vec<Unexplained>,
    /// Such failures left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_unexplained: u64,
    /// What the reader should know about the data itself.
    pub data_quality: Vec<QualityFinding>,
    /// Rules that failed while running; not part of the file.
    #[serde(skip)]
    pub rule_errors: Vec<RuleError>,
}

/// What was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseInfo {
    /// Computers, alphabetically.
    pub hosts: Vec<String>,
    /// First and last time, RFC 3339.
    pub span: Option<[String; 2]>,
    /// Names of the inputs.
    pub inputs: Vec<String>,
}

/// One judgement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Such as `PXY-01`.
    pub rule_id: String,
    /// What it says.
    pub title: String,
    /// Group of rules.
    pub family: String,
    /// Which layer fails.
    pub phase: Phase,
    /// How sure.
    pub confidence: Confidence,
    /// Whether it still matters.
    pub status: Status,
    /// What it costs.
    pub severity: Severity,
    /// 1 = read this first; none for refuted ones.
    pub rank: Option<u32>,
    /// Rules whose findings explain this one.
    pub consequence_of: Vec<String>,
    /// Time of the first fact that counts.
    pub first_ts: Option<String>,
    /// Time of the last one.
    pub last_ts: Option<String>,
    /// When it was over, for resolved ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_ts: Option<String>,
    /// Facts that count: decisive, supporting and weak rows.
    pub count: u64,
    /// Host name, user, URL… it is about.
    pub subject: Option<String>,
    /// On whose behalf the failing thing ran.
    pub context: Whose,
    /// Computers the facts were recorded on.
    pub hosts: Vec<String>,
    /// Rows that carry it, most decisive first; a selection if there are many.
    pub evidence: Vec<EvidenceItem>,
    /// Error codes in the facts.
    pub codes: Vec<String>,
    /// Two or three sentences.
    pub explanation: String,
    /// What to do.
    pub next_steps: Vec<String>,
    /// The same by who can do it.
    pub next_steps_for: Vec<NextStep>,
    /// What to collect next.
    pub ask_customer: Vec<String>,
    /// What looks like it but is not.
    pub false_positives: Vec<String>,
    /// Where the facts behind the rule come from.
    pub references: Vec<String>,
    /// For ranking and linking; nanoseconds since 1970.
    #[serde(skip)]
    pub span_ns: Option<(i64, i64)>,
}

/// A step and who can take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextStep {
    /// Who; none if anybody.
    pub to: Option<Audience>,
    /// What.
    pub text: String,
}

/// One row that carries a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceItem {
    /// What it says about the finding.
    pub role: Role,
    /// Logical path of the file.
    pub artifact: String,
    /// Record number in it; 0 for an absence.
    pub record: u64,
    /// When, RFC 3339.
    pub ts: Option<String>,
    /// What the computer's clock showed, where no zone is known and so `ts` is none: `2026-03-02T10:00:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_time: Option<String>,
    /// The `source` column.
    pub source: String,
    /// The `kind` column.
    pub kind: String,
    /// One line.
    pub summary: String,
}

/// Failures of one sort; all but the number and the first time are those of the last record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unexplained {
    /// Records.
    pub count: u64,
    /// The `error_code` column.
    pub error_code: Option<String>,
    /// Its symbol.
    pub error_symbol: Option<String>,
    /// One line.
    pub summary: String,
    /// First time, RFC 3339.
    pub first_ts: Option<String>,
    /// Last time, RFC 3339.
    pub last_ts: Option<String>,
    /// What the computer's clock showed, where no zone is known and so `last_ts` is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_time: Option<String>,
    /// The `source` column.
    pub source: String,
    /// Logical path of the file.
    pub artifact: String,
    /// Record number in it.
    pub record: u64,
}

/// One remark on the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityFinding {
    /// Such as `DQ-01`.
    pub id: String,
    /// What it says.
    pub title: String,
    /// The file it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// How bad.
    pub severity: Severity,
    /// One sentence.
    pub summary: String,
    /// What can't be concluded because of it.
    pub what_is_lost: String,
    /// What to collect next.
    pub ask_customer: Vec<String>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}
