//! The view model: everything a template can print. Field names are stable for own templates.
//!
//! Texts are plain; the renderer escapes them for its format. Lists are cut to what a reader can take in, with the
//! number of what was left out beside them.

use std::collections::{BTreeMap, BTreeSet};

use casetrace_knowledge::{Knowledge, Lang};
use casetrace_rules::{Attempts, Audience, Confidence, Finding, Findings, QualityFinding, Severity, Status};
use casetrace_timeline::Timeline;
use serde::Serialize;

use crate::endpoints::{self, Endpoint};
use crate::escape::shorten;
use crate::facts::{self, Fact};
use crate::frame::Columns;
use crate::labels::Labels;
use crate::picture::Picture;

/// Evidence lines shown of one finding.
pub(crate) const MAX_EVIDENCE: usize = 12;
/// Refuted candidates shown.
const MAX_REFUTED: usize = 20;
/// Source lines shown.
const MAX_SOURCES: usize = 60;
/// Longest summary of a record.
const MAX_SUMMARY: usize = 240;

/// What the report is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Case name.
    pub name: &'a str,
    /// Input files: path, bytes, SHA-256.
    pub inputs: &'a [InputLine],
    /// Members, in path order.
    pub sources: &'a [SourceLine],
    /// What the rules found, in the language of the report.
    pub findings: &'a Findings,
    /// Which rows are one story.
    pub attempts: &'a Attempts,
    /// All rows.
    pub timeline: &'a Timeline,
}

/// One input file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputLine {
    /// Logical path.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: String,
}

/// One member of the upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceLine {
    /// Logical path.
    pub path: String,
    /// Kind, or text format.
    pub kind: String,
    /// How reading ended.
    pub outcome: String,
    /// Rows in the timeline.
    pub rows: u64,
    /// First and last time.
    pub span: String,
}

/// The whole report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The words of the language.
    pub t: BTreeMap<String, String>,
    /// Case name.
    pub name: String,
    /// Two or three sentences that answer the question.
    pub verdict: Vec<String>,
    /// The case in a few lines.
    pub facts: Vec<Fact>,
    /// The timeline picture.
    pub picture: Picture,
    /// Active findings by rank.
    pub findings: Vec<FindingView>,
    /// Findings that were over before the recording ended.
    pub resolved: Vec<FindingView>,
    /// Candidates that the evidence speaks against.
    pub refuted: Vec<FindingView>,
    /// Steps by who can take them.
    pub steps: Vec<StepGroup>,
    /// What to collect next, each with the findings it would settle.
    pub asks: Vec<Ask>,
    /// What happened per host name.
    pub endpoints: Vec<Endpoint>,
    /// Host names not shown.
    pub more_endpoints: usize,
    /// Remarks on the data.
    pub quality: Vec<QualityFinding>,
    /// Codes that occur in findings.
    pub codes: Vec<CodeView>,
    /// What was read.
    pub sources: Vec<SourceLine>,
    /// One sentence on sources not shown.
    pub sources_note: String,
    /// Version of the tool.
    pub tool_version: String,
    /// Fingerprint of the rules.
    pub rules_version: String,
    /// The inputs.
    pub inputs: Vec<InputLine>,
}

/// One finding as shown.
#[derive(Debug, Clone, Serialize)]
pub struct FindingView {
    /// Rule.
    pub rule_id: String,
    /// Title.
    pub title: String,
    /// `proved`, `likely`, `possible`.
    pub confidence: String,
    /// `critical` … `info`.
    pub severity: String,
    /// Place in the reading order.
    pub rank: Option<u32>,
    /// Host, user, URL it is about.
    pub subject: Option<String>,
    /// `system`, `user`, `unknown`.
    pub context: String,
    /// Facts that count.
    pub count: u64,
    /// First time, to the second.
    pub first_ts: Option<String>,
    /// Last time, to the second.
    pub last_ts: Option<String>,
    /// Rules that explain it.
    pub consequence_of: Vec<String>,
    /// The explanation.
    pub explanation: String,
    /// Records.
    pub evidence: Vec<EvidenceView>,
    /// Records not shown.
    pub more_evidence: u64,
    /// Records that speak against it.
    pub refuting: Vec<EvidenceView>,
}

/// One record as shown.
#[derive(Debug, Clone, Serialize)]
pub struct EvidenceView {
    /// `decisive`, `supporting`, `weak`, `refuting`, `resolving`.
    pub role: String,
    /// Time to the millisecond.
    pub ts: String,
    /// Kind of source.
    pub source: String,
    /// Logical path.
    pub artifact: String,
    /// Record number; `–` for an absence.
    pub record: String,
    /// One line.
    pub summary: String,
}

