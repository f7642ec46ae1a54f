//! The tables of `pipelines/events`, parsed once.
//!
//! Shape of a file: `#` comments, `provider<TAB>name<TAB>name…` lines that say whose events follow, and event lines
//! of eight cells: ids, minimum version, outcome, context, phase, promotions, searched fields, sentence. `-` is an
//! empty cell. `provider<TAB>*` holds what is true of every provider that has no line of its own.

use std::sync::OnceLock;

use ahash::AHashMap as HashMap;

use crate::rule::Rule;
use crate::scan::Pattern;
use crate::value::Maps;

macro_rules! table_files {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every event table.
        const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../tables/", $name, ".tsv")))),*];
    };
}

table_files!(
    "any", "aad", "udr", "hello", "mdm", "capi2", "kerberos", "security", "tls", "http", "network", "policy",
    "connect", "liveid", "system", "trace",
);

const VALUES: &str = include_str!("../tables/values.tsv");
const PATTERNS: &str = include_str!("../tables/patterns.tsv");

/// A mistake in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File name without extension.
    pub file: String,
    /// 1-based line.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Rules by provider and event id, with what they refer to.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    providers: HashMap<String, usize>,
    events: Vec<HashMap<Option<u32>, Vec<Rule>>>,
    pub(crate) maps: Maps,
    pub(crate) patterns: Vec<Pattern>,
    problems: Vec<Problem>,
}

/// True if some table has lines for the provider of this name, or of this GUID in braces.
pub fn is_known(provider: &str) -> bool {
    provider != "*" && Tables::builtin().providers.contains_key(provider)
}

/// Event ids that one line may name; a wider range is a slip of the pen.
const MAX_RANGE: u32 = 2_000;

impl Tables {
    /// The built-in tables.
    pub(crate) fn builtin() -> &'static Self {
        static TABLES: OnceLock<Tables> = OnceLock::new();
        TABLES.get_or_init(|| {
            let mut tables = Self::default();
            tables.add_values("values", VALUES);
            tables.add_patterns("patterns", PATTERNS);
            for (file, text) in FILES {
                tables.add_events(file, text);
            }
            tables
        })
    }

    /// The rule for an event: of its provider, then the provider's `*`, then that of provider `*`.
    pub(crate) fn find(&self, provider: &str, event_id: u32, version: u8) -> Option<&Rule> {
        let own = self
            .providers
            .get(provider)
            .and_then(|index| self.events.get(*index));
        let any = || {
            self.providers
                .get("*")
                .and_then(|index| self.events.get(*index))?
                .get(&None)
        };
        own.and_then(|events| {
            best(events.get(&Some(event_id)), version).or_else(|| best(events.get(&None), version))
        })
        .or_else(|| best(any(), version))
    }

    fn problem(&mut self, file: &str, line: usize, what: impl Into<String>) {
        self.problems.push(Problem {
            file: file.to_owned(),
            line: line + 1,
            what: what.into(),
        });
    }

    fn add_values(&mut self, file: &str, text: &str) {
        for (number, line) in lines(text) {
            match line.split('\t').collect::<Vec<_>>().as_slice() {
                [map, key, value] => self.maps.insert(map, key, value),
                _ => self.problem(file, number, "not map, key, value"),
            }
        }
    }

    fn add_patterns(&mut self, file: &str, text: &str) {
        for (number, line) in lines(text) {
            let parsed = match line.split_once('\t') {
                Some((target, regex)) => Pattern::parse(target, regex),
                None => Err("not target, pattern".to_owned()),
            };
            match parsed {
                Ok(pattern) => self.patterns.push(pattern),
                Err(what) => self.problem(file, number, what),
            }
        }
    }

    fn add_events(&mut self, file: &str, text: &str) {
        let mut current = None;
        for (number, line) in lines(text) {
            if let Some(names) = line.strip_prefix("provider\t") {
                current = Some(self.provider(names));
            } else if let Err(what) = self.add_event(current, line) {
                self.problem(file, number, what);
            }
        }
    }

    fn provider(&mut self, names: &str) -> usize {
        let known = names
            .split('\t')
            .find_map(|name| self.providers.get(name).copied());
        let index = known.unwrap_or(self.events.len());
        if known.is_none() {
            self.events.push(HashMap::new());
        }
        for name in names.split('\t') {
            self.providers.insert(name.to_owned(), index);
        }
        index
    }

    fn add_event(&mut self, provider: Option<usize>, line: &str) -> Result<(), String> {
        let cells: Vec<&str> = line.split('\t').collect();
        let [ids, rest @ ..] = cells.as_slice() else {
            return Err("an empty line".to_owned());
        };
        let rest: &[&str; 7] = rest
            .try_into()
            .map_err(|_| format!("{} cells instead of 8", cells.len()))?;
        let rule = Rule::parse(rest, &self.maps)?;
        let ids = event_ids(ids)?;
        let events = provider
            .and_then(|index| self.events.get_mut(index))
            .ok_or("no provider line before this")?;
        for id in ids {
            let versions = events.entry(id).or_default();
            if versions.iter().any(|held| held.min_version == rule.min_version) {
                return Err(format!("event {id:?} is there already"));
            }
            versions.push(rule.clone());
        }
        Ok(())
    }
}

