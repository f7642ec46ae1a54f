//! The sweep through whole analyses: many damaged files as one upload, so that rules and report are run once for all.
//!
//! Each variant lies in a folder of its own under its file's name. Checked for each pack: no panic, no end of the process,
//! time and memory; every member gives as many rows as the decoders give for its variant alone, so that no damaged
//! file costs another one its rows; what is in front of the damage is kept; and the case that was written can be read and its names hidden.
//! A pack that fails is split until the variant is found, which is kept beside the log. One variant of each pack is analysed
//! alone as well, with names hidden while reading.

mod compare;
mod line;
mod plan;
mod worker;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use casetrace_fuzz::mutate::Dice;
use casetrace_fuzz::process;
use casetrace_fuzz::session::guarded;
use casetrace_fuzz::sweep::{self, Desk, MemberRows, NAME, PER_PLACE, Settings, kept};
use tempfile::TempDir;

use self::compare::Found;
use self::line::{Line, done};
use self::plan::{Plan, Variant};
use self::worker::{Failure, Worker};
use crate::upload::{Answer, Question};

/// Argument of the process that analyses.
pub(crate) const SERVE: &str = "serve";
/// Name of the upload.
const UPLOAD: &str = "pack";
/// Names are hidden in every so many'th finished case: that judges it again.
const HIDE_EVERY: usize = 4;

/// Sweeps the packs that the log does not know yet. True if every promise was kept.
///
/// Errors: files that can't be read, the log's own, and those of starting processes.
pub(crate) fn run(folders: &[PathBuf], settings: &Settings) -> io::Result<bool> {
    let plan = Plan::new(folders, settings.variants, settings.seed)?;
    let (known, _) = done(&settings.log)?;
    let worker = Worker::new(std::env::current_exe()?, &[SERVE]);
    let mut packs = Packs::new(&plan, settings, worker)?;
    for (number, places) in plan.packs.iter().enumerate() {
        if known.contains(&number) {
            continue;
        }
        let variants = plan.variants(places)?;
        let line = packs.pack(number, variants)?;
        sweep::append(&settings.log, &line.text(number))?;
    }
    let (_, sum) = done(&settings.log)?;
    writeln!(
        io::stdout(),
        "{} of {} packs, {} variants, {} MB, {} members, {} rows, {} analyses, {} failures, {} that lost rows, \
         {:.0} CPU s of decoders, {:.0} of analyses, slowest {:.2} s, alone {:.2} s, peak {} MiB",
        sum.packs,
        plan.packs.len(),
        sum.variants,
        sum.bytes / 1_000_000,
        sum.members,
        sum.rows,
        sum.analyses,
        sum.failures,
        sum.losses,
        sum.decode_s,
        sum.analysis_s,
        sum.slowest_s,
        sum.slowest_alone_s,
        sum.peak_mib
    )?;
    Ok(sum.failures == 0 && sum.losses == 0)
}

/// A variant and what the decoders alone make of it.
struct Read {
    variant: Variant,
    members: Vec<MemberRows>,
}

impl Read {
    fn rows(&self) -> usize {
        self.members.iter().map(|member| member.rows).sum()
    }
}

struct Packs<'a> {
    plan: &'a Plan,
    settings: &'a Settings,
    desk: Desk,
    folder: TempDir,
    worker: Worker,
    /// Rows of each undamaged file, once they are needed.
    whole: Vec<Option<usize>>,
    number: usize,
    line: Line,
}

impl<'a> Packs<'a> {
    fn new(plan: &'a Plan, settings: &'a Settings, worker: Worker) -> io::Result<Self> {
        Ok(Self {
            plan,
            settings,
            desk: Desk::new()?,
            folder: sweep::folder()?,
            worker,
            whole: vec![None; plan.files.len()],
            number: 0,
            line: Line::default(),
        })
    }

    fn pack(&mut self, number: usize, variants: Vec<Variant>) -> io::Result<Line> {
        self.number = number;
        self.line = Line::default();
        let cpu = process::cpu_s().unwrap_or_default();
        let mut reads = Vec::new();
        let mut variants = variants.into_iter().peekable();
        while variants.peek().is_some() {
            let place: Vec<Variant> = variants.by_ref().take(PER_PLACE as usize).collect();
            self.place(place, &mut reads)?;
        }
        self.line.decode_s = process::cpu_s().unwrap_or_default() - cpu;
        self.settle(&reads)?;
        let mut dice = Dice::new(self.settings.seed ^ number as u64);
        if let Some(read) = dice.one(&reads) {
            self.alone(read)?;
        }
        Ok(self.line)
    }

    /// The decoders' view of the variants of one place; the first is the part in front of the damage.
    fn place(&mut self, variants: Vec<Variant>, reads: &mut Vec<Read>) -> io::Result<()> {
        let mut in_front = None;
        for variant in variants {
            self.line.variants += 1;
            self.line.bytes += variant.data.len() as u64;
            let Some(members) = self.decode(&variant)? else {
                continue;
            };
            let read = Read { variant, members };
            let rows = read.rows();
            let Some(alone) = in_front else {
                in_front = Some(rows);
                reads.push(read);
                continue;
            };
            if !kept(alone, rows) && !kept(alone.min(self.whole(&read.variant)?), rows) {
                self.line.losses += 1;
                self.keep(&read.variant)?;
                self.tell(&read.variant, "rows", &format!("{rows} rows, {alone} before it"))?;
            }
            reads.push(read);
        }
        Ok(())
    }

