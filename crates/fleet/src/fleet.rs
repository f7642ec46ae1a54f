//! The view model: everything the fleet templates can print. Texts are plain; the renderer escapes them.

use std::collections::{BTreeMap, BTreeSet};

use casetrace_knowledge::Lang;
use casetrace_model::time::to_rfc3339;
use casetrace_report::labels_with;
use serde::Serialize;

use crate::calendar::{Calendar, Step};
use crate::causes::{self, SharedCause};
use crate::codes::{self, CodeRow};
use crate::collection::{self, ClockRow, CollectorRow, FailureRow, QualityRow};
use crate::cost::{self, CostRow, SlowCase};
use crate::dataset::{Dataset, FleetError};
use crate::question::{self, Answer};
use crate::records::{Cost, Records};
use crate::rules::{self, PeriodHead, RuleRow};

/// The words that only this report has.
const WORDS: &str = include_str!("../../../reports/fleet.toml");

/// What the caller decides.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Only cases whose last record is at or after this time (ns since 1970).
    pub since: Option<i64>,
    /// Only cases whose last record is before this time.
    pub until: Option<i64>,
    /// Length of a period.
    pub step: Step,
    /// Language of texts.
    pub lang: Lang,
}

/// A line of the overview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What.
    pub label: String,
    /// Value.
    pub value: String,
}

/// One published case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) bundle: String,
    pub(crate) path: String,
    /// Day of its last record, empty if unknown.
    pub(crate) day: String,
    pub(crate) bytes: Option<u64>,
    pub(crate) rows: Option<u64>,
    pub(crate) cost: Option<Cost>,
}

impl Case {
    /// The folders of the share the case lies in; empty directly below the share.
    pub(crate) fn shelf(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(shelf, _)| shelf)
    }
}

/// The whole report.
#[derive(Debug, Clone, Serialize)]
pub struct Fleet {
    /// The words of the language.
    pub t: BTreeMap<String, String>,
    /// Two or three sentences.
    pub verdict: Vec<String>,
    /// The dataset in a few lines.
    pub facts: Vec<Fact>,
    /// Periods, oldest first.
    pub periods: Vec<PeriodHead>,
    /// Rules by cases.
    pub rules: Vec<RuleRow>,
    /// Rules not shown.
    pub more_rules: usize,
    /// What cases have in common.
    pub shared: Vec<SharedCause>,
    /// Groups not shown.
    pub more_shared: usize,
    /// Codes, the youngest first.
    pub codes: Vec<CodeRow>,
    /// Codes not shown.
    pub more_codes: usize,
    /// Clocks that are off.
    pub clocks: Vec<ClockRow>,
    /// Computers whose clock was read.
    pub clocks_read: usize,
    /// Clocks not shown.
    pub more_clocks: usize,
    /// Remarks on the data.
    pub quality: Vec<QualityRow>,
    /// Collection tools.
    pub collectors: Vec<CollectorRow>,
    /// Cases that could not be analysed.
    pub failures: Vec<FailureRow>,
    /// Sizes and times.
    pub costs: Vec<CostRow>,
    /// The slowest cases.
    pub slowest: Vec<SlowCase>,
}

impl Fleet {
    /// Asks all questions. Nothing here depends on clock, locale or path.
    pub fn build(dataset: &Dataset, options: &Options) -> Result<Self, FleetError> {
        let cases = dataset.ask("cases", question::CASES)?;
        let wanted = within(&cases, options);
        let narrowed = match wanted.len() == cases.rows().len() {
            true => None,
            false => Some(dataset.only(&wanted)?),
        };
        let dataset = narrowed.as_ref().unwrap_or(dataset);
        let answer = dataset.ask("cases", question::CASES)?;
        let cases = all_cases(&answer, &dataset.records);
        let days: BTreeSet<String> = cases.iter().map(|case| case.day.clone()).collect();
        let calendar = Calendar::new(&days, options.step);
        let periods = rules::periods(&calendar, &cases);
        let hits = dataset.ask("rule_hits", question::RULE_HITS)?;
        let titles = dataset.ask("titles", question::TITLES)?;
        let (rules, more_rules) = rules::rules(&hits, &titles, &calendar, &periods, cases.len(), options);
        let (shared, more_shared) = causes::shared(&dataset.ask("causes", question::CAUSES)?, &cases);
        let (codes, more_codes) = codes::codes(
            &dataset.ask("error_codes", question::ERROR_CODES)?,
            &calendar,
            options,
        );
        let (clocks, clocks_read, more_clocks) =
            collection::clocks(&dataset.ask("clocks", question::CLOCKS)?);
        let mut fleet = Self {
            t: labels_with(WORDS, options.lang),
            verdict: Vec::new(),
            facts: Vec::new(),
            periods,
            rules,
            more_rules,
            shared,
            more_shared,
            codes,
            more_codes,
            clocks,
            clocks_read,
            more_clocks,
            quality: collection::quality(&dataset.ask("quality", question::QUALITY)?, cases.len()),
            collectors: collection::collectors(&dataset.ask("collectors", question::COLLECTORS)?),
            failures: collection::failures(&dataset.records.failures),
            costs: cost::costs(&cases),
            slowest: cost::slowest(&cases),
        };
        fleet.facts = fleet.facts(&answer, &cases, &days);
        fleet.verdict = fleet.verdict(cases.len());
        Ok(fleet)
    }

