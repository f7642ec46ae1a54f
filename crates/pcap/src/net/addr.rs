//! Addresses and the key of a conversation.

use std::net::Ipv4Addr;

use casetrace_model::Text;

use crate::emit::decimal;

/// An IPv4 or IPv6 address; IPv4 in its mapped form, so that one number compares and hashes both.
///
/// Two halves and not one 128-bit integer, whose alignment would pad every structure that holds an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Addr {
    high: u64,
    low: u64,
}

const MAPPED: u64 = 0xffff_0000_0000;

impl Addr {
    pub(crate) fn v4(bytes: [u8; 4]) -> Self {
        Self {
            high: 0,
            low: MAPPED | u64::from(u32::from_be_bytes(bytes)),
        }
    }

    pub(crate) fn v6(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        Self {
            high: (number >> 64) as u64,
            low: number as u64,
        }
    }

    /// Groups in hex with the longest run of zeros left out (RFC 5952), as the standard library writes them, without
    /// the formatting machinery: this runs twice for every row.
    fn push_v6(self, out: &mut String) {
        let number = u128::from(self.high) << 64 | u128::from(self.low);
        let group = |at: usize| (number >> (112 - 16 * at)) as u16;
        let (mut run, mut longest) = (0..0, 0..0);
        for at in 0..8 {
            run = if group(at) == 0 {
                run.start..at + 1
            } else {
                at + 1..at + 1
            };
            if run.len() > longest.len() {
                longest = run.clone();
            }
        }
        if longest.len() < 2 {
            longest = 8..8;
        }
        let mut at = 0;
        while at < 8 {
            if at == longest.start {
                out.push_str("::");
                at = longest.end;
                continue;
            }
            if at > 0 && at != longest.end {
                out.push(':');
            }
            push_hex_group(out, group(at));
            at += 1;
        }
    }

    fn as_v4(self) -> Option<Ipv4Addr> {
        (self.high == 0 && self.low >> 32 == 0xffff).then(|| Ipv4Addr::from(self.low as u32))
    }

    /// True for addresses that many hosts answer to.
    pub(crate) fn is_multicast(self) -> bool {
        match self.as_v4() {
            Some(v4) => v4.is_multicast() || v4.octets()[3] == 255,
            None => self.high >> 56 == 0xff,
        }
    }

    pub(crate) fn text(self) -> Text {
        match self.as_v4() {
            Some(v4) => v4_text(v4.octets()),
            None => {
                let mut out = String::with_capacity(40);
                self.push_v6(&mut out);
                Text::from(out)
            }
        }
    }

    /// `address:port`, with brackets around IPv6.
    pub(crate) fn with_port(self, port: u16) -> Text {
        let Some(v4) = self.as_v4() else {
            let mut out = String::with_capacity(48);
            out.push('[');
            self.push_v6(&mut out);
            out.push_str("]:");
            crate::tls::ja::push_number(&mut out, u32::from(port));
            return Text::from(out);
        };
        // At most 21 bytes, which a text holds without a place of its own.
        let mut digits = [0; 5];
        let [a, b, c, d] = v4.octets().map(|octet| OCTET_TEXTS[usize::from(octet)]);
        [a[1], b[1], c[1], d[0], ":", decimal(port, &mut digits)]
            .into_iter()
            .collect()
    }
}

fn push_hex_group(out: &mut String, group: u16) {
    let digits = (4 - group.leading_zeros() / 4).max(1);
    for digit in (0..digits).rev() {
        out.extend(char::from_digit(u32::from(group >> (4 * digit) & 15), 16));
    }
}

/// Digits of every octet with a dot behind them, and how many bytes that is.
const OCTETS: [([u8; 4], usize); 256] = {
    let mut table = [([b'.'; 4], 0); 256];
    let mut octet = 0;
    while octet < 256 {
        let (hundreds, tens, ones) = (octet / 100, octet / 10 % 10, octet % 10);
        let digits = [b'0' + hundreds as u8, b'0' + tens as u8, b'0' + ones as u8];
        let mut skip = if octet >= 100 {
            0
        } else {
            if octet >= 10 { 1 } else { 2 }
        };
        let mut len = 0;
        while skip < 3 {
            table[octet].0[len] = digits[skip];
            (skip, len) = (skip + 1, len + 1);
        }
        table[octet].1 = len + 1;
        octet += 1;
    }
    table
};

/// The same as text, without the dot and with it: text that is known to be text need not be looked at again.
static OCTET_TEXTS: [[&str; 2]; 256] = {
    let mut texts = [[""; 2]; 256];
    let mut octet = 0;
    while octet < 256 {
        let (digits, len) = &OCTETS[octet];
        if let (Ok(plain), Ok(dotted)) = (
            std::str::from_utf8(digits.split_at(*len - 1).0),
            std::str::from_utf8(digits.split_at(*len).0),
        ) {
            texts[octet] = [plain, dotted];
        }
        octet += 1;
    }
    texts
};

