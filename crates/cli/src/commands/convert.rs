//! `casetrace convert`: packets of a trace as pcapng.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};

use casetrace_model::{CountOnly, Diagnostic, Inspection, Packet, PacketSink, Sink};
use casetrace_pcap::PcapngWriter;

use crate::args::Convert;
use crate::exit::{Failure, UNREADABLE};

/// Counts what goes through, and keeps the first write error.
struct Counting<W: Write> {
    writer: PcapngWriter<W>,
    packets: u64,
}

impl<W: Write> PacketSink for Counting<W> {
    fn interface(&mut self, number: u32, link_type: u16, name: &str, description: &str) {
        self.writer.interface(number, link_type, name, description);
    }
    fn packet(&mut self, packet: &Packet<'_>) {
        self.packets += 1;
        self.writer.packet(packet);
    }
}

/// Only diagnostics matter here.
#[derive(Default)]
struct Remarks(CountOnly);

impl Sink for Remarks {
    fn row(&mut self, _: casetrace_model::Row) {}
    fn diagnostic(&mut self, diagnostic: Diagnostic) {
        self.0.diagnostic(diagnostic);
    }
    fn wants_rows(&self) -> bool {
        false
    }
}

/// Writes the capture beside its final name and renames it, so that a stopped run leaves no half file.
pub(crate) fn run(args: &Convert, out: &mut dyn Write) -> Result<(), Failure> {
    let input_name = args.input.display().to_string();
    let file = File::open(&args.input).map_err(|error| Failure::io(&input_name, &error))?;
    let folder = args
        .output
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(std::path::Path::new("."));
    let output_name = args.output.display().to_string();
    let part = tempfile::NamedTempFile::new_in(folder).map_err(|error| Failure::io(&output_name, &error))?;

    let mut input = BufReader::with_capacity(1 << 20, file);
    let mut sink = Counting {
        writer: PcapngWriter::new(BufWriter::new(part))?,
        packets: 0,
    };
    let mut remarks = Remarks::default();
    let casetrace_etl::Decoded { inspection, .. } = casetrace_etl::decode(
        &mut input,
        &casetrace_etl::Options::default(),
        &mut remarks,
        Some(&mut sink),
    );
    let written = sink
        .writer
        .finish()
        .map_err(|error| Failure::io(&output_name, &error))?;
    let part = written
        .into_inner()
        .map_err(|error| Failure::io(&output_name, error.error()))?;
    if sink.packets == 0 {
        say_why(&input_name, &inspection, &remarks.0.diagnostics);
        return Err(Failure::Code(UNREADABLE));
    }
    part.persist(&args.output)
        .map_err(|error| Failure::io(&output_name, &error.error))?;
    writeln!(out, "{} packets written to {output_name}", sink.packets)?;
    if inspection.lost.events > 0 || inspection.lost.buffers > 0 {
        tracing::warn!(
            events = inspection.lost.events,
            buffers = inspection.lost.buffers,
            "The recording lost events."
        );
    }
    Ok(())
}

/// A trace without packets is no error of ours; say what it holds instead.
fn say_why(name: &str, inspection: &Inspection, diagnostics: &[Diagnostic]) {
    let mut providers: Vec<_> = inspection
        .counts
        .iter()
        .map(|(name, count)| (count.total, name.as_str()))
        .collect();
    providers.sort_by_key(|(total, name)| (std::cmp::Reverse(*total), *name));
    let top: Vec<String> = providers
        .iter()
        .take(5)
        .map(|(total, name)| format!("{name} ({total})"))
        .collect();
    let top = if top.is_empty() {
        "no events".to_owned()
    } else {
        top.join(", ")
    };
    tracing::error!(
        "No packets in {name}. It holds {} records: {top}.",
        inspection.records
    );
    for diagnostic in diagnostics {
        tracing::error!(
            code = diagnostic.code,
            offset = diagnostic.offset,
            "{}",
            diagnostic.message
        );
    }
}
