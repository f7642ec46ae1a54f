//! The command line that the two programs share.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for developers; its output is its result"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::{Value, json};

use crate::input::Input;
use crate::one::{Allocations, Counter, Measured, run};
use crate::{Failure, Given, Memory, STAGES, Stage, find, growth, machine};

const USAGE: &str = "\
usage: stages [--mb N] [--rounds N] [--only NAME,…] [--folder DIR] [--save FILE] [--inputs-only]
       stages --growth [--sizes MB,…] [--only NAME,…] [--folder DIR] [--save FILE]
       stages list
       stages one NAME MB DIR";

/// What was asked for.
struct Plan {
    sizes: Vec<f64>,
    growth: bool,
    rounds: usize,
    stages: Vec<&'static Stage>,
    /// Inputs are kept in here; without one, they are removed.
    folder: Option<PathBuf>,
    save: Option<PathBuf>,
    inputs_only: bool,
}

/// Runs the command line. `counter` is for the program that counts allocations and runs single stages only.
pub fn main(counter: Counter) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["one", name, mb, folder] => one(name, mb, Path::new(folder), counter),
        ["list"] => {
            STAGES.iter().for_each(|stage| println!("{}", stage.name));
            Ok(())
        }
        options => plan(options).and_then(|plan| all(&plan)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn plan(arguments: &[&str]) -> Result<Plan, Failure> {
    let mut plan = Plan {
        sizes: Vec::new(),
        growth: false,
        rounds: 3,
        stages: STAGES.iter().collect(),
        folder: None,
        save: None,
        inputs_only: false,
    };
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().copied().ok_or(USAGE);
        match *name {
            "--growth" => (plan.growth, plan.rounds) = (true, 1),
            "--inputs-only" => plan.inputs_only = true,
            "--mb" | "--sizes" => {
                plan.sizes = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?
            }
            "--rounds" => plan.rounds = value()?.parse()?,
            "--folder" => plan.folder = Some(value()?.into()),
            "--save" => plan.save = Some(value()?.into()),
            "--only" => {
                let named = |name| find(name).ok_or_else(|| format!("there is no stage {name}"));
                plan.stages = value()?.split(',').map(named).collect::<Result<_, _>>()?;
            }
            _ => return Err(USAGE.into()),
        }
    }
    if plan.sizes.is_empty() {
        plan.sizes = if plan.growth {
            vec![100.0, 400.0, 1000.0, 4000.0]
        } else {
            vec![100.0]
        };
    }
    Ok(plan)
}

/// Runs one stage in this process; its input is made first if the folder has none.
fn one(name: &str, mb: &str, folder: &Path, counter: Counter) -> Result<(), Failure> {
    let stage = find(name).ok_or_else(|| format!("there is no stage {name}"))?;
    let mb = mb.parse()?;
    let given = Given::new(stage, made(stage.input, mb, folder)?, bytes_of(mb));
    println!("{}", serde_json::to_string(&run(stage, &given, counter)?)?);
    Ok(())
}

fn bytes_of(mb: f64) -> u64 {
    (mb * 1e6) as u64
}

fn all(plan: &Plan) -> Result<(), Failure> {
    let own;
    let folder = match &plan.folder {
        Some(folder) => {
            fs::create_dir_all(folder)?;
            folder.as_path()
        }
        None => {
            own = tempfile::tempdir()?;
            own.path()
        }
    };
    println!("{HEAD}");
    let mut results = Results::default();
    for stages in plan.stages.chunk_by(|a, b| a.input == b.input) {
        together(plan, stages, folder, &mut results)?;
    }
    save(plan, &results)?;
    match results.faults.is_empty() {
        true => Ok(()),
        false => Err(results.faults.join("\n").into()),
    }
}

/// What came of all stages.
#[derive(Default)]
struct Results {
    runs: Vec<Value>,
    faults: Vec<String>,
}

