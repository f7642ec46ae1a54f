//! `casetrace convert`: packets of a trace as pcapng.

use std::fs::File;
use std::io::Write;

use casetrace_model::{CountOnly, Diagnostic, Inspection, Lost, Packet, PacketSink, Sink};
use casetrace_pcap::PcapngWriter;
use casetrace_pipeline::replace;

use crate::args::Convert;
use crate::exit::{Failure, UNREADABLE};
use crate::terminal;

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
    let output_name = args.output.display().to_string();
    let failed = |error| Failure::io(&output_name, &error);
    // No buffered reader: the trace reader seeks and reads whole buffers, and a seek would throw the rest away each time.
    let mut input = file;
    let (packets, lost) = replace(&args.output, failed, |file| {
        packets(&mut input, file, &input_name)
    })?;
    writeln!(
        out,
        "{packets} packets written to {}",
        terminal::line(&output_name)
    )?;
    if lost.events > 0 || lost.buffers > 0 {
        tracing::warn!(
            events = lost.events,
            buffers = lost.buffers,
            "The recording lost events."
        );
    }
    Ok(())
}

/// Copies the packets and counts them; a trace without any is a failure, so that no empty capture is left.
fn packets(input: &mut File, out: &mut dyn Write, input_name: &str) -> Result<(u64, Lost), Failure> {
    let mut sink = Counting {
        writer: PcapngWriter::new(out)?,
        packets: 0,
    };
    let mut remarks = Remarks::default();
    let casetrace_etl::Decoded { inspection, .. } = casetrace_etl::decode(
        input,
        &casetrace_etl::Options::default(),
        &mut remarks,
        Some(&mut sink),
    );
    sink.writer.finish()?;
    if sink.packets == 0 {
        say_why(input_name, &inspection, &remarks.0.diagnostics);
        return Err(Failure::Code(UNREADABLE));
    }
    Ok((sink.packets, inspection.lost))
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
