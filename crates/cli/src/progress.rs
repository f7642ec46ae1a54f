//! Progress on standard error: bars on a terminal, a log line now and then elsewhere, nothing when asked to be quiet.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use casetrace_pipeline::{Progress, Stage};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal;

/// Time between two log lines where there is no terminal.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Characters shown of the end of a member's path.
const TAIL: usize = 40;

/// Shows a run.
pub(crate) struct Display {
    bar: ProgressBar,
    log: bool,
    state: Mutex<State>,
    done: AtomicU64,
}

struct State {
    stage: Option<Stage>,
    total: u64,
    last_log: Instant,
}

impl Display {
    /// Decides once: a bar only if a person looks at standard error and standard output is not a stream of results.
    pub(crate) fn new(quiet: bool, results_on_stdout: bool) -> Self {
        let terminal =
            std::io::stderr().is_terminal() && !(results_on_stdout && std::io::stdout().is_terminal());
        let target = if terminal && !quiet {
            ProgressDrawTarget::stderr_with_hz(8)
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            log: !terminal && !quiet && !results_on_stdout,
            state: Mutex::new(State {
                stage: None,
                total: 0,
                last_log: Instant::now(),
            }),
            done: AtomicU64::new(0),
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn log_now_and_then(&self) {
        let Ok(mut state) = self.state.try_lock() else {
            return;
        };
        if state.last_log.elapsed() < LOG_EVERY {
            return;
        }
        state.last_log = Instant::now();
        let label = state.stage.map_or("Working", Stage::label);
        let done = self.done.load(Ordering::Relaxed);
        tracing::info!(done, total = state.total, "{label}.");
    }
}

impl Progress for Display {
    fn stage(&self, stage: Stage, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        if let Ok(mut state) = self.state.lock() {
            state.stage = Some(stage);
            state.total = total;
        }
        self.bar.reset();
        self.bar.set_prefix(stage.label());
        self.bar.set_message("");
        if total > 0 {
            self.bar.set_length(total);
            self.bar.set_style(style(
                "{prefix:<18} {wide_bar} {bytes}/{total_bytes} {eta:>4} {msg:.dim}",
            ));
        } else {
            self.bar
                .set_style(style("{prefix:<18} {spinner} {elapsed} {msg:.dim}"));
        }
        if self.log {
            tracing::debug!(total = %HumanBytes(total), "{}.", stage.label());
        }
    }

    fn advance(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
        self.bar.inc(units);
        if self.log {
            self.log_now_and_then();
        }
    }

    fn detail(&self, name: &str) {
        let start = name.char_indices().rev().nth(TAIL - 1).map_or(0, |(at, _)| at);
        self.bar
            .set_message(terminal::line(name.get(start..).unwrap_or_default()));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
