//! Small texts, decoded first: they name the PC and its time zone.

use std::sync::Mutex;

use casetrace_bundle::{Case, Member};
use casetrace_model::Collected;

use super::routes::Fate;
use super::work::side_by_side;
use crate::context::{CaseContext, Gatherer};
use crate::decode::{KnownText, KnownTexts};
use crate::definition::Decoder;
use crate::progress::Progress;
use crate::settings::Settings;

/// Texts up to this size are looked at for the PC's name and zone before everything else.
const CONTEXT_TEXT_BYTES: u64 = 2 << 20;

/// Texts up to this size together are kept decoded.
const KNOWN_TEXT_BYTES: u64 = 64 << 20;

/// Reads small texts for what they say about the PC. Those whose rows don't depend on that are kept, by member, so that they
/// are decoded once.
pub(super) fn context(
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
