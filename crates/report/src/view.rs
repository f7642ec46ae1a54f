//! The view model: everything a template can print. Field names are stable for own templates.
//!
//! Texts are plain; the renderer escapes them for its format. Lists are cut to what a reader can take in, with the
//! number of what was left out beside them.

mod cite;
mod lists;
mod steps;
mod verdict;

use std::collections::{BTreeMap, HashSet};

use casetrace_knowledge::{Knowledge, Lang};
use casetrace_rules::{Attempts, EvidenceItem, Finding, Findings, QualityFinding, Role, Status};
use casetrace_timeline::Timeline;
use serde::Serialize;

use crate::endpoints::{self, Endpoint};
use crate::escape::shorten;
use crate::facts::{self, Fact};
use crate::frame::Columns;
use crate::labels::Labels;
use crate::picture::Picture;
use crate::story::{self, Story};
pub use cite::Cite;

/// Evidence lines shown of one finding.
pub(crate) const MAX_EVIDENCE: usize = 12;
/// Active findings shown whole; further ones are a line each, up to the second number.
const MAX_FINDINGS: usize = 40;
const MAX_BRIEF: usize = 200;
/// Resolved findings and refuted candidates shown.
const MAX_RESOLVED: usize = 30;
const MAX_REFUTED: usize = 20;
/// Longest explanation, title or subject, and list of rules in a sentence.
const MAX_PROSE: usize = 1200;
const MAX_TITLE: usize = 200;
/// Longest path shown.
const MAX_PATH: usize = 300;
/// Stories told.
const MAX_STORIES: usize = 2;
/// Fewer rows are looked at on one thread.
const MANY_ROWS: usize = 200_000;
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
    /// The records that the verdict rests on.
    pub verdict_cites: Vec<Cite>,
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
    /// Failures that no finding explains, the newest first.
    pub unexplained: Vec<UnexplainedView>,
    /// Such failures left out.
    pub more_unexplained: usize,
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
    /// Codes that occur in findings and in the failures that none explains.
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
    /// Those of `evidence` that an earlier finding shows in the same words (`above` is set in them).
    pub repeated: Vec<Cite>,
    /// True if all of `evidence` is repeated.
    pub all_repeated: bool,
    /// Records that speak against it.
    pub refuting: Vec<EvidenceView>,
}

/// One record as shown.
#[derive(Debug, Clone, Serialize)]
pub struct EvidenceView {
    /// `decisive`, `supporting`, `weak`, `refuting`, `resolving`.
    pub role: String,
    /// Time to the millisecond; where no zone is known, the clock's own with a word behind it.
    pub ts: String,
    /// Kind of source.
    pub source: String,
    /// Logical path.
    pub artifact: String,
    /// Record number; `–` for an absence.
    pub record: String,
    /// One line.
    pub summary: String,
    /// True if an earlier finding shows it, too, and explains this one.
    pub above: bool,
}

/// Failures of one sort that no finding explains, as shown.
#[derive(Debug, Clone, Serialize)]
pub struct UnexplainedView {
    /// Records.
    pub count: u64,
    /// Error code; empty if there is none.
    pub code: String,
    /// Its symbol.
    pub symbol: String,
    /// The last record in one line.
    pub summary: String,
    /// First time, to the second; empty if none is known.
    pub first_ts: String,
    /// Last time, to the second; where no zone is known, the clock's own with a word behind it.
    pub last_ts: String,
    /// Kind of source of the last record.
    pub source: String,
    /// Logical path of the last record.
    pub artifact: String,
    /// Number of the last record.
    pub record: u64,
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
        let all = &input.findings.findings;
        let of = |status: Status| all.iter().filter(move |f| f.status == status);
        // These two look at every row.
        let ((endpoints, more_endpoints), (facts, picture)) = both(
            input.timeline.len() > MANY_ROWS,
            || endpoints::endpoints(&columns, knowledge, &labels),
            || {
                let picture = Picture::build(input.timeline, of(Status::Active));
                (facts::facts(&columns, &labels), picture)
            },
        );
        let (sources, sources_note) = lists::sources(input.sources, &labels);
        let active: Vec<&Finding> = of(Status::Active).collect();
        let unexplained = lists::unexplained(&input.findings.unexplained, &labels);
        let failures = input.findings.unexplained.len()
            + usize::try_from(input.findings.more_unexplained).unwrap_or(usize::MAX);
        let data = verdict::Data {
            facts: input.timeline.has_facts(),
            unexplained: failures,
            remarks: &input.findings.data_quality,
        };
        let verdict = verdict::verdict(all, &data, &labels);
        let asks = steps::asks(all);
        let mut findings = first(of(Status::Active), MAX_FINDINGS, &labels);
        mark_repeated(&mut findings);
        Self {
            name: input.name.to_owned(),
            verdict: verdict.sentences,
            verdict_cites: verdict.cites,
            facts,
            picture,
            stories: story::stories(&columns, &active, input.attempts, &labels, MAX_STORIES),
            findings,
            brief: first(of(Status::Active).skip(MAX_FINDINGS), MAX_BRIEF, &labels),
            more_findings: active.len().saturating_sub(MAX_FINDINGS + MAX_BRIEF),
            resolved: first(of(Status::Resolved), MAX_RESOLVED, &labels),
            more_resolved: of(Status::Resolved).count().saturating_sub(MAX_RESOLVED),
            refuted: first(of(Status::Refuted), MAX_REFUTED, &labels),
            more_refuted: of(Status::Refuted).count().saturating_sub(MAX_REFUTED),
            codes: lists::codes(all, &unexplained, knowledge, lang),
            more_unexplained: failures.saturating_sub(unexplained.len()),
            unexplained,
            steps: steps::steps(all, &labels),
            endpoints,
            more_endpoints,
            more_quality: lists::more_quality(&input.findings.data_quality),
            quality: lists::quality(&input.findings.data_quality, &asks),
            asks,
            sources,
            sources_note,
            tool_version: input.findings.tool_version.clone(),
            rules_version: input.findings.rules_version.clone(),
            more_inputs: lists::more_inputs(input.inputs),
            inputs: lists::inputs(input.inputs),
            t: labels.all().clone(),
        }
    }
}

