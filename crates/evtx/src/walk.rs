//! The chain of records in a sound chunk.
//!
//! Source: MS-EVEN6 and libyal's EVTX page: a record is `**\0\0`, size, id, FILETIME, binary XML, size again.

use std::ops::Range;

use evtx::EvtxChunkData;

/// Bytes of a chunk's header.
const CHUNK_HEADER: usize = 512;
/// Bytes before a record's binary XML.
const RECORD_HEADER: usize = 24;
const RECORD_MAGIC: &[u8; 4] = b"**\0\0";

/// One record's place and header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) filetime_100ns: u64,
    pub(crate) binxml: Range<usize>,
}

/// All records up to the chunk's last one; `None` if the chain breaks before that.
pub(crate) fn records(chunk: &EvtxChunkData) -> Option<Vec<Record>> {
    let end = (chunk.header.free_space_offset as usize).min(chunk.data.len());
    let mut records = Vec::new();
    let mut at = CHUNK_HEADER;
    while at < end {
        let head = chunk.data.get(at..at.checked_add(RECORD_HEADER)?)?;
        if !head.starts_with(RECORD_MAGIC) {
            return None;
        }
        let size = u32::from_le_bytes(head.get(4..8)?.try_into().ok()?);
        let next = at.checked_add(size as usize)?;
        let binxml = at + RECORD_HEADER..next.checked_sub(4)?;
        let copy = chunk.data.get(binxml.end..next)?;
        if binxml.end < binxml.start || copy != size.to_le_bytes() {
            return None;
        }
        let id = u64::from_le_bytes(head.get(8..16)?.try_into().ok()?);
        let filetime_100ns = u64::from_le_bytes(head.get(16..24)?.try_into().ok()?);
        records.push(Record {
            id,
            filetime_100ns,
            binxml,
        });
        if id == chunk.header.last_event_record_id {
            return Some(records);
        }
        at = next;
    }
    Some(records)
}
