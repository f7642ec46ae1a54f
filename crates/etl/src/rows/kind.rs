//! What is decided once for all events of one kind: how they become rows, and what their layout's names look like.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use casetrace_events::Meaning;
use casetrace_model::{JsonKey, Text};

use super::builder::RowBuilder;
use crate::Guid;
use crate::container::extended::kind;
use crate::container::record::Event;
use crate::names::{DNS_CLIENT, PKTMON, WEBIO, WININET};
use crate::schema::{Schema, classic, tracelogging};
use crate::survey::{Class, EVENT_SOURCE_MANIFEST, ProviderEvent, class_of};
use crate::value::{Names, is_field};

/// Kinds of events that one thread remembers.
const MAX_REMEMBERED: usize = 4096;
/// Lines of the cache in front; most events are like one shortly before.
const LINES: usize = 64;

/// How events of one kind become rows.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) plan: Plan,
    pub(super) provider: Option<Text>,
}

#[derive(Debug)]
pub(super) enum Plan {
    /// Only counted.
    None,
    /// Too many of them, and nothing describes them but perhaps they themselves.
    Unknown,
    Layout(Rc<Layout>),
    Wpp,
    /// A drop of Packet Monitor.
    Drop,
    /// Nothing describes it.
    Raw,
}

/// A layout and what follows from it for every event.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) schema: Arc<Schema>,
    /// This thread's own copy: a shared one would have its count changed by all threads at every event.
    pub(super) names: Arc<Names>,
    /// The member that tells the event's name.
    pub(super) event: Option<(JsonKey, Text)>,
    pub(super) meaning: Meaning,
    /// Where the fields that the meaning asks for are.
    pub(super) places: Vec<Option<usize>>,
    pub(super) also: Also,
}

/// Which further rows such events give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Also {
    Nothing,
    Http,
    Dns,
}

impl Layout {
    fn new(schema: &Arc<Schema>, key: ProviderEvent, provider: Option<&str>) -> Self {
        let meaning = provider.map_or_else(Meaning::default, |provider| {
            Meaning::of(provider, key.id.into(), key.version)
        });
        let place = |wanted: &String| schema.names.position(|name| is_field(name, wanted));
        Self {
            names: Arc::new((*schema.names).clone()),
            event: schema
                .name
                .as_ref()
                .map(|name| (JsonKey::new("_event"), name.clone())),
            meaning,
            places: meaning.wanted().iter().map(place).collect(),
            also: match (key.class, key.provider) {
                (Class::Event, DNS_CLIENT) => Also::Dns,
                (Class::Event, WEBIO | WININET) => Also::Http,
                _ => Also::Nothing,
            },
            schema: Arc::clone(schema),
        }
    }
}

/// The kinds that one thread met.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    front: Vec<Option<(ProviderEvent, Rc<Kind>)>>,
    events: HashMap<ProviderEvent, Rc<Kind>>,
    /// By group, type and version.
    kernel: HashMap<(u16, u8), Option<Rc<Kind>>>,
    /// By kind and description.
    self_described: HashMap<Vec<u8>, Rc<Layout>>,
    text: Vec<u8>,
}

impl Kinds {
    /// The kind of an event; `None` if such events are only counted.
    #[inline]
    pub(super) fn of(&mut self, event: &Event<'_>, builder: &RowBuilder<'_>) -> Option<Rc<Kind>> {
        if event.kind.is_kernel() {
            return self.of_kernel(event);
        }
        let key = key_of(event)?;
        let line = usize::from(key.provider.0[0] ^ key.provider.0[5] ^ key.id as u8) % LINES;
        if let Some(Some((known, kind))) = self.front.get(line)
            && *known == key
        {
            return Some(Rc::clone(kind));
        }
        let kind = self.of_event(key, builder);
        if self.front.is_empty() {
            self.front.resize(LINES, None);
        }
        if let Some(slot) = self.front.get_mut(line) {
            *slot = Some((key, Rc::clone(&kind)));
        }
        Some(kind)
    }

