//! The view model: everything a template can print. Field names are stable for own templates.
//!
//! Texts are plain; the renderer escapes them for its format. Lists are cut to what a reader can take in, with the
//! number of what was left out beside them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

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
use crate::story::{self, Story};

/// Evidence lines shown of one finding.
pub(crate) const MAX_EVIDENCE: usize = 12;
/// Active findings shown whole; further ones are a line each, up to the second number.
const MAX_FINDINGS: usize = 40;
const MAX_BRIEF: usize = 200;
/// Resolved findings and refuted candidates shown.
const MAX_RESOLVED: usize = 30;
const MAX_REFUTED: usize = 20;
/// Steps for one audience, and things one step is about.
const MAX_STEPS: usize = 20;
const MAX_SUBJECTS: usize = 6;
/// Things to collect, remarks on the data, codes, inputs.
const MAX_ASKS: usize = 20;
const MAX_QUALITY: usize = 40;
const MAX_CODES: usize = 60;
const MAX_INPUTS: usize = 50;
/// Longest explanation, title or subject, and list of rules in a sentence.
const MAX_PROSE: usize = 1200;
const MAX_TITLE: usize = 200;
const MAX_IDS: usize = 15;
/// Longest sentence of a remark on the data.
const MAX_REMARK: usize = 600;
/// Longest path shown.
const MAX_PATH: usize = 300;
/// Stands for what a step is about.
const SUBJECT: &str = "\u{0}";
/// Source lines shown.
const MAX_SOURCES: usize = 60;
/// Stories told.
const MAX_STORIES: usize = 2;
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
    /// How the first findings came about, step by step.
    pub stories: Vec<Story>,
    /// Active findings by rank.
    pub findings: Vec<FindingView>,
    /// Further active findings, for a line each.
    pub brief: Vec<FindingView>,
    /// Active findings that are in neither list.
    pub more_findings: usize,
    /// Findings that were over before the recording ended.
    pub resolved: Vec<FindingView>,
    /// Resolved findings left out.
    pub more_resolved: usize,
    /// Candidates that the evidence speaks against.
    pub refuted: Vec<FindingView>,
    /// Refuted candidates left out.
    pub more_refuted: usize,
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
    /// Remarks left out.
    pub more_quality: usize,
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
    /// Inputs left out.
    pub more_inputs: usize,
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
    /// Steps left out.
    pub more: usize,
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
        let (endpoints, more_endpoints) = endpoints::endpoints(&columns, knowledge, &labels);
        let all = &input.findings.findings;
        let of = |status: Status| all.iter().filter(move |f| f.status == status);
        let (sources, sources_note) = sources(input.sources, &labels);
        let active: Vec<&Finding> = of(Status::Active).collect();
        Self {
            name: input.name.to_owned(),
            verdict: verdict(all, &labels),
            facts: facts::facts(&columns, &labels),
            picture: Picture::build(input.timeline, of(Status::Active)),
            stories: story::stories(&columns, &active, input.attempts, &labels, MAX_STORIES),
            findings: first(of(Status::Active), MAX_FINDINGS),
            brief: first(of(Status::Active).skip(MAX_FINDINGS), MAX_BRIEF),
            more_findings: active.len().saturating_sub(MAX_FINDINGS + MAX_BRIEF),
            resolved: first(of(Status::Resolved), MAX_RESOLVED),
            more_resolved: of(Status::Resolved).count().saturating_sub(MAX_RESOLVED),
            refuted: first(of(Status::Refuted), MAX_REFUTED),
            more_refuted: of(Status::Refuted).count().saturating_sub(MAX_REFUTED),
            steps: steps(all, &labels),
            asks: asks(all),
            endpoints,
            more_endpoints,
            more_quality: input.findings.data_quality.len().saturating_sub(MAX_QUALITY),
            quality: input
                .findings
                .data_quality
                .iter()
                .take(MAX_QUALITY)
                .map(quality)
                .collect(),
            codes: codes(all, knowledge, lang),
            sources,
            sources_note,
            tool_version: input.findings.tool_version.clone(),
            rules_version: input.findings.rules_version.clone(),
            more_inputs: input.inputs.len().saturating_sub(MAX_INPUTS),
            inputs: input.inputs.iter().take(MAX_INPUTS).map(input_line).collect(),
            t: labels.all().clone(),
        }
    }
}

fn first<'a>(findings: impl Iterator<Item = &'a Finding>, most: usize) -> Vec<FindingView> {
    findings.take(most).map(FindingView::of).collect()
}

fn input_line(input: &InputLine) -> InputLine {
    InputLine {
        path: shorten(&input.path, MAX_PATH),
        ..input.clone()
    }
}

