//! Provider manifests in XML: those an EventSource sends along, and those the user gives.
//!
//! Source: the instrumentation manifest schema of the Windows SDK as far as layouts, names, maps and messages go. Dumps made
//! by tools are often not quite well formed; reading ends at the first real error and keeps what came before.
//! Limits: [`MAX_EVENTS`] events, [`MAX_FIELDS`] fields of one template, [`MAX_DEPTH`] nested elements.

use std::collections::HashMap;
use std::sync::Arc;

use casetrace_model::Text;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event as Xml};

use super::{Count, Field, FieldKind, In, Length, Origin, Out, Schema, ValueMap};
use crate::Guid;

const MAX_EVENTS: usize = 100_000;
const MAX_FIELDS: usize = 1024;
const MAX_DEPTH: usize = 64;

/// One provider's events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manifest {
    pub(crate) provider: Guid,
    pub(crate) name: String,
    pub(crate) events: Vec<((u16, u8), Schema)>,
}

/// Reads all providers of a manifest.
pub(crate) fn parse(xml: &str, origin: Origin) -> Vec<Manifest> {
    let mut raw = Raw::default();
    let mut reader = Reader::from_str(xml);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    let mut depth = 0_usize;
    loop {
        match reader.read_event() {
            Ok(Xml::Start(element)) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    break;
                }
                raw.open(&element);
            }
            Ok(Xml::Empty(element)) => {
                raw.open(&element);
                raw.close(element.local_name().as_ref());
            }
            Ok(Xml::End(element)) => {
                depth = depth.saturating_sub(1);
                raw.close(element.local_name().as_ref());
            }
            Ok(Xml::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    raw.providers
        .iter()
        .map(|provider| provider.build(&raw.strings, origin))
        .collect()
}

/// What was read, before names are looked up.
#[derive(Debug, Default)]
struct Raw {
    providers: Vec<RawProvider>,
    strings: HashMap<String, String>,
    template: Option<RawTemplate>,
    map: Option<RawMap>,
}

#[derive(Debug, Default)]
struct RawProvider {
    guid: Guid,
    name: String,
    tasks: HashMap<String, String>,
    opcodes: HashMap<String, String>,
    channels: HashMap<String, String>,
    templates: HashMap<String, Vec<RawField>>,
    maps: Vec<RawMap>,
    events: Vec<RawEvent>,
}

#[derive(Debug, Default)]
struct RawMap {
    name: String,
    bits: bool,
    entries: Vec<(u32, String)>,
}

#[derive(Debug)]
struct RawEvent {
    id: u16,
    version: u8,
    symbol: String,
    task: String,
    opcode: String,
    channel: String,
    template: String,
    message: String,
}

#[derive(Debug, Default)]
struct RawTemplate {
    id: String,
    fields: Vec<RawField>,
    /// Members go to the innermost open structure.
    open: Vec<RawField>,
}

#[derive(Debug, Clone, Default)]
struct RawField {
    name: String,
    input: String,
    output: String,
    length: String,
    count: String,
    map: String,
    members: Option<Vec<RawField>>,
}

fn attribute(element: &BytesStart<'_>, name: &str) -> String {
    let found = element.try_get_attribute(name).ok().flatten();
    found
        .and_then(|a| a.unescape_value().ok().map(|v| v.into_owned()))
        .unwrap_or_default()
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

impl Raw {
    fn open(&mut self, element: &BytesStart<'_>) {
        let at = |name| attribute(element, name);
        match element.local_name().as_ref() {
            b"provider" => {
                let guid = Guid::parse(&at("guid")).unwrap_or_default();
                self.providers.push(RawProvider {
                    guid,
                    name: at("name"),
                    ..RawProvider::default()
                });
            }
            b"string" => drop(self.strings.insert(at("id"), at("value"))),
            b"template" => {
                self.template = Some(RawTemplate {
                    id: at("tid"),
                    ..RawTemplate::default()
                })
            }
            b"data" => self.data(raw_field(element)),
            b"struct" => {
                if let Some(template) = &mut self.template
                    && template.open.len() < MAX_DEPTH
                {
                    template.open.push(RawField {
                        members: Some(Vec::new()),
                        ..raw_field(element)
                    });
                }
            }
            b"valueMap" => {
                self.map = Some(RawMap {
                    name: at("name"),
                    ..RawMap::default()
                })
            }
            b"bitMap" => {
                self.map = Some(RawMap {
                    name: at("name"),
                    bits: true,
                    ..RawMap::default()
                })
            }
            b"map" => {
                if let (Some(map), Some(value)) = (&mut self.map, number(&at("value")))
                    && let Ok(value) = u32::try_from(value)
                {
                    map.entries.push((value, at("message")));
                }
            }
            b"event" => self.event(element),
            name => self.named(name, element),
        }
    }

    fn named(&mut self, kind: &[u8], element: &BytesStart<'_>) {
        let at = |name| attribute(element, name);
        let Some(provider) = self.providers.last_mut() else {
            return;
        };
        match kind {
            b"task" => {
                provider.tasks.insert(at("name"), at("message"));
            }
            b"opcode" => drop(provider.opcodes.insert(at("name"), at("message"))),
            b"channel" | b"importChannel" => {
                let id = at("chid");
                provider
                    .channels
                    .insert(if id.is_empty() { at("name") } else { id }, at("name"));
            }
            _ => {}
        }
    }

    fn event(&mut self, element: &BytesStart<'_>) {
        let at = |name| attribute(element, name);
        let Some(provider) = self.providers.last_mut() else {
            return;
        };
        let (Some(id), version) = (number(&at("value")), number(&at("version")).unwrap_or(0)) else {
            return;
        };
        let (Ok(id), Ok(version)) = (u16::try_from(id), u8::try_from(version)) else {
            return;
        };
        if provider.events.len() < MAX_EVENTS {
            provider.events.push(RawEvent {
                id,
                version,
                symbol: at("symbol"),
                task: at("task"),
                opcode: at("opcode"),
                channel: at("channel"),
                template: at("template"),
                message: at("message"),
            });
        }
    }

    fn data(&mut self, field: RawField) {
        let Some(template) = &mut self.template else {
            return;
        };
        let target = match template.open.last_mut() {
            Some(open) => open.members.get_or_insert_default(),
            None => &mut template.fields,
        };
        if target.len() < MAX_FIELDS {
            target.push(field);
        }
    }

    fn close(&mut self, name: &[u8]) {
        match name {
            b"struct" => {
                if let Some(done) = self.template.as_mut().and_then(|t| t.open.pop()) {
                    self.data(done);
                }
            }
            b"template" => {
                if let (Some(template), Some(provider)) = (self.template.take(), self.providers.last_mut()) {
                    provider.templates.insert(template.id, template.fields);
                }
            }
            b"valueMap" | b"bitMap" => {
                if let (Some(map), Some(provider)) = (self.map.take(), self.providers.last_mut()) {
                    provider.maps.push(map);
                }
            }
            _ => {}
        }
    }
}

fn raw_field(element: &BytesStart<'_>) -> RawField {
    let at = |name| attribute(element, name);
    RawField {
        name: at("name"),
        input: at("inType"),
        output: at("outType"),
        length: at("length"),
        count: at("count"),
        map: at("map"),
        members: None,
    }
}

impl RawProvider {
    fn build(&self, strings: &HashMap<String, String>, origin: Origin) -> Manifest {
        let texts = Texts(strings);
        let maps: HashMap<&str, Arc<ValueMap>> = self
            .maps
            .iter()
            .map(|map| {
                let entries = map
                    .entries
                    .iter()
                    .map(|(value, text)| (*value, texts.show(text)))
                    .collect();
                (
                    map.name.as_str(),
                    Arc::new(ValueMap {
                        bits: map.bits,
                        entries,
                    }),
                )
            })
            .collect();
        let events = self
            .events
            .iter()
            .map(|event| {
                (
                    (event.id, event.version),
                    self.schema(event, &texts, &maps, origin),
                )
            })
            .collect();
        Manifest {
            provider: self.guid,
            name: self.name.clone(),
            events,
        }
    }

    fn schema(
        &self,
        event: &RawEvent,
        texts: &Texts<'_>,
        maps: &HashMap<&str, Arc<ValueMap>>,
        origin: Origin,
    ) -> Schema {
        let mut schema = Schema::empty(origin);
        let filled = |text: String| (!text.is_empty()).then(|| Text::from(text));
        let own = |table: &HashMap<String, String>, key: &str| {
            let shown = table
                .get(key)
                .map(|message| texts.show(message))
                .filter(|t| !t.is_empty());
            shown.unwrap_or_else(|| key.strip_prefix("win:").unwrap_or(key).to_owned())
        };
        schema.provider = filled(self.name.clone());
        schema.name = filled(event.symbol.clone()).filter(|_| origin == Origin::EventSource);
        schema.task = filled(own(&self.tasks, &event.task));
        schema.opcode = filled(own(&self.opcodes, &event.opcode));
        schema.channel = filled(self.channels.get(&event.channel).cloned().unwrap_or_default());
        schema.message = Some(texts.show(&event.message)).filter(|t| !t.is_empty());
        if let Some(template) = self.templates.get(&event.template) {
            schema.top_level = template.len();
            flatten(template, maps, &mut schema.fields);
        }
        schema.finish()
    }
}

/// The string table, reached as `$(string.ID)`.
struct Texts<'s>(&'s HashMap<String, String>);

impl Texts<'_> {
    fn show(&self, message: &str) -> String {
        let id = message
            .strip_prefix("$(string.")
            .and_then(|rest| rest.strip_suffix(')'));
        match id {
            Some(id) => self.0.get(id).cloned().unwrap_or_default(),
            None => message.to_owned(),
        }
    }
}

