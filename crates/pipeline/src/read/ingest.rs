//! Inputs to members, in a private work folder.

use std::io;
use std::path::{Path, PathBuf};

use casetrace_bundle::{Case, MemberOutcome, Step};
use casetrace_model::Diagnostic;
use tempfile::TempDir;

use crate::error::RunError;
use crate::progress::{Progress, Stage};
use crate::settings::{Care, Settings};

/// A folder that only this user can look into, removed when it is dropped.
pub(super) fn private_folder(base: &Path) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("casetrace-");
    // The default follows the umask, which mostly lets everybody read.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(base)
}

pub(super) fn ingest(
    inputs: &[PathBuf],
    settings: &Settings,
    work: &Path,
    progress: &dyn Progress,
) -> Result<Case, RunError> {
    let options = casetrace_bundle::Options {
        limits: settings.limits,
        passwords: settings.passwords.clone(),
        work_dir: work.to_path_buf(),
        threads: settings.jobs,
    };
    progress.stage(Stage::Ingest, 0);
    let mut report = |at: casetrace_bundle::Progress<'_>| match at.step {
        Step::Member => {
            progress.advance(1);
            progress.detail(at.path);
        }
        Step::Opening => progress.begin(at.path),
        Step::Opened => progress.end(at.path),
    };
    let closed: Vec<String> = settings
        .care
        .leave_out
        .iter()
        .map(|(path, _)| path.clone())
        .collect();
    casetrace_bundle::open_except(inputs, &options, &closed, &mut report).map_err(RunError::from)
}

/// Members that ended an earlier attempt count as unreadable.
pub(super) fn leave_out(case: &mut Case, care: &Care) {
    for (path, reason) in &care.leave_out {
        if let Some(member) = case.members.iter_mut().find(|member| member.path == *path) {
            member.outcome = MemberOutcome::Failed;
            let text = format!(
                "reading this member {reason}; it was left out and the rest of the case was read without it"
            );
            member.diagnostics.push(Diagnostic::error("DecoderEnded", text));
        }
    }
}
