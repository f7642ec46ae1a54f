//! What changed between two captures: before and after a change on one device.
//!
//! Both cases are judged with the same rules before they come here. A finding that is not there any more is only good
//! news if the second capture could have shown it, so what the captures hold is compared as well.

use std::collections::{BTreeMap, BTreeSet};

use casetrace_knowledge::{Knowledge, Lang};
use casetrace_rules::{Confidence, Finding, Findings, Severity, Status};
use casetrace_timeline::Timeline;
use serde::Serialize;

use crate::endpoints;
use crate::facts::{self, seconds};
use crate::frame::Columns;
use crate::labels::Labels;

/// Lines of one table.
const MAX_LINES: usize = 100;

/// One capture.
#[derive(Debug, Clone, Copy)]
pub struct Capture<'a> {
    /// Case name.
    pub name: &'a str,
    /// What the rules found, in the language of the result.
    pub findings: &'a Findings,
    /// All rows.
    pub timeline: &'a Timeline,
}

/// The comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Diff {
    /// Version of this layout, for `--format json`.
    pub schema_version: u32,
    /// The words of the language.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub t: BTreeMap<String, String>,
    /// The first capture.
    pub before: CaptureLine,
    /// The second one.
    pub after: CaptureLine,
    /// Two or three sentences that answer the question.
    pub verdict: Vec<String>,
    /// What makes the comparison doubtful.
    pub warnings: Vec<String>,
    /// Findings that only the second capture has.
    pub new: Vec<FindingChange>,
    /// Findings that are stronger now.
    pub worse: Vec<FindingChange>,
    /// Findings that are weaker now.
    pub better: Vec<FindingChange>,
    /// Findings that only the first capture has.
    pub gone: Vec<FindingChange>,
    /// Findings that are as they were.
    pub same: Vec<FindingChange>,
    /// Host names reached in another way than before.
    pub endpoints: Vec<EndpointChange>,
    /// Versions, join state, proxy settings and the like.
    pub facts: Vec<FactChange>,
    /// Rows of each kind of source.
    pub coverage: Vec<Coverage>,
    /// Lines left out of the tables.
    pub more: usize,
}

/// One capture in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaptureLine {
    /// Case name.
    pub name: String,
    /// Computers.
    pub hosts: String,
    /// First and last time.
    pub span: String,
    /// Rows.
    pub rows: usize,
}

/// One finding in both captures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingChange {
    /// Rule.
    pub rule_id: String,
    /// Title.
    pub title: String,
    /// What it is about.
    pub subject: Option<String>,
    /// `critical` … `info`.
    pub severity: String,
    /// How it was.
    pub before: Option<State>,
    /// How it is.
    pub after: Option<State>,
}

/// A finding in one capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct State {
    /// `proved`, `likely`, `possible`.
    pub confidence: String,
    /// `active`, `status_resolved`, `refuted`.
    pub status: String,
    /// Facts that count.
    pub count: u64,
}

/// One thing about a host name that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointChange {
    /// Host name.
    pub host: String,
    /// `names`, `tcp`, `tls`, `issuer`, `http`, `proxy`.
    pub layer: String,
    /// What was seen; empty if nothing.
    pub before: String,
    /// What is seen.
    pub after: String,
}

/// A fact of the case that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FactChange {
    /// Label in the language of the result.
    pub label: String,
    /// How it was; empty if unknown.
    pub before: String,
    /// How it is.
    pub after: String,
}

/// Rows of one kind of source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The `source` column.
    pub source: String,
    /// Rows in the first capture.
    pub before: u64,
    /// Rows in the second one.
    pub after: u64,
}

impl Diff {
    /// Compares; nothing here depends on clock, locale or path.
    pub fn build(before: &Capture<'_>, after: &Capture<'_>, lang: Lang) -> Self {
        let labels = Labels::load(lang);
        let columns = [Columns::new(before.timeline), Columns::new(after.timeline)];
        let mut diff = Self {
            schema_version: 1,
            before: capture_line(before, &columns[0]),
            after: capture_line(after, &columns[1]),
            verdict: Vec::new(),
            warnings: Vec::new(),
            new: Vec::new(),
            worse: Vec::new(),
            better: Vec::new(),
            gone: Vec::new(),
            same: Vec::new(),
            endpoints: endpoint_changes(&columns, &labels),
            facts: fact_changes(&columns, &labels),
            coverage: coverage(&columns),
            more: 0,
            t: labels.all().clone(),
        };
        diff.sort_findings(&before.findings.findings, &after.findings.findings);
        diff.warnings = warnings(&diff, [before, after], &columns, &labels);
        diff.verdict = verdict(&diff, &labels);
        diff.cut();
        diff
    }

