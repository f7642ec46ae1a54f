//! Peak memory of a two-gigabyte trace that exists only as one buffer repeated.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::io::{Read, Result, Seek, SeekFrom};

use casetrace_etl::{EtlReader, Options, decode};
use casetrace_model::CountOnly;
use casetrace_synth::etl::{Etl, system};
use casetrace_synth::moment::Moment;

/// The header buffer of a trace, then its second buffer again and again with the sequence number counted up.
struct Repeated {
    head: Vec<u8>,
    buffer: Vec<u8>,
    copies: u64,
    at: u64,
}

impl Repeated {
    fn new(len: u64) -> Self {
        let start = Moment::at("2026-03-02T01:00:00Z");
        let mut etl = Etl::new(start);
        for i in 0..2000 {
            let at = start.plus_us(i);
            let bytes = system(5, 36, 2, etl.raw_ts(at), 4, 8, &[7; 24]);
            etl.record(0, at, bytes);
        }
        let file = etl.write();
        let second = EtlReader::from_slice(&file).unwrap().buffers()[1];
        let (from, size) = (second.at as usize, second.header.size as usize);
        let (head, buffer) = (file[..from].to_vec(), file[from..from + size].to_vec());
        let copies = len / buffer.len() as u64;
        Self {
            head,
            buffer,
            copies,
            at: 0,
        }
    }

    fn len(&self) -> u64 {
        self.head.len() as u64 + self.copies * self.buffer.len() as u64
    }

    fn byte(&self, at: u64) -> u8 {
        let Some(at) = at.checked_sub(self.head.len() as u64) else {
            return self.head[at as usize];
        };
        let (copy, within) = (
            at / self.buffer.len() as u64,
            (at % self.buffer.len() as u64) as usize,
        );
        match within {
            // Processor (with the flag that makes it 16 bits wide) and sequence number.
            0x28 => (copy % 8) as u8,
            0x18..0x20 => (copy + 1).to_le_bytes()[within - 0x18],
            _ => self.buffer[within],
        }
    }
}

impl Read for Repeated {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let n = (self.len() - self.at.min(self.len())).min(out.len() as u64) as usize;
        for (i, byte) in out[..n].iter_mut().enumerate() {
            *byte = self.byte(self.at + i as u64);
        }
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Repeated {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => self.len().saturating_add_signed(by),
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn peak_of(bytes: u64) {
    let mut source = Repeated::new(bytes);
    let before = peak_kib();
    let decoded = decode(&mut source, &Options::default(), &mut CountOnly::default(), None);
    let records = decoded.inspection.records;
    assert!(records > bytes / 80, "{records} records");
    let (Some(before), Some(after)) = (before, peak_kib()) else {
        return;
    };
    eprintln!(
        "{bytes} bytes, {records} records: peak {after} KiB, {} KiB of it while reading",
        after - before
    );
    assert!(after < 200 << 10, "{after} KiB");
}

#[test]
fn memory_does_not_follow_the_file() {
    peak_of(64 << 20);
}

#[test]
#[ignore = "reads two gigabytes twice"]
fn two_gigabytes_fit() {
    peak_of(2 << 30);
}
