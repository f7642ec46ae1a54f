//! Attempts, and the sentence each is told with.

use toml::Spanned;

use super::{At, Checked, Compiler, column, within};
use crate::attempts::{AttemptKind, AttemptRole, Step, Summaries};
use crate::file::{Order, RawAttempt, RawSummaries};
use crate::rule::Phrase;
use crate::words::Localized;

/// Default of an attempt's `gap`.
const GAP_NS: i64 = 120_000_000_000;
/// Default of an attempt's `slack`.
const SLACK_NS: i64 = 15_000_000_000;

/// Placeholders of an attempt's summary.
const ATTEMPT_HOLES: &[&str] = &["title", "user", "host", "duration", "error_code", "error_symbol"];

impl Compiler {
    pub(super) fn attempt(&mut self, at: At<'_>, raw: RawAttempt) -> Checked<AttemptKind> {
        if raw.step.is_empty() {
            return Err(at.fault(&raw.kind, "An attempt needs at least one [[attempt.step]]."));
        }
        let steps = raw.step.iter().map(|step| {
            Ok(Step {
                id: step.id.get_ref().clone(),
                role: step.role,
                condition: self.condition(at, &step.r#where)?,
                outcome: step.outcome,
            })
        });
        let steps = steps.collect::<Checked<Vec<_>>>()?;
        if let Some(seen) = raw.step.iter().find(|s| s.role == AttemptRole::Seen) {
            return Err(at.fault(&seen.id, "A step is `start`, `step` or `end`."));
        }
        Ok(AttemptKind {
            near: raw.near.as_ref().map(|sql| self.condition(at, sql)).transpose()?,
            gap: within(at, raw.gap.as_ref(), Some(GAP_NS))?,
            slack: within(at, raw.slack.as_ref(), Some(SLACK_NS))?.unwrap_or(SLACK_NS),
            by: raw
                .by
                .iter()
                .map(|name| column(at, name))
                .collect::<Checked<_>>()?,
            kind: raw.kind.into_inner(),
            title: raw.title,
            context: raw.context,
            weak: raw.weak,
            several_ids: raw.several_ids,
            by_record: raw.order == Order::Record,
            steps,
            file: at.file.to_owned(),
        })
    }
}

pub(super) fn summaries(at: At<'_>, raw: &Spanned<RawSummaries>) -> Checked<Summaries> {
    let phrase = |text: &Localized| {
        let phrase = Phrase::parse(text).map_err(|e| at.fault(raw, format!("In a text: {e}.")))?;
        match phrase.holes().iter().find(|hole| !ATTEMPT_HOLES.contains(hole)) {
            Some(hole) => Err(at.fault(raw, format!("In a text: nothing is called `{{{hole}}}`."))),
            None => Ok(phrase),
        }
    };
    let texts = raw.get_ref();
    Ok(Summaries {
        success: phrase(&texts.success)?,
        failure: phrase(&texts.failure)?,
        unknown: phrase(&texts.unknown)?,
    })
}
