//! Writes and reads finished case folders.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use casetrace_timeline::{Timeline, read_parquet, write_labelled_parquet};

use crate::error::RunError;
use crate::inventory::{Inventory, SCHEMA_VERSION};

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
}

impl CaseFolder {
    /// Makes the folder if it is not there.
    pub fn create(folder: &Path) -> Result<Self, RunError> {
        fs::create_dir_all(folder).map_err(|source| RunError::Output {
            path: folder.to_owned(),
            source,
        })?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Writes one file with `fill` and puts it in place.
    pub fn put(
        &self,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
    ) -> Result<(), RunError> {
        let path = self.folder.join(name);
        let failed = |source| RunError::Output {
            path: path.clone(),
            source,
        };
        replace(&path, failed, |out| fill(out).map_err(failed))
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
        let mut refused = None;
        self.put(names::TIMELINE, |out| {
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

/// Writes `path` whole or not at all: `fill` writes into a hidden file beside it, which then takes its name. A stopped or
/// failed run leaves what was there before.
///
/// Errors: those of `fill`, and `failed` for what the file system says.
pub fn replace<T, E>(
    path: &Path,
    failed: impl Fn(io::Error) -> E,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<T, E>,
) -> Result<T, E> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let mut part = beside()
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(&failed)?;
    let mut out = BufWriter::with_capacity(1 << 20, part.as_file_mut());
    let filled = fill(&mut out)?;
    out.flush().map_err(&failed)?;
    drop(out);
    part.persist(path).map_err(|error| failed(error.error))?;
    Ok(filled)
}

/// Temporary files are private by default; results get what a plain create would give under the user's mask.
fn beside() -> tempfile::Builder<'static, 'static> {
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
    let path = folder.join(names::INVENTORY);
    let wrong = |reason: String| RunError::Case {
        path: folder.to_owned(),
        reason,
    };
    let text = fs::read_to_string(&path).map_err(|error| wrong(format!("{}: {error}", names::INVENTORY)))?;
    let inventory: Inventory =
        serde_json::from_str(&text).map_err(|error| wrong(format!("{}: {error}", names::INVENTORY)))?;
    if inventory.schema_version != SCHEMA_VERSION {
        return Err(wrong(format!(
            "{} has schema version {}",
            names::INVENTORY,
            inventory.schema_version
        )));
    }
    Ok(FinishedCase {
        timeline: read_parquet(&folder.join(names::TIMELINE))?,
        inventory,
    })
}
