//! Evaluation of a pack over a timeline.
//!
//! All conditions run first, each once, over the rows they can match. Everything after that works on the matching
//! rows only: companions, groups, verdicts, ranking.

pub(crate) mod groups;
pub(crate) mod hits;
mod judge;
mod rank;
pub(crate) mod scope;
mod unexplained;
mod write_up;

use std::collections::BTreeSet;

use casetrace_knowledge::Knowledge;
use casetrace_model::time::to_rfc3339;
use casetrace_timeline::{ColumnId, Condition, Scan, Timeline};
use rayon::prelude::*;

use crate::attempts::{AttemptKind, Attempts};
use crate::error::RuleError;
use crate::findings::{CaseInfo, FINDINGS_SCHEMA_VERSION, Finding, Findings, QualityFinding};
use crate::pack::RulePack;
use crate::quality::InventoryMember;
use crate::rule::{Matcher, Rule};
use crate::words::{Lang, Severity, Status};

/// Findings of one rule that are written up; the strongest ones.
const MAX_FINDINGS: usize = 100;

/// What the rules know about a case besides its timeline.
#[derive(Debug, Clone, Default)]
pub struct Context<'a> {
    /// Version of the program, for the output.
    pub tool_version: &'a str,
    /// Language of texts.
    pub lang: Lang,
    /// Names of the inputs, without folders.
    pub inputs: Vec<String>,
    /// The inventory.
    pub members: &'a [InventoryMember],
}

/// Rows of every condition; empty for those that failed.
pub(crate) type Matches = Vec<Vec<u32>>;

/// What the rules make of a case.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Judgements.
    pub findings: Findings,
    /// Stories.
    pub attempts: Attempts,
}

impl RulePack {
    /// Evaluates all rules. Deterministic; rules that fail while running are reported in `rule_errors`.
    pub fn evaluate(&self, timeline: &Timeline, context: &Context<'_>) -> Findings {
        self.evaluate_conditions(timeline, context).0
    }

    /// Evaluates all rules, and puts the attempts together.
    pub fn judge(&self, timeline: &Timeline, context: &Context<'_>) -> Judged {
        let (findings, matches) = self.evaluate_conditions(timeline, context);
        let attempts = self.find_attempts(timeline, &matches, &findings.findings, context.lang);
        Judged { findings, attempts }
    }

    fn evaluate_conditions(&self, timeline: &Timeline, context: &Context<'_>) -> (Findings, Matches) {
        let conditions: Vec<&Condition> = self.conditions.list.iter().collect();
        let results = Scan::new(timeline, &conditions).run();
        let mut rule_errors = self.runtime_errors(&results);
        let (mut data_quality, failed) = self.evaluate_quality(timeline, &results, context);
        rule_errors.extend(failed);
        let matches: Matches = results.into_iter().map(Result::unwrap_or_default).collect();
        let of_rules: Vec<(Vec<Finding>, Option<QualityFinding>)> = self
            .rules
            .par_iter()
            .map(|rule| of_rule(timeline, rule, &matches, context.lang))
            .collect();
        let mut findings = Vec::new();
        for (mut found, cut) in of_rules {
            findings.append(&mut found);
            data_quality.extend(cut);
        }
        rank::rank(&self.rules, &mut findings);
        let (unexplained, more_unexplained) =
            unexplained::unexplained(timeline, &findings, Knowledge::builtin());
        let findings = Findings {
            schema_version: FINDINGS_SCHEMA_VERSION,
            tool_version: context.tool_version.to_owned(),
            rules_version: self.version().to_owned(),
            case: case_info(timeline, context),
            findings,
            unexplained,
            more_unexplained,
            data_quality,
            rule_errors,
        };
        (findings, matches)
    }

