//! Which cases there are and what is to be done with each.

use serde::Serialize;

use crate::abreast::ask_all;
use crate::bundle::{Bundle, BundleId, Shard};
use crate::clock;
use crate::context::{Context, Settings};
use crate::error::Result;
use crate::key::JobKey;

/// Clocks of file servers and ours may differ by this much: a younger time stamp proves nothing by itself.
const CLOCK_SLACK: std::time::Duration = std::time::Duration::from_hours(1);

/// What is to be done with a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Work.
    New,
    /// Nothing: its results are there.
    Published,
    /// Nothing: it failed for good.
    Failed,
    /// Nothing now: somebody is at it.
    Leased,
    /// Nothing now: it may still be uploaded.
    Unstable,
}

impl State {
    /// The spelling in outputs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Published => "published",
            Self::Failed => "failed",
            Self::Leased => "leased",
            Self::Unstable => "unstable",
        }
    }
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanLine {
    /// The work; none while the case is unstable.
    pub job_key: Option<JobKey>,
    /// Name in results.
    pub bundle: BundleId,
    /// Path below the share.
    pub path: String,
    /// Files, as paths below the share.
    pub inputs: Vec<String>,
    /// Bytes of all files.
    pub bytes: u64,
    /// What is to be done.
    pub state: State,
}

/// Lists all cases of a shard.
pub fn plan(settings: &Settings, shard: Shard) -> Result<Vec<PlanLine>> {
    let context = Context::open(settings, shard)?;
    let bundles = cases(&context, shard)?;
    let lines = ask_all(&bundles, |bundle| line(&context, bundle));
    let lines = lines.into_iter().collect::<Result<Vec<PlanLine>>>()?;
    context.cache().save(&*context.store, &bundles)?;
    Ok(lines)
}

fn line(context: &Context, bundle: &Bundle) -> Result<PlanLine> {
    let key = if is_stable(context, bundle, &bundle.fingerprint()) {
        Some(context.key(bundle)?.0)
    } else {
        None
    };
    let state = match &key {
        Some(key) => state(context, bundle, key)?,
        None => State::Unstable,
    };
    Ok(PlanLine {
        job_key: key,
        bundle: bundle.id.clone(),
        path: bundle.path.clone(),
        inputs: bundle.files.iter().map(|f| f.name.clone()).collect(),
        bytes: bundle.bytes(),
        state,
    })
}

/// All cases of the shard.
pub(crate) fn cases(context: &Context, shard: Shard) -> Result<Vec<Bundle>> {
    let mut bundles = context.share.scan(&context.rules)?;
    bundles.retain(|bundle| shard.has(&bundle.id));
    Ok(bundles)
}

/// True if the upload has ended, as far as one can tell: nothing says that it goes on, and nothing has changed for a while, either by time
/// stamps so old that no clock can be that wrong, or seen by ourselves. If it goes on after all, the changed content makes a new
/// generation: this is thrift, not safety.
pub(crate) fn is_stable(context: &Context, bundle: &Bundle, fingerprint: &str) -> bool {
    let seen = context.cache().see(bundle, fingerprint);
    let wanted = context.rules.stable_for;
    if bundle.uploading {
        return false;
    }
    let old = clock::age(bundle.newest_ns()).is_some_and(|age| age >= wanted + CLOCK_SLACK);
    wanted.is_zero() || old || seen >= wanted
}

pub(crate) fn state(context: &Context, bundle: &Bundle, key: &JobKey) -> Result<State> {
    if context.store.is_published(&bundle.id, key)? {
        return Ok(State::Published);
    }
    if let Some(record) = context.store.failure(key)?
        && record.still_holds(&context.settings.limits)
        && !context.settings.retry_failed
    {
        return Ok(State::Failed);
    }
    if context.store.is_leased(key, context.settings.lease_ttl)? {
        return Ok(State::Leased);
    }
    Ok(State::New)
}
