//! Rule files as TOML: the shape, before anything is checked against the timeline.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::attempts::{AttemptOutcome, AttemptRole};
use crate::words::{Audience, Confidence, Localized, Phase, Role, Severity, Whose};

/// The version this program reads.
pub(crate) const SCHEMA_VERSION: u32 = 1;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFile {
    pub(crate) schema_version: Spanned<u32>,
    #[serde(default)]
    pub(crate) family: Option<String>,
    #[serde(default)]
    pub(crate) phase: Option<Phase>,
    #[serde(default)]
    pub(crate) define: BTreeMap<String, Definition>,
    #[serde(default)]
    pub(crate) predicate: Vec<RawPredicate>,
    #[serde(default)]
    pub(crate) rule: Vec<RawRule>,
    #[serde(default)]
    pub(crate) quality: Vec<RawQuality>,
    #[serde(default)]
    pub(crate) case: Vec<RawCase>,
    #[serde(default)]
    pub(crate) attempt: Vec<RawAttempt>,
    #[serde(default)]
    pub(crate) attempt_summary: Option<Spanned<RawSummaries>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAttempt {
    pub(crate) kind: Spanned<String>,
    pub(crate) title: Localized,
    #[serde(default)]
    pub(crate) context: Option<Whose>,
    #[serde(default)]
    pub(crate) gap: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) slack: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) by: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) weak: bool,
    #[serde(default)]
    pub(crate) several_ids: bool,
    #[serde(default)]
    pub(crate) order: Order,
    #[serde(default)]
    pub(crate) near: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) step: Vec<RawAttemptStep>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAttemptStep {
    pub(crate) id: Spanned<String>,
    pub(crate) role: AttemptRole,
    pub(crate) r#where: Spanned<String>,
    #[serde(default)]
    pub(crate) outcome: Option<AttemptOutcome>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSummaries {
    pub(crate) success: Localized,
    pub(crate) failure: Localized,
    pub(crate) unknown: Localized,
}

/// What the rows of an attempt follow each other in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    #[default]
    Time,
    Record,
}

/// A value of `[define]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected a text, a number, or a list of them")]
pub(crate) enum Definition {
    Many(Vec<Scalar>),
    One(Scalar),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Scalar {
    Integer(i64),
    Float(f64),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPredicate {
    pub(crate) name: Spanned<String>,
    #[serde(default)]
    pub(crate) params: Vec<String>,
    #[serde(default)]
    pub(crate) doc: String,
    pub(crate) r#where: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRule {
    pub(crate) id: Spanned<String>,
    pub(crate) title: Localized,
    pub(crate) severity: Severity,
    #[serde(default)]
    pub(crate) phase: Option<Phase>,
    #[serde(default)]
    pub(crate) about: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) subject: Option<Localized>,
    #[serde(default)]
    pub(crate) scope: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(crate) within: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) at_most: Option<Confidence>,
    #[serde(default)]
    pub(crate) context: Option<Whose>,
    #[serde(default)]
    pub(crate) explains: Vec<String>,
    #[serde(default)]
    pub(crate) explanation: Localized,
    #[serde(default)]
    pub(crate) next_steps: Vec<RawStep>,
    #[serde(default)]
    pub(crate) ask_customer: Vec<Localized>,
    #[serde(default)]
    pub(crate) false_positives: Vec<Localized>,
    #[serde(default)]
    pub(crate) references: Vec<String>,
    #[serde(default)]
    pub(crate) evidence: Vec<RawEvidence>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a text, or { to = \"network\", en = \"…\", ja = \"…\" }"
)]
pub(crate) enum RawStep {
    One(String),
    For {
        #[serde(default)]
        to: Option<Audience>,
        en: String,
        #[serde(default)]
        ja: Option<String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawEvidence {
    pub(crate) id: Spanned<String>,
    pub(crate) role: Role,
    #[serde(default)]
    pub(crate) r#where: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) absent: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) covered_by: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) says: Option<Localized>,
    #[serde(default)]
    pub(crate) indirect: bool,
    #[serde(default)]
    pub(crate) at_most: Option<Confidence>,
    #[serde(default)]
    pub(crate) about: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) min_count: Option<usize>,
    #[serde(default)]
    pub(crate) min_distinct: Option<RawDistinct>,
    #[serde(default)]
    pub(crate) followed_by: Option<RawLink>,
    #[serde(default)]
    pub(crate) not_followed_by: Option<RawLink>,
    #[serde(default)]
    pub(crate) preceded_by: Option<RawLink>,
    #[serde(default)]
    pub(crate) not_preceded_by: Option<RawLink>,
    #[serde(default)]
    pub(crate) near: Option<RawLink>,
    #[serde(default)]
    pub(crate) not_near: Option<RawLink>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDistinct {
    pub(crate) of: Spanned<String>,
    pub(crate) count: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLink {
    pub(crate) r#where: Spanned<String>,
    #[serde(default)]
    pub(crate) by: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) within: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum From {
    #[default]
    Timeline,
    Inventory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Per {
    #[default]
    Artifact,
    Case,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawQuality {
    pub(crate) id: Spanned<String>,
    pub(crate) title: Localized,
    pub(crate) severity: Severity,
    #[serde(default)]
    pub(crate) from: From,
    #[serde(default)]
    pub(crate) r#where: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) absent: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) if_present: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) not_near: Option<RawLink>,
    #[serde(default)]
    pub(crate) per: Per,
    #[serde(default)]
    pub(crate) min_count: Option<usize>,
    #[serde(default)]
    pub(crate) min_distinct: Option<RawDistinct>,
    #[serde(default)]
    pub(crate) same: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) summary: Localized,
    #[serde(default)]
    pub(crate) what_is_lost: Localized,
    #[serde(default)]
    pub(crate) ask_customer: Vec<Localized>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Expected {
    Proved,
    Likely,
    Possible,
    Refuted,
    Resolved,
    Consequence,
    Fires,
    Nothing,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCase {
    pub(crate) name: Spanned<String>,
    pub(crate) expect: BTreeMap<String, Expected>,
    #[serde(default)]
    pub(crate) first: Option<String>,
    #[serde(default)]
    pub(crate) only: bool,
    #[serde(default)]
    pub(crate) rows: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    pub(crate) inventory: Vec<RawMember>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawMember {
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) encoding: String,
    pub(crate) outcome: String,
    pub(crate) sha256: String,
    pub(crate) codes: String,
    pub(crate) size: u64,
    pub(crate) rows: u64,
    pub(crate) clock_offset_s: Option<i64>,
    pub(crate) clock_reference: String,
    pub(crate) clock_pairs: u64,
    pub(crate) clock_basis: String,
}

/// `30s`, `10m`, `2h`, `1d` in nanoseconds; `any` is no limit.
pub(crate) fn duration(text: &str) -> Result<Option<i64>, String> {
    let text = text.trim();
    if text == "any" {
        return Ok(None);
    }
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let scale = match unit.trim() {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000_i64,
        _ => 0,
    };
    match number
        .parse::<i64>()
        .ok()
        .and_then(|n| n.checked_mul(scale))
        .filter(|ns| *ns > 0)
    {
        Some(ns) => Ok(Some(ns)),
        None => Err(format!(
            "`{text}` is not a duration; write \"30s\", \"10m\", \"2h\", \"1d\" or \"any\""
        )),
    }
}
