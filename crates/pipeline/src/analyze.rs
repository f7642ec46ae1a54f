//! The whole run: read, judge, report, write.

use std::io::Write;
use std::path::{Path, PathBuf};

use casetrace_knowledge::Lang;
use casetrace_model::time;
use casetrace_report::{InputLine, Report, SourceLine};
use casetrace_rules::{Context, Findings, RulePack};
use casetrace_timeline::Timeline;

use crate::error::RunError;
use crate::inventory::{Inventory, InventoryMember, SCHEMA_VERSION};
use crate::output::{CaseFolder, load, names};
use crate::progress::{Progress, Stage};
use crate::read::{CaseRows, InputFile, read};
use crate::settings::Settings;

/// A judged case.
#[derive(Debug)]
pub struct CaseResult {
    /// What was read.
    pub rows: CaseRows,
    /// What the rules say.
    pub findings: Findings,
    /// The report.
    pub report: Rendered,
}

/// A report in both of its forms.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// For tickets.
    pub markdown: String,
    /// One offline page with pictures.
    pub html: String,
}

impl Rendered {
    /// Writes both files.
    pub fn put(&self, folder: &CaseFolder) -> Result<(), RunError> {
        folder.put(names::REPORT, |out| out.write_all(self.markdown.as_bytes()))?;
        folder.put(names::HTML, |out| out.write_all(self.html.as_bytes()))
    }
}

/// Reads the inputs, evaluates `pack`, renders the report. Nothing is written.
pub fn analyze(
    inputs: &[PathBuf],
    settings: &Settings,
    pack: &RulePack,
    lang: Lang,
    progress: &dyn Progress,
) -> Result<CaseResult, RunError> {
    let rows = read(inputs, settings, true, progress)?;
    progress.stage(Stage::Rules, 0);
    let findings = judge(pack, &rows.timeline, &rows.members, &rows.inputs, lang);
    progress.stage(Stage::Report, 0);
    let report = render(
        &rows.name,
        &rows.inputs,
        &rows.members,
        &findings,
        &rows.timeline,
        lang,
    )?;
    Ok(CaseResult {
        rows,
        findings,
        report,
    })
}

/// Writes a finished case folder.
pub fn write(result: &CaseResult, folder: &Path) -> Result<(), RunError> {
    let folder = CaseFolder::create(folder)?;
    folder.put_timeline(&result.rows.timeline)?;
    put_texts(&folder, result)
}

/// Everything but the timeline.
pub(crate) fn put_texts(folder: &CaseFolder, result: &CaseResult) -> Result<(), RunError> {
    folder.put_json(names::FINDINGS, &result.findings)?;
    result.report.put(folder)?;
    // Last, as it names what the others are.
    let inventory = Inventory {
        schema_version: SCHEMA_VERSION,
        name: result.rows.name.clone(),
        inputs: result.rows.inputs.clone(),
        outputs: folder.written(),
        members: result.rows.members.clone(),
    };
    folder.put_json(names::INVENTORY, &inventory)
}

/// Judges and renders a finished case again, without decoding: with other rules or in another language.
pub fn report_again(folder: &Path, pack: &RulePack, lang: Lang) -> Result<(Findings, Rendered), RunError> {
    let case = load(folder)?;
    let Inventory {
        name,
        inputs,
        members,
        ..
    } = case.inventory;
    let findings = judge(pack, &case.timeline, &members, &inputs, lang);
    let report = render(&name, &inputs, &members, &findings, &case.timeline, lang)?;
    Ok((findings, report))
}

fn judge(
    pack: &RulePack,
    timeline: &Timeline,
    members: &[InventoryMember],
    inputs: &[InputFile],
    lang: Lang,
) -> Findings {
    let members: Vec<casetrace_rules::InventoryMember> = members
        .iter()
        .map(|member| casetrace_rules::InventoryMember {
            path: member.path.clone(),
            kind: member.format.clone().unwrap_or_else(|| member.kind.clone()),
            encoding: member.encoding.clone().unwrap_or_default(),
            outcome: member.outcome.as_str().to_owned(),
            size: member.size,
            sha256: member.sha256.clone(),
            rows: member.rows,
            codes: member.codes(),
        })
        .collect();
    let context = Context {
        tool_version: env!("CARGO_PKG_VERSION"),
        lang: match lang {
            Lang::En => casetrace_rules::Lang::En,
            Lang::Ja => casetrace_rules::Lang::Ja,
        },
        inputs: inputs.iter().map(|input| input.path.clone()).collect(),
        members: &members,
    };
    pack.evaluate(timeline, &context)
}

fn render(
    name: &str,
    inputs: &[InputFile],
    members: &[InventoryMember],
    findings: &Findings,
    timeline: &Timeline,
    lang: Lang,
) -> Result<Rendered, RunError> {
    let inputs: Vec<InputLine> = inputs
        .iter()
        .map(|input| InputLine {
            path: input.path.clone(),
            size: input.size,
            sha256: input.sha256.clone(),
        })
        .collect();
    let sources: Vec<SourceLine> = members.iter().map(source_line).collect();
    let input = casetrace_report::Input {
        name,
        inputs: &inputs,
        sources: &sources,
        findings,
        timeline,
    };
    let report = Report::build(&input, lang);
    let failed = |error: casetrace_report::RenderError| RunError::Definition(error.to_string());
    Ok(Rendered {
        markdown: casetrace_report::markdown(&report, None).map_err(failed)?,
        html: casetrace_report::html(&report, None).map_err(failed)?,
    })
}

fn source_line(member: &InventoryMember) -> SourceLine {
    let short = |ts: &Option<String>| {
        let ns = ts.as_deref().and_then(time::from_rfc3339);
        ns.map(|ns| {
            time::to_rfc3339(ns)
                .get(..19)
                .unwrap_or_default()
                .replace('T', " ")
        })
    };
    let span = match (short(&member.first), short(&member.last)) {
        (Some(first), Some(last)) if first != last => format!("{first} – {last}"),
        (Some(first), _) => first,
        _ => String::new(),
    };
    SourceLine {
        path: member.path.clone(),
        kind: member.format.clone().unwrap_or_else(|| member.kind.clone()),
        outcome: member.outcome.as_str().to_owned(),
        rows: member.rows,
        span,
    }
}
