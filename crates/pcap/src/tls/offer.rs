//! What a client program offers in its hellos, worked out once: lists of names, JA3 and JA4.
//!
//! A program sends the same versions, ciphers, groups and extensions with every hello. Browsers send their extensions
//! in another order each time, and other GREASE values: only what shows them (JA3, the list of extensions) is worked out
//! again then. Limits: 256 offers, those of ordinary size only.

use std::cell::LazyCell;
use std::sync::Arc;

use casetrace_model::{JsonObject, Row, Text, member};

use super::hello::{ClientHello, is_grease};
use super::ja;
use crate::emit::{clean_text, fields_of};
use crate::names;

/// Places in the cache a hello can be in.
const WAYS: usize = 4;
/// Groups of such places. One place a hello would do for few programs only: of 190 different offers in a capture of
/// 6,119 hellos, pairs that share a place pushed each other out for every second hello.
const SETS: usize = 64;
/// Room for what a hello's row says besides: how it was answered, connection ids, the proxy.
const ROOM: usize = 192;
/// Longest text of an offer that is kept.
const MAX_KEPT: usize = 8 << 10;

/// What a hello offers. Most of it is the same for all hellos of a client program and shared by them: a kilobyte that would
/// else wait with each.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    known: Arc<Known>,
    /// If it is not that of the known hello.
    ja3: Option<Text>,
    /// What this hello has for itself, behind the shared members.
    pub(crate) own: JsonObject,
}

/// What all hellos of a program show.
#[derive(Debug)]
struct Shown {
    version: Text,
    alpn: Option<Text>,
    ja3: Text,
    ja4: Text,
    /// Lists of versions, groups and ciphers.
    fields: JsonObject,
}

/// Offers seen before, each in the group its hello leads to; in a group the one asked for last stands first, and a new
/// one takes the place of the last.
#[derive(Debug, Default)]
pub(crate) struct OfferCache {
    sets: Vec<[Place; WAYS]>,
}

type Place = Option<Arc<Known>>;

/// An offer and what it was made of.
#[derive(Debug)]
struct Known {
    transport: char,
    /// The hello without what differs from one to the next.
    hello: ClientHello,
    /// Its extensions in ascending order, GREASE left out.
    extensions: Vec<u16>,
    shown: Shown,
}

impl OfferCache {
    /// What `hello` offers; `transport` is JA4's letter for TCP or QUIC.
    pub(crate) fn get(&mut self, hello: &ClientHello, transport: char) -> Offer {
        let at = set_of(hello, transport);
        let extensions = LazyCell::new(|| ascending(&hello.extensions));
        if let Some(set) = self.sets.get_mut(at) {
            let wanted = |known: &Known| {
                known.transport == transport
                    && same_program(&known.hello, hello)
                    && (same_words(&known.hello.extensions, &hello.extensions)
                        || known.extensions == *extensions)
            };
            if let Some(place) = set.iter().position(|place| place.as_deref().is_some_and(wanted))
                && let Some(known) = &set[place]
            {
                let offer = Offer::new(known, hello);
                set[..=place].rotate_right(1);
                return offer;
            }
        }
        let known = Arc::new(Known {
            transport,
            hello: ClientHello {
                server_name: None,
                session_id: Vec::new(),
                ..hello.clone()
            },
            extensions: extensions.clone(),
            shown: Shown::of(hello, transport),
        });
        let offer = Offer::new(&known, hello);
        if known.shown.fields.len() + offer.own.len() <= MAX_KEPT {
            self.sets.resize_with(SETS, Default::default);
            if let Some(set) = self.sets.get_mut(at) {
                set.rotate_right(1);
                set[0] = Some(known);
            }
        }
        offer
    }
}

impl Offer {
    /// The offer of a hello of the same program, with what may differ.
    fn new(known: &Arc<Known>, hello: &ClientHello) -> Self {
        let mut own = JsonObject::with_capacity(ROOM + 6 * hello.extensions.len());
        own_fields(&mut own, hello);
        let same = same_words(&known.hello.extensions, &hello.extensions);
        Self {
            known: Arc::clone(known),
            ja3: (!same).then(|| Text::from(ja::ja3(hello))),
            own,
        }
    }

    /// The highest version.
    pub(crate) fn version(&self) -> &Text {
        &self.known.shown.version
    }

