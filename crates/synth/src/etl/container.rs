//! Buffers, the log file header, and the options that make a file whole, odd or broken.

use super::record::{Extended, event_header, full, system};
use super::xpress::compress;
use crate::bytes::Bytes;
use crate::event::Event;
use crate::moment::Moment;

/// Size of a buffer's header.
const HEAD: usize = 72;

/// The clock of the raw time stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Performance counter at this frequency.
    Qpc(u64),
    /// FILETIME.
    SystemTime,
    /// Cycles of a processor of this speed.
    Cycles(u32),
}

#[derive(Debug, Clone)]
struct Record {
    cpu: u16,
    raw_ts: u64,
    bytes: Vec<u8>,
}

/// A trace log under construction.
#[derive(Debug, Clone)]
pub struct Etl {
    start: Moment,
    end: Option<Moment>,
    clock: Clock,
    cpus: u16,
    build: u32,
    bias_min: i32,
    session: String,
    file: String,
    merged: bool,
    compressed: bool,
    buffer_size: usize,
    lost: (u32, u32),
    truncate: Option<usize>,
    records: Vec<Record>,
}

impl Etl {
    /// A closed file session of Windows 11 (22631) with a 10 MHz counter, one processor, 64 KiB buffers.
    pub fn new(start: Moment) -> Self {
        Self {
            start,
            end: None,
            clock: Clock::Qpc(10_000_000),
            cpus: 1,
            build: 22631,
            bias_min: 0,
            session: "casetrace".into(),
            file: r"C:\Users\Public\trace.etl".into(),
            merged: false,
            compressed: false,
            buffer_size: 64 * 1024,
            lost: (0, 0),
            truncate: None,
            records: vec![],
        }
    }

    /// Number of processors; records carry the number of theirs.
    #[must_use]
    pub fn cpus(mut self, count: u16) -> Self {
        self.cpus = count.max(1);
        self
    }

    /// The clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Build number of Windows.
    #[must_use]
    pub fn build(mut self, build: u32) -> Self {
        self.build = build;
        self
    }

    /// Minutes east of UTC of the recording machine.
    #[must_use]
    pub fn zone(mut self, offset_min: i32) -> Self {
        self.bias_min = -offset_min;
        self
    }

    /// Marks it as written by `netsh trace stop`: buffers grouped by processor, session `Relogger`.
    #[must_use]
    pub fn merged(mut self, path: &str) -> Self {
        (self.merged, self.session, self.file) = (true, "Relogger".into(), path.to_owned());
        self
    }

    /// Session and file name of the header.
    #[must_use]
    pub fn names(mut self, session: &str, file: &str) -> Self {
        (self.session, self.file) = (session.to_owned(), file.to_owned());
        self
    }