/// The rule with the highest minimum version that the event reaches.
fn best(versions: Option<&Vec<Rule>>, version: u8) -> Option<&Rule> {
    versions?
        .iter()
        .filter(|rule| rule.min_version <= version)
        .max_by_key(|rule| rule.min_version)
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
}

/// `1085,1160-1165` or `*`.
fn event_ids(text: &str) -> Result<Vec<Option<u32>>, String> {
    if text == "*" {
        return Ok(vec![None]);
    }
    let mut ids = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            text.trim()
                .parse::<u32>()
                .map_err(|_| format!("no event id {text:?}"))
        };
        let (first, last) = (number(first)?, number(last)?);
        if last < first || last - first > MAX_RANGE {
            return Err(format!("no range {part:?}"));
        }
        ids.extend((first..=last).map(Some));
    }
    Ok(ids)
}

/// Mistakes in the built-in tables; none in a released version.
pub fn check() -> Vec<Problem> {
    Tables::builtin().problems.clone()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn builtin_tables_have_no_mistakes() {
        assert_eq!(check(), []);
    }

    #[test]
    fn the_best_version_and_the_wildcards_are_found() {
        let mut tables = Tables::default();
        tables.add_events(
            "t",
            "provider\t*\n*\t-\t-\t-\tany\t-\t-\t-\nprovider\tA\tB\n1-3,7\t-\t-\t-\told\t-\t-\t-\n\
             2\t4\t-\t-\tnew\t-\t-\t-\n*\t-\t-\t-\trest\t-\t-\t-\n",
        );
        assert_eq!(tables.problems, []);
        let phase =
            |provider, id, version| tables.find(provider, id, version).unwrap().phase.clone().unwrap();
        assert_eq!(phase("A", 2, 3), "old");
        assert_eq!(phase("B", 2, 4), "new");
        assert_eq!(phase("A", 7, 0), "old");
        assert_eq!(phase("A", 8, 0), "rest");
        assert_eq!(phase("C", 2, 0), "any");
    }

    #[test]
    fn mistakes_are_reported_with_their_line() {
        let mut tables = Tables::default();
        tables.add_events("t", "# c\n1\t-\t-\t-\t-\t-\t-\tx\nprovider\tA\nx\t-\t-\t-\t-\t-\t-\tx\n1\t-\n1-9999\t-\t-\t-\t-\t-\t-\tx\n");
        assert_eq!(
            tables.problems.iter().map(|p| p.line).collect::<Vec<_>>(),
            [2, 4, 5, 6]
        );
    }
}
