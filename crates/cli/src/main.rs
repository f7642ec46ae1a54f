//! The casetrace command: arguments in, exit code out. Everything of substance is in the library crates.

mod args;
mod batch_args;
mod commands;
mod demo;
mod exit;
mod guard;
mod input;
mod map_file;
mod output;
mod pack;
mod progress;
mod terminal;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;

use clap::Parser;

/// A text that several others end with.
macro_rules! damaged {
    () => {
        "If it read a finished case, its files may be damaged: analyse the upload again. Else please report it."
    };
}

use args::{Cli, Color, Command, Common};
use exit::Failure;

/// Decoding makes and drops many short strings; this allocator takes 10–30 % less time over it than the
/// system's, and far less than musl's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results; a closed pipe while printing them is no error.
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    start_log(&cli.common);
    let ended = match &cli.command {
        Command::Analyze(args) => guard::supervise(args, &cli.common),
        other if reads_uploads(other) => guard::shield(&cli.common),
        _ => None,
    };
    if let Some(code) = ended {
        return code;
    }
    match roomy(|| run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(text) = failure.message() {
                let _ = writeln!(anstream::stderr(), "casetrace: {}", terminal::lines(text));
            }
            failure.code()
        }
    }
}

/// What to do about a fault of the program's own.
const FAULT: &str = concat!("stopped at a fault of its own, named above. ", damaged!());

/// The same where nothing is named.
#[cfg(target_os = "linux")]
const DAMAGED: &str = damaged!();

/// Verbs beside `analyze` that take apart files of strangers, or cases that may have been changed.
fn reads_uploads(command: &Command) -> bool {
    matches!(
        command,
        Command::Inspect(_)
            | Command::Timeline(_)
            | Command::Query(_)
            | Command::Convert(_)
            | Command::Report(_)
            | Command::Diff(_)
    )
}

/// Stack of the thread that does the work.
const STACK_BYTES: usize = 16 << 20;

/// Runs `work` on a thread whose stack is large and, above all, of known size.
///
/// polars asks how much stack is left before each step of a recursion. For a main thread musl answers with the part
/// in use so far, so that each step (8,000 in a small case) got a stack of its own: mapped, protected, cleared, unmapped.
fn roomy(work: impl FnOnce() -> Result<(), Failure> + Send) -> Result<(), Failure> {
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("casetrace".into())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)?;
        // What went wrong was told where it did. The process that decodes is to end by it: that is how its parent knows.
        worker.join().unwrap_or_else(|panic| match guard::work_folder() {
            Some(_) => std::panic::resume_unwind(panic),
            None => Err(Failure::Internal(FAULT.to_owned())),
        })
    })
}

fn run(cli: &Cli) -> Result<(), Failure> {
    match cli.common.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    // Not locked: rows may be written from the thread that decoded them.
    let mut out = BufWriter::new(io::stdout());
    let result = dispatch(cli, &mut out);
    let flushed = out.flush();
    result?;
    flushed.map_err(Failure::from)
}

fn dispatch(cli: &Cli, out: &mut dyn Write) -> Result<(), Failure> {
    let common = &cli.common;
    if reads_uploads(&cli.command) {
        guard::enter_shield()?;
        #[cfg(debug_assertions)]
        guard::fault::maybe(&std::env::args().nth(1).unwrap_or_default());
    }
    match &cli.command {
        Command::Analyze(args) => commands::analyze::run(args, common, out),
        Command::Demo(args) => commands::demo::run(args, common, out),
        Command::Inspect(args) => commands::inspect::run(args, common, out),
        Command::Timeline(args) => commands::timeline::run(args, common, out),
        Command::Query(args) => commands::query::run(args, out),
        Command::Batch(args) => commands::batch::run(args, common, out),
        Command::Convert(args) => commands::convert::run(args, out),
        Command::Explain(args) => commands::explain::run(args, common, out),
        Command::Rules(args) => commands::rules::run(args, common, out),
        Command::Report(args) => commands::report::run(args, common, out),
        Command::Diff(args) => commands::diff::run(args, common, out),
        Command::Schema(args) => commands::schema::run(args, out),
        Command::Completions { shell } => {
            let mut command = <Cli as clap::CommandFactory>::command();
            clap_complete::generate(*shell, &mut command, "casetrace", &mut &mut *out);
            Ok(())
        }
        Command::Man(args) => commands::man::run(args, out),
    }
}

/// Logs go to standard error: readable on a terminal, JSON lines elsewhere.
fn start_log(common: &Common) {
    let level = match (common.quiet, common.verbose) {
        (true, _) => tracing::Level::ERROR,
        (false, 0) => tracing::Level::INFO,
        (false, 1) => tracing::Level::DEBUG,
        (false, _) => tracing::Level::TRACE,
    };
    let filter = tracing_subscriber::filter::Targets::new().with_target("casetrace", level);
    let terminal = io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(level)
        .with_ansi(terminal);
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    if terminal {
        builder
            .without_time()
            .with_target(false)
            .finish()
            .with(filter)
            .init();
    } else {
        builder.json().finish().with(filter).init();
    }
}
