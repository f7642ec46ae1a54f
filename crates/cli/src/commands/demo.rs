//! `casetrace demo`: a made-up upload on disk, and its report.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use casetrace_knowledge::closest;
use casetrace_pipeline::{Secret, Settings, replace};

use super::analyze::{Job, analyze_into};
use crate::args::{Common, Demo, Lang};
use crate::demo::{BUNDLES, Bundle};
use crate::exit::Failure;
use crate::pack;

/// Folder for demos, below the current one.
const FOLDER: &str = "casetrace-demo";

/// Writes the upload as a customer would send it, then does what `analyze` does.
pub(crate) fn run(args: &Demo, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    if args.list {
        return list(common, out);
    }
    let bundle = BUNDLES
        .iter()
        .find(|bundle| bundle.name == args.name)
        .ok_or_else(|| unknown(&args.name))?;
    let folder = match &args.output {
        Some(folder) => folder.clone(),
        None => Path::new(FOLDER).join(bundle.name),
    };
    let upload = unpack(bundle, &folder)?;
    if !common.quiet {
        writeln!(out, "Upload: {}", upload.display())?;
    }
    let mut settings = Settings::new().map_err(Failure::Internal)?;
    if let Some(passwords) = bundle.passwords {
        let text = String::from_utf8_lossy(passwords);
        settings.passwords = text.lines().map(|line| Secret::new(line.to_owned())).collect();
    }
    let job = Job {
        inputs: &[upload],
        settings: &settings,
        pack: &pack::load(common.rules.as_deref())?,
        folder: &folder.join("upload.casetrace"),
    };
    analyze_into(&job, common, out).map(drop)
}

fn list(common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    for bundle in BUNDLES {
        let [en, ja] = bundle.shows;
        let shows = match common.lang {
            Lang::En => en,
            Lang::Ja => ja,
        };
        writeln!(out, "{:<30} {shows}", bundle.name)?;
    }
    Ok(())
}

fn unknown(name: &str) -> Failure {
    let near = closest(name, BUNDLES.iter().map(|bundle| bundle.name));
    let hint = match near.first() {
        Some(near) => format!("did you mean {near}?"),
        None => "casetrace demo --list says which there are".to_owned(),
    };
    Failure::Usage(format!("there is no demo {name:?}; {hint}"))
}

/// The folder `upload`, with the file for `--password-file` beside it.
fn unpack(bundle: &Bundle, folder: &Path) -> Result<PathBuf, Failure> {
    let upload = folder.join("upload");
    let failed = |error| Failure::io(&upload.display().to_string(), &error);
    fs::create_dir_all(&upload).map_err(failed)?;
    let passwords = bundle
        .passwords
        .map(|bytes| (folder.join("passwords.txt"), bytes));
    let files = bundle
        .files
        .iter()
        .map(|(name, bytes)| (upload.join(name), *bytes));
    for (path, bytes) in files.chain(passwords) {
        replace(&path, failed, |out| out.write_all(bytes).map_err(failed))?;
    }
    Ok(upload)
}
