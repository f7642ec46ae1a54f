//! Which values are settings, and the binary proxy settings of WinHTTP and WinINet.

use std::sync::LazyLock;

use casetrace_model::{Context, Source};

use super::values::Value;
use crate::output::{Output, config};
use crate::table::rows;
use crate::zone::iana;

static TABLE: LazyLock<Vec<[&str; 3]>> =
    LazyLock::new(|| rows::<3>(include_str!("../../../../../pipelines/text/registry.tsv")).collect());

/// The setting a value is published as.
pub(super) fn listed(key: &str, name: &str) -> Option<&'static str> {
    let key = format!("{}\\", key.to_lowercase());
    TABLE
        .iter()
        .filter(|[part, value, _]| {
            (*value == "*" || value.eq_ignore_ascii_case(name))
                && key.contains(*part)
                && ends_right(&key, part)
        })
        .max_by_key(|[part, _, _]| part.len())
        .map(|[_, _, config]| *config)
}

/// A part that ends without a backslash names the key itself, not one below it.
fn ends_right(key: &str, part: &str) -> bool {
    part.ends_with('\\') || key.strip_suffix('\\').is_some_and(|key| key.ends_with(part))
}

/// Writes the `config` row of a listed value.
pub(super) fn publish(
    key: &str,
    name: &'static str,
    value: &Value<'_>,
    line: u64,
    context: Option<Context>,
    out: &mut Output<'_>,
) {
    let source = [
        ("key", key),
        ("value_name", value.name.as_ref()),
        ("from", "registry"),
    ];
    let data = value.data.trim();
    match name {
        "bits:winhttp_proxy" => {
            let Some(found) = winhttp(&value.bytes) else {
                return;
            };
            let shown = if found.proxy.is_empty() {
                "DIRECT"
            } else {
                &found.proxy
            };
            let details = [source[0], ("bypass", found.bypass.as_str()), source[2]];
            out.config_row(
                config(Source::Registry, line, "winhttp_proxy", shown, &details),
                Some(Context::System),
            );
        }
        "bits:ie_connection" | "bits:ie_connection_saved" => {
            let Some(found) = wininet(&value.bytes) else {
                return;
            };
            let name = name.trim_start_matches("bits:");
            let details = [
                source[0],
                ("proxy", found.proxy.as_str()),
                ("bypass", &found.bypass),
                ("pac", &found.pac),
                source[2],
            ];
            out.config_row(
                config(Source::Registry, line, name, &found.flags(), &details),
                context,
            );
        }
        "schannel_protocol" => {
            let mut parts = key.rsplit('\\');
            let side = parts.next().unwrap_or_default();
            let protocol = parts.next().unwrap_or_default();
            let shown = format!("{protocol} {side} {}={data}", value.name);
            let details = [
                ("protocol", protocol),
                ("side", side),
                ("setting", value.name.as_ref()),
                ("data", data),
                source[0],
                source[2],
            ];
            out.config_row(config(Source::Registry, line, name, &shown, &details), None);
        }
        "timezone" => {
            let details = [("iana", iana(data).unwrap_or_default()), source[0], source[2]];
            out.config_row(config(Source::Registry, line, name, data, &details), None);
        }
        _ => out.config_row(config(Source::Registry, line, name, data, &source), context),
    }
}

/// A binary proxy setting, decoded.
#[derive(Debug, Default, PartialEq, Eq)]
struct Proxy {
    bits: u32,
    proxy: String,
    bypass: String,
    pac: String,
}

impl Proxy {
    /// `DIRECT+PROXY+PAC+AUTODETECT`
    fn flags(&self) -> String {
        let names: Vec<_> = [(1, "DIRECT"), (2, "PROXY"), (4, "PAC"), (8, "AUTODETECT")]
            .into_iter()
            .filter(|(bit, _)| self.bits & bit != 0)
            .map(|(_, name)| name)
            .collect();
        names.join("+")
    }
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn u32(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*head))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(String::from_utf8_lossy(head).trim_end_matches('\0').to_owned())
    }
}

/// WinHttpSettings: size or version, counter, flags, proxy, bypass; observed layout, undocumented.
fn winhttp(bytes: &[u8]) -> Option<Proxy> {
    let mut cursor = Cursor(bytes);
    cursor.u32()?;
    cursor.u32()?;
    let bits = cursor.u32()?;
    let proxy = cursor.text().unwrap_or_default();
    let bypass = cursor.text().unwrap_or_default();
    Some(Proxy {
        bits,
        proxy,
        bypass,
        pac: String::new(),
    })
}

/// DefaultConnectionSettings: the same with a PAC URL at the end.
fn wininet(bytes: &[u8]) -> Option<Proxy> {
    let mut cursor = Cursor(bytes);
    cursor.u32()?;
    cursor.u32()?;
    let bits = cursor.u32()?;
    let proxy = cursor.text().unwrap_or_default();
    let bypass = cursor.text().unwrap_or_default();
    let pac = cursor.text().unwrap_or_default();
    Some(Proxy {
        bits,
        proxy,
        bypass,
        pac,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn listed_values_are_settings() {
        let cdj = r"HKEY_LOCAL_MACHINE\Software\Microsoft\Windows\CurrentVersion\CDJ\AAD";
        assert_eq!(listed(cdj, "TenantId"), Some("scp_tenant_id"));
        let tls = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Client";
        assert_eq!(listed(tls, "Enabled"), Some("schannel_protocol"));
        let nested =
            r"HKEY_LOCAL_MACHINE\Software\Microsoft\Windows\CurrentVersion\Internet Settings\Zones\3";
        assert_eq!(listed(nested, "ProxyEnable"), None);
    }

    #[test]
    fn binary_proxies_are_read() {
        let mut bytes = vec![0x46, 0, 0, 0, 9, 0, 0, 0, 0xb, 0, 0, 0];
        for text in ["proxy:8080", "<local>", "http://wpad/p.pac"] {
            bytes.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
            bytes.extend(text.bytes());
        }
        let found = wininet(&bytes).unwrap();
        assert_eq!(
            (found.flags().as_str(), found.proxy.as_str(), found.pac.as_str()),
            ("DIRECT+PROXY+AUTODETECT", "proxy:8080", "http://wpad/p.pac")
        );
        assert_eq!(winhttp(&bytes[..20]).unwrap().proxy, "");
        assert_eq!(winhttp(&bytes[..4]), None);
    }
}
