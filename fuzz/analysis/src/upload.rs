//! One upload through everything: unpacking, decoding, redaction, rules, report and the case folder.

use std::fs;
use std::io;
use std::path::PathBuf;

use casetrace_fuzz::sweep::{Reader, Tally, folder, limits};
use casetrace_knowledge::Lang;
use casetrace_pipeline::{RunError, Settings, Silent, analyze, write};

use crate::case::{RULES, settings};

/// A place for one upload at a time.
pub(crate) struct Whole {
    folder: tempfile::TempDir,
    settings: Settings,
}

impl Whole {
    /// Errors: what the file system says.
    pub(crate) fn new() -> io::Result<Self> {
        let folder = folder()?;
        let mut settings = settings().map_err(io::Error::other)?;
        settings.work_dir = folder.path().to_owned();
        settings.limits = limits();
        Ok(Self { folder, settings })
    }

    fn result(&self) -> PathBuf {
        self.folder.path().join("result")
    }
}

impl Reader for Whole {
    fn read(&self, name: &str, data: &[u8]) -> io::Result<Tally> {
        let upload = self.folder.path().join(name);
        fs::write(&upload, data)?;
        let inputs = std::slice::from_ref(&upload);
        let case = analyze(inputs, &self.settings, &RULES.pack, Lang::En, &Silent).map_err(failed)?;
        write(&case, &self.result()).map_err(failed)?;
        fs::remove_dir_all(self.result())?;
        fs::remove_file(&upload)?;
        Ok(Tally {
            members: case.rows.members.len(),
            rows: case.rows.timeline.len(),
            diagnostics: case.rows.members.iter().map(|m| m.diagnostics.len()).sum(),
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a map_err function")]
fn failed(error: RunError) -> io::Error {
    io::Error::other(error.to_string())
}