    fn decode(&mut self, variant: &Variant) -> io::Result<Option<Vec<MemberRows>>> {
        self.settings.watch.set(Some((NAME, &variant.data)));
        let result = guarded(|| self.desk.members(&variant.name, &variant.data));
        self.settings.watch.set(None);
        match result {
            Ok(members) => members.map(Some),
            Err(told) => {
                self.failed(variant, "decoders", &told)?;
                Ok(None)
            }
        }
    }

    /// Rows of the undamaged file.
    fn whole(&mut self, variant: &Variant) -> io::Result<usize> {
        if let Some(rows) = self.whole.get(variant.file).copied().flatten() {
            return Ok(rows);
        }
        let data = fs::read(self.source(variant))?;
        let rows = self.desk.read(&variant.name, &data)?.rows;
        if let Some(slot) = self.whole.get_mut(variant.file) {
            *slot = Some(rows);
        }
        Ok(rows)
    }

    fn source(&self, variant: &Variant) -> &Path {
        self.plan
            .files
            .get(variant.file)
            .map_or(Path::new(""), PathBuf::as_path)
    }

    /// True if these can be analysed together. Where they can't, the variants at fault are found and kept.
    fn settle(&mut self, reads: &[Read]) -> io::Result<bool> {
        let (Some(first), false) = (reads.first(), reads.is_empty()) else {
            return Ok(true);
        };
        let failure = match self.analyse(reads)? {
            Ok(answer) => return self.compare(reads, &answer),
            Err(failure) => failure,
        };
        if reads.len() == 1 {
            self.failed(&first.variant, "analysis", &failure.to_string())?;
            return Ok(false);
        }
        let (left, right) = reads.split_at(reads.len() / 2);
        let [left, right] = [self.settle(left)?, self.settle(right)?];
        // Many large ones take long together; that says nothing about any of them.
        let only_much = matches!(failure, Failure::Slow(_) | Failure::Large(_));
        if left && right && !only_much {
            let told = format!("only {} together: {failure}", reads.len());
            for read in reads {
                self.keep(&read.variant)?;
            }
            self.failed(&first.variant, "together", &told)?;
            return Ok(false);
        }
        Ok(left && right)
    }

    fn analyse(&mut self, reads: &[Read]) -> io::Result<Result<Answer, Failure>> {
        let upload = self.folder.path().join(UPLOAD);
        for (number, read) in reads.iter().enumerate() {
            let folder = upload.join(number.to_string());
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(&read.variant.name), &read.variant.data)?;
        }
        let outcome = self.ask(&upload, false)?;
        fs::remove_dir_all(&upload)?;
        if let Ok(answer) = &outcome {
            self.line.packs = 1;
            self.line.members += answer.members.len() as u64;
            self.line.rows += answer.rows as u64;
        }
        Ok(outcome)
    }

    fn ask(&mut self, upload: &Path, hide: bool) -> io::Result<Result<Answer, Failure>> {
        let outcome = self.worker.ask(&Question {
            upload: upload.display().to_string(),
            hide,
            again: !hide && self.number.is_multiple_of(HIDE_EVERY),
        })?;
        self.line.analyses += 1;
        if let Ok(answer) = &outcome {
            self.line.analysis_s += answer.cpu_s;
            self.line.slowest_s = self.line.slowest_s.max(answer.cpu_s);
            self.line.peak_mib = self.line.peak_mib.max(answer.peak_mib);
        }
        Ok(outcome)
    }

    fn compare(&mut self, reads: &[Read], answer: &Answer) -> io::Result<bool> {
        let found = Found::new(&answer.members);
        let mut equal = true;
        for (number, read) in reads.iter().enumerate() {
            let folder = format!("{UPLOAD}/{number}");
            for other in found.differences(&folder, &read.members) {
                equal = false;
                let told = format!("{} rows, {} alone: {}", other.packed, other.alone, other.path);
                self.failed(&read.variant, "members", &told)?;
            }
        }
        Ok(equal)
    }

    /// One variant by itself, with names hidden.
    fn alone(&mut self, read: &Read) -> io::Result<()> {
        let upload = self.folder.path().join(&read.variant.name);
        fs::write(&upload, &read.variant.data)?;
        let outcome = self.ask(&upload, true)?;
        fs::remove_file(&upload)?;
        let of_their_own = read.members.iter().filter(|member| member.twin.is_none());
        let expected: usize = of_their_own.map(|member| member.rows).sum();
        match outcome {
            Err(failure) => self.failed(&read.variant, "alone", &failure.to_string()),
            Ok(answer) if answer.rows != expected => {
                let told = format!("{} rows, {expected} of the decoders", answer.rows);
                self.failed(&read.variant, "alone", &told)
            }
            Ok(answer) => {
                self.line.slowest_alone_s = answer.cpu_s;
                Ok(())
            }
        }
    }

    fn failed(&mut self, variant: &Variant, kind: &str, told: &str) -> io::Result<()> {
        self.line.failures += 1;
        self.keep(variant)?;
        self.tell(variant, kind, told)
    }

    /// A line in the list of failures beside the log.
    fn tell(&self, variant: &Variant, kind: &str, told: &str) -> io::Result<()> {
        let line = format!(
            "{}\t{kind}\t{}\t{}\t{}\t{told}",
            self.number,
            self.source(variant).display(),
            variant.at,
            variant.what
        );
        writeln!(io::stderr(), "{line}")?;
        sweep::append(&self.settings.log.with_extension("failures.tsv"), &line)
    }

    fn keep(&self, variant: &Variant) -> io::Result<()> {
        let folder = self.settings.log.with_extension("kept").join(format!(
            "{}-{}-{}-{}",
            self.number, variant.file, variant.at, variant.what
        ));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(&variant.name), &variant.data)
    }
}

#[cfg(test)]
mod tests;
