//! Extended data items as they are stored between an event's header and its payload.
//!
//! Source: etl-format §2.6. The stored form differs from the in-memory structure of the Windows headers: each item tells
//! its own size, and bit 0 of the third word says whether another one follows.

use crate::bytes::u16_at;

/// Item kinds this crate looks at.
pub(crate) mod kind {
    pub(crate) const RELATED_ACTIVITY: u16 = 1;
    pub(crate) const SID: u16 = 2;
    pub(crate) const SCHEMA: u16 = 11;
    pub(crate) const TRAITS: u16 = 12;
}

const HEAD: usize = 8;

/// One item.
#[derive(Debug, Clone, Copy)]
pub struct ExtendedItem<'a> {
    /// Kind: 1 related activity, 2 SID, 5 and 6 stacks, 11 TraceLogging schema, 12 provider traits, …
    pub kind: u16,
    /// Its data.
    pub data: &'a [u8],
}

/// The items of one event, in stored order; ends at the first damaged one.
#[derive(Debug, Clone)]
pub struct ExtendedItems<'a> {
    rest: &'a [u8],
}

impl<'a> ExtendedItems<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The data of the first item of `kind`.
    pub(crate) fn find_kind(self, kind: u16) -> Option<&'a [u8]> {
        self.into_iter()
            .find(|item| item.kind == kind)
            .map(|item| item.data)
    }

    /// Bytes of all items.
    pub(crate) fn total_len(mut self) -> usize {
        let before = self.rest.len();
        let mut end = 0;
        while !self.rest.is_empty() {
            let Some((len, more)) = self.head() else { break };
            end += len;
            if !more {
                break;
            }
            self.rest = self.rest.get(len..).unwrap_or_default();
        }
        end.min(before)
    }

    fn head(&self) -> Option<(usize, bool)> {
        let len = usize::from(u16_at(self.rest, 0));
        (len >= HEAD && len <= self.rest.len()).then(|| (len, u16_at(self.rest, 4) & 1 != 0))
    }
}

impl<'a> Iterator for ExtendedItems<'a> {
    type Item = ExtendedItem<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((len, more)) = self.head() else {
            self.rest = &[];
            return None;
        };
        let item = self.rest.get(..len).unwrap_or_default();
        let data_len = usize::from(u16_at(item, 6));
        let data = item.get(HEAD..).unwrap_or_default();
        self.rest = if more {
            self.rest.get(len..).unwrap_or_default()
        } else {
            &[]
        };
        Some(ExtendedItem {
            kind: u16_at(item, 2),
            data: data.get(..data_len).unwrap_or(data),
        })
    }
}
