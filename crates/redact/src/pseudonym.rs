//! Pseudonyms: the same for the same name and key, of the same format, and recognisable as such.
//!
//! | what | pseudonym |
//! |---|---|
//! | user | `user-1a2b3c4d` |
//! | host or domain label | `h-1a2b3c4d`, upper case if the label was |
//! | IPv4 | private ranges to 250–254.0.0.0/8 with their prefix structure kept, others to 240–249.0.0.0/8 |
//! | IPv6 | `2001:db8:…`, `fe80::db8:…`, `fd00:db8:…` |
//! | MAC | `02-ca-5e-…` |
//! | SID | `S-1-5-21-1000000000-…` |
//! | GUID | `ca5e….-….-8…` |
//!
//! None of these forms occurs in real networks, which is what makes redaction idempotent.

use std::net::{Ipv4Addr, Ipv6Addr};

use sha2::{Digest, Sha256};

/// First sub-authority of a replaced SID.
const SID_MARK: &str = "1000000000";

/// Makes pseudonyms under one key.
#[derive(Clone)]
pub(crate) struct Naming {
    key: [u8; 32],
}

impl Naming {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self {
            key: Sha256::new()
                .chain_update(b"casetrace identity\0")
                .chain_update(key)
                .finalize()
                .into(),
        }
    }

    fn hash(&self, kind: &str, value: &[u8]) -> [u8; 16] {
        let digest = Sha256::new()
            .chain_update(self.key)
            .chain_update(kind.as_bytes())
            .chain_update([0])
            .chain_update(value)
            .chain_update(self.key)
            .finalize();
        let mut out = [0; 16];
        out.copy_from_slice(digest.get(..16).unwrap_or(&[0; 16]));
        out
    }

    fn word(&self, kind: &str, value: &str) -> u32 {
        let h = self.hash(kind, value.as_bytes());
        u32::from_be_bytes([h[0], h[1], h[2], h[3]])
    }

    /// A user name without its domain.
    pub(crate) fn user(&self, name: &str) -> String {
        if is_own(name, "user-") {
            return name.to_owned();
        }
        format!("user-{:08x}", self.word("user", &name.to_lowercase()))
    }

    /// One label of a host or domain name.
    pub(crate) fn label(&self, label: &str) -> String {
        if is_own(label, "h-") {
            return label.to_owned();
        }
        let name = format!("h-{:08x}", self.word("label", &label.to_lowercase()));
        if label.chars().any(char::is_uppercase) && !label.chars().any(char::is_lowercase) {
            name.to_uppercase()
        } else {
            name
        }
    }

    pub(crate) fn guid(&self, guid: &str) -> String {
        let lower = guid.to_ascii_lowercase();
        if is_own_guid(&lower) {
            return guid.to_owned();
        }
        let h = self.hash("guid", lower.as_bytes());
        let hex: String = h.iter().map(|b| format!("{b:02x}")).collect();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
        let name = format!(
            "ca5e{}-{}-8{}-b{}-{}",
            part(0, 4),
            part(4, 8),
            part(8, 11),
            part(11, 14),
            part(14, 26)
        );
        if guid.bytes().any(|b| b.is_ascii_uppercase()) {
            name.to_uppercase()
        } else {
            name
        }
    }

    /// `None` for addresses that stay.
    pub(crate) fn ipv4(&self, ip: Ipv4Addr) -> Option<Ipv4Addr> {
        let [a, b, c, d] = ip.octets();
        let stays = matches!(a, 0 | 127 | 224..=255)
            || matches!(ip.octets(), [169, 254, 169, 254] | [168, 63, 129, 16]);
        if stays {
            return None;
        }
        // A keyed permutation per prefix keeps "same subnet" true and different hosts different.
        let step = |prefix: &[u8], octet: u8| self.permute(prefix, octet);
        Some(match (a, b) {
            (10, _) => Ipv4Addr::new(250, step(&[10], b), step(&[10, b], c), step(&[10, b, c], d)),
            (192, 168) => Ipv4Addr::new(251, 168, step(&[192, 168], c), step(&[192, 168, c], d)),
            (172, 16..=31) => Ipv4Addr::new(252, step(&[172], b), step(&[172, b], c), step(&[172, b, c], d)),
            (100, 64..=127) => Ipv4Addr::new(253, step(&[100], b), step(&[100, b], c), step(&[100, b, c], d)),
            (169, 254) => Ipv4Addr::new(254, 254, step(&[169, 254], c), step(&[169, 254, c], d)),
            _ => {
                let h = self.hash("ipv4", &ip.octets());
                Ipv4Addr::new(240 + h[0] % 10, h[1], h[2], h[3])
            }
        })
    }

    /// A bijection of 0..=255: a small Feistel network over the two nibbles.
    fn permute(&self, prefix: &[u8], octet: u8) -> u8 {
        let (mut left, mut right) = (octet >> 4, octet & 15);
        for round in 0..4 {
            let mut input = prefix.to_vec();
            input.extend_from_slice(&[0xff, round, right]);
            let next = left ^ (self.hash("octet", &input)[0] & 15);
            left = right;
            right = next;
        }
        left << 4 | right
    }

    /// `None` for addresses that stay.
    pub(crate) fn ipv6(&self, ip: Ipv6Addr) -> Option<Ipv6Addr> {
        if let Some(v4) = ip.to_ipv4_mapped() {
            return self.ipv4(v4).map(|v4| v4.to_ipv6_mapped());
        }
        let s = ip.segments();
        let special = ip.is_loopback() || ip.is_unspecified() || ip.is_multicast();
        let own = (s[0], s[1]) == (0x2001, 0xdb8)
            || (s[0], s[1]) == (0xfd00, 0xdb8)
            || (s[0] == 0xfe80 && s[4] == 0xdb8);
        if special || own {
            return None;
        }
        let network = self.hash("ipv6-network", &ip.octets()[..8]);
        let host = self.hash("ipv6", &ip.octets());
        let (n, h) = (words(&network), words(&host));
        Some(match s[0] {
            0xfe80..=0xfebf => Ipv6Addr::new(0xfe80, 0, 0, 0, 0xdb8, h[0], h[1], h[2]),
            0xfc00..=0xfdff => Ipv6Addr::new(0xfd00, 0xdb8, n[0], n[1], h[0], h[1], h[2], h[3]),
            _ => Ipv6Addr::new(0x2001, 0xdb8, n[0], n[1], h[0], h[1], h[2], h[3]),
        })
    }

    /// A MAC address with `-` or `:`; `None` for group addresses and own ones.
    pub(crate) fn mac(&self, mac: &str) -> Option<String> {
        let separator = mac.chars().nth(2)?;
        let lower: String = mac.to_ascii_lowercase().replace(separator, "");
        let stays = ["ffffffffffff", "000000000000"].contains(&lower.as_str());
        if stays
            || ["01005e", "3333", "0180c2", "02ca5e"]
                .iter()
                .any(|own| lower.starts_with(own))
        {
            return None;
        }
        let h = self.hash("mac", lower.as_bytes());
        let name = [0x02, 0xca, 0x5e, h[0], h[1], h[2]]
            .map(|b| format!("{b:02x}"))
            .join(&separator.to_string());
        Some(if mac.bytes().any(|b| b.is_ascii_uppercase()) {
            name.to_uppercase()
        } else {
            name
        })
    }

    /// `None` for well-known SIDs. The account number of built-in accounts (below 1000) stays.
    pub(crate) fn sid(&self, sid: &str) -> Option<String> {
        let upper = sid.to_ascii_uppercase();
        let (prefix, rest) = ["S-1-5-21-", "S-1-12-1-"]
            .iter()
            .find_map(|p| Some((*p, upper.strip_prefix(p)?)))?;
        let parts: Vec<&str> = rest.split('-').collect();
        if parts.len() < 3 || parts.first() == Some(&SID_MARK) {
            return None;
        }
        let domain = parts.iter().take(3).copied().collect::<Vec<_>>().join("-");
        let h = words(&self.hash("sid", domain.as_bytes()));
        let pair = |high: u16, low: u16| u32::from(high) << 16 | u32::from(low);
        let mut name = format!("{prefix}{SID_MARK}-{}-{}", pair(h[0], h[1]), pair(h[2], h[3]));
        for account in parts.iter().skip(3) {
            let number: u64 = account.parse().unwrap_or(u64::MAX);
            match number {
                0..1000 => name.push_str(&format!("-{number}")),
                _ => name.push_str(&format!("-{}", 1_000_000 + self.word("rid", &upper) % 9_000_000)),
            }
        }
        Some(name)
    }
}

