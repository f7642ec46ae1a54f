//! An [`Event`] into a row, and what it adds to the log's totals.

use std::borrow::Cow;

use casetrace_events::{Fields, Meaning, opcode_name};
use casetrace_model::{JsonObject, Level, Row, Text, TsSource, normalise_guid};
use evtx::mta::{MtaEvent, MtaFile};

use crate::event::{Event, Rendered, System};

/// Where a record stands, besides what it says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Record number of the record header.
    pub(crate) header_id: u64,
    /// Time of the record header, nanoseconds since 1970.
    pub(crate) header_ns: Option<i64>,
    /// Carved from the slack.
    pub(crate) recovered: bool,
}

/// What rows of one log have in common.
#[derive(Debug, Clone)]
pub(crate) struct Shared<'o> {
    pub(crate) channel_hint: Option<Text>,
    pub(crate) mta: Option<&'o MtaFile>,
    pub(crate) max_value_bytes: usize,
}

/// Columns whose value is mostly that of the record before; sharing its text spares an allocation.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    provider: Text,
    channel: Text,
    host: Text,
    user_sid: Text,
    activity_id: Text,
    activity_raw: String,
    numbers: Vec<Text>,
    meanings: Vec<Option<Known>>,
}

/// What the tables say about a kind of event met before.
#[derive(Debug, Clone)]
struct Known {
    provider: Option<Text>,
    event_id: Option<u32>,
    version: Option<u8>,
    meaning: Meaning,
}

/// Kinds of events that are remembered at a time, and numbers whose text is.
const REMEMBERED: u32 = 128;

impl Interner {
    fn meaning(&mut self, row: &Row) -> Meaning {
        let line = (row.event_id.unwrap_or(0) % REMEMBERED) as usize;
        if let Some(Some(known)) = self.meanings.get(line)
            && known.event_id == row.event_id
            && known.version == row.event_version
            && known.provider == row.provider
        {
            return known.meaning;
        }
        let meaning = match (row.provider.as_deref(), row.event_id) {
            (Some(provider), Some(id)) => Meaning::of(provider, id, row.event_version.unwrap_or(0)),
            _ => Meaning::default(),
        };
        if self.meanings.is_empty() {
            self.meanings.resize(REMEMBERED as usize, None);
        }
        if let Some(slot) = self.meanings.get_mut(line) {
            *slot = Some(Known {
                provider: row.provider.clone(),
                event_id: row.event_id,
                version: row.event_version,
                meaning,
            });
        }
        meaning
    }

    /// A small number as text.
    fn number(&mut self, number: u16) -> Text {
        if self.numbers.is_empty() {
            self.numbers = (0..REMEMBERED).map(|n| Text::from(n.to_string())).collect();
        }
        let known = self.numbers.get(usize::from(number));
        known.map_or_else(|| Text::from(number.to_string()), Text::clone)
    }
}

fn intern(last: &mut Text, value: &str) -> Text {
    if last != value {
        *last = Text::from(value);
    }
    last.clone()
}

/// Fills a fresh row from one event.
pub(crate) fn fill(
    row: &mut Row,
    event: &mut Event<'_>,
    place: Place,
    shared: &Shared<'_>,
    interner: &mut Interner,
) {
    let system = &event.system;
    row.record = system.record_id.unwrap_or(place.header_id);
    match (system.time_ns, place.header_ns) {
        (Some(ts_ns), _) => (row.ts_ns, row.ts_source) = (Some(ts_ns), TsSource::Exact),
        (None, Some(ts_ns)) => (row.ts_ns, row.ts_source) = (Some(ts_ns), TsSource::Derived),
        (None, None) => {}
    }
    row.provider = provider(system, &mut interner.provider);
    row.channel = match system.channel.as_deref() {
        Some(channel) => Some(intern(&mut interner.channel, channel)),
        None => shared.channel_hint.clone(),
    };
    row.event_id = system.event_id;
    row.event_version = system.version;
    row.level = system.level.map(Level::from_windows);
    row.keywords = system.keywords;
    (row.pid, row.tid) = (system.pid, system.tid);
    row.host = system
        .computer
        .as_deref()
        .map(|host| intern(&mut interner.host, host));
    row.user_sid = system
        .user_sid
        .as_deref()
        .map(|sid| intern(&mut interner.user_sid, sid));
    row.activity_id = activity(system, interner);
    name_parts(row, event, place, shared, interner);
    clip_values(&mut event.fields, shared.max_value_bytes);
    row.fields = fields_json(event, place);
    interner.meaning(row).promote(row, &event.fields);
}

