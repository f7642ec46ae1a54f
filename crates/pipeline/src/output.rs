//! Writes and reads finished case folders.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use casetrace_timeline::{Timeline, read_parquet, write_labelled_parquet};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::error::RunError;
use crate::inventory::{Inventory, OutputFile, SCHEMA_VERSION};

/// File names of a finished case folder.
pub mod names {
    /// The escalation report.
    pub const REPORT: &str = "report.md";
    /// The same as one offline page.
    pub const HTML: &str = "report.html";
    /// Findings and data quality.
    pub const FINDINGS: &str = "findings.json";
    /// All rows.
    pub const TIMELINE: &str = "timeline.parquet";
    /// Attempts: which rows are one story.
    pub const ATTEMPTS: &str = "attempts.json";
    /// All members.
    pub const INVENTORY: &str = "inventory.json";
}

/// A case folder being written: files appear under their names only when they are whole.
#[derive(Debug)]
pub struct CaseFolder {
    folder: PathBuf,
    /// It was not there before.
    made: bool,
    written: Mutex<BTreeMap<String, OutputFile>>,
}

/// A file that is whole and has no name yet; dropped, it is gone.
pub(crate) struct Prepared {
    part: NamedTempFile,
    path: PathBuf,
    output: OutputFile,
}

/// A file being written, and the hash of what went into it.
pub struct Hashed<'a> {
    out: &'a mut (dyn Write + Send),
    hash: Sha256,
    size: u64,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hash.update(bytes.get(..n).unwrap_or_default());
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl CaseFolder {
    /// Makes the folder if it is not there.
    pub fn create(folder: &Path) -> Result<Self, RunError> {
        let made = !folder.exists();
        fs::create_dir_all(folder).map_err(|source| RunError::Output {
            path: folder.to_owned(),
            source,
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            made,
            written: Mutex::default(),
        })
    }

    /// The files written so far, by name.
    pub fn written(&self) -> Vec<OutputFile> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.values().cloned().collect()
    }

    /// Writes one file with `fill` and puts it in place.
    pub fn put(
        &self,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<Hashed<'_>>) -> io::Result<()>,
    ) -> Result<(), RunError> {
        self.place(self.prepare(name, fill)?)
    }

    /// Writes one file with `fill`, which waits for its name until it is [placed](Self::place).
    fn prepare(
        &self,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<Hashed<'_>>) -> io::Result<()>,
    ) -> Result<Prepared, RunError> {
        let path = self.folder.join(name);
        let failed = |source| RunError::Output {
            path: path.clone(),
            source,
        };
        let (part, output) = beside(&path, failed, |out| {
            let hashed = Hashed {
                out,
                hash: Sha256::new(),
                size: 0,
            };
            let mut buffered = BufWriter::with_capacity(1 << 16, hashed);
            fill(&mut buffered)
                .and_then(|()| buffered.flush())
                .map_err(failed)?;
            let (hashed, _) = buffered.into_parts();
            Ok(OutputFile {
                name: name.to_owned(),
                size: hashed.size,
                sha256: hex(&hashed.hash.finalize()),
            })
        })?;
        Ok(Prepared { part, path, output })
    }

    /// Gives a file its name.
    pub(crate) fn place(&self, file: Prepared) -> Result<(), RunError> {
        let Prepared { part, path, output } = file;
        part.persist(&path).map_err(|error| RunError::Output {
            path,
            source: error.error,
        })?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.insert(output.name.clone(), output);
        Ok(())
    }

    /// Writes a JSON document with a final line break.
    pub fn put_json(&self, name: &str, document: &impl serde::Serialize) -> Result<(), RunError> {
        self.put(name, |out| {
            serde_json::to_writer_pretty(&mut *out, document).map_err(io::Error::from)?;
            out.write_all(b"\n")
        })
    }

    /// Writes the timeline.
    pub fn put_timeline(&self, timeline: &Timeline) -> Result<(), RunError> {
        self.put_labelled_timeline(timeline, None)
    }

    /// Writes the timeline with a column in front that says whose rows these are.
    pub(crate) fn put_labelled_timeline(
        &self,
        timeline: &Timeline,
        label: Option<(&str, &str)>,
    ) -> Result<(), RunError> {
        self.place(self.prepare_timeline(timeline, label)?)
    }

    /// The timeline's file, which waits for its name.
    pub(crate) fn prepare_timeline(
        &self,
        timeline: &Timeline,
        label: Option<(&str, &str)>,
    ) -> Result<Prepared, RunError> {
        let mut refused = None;
        self.prepare(names::TIMELINE, |out| {
            match write_labelled_parquet(timeline, label, out) {
                Ok(_) => Ok(()),
                Err(error) => {
                    let text = error.to_string();
                    refused = Some(error);
                    Err(io::Error::other(text))
                }
            }
        })
        .map_err(|error| refused.take().map_or(error, RunError::from))
    }
}

