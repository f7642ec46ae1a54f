//! The first record of a file: who recorded, on what machine, with which clock.
//!
//! Source: etl-format §1.3 (TRACE_LOGFILE_HEADER), 32- and 64-bit layouts.

use super::clock::{Clock, ClockKind};
use crate::bytes::{Cursor, u8_at, u32_at, u64_at, utf16, utf16_until_nul};

const RECORD_HEADER: usize = 32;

/// Facts the session wrote about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogfileHeader {
    /// Bytes of an uncompressed buffer.
    pub buffer_size: u32,
    /// OS major and minor, layout major and minor version.
    pub versions: [u8; 4],
    /// OS build number.
    pub os_build: u32,
    /// Processors of the machine.
    pub processors: u32,
    /// FILETIME of closing; 0 if the session was not closed.
    pub end_filetime: u64,
    /// Mode bits (circular, compressed, relogged …).
    pub mode: u32,
    /// Size ceiling of the file, in MiB (KiB with mode bit 0x2000).
    pub maximum_file_size: u32,
    /// Buffers the session says it wrote; stale in unclosed files.
    pub buffers_written: u32,
    /// Pointer size of the machine.
    pub pointer_size: u8,
    /// Events the session could not log.
    pub events_lost: u32,
    /// Buffers the session could not write.
    pub buffers_lost: u32,
    /// Minutes to add to local time to get UTC.
    pub bias_minutes: i32,
    /// Name of the zone, often a resource reference.
    pub zone: String,
    /// FILETIME of boot.
    pub boot_filetime: u64,
    /// FILETIME of the start of the session.
    pub start_filetime: u64,
    /// Ticks per second of the performance counter.
    pub perf_frequency: u64,
    /// Processor speed.
    pub cpu_mhz: u32,
    /// 1 QPC, 2 system time, 3 CPU cycles, 0 unspecified.
    pub clock_type: u32,
    /// Name of the session.
    pub logger_name: String,
    /// File it was told to write.
    pub file_name: String,
    /// Raw time of this first record, the clock's origin.
    pub origin: u64,
}

/// Mode bits that change how a file is read or explained.
pub(crate) const MODES: &[(u32, &str)] = &[
    (0x1, "sequential"),
    (0x2, "circular"),
    (0x4, "append"),
    (0x8, "newfile"),
    (0x20, "preallocate"),
    (0x80, "secure"),
    (0x100, "real_time"),
    (0x400, "buffering"),
    (0x800, "private"),
    (0x2000, "kib_sizes"),
    (0x1_0000, "relogged"),
    (0x2_0000, "private_in_proc"),
    (0x200_0000, "system_logger"),
    (0x400_0000, "compressed"),
    (0x800_0000, "independent"),
    (0x1000_0000, "no_per_processor"),
];

impl LogfileHeader {
    /// Reads the first record of the first buffer (its payload without the 72 bytes).
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let (kind, flags) = (u8_at(payload, 2), u8_at(payload, 3));
        let is_header =
            matches!(kind, 1 | 2) && flags & 0xc0 == 0xc0 && u8_at(payload, 6) == 0 && u8_at(payload, 7) == 0;
        let size = usize::from(crate::bytes::u16_at(payload, 4));
        let body = payload.get(RECORD_HEADER..payload.len().min(size.max(RECORD_HEADER)))?;
        if !is_header || body.len() < 0x110 {
            return None;
        }
        let pointer_size = match u32_at(body, 0x2c) {
            4 => 4,
            8 => 8,
            _ if kind == 1 => 4,
            _ => 8,
        };
        // Two pointer slots in front of the time zone move everything behind them.
        let zone_at = 0x38 + 2 * usize::from(pointer_size);
        let times_at = zone_at + 176;
        let mut names = Cursor::new(body.get(times_at + 0x20..).unwrap_or_default());
        Some(Self {
            buffer_size: u32_at(body, 0),
            versions: crate::bytes::array(body, 4)?,
            os_build: u32_at(body, 8),
            processors: u32_at(body, 0xc),
            end_filetime: u64_at(body, 0x10),
            maximum_file_size: u32_at(body, 0x1c),
            mode: u32_at(body, 0x20),
            buffers_written: u32_at(body, 0x24),
            pointer_size,
            events_lost: u32_at(body, 0x30),
            cpu_mhz: u32_at(body, 0x34),
            bias_minutes: u32_at(body, zone_at) as i32,
            zone: utf16_until_nul(body.get(zone_at + 4..zone_at + 68).unwrap_or_default()),
            boot_filetime: u64_at(body, times_at),
            perf_frequency: u64_at(body, times_at + 8),
            start_filetime: u64_at(body, times_at + 0x10),
            clock_type: u32_at(body, times_at + 0x18),
            buffers_lost: u32_at(body, times_at + 0x1c),
            logger_name: utf16(names.utf16_nul()),
            file_name: utf16(names.utf16_nul()),
            origin: u64_at(payload, 16),
        })
    }

    /// The clock of the file.
    pub fn clock(&self) -> Clock {
        let kind = match self.clock_type {
            2 => ClockKind::SystemTime,
            3 if self.cpu_mhz != 0 => ClockKind::CpuCycle(u64::from(self.cpu_mhz)),
            0 | 1 if self.perf_frequency != 0 => ClockKind::Qpc(self.perf_frequency),
            _ => ClockKind::Unknown,
        };
        Clock {
            kind,
            origin: self.origin,
            start_filetime: self.start_filetime,
        }
    }

    /// Names of the known mode bits that are set.
    pub fn mode_names(&self) -> impl Iterator<Item = &'static str> + '_ {
        MODES
            .iter()
            .filter(|(bit, _)| self.mode & bit != 0)
            .map(|(_, name)| *name)
    }
}
