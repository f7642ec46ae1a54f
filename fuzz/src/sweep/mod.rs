//! Every file of some folders, cut and damaged at many places, through unpacking, decoding and redaction.
//!
//! Each file is read as it is; at each place there is one cut and three sorts of damage. Checked: no panic, an end in time, memory, and that what
//! is in front of the damage is kept: a file that is damaged at a place gives about as many rows as the part before
//! that place gives alone. Small files get more places than large ones, so that all together make the wanted number.
//!
//! What was done is a line per file in a log; a sweep goes on where its log ends, also after a crash.

mod upload;

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use upload::{Desk, folder, limits};

use crate::mutate::Dice;
use crate::process;
use crate::session::{Watch, guarded};

/// Variants at one place: the cut, and three sorts of damage.
const PER_PLACE: u64 = 4;
/// Places of a file, at least and at most.
const PLACES: (u64, u64) = (2, 400);
/// Files above this size take seconds a variant.
const MAX_FILE: u64 = 40 << 20;
/// Name of the sweep for [`Watch`].
pub const NAME: &str = "sweep";

/// Reads uploads: what a sweep damages goes through it.
pub trait Reader {
    /// Reads `data` as an uploaded file of this name; damage in it is no error.
    ///
    /// Errors: the file system's.
    fn read(&self, name: &str, data: &[u8]) -> io::Result<Tally>;
}

/// What came of an upload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Members, containers included.
    pub members: usize,
    /// Rows of all of them.
    pub rows: usize,
    /// Remarks of all of them.
    pub diagnostics: usize,
}

/// How to sweep.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Variants of all files together, about.
    pub variants: u64,
    /// Number that decides the damage.
    pub seed: u64,
    /// Told the current variant.
    pub watch: Watch,
    /// Where lines go, and are read from.
    pub log: PathBuf,
}

/// What came of one file, or of all.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// Files.
    pub files: u64,
    /// Variants read.
    pub variants: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows they gave.
    pub rows: u64,
    /// Variants that panicked.
    pub panics: u64,
    /// Variants that lost rows in front of the damage.
    pub losses: u64,
    /// CPU seconds.
    pub cpu_s: f64,
    /// The longest one.
    pub slowest_ms: u64,
    /// Largest resident size.
    pub peak_mib: u64,
}

impl Line {
    fn text(&self, path: &str) -> String {
        format!(
            "{path}\t{}\t{}\t{}\t{}\t{}\t{:.2}\t{}\t{}",
            self.variants,
            self.bytes,
            self.rows,
            self.panics,
            self.losses,
            self.cpu_s,
            self.slowest_ms,
            self.peak_mib
        )
    }

    fn parse(line: &str) -> Option<(&str, Self)> {
        let mut parts = line.split('\t');
        let path = parts.next()?;
        let mut number = || parts.next()?.parse::<f64>().ok();
        // All but the seconds were written as whole numbers far below 2^53.
        let line = Self {
            files: 1,
            variants: number()? as u64,
            bytes: number()? as u64,
            rows: number()? as u64,
            panics: number()? as u64,
            losses: number()? as u64,
            cpu_s: number()?,
            slowest_ms: number()? as u64,
            peak_mib: number()? as u64,
        };
        Some((path, line))
    }

    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.variants += other.variants;
        self.bytes += other.bytes;
        self.rows += other.rows;
        self.panics += other.panics;
        self.losses += other.losses;
        self.cpu_s += other.cpu_s;
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
        self.peak_mib = self.peak_mib.max(other.peak_mib);
    }
}

/// All files below `folders`, as (path, size), in order of path.
///
/// Errors: a folder that can't be read.
pub fn files(folders: &[PathBuf]) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut out = Vec::new();
    let mut waiting = folders.to_vec();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                waiting.push(entry.path());
            } else if meta.is_file() && (1..=MAX_FILE).contains(&meta.len()) {
                out.push((entry.path(), meta.len()));
            }
        }
    }
    out.sort();
    Ok(out)
}