    fn runtime_errors(&self, results: &[Result<Vec<u32>, casetrace_timeline::SqlError>]) -> Vec<RuleError> {
        let failed = |id: &usize| results.get(*id).and_then(|r| r.as_ref().err());
        let of = |rule: &Rule| {
            let ids: Vec<usize> = rule.condition_ids().collect();
            let error = ids.iter().find_map(failed)?;
            Some(RuleError::while_running(&rule.file, &rule.id, error))
        };
        let of_attempt = |attempt: &AttemptKind| {
            let error = attempt.condition_ids().find_map(|id| failed(&id))?;
            Some(RuleError::while_running(&attempt.file, &attempt.kind, error))
        };
        self.rules
            .iter()
            .filter_map(of)
            .chain(self.attempts.iter().filter_map(of_attempt))
            .collect()
    }
}

impl Rule {
    /// All conditions it uses.
    pub(crate) fn condition_ids(&self) -> impl Iterator<Item = usize> {
        self.evidence.iter().flat_map(|e| {
            let (own, cover) = match e.matcher {
                Matcher::Present(id) => (id, None),
                Matcher::Absent {
                    condition,
                    covered_by,
                } => (condition, Some(covered_by)),
            };
            std::iter::once(own)
                .chain(cover)
                .chain(e.links.iter().map(|l| l.condition))
        })
    }
}

fn of_rule(
    timeline: &Timeline,
    rule: &Rule,
    matches: &Matches,
    lang: Lang,
) -> (Vec<Finding>, Option<QualityFinding>) {
    let hits: Vec<Vec<u32>> = rule
        .evidence
        .iter()
        .map(|evidence| {
            let Matcher::Present(id) = evidence.matcher else {
                return Vec::new();
            };
            let mut rows = matches.get(id).cloned().unwrap_or_default();
            for link in &evidence.links {
                if rows.is_empty() {
                    break;
                }
                let companions = matches.get(link.condition).map(Vec::as_slice).unwrap_or_default();
                rows = hits::linked(timeline, &rule.scope, rows, link, companions);
            }
            rows
        })
        .collect();
    let (groups, mut cut) = groups::group(timeline, rule, &hits);
    let judge = judge::Judge {
        timeline,
        rule,
        rows: matches,
    };
    let mut found: Vec<Finding> = groups
        .iter()
        .filter_map(|group| {
            Some(write_up::finding(
                timeline,
                rule,
                group,
                &judge.judge(group)?,
                lang,
            ))
        })
        .collect();
    if found.len() > MAX_FINDINGS {
        found.sort_by(|a, b| {
            (a.status, a.confidence, b.count, &a.subject).cmp(&(b.status, b.confidence, a.count, &b.subject))
        });
        found.truncate(MAX_FINDINGS);
        cut = true;
    }
    let note = cut.then(|| QualityFinding {
        id: "DQ-LIMIT".to_owned(),
        title: format!("{}: more findings than are shown", rule.id),
        artifact: None,
        severity: Severity::Low,
        summary: format!("The {MAX_FINDINGS} strongest findings of {} are listed.", rule.id),
        what_is_lost: "Weaker findings of the same rule.".to_owned(),
        ask_customer: Vec::new(),
    });
    (found, note)
}

fn case_info(timeline: &Timeline, context: &Context<'_>) -> CaseInfo {
    let hosts: BTreeSet<String> = ColumnId::of("host")
        .map(|column| {
            timeline
                .distinct(column)
                .iter()
                .map(ToString::to_string)
                .collect()
        })
        .unwrap_or_default();
    CaseInfo {
        hosts: hosts.into_iter().collect(),
        span: timeline
            .span()
            .map(|(first, last)| [to_rfc3339(first), to_rfc3339(last)]),
        inputs: context.inputs.clone(),
    }
}

impl Findings {
    /// True if an active finding is at least that sure and more than `info`; for `--fail-on`.
    pub fn any_at_least(&self, confidence: crate::words::Confidence) -> bool {
        self.findings
            .iter()
            .any(|f| f.status == Status::Active && f.severity != Severity::Info && f.confidence <= confidence)
    }
}
