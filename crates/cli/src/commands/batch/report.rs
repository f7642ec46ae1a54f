//! `casetrace batch report`: what the published cases have in common.

use std::io::Write;
use std::path::Path;

use casetrace_fleet::{Dataset, Fleet, FleetError, Options, Step, html, markdown};
use casetrace_pipeline::tables;

use crate::args::Common;
use crate::batch_args::{FleetReport, Period, ReportFormat};
use crate::exit::Failure;
use crate::{input, output};

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
        Some(path) => output::to_file(path, |file| Ok(file.write_all(text.as_bytes())?)),
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

#[expect(clippy::needless_pass_by_value, reason = "used as a map_err function")]
fn failure(error: FleetError) -> Failure {
    Failure::Internal(error.to_string())
}
