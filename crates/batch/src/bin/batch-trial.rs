//! A stand-in for the real command, for tests of the protocol: its "analysis" counts bytes, and does what a file named `poison` in the
//! case says. It can stop or fail at any step. Not part of any package.

#[path = "../../tests/batch/append.rs"]
mod append;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use std::{env, fs, io, process, thread};

use casetrace_batch::{
    Assignment, BundleId, ChildCommand, CleaningOptions, CompactionOptions, CompactionStep, JobLimits,
    Location, Observer, Report, RunOptions, Settings, Shard, Step, Steps, Summary, Versions, Work, WorkError,
    clean, compact, plan, run, run_one, serve, shift_clock, status,
};

fn main() -> ExitCode {
    let arguments = Arguments(env::args().skip(1).collect());
    if let Some(hours) = arguments.number("clock-hours") {
        shift_clock(hours * 3600);
    }
    if let Some("worker") = arguments.0.first().map(String::as_str) {
        return serve(&Trial);
    }
    match command(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::from(75)
        }
    }
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn command(arguments: &Arguments) -> casetrace_batch::Result<u8> {
    let out = Location::parse(arguments.text("out").unwrap_or("out"))?;
    let temp = env::temp_dir();
    match arguments.0.first().map(String::as_str) {
        Some("run") => {
            let settings = settings(arguments, out)?;
            let options = RunOptions {
                shard: arguments
                    .text("shard")
                    .map_or(Ok(Shard::ALL), Shard::parse)
                    .unwrap_or(Shard::ALL),
                jobs: arguments.number("jobs").unwrap_or(1) as usize,
                once: arguments.text("once").is_some(),
                watch: None,
            };
            let summary = run(&settings, &options, &Lines)?;
            say(&json(&summary));
            Ok(summary.exit())
        }
        Some("one") => {
            let named = arguments.text("bundle").and_then(BundleId::parse);
            let bundle = named.unwrap_or_else(|| BundleId::of_path(""));
            let report = run_one(&settings(arguments, out)?, &bundle, None, None)?;
            say(&json(&report));
            Ok(report.exit)
        }
        Some("plan") => {
            for line in plan(&settings(arguments, out)?, Shard::ALL)? {
                say(&json(&line));
            }
            Ok(0)
        }
        Some("janitor") => {
            let old = Duration::from_millis(arguments.number("older-ms").unwrap_or(0) as u64);
            let options = CleaningOptions {
                dry_run: false,
                older_than: old,
                lease_ttl: old,
                verify: arguments.text("verify").is_some(),
            };
            say(&json(&clean(&out, &temp, &options)?));
            Ok(0)
        }
        Some("compact") => {
            let options = CompactionOptions {
                small_bytes: 1 << 20,
                at_least: 2,
                allow_gap: false,
                keep_replaced: Duration::from_mins(1),
                dry_run: false,
            };
            let folder = out.folder().unwrap_or(Path::new("out"));
            say(&json(&compact(
                folder,
                &options,
                &append::Append,
                &trip(arguments),
            )?));
            Ok(0)
        }
        _ => {
            say(&json(&status(&out, &temp)?));
            Ok(0)
        }
    }
}

fn settings(arguments: &Arguments, out: Location) -> casetrace_batch::Result<Settings> {
    let stop = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&stop));
    let text = |name: &str, default: &str| arguments.text(name).unwrap_or(default).to_owned();
    Ok(Settings {
        share: Location::parse(&text("share", "share"))?,
        out,
        config: None,
        stable_for: Some(Duration::from_millis(
            arguments.number("stable-ms").unwrap_or(0) as u64
        )),
        versions: Versions {
            tool: text("tool", "1"),
            rules: "1".to_owned(),
            settings: String::new(),
        },
        limits: JobLimits {
            memory_bytes: (arguments.number("memory-mb").unwrap_or(256) as u64) << 20,
            time_ms: arguments.number("time-ms").unwrap_or(20_000) as u64,
            file_bytes: 8 << 20,
        },
        max_attempts: arguments.number("attempts").unwrap_or(2) as u32,
        lease_ttl: Duration::from_millis(arguments.number("lease-ms").unwrap_or(60_000) as u64),
        retry_failed: false,
        always_fresh: false,
        work_dir: env::temp_dir(),
        child: ChildCommand {
            program: env::current_exe().unwrap_or_default(),
            arguments: vec!["worker".to_owned()],
            environment: Vec::new(),
        },
        steps: Arc::new(trip(arguments)),
        stop,
    })
}