    fn word(&self, key: &str) -> &str {
        self.t.get(key).map_or("", String::as_str)
    }

    fn facts(&self, answer: &Answer, cases: &[Case], days: &BTreeSet<String>) -> Vec<Fact> {
        let known = || days.iter().filter(|day| !day.is_empty());
        let span = match (known().next(), known().next_back()) {
            (Some(first), Some(last)) if first == last => first.clone(),
            (Some(first), Some(last)) => format!("{first} – {last}"),
            _ => String::new(),
        };
        let list = |column: &str| {
            let set: BTreeSet<String> = answer.rows().map(|i| answer.text(i, column)).collect();
            set.into_iter()
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let untimed = cases.iter().filter(|case| case.day.is_empty()).count();
        let failed: u64 = self.failures.iter().map(|row| row.cases).sum();
        let lines = [
            ("fleet_cases", cases.len().to_string()),
            ("fleet_span", span),
            (
                "fleet_untimed",
                if untimed == 0 {
                    String::new()
                } else {
                    untimed.to_string()
                },
            ),
            ("fleet_failed", failed.to_string()),
            ("tool", list("tool_version")),
            ("rules", list("rules_version")),
        ];
        lines
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| Fact {
                label: self.word(key).to_owned(),
                value,
            })
            .collect()
    }

    fn verdict(&self, cases: usize) -> Vec<String> {
        let mut sentences = vec![self.word("fleet_verdict").replace("{cases}", &cases.to_string())];
        let first = self
            .rules
            .iter()
            .filter(|row| row.causes > 0)
            .max_by_key(|row| row.causes);
        if let Some(row) = first {
            sentences.push(
                self.word("fleet_verdict_first")
                    .replace("{rule}", &row.rule_id)
                    .replace("{n}", &row.causes.to_string())
                    .replace("{title}", &row.title),
            );
        }
        let rising: Vec<&str> = self
            .rules
            .iter()
            .filter(|row| row.trend == "up")
            .map(|row| row.rule_id.as_str())
            .collect();
        let new = self.codes.iter().filter(|row| row.new).count();
        let shared = self.shared.len() + self.more_shared;
        for (key, n, list) in [
            ("fleet_verdict_rising", rising.len(), rising.join(", ")),
            ("fleet_verdict_shared", shared, String::new()),
            ("fleet_verdict_codes", new, String::new()),
            (
                "fleet_verdict_clocks",
                self.clocks.len() + self.more_clocks,
                String::new(),
            ),
        ] {
            if n > 0 {
                sentences.push(
                    self.word(key)
                        .replace("{n}", &n.to_string())
                        .replace("{list}", &list),
                );
            }
        }
        sentences
    }
}

/// Names of the cases in the wanted time; a case without a time is only in an unlimited report.
fn within(cases: &Answer, options: &Options) -> Vec<String> {
    let second = |ns: i64| to_rfc3339(ns).get(..19).unwrap_or_default().replace('T', " ");
    let (since, until) = (options.since.map(second), options.until.map(second));
    let fits = |i: &usize| {
        let time = cases.text(*i, "last_ts").replace('T', " ");
        let time = time.get(..19).unwrap_or(&time);
        let unlimited = since.is_none() && until.is_none();
        unlimited
            || !time.is_empty()
                && since.as_deref().is_none_or(|since| time >= since)
                && until.as_deref().is_none_or(|until| time < until)
    };
    cases
        .rows()
        .filter(fits)
        .map(|i| cases.text(i, "bundle"))
        .collect()
}

fn all_cases(answer: &Answer, records: &Records) -> Vec<Case> {
    let count = |i, column| answer.number(i, column).and_then(|n| u64::try_from(n).ok());
    answer
        .rows()
        .map(|i| {
            let bundle = answer.text(i, "bundle");
            Case {
                path: records.paths.get(&bundle).cloned().unwrap_or_default(),
                day: answer.text(i, "last_ts").get(..10).unwrap_or_default().to_owned(),
                bytes: count(i, "bytes"),
                rows: count(i, "rows"),
                cost: records.costs.get(&bundle).copied(),
                bundle,
            }
        })
        .collect()
}

/// A share in whole percent, halves up; none of nothing.
pub(crate) fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        0
    } else {
        (part * 200 + whole) / (whole * 2)
    }
}
