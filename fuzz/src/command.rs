//! The command over a set of targets: damages seeds on a stable toolchain, and replays what is kept.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::session::{self, Outcome, Settings, Watch};
use crate::{Target, done, process, stored, sweep};

/// Looks for inputs on which a reader of casetrace breaks its promises.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Names of all targets.
    List,
    /// Damages seeds for a time.
    Run {
        /// A target's name, or all.
        target: String,
        /// Wall-clock seconds for each target.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// CPU seconds for each target; it ends with whichever comes first.
        #[arg(long)]
        cpu_seconds: Option<u64>,
        /// Number that decides all damage.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// File with a line for each run so far: one is added, and the seed moves on with their number.
        #[arg(long)]
        record: Option<PathBuf>,
        /// Executions that take longer are counted as slow.
        #[arg(long, default_value_t = 1000)]
        slow_ms: u64,
        /// An execution that takes longer ends the run; its input is kept.
        #[arg(long, default_value_t = 30)]
        hang_seconds: u64,
        /// Use no corpus files, even if they are there.
        #[arg(long)]
        no_corpus: bool,
        /// Damage seeds only, never an input that showed something new.
        #[arg(long)]
        blind: bool,
    },
    /// Sums up what was recorded, as a table.
    Done {
        /// The file that `run --record` writes.
        record: PathBuf,
    },
    /// Cuts and damages every file of some folders at many places, and reads each variant as an upload.
    Sweep {
        /// Folders with files.
        #[arg(required = true)]
        folders: Vec<PathBuf>,
        /// Variants of all files together, about.
        #[arg(long, default_value_t = 200_000)]
        variants: u64,
        /// Number that decides all damage.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// A line for what was read; that is not read again.
        #[arg(long)]
        log: PathBuf,
    },
    /// Checks all seeds and all inputs that failed once.
    Replay {
        /// A target's name, or all.
        #[arg(default_value = "all")]
        target: String,
    },
}

/// What a command runs.
#[derive(Clone, Copy)]
pub struct Set {
    /// Its targets, in the order in which `all` runs them.
    pub targets: &'static [Target],
    /// Reads every file of some folders damaged; true if all went well.
    pub sweep: fn(&[PathBuf], &sweep::Settings) -> io::Result<bool>,
    /// Removes what targets keep in temporary folders.
    pub finish: fn(),
}

