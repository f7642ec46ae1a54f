//! Runs what reads uploads in a child process, so that an upload which ends the process costs one member of the case.
//!
//! A decoder that panics, overflows its stack, is refused memory or runs into a limit ends the child, not the command.
//! The child notes in a journal which members it is working on ([`journal`]); the parent reads who was in hand, and
//! starts again without that member ([`care`]). If several were in hand at once they are decoded one at a time on
//! the next attempt, so that no innocent one is left out. That is `analyze`; other verbs have one attempt ([`shield`]), as a user
//! who asks one thing of one file has no use for the rest.
//!
//! The parent never looks at the upload. It owns the work folder (0700) and removes it however the child ends, also
//! after Ctrl-C or `kill`. The child lives under limits on memory, CPU time and file size, leaves no core dump, and
//! ends with its parent: its standard input is a line that closes then. Linux only; elsewhere, and with `--in-process`,
//! the command does its work itself.

mod care;
mod journal;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod supervisor;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use casetrace_pipeline::Settings;

use crate::args::{Analyze, Common};
use crate::exit::{self, Failure};
pub(crate) use journal::Journal;
#[cfg(debug_assertions)]
pub(crate) use journal::fault;

/// Tells the child its work folder.
const WORKER: &str = "CASETRACE_WORKER";

/// The work folder, if this process is the child.
pub(crate) fn work_folder() -> Option<PathBuf> {
    std::env::var_os(WORKER)
        .map(PathBuf::from)
        .filter(|folder| folder.is_dir())
}

/// Supervises a child that does the work; `None` if this process is to do it itself.
#[cfg(target_os = "linux")]
pub(crate) fn supervise(args: &Analyze, common: &Common) -> Option<ExitCode> {
    if common.in_process || std::env::var_os(WORKER).is_some() {
        return None;
    }
    let output = crate::commands::analyze::output_folder(args).ok()?;
    let leftovers = supervisor::Leftovers::note(&output, args.reading.redaction_map.as_deref());
    supervisor::run(&leftovers, common.quiet)
}

/// Elsewhere the command does its work itself.
#[cfg(not(target_os = "linux"))]
pub(crate) fn supervise(_: &Analyze, _: &Common) -> Option<ExitCode> {
    None
}

/// Runs another verb that reads what strangers wrote in a child, once: a crash costs the command, but ends with a message. `None` if
/// this process is to do it itself.
#[cfg(target_os = "linux")]
pub(crate) fn shield(common: &Common) -> Option<ExitCode> {
    if common.in_process || std::env::var_os(WORKER).is_some() {
        return None;
    }
    supervisor::once()
}

/// Elsewhere the command does its work itself.
#[cfg(not(target_os = "linux"))]
pub(crate) fn shield(_: &Common) -> Option<ExitCode> {
    None
}

/// In the child of [`shield`]: takes the limits. Files may be of any size, as a user asks for them here.
pub(crate) fn enter_shield() -> Result<(), Failure> {
    let Some(folder) = work_folder() else {
        return Ok(());
    };
    #[cfg(target_os = "linux")]
    limits::take(None, None).map_err(unlimited)?;
    end_with_parent(folder);
    Ok(())
}

#[cfg(target_os = "linux")]
fn unlimited(error: std::io::Error) -> Failure {
    Failure::Internal(format!("limits of the work process: {error}"))
}

/// In the child: takes the limits, the work folder, and what earlier attempts have taught.
pub(crate) fn enter(settings: &mut Settings) -> Result<(), Failure> {
    let Some(folder) = work_folder() else {
        return Ok(());
    };
    #[cfg(target_os = "linux")]
    limits::take(settings.memory_limit, Some(settings.limits.max_total_bytes)).map_err(unlimited)?;
    end_with_parent(folder.clone());
    settings.care = care::load(&folder);
    settings.work_dir = folder;
    Ok(())
}

/// Ends this process when the parent closes the line or is gone; then nobody else removes the work folder.
fn end_with_parent(work: PathBuf) {
    std::thread::spawn(move || {
        // Nothing is ever sent.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = std::fs::remove_dir_all(work);
        std::process::exit(exit::INTERRUPTED);
    });
}

/// File of `folder` with the members in hand.
fn journal_file(folder: &Path) -> PathBuf {
    folder.join("journal")
}
