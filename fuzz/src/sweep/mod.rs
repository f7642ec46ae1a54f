//! Every file of some folders, cut and damaged at many places, through unpacking, decoding and redaction.
//!
//! Each file is read as it is; at each place there is one cut and three sorts of damage. Checked: no panic, an end in time, memory, and that what
//! is in front of the damage is kept: a file that is damaged at a place gives about as many rows as the part before
//! that place gives alone. Small files get more places than large ones, so that all together make the wanted number.
//!
//! What was done is a line per file in a log; a sweep goes on where its log ends, also after a crash.

mod damage;
mod line;
mod upload;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use damage::{PER_PLACE, damaged, files, kept, place, plan};
use line::logged;
pub use line::{Line, append, total};
pub use upload::{Desk, MemberRows, folder, limits};

use crate::mutate::Dice;
use crate::process;
use crate::session::{Watch, guarded};

/// Name of the sweep for [`Watch`].
pub const NAME: &str = "sweep";

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

/// Sweeps what the log does not know yet. Gives the sum of the log.
///
/// Errors: files that can't be read, and the log's own.
pub fn run(desk: &Desk, folders: &[PathBuf], settings: &Settings) -> io::Result<Line> {
    let files = files(folders)?;
    let sizes: Vec<u64> = files.iter().map(|(_, size)| *size).collect();
    let done = logged(&settings.log)?;
    for ((path, _), places) in files.iter().zip(plan(&sizes, settings.variants)) {
        let name = path.display().to_string();
        if done.contains(&name) {
            continue;
        }
        let line = sweep(desk, path, places, settings)?;
        append(&settings.log, &line.text(&name))?;
    }
    total(&settings.log)
}

fn sweep(desk: &Desk, path: &Path, places: u64, settings: &Settings) -> io::Result<Line> {
    let data = fs::read(path)?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut sweep = Sweep {
        desk,
        name,
        settings,
        line: Line::default(),
    };
    process::forget_peak();
    let cpu = process::cpu_s().unwrap_or_default();
    let mut dice = Dice::new(settings.seed ^ data.len() as u64);
    let whole = sweep.read(&data, 0, "nothing").map_or(0, |tally| tally.rows);
    for number in 0..places {
        let at = place(data.len(), places, number, &mut dice);
        sweep.place(&data, at, whole, &mut dice);
    }
    sweep.line.files = 1;
    sweep.line.cpu_s = process::cpu_s().unwrap_or_default() - cpu;
    sweep.line.peak_mib = process::peak_mib().unwrap_or_default();
    Ok(sweep.line)
}

struct Sweep<'a> {
    desk: &'a Desk,
    name: String,
    settings: &'a Settings,
    line: Line,
}

impl Sweep<'_> {
    /// `whole` is how many rows the undamaged file gives: fewer than a part of it, where repetitions are summed up.
    fn place(&mut self, data: &[u8], at: usize, whole: usize, dice: &mut Dice) {
        let alone = self.read(data.get(..at).unwrap_or_default(), at, "cut");
        for (what, variant) in damaged(data, at, dice) {
            let tally = self.read(&variant, at, what);
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
        let result = guarded(|| self.desk.read(&self.name, variant));
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

/// Longest time a variant may take.
pub const LONGEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

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
