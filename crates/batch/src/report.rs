//! What became of one case in one run: the line `batch run-one` prints.

use serde::Serialize;

use crate::bundle::BundleId;
use crate::failure::Class;
use crate::key::JobKey;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Its results are visible now.
    Published,
    /// They were before.
    Already,
    /// Somebody else's became visible first; they are equal.
    LostRace,
    /// It can't be analysed; recorded.
    Failed,
    /// Somebody else is working on it.
    Leased,
    /// Not this time; the same call may work later.
    Retry,
}

impl JobStatus {
    /// The exit code of `run-one`.
    pub fn exit(self) -> u8 {
        match self {
            Self::Published | Self::Already | Self::LostRace => 0,
            Self::Failed => 4,
            Self::Leased | Self::Retry => 75,
        }
    }

    /// The spelling in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Already => "already",
            Self::LostRace => "lost_race",
            Self::Failed => "failed",
            Self::Leased => "leased",
            Self::Retry => "retry",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The work; none if the case could not be looked at.
    pub job_key: Option<JobKey>,
    /// The case.
    pub bundle: BundleId,
    /// How it ended.
    pub status: JobStatus,
    /// Exit code for it.
    pub exit: u8,
    /// How it failed.
    pub class: Option<Class>,
    /// One sentence, without any content of the case.
    pub reason: Option<String>,
    /// Which attempt this was, from 1; 0 if none was made.
    pub attempt: u32,
    /// Rows of the timeline.
    pub rows: u64,
    /// Findings that stand.
    pub findings: u64,
    /// Time it took.
    pub ms: u64,
    /// Most memory of the child.
    pub peak_rss_bytes: u64,
    /// The disk is full: every other case would meet the same.
    #[serde(skip)]
    pub full: bool,
    /// We were told to stop.
    #[serde(skip)]
    pub stopped: bool,
}

impl Report {
    pub(crate) fn new(bundle: &BundleId, key: Option<&JobKey>, status: JobStatus) -> Self {
        Self {
            job_key: key.cloned(),
            bundle: bundle.clone(),
            status,
            exit: status.exit(),
            class: None,
            reason: None,
            attempt: 0,
            rows: 0,
            findings: 0,
            ms: 0,
            peak_rss_bytes: 0,
            full: false,
            stopped: false,
        }
    }

    pub(crate) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    pub(crate) fn at(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }
}