/// Puts one level into the list, then the members of its structures behind it.
fn flatten(level: &[RawField], maps: &HashMap<&str, Arc<ValueMap>>, fields: &mut Vec<Field>) {
    let start = fields.len();
    for raw in level {
        let place = |wanted: &str| {
            let near = level.iter().position(|f| f.name == wanted).map(|at| at + start);
            near.and_then(|at| u16::try_from(at).ok())
        };
        let count = match raw.count.as_str() {
            "" | "1" => Count::One,
            text => text
                .parse()
                .map(Count::Fixed)
                .unwrap_or_else(|_| place(text).map_or(Count::One, Count::Field)),
        };
        let kind = match &raw.members {
            Some(members) => FieldKind::Struct {
                first: 0,
                members: members.len(),
            },
            None => {
                let (input, output) = types(&raw.input, &raw.output);
                let length = match raw.length.as_str() {
                    "" => Length::None,
                    text => text
                        .parse()
                        .map(Length::Fixed)
                        .unwrap_or_else(|_| place(text).map_or(Length::None, Length::Field)),
                };
                FieldKind::Value {
                    input,
                    output,
                    length,
                    map: maps.get(raw.map.as_str()).cloned(),
                }
            }
        };
        fields.push(Field {
            name: raw.name.as_str().into(),
            kind,
            count,
        });
    }
    for (i, raw) in level.iter().enumerate() {
        let Some(members) = &raw.members else { continue };
        let at = fields.len();
        if let Some(Field {
            kind: FieldKind::Struct { first, .. },
            ..
        }) = fields.get_mut(start + i)
        {
            *first = at;
        }
        flatten(members, maps, fields);
    }
}

