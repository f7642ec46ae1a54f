//! Provider manifests in XML: those an EventSource sends along, and those the user gives.
//!
//! Source: the instrumentation manifest schema of the Windows SDK as far as layouts, names, maps and messages go. Dumps made
//! by tools are often not quite well formed; reading ends at the first real error and keeps what came before.
//! Limits: [`MAX_EVENTS`] events, [`MAX_FIELDS`] fields of one template, [`MAX_DEPTH`] nested elements.

mod build;

use std::collections::HashMap;

use quick_xml::events::{BytesStart, Event as Xml};
use quick_xml::{Reader, XmlVersion};

use super::{Origin, Schema};
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
    // A manifest can come out of a trace: no check for repeated names, which could cost more than reading the tag.
    let mut attributes = element.attributes();
    attributes
        .with_checks(false)
        .flatten()
        .find(|a| a.key.as_ref() == name.as_bytes())
        .and_then(|a| Some(a.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Count, FieldKind, Length, ValueType};

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
            FieldKind::Value(ValueType {
                length: Length::Field(4),
                ..
            })
        ));
        let FieldKind::Value(ValueType { map: Some(map), .. }) = &schema.fields[3].kind else {
            panic!("no map")
        };
        assert_eq!(map.text(1).as_deref(), Some("One"));
    }

    #[test]
    fn thousands_of_attributes_and_repeated_ones_cost_nothing() {
        use std::fmt::Write as _;

        let tag = r#"<provider name="P" guid="{11111111-2222-3333-4444-555555555555}""#;
        let mut many = format!(r#"{tag} guid="another""#);
        for number in 0..50_000 {
            let _ = write!(many, r#" a{number}="""#);
        }
        let sample = SAMPLE.replace(tag, &many);
        let all = parse(&sample, Origin::Manifest);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].events.len(), 1);
    }

    #[test]
    fn broken_xml_keeps_what_came_before() {
        let cut = SAMPLE.find("<localization>").map_or(SAMPLE, |at| &SAMPLE[..at]);
        assert_eq!(parse(cut, Origin::Manifest)[0].events.len(), 1);
        assert!(parse("<provider", Origin::Manifest).is_empty());
        assert!(parse(&"<a>".repeat(1000), Origin::Manifest).is_empty());
    }
}
