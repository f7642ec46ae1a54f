//! Decodes a whole trace: counts, packets, rows.

use std::collections::BTreeMap;

use casetrace_model::{Diagnostic, Inspection, PacketSink, ReadSeek, Sink};

use crate::Guid;
use crate::inspect::{Facts, inspection};
use crate::names::PKTMON;
use crate::options::Options;
use crate::packets::{InterfaceTable, PacketDecoder, PktMonTable};
use crate::process::Processes;
use crate::providers::ProviderNames;
use crate::reader::{EtlReader, OpenError};
use crate::rows::{RowBuilder, rows};
use crate::schema::Schema;
use crate::schema::resolve::SchemaSet;
use crate::survey::survey;

/// What [`decode`] knows besides the rows it delivered.
#[derive(Debug, Clone, Default)]
pub struct Decoded {
    /// Counts, container facts, losses, span, clock.
    pub inspection: Inspection,
    /// Process names, for rows made from the packets of the same file.
    pub processes: Processes,
}

/// Reads a trace: rows of events into `sink`, captured frames into `packets`, facts into the result.
///
/// Shape: rows and packets come in order of time (see [`EtlReader::events`]); `record` is the ordinal in that order. Rows are not
/// built if the sink does not want them. Errors: none; a file that is no trace, and damage of any kind, become diagnostics.
pub fn decode(
    input: &mut dyn ReadSeek,
    options: &Options,
    sink: &mut dyn Sink,
    packets: Option<&mut dyn PacketSink>,
) -> Decoded {
    decode_with(input, options, &BTreeMap::new(), sink, packets)
}

/// Layouts from elsewhere, by provider, id and version; used where the trace describes nothing itself.
pub(crate) type MoreLayouts = BTreeMap<(Guid, u16, u8), Schema>;

pub(crate) fn decode_with(
    input: &mut dyn ReadSeek,
    options: &Options,
    more: &MoreLayouts,
    sink: &mut dyn Sink,
    packets: Option<&mut dyn PacketSink>,
) -> Decoded {
    match EtlReader::open(input) {
        Ok(mut reader) => decode_open(&mut reader, options, more, sink, packets),
        Err(error) => {
            sink.diagnostic(not_readable(&error));
            Decoded::default()
        }
    }
}

fn not_readable(error: &OpenError) -> Diagnostic {
    let advice = match error {
        OpenError::Empty => "the session wrote nothing, collect again",
        OpenError::RtBackup => "only the live session on the machine can replay it",
        OpenError::NotATrace => "the name may mislead; look at the content",
        OpenError::Read(_) => "copy the file again",
    };
    Diagnostic::error(
        error.code(),
        format!("Not readable as an event trace: {error}; {advice}."),
    )
}

fn decode_open(
    reader: &mut EtlReader<'_>,
    options: &Options,
    more: &MoreLayouts,
    sink: &mut dyn Sink,
    packets: Option<&mut dyn PacketSink>,
) -> Decoded {
    // Two passes: the first is told as the first half of the work.
    let two_passes = sink.wants_rows() || packets.is_some();
    let share = if two_passes { 2 } else { 1 };
    let found = survey(reader, options.threads, &mut |bytes| sink.progress(bytes / share));
    crate::diagnose::report(reader, &found, options, sink);
    let os_build = reader.header().map_or(0, |header| header.os_build);
    let mut names = ProviderNames::new(&found.provider_names);
    let schemas = SchemaSet::collect(&found, options, more, os_build, &mut names);
    crate::diagnose::undecodable(&found, &schemas, &names, options, sink);
    let interfaces = InterfaceTable::collect(&found.kept);
    let mut components = PktMonTable::collect(&found.kept);
    components.reasons = drop_reasons(&schemas);
    let processes = Processes::collect(&found.kept, &reader.clock());
    let builder = sink.wants_rows().then(|| RowBuilder {
        schemas: &schemas,
        names: &names,
        processes: &processes,
        components: &components,
        clock: reader.clock(),
        options,
    });
    let mut packets = packets;
    if let Some(sink) = packets.as_deref_mut() {
        let names = processes.clone();
        sink.processes(std::sync::Arc::new(move |pid, ts_ns| {
            names.name_at(pid, ts_ns).cloned()
        }));
    }
    let mut decoder = packets
        .map(|sink| PacketDecoder::new(sink, &interfaces, &components, &processes, &found.counts.packets));
    if two_passes {
        rows(reader, builder.as_ref(), &mut decoder, sink, options.threads);
    }
    let packet_result = decoder.map(PacketDecoder::finish);
    let inspection = inspection(&Facts {
        reader,
        survey: &found,
        names: &names,
        interfaces: &interfaces,
        components: &components,
        processes: &processes,
        schemas: schemas.embedded,
        packets: packet_result,
    });
    Decoded {
        inspection,
        processes,
    }
}

/// Packet Monitor's texts for drop reasons, from the value map that merging put into the file.
fn drop_reasons(schemas: &SchemaSet) -> BTreeMap<u32, String> {
    let maps = schemas.maps.iter().filter(|((provider, name), _)| {
        *provider == PKTMON && name.to_ascii_lowercase().contains("dropreason")
    });
    maps.flat_map(|(_, map)| map.entries.iter().cloned()).collect()
}
