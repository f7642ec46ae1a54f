//! Manifests that .NET EventSources send along in pieces (event id 0xFFFE).
//!
//! Source: etl-format §4.4: format, version, magic, number of pieces, number of this piece, XML.

use std::collections::BTreeMap;

use crate::Guid;
use crate::bytes::{u8_at, u16_at};
use crate::survey::{Kept, KeptKind};

/// A manifest of 16 MiB describes more than any program logs.
const MAX_BYTES: usize = 16 << 20;
const HEAD: usize = 8;

/// Puts the pieces together; each whole manifest comes once per provider.
pub(crate) fn manifests(kept: &[Kept]) -> Vec<(Guid, String)> {
    let mut pieces: BTreeMap<(Guid, u32), BTreeMap<u16, &[u8]>> = BTreeMap::new();
    let mut totals: BTreeMap<(Guid, u32), u16> = BTreeMap::new();
    for record in kept.iter().filter(|k| k.kind == KeptKind::ManifestChunk) {
        let payload = record.payload.as_slice();
        if u8_at(payload, 0) != 1 || payload.len() < HEAD {
            continue;
        }
        let key = (record.provider, record.pid);
        totals.insert(key, u16_at(payload, 4));
        // Sources repeat their manifest whenever a session asks; the first copy of a piece is as good as the others.
        pieces
            .entry(key)
            .or_default()
            .entry(u16_at(payload, 6))
            .or_insert_with(|| payload.get(HEAD..).unwrap_or_default());
    }
    let mut out: Vec<(Guid, String)> = Vec::new();
    for (key, parts) in pieces {
        let total = usize::from(totals.get(&key).copied().unwrap_or(0));
        let whole = parts.len() == total
            && parts
                .keys()
                .enumerate()
                .all(|(i, number)| i == usize::from(*number));
        let len: usize = parts.values().map(|part| part.len()).sum();
        if !whole || len > MAX_BYTES {
            continue;
        }
        let xml = String::from_utf8_lossy(&parts.into_values().collect::<Vec<_>>().concat()).into_owned();
        if !out
            .iter()
            .any(|(provider, known)| *provider == key.0 && *known == xml)
        {
            out.push((key.0, xml));
        }
    }
    out
}
