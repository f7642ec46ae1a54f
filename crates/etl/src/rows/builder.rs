//! One event into one row.

use std::collections::HashMap;
use std::sync::Arc;

use casetrace_events::{opcode_name, promote};
use casetrace_model::{JsonObject, Level, Row, Source, Text};

use super::dns::DnsFact;
use super::follow::HttpFact;
use super::message;
use crate::Guid;
use crate::container::clock::Clock;
use crate::container::extended::kind;
use crate::container::record::Event;
use crate::mask;
use crate::names::PKTMON;
use crate::options::Options;
use crate::packets::{PktMonHead, PktMonTable};
use crate::process::Processes;
use crate::providers::ProviderNames;
use crate::schema::resolve::SchemaSet;
use crate::schema::{Origin, Schema, classic, tracelogging};
use crate::survey::{Class, EVENT_SOURCE_MANIFEST, ProviderEvent, class_of};
use crate::value::{Settings, Values, push_hex, push_sid, read};

/// Schemas of self-describing events that one thread remembers.
const MAX_REMEMBERED: usize = 4096;
/// Bytes shown of a payload that nothing describes.
const MAX_RAW: usize = 256;

/// Builds rows; shared by all threads.
pub(crate) struct RowBuilder<'f> {
    pub(crate) schemas: &'f SchemaSet,
    pub(crate) names: &'f ProviderNames,
    pub(crate) processes: &'f Processes,
    pub(crate) components: &'f PktMonTable,
    pub(crate) clock: Clock,
    pub(crate) options: &'f Options,
}

/// What one thread keeps between events.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    values: Values,
    self_described: HashMap<Vec<u8>, Arc<Schema>>,
    text: String,
    /// Decisions for the kinds of events met last; most events are like one shortly before.
    decided: Vec<Option<Decided>>,
}

#[derive(Debug, Clone)]
struct Decided {
    key: ProviderEvent,
    plan: Plan,
    label: Text,
}

const REMEMBERED: usize = 64;

/// How an event becomes a row.
#[derive(Debug, Clone)]
enum Plan {
    /// Only counted.
    None,
    SelfDescribed,
    Layout(Arc<Schema>),
    Wpp,
    /// A drop of Packet Monitor.
    Drop,
    /// Nothing describes it.
    Raw,
}

/// A row and what the follower should know about it.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) row: Row,
    pub(crate) fact: Option<Fact>,
}

/// Something that belongs together with other events.
#[derive(Debug)]
pub(crate) enum Fact {
    Http(HttpFact),
    Dns(DnsFact),
}

