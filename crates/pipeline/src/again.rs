//! A finished case once more, without decoding: judged with other rules, in another language, with more hidden.
//!
//! Hiding names in a finished case gives the same as hiding them while reading: the inventory has kept the key of the
//! case's pseudonyms, and rows go through the same redactor.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use casetrace_knowledge::Lang;
use casetrace_redact::{Mode, Redactor};
use casetrace_report::Templates;
use casetrace_rules::RulePack;
use casetrace_timeline::{Timeline, TimelineBuilder, query, read_parquet, read_parquet_parts, scan_parquet};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::analyze::{CaseResult, conclude};
use crate::context::Config;
use crate::error::RunError;
use crate::inventory::Inventory;
use crate::output::{hex, load_inventory, names};
use crate::progress::Silent;
use crate::read::{CaseRows, case_name, redactor, shown_path};

/// Rows that one thread hides at a time.
const CHUNK_ROWS: u32 = 8192;

/// Judges and renders a finished case again and hides what `mode` says. Nothing is written.
///
/// Shape: as [`analyze`](crate::analyze); there are no inspections and no kinds of collection.
pub fn analyze_again(
    folder: &Path,
    pack: &RulePack,
    lang: Lang,
    templates: &Templates,
    mode: Mode,
) -> Result<CaseResult, RunError> {
    let inventory = load_inventory(folder)?;
    let hider = Hider::of(folder, &inventory, mode)?;
    conclude(case(folder, inventory, hider)?, pack, lang, templates, &Silent)
}

/// Two finished cases with hidden what `mode` says, by one set of pseudonyms: who is in both keeps one name.
///
/// Errors: a case folder that can't be read, and one whose names are gone already beside one that still has them.
pub(crate) fn pair(folders: [&Path; 2], mode: Mode) -> Result<[CaseRows; 2], RunError> {
    let [before, after] = folders;
    let inventories = [load_inventory(before)?, load_inventory(after)?];
    let [old, new] = inventories
        .each_ref()
        .map(|inventory| inventory.mode().is_some_and(|done| covers(done, mode)));
    if mode == Mode::Identity && old != new {
        let path = if old { before } else { after };
        return Err(RunError::Pair {
            path: path.to_owned(),
            reason: "its names were replaced when it was made, with pseudonyms of its own; compare two cases with names, or two without",
        });
    }
    let [a, b] = &inventories;
    let [hide_a, hide_b] = Hider::alike([(before, a), (after, b)], mode)?;
    let [a, b] = inventories;
    Ok([case(before, a, hide_a)?, case(after, b, hide_b)?])
}

fn case(folder: &Path, inventory: Inventory, hider: Option<Hider>) -> Result<CaseRows, RunError> {
    let timeline = folder.join(names::TIMELINE);
    match hider {
        Some(hider) => hider.case(inventory, &timeline),
        None => Ok(whole_case(inventory, read_parquet(&timeline)?)),
    }
}

/// The case as it is.
fn whole_case(inventory: Inventory, timeline: Timeline) -> CaseRows {
    CaseRows {
        redaction: inventory.mode().unwrap_or(Mode::None),
        pseudonym_key: inventory.pseudonym_key,
        name: inventory.name,
        inputs: inventory.inputs,
        inspections: inventory.members.iter().map(|_| None).collect(),
        members: inventory.members,
        timeline,
        files: Vec::new(),
        collections: Vec::new(),
        pseudonyms: BTreeMap::new(),
    }
}

/// Hides secrets or names in what a finished case holds.
pub struct Hider {
    redactor: Redactor,
    key: String,
}

impl Hider {
    /// `None` if the case hides what `mode` wants already.
    ///
    /// Errors: a case folder that can't be read.
    pub fn new(folder: &Path, mode: Mode) -> Result<Option<Self>, RunError> {
        Self::of(folder, &load_inventory(folder)?, mode)
    }

    fn of(folder: &Path, inventory: &Inventory, mode: Mode) -> Result<Option<Self>, RunError> {
        let [hider] = Self::alike([(folder, inventory)], mode)?;
        Ok(hider)
    }