fn provider(system: &System<'_>, last: &mut Text) -> Option<Text> {
    match (&system.provider, &system.provider_guid) {
        (Some(name), _) => Some(intern(last, name)),
        (None, Some(guid)) => normalise_guid(guid).map(|guid| Text::from(format!("{{{guid}}}"))),
        (None, None) => None,
    }
}

fn activity(system: &System<'_>, interner: &mut Interner) -> Option<Text> {
    let raw = system.activity_id.as_deref()?;
    if interner.activity_raw != raw {
        interner.activity_raw.clear();
        interner.activity_raw.push_str(raw);
        interner.activity_id = normalise_guid(raw)
            .filter(|id| id.bytes().any(|b| !matches!(b, b'0' | b'-')))
            .unwrap_or_default();
    }
    (!interner.activity_id.is_empty()).then(|| interner.activity_id.clone())
}

/// Task and opcode by name where the log or its `.MTA` names them, else by number; the rendered message.
fn name_parts(
    row: &mut Row,
    event: &mut Event<'_>,
    place: Place,
    shared: &Shared<'_>,
    interner: &mut Interner,
) {
    if event.rendered.message.is_none()
        && let Some(mta) = shared.mta
    {
        event.rendered = looked_up(mta, &event.system, place);
    }
    let (system, rendered) = (&event.system, &event.rendered);
    row.task = match (&rendered.task, system.task) {
        (Some(name), _) => Some(Text::from(name.as_str())),
        (None, Some(number)) if number > 0 => Some(interner.number(number)),
        _ => None,
    };
    row.opcode = match (&rendered.opcode, system.opcode) {
        (Some(name), _) => Some(Text::from(name.as_str())),
        (None, Some(opcode)) => {
            Some(opcode_name(opcode).map_or_else(|| interner.number(opcode.into()), Text::new_static))
        }
        _ => None,
    };
    if let Some(message) = &rendered.message {
        row.message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

fn looked_up(mta: &MtaFile, system: &System<'_>, place: Place) -> Rendered {
    let found = mta.rendering_info(&MtaEvent {
        provider: system.provider.as_deref().unwrap_or_default(),
        record_number: place.header_id,
        event_record_id: system.record_id.unwrap_or(place.header_id),
        qualifiers: system.qualifiers.unwrap_or(0),
        level: system.level.unwrap_or(0),
        task: system.task.unwrap_or(0),
        opcode: system.opcode.unwrap_or(0),
        keywords: system.keywords.unwrap_or(0),
    });
    found.map_or_else(Rendered::default, |found| Rendered {
        message: found.message.map(|text| text.trim().to_owned()),
        task: found.task.map(str::to_owned),
        opcode: found.opcode.map(str::to_owned),
    })
}

fn fields_json(event: &Event<'_>, place: Place) -> String {
    let bytes: usize = event
        .fields
        .iter()
        .map(|(name, value)| name.len() + value.len() + 6)
        .sum();
    let mut object = JsonObject::with_capacity(bytes + 64);
    event.fields.write_json(&mut object);
    if let Some(message) = &event.rendered.message
        && event.fields.iter().all(|(name, _)| name != "rendered")
    {
        object.push_str("rendered", message);
    }
    if place.recovered && event.fields.iter().all(|(name, _)| name != "recovered") {
        object.push_raw("recovered", "true");
    }
    object.finish()
}

/// Shortens values that are over the limit; they end in `…`.
fn clip_values(fields: &mut Fields<'_>, max: usize) {
    fields.map_values(|value| {
        if value.len() > max {
            let cut = (0..=max.saturating_sub(3))
                .rev()
                .find(|at| value.is_char_boundary(*at))
                .unwrap_or(0);
            *value = Cow::Owned(format!("{}…", value.get(..cut).unwrap_or_default()));
        }
    });
}
