//! Uploads through everything: unpacking, decoding, redaction, rules, report and the case folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use casetrace_fuzz::process;
use casetrace_fuzz::sweep::limits;
use casetrace_knowledge::Lang;
use casetrace_model::Limits;
use casetrace_pipeline::{
    CaseResult, InventoryMember, Mode, RunError, Settings, Silent, Templates, analyze, analyze_again, load,
    write,
};
use casetrace_timeline::{ColumnId, Timeline};
use serde::{Deserialize, Serialize};

use crate::case::{RULES, settings};

/// What to read, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Question {
    /// A file or folder.
    pub(crate) upload: String,
    /// Hide names while reading, not only secrets.
    pub(crate) hide: bool,
    /// Hide names in the finished case as well.
    pub(crate) again: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Why there is no case: a panic, or an error of the file system.
    pub(crate) error: Option<String>,
    /// CPU seconds it took.
    pub(crate) cpu_s: f64,
    /// Largest resident size meanwhile.
    pub(crate) peak_mib: u64,
    /// Rows of the timeline.
    pub(crate) rows: usize,
    /// All members.
    pub(crate) members: Vec<MemberLine>,
}

/// A member in a finished case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberLine {
    /// Logical path.
    pub(crate) path: String,
    /// Its rows in the timeline.
    pub(crate) rows: usize,
    /// Why it was not read.
    pub(crate) reason: Option<String>,
}

/// Where the last panic of any thread was.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Answers questions, a line of JSON each, until there are no more.
///
/// Errors: a pipe that is broken, a question that is none.
pub(crate) fn serve() -> io::Result<()> {
    panic::set_hook(Box::new(|info| {
        let text = info.payload_as_str().unwrap_or("(no text)");
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
        let told = format!(
            "{} at {}",
            text.lines().next().unwrap_or_default(),
            place.unwrap_or_default()
        );
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }));
    // Made before the first question, so that it does not count.
    let _ = &*RULES;
    for line in io::stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?)?;
        let answer = serde_json::to_string(&answer(&question))?;
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(question: &Question) -> Answer {
    process::forget_peak();
    let before = process::cpu_s().unwrap_or_default();
    let mut answer = match panic::catch_unwind(AssertUnwindSafe(|| whole(question))) {
        Ok(Ok(answer)) => answer,
        Ok(Err(told)) => failed(told),
        Err(_) => failed(
            PANIC
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
                .unwrap_or_default(),
        ),
    };
    answer.cpu_s = process::cpu_s().unwrap_or_default() - before;
    answer.peak_mib = process::peak_mib().unwrap_or_default();
    answer
}

fn failed(told: String) -> Answer {
    Answer {
        error: Some(told),
        ..Answer::default()
    }
}

/// Analyses, writes the case, and reads it back: beside the upload, in a folder that whoever asks has made and removes.
fn whole(question: &Question) -> Result<Answer, String> {
    let folder = Path::new(&question.upload).parent().unwrap_or(Path::new(""));
    let told = |error: RunError| error.to_string();
    let settings = Settings {
        work_dir: folder.to_owned(),
        redact: if question.hide {
            Mode::Identity
        } else {
            Mode::Secrets
        },
        limits: Limits {
            max_members: Limits::default().max_members,
            max_total_bytes: Limits::default().max_total_bytes,
            ..limits()
        },
        ..settings()?
    };
    let inputs = [question.upload.clone().into()];
    let case = analyze(&inputs, &settings, &RULES.pack, Lang::En, &Silent).map_err(told)?;
    let result = folder.join("result");
    if result.exists() {
        fs::remove_dir_all(&result).map_err(|error| error.to_string())?;
    }
    write(&case, &result).map_err(told)?;
    let written = load(&result).map_err(told)?;
    if written.timeline.len() != case.rows.timeline.len() {
        return Err(format!(
            "{} rows were written of {}",
            written.timeline.len(),
            case.rows.timeline.len()
        ));
    }
    if question.again {
        hide_names(&result, &case)?;
    }
    fs::remove_dir_all(&result).map_err(|error| error.to_string())?;
    Ok(Answer {
        rows: case.rows.timeline.len(),
        members: lines(&case.rows.members, &written.timeline),
        ..Answer::default()
    })
}

/// Hiding names later keeps every row and finding.
fn hide_names(result: &Path, case: &CaseResult) -> Result<(), String> {
    let hidden = analyze_again(
        result,
        &RULES.pack,
        Lang::En,
        &Templates::builtin(),
        Mode::Identity,
    )
    .map_err(|error| error.to_string())?;
    if hidden.rows.timeline.len() == case.rows.timeline.len() {
        return Ok(());
    }
    Err(format!(
        "{} rows are left of {} with names hidden",
        hidden.rows.timeline.len(),
        case.rows.timeline.len()
    ))
}

/// Members with their rows, as the timeline has them.
fn lines(members: &[InventoryMember], timeline: &Timeline) -> Vec<MemberLine> {
    let Some(column) = ColumnId::of("artifact") else {
        return Vec::new();
    };
    let texts = timeline.distinct(column);
    let mut counts = vec![0_usize; texts.len()];
    for row in 0..u32::try_from(timeline.len()).unwrap_or(u32::MAX) {
        let place = timeline.code(column, row).and_then(|code| code.checked_sub(1));
        if let Some(count) = place.and_then(|place| counts.get_mut(place as usize)) {
            *count += 1;
        }
    }
    let counts: BTreeMap<&str, usize> = texts.iter().map(|text| text.as_str()).zip(counts).collect();
    members
        .iter()
        .map(|member| MemberLine {
            path: member.path.clone(),
            rows: counts.get(member.path.as_str()).copied().unwrap_or_default(),
            reason: member.reason.clone(),
        })
        .collect()
}
