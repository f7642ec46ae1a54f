//! The columns a table may promote a field to, and how each wants its text.

use casetrace_model::{Row, Text, code, normalise_guid};

macro_rules! columns {
    ($($variant:ident = $name:literal,)*) => {
        /// A column that a table can fill.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Column { $(#[doc = $name] $variant,)* }

        impl Column {
            /// The column of that name.
            pub(crate) fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

columns! {
    ErrorCode = "error_code",
    CorrelationId = "correlation_id",
    Ids = "ids",
    ActivityId = "activity_id",
    HttpStatus = "http_status",
    HttpMethod = "http_method",
    Url = "url",
    User = "user",
    UserSid = "user_sid",
    ServerName = "server_name",
    Proxy = "proxy",
    ProxyAuth = "proxy_auth",
    TenantId = "tenant_id",
    DeviceId = "device_id",
    Process = "process",
    SrcIp = "src_ip",
    SrcPort = "src_port",
    DstIp = "dst_ip",
    DstPort = "dst_port",
    TlsAlert = "tls_alert",
    TlsVersion = "tls_version",
    TlsCipher = "tls_cipher",
    CertSubject = "cert_subject",
    CertIssuer = "cert_issuer",
    CertNotBefore = "cert_not_before",
    CertNotAfter = "cert_not_after",
    ContentType = "content_type",
    DnsRcode = "dns_rcode",
}

/// True for what Windows writes where there is nothing to say.
pub(crate) fn is_blank(value: &str) -> bool {
    const LONGEST: usize = 6;
    let value = trim(value);
    if value.len() > LONGEST {
        return false;
    }
    matches!(value, "" | "-" | "NULL" | "(null)" | "null" | "N/A" | "%%1793")
}

/// `value.trim()`, quick where there is nothing to trim.
pub(crate) fn trim(value: &str) -> &str {
    match value.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => value,
        _ => value.trim(),
    }
}

/// Puts `value` into `column` unless one is there already; false if the text does not fit the column.
pub(crate) fn set(row: &mut Row, column: Column, value: &str) -> bool {
    let value = trim(value);
    match column {
        Column::ErrorCode | Column::Ids => false,
        Column::CorrelationId => put(&mut row.correlation_id, guid(value)),
        Column::ActivityId => put(&mut row.activity_id, guid(value)),
        Column::TenantId => put(&mut row.tenant_id, guid(value)),
        Column::DeviceId => put(&mut row.device_id, guid(value)),
        Column::HttpStatus => put(&mut row.http_status, http_status(value)),
        Column::HttpMethod => put(&mut row.http_method, text(value)),
        Column::Url => put(&mut row.url, text(value)),
        Column::User => put(&mut row.user, text(value)),
        Column::UserSid => put(&mut row.user_sid, sid(value)),
        Column::ServerName => put(&mut row.server_name, host_of(value)),
        Column::Proxy => put(&mut row.proxy, text(value)),
        Column::ProxyAuth => put(&mut row.proxy_auth, text(value)),
        Column::Process => put(&mut row.process, image(value)),
        Column::SrcIp => put(&mut row.src_ip, address(value)),
        Column::DstIp => put(&mut row.dst_ip, address(value)),
        Column::SrcPort => put(&mut row.src_port, port(value)),
        Column::DstPort => put(&mut row.dst_port, port(value)),
        Column::TlsAlert => put(&mut row.tls_alert, text(value)),
        Column::TlsVersion => put(&mut row.tls_version, text(value)),
        Column::TlsCipher => put(&mut row.tls_cipher, text(value)),
        Column::CertSubject => put(&mut row.cert_subject, text(value)),
        Column::CertIssuer => put(&mut row.cert_issuer, text(value)),
        Column::CertNotBefore => put(&mut row.cert_not_before, text(value)),
        Column::CertNotAfter => put(&mut row.cert_not_after, text(value)),
        Column::ContentType => put(&mut row.content_type, text(value)),
        Column::DnsRcode => put(&mut row.dns_rcode, text(value)),
    }
}

fn put<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    if slot.is_none() {
        *slot = value;
    }
    slot.is_some()
}

fn text(value: &str) -> Option<Text> {
    (!is_blank(value)).then(|| Text::from(value))
}

/// A GUID that says something: the all-zero one does not.
pub(crate) fn guid(value: &str) -> Option<Text> {
    normalise_guid(value).filter(|id| id != "00000000-0000-0000-0000-000000000000")
}

fn http_status(value: &str) -> Option<u16> {
    code::parse_number(value)
        .and_then(|n| u16::try_from(n).ok())
        .filter(|n| (100..=599).contains(n))
}

fn sid(value: &str) -> Option<Text> {
    (value.starts_with("S-1-") && value != "S-1-0-0").then(|| Text::from(value))
}

fn port(value: &str) -> Option<u16> {
    let of_socket = || value.parse::<std::net::SocketAddr>().map(|socket| socket.port());
    value
        .parse()
        .or_else(|_| of_socket())
        .ok()
        .filter(|port| *port != 0)
}

/// An address as text, also out of `address:port`; IPv4 in IPv6 dress (`::ffff:192.0.2.1`) is shown as IPv4.
fn address(value: &str) -> Option<Text> {
    let bare = value.trim_start_matches('[').split(']').next().unwrap_or(value);
    let of_socket = || value.parse::<std::net::SocketAddr>().map(|socket| socket.ip());
    if bare.parse::<std::net::Ipv4Addr>().is_ok() {
        return Some(Text::from(bare));
    }
    let address: std::net::IpAddr = bare.parse().or_else(|_| of_socket()).ok()?;
    Some(Text::from(address.to_canonical().to_string()))
}

/// The file name of an image path, as the `process` column wants it.
fn image(value: &str) -> Option<Text> {
    text(value.rsplit(['\\', '/']).next().unwrap_or(value))
}

/// The host of a URL, of `host:port`, of an SPN (`HTTP/host`), or of a UNC name, in lower case.
pub(crate) fn host_of(value: &str) -> Option<Text> {
    if is_blank(value) {
        return None;
    }
    if let Some(host) = plain_host(value) {
        return Some(host);
    }
    let after_scheme = value.split_once("://").map_or(value, |(_, rest)| rest);
    let had_scheme = after_scheme.len() != value.len();
    let unc = after_scheme.trim_start_matches('\\');
    let parts: Vec<&str> = unc.split(['/', '\\', '?', '#']).take(2).collect();
    let host = match parts.as_slice() {
        // `HTTP/host` and `krbtgt/REALM` are service principal names; `host/path` without scheme does not occur.
        [service, host]
            if !had_scheme && unc.len() == value.len() && !service.contains('.') && !host.is_empty() =>
        {
            host
        }
        [host, ..] => host,
        [] => return None,
    };
    let host = host.rsplit_once('@').map_or(*host, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None if host.matches(':').count() == 1 => host.split(':').next().unwrap_or(host),
        None => host,
    };
    let host = host.trim().trim_end_matches('.');
    let fits = !host.is_empty() && host.len() <= 253 && !host.contains(char::is_whitespace);
    fits.then(|| Text::from(host.to_lowercase()))
}

/// A bare name in lower case, as most are.
fn plain_host(value: &str) -> Option<Text> {
    let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    // One pass without early end.
    let fits = value.bytes().fold(true, |fits, byte| fits & plain(byte));
    let host = value.trim_end_matches('.');
    (fits && !host.is_empty() && host.len() <= 253).then(|| Text::from(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_every_dress() {
        for (text, host) in [
            (
                "https://Login.MicrosoftOnline.com:443/common?x",
                "login.microsoftonline.com",
            ),
            (
                "enterpriseregistration.windows.net.",
                "enterpriseregistration.windows.net",
            ),
            ("proxy.contoso.com:8080", "proxy.contoso.com"),
            ("HTTP/proxy.contoso.com", "proxy.contoso.com"),
            ("\\\\DC01.corp.contoso.com", "dc01.corp.contoso.com"),
            ("http://[2001:db8::1]:80/", "2001:db8::1"),
        ] {
            assert_eq!(host_of(text).as_deref(), Some(host), "{text}");
        }
        assert_eq!(host_of("-"), None);
        assert_eq!(host_of("two words"), None);
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        assert_eq!(http_status("200"), Some(200));
        assert_eq!(http_status("12007"), None);
        assert_eq!(address("::ffff:192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(sid("S-1-0-0"), None);
        assert_eq!(guid("{00000000-0000-0000-0000-000000000000}"), None);
    }
}
