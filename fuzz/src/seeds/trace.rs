//! Event traces, and the parts of them that have a reader of their own.

use casetrace_etl::EtlReader;
use casetrace_synth::etl::{Etl, NDIS_PACKET_CAPTURE, Process, TraceLogging, compress, message};
use casetrace_synth::event::{Event, Provider, Value};
use casetrace_synth::moment::Moment;

use super::CASE;

const DNS: Provider = Provider {
    name: "Microsoft-Windows-DNS-Client",
    guid: "1c95126e-7eea-49a9-a3fe-a378b03ddb4d",
    channel: "",
};
const SCHEMAS: &str = "bbccf6c1-6cd1-48c4-80ff-839482e37671";

/// A little of everything in small buffers.
fn small() -> Etl {
    let start = Moment::at("2026-03-02T01:00:00Z");
    let mut etl = Etl::new(start).cpus(2).buffer_size(2048);
    let query = Event::new(DNS, 3006, start.plus_ms(1))
        .process(700, 704)
        .field("QueryName", "a.example")
        .field("QueryType", Value::U32(1));
    for i in 0..4 {
        let at = start.plus_ms(i * 10);
        etl.event(&query.clone().cpu(u16::from(i % 2 == 1)));
        TraceLogging::new("Contoso.Test", "Step", at.plus_us(3))
            .field("number", Value::U32(7))
            .field("text", "some text")
            .field("bytes", Value::Binary(vec![1, 2, 3]))
            .add_to(&mut etl);
        let frame = Event::new(NDIS_PACKET_CAPTURE, 1001, at.plus_us(5))
            .keywords(0x8000_0401_c000_0001)
            .field("", Value::U32(8))
            .field("", Value::U32(8))
            .field("", Value::U32(60))
            .field("", Value::Binary(vec![0x5a; 60]));
        etl.event(&frame);
        let raw = etl.raw_ts(at);
        let wpp = message("11111111-2222-3333-4444-555555555555", 12, raw, 4, 8, &[1, 2, 3]);
        etl.record(1, at, wpp);
    }
    etl.process_rundown(&Process::new(700, "lsass.exe", "S-1-5-18"), start.plus_s(1));
    etl.schema(&query, start.plus_s(1));
    etl.packet_schema(start.plus_s(1));
    etl
}

/// Plain, compressed, unclosed, and a merged network trace.
pub(crate) fn files() -> Vec<Vec<u8>> {
    vec![
        small().write(),
        small().compressed().write(),
        small().unclosed().write(),
        CASE.kernel_trace(),
        CASE.nettrace(),
    ]
}

/// Size in KiB, then compressed bytes.
pub(crate) fn compressed() -> Vec<Vec<u8>> {
    let text = b"some text that repeats, some text that repeats. ".repeat(64);
    let plain: Vec<u8> = text.iter().copied().take(2048).collect();
    // LZNT1: a stored chunk of 4 KiB, and a compressed one whose flags say "literals only".
    let stored = [&[4, 0xff, 0x3f][..], &[0x41; 4096]].concat();
    let literals = [&[1, 0x08, 0xb0, 0][..], b"literals"].concat();
    // XPRESS: 32 literals behind flags of zero, then a match.
    let xpress = [
        &[1, 0, 0, 0, 0][..],
        &[0x42; 32],
        &[0, 0, 0, 0x80, 0x07, 0x01, 0xff, 0xff],
    ]
    .concat();
    vec![[&[2][..], &compress(&plain)].concat(), stored, literals, xpress]
}

