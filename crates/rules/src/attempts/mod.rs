//! Attempts: one join, one token, one sign-in of a tool, told across all sources.
//!
//! `pipelines/attempts.toml` says which rows begin, continue and end an attempt. These rows are joined where they share a
//! correlation, activity or request id, else where they follow each other on the same computer (`group`). Then rows of
//! other sources are added: by the same id, the same flow, the same process, or else the same computer and time
//! (`attach`). A row belongs to one attempt. Ids in use for long, flows and processes shared by several attempts
//! join nothing: they only say to which attempt *of that time* a row belongs.
//!
//! ```
//! use casetrace_rules::{Context, RulePack};
//! use casetrace_timeline::TimelineBuilder;
//!
//! let judged = RulePack::builtin().pack.judge(&TimelineBuilder::new().finish(), &Context::default());
//! assert!(judged.attempts.attempts.is_empty());
//! ```

mod attach;
mod group;
mod write_up;

use casetrace_timeline::{ColumnId, Timeline};
use serde::{Deserialize, Serialize};

use crate::findings::Finding;
use crate::pack::RulePack;
use crate::rule::{ConditionId, Phrase};
use crate::words::{Lang, Localized, Whose, words};

/// Version of the layout of `attempts.json`.
pub const ATTEMPTS_SCHEMA_VERSION: u32 = 1;
/// Attempts that are written up; the ones with most rows of their own.
const MAX_ATTEMPTS: usize = 2_000;
/// Rows that make attempts, at most; of more, the first ones.
const MAX_SEEDS: usize = 200_000;
/// Rows listed of one attempt; `rows` counts all.
pub const MAX_ATTEMPT_ROWS: usize = 400;

/// All attempts of a case, by their begin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// Version of this layout.
    pub schema_version: u32,
    /// The attempts; those without a time are last.
    pub attempts: Vec<Attempt>,
    /// Attempts that were too many to list.
    pub left_out: usize,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Kind and number, such as `join-1`; unique in the case and equal in every run over it.
    pub attempt_id: String,
    /// `join`, `prt`, `hello`, `writeback`, `cli`, …: see `pipelines/attempts.toml`.
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// Computer.
    pub host: Option<String>,
    /// User, as its sources name them.
    pub user: Option<String>,
    /// On whose behalf it ran.
    pub context: Whose,
    /// First time of its own rows, RFC 3339.
    pub started: Option<String>,
    /// Last time of its own rows.
    pub ended: Option<String>,
    /// How it ended; `unknown` if no end was seen.
    pub outcome: AttemptOutcome,
    /// The most telling error code of its own rows.
    pub error_code: Option<String>,
    /// Symbol of the code.
    pub error_symbol: Option<String>,
    /// Correlation and request ids that its rows carry.
    pub correlation_ids: Vec<String>,
    /// Rows that belong to it, also those that are not listed.
    pub rows: u64,
    /// Kinds of source that tell of it.
    pub sources: Vec<String>,
    /// Rules whose findings cite one of its rows, by rank.
    pub findings: Vec<String>,
    /// One sentence.
    pub summary: String,
    /// Its rows in time order.
    pub steps: Vec<AttemptRow>,
}

/// One row of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// Place in the attempt, from 1.
    pub ordinal: u32,
    /// Logical path of the file.
    pub artifact: String,
    /// Record number in it.
    pub record: u64,
    /// When, RFC 3339.
    pub ts: Option<String>,
    /// The `source` column.
    pub source: String,
    /// The `kind` column.
    pub kind: String,
    /// What the row is in the attempt.
    pub role: AttemptRole,
    /// Step of `pipelines/attempts.toml`; none for rows that were added.
    pub step: Option<String>,
    /// Why the row belongs to the attempt.
    pub link: AttemptLink,
    /// Peer of network rows.
    pub server_name: Option<String>,
    /// The `outcome` column.
    pub outcome: Option<String>,
    /// The `error_code` column.
    pub error_code: Option<String>,
    /// One line.
    pub message: String,
}

words! {
    /// How an attempt ended.
    AttemptOutcome {
        /// Well.
        Success = "success",
        /// Badly.
        Failure = "failure",
        /// No end is recorded.
        Unknown = "unknown",
    }
}

words! {
    /// What a row is in its attempt.
    AttemptRole {
        /// Begins it.
        Start = "start",
        /// Is part of it.
        Step = "step",
        /// Ends it.
        End = "end",
        /// Another source's view of it.
        Seen = "seen",
    }
}