/// Does what the arguments of the process ask for.
pub fn main(set: &'static Set) -> ExitCode {
    session::silence_panics();
    let done = match Arguments::parse().verb {
        Verb::List => set
            .targets
            .iter()
            .try_for_each(|target| say(target.name))
            .map(|()| true),
        Verb::Replay { target } => each(set, &target, replay),
        Verb::Done { record } => done::table(set.targets, &record)
            .and_then(|table| say(&table))
            .map(|()| true),
        Verb::Sweep {
            folders,
            variants,
            seed,
            log,
        } => {
            let settings = sweep::Settings {
                variants,
                seed,
                watch: Watch::default(),
                log,
            };
            watch(set, settings.watch.clone(), sweep::LONGEST);
            (set.sweep)(&folders, &settings)
        }
        Verb::Run {
            target,
            seconds,
            cpu_seconds,
            seed,
            record,
            slow_ms,
            hang_seconds,
            no_corpus,
            blind,
        } => {
            let settings = Settings {
                time: Duration::from_secs(seconds),
                cpu: cpu_seconds.map(Duration::from_secs),
                executions: u64::MAX,
                seed,
                slow: Duration::from_millis(slow_ms),
                corpus: !no_corpus,
                keep: true,
                guided: !blind,
                watch: Watch::default(),
            };
            watch(set, settings.watch.clone(), Duration::from_secs(hang_seconds));
            say("| target | seeds | kept | executions | CPU s | peak MiB | slowest ms | slow | crashes |")
                .and_then(|()| say("|---|---:|---:|---:|---:|---:|---:|---:|---:|"))
                .and_then(|()| each(set, &target, |target| run(target, &settings, record.as_deref())))
        }
    };
    (set.finish)();
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// True if all targets of this name held.
fn each(set: &Set, name: &str, mut f: impl FnMut(&Target) -> io::Result<bool>) -> io::Result<bool> {
    let chosen: Vec<&Target> = set
        .targets
        .iter()
        .filter(|t| name == "all" || t.name == name)
        .collect();
    if chosen.is_empty() {
        return Err(io::Error::other(format!(
            "there is no target {name}; `list` names them"
        )));
    }
    let mut held = true;
    for target in chosen {
        held &= f(target)?;
    }
    Ok(held)
}

fn run(target: &Target, settings: &Settings, record: Option<&Path>) -> io::Result<bool> {
    let mut settings = settings.clone();
    if let Some(record) = record {
        settings.seed += done::runs(record, target.name)?;
    }
    let outcome = session::run(target, &settings);
    say(&line(target, &outcome))?;
    if let Some(record) = record {
        done::note(record, target.name, settings.seed, &outcome)?;
    }
    for crash in &outcome.crashes {
        let kept = crash.kept.as_ref().map(|path| path.display().to_string());
        writeln!(
            io::stderr(),
            "{}: {} ({} inputs, {} bytes in {})",
            target.name,
            crash.told,
            crash.count,
            crash.input.len(),
            kept.unwrap_or_else(|| "no file".into())
        )?;
    }
    if outcome.slow > 0 {
        let path = std::env::temp_dir().join(format!("casetrace-slow-{}", target.name));
        std::fs::write(&path, &outcome.slowest.1)?;
        writeln!(
            io::stderr(),
            "{}: the slowest input is in {}",
            target.name,
            path.display()
        )?;
    }
    Ok(outcome.crashes.is_empty())
}

fn line(target: &Target, outcome: &Outcome) -> String {
    format!(
        "| {} | {} | {} | {} | {:.1} | {} | {} | {} | {} |",
        target.name,
        outcome.seeds,
        outcome.kept,
        outcome.executions,
        outcome.cpu_s.unwrap_or(f64::NAN),
        outcome.peak_mib.map_or_else(|| "?".to_owned(), |n| n.to_string()),
        outcome.slowest.0.as_millis(),
        outcome.slow,
        outcome.crashes.len()
    )
}

fn replay(target: &Target) -> io::Result<bool> {
    let mut inputs: Vec<(String, Vec<u8>)> = (target.seeds)()
        .into_iter()
        .enumerate()
        .map(|(n, input)| (format!("seed {n}"), input))
        .collect();
    let past = stored::past(target)?;
    inputs.extend(
        past.into_iter()
            .map(|(path, input)| (path.display().to_string(), input)),
    );
    let mut held = true;
    for (name, input) in &inputs {
        if let Err(told) = session::attempt(target, input) {
            held = false;
            writeln!(io::stderr(), "{}: {name}: {told}", target.name)?;
        }
    }
    say(&format!("{}: {} inputs", target.name, inputs.len()))?;
    Ok(held)
}

/// Wall-clock time after which an input counts as stuck even if it uses no CPU, in limits.
const WAITING: u32 = 60;

/// Ends the process if one input takes too long: nothing inside it can. On a busy machine it is the CPU time that counts.
fn watch(set: &'static Set, watch: Watch, limit: Duration) {
    thread::spawn(move || {
        let mut suspect = None;
        loop {
            thread::sleep(Duration::from_millis(500));
            let Some((since, name, input)) = watch.stuck(limit) else {
                suspect = None;
                continue;
            };
            let now = process::cpu_s().unwrap_or_default();
            let (first, then) = *suspect.get_or_insert((since, now));
            if first != since {
                suspect = None;
                continue;
            }
            if now - then < limit.as_secs_f64() && since.elapsed() < limit * WAITING {
                continue;
            }
            let kept = match set.targets.iter().find(|target| target.name == name) {
                Some(target) => stored::keep(target, &input).ok(),
                None => {
                    let path = std::env::temp_dir().join(format!("casetrace-hang-{name}"));
                    std::fs::write(&path, &input).ok().map(|()| path)
                }
            };
            let place = kept.map(|path| path.display().to_string());
            let _ = writeln!(
                io::stderr(),
                "{name}: an input of {} bytes takes longer than {} s; it is in {}",
                input.len(),
                limit.as_secs(),
                place.unwrap_or_else(|| "no file".into())
            );
            (set.finish)();
            std::process::exit(1);
        }
    });
}
