//! Facts about the recording PC that other sources need: its name, its time zone, the year.
//!
//! They are in small text files, so those are read first.

use std::collections::BTreeSet;

use casetrace_model::{Collected, Text};
use jiff::tz::TimeZone;
use serde_json::Value;

/// What the texts of a case say about the PC.
#[derive(Debug, Clone, Default)]
pub(crate) struct CaseContext {
    /// All computer names the texts give, upper case.
    pub(crate) hosts: BTreeSet<String>,
    /// All user names the texts give.
    pub(crate) users: BTreeSet<String>,
    /// Computer name, if the texts name just one.
    pub(crate) host: Option<Text>,
    /// Zone of wall-clock times, with where it was read.
    pub(crate) zone: Option<(TimeZone, Text)>,
    /// Year of the recording.
    pub(crate) year: Option<i16>,
    /// When the collection ended.
    pub(crate) collected_ns: Option<i64>,
}

/// Gathers names and zones from rows of text members.
#[derive(Debug, Default)]
pub(crate) struct Gatherer {
    hosts: BTreeSet<String>,
    users: BTreeSet<String>,
    zones: Vec<(String, String)>,
    years: BTreeSet<i16>,
    stops: BTreeSet<i64>,
}

impl Gatherer {
    /// Takes the rows of one small text member.
    pub(crate) fn take(&mut self, artifact: &str, collected: &Collected) {
        for row in &collected.rows {
            if let Some(year) = row.ts_ns.and_then(year_of) {
                self.years.insert(year);
            }
            self.users.extend(row.user.as_deref().map(str::to_owned));
            if row.kind != "config" && row.kind != "dsregcmd.section" {
                continue;
            }
            if let Some(config) = Config::read(&row.fields) {
                self.hosts.extend(config.hosts());
                match config.name() {
                    "collection_stop" => self.stops.extend(row.ts_ns),
                    "timezone" => self.zones.push((config.value().to_owned(), artifact.to_owned())),
                    _ => {}
                }
            }
        }
    }

    /// The conclusion; contradictions give no host, the first readable zone wins.
    pub(crate) fn conclude(self) -> CaseContext {
        let host = self
            .hosts
            .first()
            .filter(|_| self.hosts.len() == 1)
            .map(Text::from);
        let zone = self.zones.iter().find_map(|(zone, artifact)| {
            Some((
                casetrace_text::zone(zone)?,
                Text::from(format!("{zone} from {artifact}")),
            ))
        });
        CaseContext {
            host,
            hosts: self.hosts,
            users: self.users,
            zone,
            year: self.years.last().copied(),
            // Of several collections in one upload the first: ages are rather too small than too large.
            collected_ns: self.stops.first().copied(),
        }
    }
}

/// The fields of a `config` or `dsregcmd.section` row.
pub(crate) struct Config(Value);

impl Config {
    pub(crate) fn read(fields: &str) -> Option<Self> {
        serde_json::from_str(fields).ok().map(Self)
    }

    fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.text("name")
    }

    fn value(&self) -> &str {
        self.text("value")
    }

    /// Computer names it gives, upper case.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = String> + '_ {
        let named = (self.name() == "computer_name").then(|| self.value());
        let names = named.into_iter().chain([self.text("Device Name")]);
        names.filter_map(|name| {
            let short = name.split('.').next().unwrap_or(name).trim();
            (!short.is_empty() && short != "NOT SET").then(|| short.to_ascii_uppercase())
        })
    }
}

fn year_of(ts_ns: i64) -> Option<i16> {
    casetrace_model::time::to_rfc3339(ts_ns).get(..4)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use casetrace_model::{JsonObject, Row, Source};

    #[test]
    fn two_computers_give_no_host() {
        let row = |name: &str| {
            let mut row = Row::new(Source::Text, "config", 1);
            row.fields = JsonObject::new()
                .str("name", "computer_name")
                .str("value", name)
                .finish();
            row
        };
        let case = |names: &[&str]| {
            let mut gatherer = Gatherer::default();
            let rows = names.iter().map(|name| row(name)).collect();
            gatherer.take(
                "a.txt",
                &Collected {
                    rows,
                    diagnostics: Vec::new(),
                },
            );
            gatherer.conclude().host
        };
        assert_eq!(case(&["pc1.contoso.com", "PC1"]).as_deref(), Some("PC1"));
        assert_eq!(case(&["PC1", "PC2"]), None);
    }
}
