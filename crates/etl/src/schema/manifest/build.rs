//! From a manifest's elements to layouts: names looked up, types translated, structures put in one list.

use std::collections::HashMap;
use std::sync::Arc;

use casetrace_model::Text;

use super::{Manifest, RawEvent, RawField, RawProvider};
use crate::schema::{Count, Field, FieldKind, In, Length, Origin, Out, Schema, ValueMap, ValueType};

impl RawProvider {
    pub(super) fn build(&self, strings: &HashMap<String, String>, origin: Origin) -> Manifest {
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
                FieldKind::Value(ValueType {
                    input,
                    output,
                    length,
                    map: maps.get(raw.map.as_str()).cloned(),
                })
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
