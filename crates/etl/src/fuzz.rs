//! Entry points for fuzzing: each takes any bytes, exercises one reader and checks what must always hold.
//!
//! They are ordinary functions so that the normal tests replay them on mutated traces; a fuzzer only has to call them.

use std::io::Cursor;

use casetrace_model::{CountOnly, Packet};

use crate::schema::{Origin, Schema, builtin, manifest, metadata, tmf, tracelogging};
use crate::value::{Settings, Values, read};
use crate::{Compression, EtlReader, Options, decode, expand};

/// Longest output that [`expansion`] asks for.
const MAX_EXPANDED: usize = 1 << 18;

/// A whole trace: counting, rows, packets; on one thread and on two, with equal results.
pub fn container(data: &[u8]) {
    let run = |threads| {
        let (mut sink, mut packets) = (CountOnly::default(), 0_u64);
        let options = Options {
            threads,
            ..Options::default()
        };
        let mut count = |_: &Packet<'_>| packets += 1;
        let decoded = decode(&mut Cursor::new(data), &options, &mut sink, Some(&mut count));
        assert!(
            decoded.inspection.lost.bytes <= expanded_ceiling(data),
            "more bytes lost than there can be"
        );
        for diagnostic in &sink.diagnostics {
            assert!(
                diagnostic.offset.is_none_or(|at| at <= data.len() as u64),
                "a diagnostic points outside of the file"
            );
        }
        (decoded.inspection, sink.rows, packets)
    };
    let one = run(1);
    // A record takes eight bytes at least, a compressed one may take less than one.
    assert!(
        one.0.records <= expanded_ceiling(data) / 8 + 1,
        "more records than there is room for"
    );
    assert_eq!(one, run(2));
    slice(data);
}

/// Buffers may promise 32 MiB each after expansion.
fn expanded_ceiling(data: &[u8]) -> u64 {
    (data.len() as u64 / 72 + 1).saturating_mul(32 << 20)
}

/// The lower layer over a slice gives the same records as over a reader.
fn slice(data: &[u8]) {
    let count = |reader: &mut EtlReader<'_>| {
        let mut events = reader.events();
        let mut sum = 0_u64;
        while let Some(event) = events.next() {
            assert!(
                event.payload().len() <= event.record().len(),
                "a payload is a part of its record"
            );
            let _ = (
                event.provider(),
                event.id(),
                event.pid(),
                event.activity_id(),
                event.extended().count(),
            );
            sum = sum.wrapping_mul(31).wrapping_add(event.raw_ts ^ event.ordinal);
        }
        sum
    };
    let by_slice = EtlReader::from_slice(data)
        .ok()
        .map(|mut reader| count(&mut reader));
    let mut source = Cursor::new(data);
    let by_reader = EtlReader::open(&mut source)
        .ok()
        .map(|mut reader| count(&mut reader));
    assert_eq!(by_slice, by_reader);
}

/// The three expansions: never more than asked for, and the error tells how much came out.
pub fn expansion(data: &[u8]) {
    let size = usize::from(data.first().copied().unwrap_or(0)) << 10;
    let mut out = Vec::new();
    for format in [
        Compression::Xpress,
        Compression::XpressHuffman,
        Compression::Lznt1,
    ] {
        match expand(
            format,
            data.get(1..).unwrap_or_default(),
            size.min(MAX_EXPANDED),
            &mut out,
        ) {
            Ok(()) => assert_eq!(out.len(), size.min(MAX_EXPANDED)),
            Err(error) => assert_eq!(out.len(), error.expanded),
        }
    }
}

/// A TraceLogging schema and a payload, each half of the data.
pub fn self_describing(data: &[u8]) {
    let (blob, payload) = data.split_at(data.len() / 2);
    values(&tracelogging::parse(blob), payload);
    let _ = tracelogging::provider_name(blob);
}

/// Embedded schema and value map, and a payload.
pub fn embedded(data: &[u8]) {
    let mut maps = metadata::Maps::new();
    if let Some((key, map)) = metadata::parse_map(data) {
        maps.insert(key, map.into());
    }
    if let Some((_, schema)) = metadata::parse_info(data, &maps) {
        values(&schema, data);
        values(&schema, &[]);
    }
}

/// A manifest in XML, and the data as payload of its first event.
pub fn manifest_xml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for manifest in manifest::parse(&text, Origin::Manifest) {
        if let Some((_, schema)) = manifest.events.first() {
            values(schema, data);
        }
    }
}

/// A TMF file, and the data as arguments of every message it has.
pub fn tmf_text(data: &[u8]) {
    let mut files = tmf::Tmf::default();
    files.add(&String::from_utf8_lossy(data));
    for message in files.messages() {
        let mut out = values(&message.schema, data);
        let _ = message.render(&out);
        out.clear();
        let _ = message.render(&out);
    }
}

/// A payload read by a layout of the built-in table; the first bytes choose which.
pub fn builtin_layout(data: &[u8]) {
    let id = u16::from_le_bytes([
        data.first().copied().unwrap_or(0),
        data.get(1).copied().unwrap_or(0),
    ]);
    for provider in [
        crate::names::WEBIO,
        crate::names::WININET,
        crate::names::DNS_CLIENT,
        crate::names::PKTMON,
    ] {
        if let Some(schema) = builtin::find(provider, id, u8::MAX, 22631) {
            values(&schema, data.get(2..).unwrap_or_default());
        }
    }
}

fn values(schema: &Schema, payload: &[u8]) -> Values {
    let mut out = Values::default();
    for pointer in [4, 8] {
        read(
            schema,
            payload,
            Settings {
                pointer,
                max_value: 1 << 10,
            },
            &mut out,
        );
        assert!(out.rest <= payload.len(), "more is left than there was");
        let mut object = casetrace_model::JsonObject::new();
        out.write_json(&mut object);
        let text = object.finish();
        assert!(
            serde_json::from_str::<serde_json::Value>(&text).is_ok(),
            "fields are JSON"
        );
        out.mask(&[]);
    }
    out
}
