//! GUIDs in Windows order: one little-endian u32, two u16, eight bytes.

use std::fmt;

use sha1::{Digest, Sha1};

/// A GUID as it lies in a trace; shown lower case and bare.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Guid(pub [u8; 16]);

/// Salt of the rule that turns a TraceLogging provider's name into its GUID (etl-format §4.3).
const NAMESPACE: [u8; 16] = [
    0x48, 0x2c, 0x2d, 0xb2, 0xc3, 0x90, 0x47, 0xc8, 0x87, 0xf8, 0x1a, 0x15, 0xbf, 0xc1, 0x30, 0xfb,
];

impl Guid {
    /// From the 16 bytes at `at`; the nil GUID past the end.
    #[inline]
    pub(crate) fn at(bytes: &[u8], at: usize) -> Self {
        Self(crate::bytes::array(bytes, at).unwrap_or_default())
    }

    /// True for all zeros.
    pub fn is_nil(&self) -> bool {
        self.0 == [0; 16]
    }

    /// Reads any usual spelling, with or without braces.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.trim().trim_start_matches('{').trim_end_matches('}');
        Self::parse_bare(bare)
    }

    const fn parse_bare(text: &str) -> Option<Self> {
        /// Where each byte's two digits stand in the text.
        const PLACES: [usize; 16] = [6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34];
        let text = text.as_bytes();
        if text.len() != 36 || text[8] != b'-' || text[13] != b'-' || text[18] != b'-' || text[23] != b'-' {
            return None;
        }
        let mut out = [0; 16];
        let mut i = 0;
        while i < 16 {
            match (digit(text[PLACES[i]]), digit(text[PLACES[i] + 1])) {
                (Some(high), Some(low)) => out[i] = high << 4 | low,
                _ => return None,
            }
            i += 1;
        }
        Some(Self(out))
    }

    /// A GUID constant; the nil GUID if the text is none (checked by a test).
    pub(crate) const fn constant(text: &str) -> Self {
        match Self::parse_bare(text) {
            Some(guid) => guid,
            None => Self([0; 16]),
        }
    }

    /// The GUID that TraceLogging and EventSource derive from a provider's name.
    ///
    /// Source: etl-format §4.3, checked there against three shipped providers.
    pub fn from_provider_name(name: &str) -> Self {
        let mut hash = Sha1::new();
        hash.update(NAMESPACE);
        for unit in name.to_uppercase().encode_utf16() {
            hash.update(unit.to_be_bytes());
        }
        let digest = hash.finalize();
        let mut out: [u8; 16] = crate::bytes::array(&digest, 0).unwrap_or_default();
        out[7] = (out[7] & 0x0f) | 0x50;
        Self(out)
    }
}

const fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        b'A'..=b'F' => Some(c - b'A' + 10),
        _ => None,
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl Guid {
    /// The 36 ASCII characters of the lower-case bare form.
    pub(crate) fn text(&self) -> [u8; 36] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        let mut out = [b'-'; 36];
        let mut place = 0;
        for (i, from) in ORDER.into_iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                place += 1;
            }
            out[place] = HEX[usize::from(self.0[from] >> 4)];
            out[place + 1] = HEX[usize::from(self.0[from] & 15)];
            place += 2;
        }
        out
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let guid = Guid::parse("{7DD42A49-5329-4832-8DFD-43D979153A88}").unwrap();
        assert_eq!(guid.0[..8], [0x49, 0x2a, 0xd4, 0x7d, 0x29, 0x53, 0x32, 0x48]);
        assert_eq!(guid.to_string(), "7dd42a49-5329-4832-8dfd-43d979153a88");
        assert_eq!(Guid::parse("7dd42a49-5329-4832-8dfd-43d979153a8"), None);
    }

    #[test]
    fn provider_names_give_their_guids() {
        for (name, start) in [
            ("sonde-gateway", "559e1292-"),
            ("Microsoft.Windows.UpdateReserveManager", "6a5ccfd4-"),
            (
                "Microsoft.Windows.Security.TokenBroker",
                "077b8c4a-e425-578d-f1ac-6fdf1220ff68",
            ),
        ] {
            assert!(
                Guid::from_provider_name(name).to_string().starts_with(start),
                "{name}"
            );
        }
    }
}
