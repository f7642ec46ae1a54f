//! The promises of the batch, each tried with real processes: nothing lost, nothing twice, whatever dies in between.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stdout, reason = "says what is skipped")]

mod append;
mod poison;
mod protocol;
mod remote;
mod share;
mod stores;
mod tables;
mod trial;
