//! `casetrace diff`: what changed between two finished cases.

use std::io::Write;

use casetrace_pipeline::{Diff, compare, diff_html, diff_markdown};

use crate::args::{Common, DiffArgs, DiffFormat};
use crate::exit::Failure;
use crate::{input, output, pack};

/// Compares and prints, or writes a file.
pub(crate) fn run(args: &DiffArgs, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    let templates = input::templates(&args.shape)?;
    let pack = pack::load(common.rules.as_deref())?;
    let mode = args.redact.mode();
    let diff = compare(&args.before, &args.after, &pack, common.lang, mode).map_err(input::failure)?;
    let text = match args.format {
        DiffFormat::Md => diff_markdown(&diff, &templates).map_err(input::template)?,
        DiffFormat::Html => diff_html(&diff, &templates).map_err(input::template)?,
        DiffFormat::Json => json(diff)?,
    };
    match &args.output {
        None => Ok(out.write_all(text.as_bytes())?),
        Some(path) => output::to_file(path, |file| Ok(file.write_all(text.as_bytes())?)),
    }
}

/// Without the words of the language.
fn json(mut diff: Diff) -> Result<String, Failure> {
    diff.t.clear();
    Ok(serde_json::to_string_pretty(&diff)? + "\n")
}
