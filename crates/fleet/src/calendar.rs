//! Days to months or ISO weeks.

use std::collections::BTreeSet;

use jiff::civil::Date;

/// Periods shown; older ones are summed up in the totals.
const MAX_PERIODS: usize = 12;

/// Length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Step {
    /// Calendar months: `2026-03`.
    #[default]
    Month,
    /// ISO weeks: `2026-W10`.
    Week,
}

/// The newest periods of a dataset, without holes.
#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    step: Step,
    names: Vec<String>,
}

impl Calendar {
    /// The periods up to the one of the newest of `days` (`2026-03-02`); what is no day is passed over.
    pub(crate) fn new(days: &BTreeSet<String>, step: Step) -> Self {
        let dates = || days.iter().filter_map(|day| day.parse::<Date>().ok());
        let mut names = Vec::new();
        if let (Some(first), Some(last)) = (dates().min(), dates().max()) {
            let oldest = name(first, step);
            let mut at = Some(last);
            while let Some(date) = at
                && names.len() < MAX_PERIODS
            {
                let period = name(date, step);
                let done = period == oldest;
                names.push(period);
                at = if done { None } else { before(date, step) };
            }
        }
        names.reverse();
        Self { step, names }
    }

    /// Names, oldest first.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Place of a day's period.
    pub(crate) fn place(&self, day: &str) -> Option<usize> {
        let period = name(day.parse().ok()?, self.step);
        self.names.iter().position(|name| *name == period)
    }
}

fn name(date: Date, step: Step) -> String {
    match step {
        Step::Month => format!("{:04}-{:02}", date.year(), date.month()),
        Step::Week => {
            let week = date.iso_week_date();
            format!("{:04}-W{:02}", week.year(), week.week())
        }
    }
}

/// A day of the period before.
fn before(date: Date, step: Step) -> Option<Date> {
    let span = match step {
        Step::Month => jiff::Span::new().days(i64::from(date.day())),
        Step::Week => jiff::Span::new().weeks(1),
    };
    date.checked_sub(span).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(days: &[&str], step: Step) -> Vec<String> {
        let days = days.iter().map(|day| (*day).to_owned()).collect();
        Calendar::new(&days, step).names().to_vec()
    }

    #[test]
    fn months_and_weeks_have_no_holes() {
        assert_eq!(
            calendar(&["2025-12-31", "2026-02-01", "no day", ""], Step::Month),
            ["2025-12", "2026-01", "2026-02"]
        );
        assert_eq!(
            calendar(&["2025-12-28", "2026-01-05"], Step::Week),
            ["2025-W52", "2026-W01", "2026-W02"]
        );
        assert_eq!(
            calendar(&["2020-01-01", "2026-02-01"], Step::Month).len(),
            MAX_PERIODS
        );
        assert!(calendar(&["unknown"], Step::Month).is_empty());
    }
}
