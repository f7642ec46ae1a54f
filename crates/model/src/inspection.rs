//! What a decoder can say about a whole artifact; the body of `casetrace inspect`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Text;

/// Losses that the artifact itself reports or that damage caused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Events or packets.
    pub events: u64,
    /// Buffers or chunks.
    pub buffers: u64,
    /// Bytes that were there and could not be read.
    pub bytes: u64,
}

/// Counts of one provider (events) or one protocol (kinds).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProviderCount {
    /// Provider GUID, lower case, bare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guid: Option<Text>,
    /// All records.
    pub total: u64,
    /// By event id or kind.
    pub by_event: BTreeMap<Text, u64>,
}

/// Facts about one artifact, gathered while its rows went to the sink.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Inspection {
    /// Format facts in the format's own terms.
    pub container: BTreeMap<&'static str, serde_json::Value>,
    /// Records read: events, packets, lines.
    pub records: u64,
    /// Losses.
    pub lost: Lost,
    /// First and last instant, nanoseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// Where the times come from: `QPC 10000000 Hz`, `FILETIME`, `local UTC+09:00 (assumed)`…
    pub clock: Text,
    /// Per provider or protocol.
    pub counts: BTreeMap<Text, ProviderCount>,
    /// Computer name the artifact itself states for all its records.
    pub host: Option<Text>,
}

impl Inspection {
    /// Widens the span to hold `ts_ns`.
    pub fn saw(&mut self, ts_ns: i64) {
        self.span = Some(match self.span {
            Some((first, last)) => (first.min(ts_ns), last.max(ts_ns)),
            None => (ts_ns, ts_ns),
        });
    }

    /// Counts one record of `provider` and `event`.
    pub fn count(&mut self, provider: &str, guid: Option<&str>, event: &str) {
        if !self.counts.contains_key(provider) {
            self.counts.insert(
                provider.into(),
                ProviderCount {
                    guid: guid.map(Text::from),
                    ..ProviderCount::default()
                },
            );
        }
        if let Some(entry) = self.counts.get_mut(provider) {
            entry.total += 1;
            match entry.by_event.get_mut(event) {
                Some(n) => *n += 1,
                None => drop(entry.by_event.insert(event.into(), 1)),
            }
        }
    }
}
