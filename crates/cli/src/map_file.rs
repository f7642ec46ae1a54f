//! The file that says which name a pseudonym stands for.
//!
//! It is opened before anything is read, so that a run of hours doesn't end in a refusal; it is never written over
//! another file, and only its owner can read it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::args::Redact;
use crate::exit::Failure;

/// A map file that is still empty.
#[derive(Debug)]
pub(crate) struct MapFile {
    file: File,
    path: PathBuf,
}

/// Opens the file that `--redaction-map` names.
pub(crate) fn open(path: Option<&Path>, redact: Redact) -> Result<Option<MapFile>, Failure> {
    let Some(path) = path else { return Ok(None) };
    if redact != Redact::Identity {
        return Err(Failure::Usage(
            "--redaction-map needs --redact identity: nothing else replaces names".to_owned(),
        ));
    }
    let file = private(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Usage(format!(
            "{} is there already; a map is not written over another file",
            path.display()
        )),
        _ => Failure::io(&path.display().to_string(), &error),
    })?;
    Ok(Some(MapFile {
        file,
        path: path.to_owned(),
    }))
}

#[cfg(unix)]
fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Elsewhere the folder decides who can read it.
#[cfg(not(unix))]
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

impl MapFile {
    /// Writes a JSON object, pseudonyms by name.
    pub(crate) fn write(self, pseudonyms: &BTreeMap<String, String>) -> Result<(), Failure> {
        let mut out = BufWriter::new(self.file);
        let failed = |error: io::Error| Failure::io(&self.path.display().to_string(), &error);
        serde_json::to_writer_pretty(&mut out, pseudonyms).map_err(|error| failed(error.into()))?;
        writeln!(out).and_then(|()| out.flush()).map_err(failed)
    }
}
