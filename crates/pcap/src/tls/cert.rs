//! Certificates: the names, dates and hash a reader wants to see.
//!
//! Source: RFC 5280, parsed by `x509-parser`. Names are written as `openssl x509` prints them
//! (`C=US, O=Example, CN=host`). What the parser refuses still gives its hash and size.

use std::sync::Arc;

use casetrace_model::{JsonObject, Text, member, time};
use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::Tag;
use x509_parser::prelude::*;

use super::ja::hex;

/// Alternative names kept of one certificate.
const MAX_NAMES: usize = 100;
/// Certificates remembered; the same few chains come again and again.
const SLOTS: usize = 1024;
/// Longest certificate that is remembered.
const MAX_KEPT: usize = 8 << 10;

/// What is kept of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Subject, `C=US, O=Example, CN=host`.
    pub subject: Option<Text>,
    /// Issuer, likewise.
    pub issuer: Option<Text>,
    /// Start of validity, RFC 3339.
    pub not_before: Option<Text>,
    /// End of validity, RFC 3339.
    pub not_after: Option<Text>,
    /// DNS names, addresses and URIs of the subject.
    pub san: Vec<Text>,
    /// SHA-256 of the DER bytes, lower-case hex.
    pub sha256: Text,
    /// Serial number, lower-case hex.
    pub serial: Option<Text>,
    /// Size of the DER bytes.
    pub bytes: usize,
    /// The summary as JSON, made once.
    json: Text,
}

/// Reads one DER certificate; damage leaves fields empty.
pub fn parse_certificate(der: &[u8]) -> Certificate {
    let sha256 = Text::from(hex(&Sha256::digest(der)));
    let mut out = Certificate {
        subject: None,
        issuer: None,
        not_before: None,
        not_after: None,
        san: Vec::new(),
        sha256,
        serial: None,
        bytes: der.len(),
        json: Text::default(),
    };
    if let Ok((_, cert)) = X509Certificate::from_der(der) {
        out.subject = Some(name_text(cert.subject()));
        out.issuer = Some(name_text(cert.issuer()));
        out.not_before = date(cert.validity().not_before);
        out.not_after = date(cert.validity().not_after);
        out.serial = Some(Text::from(hex(cert.raw_serial())));
        out.san = alternative_names(&cert);
    }
    out.json = Text::from(out.summary());
    out
}

fn date(at: ASN1Time) -> Option<Text> {
    let ns = at.timestamp().checked_mul(1_000_000_000);
    // Years before 1677 or after 2262 do occur in test certificates; they are left out.
    let mut text = time::to_rfc3339(ns?);
    text.truncate(19);
    text.push('Z');
    Some(Text::from(text))
}

fn alternative_names(cert: &X509Certificate<'_>) -> Vec<Text> {
    let Ok(Some(extension)) = cert.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter().take(MAX_NAMES);
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(crate::emit::clean_text(name.as_bytes(), 255)),
            GeneralName::URI(uri) => Some(crate::emit::clean_text(uri.as_bytes(), 255)),
            GeneralName::RFC822Name(mail) => Some(crate::emit::clean_text(mail.as_bytes(), 255)),
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<Text> {
    use crate::net::addr::Addr;
    match bytes.len() {
        4 => Some(Addr::v4(*bytes.first_chunk()?).text()),
        16 => Some(Addr::v6(*bytes.first_chunk()?).text()),
        _ => None,
    }
}

/// A distinguished name in the order of the certificate, multi-valued parts joined by ` + `.
fn name_text(name: &X509Name<'_>) -> Text {
    let mut out = String::new();
    for rdn in name.iter() {
        for (i, attribute) in rdn.iter().enumerate() {
            if out.len() > 2048 {
                return Text::from(out);
            }
            if i > 0 {
                out.push_str(" + ");
            } else if !out.is_empty() {
                out.push_str(", ");
            }
            out.push_str(&short_name(&attribute.attr_type().to_id_string()));
            out.push('=');
            push_value(&mut out, attribute);
        }
    }
    Text::from(out)
}

fn short_name(oid: &str) -> Text {
    Text::new_static(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.13" => "description",
        "2.5.4.15" => "businessCategory",
        "2.5.4.17" => "postalCode",
        "2.5.4.18" => "postOfficeBox",
        "2.5.4.20" => "telephoneNumber",
        "2.5.4.41" => "name",
        "2.5.4.42" => "GN",
        "2.5.4.43" => "initials",
        "2.5.4.44" => "generationQualifier",
        "2.5.4.46" => "dnQualifier",
        "2.5.4.65" => "pseudonym",
        "2.5.4.97" => "organizationIdentifier",
        "1.2.840.113549.1.9.1" => "emailAddress",
        "1.2.840.113549.1.9.2" => "unstructuredName",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" => "UID",
        "1.3.6.1.4.1.311.60.2.1.1" => "jurisdictionL",
        "1.3.6.1.4.1.311.60.2.1.2" => "jurisdictionST",
        "1.3.6.1.4.1.311.60.2.1.3" => "jurisdictionC",
        other => return Text::from(other),
    })
}

