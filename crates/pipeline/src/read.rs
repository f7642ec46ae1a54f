//! The reading half of a run: inputs to inventory and timeline.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use casetrace_bundle::{Case, Member, MemberOutcome, Step};
use casetrace_knowledge::Knowledge;
use casetrace_model::{Collected, Diagnostic, Inspection};
use casetrace_redact::{Identity, Mode, Redactor};
use casetrace_timeline::{Spill, Timeline, TimelineBuilder, clock_offsets};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::context::{CaseContext, Gatherer};
use crate::decode::{self, Decoded, Job, KnownText, KnownTexts};
use crate::definition::{Decoder, Route};
use crate::error::RunError;
use crate::inventory::{InventoryMember, ReadOutcome};
use crate::memory::{self, Budget};
use crate::progress::{Progress, Stage};
use crate::settings::{Backend, Care, Settings};
use crate::sink::Shared;
use crate::stream::{Outlet, Relief};

/// Texts up to this size are looked at for the PC's name and zone before everything else.
const CONTEXT_TEXT_BYTES: u64 = 2 << 20;

/// Packed texts of rows that stay in memory; a case with more of them (about ten million rows) has the rest in a file.
const TEXTS_IN_MEMORY: u64 = 192 << 20;

/// Texts up to this size together are kept decoded.
const KNOWN_TEXT_BYTES: u64 = 64 << 20;

/// Members whose first bytes go into the key of replacement names.
const KEY_MEMBERS: usize = 1000;

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
    /// What collected the upload, as far as it is known, alphabetically.
    pub collections: Vec<&'static str>,
    /// What was replaced by what, with [`Mode::Identity`]. It undoes the redaction: keep it out of everything handed on.
    pub pseudonyms: BTreeMap<String, String>,
}

impl CaseRows {
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
    let redactor = redactor(&case, &context, settings.redact);
    let knowledge = Knowledge::builtin();
    let shared = Shared {
        knowledge,
        redactor: &redactor,
        progress,
        max_diagnostics: settings.limits.max_diagnostics,
        spill: Spill::new(&settings.work_dir, TEXTS_IN_MEMORY),
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
        threads: match outlet {
            Some(_) => settings.jobs,
            None => threads_per_member(&case, &routes, settings.jobs),
        },
    };
    let results = match outlet {
        Some(outlet) => decode_in_order(&case, &routes, &job, outlet),
        None => decode_all(&case, &routes, &job, settings),
    };
    progress.stage(Stage::Timeline, 0);
    Ok(assemble(case, &routes, results, &shared))
}

/// A folder that only this user can look into, removed when it is dropped.
fn private_folder(base: &Path) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("casetrace-");
    // The default follows the umask, which mostly lets everybody read.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(base)
}

fn ingest(
    inputs: &[PathBuf],
    settings: &Settings,
    work: &Path,
    progress: &dyn Progress,
) -> Result<Case, RunError> {
    let options = casetrace_bundle::Options {
        limits: settings.limits,
        passwords: settings.passwords.clone(),
        work_dir: work.to_path_buf(),
    };
    progress.stage(Stage::Ingest, 0);
    let mut report = |at: casetrace_bundle::Progress<'_>| match at.step {
        Step::Member => {
            progress.advance(1);
            progress.detail(at.path);
        }
        Step::Opening => progress.begin(at.path),
        Step::Opened => progress.end(at.path),
    };
    let closed: Vec<String> = settings
        .care
        .leave_out
        .iter()
        .map(|(path, _)| path.clone())
        .collect();
    casetrace_bundle::open_except(inputs, &options, &closed, &mut report).map_err(RunError::from)
}

/// Members that ended an earlier attempt count as unreadable.
fn leave_out(case: &mut Case, care: &Care) {
    for (path, reason) in &care.leave_out {
        if let Some(member) = case.members.iter_mut().find(|member| member.path == *path) {
            member.outcome = MemberOutcome::Failed;
            let text = format!(
                "reading this member {reason}; it was left out and the rest of the case was read without it"
            );
            member.diagnostics.push(Diagnostic::error("DecoderEnded", text));
        }
    }
}

