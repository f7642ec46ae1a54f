//! Decodes a whole trace: counts, packets, rows.

use casetrace_model::{Diagnostic, Inspection, PacketSink, ReadSeek, Sink};

use crate::container::clock::ClockKind;
use crate::inspect::{Facts, inspection};
use crate::options::Options;
use crate::packets::{InterfaceTable, PacketDecoder, PktMonTable};
use crate::process::Processes;
use crate::providers::ProviderNames;
use crate::reader::{EtlReader, OpenError};
use crate::survey::{Survey, survey};

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
    match EtlReader::open(input) {
        Ok(mut reader) => decode_open(&mut reader, options, sink, packets),
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

pub(crate) fn decode_open<'a>(
    reader: &mut EtlReader<'a>,
    options: &Options,
    sink: &mut dyn Sink,
    packets: Option<&mut dyn PacketSink>,
) -> Decoded {
    // Two passes: the first is told as the first half of the work.
    let two_passes = sink.wants_rows() || packets.is_some();
    let share = if two_passes { 2 } else { 1 };
    let found = survey(reader, options.threads, &mut |bytes| sink.progress(bytes / share));
    crate::diagnose::report(reader, &found, options, sink);
    let names = ProviderNames::new(found.provider_names.clone());
    let interfaces = InterfaceTable::collect(&found.kept);
    let components = PktMonTable::collect(&found.kept);
    let processes = Processes::collect(&found.kept, &reader.clock());
    let mut packet_result = None;
    if two_passes {
        packet_result = second_pass(
            reader,
            &found,
            sink,
            packets,
            &interfaces,
            &components,
            &processes,
        );
    }
    let inspection = inspection(&Facts {
        reader,
        survey: &found,
        names: &names,
        interfaces: &interfaces,
        components: &components,
        processes: &processes,
        schemas: 0,
        packets: packet_result,
    });
    Decoded {
        inspection,
        processes,
    }
}

fn second_pass(
    reader: &mut EtlReader<'_>,
    found: &Survey,
    sink: &mut dyn Sink,
    packets: Option<&mut dyn PacketSink>,
    interfaces: &InterfaceTable,
    components: &PktMonTable,
    processes: &Processes,
) -> Option<crate::packets::PacketResult> {
    let clock = reader.clock();
    let total = reader.file_len();
    let mut packets = packets
        .map(|sink| PacketDecoder::new(sink, interfaces, components, processes, &found.counts.packets));
    let mut events = reader.events();
    let mut told = 0;
    loop {
        let done = events.bytes_done();
        if done != told {
            told = done;
            sink.progress((total + done) / 2);
        }
        let Some(event) = events.next() else { break };
        if let Some(packets) = &mut packets {
            let ts_ns = if clock.kind == ClockKind::Unknown {
                None
            } else {
                clock.to_unix_ns(event.raw_ts)
            };
            packets.event(&event, ts_ns);
        }
    }
    if let Some(error) = events.take_error() {
        sink.diagnostic(Diagnostic::error(
            "EtlReadFailed",
            format!("Reading stopped early: {error}; later records are missing."),
        ));
    }
    packets.map(PacketDecoder::finish)
}
