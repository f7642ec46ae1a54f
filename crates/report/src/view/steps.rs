//! Who does what next, and what to collect.

use std::collections::HashMap;

use casetrace_rules::{Audience, Finding, Severity, Status};

use super::{Ask, MAX_PROSE, StepGroup};
use crate::escape::shorten;
use crate::labels::Labels;

/// Steps for one audience, and things one step is about.
const MAX_STEPS: usize = 20;
const MAX_SUBJECTS: usize = 6;
/// Things to collect.
const MAX_ASKS: usize = 20;
/// Stands for what a step is about.
const SUBJECT: &str = "\u{0}";

/// Steps of active findings that nothing else explains come first. Steps that differ only in what they are about are one
/// step about all of it.
pub(super) fn steps(all: &[Finding], labels: &Labels) -> Vec<StepGroup> {
    struct Step<'a> {
        order: u8,
        pattern: String,
        text: &'a str,
        subjects: Vec<&'a str>,
    }
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut known: HashMap<(u8, String), usize> = HashMap::new();
    let weighty = all.iter().filter(|f| {
        f.status == Status::Active && f.consequence_of.is_empty() && f.severity != Severity::Info
    });
    for (finding, step) in weighty.flat_map(|f| f.next_steps_for.iter().map(move |step| (f, step))) {
        let subject = finding.subject.as_deref().filter(|s| !s.is_empty());
        let pattern = subject.map_or_else(|| step.text.clone(), |s| step.text.replace(s, SUBJECT));
        let order = match step.to {
            Some(Audience::Network) => 0,
            Some(Audience::Identity) => 1,
            Some(Audience::Customer) => 2,
            None => 3,
        };
        let subject = subject.filter(|_| pattern.contains(SUBJECT));
        let place = *known.entry((order, pattern.clone())).or_insert(steps.len());
        if let Some(same) = steps.get_mut(place) {
            same.subjects
                .extend(subject.filter(|s| !same.subjects.contains(s)));
        } else {
            steps.push(Step {
                order,
                pattern,
                text: &step.text,
                subjects: Vec::from_iter(subject),
            });
        }
    }
    let words = |step: &Step<'_>| match step.subjects.len() {
        0 | 1 => step.text.to_owned(),
        n => {
            let shown = step.subjects.iter().take(MAX_SUBJECTS).copied();
            let mut list = shown.collect::<Vec<_>>().join(", ");
            if n > MAX_SUBJECTS {
                list.push_str(&format!(" (+{})", n - MAX_SUBJECTS));
            }
            step.pattern.replace(SUBJECT, &list)
        }
    };
    ["network_team", "identity", "customer", "anyone"]
        .into_iter()
        .zip(0..)
        .map(|(key, order)| {
            let own = steps.iter().filter(|step| step.order == order);
            let texts: Vec<String> = own.map(words).collect();
            StepGroup {
                label: labels.get(key).to_owned(),
                more: texts.len().saturating_sub(MAX_STEPS),
                steps: texts
                    .iter()
                    .take(MAX_STEPS)
                    .map(|text| shorten(text, MAX_PROSE))
                    .collect(),
            }
        })
        .filter(|group| !group.steps.is_empty())
        .collect()
}

pub(super) fn asks(all: &[Finding]) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    for finding in all.iter().filter(|f| f.status == Status::Active) {
        for text in &finding.ask_customer {
            let full = asks.len() >= MAX_ASKS;
            match asks.iter_mut().find(|ask| ask.text == shorten(text, MAX_PROSE)) {
                Some(ask) if ask.ids.contains(&finding.rule_id) => {}
                Some(ask) => ask.ids.push(finding.rule_id.clone()),
                None if full => {}
                None => asks.push(Ask {
                    text: shorten(text, MAX_PROSE),
                    ids: vec![finding.rule_id.clone()],
                }),
            }
        }
    }
    asks
}
