//! Names behind numbers: small registries kept as tab-separated tables under `pipelines/packets`.

use std::sync::LazyLock;

use casetrace_model::Text;

/// A registry: numbers in order, and their names.
pub(crate) struct Names(Vec<(u32, &'static str)>);

impl Names {
    fn read(table: &'static str) -> Self {
        let lines = table.lines().filter(|line| !line.starts_with('#'));
        let mut names: Vec<_> = lines
            .filter_map(|line| {
                let (number, name) = line.split_once('\t')?;
                Some((number.parse().ok()?, name))
            })
            .collect();
        names.sort_by_key(|(number, _)| *number);
        Self(names)
    }

    /// The name, if the number is registered.
    pub(crate) fn get(&self, number: u32) -> Option<Text> {
        let at = self.0.binary_search_by_key(&number, |(known, _)| *known).ok()?;
        self.0.get(at).map(|(_, name)| Text::new_static(name))
    }

    /// The name, or `0x…` with at least four digits.
    pub(crate) fn or_hex(&self, number: u32) -> Text {
        self.get(number)
            .unwrap_or_else(|| Text::from(format!("{number:#06x}")))
    }

    /// The name, or the number in decimal.
    pub(crate) fn or_number(&self, number: u32) -> Text {
        self.get(number).unwrap_or_else(|| Text::from(number.to_string()))
    }
}

macro_rules! registry {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        $($(#[$doc])*
        pub(crate) static $name: LazyLock<Names> =
            LazyLock::new(|| Names::read(include_str!(concat!("../tables/", $file))));)*
    };
}

registry! {
    /// TLS alert descriptions.
    TLS_ALERTS = "tls_alerts.tsv";
    /// TLS key-exchange groups.
    TLS_GROUPS = "tls_groups.tsv";
    /// DNS record types.
    DNS_TYPES = "dns_types.tsv";
    /// DNS response codes.
    DNS_RCODES = "dns_rcodes.tsv";
    /// Kerberos error codes.
    KERBEROS_ERRORS = "kerberos_errors.tsv";
    /// Kerberos encryption types.
    KERBEROS_ETYPES = "kerberos_etypes.tsv";
    /// LDAP result codes.
    LDAP_RESULTS = "ldap_results.tsv";
    /// ICMP destination-unreachable codes: 256 times the IP version plus the code.
    ICMP_CODES = "icmp_codes.tsv";
}

/// The IANA name of a cipher suite, or `0x…`.
pub(crate) fn cipher(id: u16) -> Text {
    match tls_parser::TlsCipherSuite::from_id(id) {
        Some(suite) => Text::new_static(suite.name),
        None => Text::from(format!("{id:#06x}")),
    }
}

/// `TLS 1.2` from the number on the wire.
pub(crate) fn tls_version(version: u16) -> Text {
    match version {
        0x0002 => Text::new_static("SSL 2.0"),
        0x0300 => Text::new_static("SSL 3.0"),
        0x0301 => Text::new_static("TLS 1.0"),
        0x0302 => Text::new_static("TLS 1.1"),
        0x0303 => Text::new_static("TLS 1.2"),
        0x0304 => Text::new_static("TLS 1.3"),
        // Drafts of TLS 1.3, and Facebook's variants of them.
        0x7f00..=0x7fff => Text::from(format!("TLS 1.3 (draft {})", version & 0xff)),
        0xfb00..=0xfbff => Text::from(format!("TLS 1.3 (fb draft {})", version & 0xff)),
        other => Text::from(format!("{other:#06x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_readable() {
        let tables = [
            &TLS_ALERTS,
            &TLS_GROUPS,
            &DNS_TYPES,
            &DNS_RCODES,
            &KERBEROS_ERRORS,
            &KERBEROS_ETYPES,
            &LDAP_RESULTS,
            &ICMP_CODES,
        ];
        for table in tables {
            assert!(table.0.len() > 8);
        }
        assert_eq!(TLS_ALERTS.or_number(48), "unknown_ca");
        assert_eq!(TLS_GROUPS.or_hex(0x11ec), "X25519MLKEM768");
        assert_eq!(TLS_GROUPS.or_hex(0xfefe), "0xfefe");
        assert_eq!(cipher(0x1301), "TLS_AES_128_GCM_SHA256");
        assert_eq!(tls_version(0x0303), "TLS 1.2");
    }
}
