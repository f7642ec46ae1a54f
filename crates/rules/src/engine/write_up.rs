//! From a verdict to a finding with its texts.

use std::collections::BTreeSet;

use casetrace_model::time::to_rfc3339;
use casetrace_timeline::{ColumnId, Timeline};

use crate::engine::groups::Group;
use crate::engine::judge::Verdict;
use crate::engine::scope::comparable;
use crate::findings::{EvidenceItem, Finding, NextStep};
use crate::rule::{About, Evidence, Phrase, Rule};
use crate::template::{Key, plain_time, plain_to};
use crate::words::{Confidence, Lang, Role, Whose};

/// Rows listed of one evidence: the first ones and the last ones.
const FIRST_ROWS: usize = 4;
const LAST_ROWS: usize = 2;
/// Characters of an evidence line.
pub(super) const SUMMARY_CHARS: usize = 300;
/// Characters of a time as a clock shows it.
const LOCAL_TIME_CHARS: usize = 40;
/// Rows looked at to find a value for a placeholder.
const LOOKUP_ROWS: usize = 200;

/// Writes up one finding.
pub(crate) fn finding(
    timeline: &Timeline,
    rule: &Rule,
    group: &Group,
    verdict: &Verdict,
    lang: Lang,
) -> Finding {
    let facts = Facts::new(timeline, rule, group, verdict, lang);
    let text = |phrase: &Phrase| phrase.get(lang).render(&|hole| facts.lookup(hole));
    let steps: Vec<NextStep> = rule
        .next_steps
        .iter()
        .map(|(to, p)| NextStep {
            to: *to,
            text: text(p),
        })
        .collect();
    let ask = if verdict.confidence == Confidence::Proved {
        &[]
    } else {
        rule.ask_customer.as_slice()
    };
    let time = |ns: Option<i64>| ns.map(to_rfc3339);
    Finding {
        rule_id: rule.id.clone(),
        title: text(&rule.title_phrase),
        family: rule.family.clone(),
        phase: rule.phase,
        confidence: verdict.confidence,
        status: verdict.status,
        severity: rule.severity,
        rank: None,
        consequence_of: Vec::new(),
        first_ts: time(facts.span.map(|s| s.0)),
        last_ts: time(facts.span.map(|s| s.1)),
        resolved_ts: time(verdict.resolved_ns),
        count: facts.rows.len() as u64,
        subject: facts.subject.clone(),
        context: facts.context(),
        hosts: facts.distinct("host"),
        evidence: evidence(timeline, rule, verdict, &facts, lang),
        codes: facts.distinct("error_code"),
        explanation: text(&rule.explanation),
        next_steps: steps.iter().map(|s| s.text.clone()).collect(),
        next_steps_for: steps,
        ask_customer: ask.iter().map(text).collect(),
        false_positives: rule
            .false_positives
            .iter()
            .map(|t| t.get(lang).to_owned())
            .collect(),
        references: rule.references.clone(),
        span_ns: facts.span,
    }
}

fn makes_findings(evidence: &Evidence) -> bool {
    matches!(evidence.role, Role::Decisive | Role::Supporting | Role::Weak)
}

/// The rows that count, for texts.
struct Facts<'a> {
    timeline: &'a Timeline,
    rule: &'a Rule,
    verdict: &'a Verdict,
    /// Facts for the finding, in time order, each row once.
    rows: Vec<u32>,
    subject: Option<String>,
    span: Option<(i64, i64)>,
}

impl<'a> Facts<'a> {
    fn new(timeline: &'a Timeline, rule: &'a Rule, group: &Group, verdict: &'a Verdict, lang: Lang) -> Self {
        let counted = rule
            .evidence
            .iter()
            .zip(&verdict.counted)
            .filter(|(e, _)| makes_findings(e));
        let rows: BTreeSet<u32> = counted.flat_map(|(_, rows)| rows.iter().copied()).collect();
        let times = || rows.iter().filter_map(|r| timeline.ts_ns(*r));
        let span = times().min().zip(times().max());
        let as_written = group
            .subject
            .as_deref()
            .and_then(|known| as_written(timeline, rule, verdict, known));
        let subject = as_written
            .or_else(|| group.subject.clone())
            .map(|s| plain_to(&s, SUMMARY_CHARS));
        let subject = subject.or_else(|| rule.subject.as_ref().map(|s| s.get(lang).to_owned()));
        Self {
            timeline,
            rule,
            verdict,
            rows: rows.into_iter().collect(),
            subject,
            span,
        }
    }

    fn lookup(&self, hole: &str) -> Option<String> {
        let (evidence, name) = match hole.split_once('.') {
            Some((id, rest)) if self.rule.evidence.iter().any(|e| e.id == id) => (Some(id), rest),
            _ => (None, hole),
        };
        match name {
            "subject" => return self.subject.clone(),
            "count" => return Some(self.rows.len().to_string()),
            "first_ts" => return self.span.map(|s| plain_time(s.0)),
            "last_ts" => return self.span.map(|s| plain_time(s.1)),
            _ => {}
        }
        let key = Key::parse(name)?;
        let mut in_order: Vec<(&Evidence, &Vec<u32>)> =
            self.rule.evidence.iter().zip(&self.verdict.counted).collect();
        in_order.sort_by_key(|(e, _)| e.role);
        in_order
            .iter()
            .filter(|(e, _)| evidence.is_none_or(|id| e.id == id))
            .filter(|(e, _)| evidence.is_some() || makes_findings(e))
            .flat_map(|(_, rows)| rows.iter().take(LOOKUP_ROWS))
            .find_map(|row| key.value(self.timeline, *row))
    }

