//! `casetrace analyze`: the main job.

use std::io::Write;
use std::path::{Path, PathBuf};

use casetrace_pipeline::{CaseResult, ReadOutcome, Settings};
use casetrace_rules::{Confidence, RulePack, Severity, Status};

use crate::args::{Analyze, Common, FailOn};
use crate::exit::{FINDINGS, Failure, PARTIAL, UNREADABLE};
use crate::guard::{self, Journal};
use crate::progress::Display;
use crate::{input, map_file, pack, terminal};

/// Findings named on the terminal.
const MAX_SHOWN: usize = 5;

/// Reads, judges, writes, and says in a few lines what came out.
pub(crate) fn run(args: &Analyze, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    let mut settings = input::settings(&args.reading)?;
    guard::enter(&mut settings)?;
    settings.templates = input::templates(&args.shape)?;
    let pack = pack::load(common.rules.as_deref())?;
    let folder = output_folder(args)?;
    let job = Job {
        inputs: &args.inputs,
        settings: &settings,
        pack: &pack,
        folder: &folder,
    };
    let map = map_file::open(args.reading.redaction_map.as_deref(), args.reading.sources.redact)?;
    let result = analyze_into(&job, common, out)?;
    if let Some(map) = map {
        map.write(&result.rows.pseudonyms)?;
    }
    verdict(&result, args)
}

/// Where results go.
pub(crate) fn output_folder(args: &Analyze) -> Result<PathBuf, Failure> {
    match &args.output {
        Some(folder) => Ok(folder.clone()),
        None => default_folder(args.inputs.first().map(PathBuf::as_path)),
    }
}

/// What is analysed, with what, and where results go.
pub(crate) struct Job<'a> {
    pub(crate) inputs: &'a [PathBuf],
    pub(crate) settings: &'a Settings,
    pub(crate) pack: &'a RulePack,
    pub(crate) folder: &'a Path,
}

/// Writes the case folder and the summary.
pub(crate) fn analyze_into(
    job: &Job<'_>,
    common: &Common,
    out: &mut dyn Write,
) -> Result<CaseResult, Failure> {
    let display = Display::new(common.quiet, false);
    let journal = Journal::new(&display);
    let result = casetrace_pipeline::analyze_into(
        job.inputs,
        job.settings,
        job.pack,
        common.lang,
        job.folder,
        &journal,
    )
    .map_err(input::failure)?;
    display.finish();
    if !common.quiet {
        summary(&result, job.folder, out)?;
    }
    Ok(result)
}

/// `./<input name>.casetrace`.
fn default_folder(input: Option<&Path>) -> Result<PathBuf, Failure> {
    let name = input
        .and_then(|path| path.canonicalize().ok())
        .and_then(|path| path.file_name().map(|name| name.to_owned()))
        .ok_or_else(|| {
            Failure::Usage("this input has no name; say where results go with -o DIR".to_owned())
        })?;
    let mut name = name;
    name.push(".casetrace");
    Ok(PathBuf::from(name))
}

fn summary(result: &CaseResult, folder: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let active: Vec<_> = result
        .findings
        .findings
        .iter()
        .filter(|f| f.status == Status::Active)
        .collect();
    let weighty: Vec<_> = active.iter().filter(|f| f.severity != Severity::Info).collect();
    if weighty.is_empty() {
        let known = result.rows.timeline.has_facts();
        writeln!(
            out,
            "{}",
            match known {
                true => "No cause of a failure was found.",
                false => "Nothing of a known form was found, so this says nothing about failures.",
            }
        )?;
    }
    let kinds = match result.findings.unexplained.len() {
        0 => None,
        1 => Some("One kind of failure is".to_owned()),
        n => Some(format!("{n} kinds of failures are")),
    };
    if let Some(kinds) = kinds {
        writeln!(
            out,
            "{kinds} recorded that no finding explains; the report lists them."
        )?;
    }
    for finding in weighty.iter().take(MAX_SHOWN) {
        let subject = finding
            .subject
            .as_deref()
            .map(|s| format!(" ({s})"))
            .unwrap_or_default();
        let rank = finding.rank.map(|rank| rank.to_string()).unwrap_or_default();
        let line = format!(
            "{rank}. {} {}: {}{subject}",
            finding.rule_id,
            finding.confidence.as_str(),
            finding.title
        );
        writeln!(out, "{}", terminal::line(&line))?;
    }
    if weighty.len() > MAX_SHOWN {
        writeln!(out, "… and {} more", weighty.len() - MAX_SHOWN)?;
    }
    let unread = |outcome: ReadOutcome| {
        result
            .rows
            .members
            .iter()
            .filter(|m| m.outcome == outcome)
            .count()
    };
    let (partial, failed) = (unread(ReadOutcome::Partial), unread(ReadOutcome::Failed));
    let files = |n: usize| {
        if n == 1 {
            "1 file".to_owned()
        } else {
            format!("{n} files")
        }
    };
    writeln!(
        out,
        "{} read, {} rows",
        files(result.rows.members.len()),
        result.rows.timeline.len()
    )?;
    if partial + failed > 0 {
        writeln!(
            out,
            "{} in part, {failed} not at all; the report says what was lost",
            files(partial)
        )?;
    }
    writeln!(out, "Report: {}", folder.join("report.md").display())?;
    Ok(())
}

fn verdict(result: &CaseResult, args: &Analyze) -> Result<(), Failure> {
    if !result.rows.any_decoded() {
        return Err(Failure::Code(UNREADABLE));
    }
    let wanted = args.fail_on.map(|level| match level {
        FailOn::Possible => Confidence::Possible,
        FailOn::Likely => Confidence::Likely,
        FailOn::Proved => Confidence::Proved,
    });
    let reached = |level: Confidence| {
        let mut findings = result.findings.findings.iter();
        findings.any(|f| f.status == Status::Active && f.severity != Severity::Info && f.confidence <= level)
    };
    if wanted.is_some_and(reached) {
        return Err(Failure::Code(FINDINGS));
    }
    if args.strict && result.rows.any_partial() {
        return Err(Failure::Code(PARTIAL));
    }
    Ok(())
}
