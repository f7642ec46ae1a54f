//! Speed and memory of every stage, with the allocator that the command ships with; see [`casetrace_benches`].

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    casetrace_benches::program::main(None)
}
