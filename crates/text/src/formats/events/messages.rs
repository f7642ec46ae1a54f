//! An event's data out of its rendered message, by the patterns of `pipelines/text/event_messages.tsv`.
//!
//! A message is made of a template and the data; forms that carry no data give them back where a pattern knows the template.

use std::sync::LazyLock;

use casetrace_model::Row;
use regex::Regex;

use crate::table::rows;

struct Pattern {
    provider: &'static str,
    /// Empty for all events of the provider.
    events: Vec<u32>,
    field: &'static str,
    regex: Regex,
}

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    rows::<4>(include_str!("../../../../../pipelines/text/event_messages.tsv"))
        .filter_map(|[provider, events, field, pattern]| {
            Some(Pattern {
                provider,
                events: events.split(',').filter_map(|id| id.parse().ok()).collect(),
                field,
                regex: Regex::new(pattern).ok()?,
            })
        })
        .collect()
});

/// The data of `row`'s event; the whole message as `Data` where no pattern finds any, as events of old sources have it.
pub(super) fn read(row: &Row, rendered: &str) -> Vec<(String, String)> {
    let (Some(provider), Some(id)) = (row.provider.as_deref(), row.event_id) else {
        return whole(rendered);
    };
    let mut data: Vec<(String, String)> = Vec::new();
    for pattern in PATTERNS.iter().filter(|pattern| {
        pattern.provider == provider && (pattern.events.is_empty() || pattern.events.contains(&id))
    }) {
        if data.iter().any(|(name, _)| name == pattern.field) {
            continue;
        }
        let found = pattern.regex.captures(rendered).and_then(|found| found.get(1));
        if let Some(value) = found
            .map(|found| found.as_str().trim())
            .filter(|value| !value.is_empty())
        {
            data.push((pattern.field.to_owned(), value.to_owned()));
        }
    }
    if data.is_empty() { whole(rendered) } else { data }
}

fn whole(rendered: &str) -> Vec<(String, String)> {
    vec![("Data".to_owned(), rendered.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_pattern() {
        let lines = rows::<4>(include_str!("../../../../../pipelines/text/event_messages.tsv")).count();
        assert_eq!(PATTERNS.len(), lines);
        assert!(lines > 30);
        for pattern in PATTERNS.iter() {
            assert!(
                pattern.regex.captures_len() == 2,
                "{} {}",
                pattern.provider,
                pattern.field
            );
            assert!(
                casetrace_events::is_known(pattern.provider),
                "{}",
                pattern.provider
            );
        }
    }
}
