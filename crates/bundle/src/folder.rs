//! Inputs on disk: single files and folder trees, read in place and in name order.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use casetrace_model::Diagnostic;

use crate::case::{MemberOutcome, OpenError};
use crate::expand::{Builder, Entry};

/// Folders within folders; a loop cannot occur as links are not followed, but a hostile share may be deep.
const MAX_FOLDER_DEPTH: usize = 64;

/// Adds one input, a file or a folder, and everything below it.
pub(crate) fn add_input(builder: &mut Builder<'_>, input: &Path) -> Result<(), OpenError> {
    let fail = |source| OpenError::Input {
        path: input.to_path_buf(),
        source,
    };
    let meta = fs::metadata(input).map_err(fail)?;
    let name = input_name(input);
    if meta.is_dir() {
        let base = format!("{name}/");
        fs::read_dir(input).map_err(fail)?;
        return add_folder(builder, input, &base, 0);
    }
    if !meta.is_file() {
        let text = "not a regular file or folder; save it as a file first";
        return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, text)));
    }
    let file = File::open(input).map_err(fail)?;
    match builder.add_disk(&name, input, file) {
        Some(index) => builder.expand(index, 0),
        None => Ok(()),
    }
}

/// The last component, also for `.` and `..`, so that no path of this machine gets into the results.
fn input_name(input: &Path) -> String {
    let absolute: PathBuf;
    let named = match input.file_name() {
        Some(_) => input,
        None => {
            absolute = fs::canonicalize(input).unwrap_or_else(|_| input.to_path_buf());
            &absolute
        }
    };
    named
        .file_name()
        .map_or_else(|| "input".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn add_folder(builder: &mut Builder<'_>, dir: &Path, base: &str, depth: usize) -> Result<(), OpenError> {
    let names = match sorted_names(dir) {
        Ok(names) => names,
        Err(error) => {
            unreadable(builder, base, &error);
            return Ok(());
        }
    };
    for name in names {
        let path = dir.join(&name);
        let logical = format!("{base}{}", name.to_string_lossy());
        let kind = match fs::symlink_metadata(&path) {
            Ok(meta) => meta.file_type(),
            Err(error) => {
                unreadable(builder, &logical, &error);
                continue;
            }
        };
        if kind.is_dir() && depth < MAX_FOLDER_DEPTH {
            add_folder(builder, &path, &format!("{logical}/"), depth + 1)?;
        } else if kind.is_file() {
            add_file(builder, &path, &logical)?;
        } else {
            let text = "not a regular file (link, device, or too deep a folder); links are not followed";
            skipped(builder, &logical, Diagnostic::warning("BundleNotRegular", text));
        }
    }
    Ok(())
}

fn sorted_names(dir: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = fs::read_dir(dir)?
        .map(|entry| entry.map(|e| e.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn add_file(builder: &mut Builder<'_>, path: &Path, logical: &str) -> Result<(), OpenError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => {
            unreadable(builder, logical, &error);
            return Ok(());
        }
    };
    match builder.add_disk(logical, path, file) {
        Some(index) => builder.expand(index, 0),
        None => Ok(()),
    }
}

fn unreadable(builder: &mut Builder<'_>, logical: &str, error: &io::Error) {
    let text = format!("cannot be opened: {}", error.kind());
    let entry = Entry {
        name: logical.to_owned(),
        diagnostics: vec![Diagnostic::error("BundleUnreadable", text)],
        ..Entry::default()
    };
    builder.add_absent(None, "", entry, MemberOutcome::Failed);
}

fn skipped(builder: &mut Builder<'_>, logical: &str, diagnostic: Diagnostic) {
    let entry = Entry {
        name: logical.to_owned(),
        diagnostics: vec![diagnostic],
        ..Entry::default()
    };
    builder.add_absent(None, "", entry, MemberOutcome::Skipped);
}
