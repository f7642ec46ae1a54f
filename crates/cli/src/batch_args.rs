//! The arguments of `casetrace batch`.

use std::path::PathBuf;
use std::time::Duration;

use casetrace_batch::{BundleId, JobKey, Location, Shard, parse_duration};
use clap::{Args, Subcommand, ValueEnum};

use crate::args::{Sources, parse_size, parse_time};

#[derive(Debug, Args)]
pub(crate) struct Batch {
    #[command(subcommand)]
    pub(crate) command: BatchCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    /// Analyse every case of a share once
    #[command(
        after_help = "Examples:\n  casetrace batch run --share /srv/uploads --out /srv/results\n  casetrace batch run --share s3://uploads --out s3://results/2026 --jobs 8 --memory-limit 4G\n  casetrace batch run --share /srv/uploads --out /srv/results --shard 0/4 --once"
    )]
    Run(Run),
    /// What is to be done: one line a case
    #[command(
        after_help = "Example:\n  casetrace batch plan --share /srv/uploads --out /srv/results --format jsonl"
    )]
    Plan(Plan),
    /// Analyse one case; for schedulers that hand out the work themselves
    #[command(
        after_help = "Example:\n  casetrace batch run-one --share /srv/uploads --out /srv/results --bundle NAME"
    )]
    RunOne(RunOne),
    /// How far an output is
    #[command(after_help = "Example:\n  casetrace batch status --out /srv/results")]
    Status(Status),
    /// Clear what killed workers left; with --compact, join small files
    #[command(after_help = "Example:\n  casetrace batch janitor --out /srv/results --compact")]
    Janitor(Janitor),
    /// What the published cases have in common
    #[command(
        after_help = "Examples:\n  casetrace batch report --out /srv/results\n  casetrace batch report --out /srv/results --since 2026-01-01T00:00:00Z --by week -o fleet.html --lang ja"
    )]
    Report(FleetReport),
    /// Takes cases on standard input; started by the others
    #[command(hide = true)]
    Worker(Worker),
}

/// Where from and where to.
#[derive(Debug, Clone, Args)]
pub(crate) struct Places {
    /// Folder or URI (s3://…, az://…) with the cases
    #[arg(long, value_name = "PATH|URI", value_parser = location)]
    pub(crate) share: Location,
    /// Folder or URI for the results
    #[arg(long, value_name = "PATH|URI", value_parser = location)]
    pub(crate) out: Location,
    /// What is a case, instead of casetrace-batch.toml in the share
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Take a case once its files have not changed for this long [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) stable_for: Option<Duration>,
}

/// How each case is analysed.
#[derive(Debug, Clone, Args)]
pub(crate) struct Analysis {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// Threads for one case [default: cores divided by --jobs]
    #[arg(long, value_name = "N", help_heading = "Reading")]
    pub(crate) threads: Option<usize>,
}

/// What one case may use up.
#[derive(Debug, Clone, Args)]
pub(crate) struct Bounds {
    /// Memory one case may use, e.g. 4G [default: its part of what is free]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Limits")]
    pub(crate) memory_limit: Option<u64>,
    /// Time one case may take
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1h", help_heading = "Limits")]
    pub(crate) time_limit: Duration,
    /// Largest file one case may write
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "64G", help_heading = "Limits")]
    pub(crate) file_limit: u64,
    /// Attempts before a crash or hang is final
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Limits")]
    pub(crate) max_attempts: u32,
    /// A worker that gave no sign for this long is taken for dead
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "2m", help_heading = "Limits")]
    pub(crate) lease_time: Duration,
    /// Try cases again that failed for good
    #[arg(long, help_heading = "Limits")]
    pub(crate) retry_failed: bool,
    /// A new process for every case, also for small ones
    #[arg(long, help_heading = "Limits")]
    pub(crate) fresh_process: bool,
    /// Folder for temporary files [default: the system's]
    #[arg(long, value_name = "DIR", help_heading = "Limits")]
    pub(crate) work_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) places: Places,
    /// Cases at once [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Only this part of the cases: i/n, i from 0
    #[arg(long, value_name = "I/N", value_parser = Shard::parse, default_value = "0/1")]
    pub(crate) shard: Shard,
    /// Look at the share once; leave what may still be uploaded
    #[arg(long)]
    pub(crate) once: bool,
    /// Never end; look again after this
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "once")]
    pub(crate) watch: Option<Duration>,
    /// How the summary is printed
    #[arg(long, value_enum, default_value_t = crate::args::TextFormat::Text)]
    pub(crate) format: crate::args::TextFormat,
    #[command(flatten)]
    pub(crate) bounds: Bounds,
    #[command(flatten)]
    pub(crate) analysis: Analysis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    Text,
    Jsonl,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) places: Places,
    /// Only this part of the cases: i/n, i from 0
    #[arg(long, value_name = "I/N", value_parser = Shard::parse, default_value = "0/1")]
    pub(crate) shard: Shard,
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub(crate) format: PlanFormat,
    #[command(flatten)]
    pub(crate) bounds: Bounds,
    #[command(flatten)]
    pub(crate) analysis: Analysis,
}