    /// Compresses the buffers (XPRESS).
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.compressed = true;
        self
    }

    /// Bytes of an uncompressed buffer.
    #[must_use]
    pub fn buffer_size(mut self, bytes: usize) -> Self {
        self.buffer_size = bytes.max(1024);
        self
    }

    /// Lost events and buffers of the header.
    #[must_use]
    pub fn lost(mut self, events: u32, buffers: u32) -> Self {
        self.lost = (events, buffers);
        self
    }

    /// End time; without it, the last record's.
    #[must_use]
    pub fn end(mut self, end: Moment) -> Self {
        self.end = Some(end);
        self
    }

    /// A session that was never stopped: no end time, stale buffer count.
    #[must_use]
    pub fn unclosed(mut self) -> Self {
        self.end = Some(Moment(i64::MIN));
        self
    }

    /// Cuts the file at this offset.
    #[must_use]
    pub fn truncate_at(mut self, offset: usize) -> Self {
        self.truncate = Some(offset);
        self
    }

    /// The raw time stamp of an instant.
    pub fn raw_ts(&self, at: Moment) -> u64 {
        // A session can't see anything before its start.
        let ticks_100ns = ((at.0 - self.start.0) / 100).max(0);
        match self.clock {
            Clock::SystemTime => at.filetime(),
            Clock::Qpc(hz) => {
                self.raw_start() + (i128::from(ticks_100ns) * i128::from(hz) / 10_000_000) as u64
            }
            Clock::Cycles(mhz) => self.raw_start() + (ticks_100ns as u64) * u64::from(mhz) / 10,
        }
    }

    fn raw_start(&self) -> u64 {
        match self.clock {
            Clock::SystemTime => self.start.filetime(),
            // Three days of uptime at 10 MHz.
            Clock::Qpc(_) | Clock::Cycles(_) => 2_592_000_000_000,
        }
    }

    /// Adds a ready record.
    pub fn record(&mut self, cpu: u16, at: Moment, bytes: Vec<u8>) -> &mut Self {
        let raw_ts = self.raw_ts(at);
        self.records.push(Record {
            cpu: cpu % self.cpus,
            raw_ts,
            bytes,
        });
        self
    }

    /// Adds a manifest event.
    pub fn event(&mut self, event: &Event) -> &mut Self {
        self.event_with(event, &[], false)
    }

    /// Adds an event with extended items, perhaps from a 32-bit writer.
    pub fn event_with(&mut self, event: &Event, items: &[Extended], x86: bool) -> &mut Self {
        let channel = if items.iter().any(|i| i.kind == 11) {
            11
        } else {
            16
        };
        let bytes = event_header(event, self.raw_ts(event.at), channel, items, x86);
        self.record(event.cpu, event.at, bytes)
    }

    /// Adds a classic (MOF) event.
    pub fn classic(
        &mut self,
        class: &str,
        opcode: u8,
        version: u16,
        at: Moment,
        payload: &[u8],
    ) -> &mut Self {
        let bytes = full(class, opcode, version, self.raw_ts(at), 4, 8, payload);
        self.record(0, at, bytes)
    }

    fn mode(&self) -> u32 {
        let base = if self.merged { 0x0001_0001 } else { 0x1 };
        base | if self.compressed { 0x0400_0000 } else { 0 }
    }

    fn log_file_header(&self, buffers: u32, end: u64) -> Vec<u8> {
        let mut b = Bytes::new();
        b.u32(self.buffer_size as u32)
            .u8(10)
            .u8(0)
            .u8(2)
            .u8(0)
            .u32(self.build)
            .u32(u32::from(self.cpus));
        b.u64(end)
            .u32(156_250)
            .u32(512)
            .u32(self.mode())
            .u32(buffers)
            .u32(1)
            .u32(8);
        b.u32(self.lost.0).u32(2400).u64(0).u64(0);
        let zone_at = b.len();
        b.u32(self.bias_min as u32)
            .utf16("@tzres.dll,-632")
            .fill(0, 34)
            .fill(0, 16)
            .u32(0);
        b.utf16("@tzres.dll,-631").fill(0, 34).fill(0, 16).u32(0);
        let short = zone_at + 176 - b.len();
        b.fill(0, short);
        let hz = if let Clock::Qpc(hz) = self.clock {
            hz
        } else {
            10_000_000
        };
        let clock = match self.clock {
            Clock::Qpc(_) => 1,
            Clock::SystemTime => 2,
            Clock::Cycles(_) => 3,
        };
        b.u64(self.start.plus_s(-259_200).filetime())
            .u64(hz)
            .u64(self.start.filetime())
            .u32(clock)
            .u32(self.lost.1);
        b.utf16z(&self.session).utf16z(&self.file);
        let payload = b.take();
        system(0, 0, 2, self.raw_start(), 4, 8, &payload)
    }

    /// Buffers of one processor, filled in time order.
    fn fill(&self, cpu: u16) -> Vec<(u16, u64, Vec<u8>)> {
        let mut mine: Vec<&Record> = self.records.iter().filter(|r| r.cpu == cpu).collect();
        mine.sort_by_key(|r| r.raw_ts);
        let mut out = vec![];
        let mut payload = Bytes::new();
        let mut last = 0;
        for record in mine {
            let need = record.bytes.len().next_multiple_of(8);
            if !payload.is_empty() && HEAD + payload.len() + need > self.buffer_size {
                out.push((cpu, last, payload.take()));
            }
            payload.raw(&record.bytes).align(8);
            last = record.raw_ts;
        }
        if !payload.is_empty() {
            out.push((cpu, last, payload.take()));
        }
        out
    }

    /// The file.
    pub fn write(&self) -> Vec<u8> {
        let (body, buffers) = self.body(0, true);
        let mut out = self.head(buffers);
        out.extend(body);
        out.truncate(self.truncate.unwrap_or(usize::MAX));
        out
    }

    /// The header's buffer of a file with so many others. Its size does not depend on their number.
    pub fn head(&self, buffers: usize) -> Vec<u8> {
        let last = self
            .records
            .iter()
            .map(|r| r.raw_ts)
            .max()
            .unwrap_or_else(|| self.raw_start());
        let closed = self.end != Some(Moment(i64::MIN));
        let end = match self.end {
            Some(_) if !closed => 0,
            Some(end) => end.filetime(),
            None => self.utc(last),
        };
        let count = if closed { buffers as u32 + 1 } else { 1 };
        self.buffer(0, 0, 0, &self.log_file_header(count, end), 4)
    }

    /// The buffers with the records, `before` of which precede them in the file, and their number. `ends` marks the last
    /// one as the file's last.
    pub fn body(&self, before: usize, ends: bool) -> (Vec<u8>, usize) {
        let mut buffers: Vec<(u16, u64, Vec<u8>)> = (0..self.cpus).flat_map(|cpu| self.fill(cpu)).collect();
        let mut order: Vec<usize> = (0..buffers.len()).collect();
        order.sort_by_key(|i| buffers[*i].1);
        let mut sequence = vec![0u64; buffers.len()];
        for (rank, index) in order.iter().enumerate() {
            sequence[*index] = (before + rank) as u64 + 1;
        }
        if !self.merged {
            let mut both: Vec<_> = buffers.into_iter().zip(sequence).collect();
            both.sort_by_key(|(_, s)| *s);
            (buffers, sequence) = both.into_iter().unzip();
        }
        let mut out = Vec::new();
        let last_index = buffers.len().saturating_sub(1);
        for (index, ((cpu, ts, payload), sequence)) in buffers.iter().zip(sequence).enumerate() {
            let kind = if ends && index == last_index { 0x8000 } else { 0 };
            out.extend(self.buffer(*cpu, *ts, sequence, payload, kind));
        }
        (out, buffers.len())
    }

    fn utc(&self, raw: u64) -> u64 {
        match self.clock {
            Clock::SystemTime => raw,
            Clock::Qpc(hz) => {
                self.start.filetime()
                    + (u128::from(raw - self.raw_start()) * 10_000_000 / u128::from(hz)) as u64
            }
            Clock::Cycles(mhz) => {
                self.start.filetime() + (raw - self.raw_start()) * 10 / u64::from(mhz.max(1))
            }
        }
    }

    /// One buffer. `kind` 4 is the header buffer; bit 15 marks the last one.
    fn buffer(&self, cpu: u16, ts: u64, sequence: u64, payload: &[u8], kind: u16) -> Vec<u8> {
        let header = kind == 4;
        let used = (HEAD + payload.len()) as u32;
        let packed = if self.compressed && !header {
            Some(compress(payload))
        } else {
            None
        };
        let size = match (&packed, header) {
            (Some(bytes), _) => HEAD + bytes.len(),
            (None, true) => (used as usize).next_multiple_of(0x400),
            (None, false) => self.buffer_size.max(used as usize),
        };
        let flags = 0x20 | if packed.is_some() { 0x40 } else { 0 } | if kind & 0x8000 != 0 { 1 } else { 0 };
        let mut b = Bytes::new();
        b.u32(size as u32)
            .u32(used)
            .u32(if header {
                used
            } else {
                used + self.buffer_size as u32
            })
            .u32(0);
        b.u64(if self.merged {
            self.utc(ts.max(self.raw_start()))
        } else {
            ts
        })
        .u64(sequence)
        .u64(0);
        b.u16(cpu)
            .u16(1)
            .u32(3)
            .u32(used)
            .u16(flags)
            .u16(kind & 0x7fff)
            .u64(0)
            .u64(0);
        match packed {
            Some(bytes) => b.raw(&bytes),
            None => b.raw(payload).fill(0xff, size - used as usize),
        };
        b.take()
    }
}
