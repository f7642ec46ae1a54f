//! The answer in a few sentences: the first finding, what it explains, and what stands beside it.

use std::collections::BTreeSet;

use casetrace_rules::{Confidence, Finding, QualityFinding, Role, Severity, Status};

use super::cite::{self, Cite};
use super::{MAX_PROSE, MAX_TITLE, carrying};
use crate::escape::shorten;
use crate::labels::Labels;

/// Findings named in a sentence.
const MAX_NAMED: usize = 3;
/// Longest title in a list of them.
const MAX_NAME: usize = 90;

/// Sentences, and the records they rest on.
pub(super) struct Verdict {
    pub(super) sentences: Vec<String>,
    pub(super) cites: Vec<Cite>,
}

/// What decides how much the absence of findings means.
pub(super) struct Data<'a> {
    /// Whether the timeline says anything.
    pub(super) facts: bool,
    /// Failures that no finding explains.
    pub(super) unexplained: usize,
    /// Remarks on the data.
    pub(super) remarks: &'a [QualityFinding],
}

pub(super) fn verdict(all: &[Finding], data: &Data<'_>, labels: &Labels) -> Verdict {
    let active: Vec<&Finding> = all.iter().filter(|f| f.status == Status::Active).collect();
    let Some(first) = leading(&active) else {
        return Verdict {
            sentences: without_cause(all, data, labels),
            cites: Vec::new(),
        };
    };
    let mut sentences = vec![headline(first, labels), shorten(&first.explanation, MAX_PROSE)];
    let weighty = active
        .iter()
        .filter(|f| !std::ptr::eq(**f, first) && f.severity != Severity::Info);
    let same = |f: &&&Finding| f.rule_id == first.rule_id && f.consequence_of.is_empty();
    let subjects: Vec<&str> = weighty
        .clone()
        .filter(same)
        .filter_map(|f| f.subject.as_deref())
        .collect();
    let explained = |f: &&&Finding| f.consequence_of.contains(&first.rule_id);
    let beside = |f: &&&Finding| {
        f.consequence_of.is_empty() && f.rule_id != first.rule_id && f.confidence <= Confidence::Likely
    };
    for (key, list) in [
        (
            "verdict_same",
            named(subjects.into_iter().map(str::to_owned), labels),
        ),
        (
            "verdict_consequences",
            named(titles(weighty.clone().filter(explained)), labels),
        ),
        ("verdict_others", named(titles(weighty.filter(beside)), labels)),
    ] {
        sentences.extend(list.map(|list| labels.get(key).replace("{list}", &list)));
    }
    let decisive: Vec<_> = carrying(first)
        .filter(|item| item.role == Role::Decisive)
        .collect();
    let cites = match decisive.is_empty() {
        true => cite::some(carrying(first)),
        false => cite::some(decisive.into_iter()),
    };
    Verdict { sentences, cites }
}

/// What can be said where no finding answers the question.
fn without_cause(all: &[Finding], data: &Data<'_>, labels: &Labels) -> Vec<String> {
    let none = all
        .iter()
        .all(|f| !matches!(f.status, Status::Active | Status::Resolved));
    let sentence = match (data.facts, data.unexplained, none) {
        (false, ..) => "nothing_known",
        (true, 0, true) => "healthy",
        (true, 0, false) => "no_cause",
        (true, ..) => "no_cause_known",
    };
    let n = data.unexplained.to_string();
    let mut sentences = vec![labels.get(sentence).replace("{n}", &n)];
    // Where nothing was found, gaps in the data are a part of the answer.
    let gaps = data
        .remarks
        .iter()
        .filter(|remark| remark.severity <= Severity::Medium);
    let mut seen = BTreeSet::new();
    let titles = gaps
        .filter(|remark| seen.insert(remark.id.as_str()))
        .map(|remark| format!("{} ({})", shorten(&remark.title, MAX_NAME), remark.id));
    sentences.extend(
        named(titles, labels)
            .filter(|_| data.facts)
            .map(|list| labels.get("verdict_unread").replace("{list}", &list)),
    );
    sentences
}

/// The finding that answers the question.
fn leading<'a>(active: &[&'a Finding]) -> Option<&'a Finding> {
    let serious = |f: &&&Finding| f.severity != Severity::Info;
    let likely = |f: &&&Finding| serious(f) && f.confidence <= Confidence::Likely;
    let mut found = active.iter().filter(likely).chain(active.iter().filter(serious));
    found.next().copied()
}

fn headline(first: &Finding, labels: &Labels) -> String {
    let confidence = labels.get(match first.confidence {
        Confidence::Proved => "verdict_proved",
        Confidence::Likely => "verdict_likely",
        Confidence::Possible => "verdict_possible",
    });
    let subject = first.subject.as_deref().filter(|s| !first.title.contains(s));
    let subject = subject.map(|s| format!(" ({s})")).unwrap_or_default();
    let title = shorten(&format!("{}{subject}", first.title), MAX_TITLE);
    labels
        .get("verdict_first")
        .replace("{confidence}", confidence)
        .replace("{title}", &title)
}

/// Each rule once, by the title of its first finding.
fn titles<'a>(findings: impl Iterator<Item = &'a &'a Finding>) -> impl Iterator<Item = String> {
    let mut seen = BTreeSet::new();
    findings
        .filter(move |f| seen.insert(f.rule_id.as_str()))
        .map(|f| format!("{} ({})", shorten(&f.title, MAX_NAME), f.rule_id))
}

/// The first few with semicolons, and how many there are besides.
fn named(names: impl Iterator<Item = String>, labels: &Labels) -> Option<String> {
    let all: Vec<String> = names.collect();
    let mut shown: Vec<String> = all.iter().take(MAX_NAMED).cloned().collect();
    if all.len() > MAX_NAMED {
        let more = (all.len() - MAX_NAMED).to_string();
        shown.push(labels.get("verdict_more").replace("{n}", &more));
    }
    (!all.is_empty()).then(|| shown.join("; "))
}
