//! DNS messages, uncompressed except for the answer's pointer to the question.
//!
//! Source: RFC 1035.

use std::net::IpAddr;

use crate::bytes::Bytes;

/// Query type A.
pub const A: u16 = 1;
/// Query type AAAA.
pub const AAAA: u16 = 28;
/// Query type SRV.
pub const SRV: u16 = 33;

/// A resource record's data.
#[derive(Debug, Clone)]
pub enum Answer {
    /// An address, A or AAAA.
    Address(IpAddr),
    /// Another name; following addresses belong to it.
    Cname(String),
    /// Priority 0, weight 100.
    Srv(u16, String),
}

fn name(b: &mut Bytes, text: &str) {
    for label in text.split('.').filter(|l| !l.is_empty()) {
        b.u8(label.len() as u8).raw(label.as_bytes());
    }
    b.u8(0);
}

/// A recursive query for one name.
pub fn query(id: u16, host: &str, qtype: u16) -> Vec<u8> {
    let mut b = Bytes::new();
    b.be16(id).be16(0x0100).be16(1).be16(0).be16(0).be16(0);
    name(&mut b, host);
    b.be16(qtype).be16(1);
    b.take()
}

/// The answer to [`query`] with a response code (0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED).
pub fn response(id: u16, host: &str, qtype: u16, rcode: u8, answers: &[Answer]) -> Vec<u8> {
    let mut b = Bytes::new();
    b.be16(id)
        .be16(0x8180 | u16::from(rcode & 15))
        .be16(1)
        .be16(answers.len() as u16)
        .be16(0)
        .be16(0);
    name(&mut b, host);
    b.be16(qtype).be16(1);
    let mut owner: Option<String> = None;
    for answer in answers {
        match &owner {
            // Offset 12 is the question's name.
            None => {
                b.be16(0xc00c);
            }
            Some(alias) => name(&mut b, alias),
        }
        let mut data = Bytes::new();
        let kind = match answer {
            Answer::Address(IpAddr::V4(ip)) => {
                data.raw(&ip.octets());
                A
            }
            Answer::Address(IpAddr::V6(ip)) => {
                data.raw(&ip.octets());
                AAAA
            }
            Answer::Cname(target) => {
                name(&mut data, target);
                owner = Some(target.clone());
                5
            }
            Answer::Srv(port, target) => {
                data.be16(0).be16(100).be16(*port);
                name(&mut data, target);
                SRV
            }
        };
        b.be16(kind).be16(1).be32(60).be16(data.len() as u16).raw(&data.0);
    }
    b.take()
}
