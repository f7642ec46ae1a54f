//! Work without any other thread.

use polars_async::executor::ALLOW_RAYON_THREADS;

/// While it lives, everything this thread asks of polars is done on this thread.
///
/// Polars hands work to a pool, which with one thread does it no sooner: the asking thread waits, and on a machine where as many
/// cases as cores are worked on at a time, each hand-over moves the data to another core's cache. A case makes hundreds of them.
#[derive(Debug)]
pub struct Alone {
    before: bool,
}

impl Alone {
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            before: ALLOW_RAYON_THREADS.replace(false),
        }
    }

    /// True if this thread works alone.
    pub(crate) fn is_on() -> bool {
        !ALLOW_RAYON_THREADS.get()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        ALLOW_RAYON_THREADS.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::{Arc, Mutex};
    use std::thread::{ThreadId, current};

    use polars::prelude::{Column, IntoLazy, col, df};

    use super::Alone;

    #[test]
    fn polars_stays_on_the_thread_and_leaves_it_again() {
        // The threads that polars calls back on.
        let threads = || -> HashSet<ThreadId> {
            let seen = Arc::new(Mutex::new(HashSet::new()));
            let columns = (0..4).map(|n| {
                let seen = Arc::clone(&seen);
                let note = move |column: Column| {
                    seen.lock().expect("nobody panics with it").insert(current().id());
                    Ok(column)
                };
                col("a")
                    .map(note, |_, field| Ok(field.clone()))
                    .alias(format!("a{n}"))
            });
            let frame = df!("a" => [1, 2, 3]).expect("one column").lazy();
            frame
                .select(columns.collect::<Vec<_>>())
                .collect()
                .expect("a plan without errors");
            seen.lock().expect("nobody panics with it").clone()
        };
        let here = HashSet::from([current().id()]);
        let alone = Alone::begin();
        assert!(Alone::is_on());
        assert_eq!(threads(), here);
        drop(alone);
        assert!(!Alone::is_on());
        assert_ne!(threads(), here);
    }
}
