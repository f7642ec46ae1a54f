//! Cases with the same root cause: of one tenant, of one shelf of the share (a site, a customer), or about one thing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::fleet::Case;
use crate::question::Answer;

/// Lines shown.
const MAX_SHARED: usize = 40;
/// Cases named on a line.
const MAX_NAMED: usize = 6;

/// What several cases have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedCause {
    /// The rule.
    pub rule_id: String,
    /// `tenant`, `site` or `subject`.
    pub by: &'static str,
    /// Which tenant, site or subject.
    pub what: String,
    /// Cases.
    pub cases: u64,
    /// Day of the first and of the last of them.
    pub first: String,
    /// See `first`.
    pub last: String,
    /// The first few of them.
    pub named: Vec<String>,
    /// Cases that are not named.
    pub more: u64,
}

/// Groups of at least two cases, the largest first, and how many are not shown.
pub(crate) fn shared(answer: &Answer, cases: &[Case]) -> (Vec<SharedCause>, usize) {
    let by_name: BTreeMap<&str, &Case> = cases.iter().map(|case| (case.bundle.as_str(), case)).collect();
    let mut groups: BTreeMap<(String, &'static str, String), BTreeSet<String>> = BTreeMap::new();
    for i in answer.rows() {
        let (rule, bundle) = (answer.text(i, "rule_id"), answer.text(i, "bundle"));
        let site = by_name.get(bundle.as_str()).map(|case| case.shelf().to_owned());
        let places = [
            ("tenant", answer.text(i, "tenant_id")),
            ("site", site.unwrap_or_default()),
            ("subject", answer.text(i, "subject")),
        ];
        for (by, what) in places {
            if !what.is_empty() {
                groups
                    .entry((rule.clone(), by, what))
                    .or_default()
                    .insert(bundle.clone());
            }
        }
    }
    let mut rows: Vec<SharedCause> = groups
        .into_iter()
        .filter(|(_, bundles)| bundles.len() > 1)
        .map(|((rule_id, by, what), bundles)| line(rule_id, by, what, &bundles, &by_name))
        .collect();
    rows.sort_by(|a, b| (b.cases, &a.rule_id, a.by, &a.what).cmp(&(a.cases, &b.rule_id, b.by, &b.what)));
    let more = rows.len().saturating_sub(MAX_SHARED);
    rows.truncate(MAX_SHARED);
    (rows, more)
}

fn line(
    rule_id: String,
    by: &'static str,
    what: String,
    bundles: &BTreeSet<String>,
    by_name: &BTreeMap<&str, &Case>,
) -> SharedCause {
    let days: BTreeSet<&str> = bundles
        .iter()
        .filter_map(|bundle| by_name.get(bundle.as_str()))
        .map(|case| case.day.as_str())
        .filter(|day| !day.is_empty())
        .collect();
    SharedCause {
        rule_id,
        by,
        what,
        cases: bundles.len() as u64,
        first: days.first().copied().unwrap_or_default().to_owned(),
        last: days.last().copied().unwrap_or_default().to_owned(),
        named: bundles.iter().take(MAX_NAMED).cloned().collect(),
        more: bundles.len().saturating_sub(MAX_NAMED) as u64,
    }
}
