//! Link layers and the tunnels that look like one: from captured bytes to the IP packet inside.
//!
//! Source: the link-type list of tcpdump.org, IEEE 802.3/802.1Q/802.11, RFC 1661 (PPP), 2516 (PPPoE), 3032 (MPLS).
//! Unknown link types give nothing and are counted by the caller.

/// What a link frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inner<'a> {
    /// An IPv4 or IPv6 packet.
    Ip(&'a [u8]),
    /// ARP, spanning tree, management frames: known, without facts for us.
    Other,
    /// Too short to tell.
    Cut,
    /// Bytes that contradict the layer they claim to be.
    Unknown,
}

/// Layers of tags and headers that are taken off before a frame counts as hostile.
const MAX_LAYERS: usize = 12;

/// Finds the IP packet in a frame of a libpcap link type.
// Inlined, as far as nearly all frames go.
#[inline]
pub(crate) fn open(link_type: u16, data: &[u8]) -> Inner<'_> {
    // Nearly all frames: no tag, and an IP packet behind the addresses.
    if link_type == 1
        && let Some((head, rest)) = data.split_first_chunk::<14>()
        && matches!(head, [.., 0x08, 0x00] | [.., 0x86, 0xdd])
    {
        return bare(rest);
    }
    open_other(link_type, data)
}

#[inline(never)]
fn open_other(link_type: u16, data: &[u8]) -> Inner<'_> {
    match link_type {
        1 => ethernet(data),
        0 => null(data),
        108 => family(
            data.get(..4)
                .and_then(|b| b.first_chunk())
                .map(|b| u32::from_be_bytes(*b)),
            data.get(4..),
        ),
        12 | 14 | 101 | 228 | 229 => bare(data),
        113 => typed(data, 14, 16),
        276 => typed(data, 0, 20),
        105 => wifi(data),
        127 => radiotap(data),
        119 => wifi(data.get(144..).unwrap_or_default()),
        163 => avs(data),
        192 => ppi(data),
        9 | 50 => ppp(data),
        51 => pppoe(data),
        104 => typed(data, 2, 4),
        109 => family(
            data.first_chunk::<4>().map(|b| u32::from_le_bytes(*b)),
            data.get(12..),
        ),
        239 => nflog(data),
        _ => Inner::Unknown,
    }
}

/// An Ethernet frame, destination address first.
pub(crate) fn ethernet(data: &[u8]) -> Inner<'_> {
    typed(data, 12, 14)
}

/// A two-byte protocol number at `at`, the payload at `start`.
fn typed(data: &[u8], at: usize, start: usize) -> Inner<'_> {
    match (u16_at(data, at), data.get(start..)) {
        (Some(kind), Some(rest)) => ether_type(kind, rest, 0),
        _ => Inner::Cut,
    }
}

/// The payload of an EtherType; lengths (802.3) lead to LLC.
pub(crate) fn ether_type(mut kind: u16, mut rest: &[u8], depth: usize) -> Inner<'_> {
    for _ in depth..MAX_LAYERS {
        match kind {
            0x0800 | 0x86dd => return bare(rest),
            // 802.1Q, 802.1ad, and the older QinQ numbers: priority and VLAN, then the next type.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => match (u16_at(rest, 2), rest.get(4..)) {
                (Some(next), Some(inner)) => (kind, rest) = (next, inner),
                _ => return Inner::Cut,
            },
            0x8847 | 0x8848 => return mpls(rest),
            0x8864 => return pppoe(rest),
            0x0000..=0x05dc => return llc(rest, depth + 1),
            _ => return Inner::Other,
        }
    }
    Inner::Unknown
}

/// An IP packet without a link header.
pub(crate) fn raw(data: &[u8]) -> Inner<'_> {
    bare(data)
}

fn bare(data: &[u8]) -> Inner<'_> {
    match data.first().map(|b| b >> 4) {
        Some(4 | 6) => Inner::Ip(data),
        Some(_) => Inner::Unknown,
        None => Inner::Cut,
    }
}