/// Dotted decimal without the formatting machinery.
fn v4_text(octets: [u8; 4]) -> Text {
    let [a, b, c, d] = octets.map(|octet| OCTET_TEXTS[usize::from(octet)]);
    [a[1], b[1], c[1], d[0]].into_iter().collect()
}

/// Texts of addresses met before: most conversations are of the same few hosts.
#[derive(Debug, Default)]
pub(crate) struct AddrTexts {
    /// One for each value of eight bits of an address's hash; needs no protection against chosen collisions.
    kept: Vec<(Addr, Text)>,
}

impl AddrTexts {
    pub(crate) fn of(&mut self, addr: Addr) -> Text {
        if self.kept.is_empty() {
            self.kept.resize(256, (Addr::default(), Addr::default().text()));
        }
        let mixed = (addr.low ^ addr.high.rotate_left(23)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        match self.kept.get_mut((mixed >> 56) as usize) {
            Some((known, text)) if *known == addr => text.clone(),
            Some(kept) => {
                *kept = (addr, addr.text());
                kept.1.clone()
            }
            None => addr.text(),
        }
    }
}

/// Both ends of a conversation, in an order that does not depend on who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FlowKey {
    low: Addr,
    high: Addr,
    /// Port of the lower end, then that of the other.
    ports: (u16, u16),
}

impl std::hash::Hash for FlowKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for addr in [self.low, self.high] {
            state.write_u64(addr.low);
            state.write_u64(addr.high);
        }
        state.write_u64(self.both_ports());
    }
}

impl FlowKey {
    #[cfg(test)]
    pub(crate) fn new(a: (Addr, u16), b: (Addr, u16)) -> Self {
        Self::from_to(a, b).0
    }

    /// The key, and whether the first end is its lower one.
    pub(crate) fn from_to(a: (Addr, u16), b: (Addr, u16)) -> (Self, bool) {
        let key = |a: (Addr, u16), b: (Addr, u16)| Self {
            low: a.0,
            high: b.0,
            ports: (a.1, b.1),
        };
        if a <= b {
            (key(a, b), true)
        } else {
            (key(b, a), false)
        }
    }

    /// Both ends, the lower one first.
    pub(crate) fn ends(&self) -> [(Addr, u16); 2] {
        [(self.low, self.ports.0), (self.high, self.ports.1)]
    }

    fn both_ports(&self) -> u64 {
        u64::from(self.ports.0) << 16 | u64::from(self.ports.1)
    }

    /// A number that spreads well and is the same in every run, so that shards are. Tables use [`Keyed`](super::keyed::Keyed).
    pub(crate) fn spread(&self) -> u64 {
        let fold = |addr: Addr| addr.low ^ addr.high.rotate_left(23);
        let mixed = fold(self.low).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ fold(self.high).wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
            ^ self.both_ports().wrapping_mul(0x1656_67b1_9e37_79f9);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

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
        for octet in 0..=255 {
            let octets = [octet, 255 - octet, octet, octet];
            assert_eq!(Addr::v4(octets).text(), Ipv4Addr::from(octets).to_string());
        }
        // Every pattern of zero and other groups, with one to four digits each.
        for pattern in 0..=255_u16 {
            for digits in [1, 0x2f, 0xabc, 0xfe80] {
                let group = |at: u16| if pattern >> at & 1 == 1 { digits } else { 0 };
                let v6 = Ipv6Addr::new(
                    group(7),
                    group(6),
                    group(5),
                    group(4),
                    group(3),
                    group(2),
                    group(1),
                    group(0),
                );
                if v6.to_ipv4_mapped().is_none() {
                    assert_eq!(Addr::v6(v6.octets()).text(), v6.to_string());
                }
            }
        }
        assert_eq!(Addr::v6(Ipv6Addr::LOCALHOST.octets()).text(), "::1");
        assert_eq!(Addr::v6(Ipv6Addr::LOCALHOST.octets()).with_port(443), "[::1]:443");
        assert!(Addr::v4([224, 0, 0, 252]).is_multicast() && !Addr::v4([10, 0, 0, 1]).is_multicast());
    }

    #[test]
    fn texts_are_those_of_the_address_asked_for() {
        let mut texts = AddrTexts::default();
        for round in 0..3 {
            for number in 0..2000_u16 {
                let [a, b] = number.to_be_bytes();
                let mut v6 = [0; 16];
                (v6[0], v6[14], v6[15]) = (0x20, a, b);
                for addr in [Addr::v4([10, round, a, b]), Addr::v6(v6), Addr::default()] {
                    assert_eq!(texts.of(addr), addr.text());
                }
            }
        }
    }

    #[test]
    fn both_directions_share_a_key() {
        let (a, b) = ((Addr::v4([10, 0, 0, 1]), 5), (Addr::v4([10, 0, 0, 2]), 443));
        assert_eq!(FlowKey::new(a, b), FlowKey::new(b, a));
        assert_eq!(FlowKey::new(a, b).spread(), FlowKey::new(b, a).spread());
    }
}
