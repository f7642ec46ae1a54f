//! Members to rows: traces, captures, event logs, texts. Rows are counted and dropped.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use casetrace_etl::EtlReader;
use casetrace_model::{CountOnly, Diagnostic, Packet, Row, Severity, Sink};

use crate::watched::Watched;
use crate::{Failure, Given, Ready, Work};

/// Opens the input anew each time and lets `decode` count what comes of it.
fn each_time(
    given: &Given,
    decode: impl Fn(Watched, &Path) -> Result<(u64, Vec<Diagnostic>), Failure> + 'static,
) -> Result<Ready, Failure> {
    let given = given.clone();
    Ok(Box::new(move || {
        let (file, read): (Watched, Arc<AtomicU64>) = Watched::open(&given.path)?;
        let (items, diagnostics) = decode(file, &given.path)?;
        whole(&diagnostics)?;
        let in_file = given.path.metadata()?.len();
        Ok(Work {
            // What is compressed counts as what it was.
            bytes: if given.packed { given.bytes } else { in_file },
            items,
            read: read.load(Ordering::Relaxed),
        })
    }))
}

/// Generated files are whole: damage means that less was worked through than is said.
pub(crate) fn whole<'a>(diagnostics: impl IntoIterator<Item = &'a Diagnostic>) -> Result<(), Failure> {
    let damage = |diagnostic: &&Diagnostic| diagnostic.severity > Severity::Info;
    match diagnostics.into_iter().find(damage) {
        Some(first) => Err(format!("{}: {}", first.code, first.message).into()),
        None => Ok(()),
    }
}

/// Buffers, record headers and their order; expands what is compressed.
pub(crate) fn walk(given: &Given) -> Result<Ready, Failure> {
    each_time(given, |mut file, _| {
        let mut reader = EtlReader::open(&mut file)?;
        let mut events = reader.events();
        let (mut count, mut bytes) = (0, 0);
        while let Some(event) = events.next() {
            count += 1;
            bytes += event.payload().len();
        }
        match bytes {
            0 => Err("the trace is empty".into()),
            _ => Ok((count, Vec::new())),
        }
    })
}

pub(crate) fn etl_rows(given: &Given) -> Result<Ready, Failure> {
    each_time(given, |mut file, _| {
        let mut sink = CountOnly::default();
        casetrace_etl::decode(&mut file, &casetrace_etl::Options::default(), &mut sink, None);
        Ok((sink.rows, sink.diagnostics))
    })
}

/// Neither rows nor their texts.
#[derive(Default)]
struct NoRows(Vec<Diagnostic>);

impl Sink for NoRows {
    fn row(&mut self, _: Row) {}
    fn diagnostic(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }
    fn wants_rows(&self) -> bool {
        false
    }
}

/// Frames out of a trace.
pub(crate) fn etl_packets(given: &Given) -> Result<Ready, Failure> {
    each_time(given, |mut file, _| {
        let (mut sink, mut count) = (NoRows::default(), 0);
        let mut packets = |_: &Packet<'_>| count += 1;
        let options = casetrace_etl::Options::default();
        casetrace_etl::decode(&mut file, &options, &mut sink, Some(&mut packets));
        Ok((count, sink.0))
    })
}

/// Packets to connections to protocols.
pub(crate) fn pcap(given: &Given) -> Result<Ready, Failure> {
    each_time(given, |mut file, _| {
        let mut sink = CountOnly::default();
        casetrace_pcap::decode(&mut file, &casetrace_pcap::Options::default(), &mut sink);
        Ok((sink.rows, sink.diagnostics))
    })
}

pub(crate) fn evtx(given: &Given) -> Result<Ready, Failure> {
    each_time(given, |file, _| {
        let mut sink = CountOnly::default();
        casetrace_evtx::decode(Box::new(file), &casetrace_evtx::Options::default(), &mut sink);
        Ok((sink.rows, sink.diagnostics))
    })
}

pub(crate) fn text(given: &Given) -> Result<Ready, Failure> {
    each_time(given, |mut file, path| {
        let mut sink = CountOnly::default();
        let options = casetrace_text::Options {
            name: path.display().to_string(),
            ..casetrace_text::Options::default()
        };
        casetrace_text::decode(&mut file, &options, &mut sink);
        Ok((sink.rows, sink.diagnostics))
    })
}
