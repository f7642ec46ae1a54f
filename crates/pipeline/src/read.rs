//! The reading half of a run: inputs to inventory and timeline.

mod assemble;
mod hide;
mod ingest;
mod known;
mod routes;
mod work;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use casetrace_knowledge::Knowledge;
use casetrace_model::Inspection;
use casetrace_redact::Mode;
use casetrace_timeline::{Spill, Timeline, TimelineError};
use serde::{Deserialize, Serialize};

use self::assemble::assemble;
pub(crate) use self::assemble::case_name;
use self::hide::Hiding;
pub(crate) use self::hide::{redactor, shown_path};
use self::ingest::{ingest, leave_out, private_folder};
use self::known::context;
use self::routes::{routes, work_list};
use self::work::{decode_all, decode_in_order};
use crate::decode::Job;
use crate::error::RunError;
use crate::inventory::{InventoryMember, ReadOutcome};
use crate::memory::{self, Budget};
use crate::progress::{Progress, Stage};
use crate::settings::{Backend, Settings};
use crate::sink::{Shared, Spills};
use crate::stream::{Outlet, Relief};

/// An input as it is named in results: never a path of the machine it was analysed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Logical path of the member.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// Everything that was read.
#[derive(Debug)]
pub struct CaseRows {
    /// Case name: that of the first file or folder.
    pub name: String,
    /// The inputs.
    pub inputs: Vec<InputFile>,
    /// Every member.
    pub members: Vec<InventoryMember>,
    /// Format facts by member, for `inspect`.
    pub inspections: Vec<Option<Inspection>>,
    /// All rows, sorted.
    pub timeline: Timeline,
    /// Where columns of it lie that did not fit into memory.
    pub(crate) files: Vec<Arc<Spill>>,
    /// What collected the upload, as far as it is known, alphabetically.
    pub collections: Vec<&'static str>,
    /// What was hidden.
    pub redaction: Mode,
    /// Key of this case's pseudonyms, hex, as long as no name is hidden.
    pub pseudonym_key: Option<String>,
    /// What was replaced by what, with [`Mode::Identity`]. It undoes the redaction: keep it out of everything handed on.
    pub pseudonyms: BTreeMap<String, String>,
}

impl CaseRows {
    /// An error if a part of the timeline can't be read back.
    pub(crate) fn whole(&self) -> Result<(), TimelineError> {
        match self.files.iter().find_map(|file| file.trouble()) {
            Some(reason) => Err(TimelineError::Lost {
                reason: reason.to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// True if at least one member gave records or was a container that opened.
    pub fn any_decoded(&self) -> bool {
        self.members
            .iter()
            .zip(&self.inspections)
            .any(|(member, inspection)| {
                inspection.is_some()
                    && matches!(
                        member.outcome,
                        ReadOutcome::Ok | ReadOutcome::Partial | ReadOutcome::Empty
                    )
            })
    }

    /// True if something was lost while reading.
    pub fn any_partial(&self) -> bool {
        self.members.iter().any(|m| {
            matches!(
                m.outcome,
                ReadOutcome::Partial | ReadOutcome::Failed | ReadOutcome::Missing
            )
        })
    }
}

/// Unpacks and decodes.
///
/// Shape: members and rows do not depend on `settings.jobs` or on where the inputs lie.
/// Errors: inputs that are not there, a work folder that refuses; damage inside inputs is data.
pub fn read(
    inputs: &[PathBuf],
    settings: &Settings,
    wants_rows: bool,
    progress: &dyn Progress,
) -> Result<CaseRows, RunError> {
    run(inputs, settings, wants_rows, progress, None)
}

/// Unpacks and decodes, and hands rows to `take` as they come instead of keeping them: [`PART_ROWS`](crate::PART_ROWS) at
/// a time, each part sorted in itself. The timeline of the result is empty. `take` can break off; decoding then goes on
/// for the inventory's sake, but no rows are handed over.
///
/// Shape and errors as [`read`]; also returns how many parts there were.
pub fn stream(
    inputs: &[PathBuf],
    settings: &Settings,
    progress: &dyn Progress,
    take: &mut (dyn FnMut(Timeline) -> ControlFlow<()> + Send),
) -> Result<(CaseRows, u64), RunError> {
    let outlet = Outlet::new(take);
    let rows = run(inputs, settings, true, progress, Some(&outlet))?;
    Ok((rows, outlet.close()))
}

fn run(
    inputs: &[PathBuf],
    settings: &Settings,
    wants_rows: bool,
    progress: &dyn Progress,
    outlet: Option<&Outlet<'_>>,
) -> Result<CaseRows, RunError> {
    let work = private_folder(&settings.work_dir).map_err(|source| RunError::Work {
        path: settings.work_dir.clone(),
        source,
    })?;
    let mut case = ingest(inputs, settings, work.path(), progress)?;
    leave_out(&mut case, &settings.care);
    let routes = routes(&case, settings);
    let (context, known_texts) = context(&case, &routes, settings, progress);
    let hiding = Hiding::of(&case, &context, settings.redact);
    let knowledge = Knowledge::builtin();
    let shared = Shared {
        knowledge,
        redactor: &hiding.redactor,
        progress,
        max_diagnostics: settings.limits.max_diagnostics,
        spills: Spills::new(&settings.work_dir),
        outlet: outlet.map(|outlet| outlet as &dyn Relief),
    };
    let total: u64 = work_list(&case, &routes)
        .iter()
        .filter_map(|(at, _)| case.members.get(*at))
        .map(|m| m.size)
        .sum();
    progress.stage(Stage::Decode, total);
    let job = Job {
        shared: &shared,
        limits: memory::limits(settings.limits, settings.memory_limit, settings.jobs),
        memory: Budget::new(settings.memory_limit, total),
        os_backend: (settings.etl_backend == Backend::Os).then_some(work.path()),
        host: context.host,
        zone: context.zone,
        year: context.year,
        collected_ns: context.collected_ns,
        manifests: &settings.manifests,
        tmf: &settings.tmf,
        wants_rows,
        known_texts: &known_texts,
    };
    let results = match outlet {
        Some(outlet) => decode_in_order(&case, &routes, &job, outlet, settings.jobs),
        None => decode_all(&case, &routes, &job, settings),
    };
    progress.stage(Stage::Timeline, 0);
    Ok(assemble(case, &routes, results, &shared, hiding.published_key()))
}
