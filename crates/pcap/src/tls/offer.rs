//! What a client program offers in its hellos, worked out once: lists of names, JA3 and JA4.
//!
//! A program sends the same versions, ciphers, groups and extensions with every hello (browsers that shuffle their
//! extensions miss the cache, and cost what they cost without it). Limits: 256 offers, those of ordinary size only.

use casetrace_model::{JsonObject, Text};

use super::hello::{ClientHello, is_grease};
use super::ja;
use crate::emit::clean_text;
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

/// The part of a hello's row that is the same for all hellos of a client program.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) version: Text,
    pub(crate) alpn: Option<Text>,
    pub(crate) ja3: Text,
    pub(crate) ja4: Text,
    /// Lists of versions, groups, ciphers and extensions.
    pub(crate) fields: JsonObject,
}

/// Offers seen before, each in the group its hello leads to; in a group the one asked for last stands first, and a new
/// one takes the place of the last.
#[derive(Debug, Default)]
pub(crate) struct OfferCache {
    sets: Vec<[Place; WAYS]>,
}

type Place = Option<Box<(Key, Offer)>>;

/// Everything an [`Offer`] depends on.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    transport: char,
    /// The hello without what differs from one to the next.
    hello: ClientHello,
}

impl OfferCache {
    /// What `hello` offers; `transport` is JA4's letter for TCP or QUIC.
    pub(crate) fn get(&mut self, hello: &ClientHello, transport: char) -> Offer {
        let at = set_of(hello, transport);
        if let Some(set) = self.sets.get_mut(at) {
            let wanted =
                |known: &(Key, Offer)| known.0.transport == transport && same_offer(&known.0.hello, hello);
            if let Some(place) = set.iter().position(|place| place.as_deref().is_some_and(wanted))
                && let Some(known) = &set[place]
            {
                let offer = known.1.copy();
                set[..=place].rotate_right(1);
                return offer;
            }
        }
        let offer = Offer::of(hello, transport);
        if offer.fields.len() <= MAX_KEPT {
            self.sets.resize_with(SETS, Default::default);
            if let Some(set) = self.sets.get_mut(at) {
                let hello = ClientHello {
                    server_name: None,
                    session_id: Vec::new(),
                    ..hello.clone()
                };
                set.rotate_right(1);
                set[0] = Some(Box::new((Key { transport, hello }, offer.clone())));
            }
        }
        offer
    }
}

/// Equal but for server name, session and ticket, which an [`Offer`] does not show.
fn same_offer(a: &ClientHello, b: &ClientHello) -> bool {
    a.version == b.version
        && a.ciphers == b.ciphers
        && a.extensions == b.extensions
        && a.alpn == b.alpn
        && a.versions == b.versions
        && a.groups == b.groups
        && a.key_shares == b.key_shares
        && a.point_formats == b.point_formats
        && a.signature_algorithms == b.signature_algorithms
        && a.ech == b.ech
        && a.cut == b.cut
}

/// Needs no protection against chosen collisions: offers in one group only push each other out.
fn set_of(hello: &ClientHello, transport: char) -> usize {
    let lists = [&hello.ciphers, &hello.extensions, &hello.groups, &hello.versions];
    let words = lists.into_iter().flatten().map(|word| u64::from(*word));
    let mixed = words.fold(u64::from(transport), |sum, word| {
        (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    (mixed >> 56) as usize % SETS
}

impl Offer {
    fn copy(&self) -> Self {
        Self {
            version: self.version.clone(),
            alpn: self.alpn.clone(),
            ja3: self.ja3.clone(),
            ja4: self.ja4.clone(),
            fields: self.fields.copy_with_room(ROOM),
        }
    }

    fn of(hello: &ClientHello, transport: char) -> Self {
        Self {
            version: names::tls_version(hello.highest_version()),
            alpn: protocols(hello.alpn.iter().map(Vec::as_slice)),
            ja3: Text::from(ja::ja3(hello)),
            ja4: Text::from(ja::ja4(hello, transport)),
            fields: fields(hello),
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

fn fields(hello: &ClientHello) -> JsonObject {
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
    fields.push_raw("extensions", &numbers(&hello.extensions));
    fields.push_raw("ech", if hello.ech { "true" } else { "false" });
    if hello.cut {
        fields.push_raw("cut", "true");
    }
    fields
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

fn numbers(values: &[u16]) -> String {
    let mut out = String::with_capacity(values.len() * 6 + 2);
    out.push('[');
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        ja::push_number(&mut out, u32::from(*value));
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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
                    let (got, fresh) = (cache.get(&hello, transport), Offer::of(&hello, transport));
                    assert_eq!(
                        (got.ja3, got.ja4, got.fields.finish()),
                        (fresh.ja3, fresh.ja4, fresh.fields.finish())
                    );
                }
            }
        }
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
            let fresh = Offer::of(&variant, 't');
            assert_eq!((got.ja3, got.ja4), (fresh.ja3, fresh.ja4));
            assert_eq!(got.fields.clone().finish(), fresh.fields.finish());
            drop(first);
        }
    }
}
