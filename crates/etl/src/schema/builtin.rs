//! The built-in table of layouts (data: `pipelines/etl/events.tsv`), for traces that carry none.
//!
//! Several OS builds may lay one version of an event out differently: the newest layout not younger than the file's
//! build is taken. An event version the table does not have is read like the next lower one, and marked as a guess.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use casetrace_model::Text;

use super::{Count, Field, FieldKind, In, Length, Origin, Out, Schema, ValueMap, ValueType};
use crate::Guid;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("../../tables/events.tsv")));

/// The layout for an event recorded on `os_build`.
pub(crate) fn find(provider: Guid, id: u16, version: u8, os_build: u32) -> Option<Schema> {
    TABLE.find(provider, id, version, os_build)
}

#[derive(Debug, Default)]
struct Table {
    providers: HashMap<Guid, Provider>,
}

#[derive(Debug, Default)]
struct Provider {
    name: &'static str,
    maps: HashMap<&'static str, Arc<ValueMap>>,
    events: HashMap<u16, BTreeMap<u8, Vec<Layout>>>,
}

/// One line, split but not yet turned into fields: most are never asked for.
#[derive(Debug, Clone, Copy)]
struct Layout {
    since_build: u32,
    task: &'static str,
    opcode: &'static str,
    fields: &'static str,
}

impl Table {
    fn read(text: &'static str) -> Self {
        let mut table = Self::default();
        let mut current = Provider::default();
        let mut guid = Guid::default();
        for [kind, a, b, c, d, e, f] in crate::table::rows(text) {
            match kind {
                "provider" => {
                    table.providers.insert(guid, std::mem::take(&mut current));
                    guid = Guid::parse(a).unwrap_or_default();
                    current.name = b;
                }
                "map" | "bits" => {
                    current.maps.insert(a, Arc::new(value_map(b, kind == "bits")));
                }
                _ => {
                    let (Ok(id), Ok(version)) = (a.parse(), b.parse()) else {
                        continue;
                    };
                    let layout = Layout {
                        since_build: c.parse().unwrap_or(0),
                        task: d,
                        opcode: e,
                        fields: f,
                    };
                    current
                        .events
                        .entry(id)
                        .or_default()
                        .entry(version)
                        .or_default()
                        .push(layout);
                }
            }
        }
        table.providers.insert(guid, current);
        table.providers.remove(&Guid::default());
        table
    }

    fn find(&self, provider: Guid, id: u16, version: u8, os_build: u32) -> Option<Schema> {
        let provider = self.providers.get(&provider)?;
        let versions = provider.events.get(&id)?;
        let (found, layouts) = versions.range(..=version).next_back()?;
        let layout = layouts
            .iter()
            .filter(|l| l.since_build <= os_build)
            .max_by_key(|l| l.since_build)
            .or(layouts.first())?;
        let origin = if *found == version {
            Origin::Builtin
        } else {
            Origin::BuiltinGuess
        };
        let mut schema = parse_fields(layout.fields, origin, |name| provider.maps.get(name).cloned());
        schema.provider = Some(Text::new_static(provider.name));
        schema.task = some(layout.task);
        schema.opcode = some(layout.opcode);
        Some(schema)
    }
}

fn some(text: &'static str) -> Option<Text> {
    (!text.is_empty()).then(|| Text::new_static(text))
}

fn value_map(text: &str, bits: bool) -> ValueMap {
    let entries = text.split(';').filter_map(|pair| pair.split_once('='));
    ValueMap {
        bits,
        entries: entries
            .filter_map(|(value, text)| Some((value.parse().ok()?, text.to_owned())))
            .collect(),
    }
}

/// Reads `name:type*count[length]{map};…`; a field it does not understand ends the list.
pub(crate) fn parse_fields(
    text: &'static str,
    origin: Origin,
    map_of: impl Fn(&str) -> Option<Arc<ValueMap>>,
) -> Schema {
    let mut schema = Schema::empty(origin);
    for part in text.split(';').filter(|part| !part.is_empty()) {
        let Some(field) = field(part, &schema.fields, &map_of) else {
            break;
        };
        schema.fields.push(field);
    }
    schema.top_level = schema.fields.len();
    schema.finish()
}