    fn of_event(&mut self, key: ProviderEvent, builder: &RowBuilder<'_>) -> Rc<Kind> {
        if let Some(kind) = self.events.get(&key) {
            return Rc::clone(kind);
        }
        if self.events.len() >= MAX_REMEMBERED {
            self.events.clear();
        }
        let provider = builder.names.text(key.provider);
        let kind = Rc::new(Kind {
            plan: plan(key, &provider, builder),
            provider: Some(provider),
        });
        self.events.insert(key, Rc::clone(&kind));
        kind
    }

    fn of_kernel(&mut self, event: &Event<'_>) -> Option<Rc<Kind>> {
        let key = (event.id(), event.version());
        if let Some(kind) = self.kernel.get(&key) {
            return kind.clone();
        }
        let kind = kernel(event).map(Rc::new);
        if self.kernel.len() < MAX_REMEMBERED {
            self.kernel.insert(key, kind.clone());
        }
        kind
    }

    /// The layout that an event brings along.
    pub(super) fn self_described(&mut self, event: &Event<'_>, provider: Option<&str>) -> Option<Rc<Layout>> {
        let blob = event.extended().find_kind(kind::SCHEMA)?;
        let key = key_of(event)?;
        self.text.clear();
        self.text.extend_from_slice(&key.provider.0);
        self.text.extend_from_slice(&key.id.to_le_bytes());
        self.text.push(key.version);
        self.text.extend_from_slice(blob);
        if let Some(layout) = self.self_described.get(self.text.as_slice()) {
            return Some(Rc::clone(layout));
        }
        if self.self_described.len() >= MAX_REMEMBERED {
            self.self_described.clear();
        }
        let schema = Arc::new(tracelogging::parse(blob));
        let layout = Rc::new(Layout::new(&schema, key, provider));
        self.self_described.insert(self.text.clone(), Rc::clone(&layout));
        Some(layout)
    }
}

fn key_of(event: &Event<'_>) -> Option<ProviderEvent> {
    Some(ProviderEvent {
        provider: event.provider()?,
        id: event.id(),
        version: event.version(),
        class: class_of(event),
    })
}

fn kernel(event: &Event<'_>) -> Option<Kind> {
    let class = classic::class_of_group(event.kernel_group())?;
    let schema = classic::find(class, event.opcode(), event.version())?;
    let key = ProviderEvent {
        provider: class,
        id: event.opcode().into(),
        version: event.version(),
        class: Class::Classic,
    };
    Some(Kind {
        plan: Plan::Layout(Rc::new(Layout::new(schema, key, schema.provider.as_deref()))),
        provider: schema.provider.clone(),
    })
}

fn plan(key: ProviderEvent, provider: &str, builder: &RowBuilder<'_>) -> Plan {
    let schemas = builder.schemas;
    if key.class == Class::Wpp {
        return match schemas.tmf.find(key.provider, key.id) {
            Some(_) => Plan::Wpp,
            None => Plan::None,
        };
    }
    if classic::is_quiet(key.provider, key.id) || key.id == EVENT_SOURCE_MANIFEST {
        return Plan::None;
    }
    if key.provider == PKTMON {
        return if key.id == 170 { Plan::Drop } else { Plan::None };
    }
    let layout = |schema| Plan::Layout(Rc::new(Layout::new(schema, key, Some(provider))));
    if let Some(schema) = schemas.find(&key) {
        return layout(schema);
    }
    if key.class == Class::Event {
        return match schemas.is_rare(&key) {
            true => Plan::Raw,
            false => Plan::Unknown,
        };
    }
    classic::find(key.provider, u8::try_from(key.id).unwrap_or(u8::MAX), key.version)
        .map_or(Plan::None, layout)
}

/// Texts of the activity ids met last: an activity has many events in a row.
#[derive(Debug, Default)]
pub(super) struct Activities(Vec<Option<(Guid, Text)>>);

impl Activities {
    pub(super) fn text(&mut self, guid: Guid) -> Text {
        let line = usize::from(guid.0[0] ^ guid.0[1] ^ guid.0[8]) % LINES;
        if let Some(Some((known, text))) = self.0.get(line)
            && *known == guid
        {
            return text.clone();
        }
        let text = Text::from(std::str::from_utf8(&guid.text()).unwrap_or_default());
        if self.0.is_empty() {
            self.0.resize(LINES, None);
        }
        if let Some(slot) = self.0.get_mut(line) {
            *slot = Some((guid, text.clone()));
        }
        text
    }
}
