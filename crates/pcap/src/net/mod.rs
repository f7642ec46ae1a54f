//! From a captured frame to the TCP segment, UDP datagram or ICMP complaint inside.
//!
//! Source: RFC 791, 8200, 9293, 768; tunnels: RFC 2003, 4213. Plain IP headers are read here; options, fragments,
//! extension headers and contradictions with `etherparse`, leniently: a packet cut by the snap length still gives what
//! it has. Tunnels are opened to the innermost packet; outer addresses are dropped.

pub(crate) mod addr;
pub(crate) mod frag;
mod icmp;
pub(crate) mod keyed;
pub(crate) mod link;
mod tunnel;

use etherparse::{Ipv6ExtensionSlice, LaxIpSlice};

use addr::Addr;
use frag::{Defragmenter, FragmentKey};
pub(crate) use icmp::Unreachable;
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
    /// An ICMP message about an undeliverable packet, and that packet's ends.
    Unreachable(Unreachable, (Addr, u16), (Addr, u16)),
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
    if let Some((src, dst, protocol, payload)) = plain(packet) {
        let len = payload.len();
        // Nearly all packets; a call would take its arguments over the stack.
        if protocol == 6 {
            let body = Body::Tcp(tcp(payload, len).ok_or(Skip::Damaged)?);
            return Ok(take(Datagram { src, dst, body }));
        }
        return transport(src, dst, protocol, payload, len, fragments, depth, take);
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

/// Addresses, protocol and payload of a packet that is whole and has nothing between its IP header and TCP or UDP.
///
/// Nearly all packets are like that, and this takes a fraction of the time of a full look.
#[inline]
fn plain(packet: &[u8]) -> Option<(Addr, Addr, u8, &[u8])> {
    if let Some(
        [
            0x45,
            _,
            l0,
            l1,
            _,
            _,
            f0,
            f1,
            _,
            protocol @ (6 | 17),
            _,
            _,
            ends @ ..,
        ],
    ) = packet.first_chunk::<20>()
    {
        let payload = packet.get(20..usize::from(u16::from_be_bytes([*l0, *l1])))?;
        let whole = f0 & 0x3f == 0 && *f1 == 0;
        let (src, dst) = (ends.first_chunk::<4>()?, ends.last_chunk::<4>()?);
        return whole.then_some((Addr::v4(*src), Addr::v4(*dst), *protocol, payload));
    }
    let [0x60..=0x6f, _, _, _, l0, l1, protocol @ (6 | 17), _, ends @ ..] = packet.first_chunk::<40>()?
    else {
        return None;
    };
    let len = usize::from(u16::from_be_bytes([*l0, *l1]));
    let payload = packet.get(40..40 + len).filter(|payload| !payload.is_empty())?;
    let (src, dst) = (ends.first_chunk::<16>()?, ends.last_chunk::<16>()?);
    Some((Addr::v6(*src), Addr::v6(*dst), *protocol, payload))
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
            match tunnel::in_udp(sport, dport, body) {
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
            let body = icmp::unreachable(protocol, payload).ok_or(Skip::Other)?;
            return Ok(take(Datagram { src, dst, body }));
        }
        4 | 41 => payload,
        47 => tunnel::in_gre(payload).ok_or(Skip::Other)?,
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// A TCP segment of four payload bytes behind the given IP header.
    fn packet(ip: &[u8]) -> Vec<u8> {
        let mut tcp = [0_u8; 24];
        (tcp[1], tcp[3], tcp[12], tcp[13]) = (7, 9, 0x50, 0x18);
        [ip, &tcp].concat()
    }

    fn v4(len: u8, flags: u8) -> [u8; 20] {
        [
            0x45, 0, 0, len, 0, 1, flags, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ]
    }

    fn seen(packet: &[u8]) -> Result<(Addr, Addr, usize, u32), Skip> {
        ip(packet, &mut Opener::new(), 0, |datagram| match datagram.body {
            Body::Tcp(s) => (datagram.src, datagram.dst, s.payload.len(), s.wire_len),
            _ => unreachable!("only TCP is built"),
        })
    }

    #[test]
    fn plain_packets_and_odd_ones_give_the_same() {
        let (src, dst) = (Addr::v4([10, 0, 0, 1]), Addr::v4([10, 0, 0, 2]));
        let whole = packet(&v4(44, 0x40));
        assert!(plain(&whole).is_some());
        assert_eq!(seen(&whole), Ok((src, dst, 4, 4)));
        // The same with an IP option, which the short way does not read.
        let mut option = packet(&[&v4(48, 0)[..], &[1, 1, 1, 0]].concat());
        option[0] = 0x46;
        assert!(plain(&option).is_none());
        assert_eq!(seen(&option), Ok((src, dst, 4, 4)));
        // Padding behind the packet is no payload; a length of 0 (segmentation offload) means all there is.
        assert_eq!(seen(&[&whole[..], &[0; 6]].concat()), Ok((src, dst, 4, 4)));
        assert_eq!(seen(&packet(&v4(0, 0))), Ok((src, dst, 4, 4)));
        assert_eq!(seen(&packet(&v4(200, 0))), Ok((src, dst, 4, 4)));
        assert_eq!(seen(&packet(&v4(44, 0x20))), Err(Skip::Fragment));
    }

    #[test]
    fn plain_ipv6_is_read_like_any_other() {
        let mut head = [0_u8; 40];
        (head[0], head[5], head[6], head[23], head[39]) = (0x60, 24, 6, 1, 2);
        let whole = packet(&head);
        let (src, dst, protocol, payload) = plain(&whole).unwrap();
        assert_eq!((protocol, payload.len()), (6, 24));
        assert_eq!((src.text().as_str(), dst.text().as_str()), ("::1", "::2"));
        assert_eq!(seen(&whole), Ok((src, dst, 4, 4)));
        head[5] = 0;
        assert!(plain(&packet(&head)).is_none());
        assert_eq!(seen(&packet(&head)), Ok((src, dst, 4, 4)));
    }
}