/// BSD loopback: the address family in the byte order of the machine that wrote the capture.
fn null(data: &[u8]) -> Inner<'_> {
    let Some(head) = data.first_chunk::<4>() else {
        return Inner::Cut;
    };
    let little = u32::from_le_bytes(*head);
    family(
        Some(if little > 0xffff {
            u32::from_be_bytes(*head)
        } else {
            little
        }),
        data.get(4..),
    )
}

fn family<'a>(family: Option<u32>, rest: Option<&'a [u8]>) -> Inner<'a> {
    match (family, rest) {
        // AF_INET, and AF_INET6 of the BSDs, macOS, Linux and Windows.
        (Some(2 | 10 | 23 | 24 | 28 | 30), Some(rest)) => bare(rest),
        // Some writers leave other bytes in front; a sound IPv4 header tells itself.
        (Some(_), Some([0x45, 0, _, _, _, _, _, _, _, 1 | 6 | 17, ..])) => bare(rest.unwrap_or_default()),
        (Some(_), Some(_)) => Inner::Other,
        _ => Inner::Cut,
    }
}

fn llc(data: &[u8], depth: usize) -> Inner<'_> {
    match data {
        [0xaa, 0xaa, 0x03, _, _, _, hi, lo, rest @ ..] => {
            ether_type(u16::from_be_bytes([*hi, *lo]), rest, depth)
        }
        [0x06, 0x06, 0x03, rest @ ..] => bare(rest),
        [_, _, _, ..] => Inner::Other,
        _ => Inner::Cut,
    }
}

fn mpls(mut data: &[u8]) -> Inner<'_> {
    for _ in 0..MAX_LAYERS {
        let Some((label, rest)) = data.split_first_chunk::<4>() else {
            return Inner::Cut;
        };
        data = rest;
        // Bottom of the label stack.
        if label[2] & 1 == 1 {
            return match data.first().map(|b| b >> 4) {
                Some(4 | 6) => Inner::Ip(data),
                // An Ethernet pseudowire, with its control word or without.
                Some(0) => ethernet(data.get(4..).unwrap_or_default()),
                Some(_) => ethernet(data),
                None => Inner::Cut,
            };
        }
    }
    Inner::Unknown
}

fn pppoe(data: &[u8]) -> Inner<'_> {
    match data.get(6..) {
        Some(rest) => ppp(rest),
        None => Inner::Cut,
    }
}

/// PPP, with HDLC address and control bytes or without, protocol number in one byte or two.
pub(crate) fn ppp(data: &[u8]) -> Inner<'_> {
    let data = data.strip_prefix(&[0xff, 0x03]).unwrap_or(data);
    match data {
        [0x00, 0x21 | 0x57, rest @ ..] | [0x21 | 0x57, rest @ ..] => bare(rest),
        [0x02, 0x81, rest @ ..] => mpls(rest),
        [] => Inner::Cut,
        _ => Inner::Other,
    }
}

fn radiotap(data: &[u8]) -> Inner<'_> {
    let Some(len) = data
        .get(2..4)
        .and_then(|b| b.first_chunk())
        .map(|b| u16::from_le_bytes(*b))
    else {
        return Inner::Cut;
    };
    wifi(data.get(usize::from(len)..).unwrap_or_default())
}

fn avs(data: &[u8]) -> Inner<'_> {
    let Some(len) = data
        .get(4..8)
        .and_then(|b| b.first_chunk())
        .map(|b| u32::from_be_bytes(*b))
    else {
        return Inner::Cut;
    };
    wifi(data.get(len as usize..).unwrap_or_default())
}

fn ppi(data: &[u8]) -> Inner<'_> {
    let Some([_, _, len_lo, len_hi, dlt @ ..]) = data.first_chunk::<8>() else {
        return Inner::Cut;
    };
    let rest = data
        .get(usize::from(u16::from_le_bytes([*len_lo, *len_hi]))..)
        .unwrap_or_default();
    match u32::from_le_bytes(*dlt) {
        1 => ethernet(rest),
        105 => wifi(rest),
        12 | 101 => bare(rest),
        9 => ppp(rest),
        _ => Inner::Unknown,
    }
}

