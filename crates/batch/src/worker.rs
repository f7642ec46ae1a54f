//! The parent's side: starts children, hands them cases, watches time and memory, and says how a child died.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::failure::Class;
use crate::manifest::Summary;
use crate::work::{Answer, Assignment, proc_value};

/// Bytes of a child's standard error that are kept to classify its death.
const STDERR_TAIL: usize = 16 << 10;
/// Cases a child may serve before it is replaced.
const MAX_SERVED: u32 = 500;
/// A child that once held more than this is not used again.
const REUSE_BELOW: u64 = 512 << 20;
/// Time a case may go on after we were told to stop.
const GRACE: Duration = Duration::from_secs(5);
/// How often memory and time are looked at.
const TICK: Duration = Duration::from_millis(25);

/// How to start a child.
#[derive(Debug, Clone)]
pub struct ChildCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables it gets beside ours: thread pools of libraries are sized by them.
    pub environment: Vec<(String, String)>,
}

/// How the work on one case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Done(Summary),
    TryAgain(String),
    Failed(Class, String),
    /// We were told to stop.
    Stopped,
}

/// An ending with what it took.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) ended: Ended,
    pub(crate) ms: u64,
    pub(crate) peak_rss_bytes: u64,
}

/// A place where one child at a time works.
#[derive(Debug)]
pub(crate) struct Slot {
    command: ChildCommand,
    running: Option<Running>,
    /// Never give a child a second case.
    always_fresh: bool,
}

#[derive(Debug)]
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<Answer>,
    stderr: Arc<Mutex<Vec<u8>>>,
    served: u32,
}

impl Slot {
    pub(crate) fn new(command: ChildCommand, always_fresh: bool) -> Self {
        Self {
            command,
            running: None,
            always_fresh,
        }
    }

    /// Has a child work on the case. `fresh` asks for one that has seen no other.
    pub(crate) fn work(&mut self, assignment: &Assignment, fresh: bool, stop: &AtomicBool) -> Outcome {
        let begin = Instant::now();
        if fresh || self.always_fresh {
            self.retire();
        }
        let mut peak = 0;
        let mut ended = self.once(assignment, begin, stop, &mut peak);
        let worn = self.running.as_ref().is_some_and(|r| r.served > 1);
        if worn && matches!(ended, Ended::Failed(class, _) if class != Class::Unreadable) {
            // What a used child ended with is this case's fault only if a fresh one ends so too.
            self.retire();
            if empty(&assignment.stage).is_ok() {
                ended = self.once(assignment, Instant::now(), stop, &mut peak);
            }
        }
        let healthy = matches!(ended, Ended::Done(_)) && peak < REUSE_BELOW;
        let used_up = self.running.as_ref().is_some_and(|r| r.served >= MAX_SERVED);
        if !healthy || used_up {
            self.retire();
        }
        Outcome {
            ended,
            ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
            peak_rss_bytes: peak,
        }
    }

    /// Sends the child away.
    pub(crate) fn retire(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.stdin.take());
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }

    fn once(&mut self, job: &Assignment, begin: Instant, stop: &AtomicBool, peak: &mut u64) -> Ended {
        match self.hand_over(job) {
            Ok(()) => self.await_answer(job, begin, stop, peak),
            Err(error) => Ended::TryAgain(format!("cannot start a worker: {error}")),
        }
    }

    fn hand_over(&mut self, assignment: &Assignment) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(assignment)?;
        line.push(b'\n');
        if let Some(running) = &mut self.running
            && let Some(stdin) = &mut running.stdin
            && stdin.write_all(&line).is_ok()
        {
            running.served += 1;
            return Ok(());
        }
        self.retire();
        let mut running = start_child(&self.command)?;
        if let Some(stdin) = &mut running.stdin {
            stdin.write_all(&line)?;
        }
        running.served = 1;
        self.running = Some(running);
        Ok(())
    }

    fn await_answer(&mut self, job: &Assignment, begin: Instant, stop: &AtomicBool, peak: &mut u64) -> Ended {
        let Some(running) = &mut self.running else {
            return Ended::TryAgain("no worker".to_owned());
        };
        let status = PathBuf::from(format!("/proc/{}/status", running.child.id()));
        let limit = Duration::from_millis(job.limits.time_ms);
        let mut asked_to_stop: Option<Instant> = None;
        loop {
            match running.answers.recv_timeout(TICK) {
                Ok(answer) => return judged(answer, peak),
                Err(RecvTimeoutError::Disconnected) => {
                    let ended = died(running, job);
                    return if is_stopped(&ended, stop) {
                        Ended::Stopped
                    } else {
                        ended
                    };
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if stop.load(Ordering::Relaxed)
                && asked_to_stop.get_or_insert_with(Instant::now).elapsed() > GRACE
            {
                return Ended::Stopped;
            }
            let rss = proc_value(&status, "VmRSS:").unwrap_or(0);
            *peak = (*peak).max(rss);
            if rss > job.limits.memory_bytes {
                return Ended::Failed(
                    Class::Memory,
                    format!("used more than {} MiB of memory", job.limits.memory_bytes >> 20),
                );
            }
            if begin.elapsed() > limit {
                return Ended::Failed(
                    Class::Hang,
                    format!("did not end within {:.1} s", limit.as_secs_f64()),
                );
            }
        }
    }
}

/// A signal to the whole group reaches the child before or after us.
fn is_stopped(ended: &Ended, stop: &AtomicBool) -> bool {
    if matches!(ended, Ended::Failed(Class::Killed | Class::Crash, _)) {
        std::thread::sleep(TICK);
    }
    stop.load(Ordering::Relaxed)
}

/// Removes what an earlier try left in a staging folder.
fn empty(stage: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(stage)? {
        std::fs::remove_file(entry?.path())?;
    }
    Ok(())
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.retire();
    }
}

