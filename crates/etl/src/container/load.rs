//! One buffer's records in memory: read, and expanded if they are stored compressed.

use super::buffer::HEADER_LEN;
use super::input::Input;
use super::record::RecordHead;
use super::scan::BufferAt;
use crate::expand::{Compression, expand};

/// The records of one buffer, without the 72 bytes in front.
#[derive(Debug)]
pub(crate) enum Payload<'a> {
    /// A part of the file that is in memory anyway.
    Lent(&'a [u8]),
    /// Read or expanded.
    Owned(Vec<u8>),
}

impl Payload<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }

    /// The allocation, for the next buffer.
    pub(crate) fn recycle(self) -> Vec<u8> {
        match self {
            Self::Lent(_) => Vec::new(),
            Self::Owned(bytes) => bytes,
        }
    }
}

/// How much of a buffer is missing from its payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Bytes that the file does not have.
    pub(crate) torn: u64,
    /// Expanded bytes that damage took.
    pub(crate) not_expanded: u64,
}

/// Gets a buffer's payload; `spare` lends its allocation.
pub(crate) fn load<'a>(
    input: &mut Input<'a>,
    buffer: &BufferAt,
    compression: Compression,
    spare: Vec<u8>,
) -> std::io::Result<(Payload<'a>, Missing)> {
    if buffer.header.is_compressed() {
        let stored = stored_payload(input, buffer, Vec::new())?;
        let mut out = spare;
        let missing = inflate(buffer, stored.bytes(), compression, &mut out);
        return Ok((Payload::Owned(out), missing));
    }
    let payload = stored_payload(input, buffer, spare)?;
    let missing = Missing {
        torn: (payload_len(buffer) - payload.bytes().len().min(payload_len(buffer))) as u64,
        not_expanded: 0,
    };
    Ok((payload, missing))
}

/// The payload as it lies in the file, compressed or not.
pub(crate) fn stored_payload<'a>(
    input: &mut Input<'a>,
    buffer: &BufferAt,
    spare: Vec<u8>,
) -> std::io::Result<Payload<'a>> {
    let wanted = if buffer.header.is_compressed() {
        buffer.stored.saturating_sub(HEADER_LEN)
    } else {
        payload_len(buffer)
    };
    let len = wanted.min(buffer.stored.saturating_sub(HEADER_LEN));
    let at = buffer.at + HEADER_LEN as u64;
    if let Input::Slice(bytes) = input {
        return Ok(Payload::Lent(super::input::part(bytes, at, len)));
    }
    let mut out = spare;
    input.read_into(at, len, &mut out)?;
    Ok(Payload::Owned(out))
}

/// Bytes of records the header promises.
pub(crate) fn payload_len(buffer: &BufferAt) -> usize {
    buffer.header.end_of_data().saturating_sub(HEADER_LEN)
}

/// Expands `stored`; tries the other formats when the announced one does not give records.
pub(crate) fn inflate(
    buffer: &BufferAt,
    stored: &[u8],
    compression: Compression,
    out: &mut Vec<u8>,
) -> Missing {
    let size = payload_len(buffer);
    let done = |out: &Vec<u8>| out.is_empty() || RecordHead::marker(out).is_some();
    if expand(compression, stored, size, out).is_ok() && done(out) {
        return Missing::default();
    }
    let partial = std::mem::take(out);
    for other in [
        Compression::Xpress,
        Compression::XpressHuffman,
        Compression::Lznt1,
    ] {
        if other != compression && expand(other, stored, size, out).is_ok() && done(out) {
            return Missing::default();
        }
    }
    *out = partial;
    Missing {
        torn: 0,
        not_expanded: (size - out.len().min(size)) as u64,
    }
}

/// Why a walk over a payload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// At the end of data or at filler.
    Regular,
    /// At something that is no record, or at one that runs past the end.
    Damaged {
        /// Where, within the payload.
        at: usize,
    },
}

/// Calls `each` with every record of a payload.
#[inline]
pub(crate) fn walk<'p>(payload: &'p [u8], mut each: impl FnMut(RecordHead, &'p [u8])) -> End {
    let mut at = 0;
    while let Some(rest) = payload.get(at..).filter(|rest| rest.len() >= 8) {
        let Some(head) = RecordHead::parse(rest) else {
            return end_at(rest, at);
        };
        let Some(record) = rest.get(..head.size) else {
            return end_at(rest, at);
        };
        each(head, record);
        at += head.size.next_multiple_of(8);
    }
    End::Regular
}

/// Judges bytes that are no record: filler ends a buffer regularly, anything else is damage.
pub(crate) fn end_at(rest: &[u8], at: usize) -> End {
    match rest.first_chunk() {
        Some([0, 0, 0, 0] | [0xff, 0xff, 0xff, 0xff]) | None => End::Regular,
        Some(_) => End::Damaged { at },
    }
}
