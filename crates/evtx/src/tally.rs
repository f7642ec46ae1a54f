//! Totals of a log, gathered chunk by chunk and merged in any order.

use std::collections::BTreeMap;

use ahash::AHashMap as HashMap;
use casetrace_model::{Inspection, ProviderCount, Row, Text};

/// Hosts that are told apart; a log has one, a forwarded one many.
const MAX_HOSTS: usize = 1_000;

/// Counts of some records.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) records: u64,
    pub(crate) recovered: u64,
    pub(crate) hollow: u64,
    pub(crate) unreadable: u64,
    pub(crate) processing_errors: u64,
    pub(crate) cut: u64,
    span: Option<(i64, i64)>,
    events: HashMap<(Text, u32), u64>,
    guids: HashMap<Text, Text>,
    hosts: Vec<Text>,
}

impl Tally {
    /// Counts one record that became a row.
    pub(crate) fn row(&mut self, row: &Row, guid: Option<&str>) {
        self.records += 1;
        if let Some(ts_ns) = row.ts_ns {
            self.saw((ts_ns, ts_ns));
        }
        let provider = row.provider.clone().unwrap_or_default();
        if let Some(guid) = guid
            && !self.guids.contains_key(&provider)
            && let Some(guid) = casetrace_model::normalise_guid(guid)
        {
            self.guids.insert(provider.clone(), guid);
        }
        *self
            .events
            .entry((provider, row.event_id.unwrap_or(0)))
            .or_default() += 1;
        if let Some(host) = &row.host {
            self.host(host);
        }
    }

    fn saw(&mut self, (first, last): (i64, i64)) {
        self.span = Some(
            self.span
                .map_or((first, last), |(f, l)| (f.min(first), l.max(last))),
        );
    }

    fn host(&mut self, host: &Text) {
        if self.hosts.last() != Some(host) && !self.hosts.contains(host) && self.hosts.len() < MAX_HOSTS {
            self.hosts.push(host.clone());
        }
    }

    /// Adds another tally.
    pub(crate) fn merge(&mut self, other: Self) {
        self.records += other.records;
        self.recovered += other.recovered;
        self.hollow += other.hollow;
        self.unreadable += other.unreadable;
        self.processing_errors += other.processing_errors;
        self.cut += other.cut;
        if let Some(span) = other.span {
            self.saw(span);
        }
        for (event, count) in other.events {
            *self.events.entry(event).or_default() += count;
        }
        self.guids.extend(other.guids);
        for host in &other.hosts {
            self.host(host);
        }
    }

    /// Writes the totals down.
    pub(crate) fn into_inspection(self, inspection: &mut Inspection) {
        inspection.records = self.records;
        inspection.lost.events += self.unreadable + self.hollow;
        inspection.span = self.span;
        if let [host] = self.hosts.as_slice() {
            inspection.host = Some(host.clone());
        }
        let mut hosts = self.hosts;
        hosts.sort_unstable();
        let container = &mut inspection.container;
        for (name, count) in [
            ("recovered_records", self.recovered),
            ("hollow_records", self.hollow),
            ("unreadable_records", self.unreadable),
            ("processing_errors", self.processing_errors),
        ] {
            if count > 0 {
                container.insert(name, count.into());
            }
        }
        container.insert(
            "computers",
            hosts.iter().map(Text::as_str).collect::<Vec<_>>().into(),
        );
        let mut counts: BTreeMap<Text, ProviderCount> = BTreeMap::new();
        for ((provider, id), count) in self.events {
            let guid = self.guids.get(&provider).cloned();
            let entry = counts.entry(provider).or_insert_with(|| ProviderCount {
                guid,
                ..ProviderCount::default()
            });
            entry.total += count;
            entry.by_event.insert(Text::from(id.to_string()), count);
        }
        inspection.counts = counts;
    }
}
