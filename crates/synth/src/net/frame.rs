//! Ethernet, IPv4, IPv6, TCP, UDP and ICMP headers with right checksums.
//!
//! Source: RFC 791, 8200, 9293, 768, 792.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::bytes::{Bytes, noise};

/// A network node: its hardware address follows from its IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host(pub IpAddr);

impl Host {
    /// A locally administered hardware address, different for different IPs.
    pub fn mac(self) -> [u8; 6] {
        let n = noise(&self.0.to_string(), 5);
        [0x02, n[0], n[1], n[2], n[3], n[4]]
    }
}

/// The fields of a TCP header a test may want to choose.
#[derive(Debug, Clone, Default)]
pub struct TcpSegment {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16.
    pub flags: u8,
    /// Receive window as in the header.
    pub window: u16,
    /// Option bytes, padded to a multiple of four by the writer.
    pub options: Vec<u8>,
    /// Payload.
    pub payload: Vec<u8>,
}

fn sum16(bytes: &[u8], start: u32) -> u32 {
    bytes.chunks(2).fold(start, |sum, pair| {
        sum + (u32::from(pair[0]) << 8) + u32::from(pair.get(1).copied().unwrap_or(0))
    })
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn transport_checksum(src: IpAddr, dst: IpAddr, protocol: u8, segment: &[u8]) -> u16 {
    let mut pseudo = Vec::with_capacity(40);
    for ip in [src, dst] {
        match ip {
            IpAddr::V4(a) => pseudo.extend_from_slice(&a.octets()),
            IpAddr::V6(a) => pseudo.extend_from_slice(&a.octets()),
        }
    }
    pseudo.extend_from_slice(&(segment.len() as u32).to_be_bytes());
    pseudo.extend_from_slice(&[0, 0, 0, protocol]);
    fold(sum16(segment, sum16(&pseudo, 0)))
}

fn ipv4(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut b = Bytes::new();
    b.u8(0x45)
        .u8(0)
        .be16(20 + payload.len() as u16)
        .be16(id)
        .be16(0x4000)
        .u8(128)
        .u8(protocol)
        .be16(0);
    b.raw(&src.octets()).raw(&dst.octets());
    let checksum = fold(sum16(&b.0, 0));
    b.patch(10, &checksum.to_be_bytes()).raw(payload);
    b.take()
}

fn ipv6(src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut b = Bytes::new();
    b.be32(0x6000_0000)
        .be16(payload.len() as u16)
        .u8(protocol)
        .u8(128);
    b.raw(&src.octets()).raw(&dst.octets()).raw(payload);
    b.take()
}

fn ip_frame(src: IpAddr, dst: IpAddr, protocol: u8, id: u16, payload: &[u8]) -> Vec<u8> {
    let (ether, packet) = match (src, dst) {
        (IpAddr::V4(s), IpAddr::V4(d)) => (0x0800, ipv4(s, d, protocol, id, payload)),
        (IpAddr::V6(s), IpAddr::V6(d)) => (0x86dd, ipv6(s, d, protocol, payload)),
        // Mixed families have no wire form: map the IPv4 side.
        (IpAddr::V4(s), IpAddr::V6(d)) => (0x86dd, ipv6(s.to_ipv6_mapped(), d, protocol, payload)),
        (IpAddr::V6(s), IpAddr::V4(d)) => (0x86dd, ipv6(s, d.to_ipv6_mapped(), protocol, payload)),
    };
    let mut b = Bytes::new();
    b.raw(&Host(dst).mac())
        .raw(&Host(src).mac())
        .be16(ether)
        .raw(&packet);
    b.take()
}

/// An Ethernet frame with one TCP segment.
pub fn tcp_frame(src: SocketAddr, dst: SocketAddr, id: u16, segment: &TcpSegment) -> Vec<u8> {
    let mut options = Bytes(segment.options.clone());
    options.align(4);
    let words = 5 + options.len() / 4;
    let mut b = Bytes::new();
    b.be16(src.port())
        .be16(dst.port())
        .be32(segment.seq)
        .be32(segment.ack);
    b.u8((words as u8) << 4)
        .u8(segment.flags)
        .be16(segment.window)
        .be16(0)
        .be16(0);
    b.raw(&options.0).raw(&segment.payload);
    let checksum = transport_checksum(src.ip(), dst.ip(), 6, &b.0);
    b.patch(16, &checksum.to_be_bytes());
    ip_frame(src.ip(), dst.ip(), 6, id, &b.0)
}

/// An Ethernet frame with one UDP datagram.
pub fn udp_frame(src: SocketAddr, dst: SocketAddr, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut b = Bytes::new();
    b.be16(src.port())
        .be16(dst.port())
        .be16(8 + payload.len() as u16)
        .be16(0)
        .raw(payload);
    let checksum = transport_checksum(src.ip(), dst.ip(), 17, &b.0);
    b.patch(6, &(if checksum == 0 { 0xffff } else { checksum }).to_be_bytes());
    ip_frame(src.ip(), dst.ip(), 17, id, &b.0)
}

/// ICMP "destination unreachable" with `code` (13 = administratively prohibited, 4 = fragmentation needed with
/// `mtu`) from `reporter`, quoting the IPv4 packet of `frame`.
pub fn icmp_unreachable(reporter: IpAddr, to: IpAddr, code: u8, mtu: u16, frame: &[u8]) -> Vec<u8> {
    let quoted = frame.get(14..).unwrap_or_default();
    let mut b = Bytes::new();
    b.u8(3)
        .u8(code)
        .be16(0)
        .be16(0)
        .be16(mtu)
        .raw(&quoted[..quoted.len().min(28)]);
    let checksum = fold(sum16(&b.0, 0));
    b.patch(2, &checksum.to_be_bytes());
    ip_frame(reporter, to, 1, 0x7777, &b.0)
}