    fn distinct(&self, column: &str) -> Vec<String> {
        let Some(column) = ColumnId::of(column) else {
            return Vec::new();
        };
        let codes: BTreeSet<u32> = self
            .rows
            .iter()
            .filter_map(|r| self.timeline.code(column, *r))
            .collect();
        let dict = self.timeline.distinct(column);
        let names = codes
            .iter()
            .filter_map(|c| dict.get((*c as usize).checked_sub(1)?));
        names
            .map(|n| plain_to(n, SUMMARY_CHARS))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    fn context(&self) -> Whose {
        if let Some(known) = self.rule.context {
            return known;
        }
        match self.distinct("context").as_slice() {
            [one] if one == "system" => Whose::System,
            [one] if one == "user" => Whose::User,
            _ => Whose::Unknown,
        }
    }
}

/// The subject as a row spells it; grouping compares without case.
fn as_written(timeline: &Timeline, rule: &Rule, verdict: &Verdict, known: &str) -> Option<String> {
    rule.evidence
        .iter()
        .zip(&verdict.counted)
        .find_map(|(evidence, rows)| {
            let key = match (&evidence.about, &rule.about) {
                (About::Key(key), _) | (About::Rule, Some(key)) => key,
                _ => return None,
            };
            let column = match key {
                Key::Column(column) => column.name(),
                Key::Member(_) => "",
            };
            rows.iter()
                .take(LOOKUP_ROWS)
                .filter_map(|r| key.value(timeline, *r))
                .find(|v| comparable(column, v) == comparable(column, known))
        })
}

fn evidence(
    timeline: &Timeline,
    rule: &Rule,
    verdict: &Verdict,
    facts: &Facts<'_>,
    lang: Lang,
) -> Vec<EvidenceItem> {
    let mut items: Vec<(Role, u32, EvidenceItem)> = Vec::new();
    let mut listed = BTreeSet::new();
    for ((evidence, rows), absent) in rule.evidence.iter().zip(&verdict.counted).zip(&verdict.absent) {
        let tail = rows.len().saturating_sub(LAST_ROWS).max(FIRST_ROWS);
        let chosen = rows.iter().take(FIRST_ROWS).chain(rows.iter().skip(tail));
        for row in chosen {
            // A row that two conditions match is listed once for each role.
            if listed.insert((evidence.role, *row)) {
                items.push((evidence.role, *row, item(timeline, evidence, *row, lang)));
            }
        }
        if let Some((before, after)) = absent {
            items.push((
                evidence.role,
                *before,
                absence_item(timeline, evidence, *before, *after, facts, lang),
            ));
        }
    }
    items.sort_by_key(|(role, row, _)| (*role, *row));
    items.into_iter().map(|(_, _, item)| item).collect()
}

fn item(timeline: &Timeline, evidence: &Evidence, row: u32, lang: Lang) -> EvidenceItem {
    let cell = |name| {
        ColumnId::of(name)
            .and_then(|c| timeline.text(c, row))
            .unwrap_or_default()
            .to_owned()
    };
    let value = |hole: &str| Key::parse(hole).and_then(|k| k.value(timeline, row));
    let summary = match &evidence.says {
        Some(phrase) => phrase.get(lang).render(&value),
        None => {
            let message = cell("message");
            if message.trim().is_empty() {
                cell("kind")
            } else {
                message
            }
        }
    };
    EvidenceItem {
        role: evidence.role,
        artifact: cell("artifact"),
        record: ColumnId::of("record")
            .and_then(|c| timeline.number(c, row))
            .unwrap_or_default(),
        ts: timeline.ts_ns(row).map(to_rfc3339),
        local_time: local_time(timeline, row),
        source: cell("source"),
        kind: cell("kind"),
        summary: plain_to(&summary, SUMMARY_CHARS),
    }
}

/// The clock's own time of a row without an instant.
pub(super) fn local_time(timeline: &Timeline, row: u32) -> Option<String> {
    if timeline.ts_ns(row).is_some() {
        return None;
    }
    let time = Key::parse("fields.local_time")?.value(timeline, row)?;
    Some(plain_to(&time, LOCAL_TIME_CHARS))
}

/// An absence is shown by the rows of the watching source on both sides.
fn absence_item(
    timeline: &Timeline,
    evidence: &Evidence,
    before: u32,
    after: u32,
    facts: &Facts<'_>,
    lang: Lang,
) -> EvidenceItem {
    let watching = item(timeline, evidence, before, lang);
    let time = |row| timeline.ts_ns(row).map(plain_time).unwrap_or_default();
    let what = match &evidence.says {
        Some(phrase) => phrase.get(lang).render(&|hole| facts.lookup(hole)),
        None => format!("not seen: {}", evidence.id),
    };
    let seen = match lang {
        Lang::En => format!(
            "{what} (this source was recording from {} to {})",
            time(before),
            time(after)
        ),
        Lang::Ja => format!(
            "{what}（この記録は {} から {} まで続いています）",
            time(before),
            time(after)
        ),
    };
    EvidenceItem {
        record: 0,
        ts: None,
        local_time: None,
        summary: plain_to(&seen, SUMMARY_CHARS),
        ..watching
    }
}
