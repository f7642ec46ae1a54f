//! Generated traces for the benchmarks, of stated size and content.

use casetrace_synth::etl::{Etl, NDIS_PACKET_CAPTURE};
use casetrace_synth::event::{Event, Provider, Value};
use casetrace_synth::moment::Moment;

const START: &str = "2026-03-02T01:00:00Z";
const DNS: Provider = Provider {
    name: "Microsoft-Windows-DNS-Client",
    guid: "1c95126e-7eea-49a9-a3fe-a378b03ddb4d",
    channel: "",
};
const KERNEL_NETWORK: Provider = Provider {
    name: "Microsoft-Windows-Kernel-Network",
    guid: "7dd42a49-5329-4832-8dfd-43d979153a88",
    channel: "",
};

/// A trace over four processors.
pub(crate) fn four_processors() -> Etl {
    Etl::new(Moment::at(START)).cpus(4)
}

/// Records of 56 bytes: what a kernel-heavy trace looks like.
pub(crate) fn small(mut etl: Etl, count: u64) -> (Vec<u8>, u64) {
    let start = Moment::at(START);
    for i in 0..count {
        let at = start.plus_us(i as i64 * 7);
        let bytes =
            casetrace_synth::etl::system(5, 36, 2, etl.raw_ts(at), 4, 8, &(i / 3).to_le_bytes().repeat(3));
        etl.record((i / 5 % 4) as u16, at, bytes);
    }
    (etl.write(), count + 1)
}

/// DNS-Client questions of eight fields, decoded by the built-in table; each gives the event's row and a DNS row.
pub(crate) fn typed(count: u64) -> (Vec<u8>, u64) {
    let start = Moment::at(START);
    let mut etl = four_processors();
    for i in 0..count {
        let event = Event::new(DNS, 3006, start.plus_us(i as i64 * 11))
            .process(700 + (i % 50) as u32, 4)
            .field(
                "QueryName",
                Value::Text(format!("host-{}.corp.example.com", i % 900)),
            )
            .field("QueryType", Value::U32(28))
            .field("QueryOptions", Value::U64(0x4000_6000))
            .field("ServerList", Value::Text(String::new()))
            .field("IsNetworkQuery", Value::U32(0))
            .field("NetworkQueryIndex", Value::U32(0))
            .field("InterfaceIndex", Value::U32(0))
            .field("IsAsyncQuery", Value::U32(0));
        etl.event(&event);
    }
    (etl.write(), count)
}

/// TCP events of Kernel-Network with addresses and ports; each gives one row.
pub(crate) fn kernel_network(count: u64) -> (Vec<u8>, u64) {
    let start = Moment::at(START);
    let mut etl = four_processors();
    for i in 0..count {
        let event = Event::new(KERNEL_NETWORK, 11, start.plus_us(i as i64 * 11))
            .process(700 + (i % 50) as u32, 4)
            .field("PID", Value::U32(700 + (i % 50) as u32))
            .field("size", Value::U32(1460))
            .field("daddr", Value::U32(0x0764_33c6 + (i % 7) as u32))
            .field("saddr", Value::U32(0x0a02_00c0))
            .field("dport", Value::U16(0xbb01))
            .field("sport", Value::U16((i % 5000) as u16))
            .field("seqnum", Value::U32(0))
            .field("connid", Value::U64(0));
        etl.event(&event);
    }
    (etl.write(), count)
}

/// Full-size frames of netsh.
pub(crate) fn frames() -> (Vec<u8>, u64) {
    const WHOLE_SENT: u64 = 0x8000_0401_c000_0001;
    let start = Moment::at(START);
    let mut etl = four_processors();
    let count = 30_000;
    for i in 0..count {
        let event = Event::new(NDIS_PACKET_CAPTURE, 1001, start.plus_us(i * 13))
            .process(1234, 8)
            .keywords(WHOLE_SENT)
            .field("MiniportIfIndex", Value::U32(8))
            .field("LowerIfIndex", Value::U32(8))
            .field("FragmentSize", Value::U32(1460))
            .field("Fragment", Value::Binary(vec![i as u8; 1460]));
        etl.event(&event);
    }
    (etl.write(), count as u64)
}