fn input_files(case: &Case, redactor: &Redactor) -> Vec<InputFile> {
    case.members
        .iter()
        .filter(|member| member.parent.is_none())
        .map(|member| InputFile {
            path: shown_path(redactor, &member.path),
            size: member.size,
            sha256: member.sha256.clone().unwrap_or_default(),
        })
        .collect()
}

/// Replacement names are keyed by the case's content: equal in every run over it, unrelated between cases. The key is made
/// from the bytes themselves, not from the published hashes, so that a reader of the results can't test guesses.
fn redactor(case: &Case, context: &CaseContext, mode: Mode) -> Redactor {
    let mut hasher = Sha256::new();
    hasher.update(b"casetrace pseudonyms");
    if mode == Mode::Identity {
        let leaves = case
            .members
            .iter()
            .filter(|member| member.container.is_none() && member.is_readable());
        for head in leaves.take(KEY_MEMBERS).filter_map(|member| member.head().ok()) {
            hasher.update((head.len() as u64).to_le_bytes());
            hasher.update(&head);
        }
    }
    let mut redactor = Redactor::new(mode, &hasher.finalize());
    context
        .hosts
        .iter()
        .for_each(|host| redactor.learn(Identity::Host, host));
    context
        .users
        .iter()
        .for_each(|user| redactor.learn(Identity::User, user));
    redactor
}

/// A member's logical path as results show it: computer and user names in it are identities too.
pub(crate) fn shown_path(redactor: &Redactor, path: &str) -> String {
    match redactor.mode() {
        Mode::Identity => redactor.redact_text(path).into_owned(),
        Mode::Secrets | Mode::None => path.to_owned(),
    }
}

/// What is done with a member, decided before anything is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Decode(Decoder),
    /// Part of a session archive that is decoded as a whole.
    PartOf(usize),
    Skip(String),
    /// Not readable; the bundle crate said why.
    Unread,
}

fn routes(case: &Case, settings: &Settings) -> Vec<Fate> {
    case.members
        .iter()
        .map(|member| fate(case, member, settings))
        .collect()
}

fn fate(case: &Case, member: &Member, settings: &Settings) -> Fate {
    let in_archive = member.parent.filter(|parent| {
        let kind = case.members.get(*parent).map(|p| p.kind.as_str());
        kind.is_some_and(|kind| settings.definition.route(kind) == Route::Decode(Decoder::Saz))
    });
    if let Some(parent) = in_archive {
        return Fate::PartOf(parent);
    }
    if !member.is_readable() || matches!(member.outcome, MemberOutcome::Missing | MemberOutcome::Failed) {
        return Fate::Unread;
    }
    if let Some(twin) = member.duplicate_of.and_then(|at| case.members.get(at)) {
        return Fate::Skip(format!("same content as {}", twin.path));
    }
    match settings.definition.route(member.kind.as_str()) {
        Route::Decode(decoder) => Fate::Decode(decoder),
        Route::Skip(reason) => Fate::Skip(reason.to_owned()),
    }
}

fn work_list(case: &Case, routes: &[Fate]) -> Vec<(usize, Decoder)> {
    let mut list: Vec<(usize, Decoder)> = routes
        .iter()
        .enumerate()
        .filter_map(|(at, fate)| match fate {
            Fate::Decode(decoder) => Some((at, *decoder)),
            _ => None,
        })
        .collect();
    // Largest first, so that no thread is left with the big one at the end.
    list.sort_by_key(|(at, _)| {
        (
            std::cmp::Reverse(case.members.get(*at).map_or(0, |m| m.size)),
            *at,
        )
    });
    list
}