    /// Fills in its columns and fields.
    pub(crate) fn fill(self, row: &mut Row) {
        let shown = &self.known.shown;
        row.alpn.clone_from(&shown.alpn);
        row.tls_version = Some(shown.version.clone());
        row.ja4 = Some(shown.ja4.clone());
        row.ja3 = Some(self.ja3.unwrap_or_else(|| shown.ja3.clone()));
        let mut fields = fields_of(row, shown.fields.len() + self.own.len());
        fields.append(&shown.fields);
        fields.append(&self.own);
        row.fields = fields.finish();
    }
}

/// Equal but for GREASE and what differs between hellos of one program. Extensions are looked at elsewhere.
fn same_program(a: &ClientHello, b: &ClientHello) -> bool {
    a.version == b.version
        && same_words(&a.ciphers, &b.ciphers)
        && a.alpn == b.alpn
        && same_words(&a.versions, &b.versions)
        && same_words(&a.groups, &b.groups)
        && same_words(&a.key_shares, &b.key_shares)
        && a.point_formats == b.point_formats
        && a.signature_algorithms == b.signature_algorithms
}

/// Equal if every GREASE value counts as the same.
fn same_words(a: &[u16], b: &[u16]) -> bool {
    let same = |(a, b): (&u16, &u16)| a == b || is_grease(*a) && is_grease(*b);
    a.len() == b.len() && a.iter().zip(b).all(same)
}

fn ascending(extensions: &[u16]) -> Vec<u16> {
    let mut plain: Vec<u16> = extensions.iter().copied().filter(|v| !is_grease(*v)).collect();
    plain.sort_unstable();
    plain
}

/// Needs no protection against chosen collisions: offers in one group only push each other out.
fn set_of(hello: &ClientHello, transport: char) -> usize {
    let plain = |list: &[u16]| {
        list.iter()
            .copied()
            .filter(|v| !is_grease(*v))
            .map(u64::from)
            .fold(0_u64, mix)
    };
    let extensions = hello.extensions.iter().filter(|v| !is_grease(**v));
    // A sum, which does not depend on their order.
    let extensions = extensions
        .map(|v| mix(0, u64::from(*v)))
        .fold(0, u64::wrapping_add);
    let parts = [
        plain(&hello.ciphers),
        plain(&hello.groups),
        plain(&hello.versions),
        extensions,
    ];
    (parts.into_iter().fold(u64::from(transport), mix) >> 56) as usize % SETS
}

fn mix(sum: u64, word: u64) -> u64 {
    (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Shown {
    fn of(hello: &ClientHello, transport: char) -> Self {
        Self {
            version: names::tls_version(hello.highest_version()),
            alpn: protocols(hello.alpn.iter().map(Vec::as_slice)),
            ja3: Text::from(ja::ja3(hello)),
            ja4: Text::from(ja::ja4(hello, transport)),
            fields: program_fields(hello),
        }
    }
}

/// ALPN names, comma separated.
pub(crate) fn protocols<'a>(names: impl Iterator<Item = &'a [u8]>) -> Option<Text> {
    let mut out = String::new();
    for name in names {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&clean_text(name, 64));
    }
    (!out.is_empty()).then(|| Text::from(out))
}

/// What all hellos of a program share.
fn program_fields(hello: &ClientHello) -> JsonObject {
    let mut fields = JsonObject::with_capacity(1792);
    let offered = if hello.versions.is_empty() {
        std::slice::from_ref(&hello.version)
    } else {
        &hello.versions
    };
    let group = |v: u16| names::TLS_GROUPS.or_hex(u32::from(v));
    push_names(&mut fields, "versions", offered, names::tls_version);
    push_names(&mut fields, "groups", &hello.groups, group);
    if !hello.key_shares.is_empty() {
        push_names(&mut fields, "key_shares", &hello.key_shares, group);
    }
    push_names(&mut fields, "ciphers", &hello.ciphers, names::cipher);
    fields
}

/// What each hello has for itself.
fn own_fields(fields: &mut JsonObject, hello: &ClientHello) {
    fields.push_numbers(member!("extensions"), &hello.extensions);
    fields.push_raw(member!("ech"), if hello.ech { "true" } else { "false" });
    if hello.cut {
        fields.push_raw(member!("cut"), "true");
    }
}

