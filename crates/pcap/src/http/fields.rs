//! Names of header fields, each worked out once: how it is written, what its values may show, and whether anyone asks
//! for it.
//!
//! The same few dozen names come with every message. A name is kept as it was spelled; spellings of one name share a
//! number. Limits: 1,024 names, then all are forgotten and learned again.

use std::hash::{BuildHasher, Hasher};

use casetrace_model::JsonKey;
use hashbrown::HashTable;

use crate::mask::HeaderKind;
use crate::net::keyed::Keyed;

/// Names kept when a head begins; it can add two for each of its fields.
const MAX_KEPT: usize = 768;

/// Fields that are asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Accept,
    Age,
    Authorization,
    ClientRequestId,
    ContentEncoding,
    ContentLength,
    ContentType,
    Date,
    Host,
    MsClientRequestId,
    MsCorrelationId,
    MsCorrelationRequestId,
    MsRequestId,
    ProxyAuthenticate,
    ProxyAuthorization,
    RequestId,
    TransferEncoding,
    WwwAuthenticate,
}

/// How many fields are asked for.
pub(super) const ASKED: usize = 18;

impl Asked {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "accept" => Self::Accept,
            "age" => Self::Age,
            "authorization" => Self::Authorization,
            "client-request-id" => Self::ClientRequestId,
            "content-encoding" => Self::ContentEncoding,
            "content-length" => Self::ContentLength,
            "content-type" => Self::ContentType,
            "date" => Self::Date,
            "host" => Self::Host,
            "x-ms-client-request-id" => Self::MsClientRequestId,
            "x-ms-correlation-id" => Self::MsCorrelationId,
            "x-ms-correlation-request-id" => Self::MsCorrelationRequestId,
            "x-ms-request-id" => Self::MsRequestId,
            "proxy-authenticate" => Self::ProxyAuthenticate,
            "proxy-authorization" => Self::ProxyAuthorization,
            "request-id" => Self::RequestId,
            "transfer-encoding" => Self::TransferEncoding,
            "www-authenticate" => Self::WwwAuthenticate,
            _ => return None,
        })
    }
}

/// What is known of one spelling of a name.
#[derive(Debug)]
pub(super) struct Name {
    spelled: Box<[u8]>,
    /// The number of the same name in lower case.
    pub(super) same: u16,
    pub(super) asked: Option<Asked>,
    pub(super) kind: HeaderKind,
    /// In lower case, at most 64 characters of it.
    pub(super) key: JsonKey,
}

/// Names seen before.
#[derive(Debug, Default)]
pub(crate) struct FieldNames {
    index: HashTable<u16>,
    keyed: Keyed,
    names: Vec<Name>,
}

impl FieldNames {
    /// Makes room for the fields of another head; numbers of earlier ones may mean other names now.
    pub(super) fn begin(&mut self) {
        if self.names.len() > MAX_KEPT {
            self.index.clear();
            self.names.clear();
        }
    }

    /// The number of a name as it was sent; bytes outside ASCII count as Latin 1.
    pub(super) fn number(&mut self, spelled: &[u8]) -> u16 {
        let hash = hash(self.keyed, spelled);
        let names = &self.names;
        let is = |at: &u16| {
            names
                .get(usize::from(*at))
                .is_some_and(|n| *n.spelled == *spelled)
        };
        match self.index.find(hash, is) {
            Some(at) => *at,
            None => self.learn(hash, spelled),
        }
    }

    fn learn(&mut self, hash: u64, spelled: &[u8]) -> u16 {
        let lower = spelled.to_ascii_lowercase();
        let same = (lower != spelled).then(|| self.number(&lower));
        let at = self.names.len() as u16;
        let text: String = lower.iter().map(|b| char::from(*b)).collect();
        let shown = first_chars(&text);
        self.names.push(Name {
            spelled: spelled.into(),
            same: same.unwrap_or(at),
            asked: Asked::of(&text),
            kind: HeaderKind::of(shown),
            key: JsonKey::new(shown),
        });
        let (names, keyed) = (&self.names, self.keyed);
        let again = |at: &u16| {
            names
                .get(usize::from(*at))
                .map_or(0, |n| self::hash(keyed, &n.spelled))
        };
        self.index.insert_unique(hash, at, again);
        at
    }

    pub(super) fn get(&self, number: u16) -> Option<&Name> {
        self.names.get(usize::from(number))
    }
}

/// Eight bytes at a time; the last ones may count twice, which the length makes up for.
fn hash(keyed: Keyed, name: &[u8]) -> u64 {
    let mut hasher = keyed.build_hasher();
    hasher.write_u64(name.len() as u64);
    match name.last_chunk::<8>() {
        Some(last) => {
            for word in name.as_chunks::<8>().0 {
                hasher.write_u64(u64::from_le_bytes(*word));
            }
            hasher.write_u64(u64::from_le_bytes(*last));
        }
        None => {
            let word = name.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            hasher.write_u64(word);
        }
    }
    hasher.finish()
}

/// The first 64 characters of a name.
fn first_chars(name: &str) -> &str {
    if name.len() <= 64 {
        return name;
    }
    let end = name.char_indices().nth(64).map_or(name.len(), |(end, _)| end);
    name.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn spellings_of_a_name_share_a_number() {
        let mut names = FieldNames::default();
        let numbers = ["host", "Host", "HOST", "hosts", "Content-Type", "content-type"]
            .map(|name| names.number(name.as_bytes()));
        let same = numbers.map(|number| names.get(number).unwrap().same);
        assert!(same[0] == same[1] && same[1] == same[2] && same[2] != same[3] && same[4] == same[5]);
        assert_eq!(names.get(numbers[1]).unwrap().asked, Some(Asked::Host));
        assert_eq!(names.get(numbers[3]).unwrap().asked, None);
        assert_eq!(names.number(b"Host"), numbers[1]);
        let last = Asked::of("www-authenticate").unwrap();
        assert_eq!(last as usize + 1, ASKED);
    }

    #[test]
    fn names_are_few_whatever_is_sent() {
        let mut names = FieldNames::default();
        for head in 0..100 {
            names.begin();
            for field in 0..128 {
                let number = names.number(format!("X-{head}-{field}").as_bytes());
                let lower = names.get(number).unwrap().same;
                assert_eq!(names.get(lower).unwrap().same, lower);
                assert_eq!(
                    &*names.get(lower).unwrap().spelled,
                    format!("x-{head}-{field}").as_bytes()
                );
            }
            assert!(names.names.len() <= 1024);
        }
    }
}