fn types(input: &str, output: &str) -> (In, Out) {
    let bare = |text: &str| text.rsplit(':').next().unwrap_or("").to_ascii_lowercase();
    let input = match bare(input).as_str() {
        "unicodestring" => In::Utf16,
        "ansistring" => In::Ansi,
        "int8" => In::I8,
        "uint8" => In::U8,
        "int16" => In::I16,
        "uint16" => In::U16,
        "int32" => In::I32,
        "uint32" => In::U32,
        "int64" => In::I64,
        "uint64" => In::U64,
        "float" => In::F32,
        "double" => In::F64,
        "boolean" => In::Bool32,
        "binary" => In::Binary,
        "guid" => In::Guid,
        "pointer" => In::Pointer,
        "filetime" => In::FileTime,
        "systemtime" => In::SystemTime,
        "sid" => In::Sid,
        "hexint32" => In::Hex32,
        "hexint64" => In::Hex64,
        "countedunicodestring" => In::CountedUtf16,
        "countedansistring" => In::CountedAnsi,
        "countedbinary" => In::CountedBinary,
        // Reading goes on only as far as sizes are known.
        _ => In::Null,
    };
    let output = match bare(output).as_str() {
        "string" => Out::Text,
        "hexint8" | "hexint16" | "hexint32" | "hexint64" | "hexbinary" | "codepointer" => Out::Hex,
        "boolean" => Out::Boolean,
        "port" => Out::Port,
        "ipv4" => Out::Ipv4,
        "ipv6" => Out::Ipv6,
        "socketaddress" => Out::SocketAddress,
        "hresult" => Out::HResult,
        "ntstatus" => Out::NtStatus,
        "win32error" => Out::Win32,
        "xml" | "json" | "utf8" | "pkcs7withtypeinfo" => Out::Utf8,
        _ => Out::Default,
    };
    (input, output)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"<instrumentationManifest><instrumentation><events>
        <provider name="P" guid="{11111111-2222-3333-4444-555555555555}">
         <tasks><task name="T" message="$(string.t)" value="1">
         > </task></tasks>
         <maps><valueMap name="M"><map value="0x1" message="$(string.one)"/></valueMap></maps>
         <templates><template tid="A"><data name="n" inType="win:UInt16"/><data name="s" inType="win:UnicodeString" length="n"/>
           <struct name="g" count="n"><data name="x" inType="win:UInt32" map="M"/><data name="k" inType="win:UInt8"/>
           <data name="y" inType="win:Binary" length="k"/></struct></template></templates>
         <events><event value="5" version="2" task="T" opcode="win:Start" template="A" symbol="E" message="$(string.m)"/></events>
        </provider></events></instrumentation>
        <localization><stringTable><string id="t" value="Task &amp; more"/><string id="one" value="One"/><string id="m" value="Got %1"/>
        </stringTable></localization></instrumentationManifest>"#;

    #[test]
    fn layouts_names_and_maps_are_read() {
        let all = parse(SAMPLE, Origin::Manifest);
        assert_eq!(all.len(), 1);
        let ((id, version), schema) = &all[0].events[0];
        assert_eq!((*id, *version), (5, 2));
        assert_eq!(schema.task.as_deref(), Some("Task & more"));
        assert_eq!(schema.opcode.as_deref(), Some("Start"));
        assert_eq!(schema.message.as_deref(), Some("Got %1"));
        assert_eq!(schema.top_level, 3);
        let names: Vec<&str> = schema.fields.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["n", "s", "g", "x", "k", "y"]);
        assert!(matches!(
            schema.fields[2].kind,
            FieldKind::Struct { first: 3, members: 3 }
        ));
        assert_eq!(schema.fields[2].count, Count::Field(0));
        assert!(matches!(
            schema.fields[5].kind,
            FieldKind::Value {
                length: Length::Field(4),
                ..
            }
        ));
        let FieldKind::Value { map: Some(map), .. } = &schema.fields[3].kind else {
            panic!("no map")
        };
        assert_eq!(map.text(1).as_deref(), Some("One"));
    }

    #[test]
    fn broken_xml_keeps_what_came_before() {
        let cut = SAMPLE.find("<localization>").map_or(SAMPLE, |at| &SAMPLE[..at]);
        assert_eq!(parse(cut, Origin::Manifest)[0].events.len(), 1);
        assert!(parse("<provider", Origin::Manifest).is_empty());
        assert!(parse(&"<a>".repeat(1000), Origin::Manifest).is_empty());
    }
}