fn push_value(out: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let value = attribute.attr_value();
    let bytes = value.data;
    let text: String = match value.tag() {
        Tag::BmpString => {
            let units = bytes.as_chunks::<2>().0.iter().map(|b| u16::from_be_bytes(*b));
            char::decode_utf16(units)
                .map(|c| c.unwrap_or('\u{fffd}'))
                .collect()
        }
        Tag::TeletexString => bytes.iter().map(|b| char::from(*b)).collect(),
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::VisibleString | Tag::NumericString => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        _ => format!("#{}", hex(bytes.get(..64).unwrap_or(bytes))),
    };
    out.extend(
        text.chars()
            .take(512)
            .map(|c| if c.is_control() { '\u{fffd}' } else { c }),
    );
}

impl Certificate {
    fn summary(&self) -> String {
        let mut object = JsonObject::new()
            .opt_str(member!("subject"), self.subject.as_deref())
            .opt_str(member!("issuer"), self.issuer.as_deref())
            .str(member!("sha256"), &self.sha256)
            .opt_str(member!("not_before"), self.not_before.as_deref())
            .opt_str(member!("not_after"), self.not_after.as_deref())
            .opt_str(member!("serial"), self.serial.as_deref());
        if self.subject.is_none() {
            object.push_num(member!("unparsed_bytes"), self.bytes as u64);
        }
        object.push_list(member!("san"), self.san.iter().map(Text::as_str));
        object.finish()
    }

    /// Issued by itself, by name.
    pub fn self_signed(&self) -> bool {
        self.subject.is_some() && self.subject == self.issuer
    }
}

/// Certificates parsed before, each in the one slot its last bytes lead to; a newer one takes the slot over.
#[derive(Debug, Default)]
pub(crate) struct CertificateCache {
    slots: Vec<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    der: Box<[u8]>,
    parsed: Arc<Certificate>,
}

impl CertificateCache {
    pub(crate) fn get(&mut self, der: &[u8]) -> Arc<Certificate> {
        let at = slot_of(der);
        if let Some(Some(known)) = self.slots.get(at)
            && *known.der == *der
        {
            return Arc::clone(&known.parsed);
        }
        let parsed = Arc::new(parse_certificate(der));
        if der.len() <= MAX_KEPT {
            self.slots.resize_with(SLOTS, || None);
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = Some(Known {
                    der: der.into(),
                    parsed: Arc::clone(&parsed),
                });
            }
        }
        parsed
    }
}

/// A certificate ends with its signature, which is as good as random. Whoever forges equal ends only makes
/// certificates push each other out.
fn slot_of(der: &[u8]) -> usize {
    let end = der.last_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b));
    let mixed = (end ^ der.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % SLOTS
}

/// A chain as a JSON list.
pub(crate) fn chain_json(chain: &[Arc<Certificate>]) -> String {
    let mut out = String::with_capacity(chain.iter().map(|c| c.json.len() + 1).sum::<usize>() + 2);
    out.push('[');
    for (i, certificate) in chain.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(&certificate.json);
    }
    out.push(']');
    out
}

/// The DER bytes of each certificate in a Certificate message of TLS 1.2 and older.
///
/// A message that ends early gives the certificates that are whole.
pub fn certificate_list(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body.get(3..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (len, tail) = rest.split_first_chunk::<3>()?;
        let len = usize::from(len[0]) << 16 | usize::from(len[1]) << 8 | usize::from(len[2]);
        let der = tail.get(..len)?;
        rest = tail.get(len..).unwrap_or_default();
        (!der.is_empty()).then_some(der)
    })
    .take(64)
}

/// A bare DER name, as CertificateRequest lists them.
pub(crate) fn parse_name(der: &[u8]) -> Option<Text> {
    X509Name::from_der(der).ok().map(|(_, name)| name_text(&name))
}
