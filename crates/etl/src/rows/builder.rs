//! One event into one row.

use casetrace_events::{opcode_name, promote};
use casetrace_model::{JsonObject, Level, Row, Source, Text, TsSource};

use super::dns::{self, DnsFact};
use super::follow::HttpFact;
use super::kind::{Activities, Also, Kinds, Layout, Plan};
use super::message;
use crate::Guid;
use crate::container::clock::Clock;
use crate::container::extended::kind;
use crate::container::record::Event;
use crate::options::Options;
use crate::packets::{PktMonHead, PktMonTable};
use crate::process::Processes;
use crate::providers::ProviderNames;
use crate::schema::resolve::SchemaSet;
use crate::schema::{Origin, Schema, classic};
use crate::value::{Placed, Settings, Values, push_hex, push_sid, read, read_named};

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
    kinds: Kinds,
    activities: Activities,
    values: Values,
    text: String,
}

/// Takes rows as they are built. A row is large, so it goes from where it was built straight to its taker.
pub(crate) trait Rows {
    /// Takes a row, and what the follower should know about it. What is left in the row means nothing.
    fn row(&mut self, row: &mut Row, fact: Option<Box<HttpFact>>);
}

impl RowBuilder<'_> {
    /// Makes the rows of an event; none for those that are only counted.
    #[inline]
    pub(crate) fn build<R: Rows>(&self, event: &Event<'_>, scratch: &mut Scratch, out: &mut R) {
        let Some(kind) = scratch.kinds.of(event, self) else {
            return;
        };
        let own = match &kind.plan {
            Plan::None => return,
            // Self-describing and manifest events may share a provider and an id.
            Plan::Unknown | Plan::Raw | Plan::Layout(_) if is_self_describing(event) => {
                scratch.kinds.self_described(event, kind.provider.as_deref())
            }
            Plan::Unknown => return,
            _ => None,
        };
        let mut row = Row::new(Source::Etl, "event", event.ordinal);
        row.provider.clone_from(&kind.provider);
        self.header(&mut row, event, scratch);
        let layout = match (&own, &kind.plan) {
            (Some(layout), _) | (None, Plan::Layout(layout)) => layout,
            (None, plan) => {
                match (plan, event.provider()) {
                    (Plan::Wpp, Some(provider)) => self.wpp(&mut row, provider, event, scratch),
                    (Plan::Drop, _) => self.packet_drop(&mut row, event, scratch),
                    _ => self.raw(&mut row, event, scratch),
                }
                return out.row(&mut row, None);
            }
        };
        let fact = self.decoded(&mut row, layout, event, scratch);
        if layout.also == Also::Dns
            && let Some(fact) = DnsFact::of(event.id(), &scratch.values)
        {
            let mut also = Row::new(Source::Etl, fact.kind(), event.ordinal);
            dns::fill(&mut also, &row, &fact);
            out.row(&mut row, None);
            return out.row(&mut also, None);
        }
        out.row(&mut row, fact);
    }

    /// A first look that spares copying records that are only counted.
    pub(crate) fn may_give_row(&self, event: &Event<'_>) -> bool {
        !event.kind.is_kernel() || classic::class_of_group(event.kernel_group()).is_some()
    }

    /// The columns every record has.
    fn header(&self, row: &mut Row, event: &Event<'_>, scratch: &mut Scratch) {
        if let Some(ts_ns) = self.clock.to_unix_ns(event.raw_ts) {
            (row.ts_ns, row.ts_source) = (Some(ts_ns), TsSource::Exact);
        }
        (row.pid, row.tid) = (event.pid(), event.tid());
        if let (Some(pid), Some(ts_ns)) = (row.pid, row.ts_ns) {
            row.process = self.processes.name_at(pid, ts_ns).cloned();
        }
        let is_kernel = event.kind.is_kernel();
        row.event_id = Some(if is_kernel {
            u32::from(event.opcode())
        } else {
            event.id().into()
        });
        row.event_version = Some(event.version());
        row.level = Some(Level::from_windows(event.level()));
        if !event.kind.is_event() {
            return;
        }
        row.activity_id = event.activity_id().map(|id| scratch.activities.text(id));
        row.keywords = Some(event.keywords()).filter(|keywords| *keywords != 0);
        row.opcode = opcode_name(event.opcode())
            .filter(|_| event.opcode() != 0)
            .map(Text::new_static);
        if let Some(sid) = event.extended().find_kind(kind::SID) {
            scratch.text.clear();
            push_sid(&mut scratch.text, sid);
            row.user_sid = Some(Text::from(scratch.text.as_str()));
        }
    }

    /// Completes the row of an event whose layout is known; what the follower should know about it.
    fn decoded(
        &self,
        row: &mut Row,
        layout: &Layout,
        event: &Event<'_>,
        scratch: &mut Scratch,
    ) -> Option<Box<HttpFact>> {
        let values = &mut scratch.values;
        read_named(
            &layout.schema,
            &layout.names,
            event.payload(),
            self.settings(event),
            values,
        );
        let fact = match (layout.also, event.provider()) {
            (Also::Http, Some(provider)) => HttpFact::of(provider, event, values).map(Box::new),
            _ => None,
        };
        self.mask(values, &layout.schema.secret);
        self.fill(row, layout, event, values, &mut scratch.text);
        fact
    }

    fn fill(&self, row: &mut Row, layout: &Layout, event: &Event<'_>, values: &Values, text: &mut String) {
        self.name(row, &layout.schema);
        let mut object = JsonObject::with_capacity(values.json_len() + 64);
        if let Some((key, name)) = &layout.event {
            object.push_str_at(key, name);
        }
        values.write_json(&mut object);
        if let Some(related) = event.extended().find_kind(kind::RELATED_ACTIVITY) {
            object.push_str("_related_activity", &Guid::at(related, 0).to_string());
        }
        self.mark(&mut object, &layout.schema, values, event, text);
        row.fields = object.finish();
        if !layout.meaning.has_sentence() {
            row.message = match (&layout.schema.message, &layout.schema.name) {
                (Some(text), _) => message::render(text, values),
                (None, Some(name)) => message::plain(name, values),
                (None, None) => String::new(),
            };
        }
        layout.meaning.promote(row, &Placed::new(values, &layout.places));
    }

    fn settings(&self, event: &Event<'_>) -> Settings {
        Settings {
            pointer: event.pointer_size(),
            max_value: self.options.limits.max_value_bytes,
        }
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
            values.mask(secret);
        }
    }

    fn wpp(&self, row: &mut Row, provider: Guid, event: &Event<'_>, scratch: &mut Scratch) {
        let Some(message) = self.schemas.tmf.find(provider, event.id()) else {
            return;
        };
        read(
            &message.schema,
            event.payload(),
            self.settings(event),
            &mut scratch.values,
        );
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

fn is_self_describing(event: &Event<'_>) -> bool {
    event.flags() & 1 != 0 && event.extended().find_kind(kind::SCHEMA).is_some()
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