impl RowBuilder<'_> {
    /// Makes the row of an event; `None` for those that are only counted.
    #[inline]
    pub(crate) fn build(&self, event: &Event<'_>, scratch: &mut Scratch) -> Option<Built> {
        if event.kind.is_kernel() {
            let schema = self.kernel(event)?;
            let mut built = Built {
                row: self.header(event, schema.provider.clone()),
                fact: None,
            };
            built.row.event_id = Some(u32::from(event.opcode()));
            self.decoded(&mut built, schema, event, scratch);
            return Some(built);
        }
        let key = ProviderEvent {
            provider: event.provider()?,
            id: event.id(),
            version: event.version(),
            class: class_of(event),
        };
        let (plan, label) = self.decide(key, scratch);
        let plan = match plan {
            // Self-describing and manifest events may share a provider and an id.
            Plan::None => return None,
            Plan::Raw | Plan::Layout(_) if key.class == Class::Event && is_self_describing(event) => {
                Plan::SelfDescribed
            }
            plan => plan,
        };
        let mut built = Built {
            row: self.header(event, Some(label)),
            fact: None,
        };
        match plan {
            Plan::None => return None,
            Plan::SelfDescribed => {
                let schema = scratch.schema(event)?;
                self.decoded(&mut built, &schema, event, scratch);
            }
            Plan::Layout(schema) => self.decoded(&mut built, &schema, event, scratch),
            Plan::Wpp => self.wpp(&mut built.row, key.provider, event, scratch),
            Plan::Drop => self.packet_drop(&mut built.row, event, scratch),
            Plan::Raw => self.raw(&mut built.row, event, scratch),
        }
        Some(built)
    }

    fn decide(&self, key: ProviderEvent, scratch: &mut Scratch) -> (Plan, Text) {
        if scratch.decided.is_empty() {
            scratch.decided.resize(REMEMBERED, None);
        }
        let line = usize::from(key.provider.0[0] ^ key.provider.0[5] ^ key.id as u8) % REMEMBERED;
        if let Some(Some(known)) = scratch.decided.get(line)
            && known.key == key
        {
            return (known.plan.clone(), known.label.clone());
        }
        let decided = Decided {
            key,
            plan: self.plan(key),
            label: self.names.label(key.provider).into(),
        };
        let answer = (decided.plan.clone(), decided.label.clone());
        if let Some(slot) = scratch.decided.get_mut(line) {
            *slot = Some(decided);
        }
        answer
    }

    /// How events of one kind become rows.
    fn plan(&self, key: ProviderEvent) -> Plan {
        if key.class == Class::Wpp {
            return if self.schemas.tmf.find(key.provider, key.id).is_some() {
                Plan::Wpp
            } else {
                Plan::None
            };
        }
        if classic::is_quiet(key.provider, key.id) || key.id == EVENT_SOURCE_MANIFEST {
            return Plan::None;
        }
        if key.provider == PKTMON {
            return if key.id == 170 { Plan::Drop } else { Plan::None };
        }
        if let Some(schema) = self.schemas.find(&key) {
            return Plan::Layout(Arc::clone(schema));
        }
        if key.class == Class::Event {
            return if self.schemas.is_rare(&key) {
                Plan::Raw
            } else {
                Plan::None
            };
        }
        match classic::find(key.provider, u8::try_from(key.id).unwrap_or(u8::MAX), key.version) {
            Some(schema) => Plan::Layout(Arc::clone(schema)),
            None => Plan::None,
        }
    }

    fn kernel(&self, event: &Event<'_>) -> Option<&'static Arc<Schema>> {
        classic::find(
            classic::class_of_group(event.kernel_group())?,
            event.opcode(),
            event.version(),
        )
    }

    /// A first look that spares copying records that are only counted.
    pub(crate) fn may_give_row(&self, event: &Event<'_>) -> bool {
        !event.kind.is_kernel() || classic::class_of_group(event.kernel_group()).is_some()
    }

    /// The columns every record has.
    fn header(&self, event: &Event<'_>, provider: Option<Text>) -> Row {
        let mut row = Row::new(Source::Etl, "event", event.ordinal);
        if let Some(ts_ns) = self.clock.to_unix_ns(event.raw_ts) {
            row = row.at(ts_ns);
        }
        row.pid = event.pid();
        row.tid = event.tid();
        if let (Some(pid), Some(ts_ns)) = (row.pid, row.ts_ns) {
            row.process = self.processes.name_at(pid, ts_ns).cloned();
        }
        row.provider = provider;
        row.event_id = Some(u32::from(event.id()));
        row.event_version = Some(event.version());
        row.activity_id = event.activity_id().map(guid_text);
        row.level = Some(Level::from_windows(event.level()));
        if event.kind.is_event() {
            row.keywords = Some(event.keywords()).filter(|keywords| *keywords != 0);
            row.opcode = opcode_name(event.opcode())
                .filter(|_| event.opcode() != 0)
                .map(Text::new_static);
            if let Some(sid) = event.extended().find_kind(kind::SID) {
                let mut text = String::new();
                push_sid(&mut text, sid);
                row.user_sid = Some(text.into());
            }
        }
        row
    }

    fn decoded(&self, built: &mut Built, schema: &Schema, event: &Event<'_>, scratch: &mut Scratch) {
        let settings = Settings {
            pointer: event.pointer_size(),
            max_value: self.options.limits.max_value_bytes,
        };
        read(schema, event.payload(), settings, &mut scratch.values);
        built.fact = self.fact(event, &scratch.values);
        self.mask(&mut scratch.values, &schema.secret);
        let row = &mut built.row;
        self.name(row, schema);
        let values = &scratch.values;
        let mut object = JsonObject::with_capacity(values.text_len() + 64);
        if let Some(name) = &schema.name {
            object.push_str("_event", name);
        }
        values.write_json(&mut object);
        if let Some(related) = event.extended().find_kind(kind::RELATED_ACTIVITY) {
            object.push_str("_related_activity", &Guid::at(related, 0).to_string());
        }
        self.mark(&mut object, schema, values, event, &mut scratch.text);
        row.fields = object.finish();
        row.message = match (&schema.message, &schema.name) {
            (Some(text), _) => message::render(text, values),
            (None, Some(name)) => message::plain(name, values),
            (None, None) => String::new(),
        };
        promote(row, values);
    }

    /// Names that the layout knows better than the header.
    fn name(&self, row: &mut Row, schema: &Schema) {
        if row.provider.is_none() {
            row.provider.clone_from(&schema.provider);
        }
        if schema.task.is_some() {
            row.task.clone_from(&schema.task);
        }
        if schema.opcode.is_some() {
            row.opcode.clone_from(&schema.opcode);
        }
        row.channel.clone_from(&schema.channel);
    }

    /// Says when a layout was a guess or did not fit.
    fn mark(
        &self,
        object: &mut JsonObject,
        schema: &Schema,
        values: &Values,
        event: &Event<'_>,
        text: &mut String,
    ) {
        if schema.origin == Origin::BuiltinGuess {
            object.push_str("_schema", schema.origin.name());
        }
        if values.cut {
            object.push_str("_cut", "true");
        }
        if values.rest > 0 {
            let payload = event.payload();
            let rest = payload
                .get(payload.len().saturating_sub(values.rest)..)
                .unwrap_or_default();
            text.clear();
            self.push_raw(text, rest);
            object.push_str("_rest", text);
        }
    }

    fn mask(&self, values: &mut Values, secret: &[bool]) {
        if self.options.mask_secrets {
            values.replace(|at, value| {
                if secret.get(at) == Some(&true) {
                    mask::whole(value)
                } else {
                    mask::value(value)
                }
            });
        }
    }

    fn fact(&self, event: &Event<'_>, values: &Values) -> Option<Fact> {
        if !event.kind.is_event() {
            return None;
        }
        let provider = event.provider()?;
        HttpFact::of(provider, event, values)
            .map(Fact::Http)
            .or_else(|| DnsFact::of(provider, event, values).map(Fact::Dns))
    }

    fn wpp(&self, row: &mut Row, provider: Guid, event: &Event<'_>, scratch: &mut Scratch) {
        let Some(message) = self.schemas.tmf.find(provider, event.id()) else {
            return;
        };
        let settings = Settings {
            pointer: event.pointer_size(),
            max_value: self.options.limits.max_value_bytes,
        };
        read(&message.schema, event.payload(), settings, &mut scratch.values);
        self.mask(&mut scratch.values, &message.schema.secret);
        let mut object = JsonObject::new()
            .str("_component", &message.component)
            .str("_function", &message.function);
        scratch.values.write_json(&mut object);
        row.fields = object.finish();
        row.message = message.render(&scratch.values);
        if let Some(level) = message.level {
            row.level = Some(Level::from_windows(level));
        }
        if self.names.get(provider).is_none() {
            row.provider = Some(message.component.as_str().into());
        }
        promote(row, &scratch.values);
    }

    /// The packet itself goes to the packet stage; the row says why it was dropped.
    fn packet_drop(&self, row: &mut Row, event: &Event<'_>, scratch: &mut Scratch) {
        let Some(head) = PktMonHead::parse(event.payload()) else {
            return;
        };
        let values = &mut scratch.values;
        values.clear();
        values.push("DropReason", &head.drop_reason.to_string());
        values.push("DropReasonText", &self.components.reason(head.drop_reason));
        values.push("DropLocation", &format!("{:#x}", head.drop_location));
        values.push("Component", &self.components.label(head.component));
        values.push("Direction", head.direction_name());
        values.push("OriginalPayloadSize", &head.original.to_string());
        let mut object = JsonObject::new();
        values.write_json(&mut object);
        row.fields = object.finish();
        row.message = format!("Packet Monitor: {}", self.components.drop_remark(&head));
        promote(row, values);
    }

    fn raw(&self, row: &mut Row, event: &Event<'_>, scratch: &mut Scratch) {
        let payload = event.payload();
        scratch.text.clear();
        self.push_raw(&mut scratch.text, payload);
        let mut object = JsonObject::new().str("_schema", "none");
        object.push_num("_payload_bytes", i64::try_from(payload.len()).unwrap_or(i64::MAX));
        if !payload.is_empty() {
            object.push_str("_payload", &scratch.text);
        }
        row.fields = object.finish();
        let provider = row.provider.as_deref().unwrap_or("unknown provider");
        row.message = format!(
            "{provider} event {}: no layout known, {} bytes",
            event.id(),
            payload.len()
        );
    }

    /// Hex of bytes nobody understands; text in them could be anything, so it is held back while secrets are masked.
    fn push_raw(&self, out: &mut String, bytes: &[u8]) {
        if self.options.mask_secrets && has_text(bytes) {
            out.push_str("(bytes with text, hidden)");
        } else {
            push_hex(out, bytes, MAX_RAW);
        }
    }
}

