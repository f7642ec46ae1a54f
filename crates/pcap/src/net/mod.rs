//! From a captured frame to the TCP segment, UDP datagram or ICMP complaint inside.
//!
//! Source: RFC 791, 8200, 9293, 768, 792, 4443; tunnels: RFC 2003, 4213, 2784 (GRE), 7348 (VXLAN), 8926 (Geneve),
//! 4380 (Teredo), 3GPP TS 29.281 (GTP). IP headers and IPv6 extension headers are read with `etherparse`, leniently: a packet cut by the
//! snap length still gives what it has. Tunnels are opened to the innermost packet; outer addresses are dropped.

pub(crate) mod addr;
pub(crate) mod frag;
pub(crate) mod link;

use etherparse::{Ipv6ExtensionSlice, LaxIpSlice};

use addr::Addr;
use frag::{Defragmenter, FragmentKey};
use link::Inner;

/// Tunnels within tunnels.
const MAX_TUNNELS: usize = 6;

/// A transport packet: who to whom, and what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Datagram<'a> {
    pub(crate) src: Addr,
    pub(crate) dst: Addr,
    pub(crate) body: Body<'a>,
}

/// The transports that carry facts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    /// A TCP segment.
    Tcp(Segment<'a>),
    /// A UDP datagram.
    Udp {
        sport: u16,
        dport: u16,
        payload: &'a [u8],
    },
    /// An ICMP message about an undeliverable packet.
    Unreachable(Unreachable),
}

/// A TCP segment as captured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    pub(crate) sport: u16,
    pub(crate) dport: u16,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    pub(crate) payload: &'a [u8],
    /// Payload bytes on the wire; more than captured if the snap length cut the packet.
    pub(crate) wire_len: u32,
}

/// Somebody's complaint about a packet: ICMP "destination unreachable" or IPv6 "packet too big".
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unreachable {
    pub(crate) version: u8,
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) mtu: u32,
    pub(crate) protocol: u8,
    pub(crate) src: Addr,
    pub(crate) dst: Addr,
    pub(crate) sport: u16,
    pub(crate) dport: u16,
}

/// Why a frame gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    /// Not TCP, UDP or an ICMP complaint.
    Other,
    /// A fragment whose datagram is not complete yet.
    Fragment,
    /// Headers cut or contradictory.
    Damaged,
    /// A link type that is not known here.
    LinkType,
}

/// Fragments on hold, and how many bytes of the current frame were not captured.
pub(crate) struct Opener {
    pub(crate) fragments: Defragmenter,
    missing: usize,
}

impl Opener {
    pub(crate) fn new() -> Self {
        Self {
            fragments: Defragmenter::default(),
            missing: 0,
        }
    }
}

