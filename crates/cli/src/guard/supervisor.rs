//! The parent: starts the work process, reads how it ended, starts again, cleans up.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use casetrace_pipeline::{Care, names};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

use super::{WORKER, care, journal};

/// An upload with more members than this that end the process is not worth reading.
const MAX_ATTEMPTS: usize = 24;
/// What Rust's runtime ends a panicked process with.
const PANICKED: i32 = 101;
/// Our own exit code for a fault of ours.
const INTERNAL: u8 = 1;

/// How one attempt ended.
enum Ended {
    /// With this exit code.
    Done(u8),
    /// By this signal to the command, or to the work process from outside.
    Interrupted(i32),
    /// By a panic, of which it told itself.
    Panicked,
    /// By its own doing.
    Crashed(String),
}

/// Runs attempts until one ends by itself. `None`: no work process can be started here.
pub(super) fn run(leftovers: &Leftovers, quiet: bool) -> Option<ExitCode> {
    let desk = Desk::new().ok()?;
    let work = &desk.work;
    let mut care = Care::default();
    let mut how = String::new();
    for _ in 0..MAX_ATTEMPTS {
        care::save(work.path(), &care).ok()?;
        match desk.attempt(thrift()).ok()? {
            Ended::Done(code) => return Some(ExitCode::from(code)),
            Ended::Interrupted(signal) => {
                leftovers.remove();
                return Some(interrupted(signal));
            }
            Ended::Panicked => "made the decoder panic".clone_into(&mut how),
            Ended::Crashed(what) => how = what,
        }
        leftovers.remove();
        if !learn(&mut care, journal::in_hand(work.path()), &how, quiet) {
            break;
        }
    }
    say(&format!(
        "the analysis {how}, and not while reading one file: nothing was written"
    ));
    Some(ExitCode::from(INTERNAL))
}

/// Runs one attempt, whatever it does. `None`: no work process can be started here.
pub(super) fn once() -> Option<ExitCode> {
    let desk = Desk::new().ok()?;
    // What it keeps in files meanwhile goes with the work folder.
    let folder = [("TMPDIR", desk.work.path())];
    Some(match desk.attempt(folder).ok()? {
        Ended::Done(code) => ExitCode::from(code),
        Ended::Interrupted(signal) => interrupted(signal),
        Ended::Panicked => {
            say(crate::FAULT);
            ExitCode::from(INTERNAL)
        }
        Ended::Crashed(how) => {
            say(&format!("the process that read {how}. {}", crate::DAMAGED));
            ExitCode::from(INTERNAL)
        }
    })
}

fn interrupted(signal: i32) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(INTERNAL))
}

/// Takes in who was in hand at a crash; false if that explains nothing.
fn learn(care: &mut Care, in_hand: Vec<String>, how: &str, quiet: bool) -> bool {
    match in_hand.as_slice() {
        [] => return false,
        [path] => {
            if !quiet {
                say(&format!("reading {path} {how}; going on without it"));
            }
            care.one_by_one.retain(|other| other != path);
            care.leave_out.push((path.clone(), how.to_owned()));
        }
        several => {
            let new = several.iter().filter(|path| !care.one_by_one.contains(path));
            let new: Vec<String> = new.cloned().collect();
            if new.is_empty() {
                return false;
            }
            if !quiet {
                let count = several.len();
                say(&format!("reading one of {count} files {how}; looking for it"));
            }
            care.one_by_one.extend(new);
        }
    }
    true
}

fn say(text: &str) {
    let clean: String = text.chars().filter(|ch| !ch.is_control()).collect();
    let _ = writeln!(anstream::stderr(), "casetrace: {clean}");
}

/// What attempts need.
struct Desk {
    program: PathBuf,
    work: TempDir,
    interrupts: Interrupts,
}

impl Desk {
    fn new() -> io::Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            work: tempfile::Builder::new()
                .prefix("casetrace-")
                // The default follows the umask, which mostly lets everybody read.
                .permissions(fs::Permissions::from_mode(0o700))
                .tempdir()?,
            interrupts: Interrupts::listen()?,
        })
    }

    /// Runs this command in a child, with some variables beside its own.
    fn attempt<V: AsRef<OsStr>>(
        &self,
        variables: impl IntoIterator<Item = (&'static str, V)>,
    ) -> io::Result<Ended> {
        let mut command = Command::new(&self.program);
        command
            .args(std::env::args_os().skip(1))
            .envs(variables)
            .env(WORKER, self.work.path())
            .stdin(Stdio::piped());
        let status = self.interrupts.wait(command.spawn()?)?;
        Ok(sort(status, self.interrupts.got()))
    }
}

/// How the allocator is told to hold on to little: what a stage of a large case gave back would else be counted beside what the next
/// one takes. Huge pages are left out because one used byte keeps two megabytes; they bring no time. Unused pages go back after 20
/// milliseconds: at once would take the kernel a third more time for 45 MB less at 4 GB, longer saves nothing. Variables that are set
/// already stay.
const THRIFT: [(&str, &str); 2] = [("MIMALLOC_ALLOW_THP", "0"), ("MIMALLOC_PURGE_DELAY", "20")];