/// `name=value` after the verb.
struct Arguments(Vec<String>);

impl Arguments {
    fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='))
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }
}

/// Stops or fails at a step.
struct Trip {
    stop: Option<String>,
    fail: Option<String>,
    /// Goes on when this file is there.
    go: Option<PathBuf>,
}

fn trip(arguments: &Arguments) -> Trip {
    Trip {
        stop: arguments.text("stop-at").map(str::to_owned),
        fail: arguments.text("fail-at").map(str::to_owned),
        go: arguments.text("go").map(PathBuf::from),
    }
}

impl Steps for Trip {
    fn passed(&self, step: Step, bundle: &str) -> io::Result<()> {
        self.at(step.as_str(), bundle)
    }

    fn compacted(&self, step: CompactionStep, table: &str) -> io::Result<()> {
        self.at(&format!("{}-{table}", step.as_str()), table)
    }
}

impl Trip {
    fn at(&self, step: &str, of: &str) -> io::Result<()> {
        if self.fail.as_deref() == Some(step) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.stop.as_deref() == Some(step) {
            say(&format!("reached {step} {of}"));
            while !self.go.as_deref().is_some_and(Path::exists) {
                thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }
}

struct Lines;

impl Observer for Lines {
    fn ended(&self, report: &Report, _: u64, again: bool) {
        say(&format!("{} {}", json(report), if again { "again" } else { "" }));
    }
}

struct Trial;

impl Work for Trial {
    fn analyse(&self, job: &Assignment) -> Result<Summary, WorkError> {
        let again = |error: io::Error| WorkError::TryAgain(error.to_string());
        let mut files = Vec::new();
        list(&job.input, &mut files).map_err(again)?;
        if let Some(poison) = files.iter().find(|f| f.ends_with("poison")) {
            act(&fs::read_to_string(poison).map_err(again)?, job)?;
        }
        let mut text = format!("bundle {}\n", job.bundle);
        for file in &files {
            let bytes = fs::read(file).map_err(again)?;
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            text.push_str(&format!("{name} {}\n", blake3::hash(&bytes).to_hex()));
        }
        for name in ["timeline.parquet", "findings.parquet", "report.md"] {
            fs::write(job.stage.join(name), &text).map_err(again)?;
        }
        let table = |name: &str| (name.to_owned(), format!("{name}.parquet"));
        Ok(Summary {
            rows: files.len() as u64,
            findings: 1,
            month: "2026-03".to_owned(),
            tables: vec![table("timeline"), table("findings")],
        })
    }
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path)?
        .map(|e| e.map(|e| e.path()))
        .collect::<io::Result<_>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| list(entry, files))
}

/// Does what the case says.
fn act(poison: &str, job: &Assignment) -> Result<(), WorkError> {
    let (verb, rest) = poison.trim().split_once(' ').unwrap_or((poison.trim(), ""));
    match verb {
        "abort" => process::abort(),
        "panic" => std::panic::panic_any("somebody's secret"),
        "hang" => thread::sleep(Duration::from_secs(3600)),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "eat" => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            for _ in 0..4096 {
                eaten.push(vec![1; 4 << 20]);
                thread::sleep(Duration::from_millis(2));
            }
            return Err(WorkError::Internal(format!("ate {} pieces", eaten.len())));
        }
        "big" => {
            let piece = vec![0; 1 << 20];
            let mut file =
                fs::File::create(job.stage.join("big")).map_err(|e| WorkError::TryAgain(e.to_string()))?;
            for _ in 0..64 {
                file.write_all(&piece)
                    .map_err(|e| WorkError::TryAgain(e.to_string()))?;
            }
        }
        "fill" => {
            let piece = vec![0; 1 << 20];
            fs::write(job.stage.join("report.md"), piece).map_err(|e| WorkError::TryAgain(e.to_string()))?;
        }
        "unreadable" => return Err(WorkError::Unreadable("nothing in it could be decoded".to_owned())),
        "wait" => thread::sleep(Duration::from_millis(rest.parse().unwrap_or(0))),
        // The first to come dies; `rest` is where it leaves a mark.
        "once" if !Path::new(rest).exists() => {
            let _ = fs::write(rest, "");
            process::abort();
        }
        _ => {}
    }
    Ok(())
}
