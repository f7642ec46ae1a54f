//! `casetrace batch`: scheduled work over a share.

mod janitor;
mod plan;
mod report;
mod run;
mod settings;
mod status;
mod worker;

use std::io::Write;

use casetrace_batch::BatchError;

use crate::args::Common;
use crate::batch_args::{Batch, BatchCommand};
use crate::exit::Failure;

/// Hands over to the verb's own module.
pub(crate) fn run(args: &Batch, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    match &args.command {
        BatchCommand::Run(args) => run::run(args, common, out),
        BatchCommand::Plan(args) => plan::run(args, common, out),
        BatchCommand::RunOne(args) => run::run_one(args, common, out),
        BatchCommand::Status(args) => status::run(args, out),
        BatchCommand::Janitor(args) => janitor::run(args, out),
        BatchCommand::Report(args) => report::run(args, common, out),
        BatchCommand::Worker(args) => worker::run(args, common),
    }
}

/// Sorts a batch failure into the exit codes.
pub(super) fn failure(error: BatchError) -> Failure {
    match error {
        BatchError::Usage(text) => Failure::Usage(text),
        BatchError::Internal(text) => Failure::Internal(text),
        other => Failure::TryAgain(other.to_string()),
    }
}

/// 0 is success, everything else a designed ending.
fn ended(code: u8) -> Result<(), Failure> {
    match code {
        0 => Ok(()),
        code => Err(Failure::Code(code)),
    }
}
