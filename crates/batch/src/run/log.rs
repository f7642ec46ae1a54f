//! The log of a run: a line for each case, and its summary.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::RunSummary;
use crate::context::Context;
use crate::report::Report;

/// The log of a run in the output: a line for each case, written in bursts.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) run: String,
    pending: Mutex<(Vec<String>, Option<Instant>)>,
}

impl Log {
    pub(super) fn new(run: String) -> Self {
        Self {
            run,
            pending: Mutex::new((Vec::new(), None)),
        }
    }

    pub(super) fn line(&self, context: &Context, report: &Report) {
        let line = serde_json::to_string(report).unwrap_or_default();
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.0.push(line);
        let begin = *pending.1.get_or_insert_with(Instant::now);
        let due = pending.0.len() >= 256 || begin.elapsed() > Duration::from_secs(2);
        drop(pending);
        if due {
            self.flush(context);
        }
    }

    pub(super) fn flush(&self, context: &Context) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = std::mem::take(&mut pending.0);
        pending.1 = None;
        if !lines.is_empty()
            && let Err(error) = context.store.log(&self.run, &lines.join("\n"))
        {
            tracing::debug!("{error}");
        }
    }

    pub(super) fn end(&self, context: &Context, summary: &RunSummary) {
        self.flush(context);
        let ended = jiff::Timestamp::now().to_string();
        let line = serde_json::json!({ "ended": ended, "summary": summary });
        if let Err(error) = context.store.log(&self.run, &line.to_string()) {
            tracing::debug!("{error}");
        }
    }
}
