//! The timeline's columns, once: name, type, unit and meaning.
//!
//! [`with_columns!`](crate::with_columns) hands this table to a macro, so that the [`Row`](crate::Row) struct,
//! its field visitor, the polars schema and `casetrace schema` can't drift apart.

/// How a column is stored; all columns are nullable except those whose [`Column::required`] is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8 text.
    Str,
    /// Unsigned 8-bit.
    U8,
    /// Unsigned 16-bit.
    U16,
    /// Unsigned 32-bit.
    U32,
    /// Unsigned 64-bit.
    U64,
    /// Signed 64-bit.
    I64,
    /// Microseconds since 1970, UTC.
    Timestamp,
}

impl ColumnType {
    /// The spelling used by `casetrace schema`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Str => "str",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::Timestamp => "datetime[us, UTC]",
        }
    }
}

/// One column of the timeline, as documented to users.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// snake_case, stable.
    pub name: &'static str,
    /// Storage type.
    pub ty: ColumnType,
    /// True where a value is always present.
    pub required: bool,
    /// What it says, with its unit.
    pub meaning: &'static str,
    /// One real-looking value.
    pub example: &'static str,
    /// The Elastic Common Schema field of the same meaning, or `""`.
    pub ecs: &'static str,
}

/// Calls `$callback!` with every column as `name, kind, "meaning", "example", "ecs";`.
///
/// Kinds: `text` (`Option<Text>`), `req_text` (`Text`), `string` (`String`, required), `u8`, `u16`, `u32`,
/// `u64`, `i64` (all `Option`), `req_u64`, `ts` (derived from `ts_ns`), and the closed vocabularies `ts_source`, `source`,
/// `level`, `outcome`, `context`, which print as text.
#[macro_export]
macro_rules! with_columns {
    ($callback:ident) => {
        $callback! {
            ts, ts, "when it happened, UTC, microseconds", "2026-03-02T01:16:11.123456Z", "@timestamp";
            ts_ns, i64, "the same instant, exact: nanoseconds since 1970; the sort key", "1772414171123456700", "";
            ts_source, ts_source, "how the time is known: exact, derived, local_assumed, none", "exact", "";
            host, text, "computer the fact was recorded on", "PC042", "host.name";
            artifact, req_text, "logical path of the file; nesting is !/", "upload.zip!/Authlogs/Nettrace.etl", "log.file.path";
            record, req_u64, "record number in the artifact: EVTX record id, packet or ETW event ordinal, text line", "4711", "event.sequence";
            source, source, "pcap, etl, evtx, text, registry, saz, signin", "etl", "event.module";
            kind, req_text, "what sort of fact, dotted", "tls.client_hello", "event.action";
            context, context, "who acted: system or user, where known", "system", "";
            provider, text, "event provider name, or its GUID in braces", "Microsoft-Windows-AAD", "event.provider";
            channel, text, "event channel", "Microsoft-Windows-AAD/Operational", "winlog.channel";
            event_id, u32, "event id", "1098", "event.code";
            event_version, u8, "version of the event's layout", "1", "winlog.version";
            level, level, "critical, error, warning, info, verbose", "error", "log.level";
            opcode, text, "opcode name or number", "Start", "winlog.opcode";
            task, text, "task name or number", "AadCloudAPPluginOperation", "winlog.task";
            keywords, u64, "keyword bits", "4611686018427387904", "winlog.keywords";
            pid, u32, "process id", "712", "process.pid";
            tid, u32, "thread id", "1044", "process.thread.id";
            process, text, "process image name", "lsass.exe", "process.name";
            activity_id, text, "ETW activity GUID, lower case, bare", "0bc1dd29-6cd1-48c4-80ff-839482e37671", "winlog.activity_id";
            correlation_id, text, "service correlation GUID, lower case, bare", "6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11", "trace.id";
            flow_id, u64, "same for all rows of one conversation in one artifact", "17", "";
            src_ip, text, "source address", "192.0.2.10", "source.ip";
            src_port, u16, "source port", "50123", "source.port";
            dst_ip, text, "destination address", "198.51.100.7", "destination.ip";
            dst_port, u16, "destination port", "443", "destination.port";
            transport, text, "tcp, udp or icmp", "tcp", "network.transport";
            server_name, text, "SNI, Host, CONNECT target or DNS name; lower case, no trailing dot", "login.microsoftonline.com", "server.domain";
            http_method, text, "request method (on responses too: of the request answered)", "CONNECT", "http.request.method";
            url, text, "request URL or target, secrets masked", "https://login.microsoftonline.com/common/oauth2/token", "url.original";
            http_status, u16, "status of the response", "407", "http.response.status_code";
            content_type, text, "media type without parameters", "text/html", "http.response.mime_type";
            proxy, text, "host:port, when spoken to a proxy", "proxy.contoso.com:8080", "";
            proxy_auth, text, "offered proxy authentication schemes, comma separated", "Negotiate,NTLM", "";
            tls_version, text, "negotiated or highest offered version", "TLS 1.2", "tls.version";
            tls_cipher, text, "negotiated cipher suite, IANA name", "TLS_AES_128_GCM_SHA256", "tls.cipher";
            tls_alert, text, "alert description", "unknown_ca", "";
            alpn, text, "ALPN offered (comma separated) or chosen", "h2,http/1.1", "tls.next_protocol";
            ja3, text, "JA3 of the ClientHello", "771,4865,0-23,29,0 as MD5", "tls.client.ja3";
            ja4, text, "JA4 of the ClientHello", "t13d1516h2_8daaf6152771_b186095e22b6", "";
            cert_subject, text, "leaf certificate's subject", "CN=login.microsoftonline.com", "tls.server.subject";
            cert_issuer, text, "leaf certificate's issuer", "CN=Proxy CA, O=Contoso", "tls.server.issuer";
            cert_not_before, text, "leaf validity start, RFC 3339", "2026-01-01T00:00:00Z", "tls.server.not_before";
            cert_not_after, text, "leaf validity end, RFC 3339", "2026-12-31T23:59:59Z", "tls.server.not_after";
            cert_sha256, text, "SHA-256 of the leaf's DER, lower-case hex", "9f86d081…", "tls.server.hash.sha256";
            dns_rcode, text, "NOERROR, NXDOMAIN, … or TIMEOUT", "NXDOMAIN", "dns.response_code";
            outcome, outcome, "success, failure, timeout, reset, refused, unknown", "timeout", "event.outcome";
            error_code, text, "normalised code: 0x801c03f2, AADSTS50126, KDC_ERR_PREAUTH_FAILED", "0x801c03f2", "error.code";
            error_symbol, text, "symbol from the knowledge base", "DSREG_E_DIRECTORY_FAILURE", "error.type";
            user, text, "user name or UPN", "user@contoso.com", "user.name";
            user_sid, text, "user SID", "S-1-5-18", "user.id";
            tenant_id, text, "Entra tenant GUID", "72f988bf-86f1-41af-91ab-2d7cd011db47", "";
            device_id, text, "Entra device GUID", "5820fbe9-60c8-43b0-bb11-44aee233e4e7", "device.id";
            message, string, "one readable line", "ClientHello for login.microsoftonline.com", "message";
            fields, string, "everything else that was decoded, as a JSON object", "{\"Status\":\"0xc000006d\"}", "";
        }
    };
}