    /// One for each case that needs it. All have the first one's key and know the names of all.
    fn alike<const N: usize>(
        cases: [(&Path, &Inventory); N],
        mode: Mode,
    ) -> Result<[Option<Self>; N], RunError> {
        let open = |inventory: &Inventory| {
            mode != Mode::None && !inventory.mode().is_some_and(|done| covers(done, mode))
        };
        let mut key = None;
        let (mut hosts, mut users) = (BTreeSet::new(), BTreeSet::new());
        for (folder, inventory) in cases.iter().filter(|(_, inventory)| open(inventory)) {
            let timeline = folder.join(names::TIMELINE);
            if key.is_none() {
                key = Some(match &inventory.pseudonym_key {
                    Some(key) => key.clone(),
                    None => content_key(&timeline)?,
                });
            }
            if mode == Mode::Identity {
                let (more_hosts, more_users) = known_names(&timeline)?;
                hosts.extend(more_hosts);
                users.extend(more_users);
            }
        }
        Ok(cases.map(|(_, inventory)| {
            let key = key.clone().filter(|_| open(inventory))?;
            let bytes = unhex(&key).unwrap_or_else(|| key.clone().into_bytes());
            Some(Self {
                redactor: redactor(mode, &bytes, &hosts, &users),
                key,
            })
        }))
    }

    /// Rows in the order they come, hidden.
    pub fn rows(&self, rows: &Timeline) -> Timeline {
        self.builder(rows).finish()
    }

    /// What was replaced by what so far; it undoes [`Mode::Identity`].
    pub fn pseudonyms(&self) -> BTreeMap<String, String> {
        self.redactor.mapping()
    }

    fn builder(&self, rows: &Timeline) -> TimelineBuilder {
        let len = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let chunks: Vec<u32> = (0..len).step_by(CHUNK_ROWS as usize).collect();
        let hide = |start: &u32| {
            let mut builder = TimelineBuilder::new();
            for mut row in rows.rows(*start..start.saturating_add(CHUNK_ROWS)) {
                self.redactor.redact_row(&mut row);
                row.artifact = shown_path(&self.redactor, &row.artifact).into();
                builder.push(&row.artifact.clone(), None, row);
            }
            builder
        };
        let hidden: Vec<TimelineBuilder> = chunks.par_iter().map(hide).collect();
        let mut all = TimelineBuilder::new();
        hidden.into_iter().for_each(|part| all.append(part));
        all
    }

    fn case(&self, inventory: Inventory, timeline: &Path) -> Result<CaseRows, RunError> {
        let mut builder = TimelineBuilder::new();
        read_parquet_parts::<RunError>(timeline, |part| {
            builder.append(self.builder(&part));
            Ok(())
        })?;
        let mut case = whole_case(inventory, builder.finish());
        let shown = |path: &mut String| *path = shown_path(&self.redactor, path);
        case.inputs.iter_mut().for_each(|input| shown(&mut input.path));
        for member in &mut case.members {
            shown(&mut member.path);
            member.reason.iter_mut().for_each(shown);
            member
                .clock_offset
                .iter_mut()
                .for_each(|c| shown(&mut c.reference));
        }
        case.name = case_name(&case.inputs).to_owned();
        case.redaction = self.redactor.mode();
        case.pseudonym_key = (case.redaction != Mode::Identity).then(|| self.key.clone());
        case.pseudonyms = self.pseudonyms();
        Ok(case)
    }
}

fn covers(done: Mode, wanted: Mode) -> bool {
    let rank = |mode| match mode {
        Mode::None => 0,
        Mode::Secrets => 1,
        Mode::Identity => 2,
    };
    rank(done) >= rank(wanted)
}

/// Computers and users that the case's texts name: the same that are known while reading.
fn known_names(timeline: &Path) -> Result<(BTreeSet<String>, BTreeSet<String>), RunError> {
    let column = |sql: &str| -> Result<Vec<String>, RunError> {
        let found = query(vec![("timeline", scan_parquet(timeline)?)], sql)?;
        let texts = found.columns().first().and_then(|column| column.str().ok());
        let texts = texts.into_iter().flat_map(|texts| texts.iter().flatten());
        Ok(texts.map(str::to_owned).collect())
    };
    let users = column("SELECT DISTINCT user FROM timeline WHERE source = 'text' AND user IS NOT NULL")?;
    let facts = column(
        "SELECT fields FROM timeline WHERE source = 'text' AND kind IN ('config', 'dsregcmd.section')",
    )?;
    let facts = facts.iter().filter_map(|fields| Config::read(fields));
    let hosts = facts.flat_map(|fact| fact.hosts().collect::<Vec<_>>()).collect();
    Ok((hosts, users.into_iter().collect()))
}

/// Key for cases of versions that kept none: only who has the names already can make it.
fn content_key(timeline: &Path) -> Result<String, RunError> {
    let read = |source| RunError::Input {
        path: timeline.to_owned(),
        source,
    };
    let mut hasher = Sha256::new();
    hasher.update(b"casetrace pseudonyms of a finished case");
    let mut file = File::open(timeline).map_err(read)?;
    let mut buffer = [0; 1 << 14];
    loop {
        match file.read(&mut buffer).map_err(read)? {
            0 => break,
            n => hasher.update(buffer.get(..n).unwrap_or_default()),
        }
    }
    Ok(hex(&hasher.finalize()))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
