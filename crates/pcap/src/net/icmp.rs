//! Complaints about packets that could not be delivered.
//!
//! Source: RFC 792 and 4443.

use etherparse::LaxIpSlice;

use super::{Body, ends};

/// Somebody's complaint about a packet: ICMP "destination unreachable" or IPv6 "packet too big".
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unreachable {
    pub(crate) version: u8,
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) mtu: u32,
    pub(crate) protocol: u8,
}

/// Reads a complaint, and whose packet it is about.
pub(super) fn unreachable(protocol: u8, data: &[u8]) -> Option<Body<'_>> {
    let (head, quoted) = data.split_first_chunk::<8>()?;
    let (kind, code) = (head[0], head[1]);
    let wanted = if protocol == 1 {
        kind == 3
    } else {
        kind == 1 || kind == 2
    };
    if !wanted {
        return None;
    }
    let mtu = match (protocol, kind, code) {
        (1, 3, 4) => u32::from(u16::from_be_bytes([head[6], head[7]])),
        (58, 2, _) => u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        _ => 0,
    };
    let (slice, _) = LaxIpSlice::from_slice(quoted).ok()?;
    let (src, dst, _) = ends(&slice);
    let inner = slice.payload();
    let inner_protocol = inner.ip_number.0;
    let ports = inner
        .payload
        .first_chunk::<4>()
        .filter(|_| matches!(inner_protocol, 6 | 17));
    let [sp0, sp1, dp0, dp1] = ports.copied().unwrap_or_default();
    let version = if protocol == 1 { 4 } else { 6 };
    let (sport, dport) = (u16::from_be_bytes([sp0, sp1]), u16::from_be_bytes([dp0, dp1]));
    let complaint = Unreachable {
        version,
        kind,
        code,
        mtu,
        protocol: inner_protocol,
    };
    Some(Body::Unreachable(complaint, (src, sport), (dst, dport)))
}
