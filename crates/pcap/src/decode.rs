//! Whole captures: reading, and the shards on one thread or several.

use std::io::Read;

use casetrace_model::{Diagnostic, Inspection, Packet, PacketSink, Sink};

use crate::ahead::Ahead;
use crate::analyzer::{Analyzer, Options};
use crate::batch::Collector;
use crate::file::{Capture, FileSink};
use crate::finisher::Finisher;
use crate::parallel::{Crew, Pool};
use crate::router::Router;

/// Bytes read at a time: small enough to stay in a core's own cache between reading and decoding. With several threads a few
/// buffers are under way, and larger ones would push each other out of it.
const CHUNK: usize = 256 << 10;

/// Decodes a pcap or pcapng capture.
///
/// Shape: rows in the order their facts became certain; the same rows whatever `options.threads` is. Units: times in
/// nanoseconds since 1970. Errors: none; damage goes to the sink as diagnostics with file offsets, and reading goes
/// on behind it. Source: the modules of each format and protocol.
///
/// ```
/// use casetrace_model::Collected;
///
/// let mut out = Collected::default();
/// let inspection = casetrace_pcap::decode(&mut &b"not a capture"[..], &Default::default(), &mut out);
/// assert_eq!(inspection.records, 0);
/// assert_eq!(out.diagnostics[0].code, "PcapUnknownFormat");
/// ```
pub fn decode(input: &mut dyn Read, options: &Options, sink: &mut dyn Sink) -> Inspection {
    let mut reader = Chunks::new(input);
    reader.fill(24, sink);
    let Some(mut capture) = Capture::open(reader.bytes()) else {
        let text = "The file is neither pcap nor pcapng; nothing was decoded.";
        sink.diagnostic(Diagnostic::error("PcapUnknownFormat", text).at(0));
        return Inspection::default();
    };
    let mut remarks = Remarks::new(options.limits.max_diagnostics);
    let mut inspection = if options.threads > 1 {
        on_threads(&mut reader, &mut capture, options, sink, &mut remarks)
    } else {
        on_this_thread(&mut reader, &mut capture, options, sink, &mut remarks)
    };
    remarks.finish(sink);
    capture.facts(&mut inspection.container, &mut inspection.lost);
    inspection.clock = "capture clock, UTC".into();
    inspection
}

fn on_this_thread(
    reader: &mut Chunks<'_>,
    capture: &mut Capture,
    options: &Options,
    sink: &mut dyn Sink,
    remarks: &mut Remarks,
) -> Inspection {
    let mut analyzer = Analyzer::new(options);
    let mut ahead = Ahead::default();
    while reader.fill(capture.wants(), sink) {
        let eof = reader.eof;
        let mut feed = Feed {
            analyzer: &mut analyzer,
            ahead: &mut ahead,
            buffer: reader.bytes(),
            sink,
            remarks,
        };
        let used = capture.parse(reader.bytes(), reader.base, eof, &mut feed);
        feed.run();
        feed.analyzer.drain(feed.sink);
        reader.consume(used);
        sink.progress(reader.base);
        if eof {
            break;
        }
    }
    analyzer.finish(sink)
}

fn on_threads(
    reader: &mut Chunks<'_>,
    capture: &mut Capture,
    options: &Options,
    sink: &mut dyn Sink,
    remarks: &mut Remarks,
) -> Inspection {
    let mut router = Router::new();
    let mut finisher = Finisher::new(sink);
    let crew = Crew::new(options);
    let evicted = std::thread::scope(|scope| {
        let mut pool = Pool::start(scope, &crew, options.threads);
        while reader.fill(capture.wants(), sink) {
            let eof = reader.eof;
            let bytes = reader.bytes();
            let (mut batch, spare) = pool.spare();
            // Payloads are found again by their distance from the buffer's first byte.
            let buffer = (bytes.as_ptr() as usize, bytes.len());
            let mut feed = Spread {
                collector: Collector {
                    router: &mut router,
                    batch: &mut batch,
                    lanes: crew.lanes(),
                    buffer,
                },
                sink,
                remarks,
            };
            let used = capture.parse(bytes, reader.base, eof, &mut feed);
            let data = reader.hand_over(used, spare);
            pool.submit(data, batch, &mut finisher, sink);
            sink.progress(reader.base);
            if eof {
                break;
            }
        }
        pool.finish(&mut finisher, sink, router.now_ns())
    });
    finisher.finish(&router, evicted, sink)
}

/// Keeps the first diagnostics, counts the rest.
struct Remarks {
    left: usize,
    dropped: u64,
}

