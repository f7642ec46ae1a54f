//! `casetrace report`: a finished case once more, in another language, by other templates, with more hidden.

use std::io::Write;
use std::path::{Path, PathBuf};

use casetrace_pipeline::{CaseFolder, CaseResult, Mode, analyze_again, names, note_outputs, write};

use crate::args::{Common, ReportArgs};
use crate::exit::Failure;
use crate::{input, map_file, output, pack};

/// Judges again with the present rules; rows stay as they are but for what is hidden in them.
pub(crate) fn run(args: &ReportArgs, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    let templates = input::templates(&args.shape)?;
    let pack = pack::load(common.rules.as_deref())?;
    let target = target(args)?;
    let map = map_file::open(args.redaction_map.as_deref(), args.redact)?;
    let result = analyze_again(&args.case, &pack, common.lang, &templates, args.redact.mode());
    let result = result.map_err(input::failure)?;
    if let Some(map) = map {
        map.write(&result.rows.pseudonyms)?;
    }
    let report = put(&result, &target)?;
    writeln!(out, "Report: {}", report.display())?;
    Ok(())
}

/// What is written.
enum Target<'a> {
    /// The case's own reports.
    Own(&'a Path),
    Markdown(&'a Path),
    Html(&'a Path),
    /// A case folder of its own.
    Folder(&'a Path),
}

fn target(args: &ReportArgs) -> Result<Target<'_>, Failure> {
    let Some(path) = &args.output else {
        // Half a case without names would be taken for a whole one.
        return match args.redact.mode() {
            Mode::Identity => Err(Failure::Usage(
                "--redact identity leaves the case as it is; say with -o DIR where the one without names goes, \
                 or with -o FILE.md where its report goes"
                    .to_owned(),
            )),
            Mode::Secrets | Mode::None => Ok(Target::Own(&args.case)),
        };
    };
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    Ok(match ending.to_str().unwrap_or_default() {
        "html" | "htm" => Target::Html(path),
        "md" | "markdown" | "txt" => Target::Markdown(path),
        _ if path.is_file() => {
            return Err(Failure::Usage(format!(
                "{} is a file; a report ends in .md or .html, a case needs a folder",
                path.display()
            )));
        }
        _ if same(path, &args.case) => {
            return Err(Failure::Usage(
                "the case would be written over itself; name another folder with -o".to_owned(),
            ));
        }
        _ => Target::Folder(path),
    })
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Writes; returns where the report is.
fn put(result: &CaseResult, target: &Target<'_>) -> Result<PathBuf, Failure> {
    let text = |path: &Path, text: &str| {
        output::to_file(path, |file| Ok(file.write_all(text.as_bytes())?))?;
        Ok(path.to_owned())
    };
    match target {
        Target::Markdown(path) => text(path, &result.report.markdown),
        Target::Html(path) => text(path, &result.report.html),
        Target::Own(case) => {
            let folder = CaseFolder::create(case).map_err(input::failure)?;
            result.report.put(&folder).map_err(input::failure)?;
            note_outputs(&folder).map_err(input::failure)?;
            Ok(case.join(names::REPORT))
        }
        Target::Folder(path) => {
            write(result, path).map_err(input::failure)?;
            Ok(path.join(names::REPORT))
        }
    }
}
