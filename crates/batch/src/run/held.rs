//! Leases that are renewed while their cases are worked on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::TICK;
use crate::context::Context;
use crate::store::Lease;

/// Leases that have to be renewed.
#[derive(Debug, Default)]
pub(super) struct Held {
    leases: Mutex<(Vec<Lease>, bool)>,
    changed: Condvar,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, (Vec<Lease>, bool)> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, lease: &Lease, ours: bool) {
        let mut held = self.lock();
        held.0.retain(|other| other != lease);
        if ours {
            held.0.push(lease.clone());
        }
    }

    pub(super) fn close(&self) {
        self.lock().1 = true;
        self.changed.notify_all();
    }

    /// Renews until closed.
    pub(super) fn keep(&self, context: &Context) {
        let every = (context.settings.lease_ttl / 3).max(TICK);
        let mut renewed = Instant::now();
        loop {
            let held = self.lock();
            if held.1 {
                return;
            }
            let wait = every
                .saturating_sub(renewed.elapsed())
                .max(Duration::from_millis(1));
            let (held, _) = match self.changed.wait_timeout(held, wait) {
                Ok(woken) => woken,
                Err(poisoned) => poisoned.into_inner(),
            };
            if held.1 {
                return;
            }
            if renewed.elapsed() >= every {
                renewed = Instant::now();
                // Under the lock, so that nothing is renewed that is being released. A lease lost costs double work at most.
                for lease in &held.0 {
                    let _ = context.store.renew(lease);
                }
            }
        }
    }
}
