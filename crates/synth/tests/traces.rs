//! Trace logs, walked buffer by buffer and record by record with nothing but the format's description.
#![expect(clippy::unwrap_used, reason = "tests")]

use casetrace_synth::etl::{Clock, Etl, TraceLogging, compress};
use casetrace_synth::event::{Event, Provider, Value};
use casetrace_synth::moment::Moment;
use casetrace_synth::net::{Tcp, Wire, tls};

const AAD: Provider = Provider {
    name: "Microsoft-Windows-AAD",
    guid: "4de9bc9c-b27a-43c9-8994-0915f1a5e24f",
    channel: "",
};

fn start() -> Moment {
    Moment::at("2026-03-02T01:00:00Z")
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()))
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Expands a compressed payload by the letter of MS-XCA 2.4.
fn expand(input: &[u8], want: usize) -> Vec<u8> {
    let (mut out, mut at, mut flags, mut left, mut nibble) = (vec![], 0, 0u32, 0, None::<usize>);
    while out.len() < want {
        if left == 0 {
            (flags, left) = (u32_at(input, at) as u32, 32);
            at += 4;
        }
        left -= 1;
        if flags >> left & 1 == 0 {
            out.push(input[at]);
            at += 1;
            continue;
        }
        let word = u16_at(input, at);
        at += 2;
        let mut length = word & 7;
        if length == 7 {
            let extra = match nibble.take() {
                Some(place) => input[place] >> 4,
                None => {
                    nibble = Some(at);
                    at += 1;
                    input[at - 1] & 15
                }
            };
            length += usize::from(extra);
            if extra == 15 {
                length += usize::from(input[at]);
                at += 1;
            }
        }
        let from = out.len() - (word >> 3) - 1;
        (0..length + 3).for_each(|n| out.push(out[from + n]));
    }
    out
}

/// All records as (processor, raw time, bytes), and the number of buffers.
fn walk(file: &[u8]) -> (Vec<(usize, u64, Vec<u8>)>, usize) {
    let (mut records, mut at, mut buffers) = (vec![], 0, 0);
    while at < file.len() {
        let size = u32_at(file, at);
        let (end, flags) = (u32_at(file, at + 0x30), u16_at(file, at + 0x34));
        let stored = &file[at + 72..at + size];
        let payload = if flags & 0x40 == 0 {
            stored[..end - 72].to_vec()
        } else {
            expand(stored, end - 72)
        };
        let mut inner = 0;
        while inner < payload.len() {
            assert_eq!(payload[inner + 3] & 0x80, 0x80, "marker");
            let place = if payload[inner + 2] == 2 { 4 } else { 0 };
            let length = u16_at(&payload, inner + place);
            let record = payload[inner..inner + length].to_vec();
            records.push((u16_at(file, at + 0x28), u64_at(&record, 16), record));
            inner += length.next_multiple_of(8);
        }
        at += size;
        buffers += 1;
    }
    (records, buffers)
}

fn wire() -> Wire {
    let mut wire = Wire::new();
    for n in 0..40 {
        let client = format!("192.0.2.9:{}", 50_000 + n).parse().unwrap();
        let server = "203.0.113.5:443".parse().unwrap();
        let mut tcp = Tcp::new(&mut wire, start().plus_ms(i64::from(n) * 7), client, server);
        tcp.handshake()
            .client(&tls::ClientHello::new("example.com").pad_to(3_000).record())
            .server_rst();
    }
    wire
}

#[test]
fn every_record_is_there_in_time_order_per_processor() {
    let wire = wire();
    let plain = |etl: Etl| {
        let mut etl = etl.cpus(4).buffer_size(16 * 1024);
        etl.packets(&wire, 7);
        etl.write()
    };
    for file in [
        plain(Etl::new(start())),
        plain(Etl::new(start()).merged("x")),
        plain(Etl::new(start()).compressed()),
    ] {
        let (records, buffers) = walk(&file);
        assert_eq!(records.len(), wire.frames.len() + 1);
        assert_eq!(u32_at(&records[0].2, 32 + 0x24), buffers, "BuffersWritten");
        for cpu in 0..4 {
            let times: Vec<u64> = records
                .iter()
                .skip(1)
                .filter(|r| r.0 == cpu)
                .map(|r| r.1)
                .collect();
            assert!(times.len() > 10 && times.is_sorted());
        }
    }
}

#[test]
fn packets_keep_their_bytes_whole_or_in_pieces() {
    let wire = wire();
    let mut etl = Etl::new(start());
    etl.packets_in_fragments(&wire, 7, 500);
    let (records, _) = walk(&etl.write());
    let joined: Vec<u8> = records
        .iter()
        .skip(1)
        .flat_map(|(_, _, r)| r[92..92 + u32_at(r, 88)].to_vec())
        .collect();
    let sent: Vec<u8> = wire.sorted().iter().flat_map(|f| f.bytes.clone()).collect();
    assert!(joined == sent);
}

#[test]
fn clocks_tell_the_same_time() {
    let at = start().plus_s(3);
    for (clock, ticks) in [
        (Clock::Qpc(10_000_000), 30_000_000),
        (Clock::Qpc(1_818_300), 5_454_900),
        (Clock::Cycles(2_400), 7_200_000_000),
        (Clock::SystemTime, 30_000_000),
    ] {
        let etl = Etl::new(start()).clock(clock);
        assert_eq!(etl.raw_ts(at) - etl.raw_ts(start()), ticks, "{clock:?}");
    }
}

#[test]
fn open_and_cut_files_differ_only_where_they_should() {
    let mut etl = Etl::new(start()).lost(5, 2);
    etl.event(&Event::new(AAD, 1081, start()).field("Error", "x"));
    let file = etl.write();
    let open = etl.clone().unclosed().write();
    assert_eq!(u64_at(&open, 72 + 32 + 0x10), 0);
    assert!(u64_at(&file, 72 + 32 + 0x10) > 0);
    assert_eq!(
        (u32_at(&file, 72 + 32 + 0x30), u32_at(&file, 72 + 32 + 0x114)),
        (5, 2)
    );
    assert_eq!(etl.truncate_at(1_000).write(), file[..1_000]);
}

#[test]
fn self_describing_events_name_provider_and_fields() {
    let mut etl = Etl::new(start());
    let event = TraceLogging::new("Contoso.Test", "Step", start());
    event
        .field("Code", Value::Hex32(0x801c_03f2))
        .field("Text", "abc")
        .add_to(&mut etl);
    let (records, _) = walk(&etl.write());
    let record = &records[1].2;
    assert_eq!(u16_at(record, 4), 1, "extended items follow");
    let text = String::from_utf8_lossy(record);
    assert!(text.contains("Contoso.Test\0") && text.contains("Step\0Code\0") && text.contains("Text\0"));
    assert!(record.ends_with(&[0xf2, 0x03, 0x1c, 0x80, b'a', 0, b'b', 0, b'c', 0, 0, 0]));
}

#[test]
fn compression_is_reversible() {
    let noise = casetrace_synth::bytes::noise("x", 5_000);
    let mixed: Vec<u8> = noise
        .iter()
        .copied()
        .chain([7; 3_000])
        .chain(noise.iter().copied().take(900))
        .collect();
    for input in [&b"abc"[..], &[0; 32], &[0; 700], &noise, &mixed] {
        assert!(expand(&compress(input), input.len()) == input);
    }
}