impl Remarks {
    fn new(max: usize) -> Self {
        Self {
            left: max,
            dropped: 0,
        }
    }

    fn add(&mut self, diagnostic: Diagnostic, sink: &mut dyn Sink) {
        if self.left > 0 {
            self.left -= 1;
            sink.diagnostic(diagnostic);
        } else {
            self.dropped += 1;
        }
    }

    fn finish(&self, sink: &mut dyn Sink) {
        if self.dropped > 0 {
            let text = format!("{} more places in the capture are damaged.", self.dropped);
            sink.diagnostic(Diagnostic::warning("PcapMoreDamage", text));
        }
    }
}

/// Hands packets of the file to the analyzer, a few at a time.
struct Feed<'a> {
    analyzer: &'a mut Analyzer,
    ahead: &'a mut Ahead,
    buffer: &'a [u8],
    sink: &'a mut dyn Sink,
    remarks: &'a mut Remarks,
}

impl Feed<'_> {
    fn run(&mut self) {
        self.ahead.run(self.analyzer, self.buffer, self.sink);
    }
}

impl PacketSink for Feed<'_> {
    fn packet(&mut self, packet: &Packet<'_>) {
        let (ahead, buffer) = (&mut *self.ahead, self.buffer);
        self.analyzer
            .open(packet, |unit, payload| ahead.push(unit, payload, buffer));
        if self.ahead.is_full() {
            self.run();
        }
    }
}

impl FileSink for Feed<'_> {
    fn remark(&mut self, diagnostic: Diagnostic) {
        // Behind the rows of all packets in front of the damage.
        self.run();
        self.analyzer.drain(self.sink);
        self.remarks.add(diagnostic, self.sink);
    }
}

/// Collects packets of the file for the lanes.
struct Spread<'a> {
    collector: Collector<'a>,
    sink: &'a mut dyn Sink,
    remarks: &'a mut Remarks,
}

impl PacketSink for Spread<'_> {
    fn packet(&mut self, packet: &Packet<'_>) {
        self.collector.packet(packet);
    }
}

impl FileSink for Spread<'_> {
    fn remark(&mut self, diagnostic: Diagnostic) {
        self.remarks.add(diagnostic, self.sink);
    }
}

/// A window over the input that slides forward.
struct Chunks<'a> {
    input: &'a mut dyn Read,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// File offset of `start`.
    base: u64,
    eof: bool,
}

impl<'a> Chunks<'a> {
    fn new(input: &'a mut dyn Read) -> Self {
        Self {
            input,
            buf: vec![0; CHUNK],
            start: 0,
            end: 0,
            base: 0,
            eof: false,
        }
    }

    fn bytes(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or_default()
    }

    fn consume(&mut self, used: usize) {
        let used = used.min(self.end - self.start);
        self.start += used;
        self.base += used as u64;
    }

    /// Gives the used bytes away, in the buffer they lie in; the rest moves to a new one.
    fn hand_over(&mut self, used: usize, mut fresh: Vec<u8>) -> Vec<u8> {
        let used = used.min(self.end - self.start);
        fresh.resize(CHUNK, 0);
        let rest = self.buf.get(self.start + used..self.end).unwrap_or_default();
        if rest.len() > fresh.len() {
            fresh.resize(rest.len(), 0);
        }
        if let Some(space) = fresh.get_mut(..rest.len()) {
            space.copy_from_slice(rest);
        }
        let (len, start) = (rest.len(), self.start);
        let mut full = std::mem::replace(&mut self.buf, fresh);
        (self.start, self.end) = (0, len);
        self.base += used as u64;
        if start > 0 {
            full.copy_within(start..start + used, 0);
        }
        full
    }

    /// Reads until at least `wanted` bytes are there or the input ends; false if there is nothing.
    fn fill(&mut self, wanted: usize, sink: &mut dyn Sink) -> bool {
        self.buf.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let size = CHUNK.max((wanted + 1).next_power_of_two());
        if self.buf.len() < size {
            self.buf.resize(size, 0);
        }
        let before = self.end;
        while !self.eof && (self.end < wanted || self.end == before) {
            let Some(space) = self.buf.get_mut(self.end..).filter(|space| !space.is_empty()) else {
                break;
            };
            match self.input.read(space) {
                Ok(0) => self.eof = true,
                Ok(n) => self.end += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let text = format!("The input can't be read further: {error}.");
                    sink.diagnostic(
                        Diagnostic::error("PcapReadFailed", text).at(self.base + self.end as u64),
                    );
                    self.eof = true;
                }
            }
        }
        self.end > 0
    }
}
