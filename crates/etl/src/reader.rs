//! The lower layer: opens a trace and lends its records in order of time.

use casetrace_model::ReadSeek;

use crate::container::buffer::HEADER_LEN;
use crate::container::clock::Clock;
use crate::container::input::Input;
use crate::container::load::load;
use crate::container::logfile::LogfileHeader;
use crate::container::merge::Events;
use crate::container::record::RecordHead;
use crate::container::scan::{BufferAt, Gap, Scan};
use crate::expand::Compression;

/// Why a file cannot be read as an event trace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The source could not be read.
    #[error("reading the buffer headers failed")]
    Read(#[source] std::io::Error),
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// A real-time backup in its other form.
    #[error("this is a real-time backup with an RlFs header, not a buffer chain")]
    RtBackup,
    /// No believable buffer.
    #[error("no event trace buffer was found")]
    NotATrace,
}

impl OpenError {
    /// Stable short code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read(_) => "EtlReadFailed",
            Self::Empty => "EtlEmptyFile",
            Self::RtBackup => "EtlRtBackup",
            Self::NotATrace => "EtlNotATrace",
        }
    }
}

/// An opened trace: its buffers are known, none is expanded yet.
///
/// ```
/// # let file = casetrace_etl::doc_example();
/// use casetrace_etl::EtlReader;
///
/// let mut reader = EtlReader::from_slice(&file)?;
/// let clock = reader.clock();
/// let mut events = reader.events();
/// while let Some(event) = events.next() {
///     let time = clock.to_unix_ns(event.raw_ts);
///     let _ = (time, event.provider(), event.id(), event.pid(), event.payload());
/// }
/// # Ok::<(), casetrace_etl::OpenError>(())
/// ```
pub struct EtlReader<'a> {
    pub(crate) input: Input<'a>,
    pub(crate) scan: Scan,
    pub(crate) read_error: Option<std::io::Error>,
    header: Option<LogfileHeader>,
    compression: Compression,
}

impl<'a> EtlReader<'a> {
    /// Opens a trace in anything that reads and seeks; only buffer headers are read.
    ///
    /// Errors: see [`OpenError`]; damage is none.
    pub fn open(reader: &'a mut dyn ReadSeek) -> Result<Self, OpenError> {
        Self::new(Input::reader(reader).map_err(OpenError::Read)?)
    }

    /// Opens a trace that is in memory or mapped; uncompressed buffers are never copied.
    pub fn from_slice(bytes: &'a [u8]) -> Result<Self, OpenError> {
        Self::new(Input::Slice(bytes))
    }

    fn new(mut input: Input<'a>) -> Result<Self, OpenError> {
        if input.len() == 0 {
            return Err(OpenError::Empty);
        }
        let mut start = Vec::new();
        input.read_into(0, 8, &mut start).map_err(OpenError::Read)?;
        if start.starts_with(b"RlFs") {
            return Err(OpenError::RtBackup);
        }
        let (scan, read_error) = Scan::run(&mut input);
        let mut reader = Self {
            input,
            scan,
            read_error,
            header: None,
            compression: Compression::Xpress,
        };
        reader.read_logfile_header();
        if reader.header.is_none() && !reader.has_records() {
            return Err(reader
                .read_error
                .take()
                .map_or(OpenError::NotATrace, OpenError::Read));
        }
        Ok(reader)
    }

    /// The header is the first record of the first buffer; a file cut at its front may have none.
    fn read_logfile_header(&mut self) {
        let Some(first) = self.scan.buffers.iter().find(|b| b.header.is_header()).copied() else {
            return;
        };
        let Ok((payload, _)) = load(&mut self.input, &first, self.compression, Vec::new()) else {
            return;
        };
        self.header = LogfileHeader::parse(payload.bytes());
        // State means "flushing" in files that are not compressed.
        if self.scan.buffers.iter().any(|b| b.header.is_compressed())
            && let Some(compression) = Compression::from_number(first.header.state)
        {
            self.compression = compression;
        }
    }

    /// Whether any of the first buffers holds a record; text files can look like a buffer by accident.
    fn has_records(&mut self) -> bool {
        let some: Vec<BufferAt> = self.scan.buffers.iter().take(16).copied().collect();
        some.iter().any(|buffer| {
            load(&mut self.input, buffer, self.compression, Vec::new()).is_ok_and(|(payload, _)| {
                RecordHead::parse(payload.bytes()).is_some() && RecordHead::marker(payload.bytes()).is_some()
            })
        })
    }

    /// What the session wrote about itself; `None` if the front of the file is lost.
    pub fn header(&self) -> Option<&LogfileHeader> {
        self.header.as_ref()
    }

    /// The file's clock, [`ClockKind::Unknown`](crate::ClockKind::Unknown) without header.
    pub fn clock(&self) -> Clock {
        self.header.as_ref().map_or(Clock::UNKNOWN, LogfileHeader::clock)
    }

    /// Nanoseconds since 1970 of a record's raw time.
    pub fn time_ns(&self, raw_ts: u64) -> Option<i64> {
        self.clock().to_unix_ns(raw_ts)
    }

    /// All buffers in file order.
    pub fn buffers(&self) -> &[BufferAt] {
        &self.scan.buffers
    }

    /// Format of the compressed buffers, if there are any.
    pub fn compression(&self) -> Option<Compression> {
        self.scan
            .buffers
            .iter()
            .any(|b| b.header.is_compressed())
            .then_some(self.compression)
    }

    pub(crate) fn assumed_compression(&self) -> Compression {
        self.compression
    }

    pub(crate) fn machine_pointer(&self) -> u8 {
        self.header.as_ref().map_or(8, |h| h.pointer_size)
    }

    pub(crate) fn gaps(&self) -> &[Gap] {
        &self.scan.gaps
    }

    /// All records, merged by time; may be called again for another pass.
    pub fn events(&mut self) -> Events<'_, 'a> {
        let machine_pointer = self.machine_pointer();
        Events::new(
            &mut self.input,
            &self.scan.buffers,
            self.compression,
            machine_pointer,
        )
    }

    /// Size of the file.
    pub fn file_len(&self) -> u64 {
        self.input.len()
    }
}

/// A guess from the first bytes of a file, without reading on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// An event trace: header buffer with its marker.
    Certain,
    /// Looks like a buffer, but not like the first one of a file.
    Unsure,
    /// Something else.
    NotForUs,
}

/// Judges by content; give it the first 128 bytes at least.
pub fn probe(start: &[u8]) -> Probe {
    let Some(header) = crate::container::buffer::BufferHeader::parse(start) else {
        return Probe::NotForUs;
    };
    let first = start.get(HEADER_LEN..).unwrap_or_default();
    match RecordHead::marker(first) {
        Some(kind) if header.is_header() && kind.is_kernel() => Probe::Certain,
        Some(_) => Probe::Unsure,
        None if header.is_compressed() && header.kind <= 7 => Probe::Unsure,
        None => Probe::NotForUs,
    }
}
