//! What is taken out, and what a value names.

/// What is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Credentials; the default everywhere.
    #[default]
    Secrets,
    /// Credentials, and who and where.
    Identity,
    /// Nothing.
    None,
}

impl Mode {
    /// Reads the spelling of `--redact`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "secrets" => Some(Self::Secrets),
            "identity" => Some(Self::Identity),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// The spelling of `--redact`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Identity => "identity",
            Self::None => "none",
        }
    }
}

/// What a value names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// A user, in any of its spellings.
    User,
    /// A computer, by short or full name or address.
    Host,
    /// A DNS or NetBIOS domain.
    Domain,
    /// A tenant GUID.
    Tenant,
    /// A device GUID.
    Device,
    /// Another directory object's GUID.
    Object,
}

impl Identity {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "user" => Self::User,
            "host" => Self::Host,
            "domain" => Self::Domain,
            "tenant" => Self::Tenant,
            "device" => Self::Device,
            "object" => Self::Object,
            _ => return None,
        })
    }
}
