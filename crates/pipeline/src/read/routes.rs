//! What is done with each member, decided before anything is decoded.

use casetrace_bundle::{Case, Member, MemberOutcome};

use crate::definition::{Decoder, Route};
use crate::settings::Settings;

/// What is done with a member, decided before anything is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Decode(Decoder),
    /// Part of a session archive that is decoded as a whole.
    PartOf(usize),
    Skip(String),
    /// Not readable; the bundle crate said why.
    Unread,
}

pub(super) fn routes(case: &Case, settings: &Settings) -> Vec<Fate> {
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

pub(super) fn work_list(case: &Case, routes: &[Fate]) -> Vec<(usize, Decoder)> {
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

/// One member that outweighs all others gets all threads; otherwise members are decoded side by side.
pub(super) fn threads_per_member(case: &Case, routes: &[Fate], jobs: usize) -> usize {
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
