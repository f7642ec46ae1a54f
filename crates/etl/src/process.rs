//! Process names by id and time, from whatever rundown the trace has.
//!
//! Sources: classic Process events (v1 to v4), Kernel-Process events 1 and 15, and, where those are missing, the first
//! program image a process loaded (etl-format §2.1, §5.4, §9).

use std::collections::HashMap;

use casetrace_model::Text;

use crate::bytes::{Cursor, utf16};
use crate::container::clock::Clock;
use crate::survey::{Kept, KeptKind};

/// One life of a process id.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Life {
    from_ns: i64,
    /// Rundown at the end of a trace is worth less than the start event, an image less than both.
    weight: u8,
    name: Text,
}

/// Names of the processes in a trace.
#[derive(Debug, Clone, Default)]
pub struct Processes {
    by_pid: HashMap<u32, Vec<Life>>,
}

impl Processes {
    pub(crate) fn collect(kept: &[Kept], clock: &Clock) -> Self {
        let mut processes = Self::default();
        for record in kept {
            let found = match record.kind {
                KeptKind::Process => classic(record).map(|(pid, name)| (pid, name, 2)),
                KeptKind::ProcessEvent => manifest(record).map(|(pid, name)| (pid, name, 2)),
                KeptKind::Image => image(record).map(|(pid, name)| (pid, name, 1)),
                KeptKind::ImageId => image_id(record).map(|(pid, name)| (pid, name, 1)),
                _ => None,
            };
            if let Some((pid, name, weight)) = found {
                processes.add(pid, clock.to_unix_ns(record.raw_ts).unwrap_or(0), weight, &name);
            }
        }
        for lives in processes.by_pid.values_mut() {
            if lives.iter().any(|life| life.weight > 1) {
                lives.retain(|life| life.weight > 1);
            }
            lives.sort_by(|a, b| (a.from_ns, &a.name).cmp(&(b.from_ns, &b.name)));
            lives.dedup_by(|later, earlier| later.name == earlier.name);
        }
        processes
    }

    fn add(&mut self, pid: u32, from_ns: i64, weight: u8, path: &str) {
        let name = path.rsplit(['\\', '/']).next().unwrap_or(path).trim();
        if !name.is_empty() {
            self.by_pid.entry(pid).or_default().push(Life {
                from_ns,
                weight,
                name: name.into(),
            });
        }
    }

    /// Name of process `pid` at a time; ids are used again, so the time matters.
    pub fn name_at(&self, pid: u32, ts_ns: i64) -> Option<&Text> {
        let lives = self.by_pid.get(&pid)?;
        // Rundown records stand at the end of a trace: before the first sighting the first name holds.
        let after = lives.partition_point(|life| life.from_ns <= ts_ns);
        lives.get(after.saturating_sub(1)).map(|life| &life.name)
    }

    /// Number of process ids with a name.
    pub fn len(&self) -> usize {
        self.by_pid.len()
    }

    /// True if the trace names no process.
    pub fn is_empty(&self) -> bool {
        self.by_pid.is_empty()
    }
}

/// Process_TypeGroup1, version 1 to 4 and later.
fn classic(record: &Kept) -> Option<(u32, String)> {
    let mut cursor = Cursor::new(&record.payload);
    let pointer = record.pointer_size;
    if record.version == 0 {
        let pid = cursor.pointer(pointer)?;
        cursor.pointer(pointer)?;
        skip_sid(&mut cursor, pointer)?;
        return Some((u32::try_from(pid).ok()?, ansi(cursor.bytes_nul())));
    }
    cursor.pointer(pointer)?;
    let pid = cursor.u32()?;
    cursor.take(12)?;
    if record.version >= 3 {
        cursor.pointer(pointer)?;
    }
    if record.version >= 4 {
        cursor.u32()?;
    }
    skip_sid(&mut cursor, pointer)?;
    Some((pid, ansi(cursor.bytes_nul())))
}

/// A TOKEN_USER (two pointers) and a SID, or four zero bytes.
fn skip_sid(cursor: &mut Cursor<'_>, pointer: u8) -> Option<()> {
    let mut ahead = *cursor;
    if ahead.u32()? == 0 {
        cursor.take(4)?;
        return Some(());
    }
    cursor.take(2 * usize::from(pointer))?;
    let head = cursor.take(8)?;
    cursor.take(4 * usize::from(*head.get(1)?))?;
    Some(())
}

fn ansi(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::WINDOWS_1252
            .decode_without_bom_handling(bytes)
            .0
            .into_owned(),
    }
}

/// ProcessStart and ProcessRundown of Microsoft-Windows-Kernel-Process; the name follows fields that grew with versions.
fn manifest(record: &Kept) -> Option<(u32, String)> {
    let mut cursor = Cursor::new(&record.payload);
    let pid = cursor.u32()?;
    // The image path is the only text, and it starts with a backslash or a drive.
    let fixed = match (record.id, record.version) {
        (1, 0) => 8 + 4 + 4,
        (1, 1 | 2) | (15, 0 | 1) => 8 + 4 + 4 + 4,
        _ => return later_manifest(&record.payload).map(|name| (pid, name)),
    };
    cursor.take(fixed)?;
    let name = utf16(cursor.utf16_nul());
    if name.contains('\\') {
        Some((pid, name))
    } else {
        later_manifest(&record.payload).map(|name| (pid, name))
    }
}

/// Finds `\Device\…` where the fields in front are not known.
fn later_manifest(payload: &[u8]) -> Option<String> {
    const START: [u8; 4] = *b"\\\0D\0";
    let at = payload.windows(START.len()).position(|window| window == START)?;
    Some(utf16(Cursor::new(payload.get(at..)?).utf16_nul()))
}

/// Image_Load, version 2 and later.
fn image(record: &Kept) -> Option<(u32, String)> {
    let mut cursor = Cursor::new(&record.payload);
    let pointer = usize::from(record.pointer_size);
    cursor.take(2 * pointer)?;
    let pid = cursor.u32()?;
    if record.version >= 2 {
        cursor.take(12 + pointer + 16)?;
    }
    Some((pid, utf16(cursor.utf16_nul())))
}

/// KernelTraceControl/ImageID.
fn image_id(record: &Kept) -> Option<(u32, String)> {
    let mut cursor = Cursor::new(&record.payload);
    cursor.pointer(record.pointer_size)?;
    cursor.u32()?;
    let pid = cursor.u32()?;
    cursor.u32()?;
    Some((pid, utf16(cursor.utf16_nul())))
}
