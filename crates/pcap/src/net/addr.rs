//! Addresses and the key of a conversation.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use casetrace_model::Text;

/// An IPv4 or IPv6 address; IPv4 in its mapped form, so that one integer compares and hashes both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Addr(pub(crate) u128);

const MAPPED: u128 = 0xffff_0000_0000;

impl Addr {
    pub(crate) fn v4(bytes: [u8; 4]) -> Self {
        Self(MAPPED | u128::from(u32::from_be_bytes(bytes)))
    }

    pub(crate) fn v6(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    fn as_v4(self) -> Option<Ipv4Addr> {
        (self.0 >> 32 == 0xffff).then(|| Ipv4Addr::from(self.0 as u32))
    }

    /// True for addresses that many hosts answer to.
    pub(crate) fn is_multicast(self) -> bool {
        match self.as_v4() {
            Some(v4) => v4.is_multicast() || v4.octets()[3] == 255,
            None => self.0 >> 120 == 0xff,
        }
    }

    pub(crate) fn text(self) -> Text {
        match self.as_v4() {
            Some(v4) => v4_text(v4.octets()),
            None => {
                let mut out = String::with_capacity(40);
                let _ = write!(out, "{}", Ipv6Addr::from(self.0));
                Text::from(out)
            }
        }
    }

    /// `address:port`, with brackets around IPv6.
    pub(crate) fn with_port(self, port: u16) -> Text {
        let mut out = String::with_capacity(24);
        match self.as_v4() {
            Some(v4) => out.push_str(&v4_text(v4.octets())),
            None => {
                let _ = write!(out, "[{}]", Ipv6Addr::from(self.0));
            }
        }
        out.push(':');
        crate::tls::ja::push_number(&mut out, u32::from(port));
        Text::from(out)
    }
}

/// Dotted decimal without the formatting machinery: this runs twice for every row.
fn v4_text(octets: [u8; 4]) -> Text {
    let mut out = [0_u8; 15];
    let mut len = 0;
    let mut push = |byte: u8| {
        if let Some(slot) = out.get_mut(len) {
            *slot = byte;
            len += 1;
        }
    };
    for (i, octet) in octets.into_iter().enumerate() {
        if i > 0 {
            push(b'.');
        }
        if octet >= 100 {
            push(b'0' + octet / 100);
        }
        if octet >= 10 {
            push(b'0' + octet / 10 % 10);
        }
        push(b'0' + octet % 10);
    }
    Text::new(std::str::from_utf8(out.get(..len).unwrap_or_default()).unwrap_or_default())
}

/// Both ends of a conversation, in an order that does not depend on who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowKey {
    pub(crate) low: (Addr, u16),
    pub(crate) high: (Addr, u16),
}

impl std::hash::Hash for FlowKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.spread());
    }
}

impl FlowKey {
    pub(crate) fn new(a: (Addr, u16), b: (Addr, u16)) -> Self {
        if a <= b {
            Self { low: a, high: b }
        } else {
            Self { low: b, high: a }
        }
    }

    /// A number that spreads well and is the same in every run.
    pub(crate) fn spread(&self) -> u64 {
        let fold = |x: u128| (x as u64) ^ ((x >> 64) as u64).rotate_left(23);
        let ports = u64::from(self.low.1) << 16 | u64::from(self.high.1);
        let mixed = fold(self.low.0.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ fold(self.high.0.0).wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
            ^ ports.wrapping_mul(0x1656_67b1_9e37_79f9);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_like_the_standard_library() {
        for octets in [
            [0, 0, 0, 0],
            [10, 200, 3, 99],
            [255, 255, 255, 255],
            [192, 0, 2, 10],
        ] {
            assert_eq!(Addr::v4(octets).text(), Ipv4Addr::from(octets).to_string());
        }
        assert_eq!(Addr::v6(Ipv6Addr::LOCALHOST.octets()).text(), "::1");
        assert_eq!(Addr::v6(Ipv6Addr::LOCALHOST.octets()).with_port(443), "[::1]:443");
        assert!(Addr::v4([224, 0, 0, 252]).is_multicast() && !Addr::v4([10, 0, 0, 1]).is_multicast());
    }

    #[test]
    fn both_directions_share_a_key() {
        let (a, b) = ((Addr::v4([10, 0, 0, 1]), 5), (Addr::v4([10, 0, 0, 2]), 443));
        assert_eq!(FlowKey::new(a, b), FlowKey::new(b, a));
        assert_eq!(FlowKey::new(a, b).spread(), FlowKey::new(b, a).spread());
    }
}
