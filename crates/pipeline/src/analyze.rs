//! The whole run: read, judge, report, write.

use std::io::Write;
use std::path::{Path, PathBuf};

use casetrace_knowledge::Lang;
use casetrace_model::time;
use casetrace_redact::Mode;
use casetrace_report::{Capture, Diff, InputLine, Report, SourceLine, Templates};
use casetrace_rules::{Attempts, Context, Findings, Judged, RulePack};
use casetrace_timeline::Timeline;

use crate::again::pair;
use crate::error::RunError;
use crate::inventory::{Inventory, InventoryMember, SCHEMA_VERSION};
use crate::output::{CaseFolder, names};
use crate::progress::{Progress, Stage};
use crate::read::{CaseRows, InputFile, read};
use crate::settings::Settings;

/// A timeline of fewer rows is written before another thread would have begun with the rest.
const LARGE_ROWS: usize = 200_000;

/// Of so many rows, what rules need in memory is most of what there is: the timeline is written after them.
const HUGE_ROWS: usize = 8_000_000;

/// A judged case.
#[derive(Debug)]
pub struct CaseResult {
    /// What was read.
    pub rows: CaseRows,
    /// What the rules say.
    pub findings: Findings,
    /// Which rows are one story.
    pub attempts: Attempts,
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
    conclude(rows, pack, lang, &settings.templates, progress)
}

/// Reads the inputs, evaluates `pack`, renders the report, and writes the case into `folder`. The timeline of a large case is packed
/// into its file while the rules judge it, which takes a tenth of memory more.
pub fn analyze_into(
    inputs: &[PathBuf],
    settings: &Settings,
    pack: &RulePack,
    lang: Lang,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<CaseResult, RunError> {
    let rows = read(inputs, settings, true, progress)?;
    let conclude = |rows| conclude(rows, pack, lang, &settings.templates, progress);
    if settings.jobs < 2 || !(LARGE_ROWS..HUGE_ROWS).contains(&rows.timeline.len()) {
        let result = conclude(rows)?;
        write(&result, folder)?;
        return Ok(result);
    }
    rows.whole()?;
    let folder = CaseFolder::create(folder)?;
    let timeline = rows.timeline.clone();
    let result = std::thread::scope(|scope| {
        let packing = scope.spawn(|| folder.prepare_timeline(&timeline, None));
        let result = conclude(rows)?;
        result.rows.whole()?;
        put_texts(&folder, &result)?;
        let timeline = packing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        folder.place(timeline)?;
        Ok::<_, RunError>(result)
    })?;
    put_inventory(&folder, &result)?;
    Ok(result)
}

/// Judges rows and renders the report.
pub(crate) fn conclude(
    rows: CaseRows,
    pack: &RulePack,
    lang: Lang,
    templates: &Templates,
    progress: &dyn Progress,
) -> Result<CaseResult, RunError> {
    progress.stage(Stage::Rules, 0);
    let judged = judge(pack, &rows.timeline, &rows.members, &rows.inputs, lang);
    progress.stage(Stage::Report, 0);
    let report = render(&rows, &judged, lang, templates)?;
    Ok(CaseResult {
        rows,
        findings: judged.findings,
        attempts: judged.attempts,
        report,
    })
}

/// Writes a finished case folder.
pub fn write(result: &CaseResult, folder: &Path) -> Result<(), RunError> {
    result.rows.whole()?;
    let folder = CaseFolder::create(folder)?;
    let texts = || put_texts(&folder, result);
    if result.rows.timeline.len() < LARGE_ROWS {
        folder.put_timeline(&result.rows.timeline)?;
        texts()?;
    } else {
        std::thread::scope(|scope| {
            let texts = scope.spawn(texts);
            let timeline = folder.put_timeline(&result.rows.timeline);
            let texts = texts
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            timeline.and(texts)
        })?;
    }
    put_inventory(&folder, result)
}

/// Everything but the timeline and the inventory.
pub(crate) fn put_texts(folder: &CaseFolder, result: &CaseResult) -> Result<(), RunError> {
    folder.put_json(names::FINDINGS, &result.findings)?;
    folder.put_json(names::ATTEMPTS, &result.attempts)?;
    result.report.put(folder)
}

/// The inventory; last, as it names what the others are, and only if they were made from all that was read.
pub(crate) fn put_inventory(folder: &CaseFolder, result: &CaseResult) -> Result<(), RunError> {
    result.rows.whole()?;
    let inventory = Inventory {
        schema_version: SCHEMA_VERSION,
        name: result.rows.name.clone(),
        inputs: result.rows.inputs.clone(),
        redaction: result.rows.redaction.as_str().to_owned(),
        pseudonym_key: result.rows.pseudonym_key.clone(),
        outputs: folder.written(),
        members: result.rows.members.clone(),
    };
    folder.put_json(names::INVENTORY, &inventory)
}

/// Compares two finished cases, with hidden what `mode` says. Both are judged again with `pack`, so that a changed rule is no
/// changed computer.
pub fn compare(
    before: &Path,
    after: &Path,
    pack: &RulePack,
    lang: Lang,
    mode: Mode,
) -> Result<Diff, RunError> {
    let [before, after] = pair([before, after], mode)?;
    let findings =
        [&before, &after].map(|case| judge(pack, &case.timeline, &case.members, &case.inputs, lang).findings);
    let [old, new] = [(&before, &findings[0]), (&after, &findings[1])].map(|(case, findings)| Capture {
        name: &case.name,
        findings,
        timeline: &case.timeline,
    });
    Ok(Diff::build(&old, &new, lang))
}

fn judge(
    pack: &RulePack,
    timeline: &Timeline,
    members: &[InventoryMember],
    inputs: &[InputFile],
    lang: Lang,
) -> Judged {
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
            clock_offset_s: member
                .clock_offset
                .as_ref()
                .map(|c| (c.offset_ms + c.offset_ms.signum() * 500) / 1_000),
            clock_reference: member
                .clock_offset
                .as_ref()
                .map_or_else(String::new, |c| c.reference.clone()),
            clock_pairs: member.clock_offset.as_ref().map_or(0, |c| c.pairs),
            clock_basis: member
                .clock_offset
                .as_ref()
                .map_or_else(String::new, |c| c.basis.clone()),
        })
        .collect();
    let context = Context {
        tool_version: env!("CARGO_PKG_VERSION"),
        lang,
        inputs: inputs.iter().map(|input| input.path.clone()).collect(),
        members: &members,
    };
    pack.judge(timeline, &context)
}

fn render(rows: &CaseRows, judged: &Judged, lang: Lang, templates: &Templates) -> Result<Rendered, RunError> {
    let inputs: Vec<InputLine> = rows
        .inputs
        .iter()
        .map(|input| InputLine {
            path: input.path.clone(),
            size: input.size,
            sha256: input.sha256.clone(),
        })
        .collect();
    let sources: Vec<SourceLine> = rows.members.iter().map(source_line).collect();
    let input = casetrace_report::Input {
        name: &rows.name,
        inputs: &inputs,
        sources: &sources,
        findings: &judged.findings,
        attempts: &judged.attempts,
        timeline: &rows.timeline,
    };
    let report = Report::build(&input, lang);
    Ok(Rendered {
        markdown: casetrace_report::markdown(&report, templates)?,
        html: casetrace_report::html(&report, templates)?,
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