#[derive(Debug, Args)]
pub(crate) struct RunOne {
    #[command(flatten)]
    pub(crate) places: Places,
    /// The case, as `batch plan` names it
    #[arg(long, value_name = "NAME", value_parser = bundle)]
    pub(crate) bundle: BundleId,
    /// The job key it was planned with; another content is then "try again"
    #[arg(long, value_name = "KEY", value_parser = key)]
    pub(crate) job_key: Option<JobKey>,
    /// Which attempt this is, by the caller's count
    #[arg(long, value_name = "N")]
    pub(crate) attempt: Option<u32>,
    #[command(flatten)]
    pub(crate) bounds: Bounds,
    #[command(flatten)]
    pub(crate) analysis: Analysis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusFormat {
    Text,
    Json,
    Prometheus,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Folder or URI with the results
    #[arg(long, value_name = "PATH|URI", value_parser = location)]
    pub(crate) out: Location,
    #[arg(long, value_enum, default_value_t = StatusFormat::Text)]
    pub(crate) format: StatusFormat,
    /// File instead of standard output, put in place whole
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Janitor {
    /// Folder or URI with the results
    #[arg(long, value_name = "PATH|URI", value_parser = location)]
    pub(crate) out: Location,
    /// Say what would be done, do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Read every result file and compare it with its manifest
    #[arg(long)]
    pub(crate) verify: bool,
    /// Join the small files of each month
    #[arg(long)]
    pub(crate) compact: bool,
    /// Files up to this size are small
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "32M")]
    pub(crate) small: u64,
    /// Join only where there are at least so many
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(crate) at_least: usize,
    /// Where names can't be exchanged (NFS, SMB), let a month be absent for a moment
    #[arg(long)]
    pub(crate) allow_gap: bool,
    /// Staging folders older than this, without a lease, are left over
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "2h")]
    pub(crate) older_than: Duration,
    /// A worker that gave no sign for this long is taken for dead
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "2m")]
    pub(crate) lease_time: Duration,
    #[arg(long, value_enum, default_value_t = crate::args::TextFormat::Text)]
    pub(crate) format: crate::args::TextFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Worker {
    #[command(flatten)]
    pub(crate) analysis: Analysis,
}

fn location(text: &str) -> Result<Location, String> {
    Location::parse(text).map_err(|error| error.to_string())
}

/// For what reads files in place.
fn folder(text: &str) -> Result<PathBuf, String> {
    match location(text)? {
        Location::Folder(folder) => Ok(folder),
        Location::Store(_) => Err(
            "this works on folders: copy the output here first (aws s3 sync, az storage blob download-batch), \
             or ask single questions with `casetrace query`"
                .to_owned(),
        ),
    }
}

fn bundle(text: &str) -> Result<BundleId, String> {
    BundleId::parse(text).ok_or_else(|| format!("{text:?} is no case's name; `batch plan` lists them"))
}

fn key(text: &str) -> Result<JobKey, String> {
    JobKey::parse(text).ok_or_else(|| format!("{text:?} is no job key"))
}

#[derive(Debug, Args)]
pub(crate) struct FleetReport {
    /// Folder with the results; of an object store, make a local copy first
    #[arg(long, value_name = "PATH", value_parser = folder)]
    pub(crate) out: PathBuf,
    /// Only cases whose last record is at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) since: Option<i64>,
    /// Only cases whose last record is before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) until: Option<i64>,
    /// Length of a period
    #[arg(long, value_enum, default_value_t = Period::Month)]
    pub(crate) by: Period,
    /// Markdown or HTML [default: by the ending of the file, else md]
    #[arg(long, value_enum)]
    pub(crate) format: Option<ReportFormat>,
    /// File instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Period {
    /// Calendar months
    Month,
    /// ISO weeks
    Week,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Markdown
    Md,
    /// One HTML file
    Html,
}