fn start_child(command: &ChildCommand) -> std::io::Result<Running> {
    let mut start = Command::new(&command.program);
    // A Ctrl-C on the terminal is for us; the child ends when we say so.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut start, 0);
    let mut child = start
        .args(&command.arguments)
        .envs(command.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (send, answers) = mpsc::channel();
    let stdout = child.stdout.take();
    std::thread::spawn(move || {
        let lines = stdout.into_iter().flat_map(|out| BufReader::new(out).lines());
        for line in lines.map_while(Result::ok) {
            // Anything that is no answer is noise of a library.
            if let Ok(answer) = serde_json::from_str(&line)
                && send.send(answer).is_err()
            {
                break;
            }
        }
    });
    let stderr = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&stderr);
    if let Some(mut pipe) = child.stderr.take() {
        std::thread::spawn(move || keep_tail(&mut pipe, &kept));
    }
    Ok(Running {
        stdin: child.stdin.take(),
        child,
        answers,
        stderr,
        served: 0,
    })
}

fn keep_tail(pipe: &mut impl Read, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(got) = pipe.read(&mut buffer) {
        let Some(bytes) = buffer.get(..got).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        let Ok(mut kept) = kept.lock() else { break };
        kept.extend_from_slice(bytes);
        let surplus = kept.len().saturating_sub(STDERR_TAIL);
        kept.drain(..surplus);
    }
}

fn judged(answer: Answer, peak: &mut u64) -> Ended {
    match answer {
        Answer::Done {
            summary,
            peak_rss_bytes,
        } => {
            *peak = (*peak).max(peak_rss_bytes);
            Ended::Done(summary)
        }
        Answer::Unreadable(reason) => Ended::Failed(Class::Unreadable, reason),
        Answer::TryAgain(reason) => Ended::TryAgain(reason),
        Answer::Internal(reason) => Ended::Failed(Class::Internal, reason),
    }
}

/// What a death without an answer was.
fn died(running: &mut Running, job: &Assignment) -> Ended {
    let status = running.child.wait();
    // The pipe's reader may be a moment behind.
    std::thread::sleep(Duration::from_millis(5));
    let tail = running
        .stderr
        .lock()
        .map(|tail| String::from_utf8_lossy(&tail).into_owned())
        .unwrap_or_default();
    match status {
        Ok(status) => {
            let (class, reason) = classify(status, &tail, job);
            Ended::Failed(class, reason)
        }
        Err(error) => Ended::TryAgain(format!("lost sight of a worker: {error}")),
    }
}

fn classify(status: ExitStatus, tail: &str, job: &Assignment) -> (Class, String) {
    if tail.contains("memory allocation of") || tail.contains("out of memory") {
        return (Class::Memory, "was refused more memory".to_owned());
    }
    let place = panic_place(tail);
    match signal(status) {
        Some(24) => (
            Class::Cpu,
            format!(
                "used more than {} s of processor time on every core",
                job.limits.time_ms / 1000
            ),
        ),
        Some(25) => (
            Class::FileSize,
            format!("wrote a file larger than {} MiB", job.limits.file_bytes >> 20),
        ),
        Some(9) => (
            Class::Killed,
            "was killed from outside, perhaps for lack of memory".to_owned(),
        ),
        Some(15) => (Class::Killed, "was asked to end from outside".to_owned()),
        Some(number) => (Class::Crash, format!("died of signal {number}{place}")),
        None => (
            Class::Crash,
            format!("ended with code {}{place}", status.code().unwrap_or(-1)),
        ),
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// Where in our code it panicked; never the message, which may hold content of the case.
fn panic_place(tail: &str) -> String {
    let Some((_, rest)) = tail.rsplit_once("panicked at ") else {
        return String::new();
    };
    let place: String = rest
        .chars()
        .take_while(|ch| !ch.is_whitespace())
        .take(160)
        .collect();
    let place = place.trim_end_matches(':');
    let short = Path::new(place)
        .components()
        .rev()
        .take(3)
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>();
    format!(
        ", panicked at {}",
        short.into_iter().rev().collect::<Vec<_>>().join("/")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_without_its_message() {
        let tail =
            "\nthread 'main' panicked at /home/x/crates/etl/src/reader.rs:12:5:\nuser alice@contoso.com\n";
        assert_eq!(panic_place(tail), ", panicked at etl/src/reader.rs:12:5");
        assert_eq!(panic_place("nothing"), "");
    }
}