fn words(hash: &[u8; 16]) -> [u16; 8] {
    let mut out = [0; 8];
    for (slot, pair) in out.iter_mut().zip(hash.chunks_exact(2)) {
        *slot = u16::from_be_bytes([pair[0], pair[1]]);
    }
    out
}

/// `h-1a2b3c4d` and `user-1a2b3c4d`, in either case.
pub(crate) fn is_own(text: &str, prefix: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower
        .strip_prefix(prefix)
        .is_some_and(|hex| hex.len() == 8 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

pub(crate) fn is_own_guid(lower: &str) -> bool {
    lower.starts_with("ca5e") && lower.get(14..15) == Some("8") && lower.get(19..20) == Some("b")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn addresses_keep_their_subnets_apart() {
        let naming = Naming::new(b"k");
        let mapped: HashSet<_> = (0..=255)
            .map(|d| naming.ipv4(Ipv4Addr::new(10, 1, 2, d)).unwrap())
            .collect();
        assert_eq!(mapped.len(), 256);
        let prefixes: HashSet<_> = mapped
            .iter()
            .map(|ip| [ip.octets()[0], ip.octets()[1], ip.octets()[2]])
            .collect();
        assert_eq!(prefixes.len(), 1);
        for stays in ["127.0.0.1", "169.254.169.254", "255.255.255.255", "250.1.2.3"] {
            assert_eq!(naming.ipv4(stays.parse().unwrap()), None, "{stays}");
        }
    }

    #[test]
    fn every_pseudonym_is_recognised_as_one() {
        let naming = Naming::new(b"k");
        for ip in [
            "10.0.0.1",
            "8.8.8.8",
            "192.168.1.9",
            "172.16.0.1",
            "100.64.0.1",
            "169.254.1.1",
        ] {
            assert_eq!(
                naming.ipv4(naming.ipv4(ip.parse().unwrap()).unwrap()),
                None,
                "{ip}"
            );
        }
        for ip in ["fe80::1", "fd12::1", "2a01::1", "::ffff:10.0.0.1"] {
            assert_eq!(
                naming.ipv6(naming.ipv6(ip.parse().unwrap()).unwrap()),
                None,
                "{ip}"
            );
        }
        let sid = naming.sid("S-1-5-21-1-2-3-1105").unwrap();
        assert_eq!(naming.sid(&sid), None);
        assert!(naming.sid("S-1-5-21-1-2-3-500").unwrap().ends_with("-500"));
        assert_eq!(naming.sid("S-1-5-18"), None);
        assert_eq!(naming.mac(&naming.mac("00-15-5D-01-02-03").unwrap()), None);
        let guid = naming.guid("6B5D8C2E-0F57-4F2C-9A42-7F6F2B1F0C11");
        assert_eq!(naming.guid(&guid), guid);
        assert_eq!(guid.len(), 36);
        assert_eq!(naming.label(&naming.label("PC042")), naming.label("PC042"));
        assert_eq!(naming.label("PC042").to_lowercase(), naming.label("pc042"));
        assert_ne!(naming.user("a"), Naming::new(b"other").user("a"));
    }
}
