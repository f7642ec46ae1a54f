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
    // Longest work first, so that no thread is left with it at the end.
    list.sort_by_key(|(at, decoder)| (std::cmp::Reverse(work(case, *at, *decoder)), *at));
    list
}

/// How long a member takes, in no unit: its size by what a byte costs, as measured on the case of `benches/compare`.
fn work(case: &Case, at: usize, decoder: Decoder) -> u64 {
    let per_byte = match decoder {
        Decoder::Text => 8,
        Decoder::Saz | Decoder::Har => 6,
        Decoder::Etl => 5,
        Decoder::Evtx => 4,
        Decoder::Pcap => 1,
    };
    case.members
        .get(at)
        .map_or(0, |member| member.size.saturating_mul(per_byte))
}

/// Smaller members are not worth other threads.
const LARGE: u64 = 4 << 20;

/// Threads for each member of a list that is worked off in its order.
pub(super) fn threads(case: &Case, list: &[(usize, Decoder)], jobs: usize) -> Vec<usize> {
    let of = |(at, decoder): &(usize, Decoder)| {
        let large = case.members.get(*at).is_some_and(|member| member.size >= LARGE);
        (work(case, *at, *decoder), large)
    };
    shares(&list.iter().map(of).collect::<Vec<_>>(), jobs)
}

/// All threads for what is large and takes longer than everything behind it, so that other threads would be idle before it is done; one
/// for the others.
fn shares(works: &[(u64, bool)], jobs: usize) -> Vec<usize> {
    let mut behind = 0_u64;
    let shares = works.iter().rev().map(|(work, large)| {
        let share = if *large && *work > behind { jobs } else { 1 };
        behind = behind.saturating_add(*work);
        share
    });
    let mut shares: Vec<usize> = shares.collect();
    shares.reverse();
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_the_last_large_members() {
        let shares = |works: &[u64]| -> Vec<usize> {
            let works: Vec<(u64, bool)> = works.iter().map(|work| (*work, *work >= 10)).collect();
            shares(&works, 2)
        };
        assert_eq!(shares(&[1985, 1600, 1200, 92]), [1, 2, 2, 2]);
        assert_eq!(shares(&[100, 20, 9, 3]), [2, 2, 1, 1]);
        assert_eq!(shares(&[50, 50, 9]), [1, 2, 1]);
        assert_eq!(shares(&[]), [0_usize; 0]);
    }
}
