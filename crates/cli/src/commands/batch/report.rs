//! `casetrace batch report`: what the published cases have in common.

use std::io::Write;
use std::path::Path;

use casetrace_fleet::{Dataset, Fleet, FleetError, Options, Step, html, markdown};
use casetrace_pipeline::tables;

use crate::args::{self, Common};
use crate::batch_args::{FleetReport, Period, ReportFormat};
use crate::exit::Failure;
use crate::input;

/// Asks all questions and renders.
pub(crate) fn run(args: &FleetReport, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    let all = tables(std::slice::from_ref(&args.out)).map_err(input::failure)?;
    let dataset = Dataset::new(all).map_err(failure)?.with_records(&args.out);
    let options = Options {
        since: args.since,
        until: args.until,
        step: match args.by {
            Period::Month => Step::Month,
            Period::Week => Step::Week,
        },
        lang: common.lang,
    };
    let fleet = Fleet::build(&dataset, &options).map_err(failure)?;
    let text = match format(args) {
        ReportFormat::Md => markdown(&fleet, None),
        ReportFormat::Html => html(&fleet, None),
    }
    .map_err(failure)?;
    match &args.output {
        None => Ok(out.write_all(text.as_bytes())?),
        Some(path) => put(path, &text),
    }
}

/// As asked for, else by the ending of the file.
fn format(args: &FleetReport) -> ReportFormat {
    let ending = args.output.as_deref().and_then(Path::extension);
    let html = ending.is_some_and(|ending| ending.eq_ignore_ascii_case("html"));
    args.format.unwrap_or(if html {
        ReportFormat::Html
    } else {
        ReportFormat::Md
    })
}

/// Writes beside the name and renames, so that a reader never sees half a report.
fn put(path: &Path, text: &str) -> Result<(), Failure> {
    let name = path.display().to_string();
    let failed = |error: &std::io::Error| Failure::io(&name, error);
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut part = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    part.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    args::readable_by_all(part.as_file()).map_err(|error| failed(&error))?;
    part.persist(path).map(drop).map_err(|error| failed(&error.error))
}

#[expect(clippy::needless_pass_by_value, reason = "used as a map_err function")]
fn failure(error: FleetError) -> Failure {
    Failure::Internal(error.to_string())
}