/// Calls `f` with every event of the small trace and of the network trace.
fn each_event(mut f: impl FnMut(&casetrace_etl::Event<'_>)) {
    for file in [small().write(), CASE.nettrace()] {
        let Ok(mut reader) = EtlReader::from_slice(&file) else {
            continue;
        };
        let mut events = reader.events();
        while let Some(event) = events.next() {
            f(&event);
        }
    }
}

/// Adds an input that is not there yet.
fn add(out: &mut Vec<Vec<u8>>, input: Vec<u8>) {
    if !out.contains(&input) && out.len() < 200 {
        out.push(input);
    }
}

/// A schema and a payload of the same length.
pub(crate) fn tracelogging() -> Vec<Vec<u8>> {
    const SCHEMA: u16 = 11;
    let mut out = Vec::new();
    each_event(|event| {
        for item in event.extended().filter(|item| item.kind == SCHEMA) {
            let mut payload = event.payload().to_vec();
            payload.resize(item.data.len(), 0);
            add(&mut out, [item.data, &payload].concat());
        }
    });
    out
}

/// Embedded schemas.
pub(crate) fn metadata() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    each_event(|event| {
        if event.provider().is_some_and(|guid| guid.to_string() == SCHEMAS) {
            add(&mut out, event.payload().to_vec());
        }
    });
    out
}

/// An event's number, then its payload.
pub(crate) fn payloads() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    each_event(|event| {
        add(
            &mut out,
            [&event.id().to_le_bytes()[..], event.payload()].concat(),
        )
    });
    out
}

/// A provider manifest with every construct that is read.
pub(crate) fn manifests() -> Vec<Vec<u8>> {
    let text = r#"<?xml version="1.0"?><instrumentationManifest><instrumentation><events>
<provider name="Contoso-Net" guid="{11111111-2222-3333-4444-555555555555}" symbol="NET">
<keywords><keyword name="Wire" mask="0x10" message="$(string.wire)"/></keywords>
<tasks><task name="Send" value="3" message="$(string.send)"><opcodes><opcode name="Retry" value="20"/></opcodes></task></tasks>
<maps><valueMap name="State"><map value="1" message="$(string.up)"/><map value="0x2" message="$(string.down)"/></valueMap>
<bitMap name="Flags"><map value="0x4" message="$(string.up)"/></bitMap></maps>
<templates><template tid="T"><data name="Count" inType="win:UInt16"/><data name="Name" inType="win:UnicodeString" length="Count"/>
<data name="Address" inType="win:Binary" outType="win:SocketAddress" length="16"/><data name="State" inType="win:UInt32" map="State"/>
<struct name="Part" count="Count"><data name="Id" inType="win:GUID"/><data name="Text" inType="win:AnsiString"/></struct></template></templates>
<events><event value="7" version="1" level="win:Error" task="Send" opcode="Retry" keywords="Wire" template="T" message="$(string.m)"/>
<event value="8" level="win:Informational" message="$(string.wire)"/></events></provider></events></instrumentation>
<localization><resources culture="en-US"><stringTable><string id="m" value="Sent %1 of %2 (%4!s!) %n%%"/><string id="wire" value="On the wire"/>
<string id="send" value="Send &amp; wait"/><string id="up" value="Up"/><string id="down" value="Down"/></stringTable></resources></localization>
</instrumentationManifest>"#;
    vec![text.as_bytes().to_vec()]
}

/// Message formats with every item type of note.
pub(crate) fn tmf() -> Vec<Vec<u8>> {
    let text = "// PDB:  net.pdb\n11111111-2222-3333-4444-555555555555 net.dll // SRC=send.c MJ= MN=\n\
        #typev send_c77 13 \"%0%!FUNC! sent %10!d! of %11!I64u! to %12!s! as %13!S!, %14!08X! %15!p! %%\" //   LEVEL=TRACE_LEVEL_WARNING FLAGS=WIRE FUNC=Send\n\
        {\nleft, ItemLong -- 10\nsize, ItemULongLong -- 11\nname, ItemString -- 12\nwide, ItemWString -- 13\ncode, ItemNTSTATUS -- 14\nat, ItemPtr -- 15\n}\n\
        #typev send_c90 14 \"%0%10!s! %11!s! %12!s! %13!.3f!\" // LEVEL=8 FUNC=Close\n\
        {\nwhy, ItemListLong(none,timeout,reset) -- 10\nid, ItemGuid -- 11\nwhere, ItemIPAddr -- 12\nratio, ItemDouble -- 13\n}\n";
    vec![text.as_bytes().to_vec()]
}