/// Reads small texts for what they say about the PC. Those whose rows don't depend on that are kept, by member, so that they
/// are decoded once.
fn context(
    case: &Case,
    routes: &[Fate],
    settings: &Settings,
    progress: &dyn Progress,
) -> (CaseContext, KnownTexts) {
    let wanted: Vec<usize> = case
        .members
        .iter()
        .zip(routes)
        .enumerate()
        .filter(|(_, (member, fate))| {
            **fate == Fate::Decode(Decoder::Text) && member.size <= CONTEXT_TEXT_BYTES
        })
        .map(|(at, _)| at)
        .collect();
    // One of them may have ended an earlier attempt: alone, the next end tells which.
    let jobs = match settings.care.one_by_one.is_empty() {
        true => settings.jobs,
        false => 1,
    };
    let mut texts = side_by_side(jobs, wanted.len(), |n| {
        let member = wanted.get(n).and_then(|at| case.members.get(*at))?;
        progress.begin(&member.path);
        let text = small_text(member, settings);
        progress.end(&member.path);
        text
    });
    let mut gatherer = Gatherer::default();
    for (at, text) in wanted.iter().zip(&texts) {
        if let (Some(member), Some(text)) = (case.members.get(*at), text) {
            gatherer.take(&member.path, &text.rows);
        }
    }
    let mut kept = 0;
    let mut known: KnownTexts = case.members.iter().map(|_| Mutex::new(None)).collect();
    for (at, text) in wanted.iter().zip(&mut texts) {
        let size = case.members.get(*at).map_or(0, |m| m.size);
        let fits = kept + size <= KNOWN_TEXT_BYTES;
        if let (Some(text), Some(slot)) = (
            text.take().filter(|t| fits && !t.result.hinted),
            known.get_mut(*at),
        ) {
            kept += size;
            *slot = Mutex::new(Some(text));
        }
    }
    (gatherer.conclude(), known)
}

fn small_text(member: &Member, settings: &Settings) -> Option<KnownText> {
    let mut input = member.open().ok()?;
    let options = casetrace_text::Options {
        limits: settings.limits,
        name: member.name.clone(),
        ..casetrace_text::Options::default()
    };
    let mut rows = Collected::default();
    let result = casetrace_text::decode(&mut input, &options, &mut rows);
    Some(KnownText { rows, result })
}

/// Results of `work` for 0 to `count`, in order, computed by some threads.
fn side_by_side<T: Send>(
    jobs: usize,
    count: usize,
    work: impl Fn(usize) -> Option<T> + Sync,
) -> Vec<Option<T>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<T>>> = Mutex::new((0..count).map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, count.max(1)) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    let done = work(n);
                    if let Ok(mut results) = results.lock()
                        && let Some(slot) = results.get_mut(n)
                    {
                        *slot = done;
                    }
                }
            });
        }
    });
    results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One member that outweighs all others gets all threads; otherwise members are decoded side by side.
fn threads_per_member(case: &Case, routes: &[Fate], jobs: usize) -> usize {
    let sizes = || {
        work_list(case, routes)
            .into_iter()
            .filter_map(|(at, _)| case.members.get(at))
            .map(|m| m.size)
    };
    let largest = sizes().max().unwrap_or(0);
    if largest.saturating_mul(2) > sizes().sum() {
        jobs
    } else {
        1
    }
}

type Results<'a> = Vec<Option<Decoded<'a>>>;

fn decode_all<'a>(case: &Case, routes: &[Fate], job: &Job<'a>, settings: &Settings) -> Results<'a> {
    let suspect = |at: usize| {
        let path = case.members.get(at).map(|member| member.path.as_str());
        settings
            .care
            .one_by_one
            .iter()
            .any(|other| Some(other.as_str()) == path)
    };
    let (alone, list): (Vec<_>, Vec<_>) = work_list(case, routes)
        .into_iter()
        .partition(|(at, _)| suspect(*at));
    let one = |at: usize, decoder: Decoder| {
        let path = case.members.get(at).map_or("", |member| member.path.as_str());
        job.shared.progress.detail(path);
        job.shared.progress.begin(path);
        let decoded = decode::member(case, at, decoder, job);
        job.shared.progress.end(path);
        decoded
    };
    let decoded = side_by_side(settings.jobs, list.len(), |n| {
        let (at, decoder) = list.get(n)?;
        Some((*at, one(*at, *decoder)))
    });
    let mut results: Results<'a> = case.members.iter().map(|_| None).collect();
    let alone = alone.into_iter().map(|(at, decoder)| (at, one(at, decoder)));
    for (at, decoded) in decoded.into_iter().flatten().chain(alone) {
        if let Some(slot) = results.get_mut(at) {
            *slot = decoded;
        }
    }
    results
}