/// A list of registered names, GREASE left out; none of them needs escaping.
fn push_names(fields: &mut JsonObject, key: &str, values: &[u16], name: impl Fn(u16) -> Text) {
    let mut list = String::with_capacity(values.len() * 40 + 2);
    list.push('[');
    for value in values.iter().copied().filter(|v| !is_grease(*v)) {
        if list.len() > 1 {
            list.push(',');
        }
        list.push('"');
        list.push_str(&name(value));
        list.push('"');
    }
    list.push(']');
    fields.push_raw(key, &list);
}

#[cfg(test)]
mod tests {
    use casetrace_model::Source;

    use super::*;

    /// JA3, JA4 and fields as a row shows them.
    fn shown(offer: Offer) -> (Option<Text>, Option<Text>, String) {
        let mut row = Row::new(Source::Pcap, "tls.client_hello", 1);
        offer.fill(&mut row);
        (row.ja3, row.ja4, row.fields)
    }

    fn fresh(hello: &ClientHello, transport: char) -> Offer {
        OfferCache::default().get(hello, transport)
    }

    fn hello(ciphers: &[u16], name: &str) -> ClientHello {
        ClientHello {
            version: 0x0303,
            ciphers: ciphers.to_vec(),
            extensions: vec![0, 10],
            server_name: Some(name.into()),
            session_id: name.as_bytes().to_vec(),
            ..ClientHello::default()
        }
    }

    #[test]
    fn a_remembered_offer_equals_a_fresh_one() {
        let mut cache = OfferCache::default();
        // More offers than places, so that some push others out, and every one twice.
        for round in 0..2_u16 {
            for cipher in 0..600_u16 {
                for transport in ['t', 'q'] {
                    let hello = hello(&[cipher, 0x1301], &format!("host{round}.example"));
                    let (got, fresh) = (cache.get(&hello, transport), fresh(&hello, transport));
                    assert_eq!(shown(got), shown(fresh));
                }
            }
        }
    }

    #[test]
    fn shuffled_extensions_and_grease_show_where_they_must() {
        let mut cache = OfferCache::default();
        let first = ClientHello {
            extensions: vec![0x0a0a, 0, 10, 43, 0x1a1a],
            ..hello(&[0x2a2a, 0x1301], "a")
        };
        let second = ClientHello {
            extensions: vec![0x3a3a, 43, 0, 10, 0x4a4a],
            ..hello(&[0x5a5a, 0x1301], "a")
        };
        let third = ClientHello {
            extensions: vec![0x3a3a, 43, 0, 11, 0x4a4a],
            ..second.clone()
        };
        let (one, other) = (shown(cache.get(&first, 't')), shown(cache.get(&second, 't')));
        let kept = |cache: &OfferCache| cache.sets.iter().flatten().flatten().count();
        assert_eq!(kept(&cache), 1);
        assert_eq!(one.1, other.1);
        assert_ne!(one.0, other.0);
        for hello in [&second, &first, &third] {
            let (got, fresh) = (cache.get(hello, 't'), fresh(hello, 't'));
            assert_eq!(shown(got), shown(fresh));
        }
        assert_eq!(kept(&cache), 2);
    }

    #[test]
    fn every_part_of_the_offer_counts() {
        let plain = hello(&[0x1301], "a");
        let variants = [
            ClientHello {
                ech: true,
                ..plain.clone()
            },
            ClientHello {
                cut: true,
                ..plain.clone()
            },
            ClientHello {
                key_shares: vec![29],
                ..plain.clone()
            },
            ClientHello {
                point_formats: vec![0],
                ..plain.clone()
            },
            ClientHello {
                signature_algorithms: vec![0x0403],
                ..plain.clone()
            },
            ClientHello {
                alpn: vec![b"h2".to_vec()],
                ..plain.clone()
            },
            ClientHello {
                version: 0x0302,
                ..plain.clone()
            },
        ];
        for variant in variants {
            let mut cache = OfferCache::default();
            let first = cache.get(&plain, 't');
            let got = cache.get(&variant, 't');
            let fresh = fresh(&variant, 't');
            assert_eq!(shown(got), shown(fresh));
            drop(first);
        }
    }
}