/// Steps for one audience.
#[derive(Debug, Clone, Serialize)]
pub struct StepGroup {
    /// Who.
    pub label: String,
    /// What, most important first.
    pub steps: Vec<String>,
}

/// Something to collect.
#[derive(Debug, Clone, Serialize)]
pub struct Ask {
    /// What.
    pub text: String,
    /// Rules it would settle.
    pub ids: Vec<String>,
}

/// A code with its meaning.
#[derive(Debug, Clone, Serialize)]
pub struct CodeView {
    /// The code.
    pub code: String,
    /// Its symbol.
    pub symbol: String,
    /// What it means.
    pub meaning: String,
    /// What to do.
    pub action: String,
}

impl Report {
    /// Builds the model; nothing here depends on clock, locale or path.
    pub fn build(input: &Input<'_>, lang: Lang) -> Self {
        let labels = Labels::load(lang);
        let columns = Columns::new(input.timeline);
        let knowledge = Knowledge::builtin();
        let (endpoints, more_endpoints) = endpoints::endpoints(&columns, knowledge);
        let all = &input.findings.findings;
        let of = |status: Status| all.iter().filter(move |f| f.status == status);
        let (sources, sources_note) = sources(input.sources, &labels);
        Self {
            name: input.name.to_owned(),
            verdict: verdict(all, &labels),
            facts: facts::facts(&columns, &labels),
            picture: Picture::build(input.timeline, of(Status::Active)),
            findings: of(Status::Active).map(FindingView::of).collect(),
            resolved: of(Status::Resolved).map(FindingView::of).collect(),
            refuted: of(Status::Refuted)
                .take(MAX_REFUTED)
                .map(FindingView::of)
                .collect(),
            steps: steps(all, &labels),
            asks: asks(all),
            endpoints,
            more_endpoints,
            quality: input.findings.data_quality.clone(),
            codes: codes(all, knowledge, lang),
            sources,
            sources_note,
            tool_version: input.findings.tool_version.clone(),
            rules_version: input.findings.rules_version.clone(),
            inputs: input.inputs.to_vec(),
            t: labels.all().clone(),
        }
    }
}

fn verdict(all: &[Finding], labels: &Labels) -> Vec<String> {
    let active: Vec<&Finding> = all.iter().filter(|f| f.status == Status::Active).collect();
    let weighty = |f: &&&Finding| f.confidence <= Confidence::Likely && f.severity != Severity::Info;
    let Some(first) = active
        .iter()
        .find(weighty)
        .or_else(|| active.iter().find(|f| f.severity != Severity::Info))
    else {
        let any = active.is_empty() && all.iter().all(|f| f.status != Status::Resolved);
        return vec![labels.get(if any { "healthy" } else { "no_cause" }).to_owned()];
    };
    let confidence = labels.get(match first.confidence {
        Confidence::Proved => "verdict_proved",
        Confidence::Likely => "verdict_likely",
        Confidence::Possible => "verdict_possible",
    });
    let subject = first
        .subject
        .as_deref()
        .map(|s| format!(" ({s})"))
        .unwrap_or_default();
    let title = format!("{}{subject}", first.title);
    let mut sentences = vec![
        labels
            .get("verdict_first")
            .replace("{confidence}", confidence)
            .replace("{title}", &title),
        first.explanation.clone(),
    ];
    let ids = |wanted: &dyn Fn(&Finding) -> bool| {
        let set: BTreeSet<&str> = active
            .iter()
            .filter(|f| {
                !std::ptr::eq(**f, *first)
                    && f.severity != Severity::Info
                    && f.confidence <= Confidence::Likely
                    && wanted(f)
            })
            .map(|f| f.rule_id.as_str())
            .collect();
        (set.len(), set.into_iter().collect::<Vec<_>>().join(", "))
    };
    for (key, (n, list)) in [
        (
            "verdict_consequences",
            ids(&|f| f.consequence_of.contains(&first.rule_id)),
        ),
        (
            "verdict_others",
            ids(&|f| f.consequence_of.is_empty() && f.rule_id != first.rule_id),
        ),
    ] {
        if n > 0 {
            sentences.push(
                labels
                    .get(key)
                    .replace("{n}", &n.to_string())
                    .replace("{ids}", &list),
            );
        }
    }
    sentences
}

