//! Walks a payload along a layout.
//!
//! Source: etl-format §4.2 and §5.2. A missing NUL at the end of the payload is legal, bytes behind the last field are
//! too; anything else that does not fit ends the list of values and is marked.

use std::sync::Arc;

use super::format::{
    Number, push_ansi, push_hex, push_number, push_sid, push_socket_address, push_systemtime, sid_len,
};
use super::{Form, Names, Values};
use crate::Guid;
use crate::bytes::{Cursor, push_utf16};
use crate::schema::{Count, Field, FieldKind, In, Length, Out, Schema, ValueMap, ValueType};

/// Elements of one list that are shown.
const MAX_ELEMENTS: usize = 512;
/// Structures within structures.
const MAX_DEPTH: usize = 8;

/// What a walk needs to know besides the layout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) pointer: u8,
    /// Longest text kept of one value.
    pub(crate) max_value: usize,
}

/// Reads all values of `payload` into `out`.
pub(crate) fn read(schema: &Schema, payload: &[u8], settings: Settings, out: &mut Values) {
    read_named(schema, &schema.names, payload, settings, out);
}

/// As [`read`], with the caller's copy of the schema's names.
pub(crate) fn read_named(
    schema: &Schema,
    names: &Arc<Names>,
    payload: &[u8],
    settings: Settings,
    out: &mut Values,
) {
    out.clear_for(names);
    out.numbers.resize(schema.fields.len(), 0);
    let mut walk = Walk {
        schema,
        settings,
        cursor: Cursor::new(payload),
        budget: MAX_ELEMENTS * MAX_DEPTH,
    };
    for index in 0..schema.top_level {
        let Some(field) = schema.fields.get(index) else {
            break;
        };
        let start = out.text.len();
        let done = walk.field(index, field, out, 0);
        match done {
            Some(form) => {
                if form == Form::Text {
                    clip(&mut out.text, start, settings.max_value);
                }
                out.close(start, form);
            }
            None => {
                out.text.truncate(start);
                out.cut = true;
                break;
            }
        }
    }
    out.rest = walk.cursor.rest().len();
}

/// Cuts a text at a character boundary.
fn clip(text: &mut String, start: usize, max: usize) {
    if text.len() - start <= max {
        return;
    }
    let mut end = start.saturating_add(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push('…');
}

struct Walk<'a> {
    schema: &'a Schema,
    settings: Settings,
    cursor: Cursor<'a>,
    /// Elements of all lists together, so that lists of structures of lists stay bounded.
    budget: usize,
}

impl<'a> Walk<'a> {
    /// Reads one field, all of its elements.
    fn field(&mut self, index: usize, field: &Field, out: &mut Values, depth: usize) -> Option<Form> {
        let count = match field.count {
            Count::One => None,
            Count::Fixed(n) => Some(u64::from(n)),
            Count::Field(place) => Some(out.numbers.get(usize::from(place)).copied().unwrap_or(0)),
            Count::Prefixed => Some(u64::from(self.cursor.u16()?)),
        };
        match (&field.kind, count) {
            (FieldKind::Value(value), None) => self.value(index, value, out),
            (FieldKind::Value(value), Some(n)) => self.values(index, value, n, out),
            (FieldKind::Struct { first, members }, None) => {
                self.structure(*first, *members, out, depth)?;
                Some(Form::Json)
            }
            (FieldKind::Struct { first, members }, Some(n)) => {
                self.list(n, out, |walk, out| walk.structure(*first, *members, out, depth))?;
                Some(Form::Json)
            }
        }
    }

