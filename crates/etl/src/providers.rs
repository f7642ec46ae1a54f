//! Names of providers that a trace does not name itself (data: `pipelines/etl/providers.tsv`).

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use casetrace_model::Text;

use crate::Guid;

static TABLE: LazyLock<HashMap<Guid, &'static str>> = LazyLock::new(|| {
    crate::table::rows(include_str!("../tables/providers.tsv"))
        .filter_map(|[guid, name, _]| Some((Guid::parse(guid)?, name)))
        .collect()
});

/// Name of a provider as the built-in list knows it.
pub(crate) fn known_name(provider: Guid) -> Option<&'static str> {
    TABLE.get(&provider).copied()
}

/// Names for one file: its own ones first, then the built-in list.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProviderNames {
    own: BTreeMap<Guid, String>,
}

impl ProviderNames {
    pub(crate) fn new(own: &BTreeMap<Guid, Vec<u8>>) -> Self {
        Self {
            own: own
                .iter()
                .map(|(guid, name)| (*guid, String::from_utf8_lossy(name).into_owned()))
                .collect(),
        }
    }

    /// Adds names a schema in the file gives; traits win.
    pub(crate) fn add(&mut self, provider: Guid, name: &str) {
        if !name.is_empty() {
            self.own.entry(provider).or_insert_with(|| name.to_owned());
        }
    }

    pub(crate) fn get(&self, provider: Guid) -> Option<&str> {
        self.own
            .get(&provider)
            .map(String::as_str)
            .filter(|name| !name.is_empty())
            .or_else(|| known_name(provider))
    }

    /// As [`Self::label`]; a name of the built-in list takes no memory of its own, however many rows have it.
    pub(crate) fn text(&self, provider: Guid) -> Text {
        let known = known_name(provider);
        match self.get(provider) {
            Some(name) if Some(name) == known => known.map_or_else(Text::default, Text::new_static),
            _ => self.label(provider).into(),
        }
    }

    /// The name, or the GUID in braces.
    pub(crate) fn label(&self, provider: Guid) -> String {
        self.get(provider)
            .map_or_else(|| format!("{{{provider}}}"), str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = crate::table::rows::<3>(include_str!("../tables/providers.tsv")).count();
        assert_eq!(TABLE.len(), lines);
        assert_eq!(known_name(crate::names::PKTMON), Some("Microsoft-Windows-PktMon"));
    }
}