macro_rules! column_type {
    (text) => {
        ColumnType::Str
    };
    (req_text) => {
        ColumnType::Str
    };
    (string) => {
        ColumnType::Str
    };
    (ts_source) => {
        ColumnType::Str
    };
    (source) => {
        ColumnType::Str
    };
    (level) => {
        ColumnType::Str
    };
    (outcome) => {
        ColumnType::Str
    };
    (context) => {
        ColumnType::Str
    };
    (u8) => {
        ColumnType::U8
    };
    (u16) => {
        ColumnType::U16
    };
    (u32) => {
        ColumnType::U32
    };
    (u64) => {
        ColumnType::U64
    };
    (req_u64) => {
        ColumnType::U64
    };
    (i64) => {
        ColumnType::I64
    };
    (ts) => {
        ColumnType::Timestamp
    };
}

macro_rules! column_required {
    (req_text) => {
        true
    };
    (req_u64) => {
        true
    };
    (string) => {
        true
    };
    (source) => {
        true
    };
    (ts_source) => {
        true
    };
    ($other:ident) => {
        false
    };
}

macro_rules! define_columns {
    ($($name:ident, $kind:ident, $meaning:literal, $example:literal, $ecs:literal;)*) => {
        /// All columns in the order of every output format.
        pub const COLUMNS: &[Column] = &[$(Column {
            name: stringify!($name),
            ty: column_type!($kind),
            required: column_required!($kind),
            meaning: $meaning,
            example: $example,
            ecs: $ecs,
        }),*];
    };
}

with_columns!(define_columns);