    fn list(
        &mut self,
        count: u64,
        out: &mut Values,
        mut one: impl FnMut(&mut Self, &mut Values) -> Option<()>,
    ) -> Option<()> {
        out.text.push('[');
        let mut shown = true;
        for i in 0..count {
            let keep = out.text.len();
            if shown && i > 0 {
                out.text.push(',');
            }
            let before = self.cursor.position();
            self.budget = self.budget.checked_sub(1)?;
            one(self, out)?;
            // Elements without bytes would let a count alone decide how long this takes.
            if self.cursor.position() == before && i > 0 {
                out.text.truncate(keep);
                break;
            }
            if !shown {
                out.text.truncate(keep);
            }
            if shown && i + 1 >= MAX_ELEMENTS as u64 {
                out.text.push_str(",\"…\"");
                shown = false;
            }
        }
        out.text.push(']');
        Some(())
    }

    fn structure(&mut self, first: usize, members: usize, out: &mut Values, depth: usize) -> Option<()> {
        if depth >= MAX_DEPTH {
            return None;
        }
        out.text.push('{');
        for place in 0..members {
            let index = first.checked_add(place)?;
            let field = self.schema.fields.get(index)?;
            if place > 0 {
                out.text.push(',');
            }
            push_json_text(&mut out.text, &field.name);
            out.text.push(':');
            let start = out.text.len();
            if self.field(index, field, out, depth + 1)? != Form::Json {
                clip(&mut out.text, start, self.settings.max_value);
                quote_from(&mut out.text, start);
            }
        }
        out.text.push('}');
        Some(())
    }

    /// Several values of one field; characters and bytes make one text.
    fn values(&mut self, index: usize, value: &ValueType, count: u64, out: &mut Values) -> Option<Form> {
        let bytes_each = if value.input == In::Char16 { 2 } else { 1 };
        let len = usize::try_from(count.saturating_mul(bytes_each)).ok();
        match value.input {
            In::Char16 => push_utf16_text(&mut out.text, trim_nul16(self.cursor.take(len?)?)),
            In::Char8 => push_ansi(&mut out.text, trim_nul8(self.cursor.take(len?)?)),
            In::U8 if value.output != Out::Boolean => {
                push_hex(
                    &mut out.text,
                    self.cursor.take(len?)?,
                    self.settings.max_value / 2,
                );
            }
            _ => {
                self.list(count, out, |walk, out| {
                    quoted(out, |out| walk.value(index, value, out).map(drop))
                })?;
                return Some(Form::Json);
            }
        }
        Some(Form::Text)
    }

    fn value(&mut self, index: usize, value: &ValueType, out: &mut Values) -> Option<Form> {
        let stored = |out: &Values, place: u16| out.numbers.get(usize::from(place)).copied().unwrap_or(0);
        let length = match value.length {
            Length::None => None,
            Length::Fixed(n) => Some(usize::from(n)),
            Length::Field(place) => Some(usize::try_from(stored(out, place)).ok()?),
        };
        if let Some(number) = self.number(value.input) {
            let number = number?;
            if let Some(slot) = out.numbers.get_mut(index) {
                *slot = number.bits;
            }
            let output = shown_as(value.input, value.output);
            push_mapped(&mut out.text, number, output, value.map.as_deref());
            return Some(match value.map {
                None => Form::Plain,
                Some(_) => Form::Text,
            });
        }
        self.sized(value.input, value.output, length, &mut out.text)?;
        Some(match value.input {
            In::Guid | In::Sid | In::SystemTime | In::F32 | In::F64 => Form::Plain,
            _ => Form::Text,
        })
    }

    /// `None` if the type is no number, `Some(None)` if the payload ends.
    fn number(&mut self, input: In) -> Option<Option<Number>> {
        let cursor = &mut self.cursor;
        Some(match input {
            In::I8 => cursor.u8().map(|n| Number::signed(n.into(), 1)),
            In::U8 => cursor.u8().map(|n| Number::unsigned(n.into(), 1)),
            In::I16 => cursor.u16().map(|n| Number::signed(n.into(), 2)),
            In::U16 => cursor.u16().map(|n| Number::unsigned(n.into(), 2)),
            In::I32 => cursor.u32().map(|n| Number::signed(n.into(), 4)),
            In::U32 | In::Hex32 | In::Bool32 => cursor.u32().map(|n| Number::unsigned(n.into(), 4)),
            In::I64 => cursor.u64().map(|n| Number::signed(n, 8)),
            In::U64 | In::Hex64 | In::FileTime => cursor.u64().map(|n| Number::unsigned(n, 8)),
            In::Pointer => cursor
                .pointer(self.settings.pointer)
                .map(|n| Number::unsigned(n, self.settings.pointer)),
            _ => return None,
        })
    }

