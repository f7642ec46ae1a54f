//! The guard against regressions: instructions executed per stage, counted by valgrind, so that no clock is involved.
//!
//! Each stage runs the command, or a stage of `benches/stages` alone, over generated input of two sizes (the tests' build, one
//! thread). The count of the larger is held against `benches/guard.tsv`; the larger against the smaller shows that the stage grows no faster than its input.
//! Counts depend on the compiler, so another compiler than the recorded one is said and compares growth alone.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use casetrace_synth::scenario::large;

use crate::corpus;
use crate::root::root;
use crate::stages;

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
        arguments: &["inspect", "@", "--in-process"],
    },
    Stage {
        name: "etl-rows",
        input: "NetTrace.etl",
        make: large::trace,
        arguments: &["timeline", "@", "--format", "parquet", "-o", "+", "--in-process"],
    },
    Stage {
        name: "pcap-rows",
        input: "capture.pcap",
        make: large::capture,
        arguments: &["timeline", "@", "--format", "parquet", "-o", "+", "--in-process"],
    },
    Stage {
        name: "evtx-rows",
        input: "Security.evtx",
        make: large::log,
        arguments: &["timeline", "@", "--format", "parquet", "-o", "+", "--in-process"],
    },
    Stage {
        name: "text-rows",
        input: "az-debug.txt",
        make: large::debug_log,
        arguments: &["timeline", "@", "--format", "parquet", "-o", "+", "--in-process"],
    },
    Stage {
        name: "analyze",
        input: "NetTrace.etl",
        make: large::trace,
        arguments: &["analyze", "@", "-o", "+", "--in-process"],
    },
];

/// Stages of `benches/stages`: what the ones above do not do, or do beside much else. Columns are in all of them, the report is in
/// `analyze`.
const ALONE: &[&str] = &[
    "unpack-zip",
    "unpack-zip-aes",
    "unpack-cab-mszip",
    "unpack-cab-lzx",
    "saz-rows",
    "rules",
];

/// What one stage executes.
struct Counts {
    name: &'static str,
    small: u64,
    large: u64,
    /// Of the same program when it does next to nothing.
    start: u64,
}

impl Counts {
    fn growth(&self) -> f64 {
        let beyond_start = |count: u64| count.saturating_sub(self.start).max(1) as f64;
        beyond_start(self.large) / beyond_start(self.small)
    }
}

/// Compares, or with `update` records. Only the stages with these names, if there are any.
pub(crate) fn run(update: bool, only: &[&str]) -> Result<(), String> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed (Debian package valgrind)");
        return Ok(());
    }
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut counts = of_command(work.path(), only)?;
    counts.extend(of_stages(work.path(), only)?);
    let known = if update { Vec::new() } else { recorded()? };
    let mut failures = Vec::new();
    let mut lines = format!(
        "# {}\n# stage\tinstructions for {} bytes\n",
        compiler()?,
        SIZES[1]
    );
    for stage in &counts {
        if stage.growth() > GROWTH {
            failures.push(format!(
                "{} grows faster than its input: {:.2} > {GROWTH:.2}",
                stage.name,
                stage.growth()
            ));
        }
        judge(stage.name, stage.large, &known, &mut failures);
        let _ = writeln!(lines, "{}\t{}", stage.name, stage.large);
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

/// Start and stages of the command.
fn of_command(work: &Path, only: &[&str]) -> Result<Vec<Counts>, String> {
    let binary = corpus::build()?;
    let start = count(&binary, &["schema"], work)?;
    let mut out = vec![Counts {
        name: "start",
        small: start,
        large: start,
        start: 0,
    }];
    for stage in STAGES.iter().filter(|stage| wanted(stage.name, only)) {
        let [small, large] = both(stage, &binary, work)?;
        out.push(said(Counts {
            name: stage.name,
            small,
            large,
            start,
        }));
    }
    Ok(out)
}

/// Stages on their own.
fn of_stages(work: &Path, only: &[&str]) -> Result<Vec<Counts>, String> {
    let binary = stages::build(&[])?;
    let start = count(&binary, &["list"], work)?;
    let mut out = Vec::new();
    for name in ALONE.iter().filter(|name| wanted(name, only)) {
        let [small, large] = alone(name, &binary, work)?;
        out.push(said(Counts {
            name,
            small,
            large,
            start,
        }));
    }
    Ok(out)
}

fn wanted(name: &str, only: &[&str]) -> bool {
    only.is_empty() || only.contains(&name)
}

fn said(counts: Counts) -> Counts {
    println!(
        "{:<16} {:>14} {:>14} instructions, growth {:.2}",
        counts.name,
        counts.small,
        counts.large,
        counts.growth()
    );
    counts
}

fn alone(name: &str, binary: &Path, work: &Path) -> Result<[u64; 2], String> {
    let folder = work.join(name);
    let sizes = SIZES.map(|size| (size as f64 / 1e6).to_string());
    let place = folder.display().to_string();
    let made = Command::new(binary)
        .args([
            "--inputs-only",
            "--only",
            name,
            "--sizes",
            &sizes.join(","),
            "--folder",
            &place,
        ])
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    if !made.success() {
        return Err(format!("the inputs of {name}: {made}"));
    }
    let mut counts = [0; 2];
    for (instructions, mb) in counts.iter_mut().zip(&sizes) {
        *instructions = count(binary, &["one", name, mb, &place], &folder)?;
    }
    Ok(counts)
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
        .env("RAYON_NUM_THREADS", "1")
        .stdout(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{} {} under valgrind: {}\n{}",
            binary.display(),
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
    } else if now < then / 2 {
        failures.push(format!(
            "{stage} executes less than half the instructions of benches/guard.tsv ({then} → {now}): either it was made twice as fast, then run \
             `guard --update`, or it no longer does its work in the process that is counted"
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
