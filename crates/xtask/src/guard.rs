//! The guard against regressions: instructions executed per stage, counted by valgrind, so that no clock is involved.
//!
//! Each stage runs the command (the tests' build, one thread) over a generated case of two sizes. The count of the larger
//! is held against `benches/guard.tsv`; the larger against the smaller shows that the stage grows no faster than its input.
//! Counts depend on the compiler, so another compiler than the recorded one is said and compares growth alone.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use casetrace_synth::scenario::large;

use crate::corpus;
use crate::root::root;

/// Where the counts are kept, in the checkout.
const RECORD: &str = "benches/guard.tsv";

/// Bytes of the two inputs of a stage.
const SIZES: [usize; 2] = [500_000, 2_000_000];

/// A count may rise by this much before it is a regression. Hash seeds alone move it by less than one percent.
const TOLERANCE: f64 = 0.08;

/// Four times the input may cost five times the instructions: start-up apart, every stage is linear, and buffers that
/// double while they grow explain the rest.
const GROWTH: f64 = SIZES[1] as f64 / SIZES[0] as f64 * 1.25;

/// A stage: its name, the input's file name, the maker of the input, and the arguments (`@` is the input, `+` a file to write).
struct Stage {
    name: &'static str,
    input: &'static str,
    make: fn(u32, usize) -> Vec<u8>,
    arguments: &'static [&'static str],
}

const STAGES: &[Stage] = &[
    Stage {
        name: "etl-walk",
        input: "NetTrace.etl",
        make: large::trace,
        arguments: &["inspect", "@"],
    },
    Stage {
        name: "etl-rows",
        input: "NetTrace.etl",
        make: large::trace,
        arguments: &["timeline", "@", "--format", "parquet", "-o", "+"],
    },
    Stage {
        name: "pcap-rows",
        input: "capture.pcap",
        make: large::capture,
        arguments: &["timeline", "@", "--format", "parquet", "-o", "+"],
    },
    Stage {
        name: "evtx-rows",
        input: "Security.evtx",
        make: large::log,
        arguments: &["timeline", "@", "--format", "parquet", "-o", "+"],
    },
    Stage {
        name: "text-rows",
        input: "az-debug.txt",
        make: large::debug_log,
        arguments: &["timeline", "@", "--format", "parquet", "-o", "+"],
    },
    Stage {
        name: "analyze",
        input: "NetTrace.etl",
        make: large::trace,
        arguments: &["analyze", "@", "-o", "+", "--in-process"],
    },
];

/// Compares, or with `update` records.
pub(crate) fn run(update: bool) -> Result<(), String> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed (Debian package valgrind)");
        return Ok(());
    }
    let binary = corpus::build()?;
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let start = count(&binary, &["schema"], work.path())?;
    let mut lines = format!(
        "# {}\n# stage\tinstructions for {} bytes\n",
        compiler()?,
        SIZES[1]
    );
    let _ = writeln!(lines, "start\t{start}");
    let mut failures = Vec::new();
    let known = if update { Vec::new() } else { recorded()? };
    judge("start", start, &known, &mut failures);
    for stage in STAGES {
        let [small, large] = both(stage, &binary, work.path())?;
        let growth = large.saturating_sub(start) as f64 / small.saturating_sub(start).max(1) as f64;
        println!(
            "{:<10} {small:>14} {large:>14} instructions, growth {growth:.2}",
            stage.name
        );
        if growth > GROWTH {
            failures.push(format!(
                "{} grows faster than its input: {growth:.2} > {GROWTH:.2}",
                stage.name
            ));
        }
        judge(stage.name, large, &known, &mut failures);
        let _ = writeln!(lines, "{}\t{large}", stage.name);
    }
    if update {
        fs::write(root().join(RECORD), lines).map_err(|error| format!("{RECORD}: {error}"))?;
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n"))
    }
}

fn both(stage: &Stage, binary: &Path, work: &Path) -> Result<[u64; 2], String> {
    let mut counts = [0; 2];
    for (place, size) in counts.iter_mut().zip(SIZES) {
        let folder = work.join(format!("{}-{size}", stage.name));
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let (input, output) = (folder.join(stage.input), folder.join("out"));
        fs::write(&input, (stage.make)(0, size)).map_err(|error| error.to_string())?;
        let (input, output) = (input.display().to_string(), output.display().to_string());
        let mut arguments = vec!["--quiet"];
        arguments.extend(stage.arguments.iter().map(|argument| match *argument {
            "@" => input.as_str(),
            "+" => output.as_str(),
            other => other,
        }));
        arguments.extend(["--jobs", "1"]);
        *place = count(binary, &arguments, &folder)?;
    }
    Ok(counts)
}

/// Instructions of one run, all threads, system calls not included.
fn count(binary: &Path, arguments: &[&str], folder: &Path) -> Result<u64, String> {
    let out = folder.join("callgrind.out");
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(binary)
        .args(arguments)
        .current_dir(folder)
        .env("POLARS_MAX_THREADS", "1")
        .stdout(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "casetrace {} under valgrind: {}\n{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let text = fs::read_to_string(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    text.lines()
        .find_map(|line| {
            line.strip_prefix("totals: ")
                .or_else(|| line.strip_prefix("summary: "))
        })
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| "valgrind wrote no total".to_owned())
}

fn judge(stage: &str, now: u64, known: &[(String, u64)], failures: &mut Vec<String>) {
    let Some((_, then)) = known.iter().find(|(name, _)| name == stage) else {
        return;
    };
    let change = now as f64 / *then as f64 - 1.0;
    if change > TOLERANCE {
        failures.push(format!(
            "{stage} executes {:.1} % more instructions than recorded in benches/guard.tsv ({then} → {now})",
            change * 100.0
        ));
    } else if change < -TOLERANCE {
        println!(
            "{stage}: {:.1} % fewer than recorded; run `guard --update`",
            -change * 100.0
        );
    }
}

/// The recorded counts; none if there are none or they were made by another compiler.
fn recorded() -> Result<Vec<(String, u64)>, String> {
    let text = match fs::read_to_string(root().join(RECORD)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("nothing is recorded yet (`guard --update` does it): growth alone is compared");
            return Ok(Vec::new());
        }
        Err(error) => return Err(format!("{RECORD}: {error}")),
    };
    let compiler = compiler()?;
    if text.lines().next() != Some(&format!("# {compiler}")) {
        println!(
            "the counts of benches/guard.tsv come from another compiler than {compiler}: growth alone is compared"
        );
        return Ok(Vec::new());
    }
    Ok(text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(name, count)| Some((name.to_owned(), count.trim().parse().ok()?)))
        .collect())
}

fn compiler() -> Result<String, String> {
    let output = Command::new("rustc")
        .arg("--version")
        .output()
        .map_err(|error| format!("rustc: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
