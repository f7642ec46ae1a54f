//! What merely reading a capture costs: `cargo run --release -p casetrace-pcap --example pcap_floor FILE [slices|probe]`.
//!
//! `slices` (the default) cuts out every packet with `pcap-parser` and slices its link, network and transport headers
//! with `etherparse`. `probe` also offers each payload to the message parsers without any state, one after the other:
//! a TLS record, an HTTP/1 head, a DNS, Kerberos or LDAP message. Neither follows connections, joins streams or writes anything, so the
//! time of a decoder minus this time is what its facts cost. Reads through a 256 KiB buffer, as the decoder does.
#![expect(clippy::print_stdout, reason = "an example that prints")]

use casetrace_pcap::protocols::{Protocol, parse_message};
use etherparse::{LaxSlicedPacket, TransportSlice};
use kerberos_parser::krb5::KrbError;
use ldap_parser::FromBer;
use ldap_parser::ldap::LdapMessage;
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, PcapBlockOwned, PcapError};
use x509_parser::asn1_rs::FromDer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Default)]
struct Totals {
    packets: u64,
    payload_bytes: u64,
    ports: u64,
    messages: u64,
}

impl Totals {
    fn packet(&mut self, data: &[u8], probe: bool) {
        self.packets += 1;
        let Ok(packet) = LaxSlicedPacket::from_ethernet(data) else {
            return;
        };
        let (ports, tcp, payload) = match &packet.transport {
            Some(TransportSlice::Tcp(tcp)) => {
                (tcp.source_port() ^ tcp.destination_port(), true, tcp.payload())
            }
            Some(TransportSlice::Udp(udp)) => {
                (udp.source_port() ^ udp.destination_port(), false, udp.payload())
            }
            _ => return,
        };
        self.ports = self.ports.wrapping_add(u64::from(ports));
        self.payload_bytes += payload.len() as u64;
        if probe && !payload.is_empty() {
            self.messages += u64::from(is_message(tcp, payload));
        }
    }
}

/// True if one of the parsers of its transport takes the payload as the start of a message.
fn is_message(tcp: bool, payload: &[u8]) -> bool {
    let kerberos = || KrbError::from_der(payload).is_ok();
    let ldap = || LdapMessage::from_ber(payload).is_ok();
    if !tcp {
        return parse_message(payload, Protocol::Dns).is_some() || kerberos() || ldap();
    }
    let tls = || tls_parser::parse_tls_plaintext(payload).is_ok();
    let http = || {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        httparse::Request::new(&mut fields).parse(payload).is_ok()
            || httparse::Response::new(&mut fields).parse(payload).is_ok()
    };
    tls() || http() || kerberos() || ldap()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_default();
    let probe = args.next().is_some_and(|mode| mode == "probe");
    let start = std::time::Instant::now();
    let mut reader = pcap_parser::create_reader(256 << 10, std::fs::File::open(path)?)
        .map_err(|error| format!("not a capture: {error:?}"))?;
    let mut totals = Totals::default();
    read(&mut *reader, |data| totals.packet(data, probe));
    println!(
        "{} packets, {} bytes of payload, ports {:x}, {} messages, {:.3} s",
        totals.packets,
        totals.payload_bytes,
        totals.ports,
        totals.messages,
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn read(reader: &mut dyn PcapReaderIterator, mut take: impl FnMut(&[u8])) {
    loop {
        match reader.next() {
            Ok((used, block)) => {
                match block {
                    PcapBlockOwned::Legacy(block) => take(block.data),
                    PcapBlockOwned::NG(Block::EnhancedPacket(block)) => take(block.data),
                    _ => {}
                }
                reader.consume(used);
            }
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}
