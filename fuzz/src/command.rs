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
        /// Executions of each target; with them a run can be repeated exactly.
        #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
        executions: u64,
        /// Number that decides all damage.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// File with a line for each run so far: one is added, and the seed moves on with their number.
        #[arg(long)]
        record: Option<PathBuf>,
        /// One of several processes that share the targets, as 1/2 and 2/2; they may share the record.
        #[arg(long, value_name = "N/OF", value_parser = part, default_value = "1/1")]
        part: (usize, usize),
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
        Verb::Replay { target } => named(set, &target).and_then(|chosen| all(&chosen, replay)),
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
            executions,
            seed,
            record,
            part,
            slow_ms,
            hang_seconds,
            no_corpus,
            blind,
        } => {
            let settings = Settings {
                time: Duration::from_secs(seconds),
                cpu: cpu_seconds.map(Duration::from_secs),
                executions,
                seed,
                slow: Duration::from_millis(slow_ms),
                corpus: !no_corpus,
                keep: true,
                guided: !blind,
                watch: Watch::default(),
            };
            watch(set, settings.watch.clone(), Duration::from_secs(hang_seconds));
            say("| target | seeds | kept | marks | executions | CPU s | peak MiB | slowest ms | slow | crashes |")
                .and_then(|()| say("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"))
                .and_then(|()| {
                    let chosen = share(named(set, &target)?, part, record.as_deref())?;
                    all(&chosen, |target| run(target, &settings, record.as_deref()))
                })
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

/// `2/3`: the second of three.
fn part(text: &str) -> Result<(usize, usize), String> {
    let numbers = text
        .split_once('/')
        .and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
    numbers
        .filter(|(part, of)| (1..=*of).contains(part))
        .ok_or_else(|| "expected a part and of how many, as 1/2".to_owned())
}

/// The targets of this name, or all.
fn named(set: &Set, name: &str) -> io::Result<Vec<&'static Target>> {
    let matching = |target: &&Target| name == "all" || target.name == name;
    let chosen: Vec<_> = set.targets.iter().filter(matching).collect();
    match chosen.is_empty() {
        true => Err(io::Error::other(format!(
            "there is no target {name}; `list` names them"
        ))),
        false => Ok(chosen),
    }
}

/// The part of the targets that one of several processes runs, those first that had the least CPU time so far.
fn share(
    chosen: Vec<&'static Target>,
    (part, of): (usize, usize),
    record: Option<&Path>,
) -> io::Result<Vec<&'static Target>> {
    let mut own = Vec::new();
    for target in chosen.into_iter().skip(part - 1).step_by(of) {
        let so_far = record.map_or(Ok(0.0), |record| done::cpu_s(record, target.name))?;
        own.push((so_far, target));
    }
    own.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    Ok(own.into_iter().map(|(_, target)| target).collect())
}

/// True if all of these held.
fn all(targets: &[&Target], mut f: impl FnMut(&Target) -> io::Result<bool>) -> io::Result<bool> {
    let mut held = true;
    for target in targets {
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
        "| {} | {} | {} | {} | {} | {:.1} | {} | {} | {} | {} |",
        target.name,
        outcome.seeds,
        outcome.kept,
        outcome.marks,
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

/// Time between two looks at the input being worked on.
const LOOK: Duration = Duration::from_millis(500);

/// Time after which an input counts as stuck even if it uses no CPU, in limits. It is counted in looks: a process that was
/// stopped for a measurement and goes on has not waited.
const WAITING: u32 = 60;

/// Ends the process if one input takes too long: nothing inside it can. On a busy machine it is the CPU time that counts.
fn watch(set: &'static Set, watch: Watch, limit: Duration) {
    thread::spawn(move || {
        let mut suspect = None;
        loop {
            thread::sleep(LOOK);
            let Some((since, name, input)) = watch.stuck(limit) else {
                suspect = None;
                continue;
            };
            let now = process::cpu_s().unwrap_or_default();
            let (first, then, looks) = suspect.get_or_insert((since, now, 0_u32));
            if *first != since {
                suspect = None;
                continue;
            }
            *looks = looks.saturating_add(1);
            if now - *then < limit.as_secs_f64() && LOOK * *looks < limit * WAITING {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_share_the_targets_and_begin_with_those_least_done() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let record = folder.path().join("done.tsv");
        let chosen = || crate::TARGETS.iter().take(5).collect::<Vec<_>>();
        for (target, cpu_s) in [(0, 9.0), (0, 1.0), (2, 3.0)] {
            let outcome = Outcome {
                cpu_s: Some(cpu_s),
                ..Outcome::default()
            };
            done::note(&record, crate::TARGETS[target].name, 1, &outcome).expect("it can be written");
        }
        let names = |part| -> Vec<&str> {
            let own = share(chosen(), part, Some(&record)).expect("the record can be read");
            own.iter().map(|target| target.name).collect()
        };
        let at = |places: &[usize]| -> Vec<&str> { places.iter().map(|n| crate::TARGETS[*n].name).collect() };
        assert_eq!(names((1, 2)), at(&[4, 2, 0]));
        assert_eq!(names((2, 2)), at(&[1, 3]));
        assert_eq!(names((1, 1)), at(&[1, 3, 4, 2, 0]));
    }

    #[test]
    fn parts_are_written_as_one_of_how_many() {
        assert_eq!(part("2/3"), Ok((2, 3)));
        for wrong in ["", "2", "0/2", "3/2", "a/b", "1/0"] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }
}