/// Runs the stages of one input, size after size, and compares each size with the first.
fn together(
    plan: &Plan,
    stages: &[&'static Stage],
    folder: &Path,
    results: &mut Results,
) -> Result<(), Failure> {
    let input = stages.first().ok_or(USAGE)?.input;
    let mut firsts: Vec<Option<Measured>> = vec![None; stages.len()];
    for mb in &plan.sizes {
        let path = made(input, *mb, folder)?;
        let wanted = if plan.inputs_only { &[] } else { stages };
        for (stage, first) in wanted.iter().zip(&mut firsts) {
            let measured = measure(plan, stage, *mb, folder)?;
            println!("{}", line(stage, *mb, &measured));
            results.runs.push(record(stage, *mb, &measured));
            let first = first.get_or_insert(measured);
            if plan.growth {
                results.faults.extend(growth::faults(stage, first, &measured));
                results
                    .faults
                    .extend(growth::measured_faults(stage, first, &measured));
            }
        }
        if plan.folder.is_none() && path.exists() {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// The input of this size, made if it is not there. Nothing is there for [`Input::Rows`].
fn made(input: Input, mb: f64, folder: &Path) -> Result<PathBuf, Failure> {
    let path = folder.join(format!("{input:?}-{mb}.bin"));
    if !path.exists() {
        // A half-written file of a run that was ended is not taken for a whole one.
        let part = folder.join(format!("{input:?}-{mb}.part"));
        input.write(&part, bytes_of(mb))?;
        if part.exists() {
            fs::rename(&part, &path)?;
        }
    }
    Ok(path)
}

/// The median of the rounds, with the allocations of one more run that counts them. For growth that one is enough.
fn measure(plan: &Plan, stage: &Stage, mb: f64, folder: &Path) -> Result<Measured, Failure> {
    let counted = child("counted", stage, mb, folder)?;
    if plan.growth {
        return Ok(counted);
    }
    let mut runs = (0..plan.rounds.max(1))
        .map(|_| child("stages", stage, mb, folder))
        .collect::<Result<Vec<_>, _>>()?;
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let mut median = runs.swap_remove(runs.len() / 2);
    median.allocations = counted.allocations;
    Ok(median)
}

/// Runs one stage in a process of the program with this name, which lies beside this one.
fn child(program: &str, stage: &Stage, mb: f64, folder: &Path) -> Result<Measured, Failure> {
    let program = std::env::current_exe()?.with_file_name(program);
    let output = Command::new(&program)
        .args(["one", stage.name, &mb.to_string()])
        .arg(folder)
        .env("POLARS_MAX_THREADS", "1")
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} {mb}: {} {said}", stage.name, output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

const HEAD: &str = "stage                 MB        items   seconds   CPU s    MB/s      items/s  peak MiB  allocations  an item  bytes an item";

fn line(stage: &Stage, mb: f64, m: &Measured) -> String {
    let Allocations { count, bytes } = m.allocations.unwrap_or_default();
    let (items, seconds) = (m.items as f64, m.seconds.max(1e-6));
    format!(
        "{:<17} {mb:>6} {:>12} {:>9.2} {:>7.2} {:>7.0} {:>12.0} {:>9} {count:>12} {:>8.2} {:>14.0}  {}",
        stage.name,
        m.items,
        m.seconds,
        m.cpu_seconds,
        m.bytes as f64 / 1e6 / seconds,
        items / seconds,
        m.peak_kib >> 10,
        count as f64 / items,
        bytes as f64 / items,
        stage.items
    )
}

fn record(stage: &Stage, mb: f64, measured: &Measured) -> Value {
    json!({
        "stage": stage.name,
        "mb": mb,
        "items_are": stage.items,
        "memory": match stage.memory { Memory::Flat => "flat", Memory::Listed => "listed" },
        "measured": measured,
    })
}

fn save(plan: &Plan, results: &Results) -> Result<(), Failure> {
    let Some(path) = &plan.save else {
        return Ok(());
    };
    let result = json!({
        "machine": machine::describe(),
        "threads": 1,
        "rounds": plan.rounds,
        "faults": results.faults,
        "runs": results.runs,
    });
    fs::write(path, serde_json::to_string_pretty(&result)? + "\n")?;
    Ok(())
}
