//! What explains what, and what to read first.

use crate::engine::scope::comparable;
use crate::findings::Finding;
use crate::pack::matches_id;
use crate::rule::Rule;
use crate::words::{Confidence, Severity, Status};

/// How far apart cause and consequence may lie.
const SLACK_NS: i64 = 600_000_000_000;

/// Fills `consequence_of`, sorts, numbers.
pub(crate) fn rank(rules: &[Rule], findings: &mut [Finding]) {
    let causes: Vec<Vec<String>> = findings
        .iter()
        .map(|effect| {
            let mut ids: Vec<String> = findings
                .iter()
                .filter(|cause| explains(rules, cause, effect))
                .map(|cause| cause.rule_id.clone())
                .collect();
            ids.sort();
            ids.dedup();
            ids
        })
        .collect();
    for (finding, causes) in findings.iter_mut().zip(causes) {
        finding.consequence_of = causes;
    }
    findings.sort_by(|a, b| key(a).cmp(&key(b)));
    for (n, finding) in findings
        .iter_mut()
        .filter(|f| f.status != Status::Refuted)
        .enumerate()
    {
        finding.rank = u32::try_from(n + 1).ok();
    }
}

fn key(f: &Finding) -> impl Ord + use<'_> {
    (
        f.status,
        f.severity == Severity::Info,
        !f.consequence_of.is_empty(),
        f.confidence,
        f.phase,
        f.severity,
        // Untimed last.
        (f.first_ts.is_none(), &f.first_ts),
        &f.rule_id,
        &f.subject,
        &f.hosts,
    )
}

fn explains(rules: &[Rule], cause: &Finding, effect: &Finding) -> bool {
    let edge = |from: &Finding, to: &Finding| {
        let rule = rules.iter().find(|r| r.id == from.rule_id);
        rule.is_some_and(|r| r.explains.iter().any(|pattern| matches_id(pattern, &to.rule_id)))
    };
    cause.rule_id != effect.rule_id
        && edge(cause, effect)
        // Two that name each other: the lower layer is the cause.
        && (!edge(effect, cause) || (cause.phase, &cause.rule_id) < (effect.phase, &effect.rule_id))
        && cause.status != Status::Refuted
        && effect.status != Status::Refuted
        && (cause.status == Status::Active || effect.status == Status::Resolved)
        && weighs(rules, cause, effect)
        && share_host(cause, effect)
        && share_time(cause, effect)
}

/// What is not proved explains nothing that is, unless its rule can't be surer.
fn weighs(rules: &[Rule], cause: &Finding, effect: &Finding) -> bool {
    let capped = || {
        rules
            .iter()
            .any(|rule| rule.id == cause.rule_id && cause.confidence <= rule.at_most)
    };
    match cause.confidence {
        Confidence::Proved => true,
        Confidence::Likely => effect.confidence >= Confidence::Likely || capped(),
        _ => false,
    }
}

fn share_host(a: &Finding, b: &Finding) -> bool {
    let same = |x: &String| {
        b.hosts
            .iter()
            .any(|y| comparable("host", x) == comparable("host", y))
    };
    a.hosts.is_empty() || b.hosts.is_empty() || a.hosts.iter().any(same)
}

fn share_time(a: &Finding, b: &Finding) -> bool {
    match (a.span_ns, b.span_ns) {
        (Some(a), Some(b)) => a.0.saturating_sub(SLACK_NS) <= b.1 && b.0.saturating_sub(SLACK_NS) <= a.1,
        _ => true,
    }
}