    fn sort_findings(&mut self, before: &[Finding], after: &[Finding]) {
        for (old, new) in pairs(before, after) {
            let change = FindingChange::of(old, new);
            let Some(change) = change else { continue };
            let (was, is) = (old.map_or(0, weight), new.map_or(0, weight));
            match (was, is) {
                (0, 0) => {}
                (0, _) => self.new.push(change),
                (_, 0) => self.gone.push(change),
                _ if is > was => self.worse.push(change),
                _ if is < was => self.better.push(change),
                _ => self.same.push(change),
            }
        }
    }

    fn cut(&mut self) {
        let mut more = 0;
        for list in [
            &mut self.new,
            &mut self.worse,
            &mut self.better,
            &mut self.gone,
            &mut self.same,
        ] {
            more += list.len().saturating_sub(MAX_LINES);
            list.truncate(MAX_LINES);
        }
        more += self.endpoints.len().saturating_sub(MAX_LINES);
        self.endpoints.truncate(MAX_LINES);
        self.more = more;
    }
}

/// How much a finding weighs: nothing unless it is active.
fn weight(finding: &Finding) -> u8 {
    match (finding.status, finding.confidence) {
        (Status::Active, Confidence::Proved) => 3,
        (Status::Active, Confidence::Likely) => 2,
        (Status::Active, Confidence::Possible) => 1,
        _ => 0,
    }
}

impl FindingChange {
    fn of(old: Option<&Finding>, new: Option<&Finding>) -> Option<Self> {
        let shown = new.or(old)?;
        Some(Self {
            rule_id: shown.rule_id.clone(),
            title: shown.title.clone(),
            subject: shown.subject.clone(),
            severity: shown.severity.as_str().to_owned(),
            before: old.map(State::of),
            after: new.map(State::of),
        })
    }
}

impl State {
    fn of(finding: &Finding) -> Self {
        Self {
            confidence: finding.confidence.as_str().to_owned(),
            status: match finding.status {
                Status::Active => "active",
                Status::Resolved => "status_resolved",
                Status::Refuted => "refuted",
            }
            .to_owned(),
            count: finding.count,
        }
    }
}

/// Findings of one rule about one thing belong together; a rule that speaks once on each side does so about
/// the same thing, whatever it is called.
fn pairs<'a>(before: &'a [Finding], after: &'a [Finding]) -> Vec<(Option<&'a Finding>, Option<&'a Finding>)> {
    type Key<'a> = (&'a str, &'a str);
    fn by_key<'a>(findings: &'a [Finding], other: &'a [Finding]) -> BTreeMap<Key<'a>, &'a Finding> {
        let times = |all: &[Finding], id: &str| all.iter().filter(|f| f.rule_id == id).count();
        let mut map: BTreeMap<Key<'a>, &'a Finding> = BTreeMap::new();
        for finding in findings {
            let id = finding.rule_id.as_str();
            let alone = times(findings, id) == 1 && times(other, id) == 1;
            let subject = if alone {
                ""
            } else {
                finding.subject.as_deref().unwrap_or("")
            };
            let slot = map.entry((id, subject)).or_insert(finding);
            if weight(finding) > weight(slot) {
                *slot = finding;
            }
        }
        map
    }
    let (old, new) = (by_key(before, after), by_key(after, before));
    let keys: BTreeSet<&Key<'_>> = old.keys().chain(new.keys()).collect();
    let mut pairs: Vec<_> = keys
        .into_iter()
        .map(|key| (old.get(key).copied(), new.get(key).copied()))
        .collect();
    // The reading order of the second capture, then that of the first.
    pairs.sort_by_key(|(old, new)| {
        let rank = |f: Option<&Finding>| f.and_then(|f| f.rank).unwrap_or(u32::MAX);
        (rank(*new), rank(*old))
    });
    pairs
}

fn capture_line(capture: &Capture<'_>, columns: &Columns<'_>) -> CaptureLine {
    CaptureLine {
        name: capture.name.to_owned(),
        hosts: facts::hosts(columns).into_iter().collect::<Vec<_>>().join(", "),
        span: columns.span().map_or_else(String::new, |(first, last)| {
            format!("{} – {}", seconds(first), seconds(last))
        }),
        rows: columns.len(),
    }
}

