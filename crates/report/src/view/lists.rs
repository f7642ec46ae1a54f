//! What was read, remarks on it, codes and inputs, each cut to what a reader can take in.

use std::collections::BTreeSet;

use casetrace_knowledge::{Knowledge, Lang};
use casetrace_rules::{Finding, QualityFinding, Status, Unexplained};

use super::{
    Ask, CodeView, InputLine, MAX_PATH, MAX_SUMMARY, MAX_TITLE, SourceLine, UnexplainedView, to_second,
};
use crate::escape::shorten;
use crate::labels::Labels;

/// Lines shown.
const MAX_QUALITY: usize = 40;
const MAX_CODES: usize = 60;
const MAX_INPUTS: usize = 50;
const MAX_SOURCES: usize = 60;
const MAX_UNEXPLAINED: usize = 20;
/// Longest sentence of a remark on the data.
const MAX_REMARK: usize = 600;

pub(super) fn inputs(all: &[InputLine]) -> Vec<InputLine> {
    let line = |input: &InputLine| InputLine {
        path: shorten(&input.path, MAX_PATH),
        ..input.clone()
    };
    all.iter().take(MAX_INPUTS).map(line).collect()
}

pub(super) fn more_inputs(all: &[InputLine]) -> usize {
    all.len().saturating_sub(MAX_INPUTS)
}

/// Remarks; what to send is said once, here or among `asks`.
pub(super) fn quality(all: &[QualityFinding], asks: &[Ask]) -> Vec<QualityFinding> {
    let mut said: BTreeSet<String> = asks.iter().map(|ask| ask.text.clone()).collect();
    let mut remark = |remark: &QualityFinding| QualityFinding {
        title: shorten(&remark.title, MAX_TITLE),
        summary: shorten(&remark.summary, MAX_REMARK),
        what_is_lost: shorten(&remark.what_is_lost, MAX_REMARK),
        ask_customer: remark
            .ask_customer
            .iter()
            .map(|ask| shorten(ask, MAX_REMARK))
            .filter(|ask| said.insert(ask.clone()))
            .take(3)
            .collect(),
        ..remark.clone()
    };
    all.iter().take(MAX_QUALITY).map(&mut remark).collect()
}

pub(super) fn more_quality(all: &[QualityFinding]) -> usize {
    all.len().saturating_sub(MAX_QUALITY)
}

/// Failures that no finding explains.
pub(super) fn unexplained(all: &[Unexplained], labels: &Labels) -> Vec<UnexplainedView> {
    let time = |ts: &Option<String>| ts.as_deref().map(to_second);
    let line = |failure: &Unexplained| UnexplainedView {
        count: failure.count,
        code: failure.error_code.clone().unwrap_or_default(),
        symbol: failure.error_symbol.clone().unwrap_or_default(),
        summary: shorten(&failure.summary, MAX_SUMMARY),
        first_ts: time(&failure.first_ts).unwrap_or_default(),
        last_ts: time(&failure.last_ts)
            .or_else(|| failure.local_time.as_deref().map(|time| labels.local(time)))
            .unwrap_or_default(),
        source: failure.source.clone(),
        artifact: shorten(&failure.artifact, MAX_PATH),
        record: failure.record,
    };
    all.iter().take(MAX_UNEXPLAINED).map(line).collect()
}

/// The codes of findings and of the failures that none explains.
pub(super) fn codes(
    all: &[Finding],
    unexplained: &[UnexplainedView],
    knowledge: &Knowledge,
    lang: Lang,
) -> Vec<CodeView> {
    let codes: BTreeSet<&str> = all
        .iter()
        .filter(|f| f.status != Status::Refuted)
        .flat_map(|f| &f.codes)
        .chain(unexplained.iter().map(|failure| &failure.code))
        .map(String::as_str)
        .filter(|code| !code.is_empty())
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
pub(super) fn sources(all: &[SourceLine], labels: &Labels) -> (Vec<SourceLine>, String) {
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
        labels.get("members_note").replace("{n}", &rest.to_string())
    };
    (shown, note)
}