/// Places of each file, so that all variants together are about the wanted number: few in large files.
pub fn plan(sizes: &[u64], variants: u64) -> Vec<u64> {
    let places = |budget: u64| -> Vec<u64> {
        sizes
            .iter()
            .map(|size| (budget / size.max(&1)).clamp(PLACES.0, PLACES.1).min(*size))
            .collect()
    };
    let (mut low, mut high) = (0, 1_u64 << 40);
    while low < high {
        let middle = low + (high - low) / 2;
        match places(middle).iter().sum::<u64>() * PER_PLACE < variants {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    places(low)
}

/// Sweeps what the log does not know yet. Gives the sum of the log.
///
/// Errors: files that can't be read, and the log's own.
pub fn run(reader: &dyn Reader, folders: &[PathBuf], settings: &Settings) -> io::Result<Line> {
    let files = files(folders)?;
    let sizes: Vec<u64> = files.iter().map(|(_, size)| *size).collect();
    let done = logged(&settings.log)?;
    for ((path, _), places) in files.iter().zip(plan(&sizes, settings.variants)) {
        let name = path.display().to_string();
        if done.contains(&name) {
            continue;
        }
        let line = sweep(reader, path, places, settings)?;
        append(&settings.log, &line.text(&name))?;
    }
    total(&settings.log)
}

fn logged(log: &Path) -> io::Result<HashSet<String>> {
    let text = match fs::read_to_string(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    Ok(text
        .lines()
        .filter_map(|line| Some(Line::parse(line)?.0.to_owned()))
        .collect())
}

/// Adds a line to a log.
///
/// Errors: the file system's.
pub fn append(log: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(log)?;
    writeln!(file, "{line}")
}

/// The sum of a log.
///
/// Errors: the file system's.
pub fn total(log: &Path) -> io::Result<Line> {
    let mut sum = Line::default();
    for line in fs::read_to_string(log)?.lines() {
        if let Some((_, line)) = Line::parse(line) {
            sum.add(&line);
        }
    }
    Ok(sum)
}

fn sweep(reader: &dyn Reader, path: &Path, places: u64, settings: &Settings) -> io::Result<Line> {
    let data = fs::read(path)?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut sweep = Sweep {
        reader,
        name,
        settings,
        line: Line::default(),
    };
    process::forget_peak();
    let cpu = process::cpu_s().unwrap_or_default();
    let mut dice = Dice::new(settings.seed ^ data.len() as u64);
    let whole = sweep.read(&data, 0, "nothing").map_or(0, |tally| tally.rows);
    let step = data.len() / usize::try_from(places.max(1)).unwrap_or(1).max(1);
    for place in 0..usize::try_from(places).unwrap_or(0) {
        let at = (place * step + dice.below(step.max(1))).min(data.len().saturating_sub(1));
        sweep.place(&data, at, whole, &mut dice);
    }
    sweep.line.files = 1;
    sweep.line.cpu_s = process::cpu_s().unwrap_or_default() - cpu;
    sweep.line.peak_mib = process::peak_mib().unwrap_or_default();
    Ok(sweep.line)
}

struct Sweep<'a> {
    reader: &'a dyn Reader,
    name: String,
    settings: &'a Settings,
    line: Line,
}

impl Sweep<'_> {
    /// `whole` is how many rows the undamaged file gives: fewer than a part of it, where repetitions are summed up.
    fn place(&mut self, data: &[u8], at: usize, whole: usize, dice: &mut Dice) {
        let alone = self.read(data.get(..at).unwrap_or_default(), at, "cut");
        for (what, longest) in [("bit", 1), ("fill", 8), ("noise", 700)] {
            let mut damaged = data.to_vec();
            let bit = 1 << dice.below(8);
            let value = *dice.one(&[0_u8, 0xff, 0x80]).unwrap_or(&0);
            let len = 1 + dice.below(longest);
            for byte in damaged.iter_mut().skip(at).take(len) {
                *byte = match what {
                    "bit" => *byte ^ bit,
                    "fill" => value,
                    _ => dice.any().to_le_bytes()[0],
                };
            }
            let tally = self.read(&damaged, at, what);
            if let (Some(alone), Some(tally)) = (alone, tally)
                && !kept(alone.rows.min(whole), tally.rows)
            {
                self.line.losses += 1;
                self.tell(
                    at,
                    what,
                    &format!("{} rows, {} before it", tally.rows, alone.rows),
                );
            }
        }
    }

    fn read(&mut self, variant: &[u8], at: usize, what: &str) -> Option<Tally> {
        self.settings.watch.set(Some((NAME, variant)));
        let (started, cpu) = (Instant::now(), process::cpu_s());
        let result = guarded(|| self.reader.read(&self.name, variant));
        let took = used(started, cpu);
        self.settings.watch.set(None);
        self.line.variants += 1;
        self.line.bytes += variant.len() as u64;
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.line.slowest_ms = self.line.slowest_ms.max(took);
        let told = match result {
            Ok(Ok(tally)) => {
                self.line.rows += tally.rows as u64;
                return Some(tally);
            }
            Ok(Err(error)) => error.to_string(),
            Err(told) => told,
        };
        self.line.panics += 1;
        self.tell(at, what, &told);
        None
    }

    fn tell(&self, at: usize, what: &str, told: &str) {
        let _ = writeln!(io::stderr(), "{} at {at}, {what}: {told}", self.name);
    }
}

/// A busy machine is no slow input: CPU time counts, where it is known.
fn used(started: Instant, cpu: Option<f64>) -> Duration {
    let wall = started.elapsed();
    let cpu = process::cpu_s().zip(cpu).map(|(now, then)| (now - then).max(0.0));
    cpu.map_or(wall, |seconds| wall.min(Duration::from_secs_f64(seconds)))
}

/// Rows in front of the damage are there. A few may change with it: the last one, and those that sum a connection up.
fn kept(alone: usize, damaged: usize) -> bool {
    damaged + 5 + alone / 10 >= alone
}

/// Longest time a variant may take.
pub const LONGEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_get_more_places_and_the_sum_is_reached() {
        let sizes = [100, 10_000, 1_000_000, 30_000_000];
        let places = plan(&sizes, 2000);
        assert!(
            places.windows(2).all(|pair| pair[0] >= pair[1] || pair[0] == 100),
            "{places:?}"
        );
        assert!(places.iter().sum::<u64>() * PER_PLACE >= 2000);
        assert!(places.iter().all(|n| (PLACES.0..=PLACES.1).contains(n)));
    }

    #[test]
    fn lines_come_back_as_they_were_written() {
        let line = Line {
            files: 1,
            variants: 12,
            bytes: 345,
            rows: 6,
            panics: 1,
            losses: 2,
            cpu_s: 1.25,
            slowest_ms: 7,
            peak_mib: 8,
        };
        let text = line.text("a b/c.txt");
        let (path, back) = Line::parse(&text).expect("it was written by us");
        assert_eq!((path, back.text("a b/c.txt")), ("a b/c.txt", text.clone()));
    }

    #[test]
    fn a_demo_file_survives_and_keeps_its_rows() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fixtures/demo/hybrid-join-407/upload/dsregcmd-user.txt");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = Settings {
            variants: 80,
            seed: 1,
            watch: Watch::default(),
            log: folder.path().join("log.tsv"),
        };
        let desk = Desk::new().expect("a temporary folder");
        let line = sweep(&desk, &fixture, 20, &settings).expect("the fixture is there");
        assert_eq!((line.variants, line.panics, line.losses), (81, 0, 0));
        assert!(line.rows > 80, "{} rows", line.rows);
    }
}
