//! `casetrace batch plan`.

use std::io::Write;

use casetrace_batch::plan;

use super::{failure, settings};
use crate::args::Common;
use crate::batch_args::{Plan, PlanFormat};
use crate::exit::Failure;

/// Prints one line a case.
pub(crate) fn run(args: &Plan, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    let settings = settings::settings(&args.places, &args.bounds, &args.analysis, common, 1)?;
    let lines = plan(&settings, args.shard).map_err(failure)?;
    for line in &lines {
        match args.format {
            PlanFormat::Jsonl => {
                serde_json::to_writer(&mut *out, line)?;
                writeln!(out)?;
            }
            PlanFormat::Text => writeln!(
                out,
                "{:<9} {:>12} {:>4} files  {}",
                line.state.as_str(),
                line.bytes,
                line.inputs.len(),
                line.bundle
            )?,
        }
    }
    if args.format == PlanFormat::Text {
        writeln!(out, "{} cases", lines.len())?;
    }
    Ok(())
}
