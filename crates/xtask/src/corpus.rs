//! The corpus check: every decoder against the recorded right answers, and every file through the command.
//!
//! The comparisons are the decoder crates' own tests (`tests/corpus.rs`, `tests/oracle.rs`), run here with their score
//! printed. Then `inspect` and `analyze` take every file: the exit code must be one of the contract, there must be
//! no panic, and two runs of the larger bundles must give equal bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Test targets that compare with right answers; each decoder crate has one of them.
const COMPARISONS: &[&str] = &["corpus", "oracle"];

/// Folders of the corpus that hold inputs.
const FOLDERS: &[&str] = &["bundles", "etl", "evtx", "pcap", "text"];

/// No file of the corpus is large; one that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs everything; the error says what failed.
pub(crate) fn run(corpus: &Path) -> Result<(), String> {
    let corpus = corpus
        .canonicalize()
        .map_err(|error| format!("{}: {error}", corpus.display()))?;
    compare(&corpus)?;
    let binary = build()?;
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let files = inputs(&corpus)?;
    let mut failures = Vec::new();
    let mut codes = std::collections::BTreeMap::<i32, usize>::new();
    for file in &files {
        for verb in ["inspect", "analyze"] {
            match one(&binary, verb, file, work.path()) {
                Ok(code) => *codes.entry(code).or_default() += 1,
                Err(reason) => failures.push(format!("{verb} {}: {reason}", file.display())),
            }
        }
    }
    let codes: Vec<String> = codes
        .iter()
        .map(|(code, n)| format!("{n} with exit code {code}"))
        .collect();
    println!(
        "{} files through inspect and analyze: {}",
        files.len(),
        codes.join(", ")
    );
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n"))
    }
}

/// One selection of the whole workspace, so that nothing is built again with other features.
fn compare(corpus: &Path) -> Result<(), String> {
    let tests = COMPARISONS.iter().flat_map(|test| ["--test", test]);
    let status = cargo()
        .args(["test", "-q", "--workspace"])
        .args(tests)
        .args(["--", "--nocapture"])
        .env("CASETRACE_CORPUS", corpus)
        .status()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("a comparison with the right answers failed".to_owned())
    }
}

/// Cargo without what the cargo that runs us tells its programs of this package: build scripts that ask for it (that of `ring` does)
/// would run again, and polars, which rests on it, would be compiled once more, and again by the next plain call.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::root::root());
    let of_package = |name: &str| {
        ["CARGO_PKG_", "CARGO_MANIFEST_"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(of_package) {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn build() -> Result<PathBuf, String> {
    // As the README's first command builds it: with another selection, polars would be compiled once more.
    build_programs(&["-p", "casetrace", "--bin", "casetrace"], "casetrace")
}

/// Builds with these arguments and tells where the program with this name is.
pub(crate) fn build_programs(arguments: &[&str], name: &str) -> Result<PathBuf, String> {
    let output = cargo()
        .args(["build", "-q", "--message-format=json"])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| format!("{name} did not build"))
}

/// Every file below the input folders, right answers and notes left out.
fn inputs(corpus: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|name| corpus.join(name)).collect();
    while let Some(folder) = folders.pop() {
        let listing = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in listing.filter_map(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "oracle") {
                    folders.push(path);
                }
            } else if path.extension().is_none_or(|ending| ending != "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn one(binary: &Path, verb: &str, file: &Path, work: &Path) -> Result<i32, String> {
    let out = work.join("out");
    let mut command = Command::new(binary);
    command.arg(verb).arg(file).arg("--quiet");
    if verb == "analyze" {
        command.arg("-o").arg(&out);
    }
    let log = work.join("stderr");
    let stderr = fs::File::create(&log).map_err(|error| error.to_string())?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .map_err(|error| format!("did not start: {error}"))?;
    let status = wait(&mut child)?;
    let said = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_dir_all(&out);
    if said.contains("panicked at") {
        return Err(format!("panic: {}", said.lines().next().unwrap_or_default()));
    }
    match status {
        Some(code @ (0 | 4)) => Ok(code),
        Some(code) => Err(format!(
            "exit code {code}: {}",
            said.lines().last().unwrap_or_default()
        )),
        None => Err("ended by a signal".to_owned()),
    }
}

fn wait(child: &mut std::process::Child) -> Result<Option<i32>, String> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(status.code());
        }
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("still running after {} s", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
