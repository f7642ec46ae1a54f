//! Declarative correlation rules over the timeline.
//!
//! Rules are TOML with SQL conditions; `docs/rules-language.md` is their reference. A [`RulePack`] is loaded from files (a
//! faulty rule is left out with a [`RuleError`] that has line and caret), evaluated over a
//! [`Timeline`](casetrace_timeline::Timeline), and gives [`Findings`]: ranked judgements with the rows that carry them.
//! Nothing here reads files or prints.
//!
//! ```
//! use casetrace_rules::{Context, RulePack};
//! use casetrace_timeline::TimelineBuilder;
//!
//! let loaded = RulePack::builtin();
//! assert!(loaded.errors.is_empty());
//! let findings = loaded.pack.evaluate(&TimelineBuilder::new().finish(), &Context::default());
//! assert!(findings.findings.is_empty());
//! ```

mod attempts;
mod case;
mod compile;
mod engine;
mod error;
mod expand;
mod file;
mod findings;
mod pack;
mod plan;
mod quality;
mod rule;
mod sigma;
mod source;
mod template;
mod words;
mod yaml;

pub use attempts::{
    ATTEMPTS_SCHEMA_VERSION, Attempt, AttemptLink, AttemptOutcome, AttemptRole, AttemptRow, Attempts,
    MAX_ATTEMPT_ROWS,
};
pub use case::CaseResult;
pub use engine::{Context, Judged};
pub use error::RuleError;
pub use findings::{
    CaseInfo, EvidenceItem, FINDINGS_SCHEMA_VERSION, Finding, Findings, NextStep, QualityFinding, Unexplained,
};
pub use pack::{Loaded, RulePack};
pub use quality::InventoryMember;
pub use rule::Rule;
pub use sigma::{Imported, import_sigma};
pub use source::SourceKind;
pub use words::{Audience, Confidence, Lang, Localized, Phase, Role, Severity, Status, Whose};
