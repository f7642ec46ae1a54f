//! Project chores, run as `cargo run -p xtask -- CHORE`: `dependencies`, `corpus`.
//!
//! `dependencies` checks the direction of edges between our crates against [`layers::ALLOWED`];
//! the same check runs as a normal test.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for developers; its output is its result")]

mod layers;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("dependencies") => match layers::violations() {
            Ok(list) if list.is_empty() => {
                println!("All edges between crates are allowed.");
                ExitCode::SUCCESS
            }
            Ok(list) => {
                list.iter().for_each(|line| eprintln!("{line}"));
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("usage: cargo run -p casetrace-xtask -- dependencies");
            ExitCode::from(2)
        }
    }
}