impl FindingView {
    fn of(finding: &Finding) -> Self {
        let (refuting, carrying): (Vec<_>, Vec<_>) = finding
            .evidence
            .iter()
            .map(EvidenceView::of)
            .partition(|e| e.role == "refuting");
        let shown = carrying.len().min(MAX_EVIDENCE) as u64;
        Self {
            rule_id: finding.rule_id.clone(),
            title: finding.title.clone(),
            confidence: finding.confidence.as_str().to_owned(),
            severity: finding.severity.as_str().to_owned(),
            rank: finding.rank,
            subject: finding.subject.clone(),
            context: finding.context.as_str().to_owned(),
            count: finding.count,
            first_ts: finding.first_ts.as_deref().map(to_second),
            last_ts: finding.last_ts.as_deref().map(to_second),
            consequence_of: finding.consequence_of.clone(),
            explanation: finding.explanation.clone(),
            more_evidence: finding.count.saturating_sub(shown),
            evidence: carrying.into_iter().take(MAX_EVIDENCE).collect(),
            refuting: refuting.into_iter().take(3).collect(),
        }
    }
}

impl EvidenceView {
    fn of(item: &casetrace_rules::EvidenceItem) -> Self {
        Self {
            role: item.role.as_str().to_owned(),
            ts: item
                .ts
                .as_deref()
                .map(|ts| ts.get(..23).unwrap_or(ts).replace('T', " "))
                .unwrap_or_default(),
            source: item.source.clone(),
            artifact: item.artifact.clone(),
            record: if item.record == 0 {
                "–".to_owned()
            } else {
                item.record.to_string()
            },
            summary: shorten(&item.summary, MAX_SUMMARY),
        }
    }
}

fn to_second(ts: &str) -> String {
    ts.get(..19).unwrap_or(ts).replace('T', " ")
}

/// Steps of active findings that nothing else explains come first; the same step is listed once.
fn steps(all: &[Finding], labels: &Labels) -> Vec<StepGroup> {
    let mut groups: BTreeMap<u8, StepGroup> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let weighty = all.iter().filter(|f| {
        f.status == Status::Active && f.consequence_of.is_empty() && f.severity != Severity::Info
    });
    for step in weighty.flat_map(|f| &f.next_steps_for) {
        if !seen.insert(step.text.as_str()) {
            continue;
        }
        let (order, key) = match step.to {
            Some(Audience::Network) => (0, "network_team"),
            Some(Audience::Identity) => (1, "identity"),
            Some(Audience::Customer) => (2, "customer"),
            None => (3, "anyone"),
        };
        let group = groups.entry(order).or_insert_with(|| StepGroup {
            label: labels.get(key).to_owned(),
            steps: Vec::new(),
        });
        group.steps.push(step.text.clone());
    }
    groups.into_values().collect()
}

fn asks(all: &[Finding]) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    for finding in all.iter().filter(|f| f.status == Status::Active) {
        for text in &finding.ask_customer {
            match asks.iter_mut().find(|ask| ask.text == *text) {
                Some(ask) if ask.ids.contains(&finding.rule_id) => {}
                Some(ask) => ask.ids.push(finding.rule_id.clone()),
                None => asks.push(Ask {
                    text: text.clone(),
                    ids: vec![finding.rule_id.clone()],
                }),
            }
        }
    }
    asks
}

fn codes(all: &[Finding], knowledge: &Knowledge, lang: Lang) -> Vec<CodeView> {
    let codes: BTreeSet<&str> = all
        .iter()
        .filter(|f| f.status != Status::Refuted)
        .flat_map(|f| &f.codes)
        .map(String::as_str)
        .collect();
    codes
        .into_iter()
        .filter_map(|code| {
            let entry = knowledge.explain(code).into_iter().next()?;
            Some(CodeView {
                code: code.to_owned(),
                symbol: entry.symbol.to_string(),
                meaning: entry.meaning.get(lang).to_owned(),
                action: entry.action.get(lang).to_owned(),
            })
        })
        .collect()
}

/// Members with rows or trouble; the silent rest is counted.
fn sources(all: &[SourceLine], labels: &Labels) -> (Vec<SourceLine>, String) {
    let telling = |s: &&SourceLine| s.rows > 0 || !matches!(s.outcome.as_str(), "ok" | "skipped" | "empty");
    let shown: Vec<SourceLine> = all.iter().filter(telling).take(MAX_SOURCES).cloned().collect();
    let rest = all.len() - shown.len();
    let note = if rest == 0 {
        String::new()
    } else {
        format!("{}: +{rest} (inventory.json)", labels.get("members"))
    };
    (shown, note)
}
