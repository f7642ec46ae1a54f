//! `casetrace report`: render a finished case again.

use std::io::Write;

use casetrace_pipeline::{CaseFolder, names, note_outputs, report_again};

use crate::args::{Common, ReportArgs};
use crate::exit::Failure;
use crate::{input, output, pack};

/// Judges again with the present rules and writes the report only; rows stay as they are.
pub(crate) fn run(args: &ReportArgs, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    let templates = input::templates(&args.shape)?;
    let pack = pack::load(common.rules.as_deref())?;
    let (_, report) = report_again(&args.case, &pack, common.lang, &templates).map_err(input::failure)?;
    match &args.output {
        Some(path) => {
            let html = path
                .extension()
                .is_some_and(|ending| ending.eq_ignore_ascii_case("html"));
            let text = if html { &report.html } else { &report.markdown };
            output::to_file(path, |file| Ok(file.write_all(text.as_bytes())?))?;
            writeln!(out, "Report: {}", path.display())?;
        }
        None => {
            let folder = CaseFolder::create(&args.case).map_err(input::failure)?;
            report.put(&folder).map_err(input::failure)?;
            note_outputs(&folder).map_err(input::failure)?;
            writeln!(out, "Report: {}", args.case.join(names::REPORT).display())?;
        }
    }
    Ok(())
}