fn fact_changes(columns: &[Columns<'_>; 2], labels: &Labels) -> Vec<FactChange> {
    let [before, after] = columns.each_ref().map(|columns| facts::facts(columns, labels));
    let skipped = ["fact_span", "fact_hosts"].map(|key| labels.get(key));
    let value = |facts: &[facts::Fact], label: &str| {
        let found = facts.iter().find(|fact| fact.label == label);
        found.map(|fact| fact.value.clone()).unwrap_or_default()
    };
    let mut names: Vec<&str> = Vec::new();
    for fact in before.iter().chain(&after) {
        if !names.contains(&fact.label.as_str()) && !skipped.contains(&fact.label.as_str()) {
            names.push(&fact.label);
        }
    }
    names
        .into_iter()
        .map(|label| FactChange {
            label: label.to_owned(),
            before: value(&before, label),
            after: value(&after, label),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

/// Only names that both captures speak to can have changed; the rest is a matter of what was recorded.
fn endpoint_changes(columns: &[Columns<'_>; 2], labels: &Labels) -> Vec<EndpointChange> {
    let knowledge = Knowledge::builtin();
    let [before, after] = columns
        .each_ref()
        .map(|columns| endpoints::states(columns, labels));
    let mut changes: Vec<(bool, EndpointChange)> = Vec::new();
    for (host, old) in &before {
        let Some(new) = after.get(host) else { continue };
        for (layer, (was, is)) in endpoints::LAYERS.iter().zip(old.iter().zip(new)) {
            // What one capture has no sight of has not changed.
            if was == is || was.is_empty() || is.is_empty() && *layer != "proxy" {
                continue;
            }
            let listed = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
            changes.push((
                knowledge.endpoint(host).is_none(),
                EndpointChange {
                    host: host.clone(),
                    layer: (*layer).to_owned(),
                    before: listed(was),
                    after: listed(is),
                },
            ));
        }
    }
    changes.sort_by(|a, b| (a.0, &a.1.host).cmp(&(b.0, &b.1.host)));
    changes.into_iter().map(|(_, change)| change).collect()
}

fn coverage(columns: &[Columns<'_>; 2]) -> Vec<Coverage> {
    let mut lines: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for (side, columns) in columns.iter().enumerate() {
        let source = columns.column("source");
        for row in 0..columns.len() {
            let name = source.get(row).unwrap_or_default();
            if !lines.contains_key(name) {
                lines.insert(name.to_owned(), [0; 2]);
            }
            if let Some(count) = lines.get_mut(name).and_then(|counts| counts.get_mut(side)) {
                *count += 1;
            }
        }
    }
    lines
        .into_iter()
        .map(|(source, [before, after])| Coverage {
            source,
            before,
            after,
        })
        .collect()
}

fn warnings(
    diff: &Diff,
    captures: [&Capture<'_>; 2],
    columns: &[Columns<'_>; 2],
    labels: &Labels,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let [old, new] = columns.each_ref().map(facts::hosts);
    let listed = |hosts: &BTreeSet<String>| hosts.iter().cloned().collect::<Vec<_>>().join(", ");
    if old.is_empty() || new.is_empty() {
        warnings.push(labels.get("diff_host_unknown").to_owned());
    } else if old.is_disjoint(&new) {
        warnings.push(
            labels
                .get("diff_hosts_differ")
                .replace("{before}", &listed(&old))
                .replace("{after}", &listed(&new)),
        );
    }
    let begin = |columns: &Columns<'_>| columns.span().map(|(first, _)| first);
    if let [Some(first), Some(second)] = columns.each_ref().map(begin)
        && second < first
    {
        warnings.push(
            labels
                .get("diff_order")
                .replace("{before}", &seconds(first))
                .replace("{after}", &seconds(second)),
        );
    }
    let lost: Vec<&str> = diff
        .coverage
        .iter()
        .filter(|line| line.before > 0 && line.after == 0)
        .map(|line| labels.source(&line.source))
        .collect();
    if !lost.is_empty() {
        warnings.push(labels.get("diff_lost").replace("{sources}", &lost.join(", ")));
    }
    if captures[0].findings.rules_version != captures[1].findings.rules_version {
        warnings.push(labels.get("diff_rules").to_owned());
    }
    warnings
}

fn verdict(diff: &Diff, labels: &Labels) -> Vec<String> {
    let weighty = |list: &[FindingChange]| {
        list.iter()
            .filter(|change| change.severity != Severity::Info.as_str())
            .map(|change| change.rule_id.clone())
            .collect::<BTreeSet<_>>()
    };
    let bad: BTreeSet<String> = &weighty(&diff.new) | &weighty(&diff.worse);
    let good: BTreeSet<String> = &weighty(&diff.gone) | &weighty(&diff.better);
    let kept = weighty(&diff.same);
    let key = match (good.is_empty(), bad.is_empty(), kept.is_empty()) {
        (false, true, true) => "diff_all_better",
        (false, true, false) => "diff_is_better",
        (true, false, _) => "diff_is_worse",
        (false, false, _) => "diff_mixed",
        (true, true, false) => "diff_same",
        (true, true, true) => "diff_quiet",
    };
    let mut sentences = vec![labels.get(key).to_owned()];
    for (key, ids) in [
        ("diff_good_ids", good),
        ("diff_bad_ids", bad),
        ("diff_kept_ids", kept),
    ] {
        if !ids.is_empty() {
            let ids: Vec<String> = ids.into_iter().collect();
            sentences.push(
                labels
                    .get(key)
                    .replace("{n}", &ids.len().to_string())
                    .replace("{ids}", &ids.join(", ")),
            );
        }
    }
    sentences
}