/// Does two things, at the same time if that is worth a thread.
fn both<A, B: Send>(large: bool, a: impl FnOnce() -> A, b: impl FnOnce() -> B + Send) -> (A, B) {
    if !large {
        return (a(), b());
    }
    std::thread::scope(|scope| {
        let b = scope.spawn(b);
        let a = a();
        (
            a,
            b.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    })
}

fn first<'a>(findings: impl Iterator<Item = &'a Finding>, most: usize, labels: &Labels) -> Vec<FindingView> {
    findings
        .take(most)
        .map(|finding| FindingView::of(finding, labels))
        .collect()
}

impl FindingView {
    fn of(finding: &Finding, labels: &Labels) -> Self {
        let evidence: Vec<EvidenceView> = carrying(finding)
            .take(MAX_EVIDENCE)
            .map(|item| EvidenceView::of(item, labels))
            .collect();
        let refuting = finding.evidence.iter().filter(|e| e.role == Role::Refuting);
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
            more_evidence: finding.count.saturating_sub(evidence.len() as u64),
            evidence,
            repeated: Vec::new(),
            all_repeated: false,
            refuting: refuting
                .take(3)
                .map(|item| EvidenceView::of(item, labels))
                .collect(),
        }
    }
}

impl EvidenceView {
    fn of(item: &EvidenceItem, labels: &Labels) -> Self {
        Self {
            role: item.role.as_str().to_owned(),
            ts: item
                .ts
                .as_deref()
                .map(|ts| ts.get(..23).unwrap_or(ts).replace('T', " "))
                .or_else(|| item.local_time.as_deref().map(|time| labels.local(time)))
                .unwrap_or_default(),
            source: item.source.clone(),
            artifact: shorten(&item.artifact, MAX_PATH),
            record: if item.record == 0 {
                "–".to_owned()
            } else {
                item.record.to_string()
            },
            summary: shorten(&item.summary, MAX_SUMMARY),
            above: false,
        }
    }
}

/// What speaks for a finding, the strongest first. A record that is evidence in two roles is shown in the stronger one.
pub(crate) fn carrying(finding: &Finding) -> impl Iterator<Item = &EvidenceItem> {
    let items = &finding.evidence;
    let same = |a: &EvidenceItem, b: &EvidenceItem| {
        a.record != 0 && (&a.artifact, a.record, &a.summary) == (&b.artifact, b.record, &b.summary)
    };
    let for_it = |item: &&EvidenceItem| item.role != Role::Refuting;
    items
        .iter()
        .enumerate()
        .filter(move |(at, item)| {
            for_it(item)
                && !items
                    .iter()
                    .take(*at)
                    .any(|other| for_it(&other) && same(item, other))
        })
        .map(|(_, item)| item)
}

/// Marks the evidence of findings that others explain where the reader has seen it already.
fn mark_repeated(findings: &mut [FindingView]) {
    let mut seen: HashSet<(String, String, String)> = HashSet::new();
    for finding in findings {
        let key = |e: &EvidenceView| (e.artifact.clone(), e.record.clone(), e.summary.clone());
        if !finding.consequence_of.is_empty() {
            for item in &mut finding.evidence {
                item.above = seen.contains(&key(item));
            }
        }
        finding.repeated = cite::all(finding.evidence.iter().filter(|e| e.above));
        finding.all_repeated = finding.evidence.iter().all(|e| e.above);
        seen.extend(finding.evidence.iter().map(key));
    }
}

fn to_second(ts: &str) -> String {
    ts.get(..19).unwrap_or(ts).replace('T', " ")
}
