//! Which layout an event has, decided once per file for every kind of event that occurs in it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::metadata::{Maps, parse_info, parse_map};
use super::tmf::Tmf;
use super::{Origin, Schema, builtin, eventsource, manifest};
use crate::Guid;
use crate::decode::MoreLayouts;
use crate::options::Options;
use crate::providers::ProviderNames;
use crate::survey::{Class, Kept, KeptKind, ProviderEvent, Survey};

/// Rows of one kind of event that nothing describes; beyond, they are only counted.
const MAX_RAW_ROWS: u64 = 200;

/// Layouts of everything in one file.
#[derive(Debug, Default)]
pub(crate) struct SchemaSet {
    resolved: HashMap<ProviderEvent, Arc<Schema>>,
    pub(crate) tmf: Tmf,
    /// Kinds of events without layout that are few enough to be shown one by one.
    rare: HashSet<ProviderEvent>,
    /// Embedded layouts.
    pub(crate) embedded: usize,
    /// Value maps of embedded layouts.
    pub(crate) maps: Maps,
}

impl SchemaSet {
    /// Collects all sources and resolves what the first pass saw; `names` learns the providers' names on the way.
    pub(crate) fn collect(
        found: &Survey,
        options: &Options,
        more: &MoreLayouts,
        os_build: u32,
        names: &mut ProviderNames,
    ) -> Self {
        let mut set = Self {
            maps: maps(&found.kept),
            ..Self::default()
        };
        for text in &options.tmf {
            set.tmf.add(text);
        }
        let mut events = set.event_layouts(found, options, names);
        for ((provider, id, version), schema) in more {
            names.add(*provider, schema.provider.as_deref().unwrap_or_default());
            add(&mut events, *provider, *id, *version, schema.clone());
        }
        let classic = set.classic_layouts(&found.kept, names);
        for (key, n) in found.counts.providers() {
            let schema = match key.class {
                Class::Event => event(&events, key, os_build),
                Class::Classic => best_version(&classic, key.provider, key.id, key.version),
                Class::Wpp => None,
            };
            match schema {
                Some(schema) => drop(set.resolved.insert(key, schema)),
                None if n <= MAX_RAW_ROWS => drop(set.rare.insert(key)),
                None => {}
            }
        }
        set
    }

    #[inline]
    pub(crate) fn find(&self, key: &ProviderEvent) -> Option<&Arc<Schema>> {
        self.resolved.get(key)
    }

    /// True for a kind of event without layout that is worth a row all the same.
    pub(crate) fn is_rare(&self, key: &ProviderEvent) -> bool {
        self.rare.contains(key)
    }

    /// Layouts of manifest events from the file, its EventSources and the user's manifests; the best origin wins.
    fn event_layouts(&mut self, found: &Survey, options: &Options, names: &mut ProviderNames) -> Layouts {
        let mut layouts = Layouts::new();
        for record in found.kept.iter().filter(|k| k.kind == KeptKind::EventInfo) {
            let Some((key, schema)) = parse_info(&record.payload, &self.maps) else {
                continue;
            };
            self.embedded += 1;
            names.add(key.provider, schema.provider.as_deref().unwrap_or_default());
            if !key.is_classic {
                add(&mut layouts, key.provider, key.id, key.version, schema);
            }
        }
        let sent = eventsource::manifests(&found.kept);
        let sent = sent
            .iter()
            .map(|(guid, xml)| (Some(*guid), xml.as_str(), Origin::EventSource));
        let given = options
            .manifests
            .iter()
            .map(|xml| (None, xml.as_str(), Origin::Manifest));
        for (sender, xml, origin) in sent.chain(given) {
            for manifest in manifest::parse(xml, origin) {
                let provider = sender.unwrap_or(manifest.provider);
                names.add(provider, &manifest.name);
                for ((id, version), schema) in manifest.events {
                    add(&mut layouts, provider, id, version, schema);
                }
            }
        }
        layouts
    }

    /// Embedded layouts of classic records, by class and opcode.
    fn classic_layouts(&self, kept: &[Kept], names: &mut ProviderNames) -> Layouts {
        let mut layouts = Layouts::new();
        for record in kept.iter().filter(|k| k.kind == KeptKind::EventInfo) {
            let Some((key, schema)) = parse_info(&record.payload, &self.maps) else {
                continue;
            };
            if key.is_classic {
                names.add(
                    key.class,
                    schema
                        .task
                        .as_deref()
                        .or(schema.provider.as_deref())
                        .unwrap_or_default(),
                );
                add(
                    &mut layouts,
                    key.class,
                    u16::from(key.opcode),
                    key.version,
                    schema,
                );
            }
        }
        layouts
    }
}

type Layouts = HashMap<(Guid, u16), Vec<(u8, Arc<Schema>)>>;

fn add(layouts: &mut Layouts, provider: Guid, id: u16, version: u8, schema: Schema) {
    let versions = layouts.entry((provider, id)).or_default();
    match versions.iter_mut().find(|(v, _)| *v == version) {
        Some((_, held)) if held.origin <= schema.origin => {}
        Some((_, held)) => *held = Arc::new(schema),
        None => versions.push((version, Arc::new(schema))),
    }
}

fn event(layouts: &Layouts, key: ProviderEvent, os_build: u32) -> Option<Arc<Schema>> {
    exact(layouts, key.provider, key.id, key.version)
        .or_else(|| builtin::find(key.provider, key.id, key.version, os_build).map(Arc::new))
        .or_else(|| best_version(layouts, key.provider, key.id, key.version))
}

fn exact(layouts: &Layouts, provider: Guid, id: u16, version: u8) -> Option<Arc<Schema>> {
    let versions = layouts.get(&(provider, id))?;
    versions
        .iter()
        .find(|(v, _)| *v == version)
        .map(|(_, schema)| Arc::clone(schema))
}

/// The version itself, or the highest one below it.
fn best_version(layouts: &Layouts, provider: Guid, id: u16, version: u8) -> Option<Arc<Schema>> {
    let versions = layouts.get(&(provider, id))?;
    versions
        .iter()
        .filter(|(v, _)| *v <= version)
        .max_by_key(|(v, _)| *v)
        .map(|(_, schema)| Arc::clone(schema))
}

fn maps(kept: &[Kept]) -> Maps {
    let records = kept.iter().filter(|k| k.kind == KeptKind::MapInfo);
    records
        .filter_map(|record| parse_map(&record.payload))
        .map(|(key, map)| (key, Arc::new(map)))
        .collect()
}
