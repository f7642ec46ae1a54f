//! What all steps of a run share.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::bundle::{Bundle, Shard};
use crate::cache::Cache;
use crate::config::ShareRules;
use crate::error::{BatchError, Result};
use crate::failure::JobLimits;
use crate::key::{JobKey, Versions, content_hash, job_key};
use crate::location::Location;
use crate::share::{self, Share};
use crate::steps::Steps;
use crate::store::{self, Store};
use crate::worker::ChildCommand;

/// Everything a caller decides.
#[derive(Clone)]
pub struct Settings {
    /// Where cases are.
    pub share: Location,
    /// Where results go.
    pub out: Location,
    /// Text of a configuration file that takes the place of the share's own.
    pub config: Option<String>,
    /// Takes the place of the configuration's value.
    pub stable_for: Option<Duration>,
    /// What decides over results besides the content.
    pub versions: Versions,
    /// What one case may use up.
    pub limits: JobLimits,
    /// Attempts before a crash or hang is final.
    pub max_attempts: u32,
    /// A lease not renewed for this long is nobody's.
    pub lease_ttl: Duration,
    /// Try cases again whose failure is on record as final.
    pub retry_failed: bool,
    /// A new child for every case, however small.
    pub always_fresh: bool,
    /// Folder for temporary files.
    pub work_dir: PathBuf,
    /// How to start a child.
    pub child: ChildCommand,
    /// Is told of every step.
    pub steps: Arc<dyn Steps>,
    /// Set to stop.
    pub stop: Arc<AtomicBool>,
}

/// Settings with the doors open.
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) rules: ShareRules,
    pub(crate) share: Box<dyn Share>,
    pub(crate) store: Box<dyn Store>,
    pub(crate) cache: Mutex<Cache>,
}

impl Context {
    pub(crate) fn open(settings: &Settings, shard: Shard) -> Result<Self> {
        let share = share::open(&settings.share)?;
        let text = match &settings.config {
            Some(text) => Some(text.clone()),
            None => share.config()?,
        };
        let mut rules = text
            .as_deref()
            .map_or_else(|| Ok(ShareRules::default()), ShareRules::parse)?;
        rules.stable_for = settings.stable_for.unwrap_or(rules.stable_for);
        let store = store::open(&settings.out, &settings.work_dir)?;
        store.prepare()?;
        let cache = Mutex::new(Cache::open(&*store, &settings.share.to_string(), shard));
        Ok(Self {
            settings: settings.clone(),
            rules,
            share,
            store,
            cache,
        })
    }

    pub(crate) fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The key, from memory if the files have not changed, else by reading them.
    pub(crate) fn key(&self, bundle: &Bundle) -> Result<(JobKey, String)> {
        let fingerprint = bundle.fingerprint();
        let known = self.cache().content(bundle, &fingerprint).map(str::to_owned);
        let content = match known {
            Some(content) => content,
            None => {
                let content = content_hash(bundle, |file| self.share.hash(file))?;
                self.cache().learn(bundle, &fingerprint, &content);
                content
            }
        };
        Ok((job_key(bundle, &content, &self.settings.versions), content))
    }

    /// The key, if it is known without reading.
    pub(crate) fn known_key(&self, bundle: &Bundle, fingerprint: &str) -> Option<JobKey> {
        let content = self.cache().content(bundle, fingerprint)?.to_owned();
        Some(job_key(bundle, &content, &self.settings.versions))
    }

    pub(crate) fn stopped(&self) -> bool {
        self.settings.stop.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub(crate) fn step(&self, step: crate::steps::Step, bundle: &str) -> Result<()> {
        let passed = self.settings.steps.passed(step, bundle);
        passed.map_err(|error| BatchError::io(format!("after the step {}", step.as_str()), error))
    }
}
