//! Who a case is about: one computer, its directory, its tenant and its user. Documentation names only.

use crate::moment::Moment;

/// Names and ids of a made-up environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// NetBIOS name of the computer.
    pub computer: String,
    /// DNS name of the directory domain.
    pub domain: String,
    /// NetBIOS name of the domain.
    pub netbios: String,
    /// Tenant GUID.
    pub tenant_id: String,
    /// Tenant display name.
    pub tenant_name: String,
    /// Device GUID.
    pub device_id: String,
    /// User principal name.
    pub upn: String,
    /// The user's SID.
    pub sid: String,
    /// Device certificate thumbprint.
    pub thumbprint: String,
    /// Minutes east of UTC.
    pub zone_min: i32,
    /// Display language is Japanese.
    pub japanese: bool,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            computer: "PC042".into(),
            domain: "corp.contoso.com".into(),
            netbios: "CONTOSO".into(),
            tenant_id: "aaaabbbb-0000-cccc-1111-dddd2222eeee".into(),
            tenant_name: "Contoso".into(),
            device_id: "00001111-aaaa-2222-bbbb-3333cccc4444".into(),
            upn: "user1@contoso.com".into(),
            sid: "S-1-5-21-1004336348-1177238915-682003330-1104".into(),
            thumbprint: "5D2F0A1B3C4D5E6F708192A3B4C5D6E7F8091A2B".into(),
            zone_min: 0,
            japanese: false,
        }
    }
}

impl Identity {
    /// A Japanese system at UTC+9.
    #[must_use]
    pub fn japanese(mut self) -> Self {
        (self.japanese, self.zone_min) = (true, 540);
        self
    }

    /// Another computer name.
    #[must_use]
    pub fn computer(mut self, name: &str) -> Self {
        self.computer = name.to_owned();
        self
    }

    /// `PC042.corp.contoso.com`.
    pub fn fqdn(&self) -> String {
        format!("{}.{}", self.computer, self.domain)
    }

    /// `UTC+09:00`.
    pub fn zone_name(&self) -> String {
        let sign = if self.zone_min < 0 { '-' } else { '+' };
        format!(
            "UTC{sign}{:02}:{:02}",
            self.zone_min.abs() / 60,
            self.zone_min.abs() % 60
        )
    }

    /// Local time by a strftime pattern.
    pub fn local(&self, at: Moment, pattern: &str) -> String {
        at.format(pattern, self.zone_min)
    }
}