    fn sized(&mut self, input: In, output: Out, length: Option<usize>, text: &mut String) -> Option<()> {
        match input {
            In::Null => {}
            In::Utf16 => {
                let bytes = match length {
                    Some(units) => self.cursor.take_up_to(units.checked_mul(2)?),
                    None => self.cursor.utf16_nul(),
                };
                push_utf16_text(text, trim_nul16(bytes));
            }
            In::Ansi => {
                let bytes = match length {
                    Some(len) => self.cursor.take_up_to(len),
                    None => self.cursor.bytes_nul(),
                };
                push_ansi(text, trim_nul8(bytes));
            }
            In::Binary => {
                let bytes = match length {
                    Some(len) => self.cursor.take(len)?,
                    // A blob without a length can only be the rest.
                    None => self.cursor.take_up_to(usize::MAX),
                };
                self.blob(bytes, output, text);
            }
            In::CountedUtf16 => push_utf16_text(text, trim_nul16(self.counted(false)?)),
            In::CountedAnsi => push_ansi(text, trim_nul8(self.counted(false)?)),
            In::CountedBinary => {
                let bytes = self.counted(false)?;
                self.blob(bytes, output, text);
            }
            In::ReversedUtf16 => push_utf16_text(text, trim_nul16(self.counted(true)?)),
            In::ReversedAnsi => push_ansi(text, trim_nul8(self.counted(true)?)),
            In::RestUtf16 => push_utf16_text(text, trim_nul16(self.cursor.take_up_to(usize::MAX))),
            In::RestAnsi => push_ansi(text, trim_nul8(self.cursor.take_up_to(usize::MAX))),
            In::HexDump => {
                let len = self.cursor.u32()? as usize;
                let bytes = self.cursor.take(len)?;
                self.blob(bytes, output, text);
            }
            In::Char16 => push_utf16_text(text, self.cursor.take(2)?),
            In::Char8 => push_ansi(text, self.cursor.take(1)?),
            In::Sid | In::TokenUser => self.sid(input, text)?,
            _ => self.plain(input, text)?,
        }
        Some(())
    }

    fn plain(&mut self, input: In, text: &mut String) -> Option<()> {
        match input {
            In::F32 => text.push_str(&f32::from_bits(self.cursor.u32()?).to_string()),
            In::F64 => text.push_str(&f64::from_bits(self.cursor.u64()?).to_string()),
            In::Guid => {
                let guid = Guid::at(self.cursor.take(16)?, 0);
                text.push_str(std::str::from_utf8(&guid.text()).unwrap_or_default());
            }
            In::SystemTime => push_systemtime(text, self.cursor.take(16)?),
            _ => return None,
        }
        Some(())
    }