impl Scratch {
    fn schema(&mut self, event: &Event<'_>) -> Option<Arc<Schema>> {
        let blob = event.extended().find_kind(kind::SCHEMA)?;
        if let Some(schema) = self.self_described.get(blob) {
            return Some(Arc::clone(schema));
        }
        if self.self_described.len() >= MAX_REMEMBERED {
            self.self_described.clear();
        }
        let schema = Arc::new(tracelogging::parse(blob));
        self.self_described.insert(blob.to_vec(), Arc::clone(&schema));
        Some(schema)
    }
}

fn is_self_describing(event: &Event<'_>) -> bool {
    event.flags() & 1 != 0 && event.extended().find_kind(kind::SCHEMA).is_some()
}

fn guid_text(guid: Guid) -> Text {
    Text::from(std::str::from_utf8(&guid.text()).unwrap_or_default())
}

/// Eight printable characters in a row, 8-bit or UTF-16.
fn has_text(bytes: &[u8]) -> bool {
    const RUN: usize = 8;
    let printable = |b: &u8| (0x20..0x7f).contains(b);
    let narrow = bytes.split(|b| !printable(b)).any(|run| run.len() >= RUN);
    let wide = [0, 1].into_iter().any(|skip| {
        let units = bytes.get(skip..).unwrap_or_default().chunks_exact(2);
        let mut run = 0;
        units.into_iter().any(|unit| {
            run = if matches!(unit, [low, 0] if printable(low)) {
                run + 1
            } else {
                0
            };
            run >= RUN
        })
    });
    narrow || wide
}

#[cfg(test)]
mod tests {
    use super::has_text;

    #[test]
    fn text_in_raw_bytes_is_noticed() {
        assert!(has_text(b"\0\x01password\0"));
        assert!(has_text(b"\0p\0a\0s\0s\0w\0o\0r\0d\0"));
        assert!(!has_text(&[1, 2, 3, b'a', b'b', 0, 0, 5]));
    }
}
