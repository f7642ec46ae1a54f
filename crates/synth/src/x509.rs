//! X.509 v3 certificates that any parser accepts. The signature is noise: nothing here needs to verify it.
//!
//! Source: RFC 5280.

use crate::bytes::noise;
use crate::der::{bits, boolean, context, integer, null, octets, oid, printable, sequence, set, tlv, utf8};
use crate::moment::Moment;

/// What a certificate says.
#[derive(Debug, Clone)]
pub struct Certificate {
    subject: Vec<(&'static str, String)>,
    issuer: Vec<(&'static str, String)>,
    san: Vec<String>,
    not_before: Moment,
    not_after: Moment,
    ca: bool,
}

/// Attribute type short names used in [`Certificate::new`].
fn attribute_oid(name: &str) -> &'static str {
    match name {
        "C" => "2.5.4.6",
        "O" => "2.5.4.10",
        "OU" => "2.5.4.11",
        "L" => "2.5.4.7",
        "ST" => "2.5.4.8",
        _ => "2.5.4.3",
    }
}

/// Reads `CN=a, O=b` into attribute pairs. Values can't contain a comma.
fn names(text: &str) -> Vec<(&'static str, String)> {
    const KNOWN: [&str; 6] = ["CN", "C", "O", "OU", "L", "ST"];
    text.split(',')
        .filter_map(|part| part.trim().split_once('='))
        .map(|(key, value)| {
            (
                KNOWN.into_iter().find(|k| *k == key).unwrap_or("CN"),
                value.to_owned(),
            )
        })
        .collect()
}

fn name_der(pairs: &[(&'static str, String)]) -> Vec<u8> {
    // Encoded names run from the most general attribute; texts are usually written CN first.
    let parts: Vec<Vec<u8>> = pairs
        .iter()
        .rev()
        .map(|(key, value)| {
            let text = if *key == "C" {
                printable(value)
            } else {
                utf8(value)
            };
            set(&[sequence(&[oid(attribute_oid(key)), text])])
        })
        .collect();
    sequence(&parts)
}

impl Certificate {
    /// A certificate of one year around 2026, names as `CN=…, O=…, C=…`.
    pub fn new(subject: &str, issuer: &str) -> Self {
        Self {
            subject: names(subject),
            issuer: names(issuer),
            san: Vec::new(),
            not_before: Moment::at("2025-12-01T00:00:00Z"),
            not_after: Moment::at("2026-11-30T23:59:59Z"),
            ca: false,
        }
    }

    /// Adds DNS names.
    #[must_use]
    pub fn san(mut self, names: &[&str]) -> Self {
        self.san.extend(names.iter().map(ToString::to_string));
        self
    }

    /// Sets the validity.
    #[must_use]
    pub fn valid(mut self, from: Moment, to: Moment) -> Self {
        (self.not_before, self.not_after) = (from, to);
        self
    }

    /// Marks it as an authority.
    #[must_use]
    pub fn authority(mut self) -> Self {
        self.ca = true;
        self
    }

    fn extensions(&self) -> Vec<u8> {
        let mut list = vec![];
        if self.ca {
            let basic = sequence(&[boolean(true)]);
            list.push(sequence(&[oid("2.5.29.19"), boolean(true), octets(&basic)]));
        }
        if !self.san.is_empty() {
            let names: Vec<Vec<u8>> = self.san.iter().map(|n| tlv(0x82, n.as_bytes())).collect();
            list.push(sequence(&[oid("2.5.29.17"), octets(&sequence(&names))]));
        }
        if list.is_empty() {
            vec![]
        } else {
            context(3, &sequence(&list))
        }
    }

    /// The DER bytes.
    pub fn der(&self) -> Vec<u8> {
        let label = format!("{:?}{:?}", self.subject, self.issuer);
        let algorithm = sequence(&[oid("1.2.840.113549.1.1.11"), null()]);
        let mut modulus = vec![0u8];
        modulus.extend(noise(&label, 256));
        modulus[1] |= 0x80;
        let key = sequence(&[
            sequence(&[oid("1.2.840.113549.1.1.1"), null()]),
            bits(&sequence(&[tlv(0x02, &modulus), integer(65537)])),
        ]);
        let mut serial = noise(&format!("serial {label}"), 16);
        serial[0] = serial[0] & 0x7f | 0x40;
        let utc = |m: Moment| tlv(0x17, m.format("%y%m%d%H%M%SZ", 0).as_bytes());
        let body = sequence(&[
            context(0, &integer(2)),
            tlv(0x02, &serial),
            algorithm.clone(),
            name_der(&self.issuer),
            sequence(&[utc(self.not_before), utc(self.not_after)]),
            name_der(&self.subject),
            key,
            self.extensions(),
        ]);
        sequence(&[body, algorithm, bits(&noise(&format!("signature {label}"), 256))])
    }
}
