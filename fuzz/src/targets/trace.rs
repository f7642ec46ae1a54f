//! Event traces as the pipeline reads them: rows, and packets into analysis and a capture file.

use std::io::Cursor;

use casetrace_etl::Options;
use casetrace_model::{Collected, Packet, PacketSink, Source};
use casetrace_pcap::{Analyzer, PcapngWriter};

use crate::properties;

/// Packets on their way to rows and to a capture file.
struct Packets {
    analyzer: Analyzer,
    out: Collected,
    writer: Option<PcapngWriter<Vec<u8>>>,
    count: u64,
}

impl PacketSink for Packets {
    fn interface(&mut self, number: u32, link_type: u16, name: &str, description: &str) {
        self.analyzer.interface(number, link_type, name, description);
        if let Some(writer) = &mut self.writer {
            writer.interface(number, link_type, name, description);
        }
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        assert!(
            packet.orig_len as usize >= packet.data.len(),
            "a packet is not longer than it was on the wire"
        );
        self.count += 1;
        self.analyzer.packet(packet, &mut self.out);
        if let Some(writer) = &mut self.writer {
            writer.packet(packet);
        }
    }
}

fn pcap_options() -> casetrace_pcap::Options {
    casetrace_pcap::Options {
        source: Source::Etl,
        ..casetrace_pcap::Options::default()
    }
}

fn run(data: &[u8]) -> (Collected, Packets) {
    let mut out = Collected::default();
    let mut packets = Packets {
        analyzer: Analyzer::new(&pcap_options()),
        out: Collected::default(),
        writer: PcapngWriter::new(Vec::new()).ok(),
        count: 0,
    };
    let options = Options::default();
    casetrace_etl::decode(&mut Cursor::new(data), &options, &mut out, Some(&mut packets));
    packets.analyzer.finish(&mut packets.out);
    (out, packets)
}

/// Rows are valid, packets survive the way into a capture file, and all of it is the same twice.
pub(crate) fn decode(data: &[u8]) {
    let (out, mut packets) = run(data);
    let (again, packets_again) = run(data);
    properties::equal(&out.rows, &again.rows, "event rows");
    properties::equal(&out.diagnostics, &again.diagnostics, "diagnostics");
    properties::equal(&packets.out.rows, &packets_again.out.rows, "packet rows");
    out.rows
        .iter()
        .chain(&packets.out.rows)
        .for_each(properties::row_holds);
    properties::diagnostics_hold(&out, data.len() as u64);
    let file = packets.writer.take().and_then(|writer| writer.finish().ok());
    let mut converted = Collected::default();
    let inspection = casetrace_pcap::decode(
        &mut file.unwrap_or_default().as_slice(),
        &pcap_options(),
        &mut converted,
    );
    assert!(
        inspection.records == packets.count,
        "{} of {} packets survive conversion",
        inspection.records,
        packets.count
    );
}
