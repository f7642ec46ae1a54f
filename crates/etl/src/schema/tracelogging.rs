//! TraceLogging: events that carry their own schema.
//!
//! Source: etl-format §4, checked there on 737 real events.

use crate::bytes::Cursor;

/// The event's name inside a schema blob (extended item 11).
pub(crate) fn event_name(blob: &[u8]) -> &[u8] {
    let mut cursor = Cursor::new(blob);
    cursor.u16();
    skip_tags(&mut cursor);
    cursor.bytes_nul()
}

/// Tag bytes go on while bit 7 is set.
fn skip_tags(cursor: &mut Cursor<'_>) {
    while cursor.u8().is_some_and(|tag| tag & 0x80 != 0) {}
}

/// The provider's name inside a traits blob (extended item 12).
pub(crate) fn provider_name(blob: &[u8]) -> String {
    let mut cursor = Cursor::new(blob);
    cursor.u16();
    String::from_utf8_lossy(cursor.bytes_nul()).into_owned()
}
