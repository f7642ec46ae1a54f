//! Reads a capture with published crates and nothing else: `published-parsers FILE`.
//!
//! Each packet is sliced, and its payload offered to the message parsers of its transport until one takes it. No connection is followed, no
//! stream joined, no row made. Prints packets and messages.

use std::fs::File;
use std::process::ExitCode;

use etherparse::{LaxSlicedPacket, TransportSlice};
use kerberos_parser::krb5::KrbError;
use ldap_parser::FromBer;
use ldap_parser::ldap::LdapMessage;
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};
use x509_parser::asn1_rs::FromDer;

/// Bytes read at once.
const BUFFER: usize = 64 << 10;

fn main() -> ExitCode {
    let path = std::env::args().nth(1).unwrap_or_default();
    let reader = File::open(&path)
        .map_err(|error| error.to_string())
        .and_then(|file| create_reader(BUFFER, file).map_err(|error| format!("{error:?}")));
    match reader {
        Ok(mut reader) => {
            let (packets, messages) = read(&mut *reader);
            println!("{packets} packets, {messages} messages");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(reader: &mut dyn PcapReaderIterator) -> (u64, u64) {
    let (mut packets, mut messages) = (0, 0);
    loop {
        match reader.next() {
            Ok((used, block)) => {
                let data = match &block {
                    PcapBlockOwned::Legacy(block) => Some(block.data),
                    PcapBlockOwned::NG(Block::EnhancedPacket(block)) => Some(block.data),
                    _ => None,
                };
                if let Some(data) = data {
                    packets += 1;
                    messages += u64::from(is_message(data));
                }
                reader.consume(used);
            }
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() {
                    return (packets, messages);
                }
            }
            Err(_) => return (packets, messages),
        }
    }
}

fn is_message(packet: &[u8]) -> bool {
    let Ok(packet) = LaxSlicedPacket::from_ethernet(packet) else {
        return false;
    };
    let (tcp, payload) = match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => (true, tcp.payload()),
        Some(TransportSlice::Udp(udp)) => (false, udp.payload()),
        _ => return false,
    };
    let of_transport = match tcp {
        _ if payload.is_empty() => return false,
        true => tls_parser::parse_tls_plaintext(payload).is_ok() || is_http(payload),
        false => {
            simple_dns::Packet::parse(payload).is_ok()
                || hickory_proto::op::Message::from_vec(payload).is_ok()
        }
    };
    of_transport || KrbError::from_der(payload).is_ok() || LdapMessage::from_ber(payload).is_ok()
}

fn is_http(payload: &[u8]) -> bool {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    httparse::Request::new(&mut fields).parse(payload).is_ok()
        || httparse::Response::new(&mut fields).parse(payload).is_ok()
}
