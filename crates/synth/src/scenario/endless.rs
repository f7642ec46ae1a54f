//! Single files of any size: hour after hour of [`large`] in one file, one piece in memory at a time.
//!
//! Pieces are equal in kind and size, so that twice the bytes are twice the work. A trace's buffers, a log's records and a
//! capture's packets go on in time and number as in a file that was written in one go.

use std::io::{self, Seek, SeekFrom, Write};

use super::large;
use crate::evtx::{Evtx, head};
use crate::identity::Identity;

/// Bytes of a piece at most.
const PIECE: u64 = 50_000_000;

/// Number of pieces, and the size of each.
fn pieces(bytes: u64) -> (u32, usize) {
    let count = bytes.div_ceil(PIECE).max(1);
    (count as u32, (bytes / count) as usize)
}

/// A file that can be written at any place.
pub trait Out: Write + Seek {}
impl<T: Write + Seek> Out for T {}

/// A `NetTrace.etl` of about this size, before compression.
pub fn trace(out: &mut dyn Out, bytes: u64, compressed: bool) -> io::Result<()> {
    let (count, size) = pieces(bytes);
    let start = large::traced(0, 0).start;
    let mut buffers = 0;
    for part in 0..count {
        let hour = large::traced(part, size);
        let mut etl = hour.trace_since(start);
        if compressed {
            etl = etl.compressed();
        }
        if part == 0 {
            out.write_all(&etl.head(0))?;
        }
        let last = part + 1 == count;
        let (body, more) = etl.body(buffers, last);
        out.write_all(&body)?;
        buffers += more;
        if last {
            out.seek(SeekFrom::Start(0))?;
            out.write_all(&etl.head(buffers))?;
        }
    }
    out.seek(SeekFrom::End(0)).map(drop)
}

/// A packet capture of about this size.
pub fn capture(out: &mut dyn Out, bytes: u64) -> io::Result<()> {
    const HEAD: usize = 24;
    let (count, size) = pieces(bytes);
    for part in 0..count {
        let piece = large::capture(part, size);
        let from = if part == 0 { 0 } else { HEAD };
        out.write_all(piece.get(from..).unwrap_or_default())?;
    }
    Ok(())
}

/// An event log of about this size; a log has room for 65,535 chunks, 4.29 GB.
pub fn log(out: &mut dyn Out, bytes: u64) -> io::Result<()> {
    const HEAD: usize = 4_096;
    const CHUNK: usize = 65_536;
    let (count, size) = pieces(bytes);
    out.write_all(&head(0, 1, false))?;
    let (mut chunks, mut next) = (0, 1);
    for part in 0..count {
        let events = large::logged(part, size);
        let first = next;
        next += events.len() as u64;
        let piece = Evtx::new(&Identity::default().fqdn())
            .first_record(first)
            .events(events)
            .write();
        let body = piece.get(HEAD..).unwrap_or_default();
        out.write_all(body)?;
        chunks += body.len() / CHUNK;
    }
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&head(chunks, next, false))?;
    out.seek(SeekFrom::End(0)).map(drop)
}

/// Debug output of about this size.
pub fn debug_log(out: &mut dyn Out, bytes: u64) -> io::Result<()> {
    let (count, size) = pieces(bytes);
    (0..count).try_for_each(|part| out.write_all(&large::debug_log(part, size)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn written(write: impl Fn(&mut dyn Out) -> io::Result<()>) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        assert!(write(&mut out).is_ok());
        out.into_inner()
    }

    #[test]
    fn one_piece_is_the_large_file() {
        assert!(written(|out| trace(out, 300_000, false)) == large::trace(0, 300_000));
        assert!(written(|out| capture(out, 300_000)) == large::capture(0, 300_000));
        assert!(written(|out| log(out, 300_000)) == large::log(0, 300_000));
        assert!(written(|out| debug_log(out, 300_000)) == large::debug_log(0, 300_000));
    }
}