fn field(
    text: &'static str,
    before: &[Field],
    map_of: &impl Fn(&str) -> Option<Arc<ValueMap>>,
) -> Option<Field> {
    let (text, map) = match text.strip_suffix('}').and_then(|text| text.rsplit_once('{')) {
        Some((text, map)) => (text, map_of(map)),
        None => (text, None),
    };
    let (name, rest) = text.rsplit_once(':')?;
    let (rest, length) = match rest.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        Some((rest, length)) => (rest, Some(length)),
        None => (rest, None),
    };
    let (kind, count) = match rest.split_once('*') {
        Some((kind, count)) => (kind, Some(count)),
        None => (rest, None),
    };
    let place = |wanted: &str| {
        before
            .iter()
            .position(|f| f.name == wanted)
            .and_then(|at| u16::try_from(at).ok())
    };
    let length = match length {
        None => Length::None,
        Some(text) => text
            .parse()
            .map(Length::Fixed)
            .or_else(|_| place(text).map(Length::Field).ok_or(()))
            .ok()?,
    };
    let count = match count {
        None => Count::One,
        Some(text) => text
            .parse()
            .map(Count::Fixed)
            .or_else(|_| place(text).map(Count::Field).ok_or(()))
            .ok()?,
    };
    let (input, output, length) = storage(kind, length)?;
    Some(Field {
        name: Text::new_static(name),
        kind: FieldKind::Value(ValueType {
            input,
            output,
            length,
            map,
        }),
        count,
    })
}

fn storage(kind: &str, length: Length) -> Option<(In, Out, Length)> {
    let plain = |input| Some((input, Out::Default, length));
    match kind {
        "wstr" => plain(In::Utf16),
        "astr" => plain(In::Ansi),
        "i8" => plain(In::I8),
        "u8" => plain(In::U8),
        "i16" => plain(In::I16),
        "u16" => plain(In::U16),
        "i32" => plain(In::I32),
        "u32" => plain(In::U32),
        "i64" => plain(In::I64),
        "u64" => plain(In::U64),
        "f32" => plain(In::F32),
        "f64" => plain(In::F64),
        "bool32" => plain(In::Bool32),
        "bin" => plain(In::Binary),
        "guid" => plain(In::Guid),
        "ptr" => plain(In::Pointer),
        "filetime" => plain(In::FileTime),
        "systemtime" => plain(In::SystemTime),
        "sid" => plain(In::Sid),
        "user" => plain(In::TokenUser),
        "hex32" => plain(In::Hex32),
        "hex64" => plain(In::Hex64),
        "sockaddr" => Some((In::Binary, Out::SocketAddress, length)),
        "ipv4" => Some((In::U32, Out::Ipv4, length)),
        "ipv6" => Some((In::Binary, Out::Ipv6, Length::Fixed(16))),
        "port" => Some((In::U16, Out::Port, length)),
        "hresult" => Some((In::I32, Out::HResult, length)),
        "ntstatus" => Some((In::U32, Out::NtStatus, length)),
        "win32" => Some((In::U32, Out::Win32, length)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        let text = include_str!("../../tables/events.tsv");
        let mut lines = 0;
        for [kind, id, _, _, _, _, fields] in crate::table::rows(text) {
            if kind == "event" {
                let schema = parse_fields(fields, Origin::Builtin, |_| None);
                let wanted = fields.split(';').filter(|f| !f.is_empty()).count();
                assert_eq!(schema.top_level, wanted, "event {id}: {fields}");
                lines += 1;
            }
        }
        assert!(lines > 5000);
    }

    #[test]
    fn builds_and_versions_are_chosen() {
        let text = "kind\tid\tversion\tbuild\ttask\topcode\tfields\nprovider\t11111111-2222-3333-4444-555555555555\tP\nmap\tM\t1=One;2=Two\n\
                    event\t7\t1\t7600\tT\tStart\ta:u32\nevent\t7\t1\t10240\t\t\ta:u32;b:wstr[a]{M}\n";
        let table = Table::read(text);
        let guid = Guid::parse("11111111-2222-3333-4444-555555555555").unwrap();
        assert_eq!(table.find(guid, 7, 1, 9000).unwrap().top_level, 1);
        let new = table.find(guid, 7, 1, 20000).unwrap();
        assert_eq!(new.top_level, 2);
        assert_eq!(new.origin, Origin::Builtin);
        assert_eq!(
            table.find(guid, 7, 3, 20000).unwrap().origin,
            Origin::BuiltinGuess
        );
        assert!(table.find(guid, 7, 0, 20000).is_none());
        assert!(matches!(
            new.fields[1].kind,
            FieldKind::Value(ValueType {
                length: Length::Field(0),
                ..
            })
        ));
    }
}