/// One member after the other in path order; what a member leaves goes on before the next begins.
fn decode_in_order<'a>(case: &Case, routes: &[Fate], job: &Job<'a>, outlet: &Outlet<'_>) -> Results<'a> {
    let members = case.members.iter().zip(routes).enumerate();
    members
        .map(|(at, (member, fate))| {
            let Fate::Decode(decoder) = fate else { return None };
            job.shared.progress.detail(&member.path);
            let mut decoded = decode::member(case, at, *decoder, job)?;
            outlet.add(std::mem::take(&mut decoded.sink.collected.builder));
            Some(decoded)
        })
        .collect()
}

fn assemble(case: Case, routes: &[Fate], results: Results<'_>, shared: &Shared<'_>) -> CaseRows {
    let redactor = shared.redactor;
    let inputs = input_files(&case, redactor);
    let mut builder = TimelineBuilder::with_spill(&shared.spill);
    let mut members = Vec::with_capacity(case.members.len());
    let mut inspections = Vec::with_capacity(case.members.len());
    for ((member, fate), decoded) in case.members.iter().zip(routes).zip(results) {
        let mut line = inventory_line(member, &case, fate, redactor);
        inspections.push(decoded.map(|decoded| {
            line.format = decoded.format;
            line.encoding = decoded.encoding;
            let collected = decoded.sink.collected;
            line.decoded(&decoded.inspection, collected.rows, &collected.diagnostics);
            builder.append(collected.builder);
            decoded.inspection
        }));
        members.push(line);
    }
    let name = case_name(&inputs).to_owned();
    let collections: BTreeSet<&'static str> = casetrace_bundle::detect(&case)
        .values()
        .map(|collection| collection.as_str())
        .collect();
    let timeline = builder.finish();
    note_clocks(&mut members, &timeline);
    CaseRows {
        collections: collections.into_iter().collect(),
        name,
        inputs,
        members,
        inspections,
        timeline,
        pseudonyms: redactor.mapping(),
    }
}

fn note_clocks(members: &mut [InventoryMember], timeline: &Timeline) {
    for offset in clock_offsets(timeline) {
        let of_member = members.iter_mut().filter(|m| m.path == offset.artifact);
        of_member.for_each(|m| m.clock_offset = Some((&offset).into()));
    }
}

/// The file or folder that was named first; inputs in a folder carry its name in front.
fn case_name(inputs: &[InputFile]) -> &str {
    inputs
        .first()
        .and_then(|input| input.path.split('/').next())
        .unwrap_or("case")
}

fn inventory_line(member: &Member, case: &Case, fate: &Fate, redactor: &Redactor) -> InventoryMember {
    let outcome = match (member.outcome, fate) {
        (MemberOutcome::Partial, _) => ReadOutcome::Partial,
        (MemberOutcome::Empty, _) => ReadOutcome::Empty,
        (MemberOutcome::Missing, _) => ReadOutcome::Missing,
        (MemberOutcome::Failed, _) => ReadOutcome::Failed,
        (MemberOutcome::Skipped, _) => ReadOutcome::Skipped,
        (MemberOutcome::Ok, Fate::Decode(_) | Fate::PartOf(_)) => ReadOutcome::Ok,
        (MemberOutcome::Ok, Fate::Skip(_)) if member.container.is_some() => ReadOutcome::Ok,
        (MemberOutcome::Ok, Fate::Skip(_) | Fate::Unread) => ReadOutcome::Skipped,
    };
    let reason = match fate {
        Fate::Skip(reason) if member.container.is_none() => Some(shown_path(redactor, reason)),
        Fate::PartOf(parent) => case
            .members
            .get(*parent)
            .map(|p| format!("session of {}", shown_path(redactor, &p.path))),
        _ => None,
    };
    let mut line = InventoryMember {
        path: shown_path(redactor, &member.path),
        size: member.size,
        sha256: member.sha256.clone().unwrap_or_default(),
        kind: member.kind.as_str().to_owned(),
        format: None,
        encoding: None,
        outcome,
        reason,
        rows: 0,
        records: 0,
        first: None,
        last: None,
        clock: String::new(),
        clock_offset: None,
        diagnostics: Vec::new(),
    };
    line.add_diagnostics(&member.diagnostics);
    line
}
