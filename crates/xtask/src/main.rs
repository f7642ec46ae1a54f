//! Project chores, run as `cargo run -p casetrace-xtask -- CHORE`.
//!
//! - `dependencies` checks the direction of edges between our crates (also a normal test);
//! - `sbom` prints the bill of materials of the command (CycloneDX);
//! - `corpus DIR` compares every decoder with recorded right answers and takes every file through the command;
//! - `guard [--update | STAGE…]` counts the instructions of each stage and compares them with `benches/guard.tsv`;
//! - `stages [OPTION…]` builds and runs `benches/stages`: speed, memory, allocations and growth of each stage.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for developers; its output is its result"
)]

mod corpus;
mod guard;
mod layers;
mod root;
mod sbom;
mod stages;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["dependencies"] => layers::check(),
        ["sbom"] => sbom::run(),
        ["corpus", folder] => corpus::run(Path::new(folder)),
        ["guard", "--update"] => guard::run(true, &[]),
        ["guard", names @ ..] => guard::run(false, names),
        ["stages", options @ ..] => stages::run(options),
        _ => {
            eprintln!(
                "usage: cargo run -p casetrace-xtask -- dependencies | sbom | corpus DIR | guard [--update | STAGE…] | stages [OPTION…]"
            );
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}
