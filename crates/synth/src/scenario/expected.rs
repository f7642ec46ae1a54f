//! What an analysis of a bundle must say, as data.

use serde::Serialize;

use crate::archive::Member;

/// Confidence of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Worth a look.
    Possible,
    /// Probably the cause.
    Likely,
    /// Shown by evidence that states it.
    Proved,
}

/// A record that must be among a finding's evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// End of the artifact's logical path.
    pub artifact: &'static str,
    /// `source` column of the row.
    pub source: &'static str,
    /// `kind` column of the row.
    pub kind: &'static str,
}

/// A finding that must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Rule id.
    pub rule_id: &'static str,
    /// Exact confidence.
    pub confidence: Confidence,
    /// `active`, or `resolved` where a later success closed it.
    pub status: &'static str,
    /// Rank, where the order matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// Records that must be cited as decisive or supporting; one of them at least is decisive.
    pub evidence: Vec<Evidence>,
}

impl Finding {
    /// An active finding without rank.
    pub fn new(rule_id: &'static str, confidence: Confidence) -> Self {
        Self {
            rule_id,
            confidence,
            status: "active",
            rank: None,
            evidence: vec![],
        }
    }

    /// A proved finding at rank 1.
    pub fn root(rule_id: &'static str) -> Self {
        Self::new(rule_id, Confidence::Proved).rank(1)
    }

    /// Sets the rank.
    #[must_use]
    pub fn rank(mut self, rank: u32) -> Self {
        self.rank = Some(rank);
        self
    }

    /// Marks it as closed by a later success.
    #[must_use]
    pub fn resolved(mut self) -> Self {
        self.status = "resolved";
        self
    }

    /// Adds required evidence.
    #[must_use]
    pub fn from(mut self, artifact: &'static str, source: &'static str, kind: &'static str) -> Self {
        self.evidence.push(Evidence {
            artifact,
            source,
            kind,
        });
        self
    }
}

/// The label of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Expected {
    /// What the bundle shows, one sentence.
    pub summary: String,
    /// Findings that must be there.
    pub findings: Vec<Finding>,
    /// Rules that may fire too, at any confidence, ranked below the findings (consequences and side effects).
    pub allowed: Vec<&'static str>,
    /// Rules that must be listed as refuted.
    pub refuted: Vec<&'static str>,
    /// Rules that must not be active.
    pub absent: Vec<&'static str>,
    /// Data-quality ids that must be there.
    pub data_quality: Vec<&'static str>,
    /// Nothing else may reach this confidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others_below: Option<Confidence>,
}

impl Expected {
    /// A label whose unlisted findings stay below `likely`.
    pub fn new(summary: &str) -> Self {
        Self {
            summary: summary.to_owned(),
            others_below: Some(Confidence::Likely),
            ..Self::default()
        }
    }

    /// Adds a required finding.
    #[must_use]
    pub fn finding(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }

    /// Adds allowed rules.
    #[must_use]
    pub fn allow(mut self, rules: &[&'static str]) -> Self {
        self.allowed.extend_from_slice(rules);
        self
    }

    /// Adds rules that must be refuted.
    #[must_use]
    pub fn refute(mut self, rules: &[&'static str]) -> Self {
        self.refuted.extend_from_slice(rules);
        self
    }

    /// Adds rules that must be absent.
    #[must_use]
    pub fn absent(mut self, rules: &[&'static str]) -> Self {
        self.absent.extend_from_slice(rules);
        self
    }

    /// Adds data-quality ids.
    #[must_use]
    pub fn quality(mut self, ids: &[&'static str]) -> Self {
        self.data_quality.extend_from_slice(ids);
        self
    }

    /// The JSON text of `expected.json`.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

/// A labelled bundle: the files a customer would upload and what must be found in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Folder name.
    pub name: &'static str,
    /// Uploaded files.
    pub files: Vec<Member>,
    /// Passwords, one a line, that the customer told separately.
    pub passwords: Option<String>,
    /// The label.
    pub expected: Expected,
}