words! {
    /// Why a row belongs to an attempt; ordered, surest first.
    AttemptLink {
        /// It shares a correlation, activity or request id with another row.
        Id = "id",
        /// It follows the attempt's other rows on the same computer.
        Sequence = "sequence",
        /// It is on a connection of the attempt.
        Flow = "flow",
        /// It is of a process of the attempt, at that time.
        Process = "process",
        /// It is of the same computer, at that time, and of a sort that belongs to such attempts.
        Host = "host",
    }
}

/// One kind of attempt, as its file defines it.
#[derive(Debug, Clone)]
pub(crate) struct AttemptKind {
    pub(crate) kind: String,
    pub(crate) title: Localized,
    pub(crate) context: Option<Whose>,
    /// Rows without a common id that are further apart belong to different attempts.
    pub(crate) gap: Option<i64>,
    /// Columns in which such rows must agree where both know them.
    pub(crate) by: Vec<ColumnId>,
    /// Its attempts become part of another one that claims one of their rows.
    pub(crate) weak: bool,
    /// One attempt has several ids.
    pub(crate) several_ids: bool,
    /// Rows follow each other in their file, not in time.
    pub(crate) by_record: bool,
    /// Rows of other sources that can belong to it.
    pub(crate) near: Option<ConditionId>,
    /// How far before and behind the attempt they may lie.
    pub(crate) slack: i64,
    /// In the order in which they happen.
    pub(crate) steps: Vec<Step>,
    pub(crate) file: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) id: String,
    pub(crate) role: AttemptRole,
    pub(crate) condition: ConditionId,
    pub(crate) outcome: Option<AttemptOutcome>,
}

impl AttemptKind {
    /// All conditions it uses.
    pub(crate) fn condition_ids(&self) -> impl Iterator<Item = ConditionId> {
        self.steps.iter().map(|s| s.condition).chain(self.near)
    }
}

/// Sentences by outcome.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summaries {
    pub(crate) success: Phrase,
    pub(crate) failure: Phrase,
    pub(crate) unknown: Phrase,
}

impl Summaries {
    fn of(&self, outcome: AttemptOutcome, lang: Lang) -> &crate::template::Template {
        match outcome {
            AttemptOutcome::Success => self.success.get(lang),
            AttemptOutcome::Failure => self.failure.get(lang),
            AttemptOutcome::Unknown => self.unknown.get(lang),
        }
    }
}

/// A row of an attempt while attempts are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed {
    pub(crate) row: u32,
    /// Number of its kind and step.
    pub(crate) kind: usize,
    pub(crate) step: usize,
}

/// Rows that are one attempt.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    /// Number of the kind.
    pub(crate) kind: usize,
    /// Its own rows in order, each with whether an id ties it to another.
    pub(crate) seeds: Vec<(Seed, bool)>,
    /// Rows of other sources.
    pub(crate) added: Vec<(u32, AttemptLink)>,
}

impl RulePack {
    /// Kinds of attempts the pack knows.
    pub fn attempt_kinds(&self) -> impl Iterator<Item = &str> {
        self.attempts.iter().map(|a| a.kind.as_str())
    }

    /// Puts the attempts together; `matches` are the rows of the pack's conditions.
    pub(crate) fn find_attempts(
        &self,
        timeline: &Timeline,
        matches: &[Vec<u32>],
        findings: &[Finding],
        lang: Lang,
    ) -> Attempts {
        let mut drafts = group::drafts(timeline, &self.attempts, self.seeds(matches));
        let left_out = drafts.len().saturating_sub(MAX_ATTEMPTS);
        if left_out > 0 {
            drafts.sort_by_key(|d| {
                (
                    std::cmp::Reverse(d.seeds.len()),
                    d.seeds.first().map(|(s, _)| s.row),
                )
            });
            drafts.truncate(MAX_ATTEMPTS);
        }
        attach::attach(timeline, &self.attempts, matches, &mut drafts);
        drafts.retain(|d| !d.seeds.is_empty());
        write_up::attempts(self, timeline, drafts, findings, lang, left_out)
    }

    /// Each row once, as the first step of the first kind it fits.
    fn seeds(&self, matches: &[Vec<u32>]) -> Vec<Seed> {
        let mut seeds = Vec::new();
        for (kind, attempt) in self.attempts.iter().enumerate() {
            for (step, one) in attempt.steps.iter().enumerate() {
                let rows = matches.get(one.condition).map(Vec::as_slice).unwrap_or_default();
                seeds.extend(rows.iter().take(MAX_SEEDS).map(|row| Seed {
                    row: *row,
                    kind,
                    step,
                }));
            }
        }
        seeds.sort_by_key(|s| (s.row, s.kind, s.step));
        seeds.dedup_by_key(|s| s.row);
        seeds.truncate(MAX_SEEDS);
        seeds
    }
}
