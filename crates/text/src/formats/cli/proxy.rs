//! Why a tool does not get through its proxy, told from the text of a failure.

use std::sync::LazyLock;

use casetrace_model::{JsonObject, Row, Text};
use regex::Regex;

use super::causes::Causes;

static CAUSES: LazyLock<Causes> =
    LazyLock::new(|| Causes::of(include_str!("../../../../../pipelines/text/proxy_failures.tsv")));

/// The status with which a proxy answers CONNECT.
static STATUS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?:Tunnel connection failed: |failed with status code '|returned an error: \()(?P<status>[1-5]\d\d)\b").ok()
});

/// The proxy's address, or at least its name.
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"to proxy '(?:[a-z]+://)?(?:[^@'/\s]*@)?(?P<tunnel>[A-Za-z0-9._:\[\]-]{1,260})/?'",
        r"|Failed to resolve '(?P<name>[A-Za-z0-9._-]{1,253})'",
        r"|Connection to (?P<silent>[A-Za-z0-9._-]{1,253}) timed out",
    ))
    .ok()
});

/// What the text of a failure says of the proxy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AtProxy<'t> {
    /// A cause of the table, or `denied` for a status other than 407.
    cause: Option<&'static str>,
    status: Option<u16>,
    /// Host, with its port where the text has it.
    address: Option<&'t str>,
}

impl<'t> AtProxy<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let status = STATUS.as_ref().and_then(|regex| {
            let found = regex.captures(text)?.name("status")?;
            found.as_str().parse().ok()
        });
        let address = ADDRESS.as_ref().and_then(|regex| {
            let found = regex.captures(text)?;
            let part = ["tunnel", "name", "silent"]
                .into_iter()
                .find_map(|name| found.name(name))?;
            Some(part.as_str())
        });
        Self {
            cause: match status {
                Some(407) => Some("credentials"),
                Some(_) => Some("denied"),
                None => CAUSES.first(text),
            },
            status,
            address,
        }
    }

    pub(super) fn tell(&self, row: &mut Row, fields: &mut JsonObject) {
        row.proxy = self
            .address
            .map(|address| Text::from(address.to_ascii_lowercase()));
        row.http_status = self.status;
        if let Some(cause) = self.cause {
            fields.push_str("proxy_cause", cause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(cause: &str) -> (Option<&'static str>, Option<u16>, Option<String>) {
        let text = format!(
            "HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded with url: /x (Caused by {cause})"
        );
        let found = AtProxy::of(&text);
        (found.cause, found.status, found.address.map(str::to_owned))
    }

    #[test]
    fn spellings_of_urllib3() {
        let pool = "<urllib3.connection.HTTPSConnection object at 0x7d7121565cd0>";
        for (cause, expected) in [
            (
                "ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy Authentication Required'))".to_owned(),
                (Some("credentials"), Some(407), None),
            ),
            (
                "ProxyError('Unable to connect to proxy', OSError('Tunnel connection failed: 403 Forbidden'))".to_owned(),
                (Some("denied"), Some(403), None),
            ),
            (
                format!("ProxyError('Cannot connect to proxy.', NewConnectionError('{pool}: Failed to establish a new connection: [Errno -5] No address associated with hostname'))"),
                (Some("name"), None, None),
            ),
            (
                format!("ProxyError('Unable to connect to proxy', NameResolutionError(\"{pool}: Failed to resolve 'proxy.contoso.com' ([Errno 11001] getaddrinfo failed)\"))"),
                (Some("name"), None, Some("proxy.contoso.com")),
            ),
            (
                format!("ProxyError('Unable to connect to proxy', NewConnectionError('{pool}: Failed to establish a new connection: [WinError 10061] No connection could be made because the target machine actively refused it'))"),
                (Some("unreachable"), None, None),
            ),
            (
                format!("ProxyError('Unable to connect to proxy', ConnectTimeoutError({pool}, 'Connection to proxy.contoso.com timed out. (connect timeout=300)'))"),
                (Some("unreachable"), None, Some("proxy.contoso.com")),
            ),
            (
                "ProxyError('Unable to connect to proxy', RemoteDisconnected('Remote end closed connection without response'))".to_owned(),
                (Some("closed"), None, None),
            ),
            (
                "ProxyError('Unable to connect to proxy. Your proxy appears to only use HTTP and not HTTPS, try changing your proxy URL to be HTTP.', SSLError(SSLError(1, '[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)')))".to_owned(),
                (Some("setting"), None, None),
            ),
            ("ProxyError('Cannot connect to proxy.', FileNotFoundError(2, 'No such file or directory'))".to_owned(), (None, None, None)),
        ] {
            let (what, status, address) = expected;
            assert_eq!(told(&cause), (what, status, address.map(str::to_owned)), "{cause}");
        }
    }

    #[test]
    fn dot_net_framework_puts_the_status_in_brackets() {
        let found = AtProxy::of("The remote server returned an error: (407) Proxy Authentication Required.");
        assert_eq!((found.cause, found.status), (Some("credentials"), Some(407)));
    }

    #[test]
    fn dot_net_names_address_and_status() {
        let found = AtProxy::of(
            "HttpRequestException: The proxy tunnel request to proxy 'http://user:secret@proxy.contoso.com:8080/' failed with status code '502'.",
        );
        assert_eq!(
            found,
            AtProxy {
                cause: Some("denied"),
                status: Some(502),
                address: Some("proxy.contoso.com:8080")
            }
        );
    }
}
