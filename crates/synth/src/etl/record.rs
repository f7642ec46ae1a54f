//! Record headers: EVENT_HEADER, FULL (classic), SYSTEM (kernel) and MESSAGE (WPP).

use crate::bytes::Bytes;
use crate::event::Event;

/// An extended data item of an EVENT_HEADER record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extended {
    /// Type number: 1 related activity, 2 SID, 11 TraceLogging schema, 12 provider traits…
    pub kind: u16,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// An EVENT_HEADER record with the event's payload. `x86` marks a 32-bit writer; the payload is the caller's.
pub fn event_header(event: &Event, raw_ts: u64, channel: u8, items: &[Extended], x86: bool) -> Vec<u8> {
    let mut b = Bytes::new();
    b.u16(0).u8(if x86 { 18 } else { 19 }).u8(0xc0);
    b.u16(u16::from(!items.is_empty()))
        .u16(0)
        .u32(event.tid)
        .u32(event.pid)
        .u64(raw_ts);
    b.guid(event.provider.guid);
    b.u16(event.id)
        .u8(event.version)
        .u8(channel)
        .u8(event.level)
        .u8(event.opcode)
        .u16(event.task);
    b.u64(event.keywords).u64(0);
    b.guid(event.activity.as_deref().unwrap_or_default());
    for (index, item) in items.iter().enumerate() {
        let size = (8 + item.data.len()).next_multiple_of(8);
        b.u16(size as u16)
            .u16(item.kind)
            .u16(u16::from(index + 1 < items.len()))
            .u16(item.data.len() as u16);
        b.raw(&item.data).align(8);
    }
    b.raw(&event.payload());
    sized(b, 0)
}

/// A classic record: class GUID, opcode, version.
pub fn full(
    class: &str,
    opcode: u8,
    version: u16,
    raw_ts: u64,
    pid: u32,
    tid: u32,
    payload: &[u8],
) -> Vec<u8> {
    let mut b = Bytes::new();
    b.u16(0)
        .u8(20)
        .u8(0xc0)
        .u8(opcode)
        .u8(0)
        .u16(version)
        .u32(tid)
        .u32(pid)
        .u64(raw_ts)
        .guid(class);
    b.u32(0).u32(0).raw(payload);
    sized(b, 0)
}

/// A kernel record: event group and type.
pub fn system(group: u8, kind: u8, version: u16, raw_ts: u64, pid: u32, tid: u32, payload: &[u8]) -> Vec<u8> {
    let mut b = Bytes::new();
    b.u16(version)
        .u8(2)
        .u8(0xc0)
        .u16(0)
        .u8(kind)
        .u8(group)
        .u32(tid)
        .u32(pid)
        .u64(raw_ts)
        .u32(0)
        .u32(0);
    b.raw(payload);
    sized(b, 4)
}

/// A WPP message: message GUID, number, arguments.
pub fn message(guid: &str, number: u16, raw_ts: u64, pid: u32, tid: u32, arguments: &[u8]) -> Vec<u8> {
    let mut b = Bytes::new();
    // Options: sequence, GUID, time stamp, performance clock, thread and process, 64-bit pointers.
    b.u16(0)
        .u8(0)
        .u8(0x90)
        .u16(number)
        .u16(0x01 | 0x02 | 0x08 | 0x10 | 0x20 | 0x80);
    b.u32(1).guid(guid).u64(raw_ts).u32(tid).u32(pid).raw(arguments);
    sized(b, 0)
}

fn sized(mut b: Bytes, at: usize) -> Vec<u8> {
    let size = b.len() as u16;
    b.patch(at, &size.to_le_bytes());
    b.take()
}