fn thrift() -> impl Iterator<Item = (&'static str, &'static str)> {
    let set = |name: &str| std::env::var_os(name).is_some();
    THRIFT.into_iter().filter(move |(name, _)| !set(name))
}

fn sort(status: ExitStatus, interrupt: Option<i32>) -> Ended {
    if let Some(signal) = interrupt {
        return Ended::Interrupted(signal);
    }
    match (status.code(), status.signal()) {
        (Some(PANICKED), _) => Ended::Panicked,
        (Some(code), _) => Ended::Done(u8::try_from(code).unwrap_or(INTERNAL)),
        (None, Some(signal @ (SIGINT | SIGTERM | SIGHUP))) => Ended::Interrupted(signal),
        (None, signal) => Ended::Crashed(crash(signal.unwrap_or_default())),
    }
}

fn crash(signal: i32) -> String {
    match signal_hook::low_level::signal_name(signal) {
        Some("SIGXCPU") => "took more CPU time than allowed".to_owned(),
        Some("SIGXFSZ") => "expanded to more than is allowed".to_owned(),
        Some(name) => format!("was ended by {name}"),
        None => format!("was ended by signal {signal}"),
    }
}

/// Passes on Ctrl-C, `kill` and a closed terminal: the work process ends at once, the command cleans up.
struct Interrupts {
    got: Arc<AtomicI32>,
    /// The work process ends when this is closed.
    line: Arc<Mutex<Option<ChildStdin>>>,
}

impl Interrupts {
    fn listen() -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let own = Self {
            got: Arc::default(),
            line: Arc::default(),
        };
        let (got, line) = (Arc::clone(&own.got), Arc::clone(&own.line));
        thread::spawn(move || {
            for signal in &mut signals {
                got.store(signal, Ordering::SeqCst);
                hold(&line, None);
            }
        });
        Ok(own)
    }

    fn got(&self) -> Option<i32> {
        Some(self.got.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }

    fn wait(&self, mut child: Child) -> io::Result<ExitStatus> {
        hold(&self.line, child.stdin.take());
        // The signal may have come before there was a line to close.
        if self.got().is_some() {
            hold(&self.line, None);
        }
        child.wait()
    }
}

fn hold(line: &Mutex<Option<ChildStdin>>, what: Option<ChildStdin>) {
    *line.lock().unwrap_or_else(PoisonError::into_inner) = what;
}

/// What an ended work process may leave behind.
pub(super) struct Leftovers {
    folder: PathBuf,
    /// The folder was there before: results of an earlier run are kept.
    was_there: bool,
    /// The file that undoes the redaction, unless it was there before.
    map: Option<PathBuf>,
}

impl Leftovers {
    /// To be called before the work process starts.
    pub(super) fn note(folder: &Path, map: Option<&Path>) -> Self {
        Self {
            folder: folder.to_owned(),
            was_there: folder.exists(),
            map: map.filter(|path| !path.exists()).map(Path::to_owned),
        }
    }

    /// Removes unfinished files; all of them if this run made the folder, which then goes too.
    fn remove(&self) {
        if let Some(map) = &self.map {
            let _ = fs::remove_file(map);
        }
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let ours = [
                names::REPORT,
                names::HTML,
                names::FINDINGS,
                names::ATTEMPTS,
                names::TIMELINE,
                names::INVENTORY,
            ];
            if name.starts_with(".part-") || (!self.was_there && ours.contains(&&*name)) {
                let _ = fs::remove_file(entry.path());
            }
        }
        if !self.was_there {
            // Only an empty folder can be removed this way.
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_hand_is_left_out_several_are_tried_one_by_one() {
        let mut care = Care::default();
        assert!(!learn(&mut care, vec![], "x", true));
        assert!(learn(&mut care, vec!["a".into(), "b".into()], "x", true));
        assert_eq!(care.one_by_one, ["a", "b"]);
        assert!(learn(&mut care, vec!["b".into()], "x", true));
        assert_eq!(care.leave_out, [("b".to_owned(), "x".to_owned())]);
        assert_eq!(care.one_by_one, ["a"]);
        assert!(!learn(&mut care, vec!["a".into(), "a".into()], "x", true));
    }

    #[test]
    fn ends_are_told_apart() {
        let sorted = |raw: i32, interrupt| match sort(ExitStatus::from_raw(raw), interrupt) {
            Ended::Done(code) => format!("done {code}"),
            Ended::Interrupted(signal) => format!("interrupted {signal}"),
            Ended::Panicked => "panicked".to_owned(),
            Ended::Crashed(how) => how,
        };
        assert_eq!(sorted(5 << 8, None), "done 5");
        assert_eq!(sorted(PANICKED << 8, None), "panicked");
        assert_eq!(sorted(6, None), "was ended by SIGABRT");
        assert_eq!(sorted(9, None), "was ended by SIGKILL");
        assert_eq!(sorted(9, Some(2)), "interrupted 2");
        assert_eq!(sorted(15, None), "interrupted 15");
    }
}
