//! `casetrace-fuzz`: decoders and containers under damage.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use casetrace_fuzz::command::{self, Set};
use casetrace_fuzz::sweep::{self, Desk, Settings};

static SET: Set = Set {
    targets: casetrace_fuzz::TARGETS,
    sweep: sweep_all,
    finish: casetrace_fuzz::finish,
};

fn sweep_all(folders: &[PathBuf], settings: &Settings) -> io::Result<bool> {
    let sum = sweep::run(&Desk::new()?, folders, settings)?;
    writeln!(
        io::stdout(),
        "{} files, {} variants, {} MB, {} rows, {} panics, {} that lost rows, {:.0} CPU s, slowest {} ms, peak {} MiB",
        sum.files,
        sum.variants,
        sum.bytes / 1_000_000,
        sum.rows,
        sum.panics,
        sum.losses,
        sum.cpu_s,
        sum.slowest_ms,
        sum.peak_mib
    )?;
    Ok(sum.panics == 0 && sum.losses == 0)
}

fn main() -> ExitCode {
    command::main(&SET)
}
