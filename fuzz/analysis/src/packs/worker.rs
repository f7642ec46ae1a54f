//! A process that analyses, so that a panic, an abort or an endless loop costs one question.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use casetrace_fuzz::process;
use casetrace_fuzz::sweep::LONGEST;

use crate::upload::{Answer, Question};

/// Largest resident size of an analysis.
pub(super) const MOST_MIB: u64 = 1024;
/// How often a busy worker is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Looks after which a worker that does nothing counts as stuck: ten minutes.
const MOST_LOOKS: u32 = 6_000;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Failure {
    /// A panic, or a refusal.
    Told(String),
    /// The process ended.
    Ended(String),
    /// It took too long: CPU seconds.
    Slow(f64),
    /// It took too much memory: MiB.
    Large(u64),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(told) => f.write_str(told),
            Self::Ended(how) => write!(f, "the process ended: {how}"),
            Self::Slow(seconds) => write!(f, "{seconds:.1} CPU seconds"),
            Self::Large(mib) => write!(f, "{mib} MiB"),
        }
    }
}

/// A process that is started when it is needed, and again after it ended.
pub(super) struct Worker {
    program: PathBuf,
    arguments: Vec<String>,
    running: Option<Running>,
}

struct Running {
    child: Child,
    questions: ChildStdin,
    answers: Receiver<String>,
}

impl Worker {
    /// One that answers lines of questions with lines of answers.
    pub(super) fn new(program: PathBuf, arguments: &[&str]) -> Self {
        Self {
            program,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            running: None,
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// Errors: the outer ones are those of starting a process and of talking to it.
    pub(super) fn ask(&mut self, question: &Question) -> io::Result<Result<Answer, Failure>> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => Running::start(&self.program, &self.arguments)?,
        };
        let outcome = running.ask(question)?;
        match &outcome {
            // A panic may have left a lock poisoned, and memory taken stays taken.
            Err(_) => running.end()?,
            Ok(_) => self.running = Some(running),
        }
        Ok(outcome)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.leave();
        }
    }
}

impl Running {
    fn start(program: &Path, arguments: &[String]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (questions, out) = pipes.ok_or_else(|| io::Error::other("no pipes to the worker"))?;
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            questions,
            answers,
        })
    }

    fn ask(&mut self, question: &Question) -> io::Result<Result<Answer, Failure>> {
        let id = self.child.id().to_string();
        let before = process::cpu_s_of(&id).unwrap_or_default();
        // If the process is gone already, the missing answer tells.
        let _ = writeln!(self.questions, "{}", serde_json::to_string(question)?);
        for _ in 0..MOST_LOOKS {
            match self.answers.recv_timeout(LOOK) {
                Ok(line) => return Ok(weigh(serde_json::from_str(&line)?)),
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok(Err(Failure::Ended(self.child.wait()?.to_string())));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let used = process::cpu_s_of(&id).unwrap_or_default() - before;
            if used > LONGEST.as_secs_f64() {
                return Ok(Err(Failure::Slow(used)));
            }
            if let Some(peak) = process::peak_mib_of(&id).filter(|peak| *peak > MOST_MIB) {
                return Ok(Err(Failure::Large(peak)));
            }
        }
        Ok(Err(Failure::Slow(f64::INFINITY)))
    }

    fn end(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Lets it clean up behind itself.
    fn leave(self) -> io::Result<()> {
        let Self {
            mut child, questions, ..
        } = self;
        drop(questions);
        child.wait().map(drop)
    }
}

fn weigh(answer: Answer) -> Result<Answer, Failure> {
    match answer.error {
        Some(told) => Err(Failure::Told(told)),
        None if answer.peak_mib > MOST_MIB => Err(Failure::Large(answer.peak_mib)),
        None if answer.cpu_s > LONGEST.as_secs_f64() => Err(Failure::Slow(answer.cpu_s)),
        None => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_over_a_limit_is_a_failure() {
        let good = Answer {
            cpu_s: 9.0,
            peak_mib: MOST_MIB,
            ..Answer::default()
        };
        assert!(weigh(good.clone()).is_ok());
        let slow = Answer {
            cpu_s: 10.5,
            ..good.clone()
        };
        assert_eq!(weigh(slow).err(), Some(Failure::Slow(10.5)));
        let large = Answer {
            peak_mib: MOST_MIB + 1,
            ..good.clone()
        };
        assert_eq!(weigh(large).err(), Some(Failure::Large(MOST_MIB + 1)));
        let told = Answer {
            error: Some("a panic".to_owned()),
            ..good
        };
        assert_eq!(weigh(told).err(), Some(Failure::Told("a panic".to_owned())));
    }
}
