//! Builds the programs of `benches/stages` and runs every stage: one command for speed, memory, allocations and growth.

use std::path::PathBuf;
use std::process::Command;

use crate::corpus::build_programs;

/// With the command beside it, as the same features of polars are compiled for both then.
const PACKAGES: &[&str] = &["-p", "casetrace", "-p", "casetrace-benches"];

/// Runs the program with these arguments, as a release.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let program = build(&["--release"])?;
    let status = Command::new(&program)
        .args(arguments)
        .status()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("stages: {status}")),
    }
}

/// Builds both programs, with these arguments, and tells where the one that is started is.
pub(crate) fn build(arguments: &[&str]) -> Result<PathBuf, String> {
    let programs = ["--bin", "stages", "--bin", "counted"];
    build_programs(&[PACKAGES, &programs, arguments].concat(), "stages")
}
