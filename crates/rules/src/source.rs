//! Kinds of source: two facts corroborate each other only if different instruments recorded them.

use casetrace_timeline::{ColumnId, Timeline};

/// The instrument a row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// dsregcmd output.
    Dsregcmd,
    /// User Device Registration events.
    DeviceRegistration,
    /// Microsoft-Windows-AAD events.
    Aad,
    /// Windows Hello for Business events.
    Hello,
    /// CAPI2 and Schannel events.
    Crypto,
    /// Kerberos, Netlogon, Group Policy and Security events.
    Directory,
    /// Azure AD Connect and password writeback events.
    Sync,
    /// Any other event.
    System,
    /// Captured packets.
    Packets,
    /// WinHTTP, WebIO, WinINet and DNS client tracing.
    HttpTracing,
    /// Fiddler or HAR.
    Fiddler,
    /// Registry and settings.
    Settings,
    /// Command-line tools and their debug logs.
    Cli,
    /// Entra sign-in log.
    SigninLog,
    /// Other text logs.
    Text,
}

impl SourceKind {
    /// Its name in outputs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dsregcmd => "dsregcmd",
            Self::DeviceRegistration => "device-registration",
            Self::Aad => "aad",
            Self::Hello => "hello",
            Self::Crypto => "crypto",
            Self::Directory => "directory",
            Self::Sync => "sync",
            Self::System => "system",
            Self::Packets => "packets",
            Self::HttpTracing => "http-tracing",
            Self::Fiddler => "fiddler",
            Self::Settings => "settings",
            Self::Cli => "cli",
            Self::SigninLog => "signin-log",
            Self::Text => "text",
        }
    }
}

/// Parts of provider names, first match wins.
const PROVIDERS: &[(&str, SourceKind)] = &[
    ("user device registration", SourceKind::DeviceRegistration),
    ("windows-aad", SourceKind::Aad),
    ("helloforbusiness", SourceKind::Hello),
    ("capi2", SourceKind::Crypto),
    ("schannel", SourceKind::Crypto),
    ("kerberos", SourceKind::Directory),
    ("netlogon", SourceKind::Directory),
    ("grouppolicy", SourceKind::Directory),
    ("security-auditing", SourceKind::Directory),
    ("lsasrv", SourceKind::Directory),
    ("winhttp", SourceKind::HttpTracing),
    ("webio", SourceKind::HttpTracing),
    ("wininet", SourceKind::HttpTracing),
    ("dns-client", SourceKind::HttpTracing),
    ("passwordresetservice", SourceKind::Sync),
    ("adsync", SourceKind::Sync),
    ("directory synchronization", SourceKind::Sync),
];

/// Prefixes of packet kinds.
const PACKETS: &[&str] = &[
    "tcp", "tls", "http", "dns", "quic", "kerberos", "ldap", "icmp", "dhcp", "socks",
];

/// Classifies one row.
pub(crate) fn kind_of(timeline: &Timeline, row: u32) -> SourceKind {
    let cell = |name| {
        ColumnId::of(name)
            .and_then(|c| timeline.text(c, row))
            .unwrap_or("")
    };
    let kind = cell("kind");
    let family = kind.split('.').next().unwrap_or(kind);
    match (family, cell("source")) {
        (_, "saz") => SourceKind::Fiddler,
        ("dsregcmd", _) => SourceKind::Dsregcmd,
        ("signin", _) => SourceKind::SigninLog,
        ("cli", _) => SourceKind::Cli,
        ("registry" | "config", _) => SourceKind::Settings,
        ("event", _) => {
            let provider = cell("provider").to_lowercase();
            PROVIDERS
                .iter()
                .find(|(part, _)| provider.contains(part))
                .map_or(SourceKind::System, |(_, kind)| *kind)
        }
        (family, "text") if PACKETS.contains(&family) => SourceKind::Cli,
        // Tracing of the HTTP stack has no addresses of packets.
        (family, "etl") if PACKETS.contains(&family) && cell("src_ip").is_empty() => SourceKind::HttpTracing,
        (family, _) if PACKETS.contains(&family) => SourceKind::Packets,
        _ => SourceKind::Text,
    }
}
