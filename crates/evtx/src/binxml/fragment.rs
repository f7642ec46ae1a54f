//! Elements that stand in a record as they are, without a template, as CAPI2 writes them.
//!
//! They are the same from record to record but for their texts. So everything except the texts, the shape, names the
//! plan, and the texts are the plan's slots: a plan is compiled once a shape and not once a record.

use super::run::{MAX_SLOTS, Slot};
use super::token::{self, Token};
use super::value;

/// Appends the shape of the tokens at `start..start + len` to `shape`, and their texts to `slots`.
///
/// Texts that decide what a plan looks like belong to the shape: names of `Data`, and those that may be blank.
pub(super) fn read(
    chunk: &[u8],
    start: usize,
    len: usize,
    shape: &mut Vec<u8>,
    slots: &mut Vec<Slot>,
) -> Option<()> {
    let first = slots.len();
    let mut names = false;
    token::walk(chunk, start, len, false, |token| {
        if !matches!(token, Token::Text(_) | Token::Character(_)) {
            names = false;
        }
        match token {
            Token::Open { name, .. } => put(shape, b'<', name),
            Token::Attribute { name } => {
                names = name.ends_with(b"N\0a\0m\0e\0");
                put(shape, b'@', name);
            }
            Token::CloseTag => shape.push(b'>'),
            Token::CloseEmpty => shape.push(b'/'),
            Token::End => shape.push(b'.'),
            Token::Character(unit) => put(shape, b'&', &unit.to_le_bytes()),
            Token::Text(text) => {
                if names || !surely_says_something(text) {
                    put(shape, b'=', text);
                } else {
                    shape.push(b'*');
                }
                slots.push(slot(chunk, text)?);
            }
            // There are no values that it could stand for.
            Token::Slot { .. } => return None,
        }
        Some(())
    })?;
    (slots.len() - first <= MAX_SLOTS as usize).then_some(())
}

/// A part of the shape, with its length, so that different parts never read alike.
fn put(shape: &mut Vec<u8>, what: u8, bytes: &[u8]) {
    shape.push(what);
    shape.extend((bytes.len() as u32).to_le_bytes());
    shape.extend_from_slice(bytes);
}

fn surely_says_something(text: &[u8]) -> bool {
    matches!(text, [b'!'..=b'~', 0, ..])
}

/// Where in the chunk a text of it lies.
fn slot(chunk: &[u8], text: &[u8]) -> Option<Slot> {
    let at = (text.as_ptr() as usize).checked_sub(chunk.as_ptr() as usize)?;
    Some(Slot {
        kind: value::STRING,
        at,
        len: text.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    /// `<ELEMENT ATTRIBUTE="VALUE">TEXT</ELEMENT>`, names in front.
    fn fragment([element, attribute, value, text]: [&str; 4]) -> (Vec<u8>, Vec<Slot>) {
        let (mut chunk, mut offsets) = (Vec::new(), Vec::new());
        for name in [element, attribute] {
            offsets.push((chunk.len() as u32).to_le_bytes());
            chunk.extend([0; 6]);
            chunk.extend((name.len() as u16).to_le_bytes());
            chunk.extend(utf16(name));
        }
        let start = chunk.len();
        let put_text = |chunk: &mut Vec<u8>, text: &str| {
            chunk.extend([5, value::STRING]);
            chunk.extend((text.len() as u16).to_le_bytes());
            chunk.extend(utf16(text));
        };
        chunk.extend([0x41, 0, 0, 0, 0]);
        chunk.extend(offsets[0]);
        chunk.extend([0, 0, 0, 0, 6]);
        chunk.extend(offsets[1]);
        put_text(&mut chunk, value);
        chunk.push(2);
        put_text(&mut chunk, text);
        chunk.push(4);
        let (mut shape, mut slots) = (Vec::new(), Vec::new());
        let len = chunk.len() - start;
        assert_eq!(read(&chunk, start, len, &mut shape, &mut slots), Some(()));
        for (slot, text) in slots.iter().zip([value, text]) {
            assert_eq!(chunk[slot.at..slot.at + slot.len], utf16(text));
        }
        (shape, slots)
    }

    #[test]
    fn only_texts_that_decide_nothing_are_left_out_of_the_shape() {
        let (plain, slots) = fragment(["URL", "scheme", "ldap", "a.example"]);
        assert_eq!(slots.len(), 2);
        assert_eq!(fragment(["URL", "scheme", "http", "b.example"]).0, plain);
        for other in [
            ["URI", "scheme", "ldap", "a.example"],
            ["URL", "schema", "ldap", "a.example"],
            ["URL", "scheme", "", "a.example"],
            ["URL", "scheme", " ", "a.example"],
            ["URL", "scheme", "ldap", "\n"],
        ] {
            assert_ne!(fragment(other).0, plain, "{other:?}");
        }
        let named = |name| fragment(["Data", "Name", name, "x"]).0;
        assert_ne!(named("one"), named("two"));
    }
}
