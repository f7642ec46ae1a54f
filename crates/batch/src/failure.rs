//! Failures as data: what was tried, how it ended, and whether another try makes sense.

use serde::{Deserialize, Serialize};

use crate::bundle::BundleId;
use crate::key::{JobKey, Versions};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Nothing in it can be decoded.
    Unreadable,
    /// The process died by a signal or panicked.
    Crash,
    /// It did not end in time.
    Hang,
    /// It wanted more memory than it may have.
    Memory,
    /// It used more processor time than it may.
    Cpu,
    /// It wrote a file larger than it may.
    FileSize,
    /// Somebody else ended the process (out-of-memory killer, operator).
    Killed,
    /// The program reported a fault of its own.
    Internal,
}

impl Class {
    /// The spelling in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::FileSize => "file_size",
            Self::Killed => "killed",
            Self::Internal => "internal",
        }
    }

    /// Attempts after which it is final: at once where the next would end the same way, else `most`.
    pub fn attempts(self, most: u32) -> u32 {
        match self {
            Self::Unreadable | Self::Memory | Self::Cpu | Self::FileSize => 1,
            Self::Crash | Self::Hang | Self::Killed | Self::Internal => most.max(1),
        }
    }
}

/// What one case may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobLimits {
    /// Resident memory in bytes.
    pub memory_bytes: u64,
    /// Wall clock in milliseconds; processor time is held to this times the number of cores.
    pub time_ms: u64,
    /// Largest file that may be written, in bytes.
    pub file_bytes: u64,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// RFC 3339.
    pub at: String,
    /// Machine it ran on.
    pub host: String,
    /// How it ended.
    pub class: Class,
    /// One sentence without any content of the case.
    pub reason: String,
    /// How long it took.
    pub ms: u64,
    /// Most memory seen.
    pub peak_rss_bytes: u64,
    /// What it was allowed.
    pub limits: JobLimits,
}

/// `failed/<key>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRecord {
    /// Layout version.
    pub schema_version: u32,
    /// The case.
    pub bundle: BundleId,
    /// Its path below the share.
    pub path: String,
    /// The work.
    pub job_key: JobKey,
    /// What it was done with.
    pub versions: Versions,
    /// True if it is not tried again.
    pub permanent: bool,
    /// Class of the last attempt.
    pub class: Class,
    /// Reason of the last attempt.
    pub reason: String,
    /// All attempts, oldest first.
    pub attempts: Vec<Attempt>,
}

/// Attempts that are kept.
const MAX_ATTEMPTS: usize = 32;

impl FailureRecord {
    /// Adds an attempt to what is known, and decides whether it was the last.
    pub(crate) fn add(
        before: Option<Self>,
        job: (&BundleId, &str, &JobKey, &Versions),
        attempt: Attempt,
        most: u32,
    ) -> Self {
        let (bundle, path, key, versions) = job;
        let mut attempts = before.map(|record| record.attempts).unwrap_or_default();
        let same = attempts.iter().filter(|a| a.class == attempt.class).count() as u32 + 1;
        let permanent = same >= attempt.class.attempts(most) || attempt.number >= most.max(1);
        let (class, reason) = (attempt.class, attempt.reason.clone());
        attempts.push(attempt);
        let surplus = attempts.len().saturating_sub(MAX_ATTEMPTS);
        attempts.drain(..surplus);
        Self {
            schema_version: 1,
            bundle: bundle.clone(),
            path: path.to_owned(),
            job_key: key.clone(),
            versions: versions.clone(),
            permanent,
            class,
            reason,
            attempts,
        }
    }

    /// Number of attempts so far.
    pub fn tried(&self) -> u32 {
        self.attempts.iter().map(|a| a.number).max().unwrap_or(0)
    }

    /// True if `limits` do not exceed those it failed under, in the respect in which it failed. With more room
    /// it is worth another try.
    pub fn still_holds(&self, limits: &JobLimits) -> bool {
        let Some(last) = self.attempts.last() else {
            return false;
        };
        self.permanent
            && match self.class {
                Class::Memory => limits.memory_bytes <= last.limits.memory_bytes,
                Class::Hang | Class::Cpu => limits.time_ms <= last.limits.time_ms,
                Class::FileSize => limits.file_bytes <= last.limits.file_bytes,
                _ => true,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(number: u32, class: Class, memory_bytes: u64) -> Attempt {
        Attempt {
            number,
            at: String::new(),
            host: String::new(),
            class,
            reason: String::new(),
            ms: 0,
            peak_rss_bytes: 0,
            limits: JobLimits {
                memory_bytes,
                time_ms: 1000,
                file_bytes: 1,
            },
        }
    }

    fn record(before: Option<FailureRecord>, attempt: Attempt) -> FailureRecord {
        let bundle = crate::bundle::Bundle::new("x", false, Vec::new(), false);
        let versions = Versions {
            tool: "1".into(),
            rules: "1".into(),
            settings: String::new(),
        };
        let key = crate::key::job_key(&bundle, "", &versions);
        FailureRecord::add(before, (&bundle.id, "x", &key, &versions), attempt, 3)
    }

    #[test]
    fn a_crash_is_final_after_three_and_memory_at_once() {
        let first = record(None, attempt(1, Class::Crash, 10));
        let second = record(Some(first.clone()), attempt(2, Class::Crash, 10));
        let third = record(Some(second.clone()), attempt(3, Class::Crash, 10));
        assert_eq!(
            [first.permanent, second.permanent, third.permanent],
            [false, false, true]
        );
        assert!(record(None, attempt(1, Class::Memory, 10)).permanent);
    }

    #[test]
    fn more_room_makes_another_try_worth_while() {
        let record = record(None, attempt(1, Class::Memory, 10));
        let mut limits = record.attempts[0].limits;
        assert!(record.still_holds(&limits));
        limits.memory_bytes = 11;
        assert!(!record.still_holds(&limits));
    }
}
