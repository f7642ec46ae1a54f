//! Decodes members: side by side, or in order where rows go on as they come.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use casetrace_bundle::Case;

use super::routes::{Fate, threads, work_list};
use crate::decode::{self, Decoded, Job};
use crate::definition::Decoder;
use crate::settings::Settings;
use crate::stream::Outlet;

/// Results of `work` for 0 to `count`, in order, computed by some threads, or by this one if it is one.
pub(super) fn side_by_side<T: Send>(
    jobs: usize,
    count: usize,
    work: impl Fn(usize) -> Option<T> + Sync,
) -> Vec<Option<T>> {
    if jobs < 2 {
        return (0..count).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<T>>> = Mutex::new((0..count).map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(count) {
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

pub(super) type Results<'a> = Vec<Option<Decoded<'a>>>;

pub(super) fn decode_all<'a>(
    case: &Case,
    routes: &[Fate],
    job: &Job<'a>,
    settings: &Settings,
) -> Results<'a> {
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
    let one = |at: usize, decoder: Decoder, threads: usize| {
        let path = case.members.get(at).map_or("", |member| member.path.as_str());
        job.shared.progress.detail(path);
        job.shared.progress.begin(path);
        let decoded = decode::member(case, at, decoder, job, threads);
        job.shared.progress.end(path);
        decoded
    };
    let threads = threads(case, &list, settings.jobs);
    let decoded = side_by_side(settings.jobs, list.len(), |n| {
        let ((at, decoder), threads) = (list.get(n)?, threads.get(n)?);
        Some((*at, one(*at, *decoder, *threads)))
    });
    let mut results: Results<'a> = case.members.iter().map(|_| None).collect();
    let alone = alone.into_iter().map(|(at, decoder)| (at, one(at, decoder, 1)));
    for (at, decoded) in decoded.into_iter().flatten().chain(alone) {
        if let Some(slot) = results.get_mut(at) {
            *slot = decoded;
        }
    }
    results
}

/// One member after the other in path order, each with so many threads; what a member leaves goes on before the next begins.
pub(super) fn decode_in_order<'a>(
    case: &Case,
    routes: &[Fate],
    job: &Job<'a>,
    outlet: &Outlet<'_>,
    threads: usize,
) -> Results<'a> {
    let members = case.members.iter().zip(routes).enumerate();
    members
        .map(|(at, (member, fate))| {
            let Fate::Decode(decoder) = fate else { return None };
            job.shared.progress.detail(&member.path);
            let mut decoded = decode::member(case, at, *decoder, job, threads)?;
            outlet.add(std::mem::take(&mut decoded.sink.collected.builder));
            Some(decoded)
        })
        .collect()
}
