//! Where a trace is decoded: by this crate alone, or with the help of the Windows it runs on.
//!
//! Both backends read the file with the same code and give the same rows. What Windows adds ([`WindowsTrace`], on Windows
//! only) is the layouts of the providers registered on that machine, for events that neither the trace nor the built-in
//! table describes.

use casetrace_model::{PacketSink, ReadSeek, Sink};

use crate::decode::{Decoded, decode};
use crate::options::Options;

/// A trace that can be decoded.
pub trait EtlSource {
    /// Name of the backend, for version reports.
    fn backend(&self) -> &'static str;

    /// Decodes the whole trace; see [`decode`].
    fn decode(
        &mut self,
        options: &Options,
        sink: &mut dyn Sink,
        packets: Option<&mut dyn PacketSink>,
    ) -> Decoded;
}

/// Reads anywhere; knows what the trace, the given manifests and the built-in table know.
pub struct PortableTrace<'a> {
    input: &'a mut dyn ReadSeek,
}

impl<'a> PortableTrace<'a> {
    /// A trace in anything that reads and seeks.
    pub fn new(input: &'a mut dyn ReadSeek) -> Self {
        Self { input }
    }
}

impl EtlSource for PortableTrace<'_> {
    fn backend(&self) -> &'static str {
        "portable"
    }

    fn decode(
        &mut self,
        options: &Options,
        sink: &mut dyn Sink,
        packets: Option<&mut dyn PacketSink>,
    ) -> Decoded {
        decode(self.input, options, sink, packets)
    }
}

#[cfg(windows)]
pub use self::windows::WindowsTrace;

#[cfg(windows)]
mod windows {
    use std::collections::BTreeMap;
    use std::fs::File;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use casetrace_model::{Diagnostic, PacketSink, Severity, Sink};
    use etw_reader::etw_types::EventRecord;
    use etw_reader::schema::EventSchema;
    use etw_reader::tdh::schema_from_tdh;
    use etw_reader::tdh_types::{Property, PropertyDesc, PropertyFlags, PropertyLength};

    use super::EtlSource;
    use crate::Guid;
    use crate::decode::{Decoded, decode_with};
    use crate::options::Options;
    use crate::schema::{Count, Field, FieldKind, In, Length, Origin, Out, Schema, ValueMap, ValueType};

    /// Kinds of events that are asked for; a trace has hundreds.
    const MAX_KINDS: usize = 100_000;

    /// A trace file on Windows: layouts of registered providers come from the system's event decoder (TDH).
    pub struct WindowsTrace {
        path: PathBuf,
    }

    impl WindowsTrace {
        /// A trace file.
        pub fn new(path: impl Into<PathBuf>) -> Self {
            Self { path: path.into() }
        }
    }

    impl EtlSource for WindowsTrace {
        fn backend(&self) -> &'static str {
            "tdh"
        }

        fn decode(
            &mut self,
            options: &Options,
            sink: &mut dyn Sink,
            packets: Option<&mut dyn PacketSink>,
        ) -> Decoded {
            let registered = match registered_layouts(&self.path) {
                Ok(layouts) => layouts,
                Err(error) => {
                    let text = format!(
                        "Windows could not open the trace ({error}); only portable layouts are used."
                    );
                    sink.diagnostic(Diagnostic::new(Severity::Info, "EtlNoTdh", text));
                    BTreeMap::new()
                }
            };
            match File::open(&self.path) {
                Ok(mut file) => decode_with(&mut file, options, &registered, sink, packets),
                Err(error) => {
                    sink.diagnostic(Diagnostic::error(
                        "EtlReadFailed",
                        format!("The trace could not be opened: {error}."),
                    ));
                    Decoded::default()
                }
            }
        }
    }

    /// Layouts by provider, id and version.
    type Layouts = BTreeMap<(Guid, u16, u8), Schema>;

    fn registered_layouts(path: &Path) -> std::io::Result<Layouts> {
        let mut layouts: BTreeMap<(Guid, u16, u8), Option<Schema>> = BTreeMap::new();
        etw_reader::open_trace(path, |record: &EventRecord| {
            let header = &record.EventHeader;
            let descriptor = &header.EventDescriptor;
            let key = (
                guid(header.ProviderId.to_u128()),
                descriptor.Id,
                descriptor.Version,
            );
            if layouts.len() < MAX_KINDS && !layouts.contains_key(&key) {
                // The callback is entered from the system: a panic must not leave it, and the crate panics on
                // field types it does not know.
                let found = catch_unwind(AssertUnwindSafe(|| layout(record))).ok().flatten();
                layouts.insert(key, found);
            }
        })?;
        Ok(layouts
            .into_iter()
            .filter_map(|(key, layout)| Some((key, layout?)))
            .collect())
    }

    /// From the number whose digits are those of the text form.
    fn guid(digits: u128) -> Guid {
        let mut bytes = digits.to_be_bytes();
        bytes[..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        Guid(bytes)
    }

    fn layout(record: &EventRecord) -> Option<Schema> {
        let info = schema_from_tdh(record).ok()?;
        let named = |text: String| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let mut schema = Schema::empty(Origin::Registered);
        schema.provider = named(info.provider_name()).map(Into::into);
        schema.task = named(info.task_name()).map(Into::into);
        schema.opcode = named(info.opcode_name()).map(Into::into);
        schema.message = info.event_message().and_then(named);
        for index in 0..info.property_count() {
            schema.fields.push(field(&info.property(index))?);
        }
        schema.top_level = schema.fields.len();
        // The crate offers top-level fields only, so structures cannot be followed.
        let flat = schema
            .fields
            .iter()
            .all(|field| matches!(field.kind, FieldKind::Value(_)));
        flat.then(|| schema.finish())
    }

    fn field(property: &Property) -> Option<Field> {
        let PropertyDesc::Primitive(types) = &property.desc else {
            return None;
        };
        let count = match property.count {
            place if property.flags.contains(PropertyFlags::PROPERTY_PARAM_COUNT) => Count::Field(place),
            0 | 1 => Count::One,
            n => Count::Fixed(n),
        };
        let length = match property.length {
            PropertyLength::Index(place) => Length::Field(place),
            PropertyLength::Length(0) => Length::None,
            PropertyLength::Length(n) => Length::Fixed(n),
        };
        let map = property.map_info.as_ref().map(|map| {
            let mut entries: Vec<(u32, String)> =
                map.map.iter().map(|(k, v)| (*k, v.trim().to_owned())).collect();
            entries.sort_unstable();
            Arc::new(ValueMap {
                bits: map.is_bitmap,
                entries,
            })
        });
        let kind = FieldKind::Value(ValueType {
            input: In::from_tdh(types.in_type as u16)?,
            output: Out::from_tdh(types.out_type as u16),
            length,
            map,
        });
        Some(Field {
            name: property.name.trim().into(),
            kind,
            count,
        })
    }
}
