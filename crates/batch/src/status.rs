//! How far a share's cases are: counted from names, so that it takes no longer for many.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::bundle::BundleId;
use crate::error::Result;
use crate::failure::Class;
use crate::location::Location;
use crate::store::{self, Counts};

/// Failures that are named one by one.
const MAX_NAMED: usize = 50;

/// The state of an output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Cases with results.
    pub published: u64,
    /// Results including those of earlier content, tool or rules.
    pub generations: u64,
    /// Leases there are, held or left over.
    pub leases: u64,
    /// Staging folders, in use or left over.
    pub staging: u64,
    /// Cases that failed for good.
    pub failed: u64,
    /// Of these, by how.
    pub failed_by_class: BTreeMap<&'static str, u64>,
    /// Cases that failed but are tried again.
    pub retrying: u64,
    /// The first of the failed ones.
    pub failures: Vec<FailedCase>,
    /// What the newest run said at its end; none while it goes or if it was killed.
    pub last_run: Option<Value>,
}

/// One that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedCase {
    /// Name in results.
    pub bundle: BundleId,
    /// Path below the share.
    pub path: String,
    /// How.
    pub class: Class,
    /// One sentence.
    pub reason: String,
    /// Attempts made.
    pub attempts: u32,
}

/// Reads the state.
pub fn status(out: &Location, work: &Path) -> Result<Status> {
    let store = store::open(out, work)?;
    let Counts {
        bundles,
        generations,
        leases,
        staging,
    } = store.counts()?;
    let records = store.failures()?;
    let mut failed_by_class = BTreeMap::new();
    for record in records.iter().filter(|r| r.permanent) {
        *failed_by_class.entry(record.class.as_str()).or_default() += 1;
    }
    let final_ones = || records.iter().filter(|record| record.permanent);
    let failures = final_ones().take(MAX_NAMED).map(|record| FailedCase {
        bundle: record.bundle.clone(),
        path: record.path.clone(),
        class: record.class,
        reason: record.reason.clone(),
        attempts: record.tried(),
    });
    let log = store.newest_log()?;
    let last = log.as_deref().and_then(|log| log.lines().last());
    Ok(Status {
        published: bundles,
        generations,
        leases,
        staging,
        failed: final_ones().count() as u64,
        failed_by_class,
        retrying: records.iter().filter(|r| !r.permanent).count() as u64,
        failures: failures.collect(),
        last_run: last
            .and_then(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line.get("summary").is_some()),
    })
}

impl Status {
    /// The text format node_exporter's textfile collector reads.
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        let mut gauge = |name: &str, help: &str, values: &[(String, f64)]| {
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
            for (labels, value) in values {
                text.push_str(&format!("{name}{labels} {value}\n"));
            }
        };
        let plain = |value: u64| vec![(String::new(), value as f64)];
        gauge(
            "casetrace_batch_published",
            "Cases with published results.",
            &plain(self.published),
        );
        gauge(
            "casetrace_batch_generations",
            "Published results, also of earlier content, tool or rules.",
            &plain(self.generations),
        );
        gauge(
            "casetrace_batch_leases",
            "Leases, held or left over.",
            &plain(self.leases),
        );
        gauge(
            "casetrace_batch_staging",
            "Staging folders, in use or left over.",
            &plain(self.staging),
        );
        gauge(
            "casetrace_batch_retrying",
            "Cases that failed and are tried again.",
            &plain(self.retrying),
        );
        let classes: Vec<(String, f64)> = self
            .failed_by_class
            .iter()
            .map(|(class, n)| (format!("{{class=\"{class}\"}}"), *n as f64))
            .collect();
        gauge(
            "casetrace_batch_failed",
            "Cases that failed for good, by how.",
            &classes,
        );
        if let Some(last) = &self.last_run {
            let ended = last.get("ended").and_then(Value::as_str).unwrap_or_default();
            let at = ended
                .parse::<jiff::Timestamp>()
                .map_or(0.0, |at| at.as_second() as f64);
            gauge(
                "casetrace_batch_last_run_end_timestamp_seconds",
                "End of the newest run.",
                &[(String::new(), at)],
            );
            let number = |name: &str| last.pointer(name).and_then(Value::as_f64).unwrap_or(0.0);
            gauge(
                "casetrace_batch_last_run_duration_seconds",
                "Duration of the newest run.",
                &[(String::new(), number("/summary/ms") / 1000.0)],
            );
            gauge(
                "casetrace_batch_last_run_left",
                "Cases the newest run could not do.",
                &[(String::new(), number("/summary/left"))],
            );
        }
        text
    }
}
