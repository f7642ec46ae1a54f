//! From arguments to the settings of a batch, and to the child's command line.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use casetrace_batch::{ChildCommand, JobLimits, Settings, Unwatched, Versions, memory_share};
use clap::ValueEnum;

use crate::args::{Common, EtlBackend, Lang, Reading};
use crate::batch_args::{Analysis, Bounds, Places};
use crate::exit::Failure;
use crate::{input, pack};

/// Variables that size the pools of libraries: they would take every core for each case, however many cases run beside.
const THREAD_POOLS: [&str; 2] = ["RAYON_NUM_THREADS", "POLARS_MAX_THREADS"];

/// Everything a run, plan or single job needs; `jobs` cases will share the machine.
pub(super) fn settings(
    places: &Places,
    bounds: &Bounds,
    analysis: &Analysis,
    common: &Common,
    jobs: usize,
) -> Result<Settings, Failure> {
    let config = places.config.as_deref().map(read_config).transpose()?;
    Ok(Settings {
        share: places.share.clone(),
        out: places.out.clone(),
        config,
        stable_for: places.stable_for,
        versions: versions(analysis, common)?,
        limits: JobLimits {
            memory_bytes: bounds.memory_limit.unwrap_or_else(|| memory_share(jobs)),
            time_ms: u64::try_from(bounds.time_limit.as_millis()).unwrap_or(u64::MAX),
            file_bytes: bounds.file_limit,
        },
        max_attempts: bounds.max_attempts.max(1),
        lease_ttl: bounds.lease_time,
        retry_failed: bounds.retry_failed,
        always_fresh: bounds.fresh_process,
        work_dir: bounds.work_dir.clone().unwrap_or_else(std::env::temp_dir),
        child: child(analysis, common, jobs)?,
        steps: Arc::new(Unwatched),
        stop: stop()?,
    })
}

/// Set by the first SIGTERM or SIGINT; a second one ends the process as usual.
fn stop() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        let failed = |error: std::io::Error| Failure::Internal(format!("cannot watch for signals: {error}"));
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop)).map_err(failed)?;
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(failed)?;
    }
    Ok(stop)
}

fn read_config(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::io(&path.display().to_string(), &error))
}

/// The reading options as the other verbs have them.
pub(super) fn reading(analysis: &Analysis) -> Reading {
    Reading {
        sources: analysis.sources.clone(),
        redaction_map: None,
        jobs: analysis.threads,
        // Cases run in processes of their own, whose limits the batch sets.
        memory_limit: None,
        etl_backend: EtlBackend::Portable,
    }
}

/// What goes into the job key. Of passwords only their number is used: anything made from their text could be guessed back.
fn versions(analysis: &Analysis, common: &Common) -> Result<Versions, Failure> {
    let settings = input::settings(&reading(analysis))?;
    let mut schemas = blake3::Hasher::new();
    for text in settings.manifests.iter().chain(&settings.tmf) {
        schemas.update(&(text.len() as u64).to_le_bytes());
        schemas.update(text.as_bytes());
    }
    Ok(Versions {
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        rules: pack::version(common.rules.as_deref())?,
        settings: format!(
            "lang={} redact={} max_total={} passwords={} schemas={}",
            language(common.lang),
            redaction(analysis),
            settings.limits.max_total_bytes,
            settings.passwords.len(),
            schemas.finalize().to_hex().get(..12).unwrap_or_default(),
        ),
    })
}

fn language(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "en",
        Lang::Ja => "ja",
    }
}

fn redaction(analysis: &Analysis) -> String {
    let value = analysis.sources.redact.to_possible_value();
    value.map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The same program as `batch worker` with the same options.
fn child(analysis: &Analysis, common: &Common, jobs: usize) -> Result<ChildCommand, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::Internal(format!("cannot find this program: {error}")))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = analysis.threads.unwrap_or_else(|| (cores / jobs.max(1)).max(1));
    let mut arguments: Vec<String> = ["--quiet", "--lang", language(common.lang), "batch", "worker"]
        .map(str::to_owned)
        .to_vec();
    arguments.push(format!("--redact={}", redaction(analysis)));
    arguments.push(format!("--threads={threads}"));
    if let Some(total) = analysis.sources.max_total {
        arguments.push(format!("--max-total={total}"));
    }
    let paths = [
        ("--rules", &common.rules),
        ("--password-file", &analysis.sources.password_file),
        ("--tmf", &analysis.sources.tmf),
        ("--manifests", &analysis.sources.manifests),
    ];
    for (name, path) in paths {
        if let Some(path) = path {
            arguments.push(name.to_owned());
            arguments.push(path.to_string_lossy().into_owned());
        }
    }
    let environment = THREAD_POOLS.map(|name| (name.to_owned(), threads.to_string()));
    Ok(ChildCommand {
        program,
        arguments,
        environment: environment.to_vec(),
    })
}