fn quality(remark: &QualityFinding) -> QualityFinding {
    QualityFinding {
        title: shorten(&remark.title, MAX_TITLE),
        summary: shorten(&remark.summary, MAX_REMARK),
        what_is_lost: shorten(&remark.what_is_lost, MAX_REMARK),
        ask_customer: remark
            .ask_customer
            .iter()
            .take(3)
            .map(|ask| shorten(ask, MAX_REMARK))
            .collect(),
        ..remark.clone()
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
        .filter(|s| !first.title.contains(s))
        .map(|s| format!(" ({s})"))
        .unwrap_or_default();
    let title = shorten(&format!("{}{subject}", first.title), MAX_TITLE);
    let mut sentences = vec![
        labels
            .get("verdict_first")
            .replace("{confidence}", confidence)
            .replace("{title}", &title),
        shorten(&first.explanation, MAX_PROSE),
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
        let shown: Vec<&str> = set.iter().take(MAX_IDS).copied().collect();
        let rest = if set.len() > MAX_IDS { ", …" } else { "" };
        (set.len(), shown.join(", ") + rest)
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
            title: shorten(&finding.title, MAX_TITLE),
            confidence: finding.confidence.as_str().to_owned(),
            severity: finding.severity.as_str().to_owned(),
            rank: finding.rank,
            subject: finding.subject.as_deref().map(|s| shorten(s, MAX_TITLE)),
            context: finding.context.as_str().to_owned(),
            count: finding.count,
            first_ts: finding.first_ts.as_deref().map(to_second),
            last_ts: finding.last_ts.as_deref().map(to_second),
            consequence_of: finding.consequence_of.clone(),
            explanation: shorten(&finding.explanation, MAX_PROSE),
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
            artifact: shorten(&item.artifact, MAX_PATH),
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

/// Steps of active findings that nothing else explains come first. Steps that differ only in what they are about are one
/// step about all of it.
fn steps(all: &[Finding], labels: &Labels) -> Vec<StepGroup> {
    struct Step<'a> {
        order: u8,
        pattern: String,
        text: &'a str,
        subjects: Vec<&'a str>,
    }
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut known: HashMap<(u8, String), usize> = HashMap::new();
    let weighty = all.iter().filter(|f| {
        f.status == Status::Active && f.consequence_of.is_empty() && f.severity != Severity::Info
    });
    for (finding, step) in weighty.flat_map(|f| f.next_steps_for.iter().map(move |step| (f, step))) {
        let subject = finding.subject.as_deref().filter(|s| !s.is_empty());
        let pattern = subject.map_or_else(|| step.text.clone(), |s| step.text.replace(s, SUBJECT));
        let order = match step.to {
            Some(Audience::Network) => 0,
            Some(Audience::Identity) => 1,
            Some(Audience::Customer) => 2,
            None => 3,
        };
        let subject = subject.filter(|_| pattern.contains(SUBJECT));
        let place = *known.entry((order, pattern.clone())).or_insert(steps.len());
        if let Some(same) = steps.get_mut(place) {
            same.subjects
                .extend(subject.filter(|s| !same.subjects.contains(s)));
        } else {
            steps.push(Step {
                order,
                pattern,
                text: &step.text,
                subjects: Vec::from_iter(subject),
            });
        }
    }
    let words = |step: &Step<'_>| match step.subjects.len() {
        0 | 1 => step.text.to_owned(),
        n => {
            let shown = step.subjects.iter().take(MAX_SUBJECTS).copied();
            let mut list = shown.collect::<Vec<_>>().join(", ");
            if n > MAX_SUBJECTS {
                list.push_str(&format!(" (+{})", n - MAX_SUBJECTS));
            }
            step.pattern.replace(SUBJECT, &list)
        }
    };
    ["network_team", "identity", "customer", "anyone"]
        .into_iter()
        .zip(0..)
        .map(|(key, order)| {
            let own = steps.iter().filter(|step| step.order == order);
            let texts: Vec<String> = own.map(words).collect();
            StepGroup {
                label: labels.get(key).to_owned(),
                more: texts.len().saturating_sub(MAX_STEPS),
                steps: texts
                    .iter()
                    .take(MAX_STEPS)
                    .map(|text| shorten(text, MAX_PROSE))
                    .collect(),
            }
        })
        .filter(|group| !group.steps.is_empty())
        .collect()
}

fn asks(all: &[Finding]) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    for finding in all.iter().filter(|f| f.status == Status::Active) {
        for text in &finding.ask_customer {
            let full = asks.len() >= MAX_ASKS;
            match asks.iter_mut().find(|ask| ask.text == shorten(text, MAX_PROSE)) {
                Some(ask) if ask.ids.contains(&finding.rule_id) => {}
                Some(ask) => ask.ids.push(finding.rule_id.clone()),
                None if full => {}
                None => asks.push(Ask {
                    text: shorten(text, MAX_PROSE),
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
        .take(MAX_CODES)
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
    let line = |source: &SourceLine| SourceLine {
        path: shorten(&source.path, MAX_PATH),
        ..source.clone()
    };
    let shown: Vec<SourceLine> = all.iter().filter(telling).take(MAX_SOURCES).map(line).collect();
    let rest = all.len() - shown.len();
    let note = if rest == 0 {
        String::new()
    } else {
        format!("{}: +{rest} (inventory.json)", labels.get("members"))
    };
    (shown, note)
}
