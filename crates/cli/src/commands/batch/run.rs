//! `casetrace batch run` and `run-one`.

use std::io::{IsTerminal, Write};

use casetrace_batch::{JobStatus, Observer, Report, RunOptions, RunSummary};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{ended, failure, settings};
use crate::args::{Common, TextFormat};
use crate::batch_args::{Run, RunOne};
use crate::exit::Failure;

/// Works on a whole share.
pub(crate) fn run(args: &Run, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.unwrap_or(cores).clamp(1, 1024);
    let settings = settings::settings(&args.places, &args.bounds, &args.analysis, common, jobs)?;
    let options = RunOptions {
        shard: args.shard,
        jobs,
        once: args.once,
        watch: args.watch,
    };
    let display = Display::new(common.quiet);
    let summary = casetrace_batch::run(&settings, &options, &display).map_err(failure)?;
    display.bar.finish_and_clear();
    match args.format {
        TextFormat::Json => writeln!(out, "{}", serde_json::to_string(&summary)?)?,
        TextFormat::Text if common.quiet => {}
        TextFormat::Text => text(&summary, out)?,
    }
    ended(summary.exit())
}

/// Works on one case; exactly one line on standard output.
pub(crate) fn run_one(args: &RunOne, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    let settings = settings::settings(&args.places, &args.bounds, &args.analysis, common, 1)?;
    let report = casetrace_batch::run_one(&settings, &args.bundle, args.job_key.as_ref(), args.attempt)
        .map_err(failure)?;
    writeln!(out, "{}", serde_json::to_string(&report)?)?;
    out.flush()?;
    ended(report.exit)
}

fn text(summary: &RunSummary, out: &mut dyn Write) -> Result<(), Failure> {
    let list = |counts: &std::collections::BTreeMap<&'static str, u64>| {
        let parts: Vec<String> = counts.iter().map(|(name, n)| format!("{n} {name}")).collect();
        parts.join(", ")
    };
    writeln!(out, "{} cases: {}", summary.found, list(&summary.planned))?;
    if !summary.ended.is_empty() {
        writeln!(out, "done: {}", list(&summary.ended))?;
    }
    if summary.unstable > 0 {
        writeln!(
            out,
            "{} may still be uploaded and wait for the next run",
            summary.unstable
        )?;
    }
    if summary.left > 0 {
        writeln!(out, "{} left for the next run", summary.left)?;
    }
    if let Some(trouble) = &summary.trouble {
        writeln!(out, "ended early: {trouble}")?;
    }
    Ok(())
}

/// A bar on a terminal, log lines elsewhere.
struct Display {
    bar: ProgressBar,
    log: bool,
}

impl Display {
    fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal && !quiet {
            ProgressDrawTarget::stderr_with_hz(8)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{pos}/{len} cases {wide_bar} {eta:>4} {msg:.dim}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            bar,
            log: !terminal && !quiet,
        }
    }
}

impl Observer for Display {
    fn planned(&self, cases: u64, bytes: u64) {
        self.bar.set_length(cases);
        if self.log {
            tracing::info!(cases, bytes, "Planned.");
        }
    }

    fn ended(&self, report: &Report, bytes: u64, again: bool) {
        if !again {
            self.bar.inc(1);
            self.bar.set_message(report.bundle.as_str().to_owned());
        }
        let status = report.status.as_str();
        let reason = report.reason.as_deref().unwrap_or_default();
        match report.status {
            JobStatus::Failed | JobStatus::Retry => self.bar.suspend(|| {
                tracing::warn!(bundle = %report.bundle, status, again, attempt = report.attempt, "{reason}");
            }),
            _ if self.log => tracing::info!(
                bundle = %report.bundle, status, bytes, rows = report.rows, findings = report.findings,
                ms = report.ms, peak_rss_bytes = report.peak_rss_bytes, "Case done."
            ),
            _ => {}
        }
    }
}