/// A run that failed before its first file leaves no folder behind.
impl Drop for CaseFolder {
    fn drop(&mut self) {
        if self.made && self.written().is_empty() {
            // Only an empty folder can be removed this way.
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

/// Writes `path` whole or not at all: `fill` writes into a hidden file beside it, which then takes its name. A stopped or
/// failed run leaves what was there before.
///
/// Errors: those of `fill`, and `failed` for what the file system says.
pub fn replace<T, E>(
    path: &Path,
    failed: impl Fn(io::Error) -> E,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<T, E>,
) -> Result<T, E> {
    let (part, filled) = beside(path, &failed, fill)?;
    part.persist(path).map_err(|error| failed(error.error))?;
    Ok(filled)
}

/// A hidden file in the folder of `path`, filled.
fn beside<T, E>(
    path: &Path,
    failed: impl Fn(io::Error) -> E,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<T, E>,
) -> Result<(NamedTempFile, T), E> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let mut part = hidden()
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(&failed)?;
    let mut out = BufWriter::with_capacity(1 << 20, part.as_file_mut());
    let filled = fill(&mut out)?;
    out.flush().map_err(&failed)?;
    drop(out);
    Ok((part, filled))
}

/// Puts the hashes of what `folder` has written since into the case's inventory.
///
/// Errors: the case has no readable inventory, or it can't be written.
pub fn note_outputs(folder: &CaseFolder) -> Result<(), RunError> {
    let path = folder.folder.join(names::INVENTORY);
    let wrong = |reason: String| RunError::Case {
        path: folder.folder.clone(),
        reason: format!("{}: {reason}", names::INVENTORY),
    };
    let text = fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    let mut inventory: Inventory = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let new = folder.written();
    inventory
        .outputs
        .retain(|old| new.iter().all(|output| output.name != old.name));
    inventory.outputs.extend(new);
    inventory.outputs.sort_by(|a, b| a.name.cmp(&b.name));
    folder.put_json(names::INVENTORY, &inventory)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Temporary files are private by default; results get what a plain create would give under the user's mask.
fn hidden() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".part-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

/// A finished case, read back.
#[derive(Debug)]
pub struct FinishedCase {
    /// All rows.
    pub timeline: Timeline,
    /// All members.
    pub inventory: Inventory,
}

/// Reads a case folder that [`CaseFolder`] wrote.
pub fn load(folder: &Path) -> Result<FinishedCase, RunError> {
    Ok(FinishedCase {
        inventory: load_inventory(folder)?,
        timeline: read_parquet(&folder.join(names::TIMELINE))?,
    })
}

/// Reads a case folder's inventory.
///
/// Errors: it can't be read, or the timeline beside it is not the one that was written with it. The reader of Parquet trusts its
/// files: a damaged one may end the program.
pub(crate) fn load_inventory(folder: &Path) -> Result<Inventory, RunError> {
    let wrong = |reason: String| RunError::Case {
        path: folder.to_owned(),
        reason: format!("{}{reason}", names::INVENTORY),
    };
    let text =
        fs::read_to_string(folder.join(names::INVENTORY)).map_err(|error| wrong(format!(": {error}")))?;
    let inventory: Inventory = serde_json::from_str(&text).map_err(|error| wrong(format!(": {error}")))?;
    if inventory.schema_version != SCHEMA_VERSION {
        return Err(wrong(format!(" has schema version {}", inventory.schema_version)));
    }
    let told = inventory
        .outputs
        .iter()
        .find(|output| output.name == names::TIMELINE);
    if let Some(told) = told
        && sha256_of(&folder.join(names::TIMELINE))? != told.sha256
    {
        return Err(RunError::Case {
            path: folder.to_owned(),
            reason: format!(
                "{} is damaged or was changed: its SHA-256 is not the one in {}; analyse the upload again",
                names::TIMELINE,
                names::INVENTORY
            ),
        });
    }
    Ok(inventory)
}

/// SHA-256 of a file's bytes, lower-case hex.
fn sha256_of(path: &Path) -> Result<String, RunError> {
    let read = |source| RunError::Input {
        path: path.to_owned(),
        source,
    };
    let mut hashed = Hashed {
        out: &mut io::sink(),
        hash: Sha256::new(),
        size: 0,
    };
    let mut file = fs::File::open(path).map_err(read)?;
    io::copy(&mut file, &mut hashed).map_err(read)?;
    Ok(hex(&hashed.hash.finalize()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_folder_made_for_nothing_goes_again() {
        let work = tempfile::tempdir().unwrap();
        let (new, old) = (work.path().join("new"), work.path().join("old"));
        fs::create_dir(&old).unwrap();
        for folder in [&new, &old] {
            let failed = CaseFolder::create(folder)
                .unwrap()
                .put("a", |_| Err(io::Error::other("no")));
            assert!(failed.is_err());
        }
        assert!(!new.exists());
        assert!(old.exists());
        CaseFolder::create(&new)
            .unwrap()
            .put("a", |out| out.write_all(b"x"))
            .unwrap();
        assert_eq!(fs::read(new.join("a")).unwrap(), b"x");
    }
}