    fn counted(&mut self, big_endian: bool) -> Option<&'a [u8]> {
        let len = self.cursor.u16()?;
        let len = if big_endian { len.swap_bytes() } else { len };
        self.cursor.take(usize::from(len))
    }

    fn sid(&mut self, input: In, text: &mut String) -> Option<()> {
        if input == In::TokenUser {
            let mut ahead = self.cursor;
            if ahead.u32()? == 0 {
                self.cursor.u32()?;
                return Some(());
            }
            self.cursor.take(2 * usize::from(self.settings.pointer))?;
        }
        let len = sid_len(self.cursor.rest());
        push_sid(text, self.cursor.take(len)?);
        Some(())
    }

    fn blob(&self, bytes: &[u8], output: Out, text: &mut String) {
        match output {
            Out::SocketAddress if push_socket_address(text, bytes) => {}
            Out::Ipv6 if bytes.len() == 16 => {
                let address: [u8; 16] = crate::bytes::array(bytes, 0).unwrap_or_default();
                text.push_str(&std::net::Ipv6Addr::from(address).to_string());
            }
            Out::Utf8 | Out::Text => push_ansi(text, trim_nul8(bytes)),
            _ => push_hex(text, bytes, self.settings.max_value / 2),
        }
    }
}

/// Types that are hex, boolean or time by themselves.
fn shown_as(input: In, output: Out) -> Out {
    match (input, output) {
        (In::Bool32, _) => Out::Boolean,
        (In::FileTime, _) => Out::FileTime,
        (In::Hex32 | In::Hex64 | In::Pointer, Out::Default | Out::Unsigned | Out::Signed) => Out::Hex,
        _ => output,
    }
}

/// A number, or the text its map has for it; codes keep their number in front.
fn push_mapped(out: &mut String, number: Number, output: Out, map: Option<&ValueMap>) {
    let Some(text) = map.and_then(|map| map.text(number.bits)) else {
        return push_number(out, number, output);
    };
    if matches!(output, Out::HResult | Out::NtStatus | Out::Win32 | Out::Hex) {
        push_number(out, number, output);
        out.push_str(" (");
        out.push_str(&text);
        out.push(')');
    } else {
        out.push_str(&text);
    }
}

/// UTF-16 with a short way for ASCII, which most of it is.
fn push_utf16_text(out: &mut String, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (block, behind) = rest.split_at(rest.len().min(2 * BLOCK));
        let mut text = [0; BLOCK];
        match ascii_block(block, &mut text) {
            Some(text) => out.push_str(text),
            None => return push_utf16(out, rest),
        }
        rest = behind;
    }
}

/// Units that are narrowed at a time; most texts are shorter.
const BLOCK: usize = 64;

/// The text of a block if it is ASCII all through.
fn ascii_block<'t>(block: &[u8], text: &'t mut [u8; BLOCK]) -> Option<&'t str> {
    let units = block.as_chunks::<2>().0;
    // One pass without early end, so that several units are narrowed at once.
    let odd = text.iter_mut().zip(units).fold(0_u8, |odd, (to, [low, high])| {
        *to = *low;
        odd | high | (low & 0x80)
    });
    match odd {
        0 => std::str::from_utf8(text.get(..units.len())?).ok(),
        _ => None,
    }
}

fn trim_nul16(bytes: &[u8]) -> &[u8] {
    let mut bytes = bytes;
    while let Some(shorter) = bytes.strip_suffix(&[0, 0]) {
        bytes = shorter;
    }
    bytes
}

fn trim_nul8(bytes: &[u8]) -> &[u8] {
    let mut bytes = bytes;
    while let Some(shorter) = bytes.strip_suffix(&[0]) {
        bytes = shorter;
    }
    bytes
}

fn quoted(out: &mut Values, write: impl FnOnce(&mut Values) -> Option<()>) -> Option<()> {
    let start = out.text.len();
    write(out)?;
    quote_from(&mut out.text, start);
    Some(())
}

/// Turns the text from `start` on into a JSON string.
fn quote_from(text: &mut String, start: usize) {
    let plain = text.get(start..).is_some_and(|t| {
        t.bytes()
            .all(|b| b >= 0x20 && b != b'"' && b != b'\\' && b != 0x7f)
    });
    if plain {
        text.insert(start, '"');
        text.push('"');
        return;
    }
    let value = text.split_off(start);
    push_json_text(text, &value);
}

fn push_json_text(out: &mut String, text: &str) {
    // Serialising a str cannot fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}
