//! Packets inside packets: UDP and GRE tunnels, opened to the IP packet they carry.
//!
//! Source: RFC 2784 and 2637 (GRE, PPTP), 7348 (VXLAN), 8926 (Geneve), 4380 (Teredo), 3GPP TS 29.281 (GTP).

use super::link::{self, Inner};

/// The IP packet inside VXLAN, Geneve or Teredo.
pub(super) fn in_udp(sport: u16, dport: u16, payload: &[u8]) -> Option<&[u8]> {
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

pub(super) fn in_gre(data: &[u8]) -> Option<&[u8]> {
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
