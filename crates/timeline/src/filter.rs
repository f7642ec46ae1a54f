//! The options `--since`, `--until`, `--host` and `--where`.

use crate::condition::Condition;
use crate::error::TimelineError;
use crate::scan::Scan;
use crate::timeline::{ColumnId, Timeline};

/// Which rows somebody wants to see; everything left out does not restrict.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// At or after, nanoseconds since 1970.
    pub since_ns: Option<i64>,
    /// Before, nanoseconds since 1970.
    pub until_ns: Option<i64>,
    /// Recorded on this computer, whatever the case; the name alone also finds a full name.
    pub host: Option<String>,
    /// A condition over the columns.
    pub condition: Option<Condition>,
}

impl Filter {
    /// True if nothing is restricted.
    pub fn is_empty(&self) -> bool {
        self.since_ns.is_none() && self.until_ns.is_none() && self.host.is_none() && self.condition.is_none()
    }
}

impl Timeline {
    /// The rows a filter lets through. Rows without time pass no time limit.
    pub fn filter(&self, filter: &Filter) -> Result<Self, TimelineError> {
        if filter.is_empty() {
            return Ok(self.clone());
        }
        let timed = filter.since_ns.is_some() || filter.until_ns.is_some();
        let first = filter.since_ns.map_or(0, |t| self.lower_bound(t));
        let end = filter.until_ns.map_or(self.len() as u32, |t| self.lower_bound(t));
        let host = HostTest::new(self, filter.host.as_deref());
        let rows: Vec<u32> = (first..end.max(first))
            .filter(|row| (!timed || self.ts_ns(*row).is_some()) && host.passes(self, *row))
            .collect();
        let part = self.take(&rows);
        let Some(condition) = &filter.condition else {
            return Ok(part);
        };
        let found = Scan::new(&part, &[condition])
            .run()
            .pop()
            .unwrap_or_else(|| Ok(Vec::new()))?;
        Ok(part.take(&found))
    }
}

struct HostTest {
    column: Option<ColumnId>,
    codes: Option<Vec<u32>>,
}

impl HostTest {
    fn new(timeline: &Timeline, host: Option<&str>) -> Self {
        let column = ColumnId::of("host");
        let wanted = host.map(str::to_lowercase);
        let codes = wanted.map(|wanted| {
            let names = column.map(|c| timeline.distinct(c)).unwrap_or_default();
            let same = |name: &str| {
                let name = name.to_lowercase();
                name == wanted || name.split_once('.').is_some_and(|(short, _)| short == wanted)
            };
            (1..)
                .zip(names)
                .filter(|(_, name)| same(name))
                .map(|(code, _)| code)
                .collect()
        });
        Self { column, codes }
    }

    fn passes(&self, timeline: &Timeline, row: u32) -> bool {
        let Some(codes) = &self.codes else { return true };
        self.column
            .and_then(|c| timeline.code(c, row))
            .is_some_and(|code| codes.contains(&code))
    }
}
