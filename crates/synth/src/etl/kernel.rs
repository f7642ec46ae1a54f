//! Process start and rundown events of the kernel logger: which process id is which image.
//!
//! Source: the MOF class Process_TypeGroup1, version 4.

use super::container::Etl;
use super::record::system;
use crate::bytes::Bytes;
use crate::event::sid_bytes;
use crate::moment::Moment;

/// A process as the kernel logger reports it.
#[derive(Debug, Clone)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Parent's id.
    pub parent: u32,
    /// Session.
    pub session: u32,
    /// Account, `S-1-…`.
    pub sid: String,
    /// Image file name, ANSI.
    pub image: String,
    /// Command line.
    pub command: String,
}

impl Process {
    /// A process of session 0 with the parent services.exe (pid 668).
    pub fn new(pid: u32, image: &str, sid: &str) -> Self {
        let command = format!(r"C:\Windows\System32\{image}");
        Self {
            pid,
            parent: 668,
            session: 0,
            sid: sid.into(),
            image: image.into(),
            command,
        }
    }

    fn payload(&self) -> Vec<u8> {
        let mut b = Bytes::new();
        b.u64(0xffff_9d00_0000_0000 | u64::from(self.pid) << 12)
            .u32(self.pid)
            .u32(self.parent)
            .u32(self.session);
        b.u32(259).u64(0x1a_b000).u32(0);
        // TOKEN_USER: two pointer-sized slots, the first not zero, then the SID.
        b.u64(0xffff_9d00_1234_5678).u64(0).raw(&sid_bytes(&self.sid));
        b.asciiz(&self.image).utf16z(&self.command).utf16z("").utf16z("");
        b.take()
    }
}

impl Etl {
    /// Adds a process that ran when the trace began (`DCStart`).
    pub fn process_rundown(&mut self, process: &Process, at: Moment) -> &mut Self {
        self.process(process, 3, at)
    }

    /// Adds a process that started.
    pub fn process_start(&mut self, process: &Process, at: Moment) -> &mut Self {
        self.process(process, 1, at)
    }

    fn process(&mut self, process: &Process, kind: u8, at: Moment) -> &mut Self {
        let bytes = system(3, kind, 4, self.raw_ts(at), process.pid, 0, &process.payload());
        self.record(0, at, bytes)
    }
}