/// Opens a frame of which `missing` bytes were not captured and hands the datagram inside to `take`.
pub(crate) fn open<R>(
    link_type: u16,
    data: &[u8],
    missing: usize,
    fragments: &mut Opener,
    take: impl FnOnce(Datagram<'_>) -> R,
) -> Result<R, Skip> {
    fragments.missing = missing;
    match link::open(link_type, data) {
        Inner::Ip(packet) => ip(packet, fragments, 0, take),
        Inner::Other => Err(Skip::Other),
        Inner::Cut => Err(Skip::Damaged),
        Inner::Unknown if known_link(link_type) => Err(Skip::Damaged),
        Inner::Unknown => Err(Skip::LinkType),
    }
}

fn known_link(link_type: u16) -> bool {
    const KNOWN: &[u16] = &[
        0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 108, 109, 113, 119, 127, 163, 192, 228, 229, 239, 276,
    ];
    KNOWN.contains(&link_type)
}

fn ip<R>(
    packet: &[u8],
    fragments: &mut Opener,
    depth: usize,
    take: impl FnOnce(Datagram<'_>) -> R,
) -> Result<R, Skip> {
    if depth > MAX_TUNNELS {
        return Err(Skip::Damaged);
    }
    let (slice, _) = LaxIpSlice::from_slice(packet).map_err(|_| Skip::Damaged)?;
    let (src, dst, declared) = ends(&slice);
    let inner = slice.payload();
    let protocol = inner.ip_number.0;
    if inner.fragmented {
        let (offset, more, id) = fragment(&slice).ok_or(Skip::Damaged)?;
        let key = FragmentKey {
            src,
            dst,
            id,
            protocol,
        };
        let whole = fragments
            .fragments
            .add(key, offset, more, inner.payload)
            .ok_or(Skip::Fragment)?;
        let len = whole.len();
        return transport(src, dst, protocol, &whole, len, fragments, depth, take);
    }
    // Where the IP header says its payload ends; 0 with segmentation offload, then what was captured counts. A
    // length beyond the frame is a lie and would tear a hole into the stream.
    let start = inner.payload.as_ptr() as usize - packet.as_ptr() as usize;
    let on_wire = if declared == 0 {
        inner.payload.len()
    } else {
        declared.saturating_sub(start)
    };
    let on_wire = on_wire.clamp(inner.payload.len(), inner.payload.len() + fragments.missing);
    transport(src, dst, protocol, inner.payload, on_wire, fragments, depth, take)
}

fn ends(slice: &LaxIpSlice<'_>) -> (Addr, Addr, usize) {
    match slice {
        LaxIpSlice::Ipv4(v4) => {
            let head = v4.header();
            (
                Addr::v4(head.source()),
                Addr::v4(head.destination()),
                usize::from(head.total_len()),
            )
        }
        LaxIpSlice::Ipv6(v6) => {
            let head = v6.header();
            let declared = match head.payload_length() {
                0 => 0,
                len => 40 + usize::from(len),
            };
            (Addr::v6(head.source()), Addr::v6(head.destination()), declared)
        }
    }
}

fn fragment(slice: &LaxIpSlice<'_>) -> Option<(usize, bool, u32)> {
    match slice {
        LaxIpSlice::Ipv4(v4) => {
            let head = v4.header();
            let offset = usize::from(head.fragments_offset().value()) * 8;
            Some((offset, head.more_fragments(), u32::from(head.identification())))
        }
        LaxIpSlice::Ipv6(v6) => v6
            .extensions()
            .clone()
            .into_iter()
            .find_map(|extension| match extension {
                Ipv6ExtensionSlice::Fragment(head) => Some((
                    usize::from(head.fragment_offset().value()) * 8,
                    head.more_fragments(),
                    head.identification(),
                )),
                _ => None,
            }),
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one step of a recursion over headers, never called from outside"
)]
fn transport<R>(
    src: Addr,
    dst: Addr,
    protocol: u8,
    payload: &[u8],
    on_wire: usize,
    fragments: &mut Opener,
    depth: usize,
    take: impl FnOnce(Datagram<'_>) -> R,
) -> Result<R, Skip> {
    let inner = match protocol {
        6 => {
            let segment = tcp(payload, on_wire).ok_or(Skip::Damaged)?;
            return Ok(take(Datagram {
                src,
                dst,
                body: Body::Tcp(segment),
            }));
        }
        17 => {
            let (sport, dport, body) = udp(payload).ok_or(Skip::Damaged)?;
            match udp_tunnel(sport, dport, body) {
                Some(inner) => inner,
                None => {
                    let body = Body::Udp {
                        sport,
                        dport,
                        payload: body,
                    };
                    return Ok(take(Datagram { src, dst, body }));
                }
            }
        }
        1 | 58 => {
            let complaint = unreachable(protocol, payload).ok_or(Skip::Other)?;
            return Ok(take(Datagram {
                src,
                dst,
                body: Body::Unreachable(complaint),
            }));
        }
        4 | 41 => payload,
        47 => gre(payload).ok_or(Skip::Other)?,
        _ => return Err(Skip::Other),
    };
    // Through a trait object, or the recursion would ask for ever deeper closure types.
    let mut take = Some(take);
    let mut out = None;
    ip_dyn(inner, fragments, depth + 1, &mut |datagram| {
        out = take.take().map(|take| take(datagram))
    })?;
    out.ok_or(Skip::Other)
}

fn ip_dyn(
    packet: &[u8],
    fragments: &mut Opener,
    depth: usize,
    take: &mut dyn FnMut(Datagram<'_>),
) -> Result<(), Skip> {
    ip(packet, fragments, depth, take)
}

fn tcp(data: &[u8], on_wire: usize) -> Option<Segment<'_>> {
    let head = data.first_chunk::<20>()?;
    let [
        sp0,
        sp1,
        dp0,
        dp1,
        s0,
        s1,
        s2,
        s3,
        a0,
        a1,
        a2,
        a3,
        offset,
        flags,
        w0,
        w1,
        ..,
    ] = *head;
    let header_len = usize::from(offset >> 4) * 4;
    if header_len < 20 {
        return None;
    }
    Some(Segment {
        sport: u16::from_be_bytes([sp0, sp1]),
        dport: u16::from_be_bytes([dp0, dp1]),
        seq: u32::from_be_bytes([s0, s1, s2, s3]),
        ack: u32::from_be_bytes([a0, a1, a2, a3]),
        flags,
        window: u16::from_be_bytes([w0, w1]),
        payload: data.get(header_len..).unwrap_or_default(),
        wire_len: on_wire.saturating_sub(header_len) as u32,
    })
}

fn udp(data: &[u8]) -> Option<(u16, u16, &[u8])> {
    let (head, rest) = data.split_first_chunk::<8>()?;
    let [sp0, sp1, dp0, dp1, l0, l1, ..] = *head;
    // A length of 0 means "to the end" in jumbograms; a lying one must not cut good bytes from a cut packet.
    let declared = usize::from(u16::from_be_bytes([l0, l1]));
    let payload = if declared >= 8 {
        rest.get(..declared - 8).unwrap_or(rest)
    } else {
        rest
    };
    Some((
        u16::from_be_bytes([sp0, sp1]),
        u16::from_be_bytes([dp0, dp1]),
        payload,
    ))
}

/// The IP packet inside VXLAN, Geneve or Teredo.
fn udp_tunnel(sport: u16, dport: u16, payload: &[u8]) -> Option<&[u8]> {
    match (sport, dport) {
        (_, 4789) => match payload {
            [0x08, 0, 0, 0, _, _, _, _, rest @ ..] => inner_ip(link::ethernet(rest)),
            _ => None,
        },
        (_, 6081) => {
            let (head, _) = payload.split_first_chunk::<8>()?;
            let rest = payload.get(8 + usize::from(head[0] & 0x3f) * 4..)?;
            match u16::from_be_bytes([head[2], head[3]]) {
                0x6558 => inner_ip(link::ethernet(rest)),
                kind => inner_ip(link::ether_type(kind, rest, 0)),
            }
        }
        (3544, _) | (_, 3544) => teredo(payload),
        (_, 2152) | (2152, _) => gtp(payload),
        _ => None,
    }
}

/// GTP version 1, user plane: the packet of a mobile device.
fn gtp(payload: &[u8]) -> Option<&[u8]> {
    let (head, _) = payload.split_first_chunk::<8>()?;
    // Version 1 with protocol type GTP, and the message that carries a packet.
    if head[0] & 0xf0 != 0x30 || head[1] != 0xff {
        return None;
    }
    let mut at = 8;
    if head[0] & 7 != 0 {
        let mut next = *payload.get(11)?;
        at = 12;
        while next != 0 {
            let len = usize::from(*payload.get(at)?) * 4;
            if len == 0 {
                return None;
            }
            next = *payload.get(at + len - 1)?;
            at += len;
        }
    }
    inner_ip(link::raw(payload.get(at..)?))
}

fn teredo(mut payload: &[u8]) -> Option<&[u8]> {
    if let [0, 1, id_len, auth_len, ..] = payload {
        payload = payload.get(4 + usize::from(*id_len) + usize::from(*auth_len) + 9..)?;
    }
    if let [0, 0, _, _, _, _, _, _, rest @ ..] = payload {
        payload = rest;
    }
    (payload.len() >= 40 && payload.first()? >> 4 == 6).then_some(payload)
}

fn gre(data: &[u8]) -> Option<&[u8]> {
    let head = data.first_chunk::<4>()?;
    let (flags, version) = (head[0], head[1] & 7);
    let mut at = 4;
    // Checksum (or routing), key, sequence number; PPTP's version 1 adds an acknowledgement.
    at += if flags & 0xc0 != 0 { 4 } else { 0 };
    at += if flags & 0x20 != 0 { 4 } else { 0 };
    at += if flags & 0x10 != 0 { 4 } else { 0 };
    at += if version == 1 && head[1] & 0x80 != 0 { 4 } else { 0 };
    let rest = data.get(at..)?;
    match u16::from_be_bytes([head[2], head[3]]) {
        0x6558 => inner_ip(link::ethernet(rest)),
        // ERSPAN: type I has no header of its own, type II (with a sequence number) has eight bytes.
        0x88be => inner_ip(link::ethernet(if flags & 0x10 != 0 {
            rest.get(8..)?
        } else {
            rest
        })),
        0x880b => inner_ip(link::ppp(rest)),
        kind => inner_ip(link::ether_type(kind, rest, 0)),
    }
}

fn inner_ip(inner: Inner<'_>) -> Option<&[u8]> {
    match inner {
        Inner::Ip(packet) => Some(packet),
        _ => None,
    }
}

fn unreachable(protocol: u8, data: &[u8]) -> Option<Unreachable> {
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
    Some(Unreachable {
        version,
        kind,
        code,
        mtu,
        protocol: inner_protocol,
        src,
        dst,
        sport,
        dport,
    })
}