/// An 802.11 frame; only unencrypted data frames carry IP.
fn wifi(data: &[u8]) -> Inner<'_> {
    let Some([control, flags]) = data.first_chunk::<2>().copied() else {
        return Inner::Cut;
    };
    let (kind, subtype) = (control >> 2 & 3, control >> 4);
    // Management and control frames, null-data subtypes, protected frames.
    if kind != 2 || subtype & 4 != 0 || flags & 0x40 != 0 {
        return Inner::Other;
    }
    let four_addresses = flags & 3 == 3;
    let qos = subtype & 8 != 0;
    let mut len = 24 + if four_addresses { 6 } else { 0 } + if qos { 2 } else { 0 };
    // +HTC adds four bytes to QoS frames.
    if qos && flags & 0x80 != 0 {
        len += 4;
    }
    match data.get(len..) {
        Some(rest) => llc(rest, 1),
        None => Inner::Cut,
    }
}

/// Linux NFLOG: type-length-value records in host byte order; record 9 is the packet.
fn nflog(data: &[u8]) -> Inner<'_> {
    let mut rest = data.get(4..).unwrap_or_default();
    for _ in 0..64 {
        let Some([a, b, c, d]) = rest.first_chunk::<4>().copied() else {
            return Inner::Cut;
        };
        let (len, kind) = (
            usize::from(u16::from_le_bytes([a, b])),
            u16::from_le_bytes([c, d]),
        );
        if len < 4 {
            return Inner::Unknown;
        }
        if kind == 9 {
            return bare(rest.get(4..len.min(rest.len())).unwrap_or_default());
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Inner::Unknown
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk::<2>().map(|b| u16::from_be_bytes(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: &[u8] = &[0x45, 0, 0, 20];

    fn with(head: &[u8]) -> Vec<u8> {
        [head, IP].concat()
    }

    #[test]
    fn every_link_type_leads_to_the_packet() {
        let mac = [0_u8; 12];
        let ether = |rest: &[u8]| [&mac[..], rest].concat();
        let mut wifi_qos = vec![0x88, 0x01];
        wifi_qos.extend([0; 24]);
        wifi_qos.extend([0xaa, 0xaa, 3, 0, 0, 0, 8, 0]);
        let mut radiotap = vec![0, 0, 8, 0, 0, 0, 0, 0];
        radiotap.extend(&wifi_qos);
        let cases: Vec<(u16, Vec<u8>)> = vec![
            (1, ether(&[8, 0])),
            (1, ether(&[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0])),
            (1, ether(&[0, 30, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0])),
            (1, ether(&[0x88, 0x47, 0, 1, 0, 9, 0, 1, 1, 9])),
            (1, ether(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 22, 0, 0x21])),
            (0, vec![2, 0, 0, 0]),
            (0, vec![0, 0, 0, 2]),
            (108, vec![0, 0, 0, 24]),
            (101, vec![]),
            (113, [&[0; 14][..], &[8, 0]].concat()),
            (276, [&[8, 0][..], &[0; 18]].concat()),
            (9, vec![0xff, 3, 0, 0x21]),
            (105, wifi_qos),
            (127, radiotap),
            (239, vec![2, 0, 0, 0, 5, 0, 1, 0, 7, 0, 0, 0, 8, 0, 9, 0]),
        ];
        for (link_type, head) in cases {
            assert_eq!(
                open(link_type, &with(&head)),
                Inner::Ip(IP),
                "link type {link_type}, {head:02x?}"
            );
        }
    }

    #[test]
    fn tags_without_end_are_refused() {
        let frame = [&[0; 12][..], &[0x81, 0, 0, 1].repeat(100)].concat();
        assert_eq!(open(1, &frame), Inner::Unknown);
        assert_eq!(open(1, &[0; 5]), Inner::Cut);
    }
}
