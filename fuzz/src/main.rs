//! `casetrace-fuzz`: decoders and containers under damage.

use std::io;
use std::process::ExitCode;

use casetrace_fuzz::command::{self, Set};
use casetrace_fuzz::sweep::{Desk, Reader};

static SET: Set = Set {
    targets: casetrace_fuzz::TARGETS,
    reader,
    finish: casetrace_fuzz::finish,
};

fn reader() -> io::Result<Box<dyn Reader>> {
    Ok(Box::new(Desk::new()?))
}

fn main() -> ExitCode {
    command::main(&SET)
}
