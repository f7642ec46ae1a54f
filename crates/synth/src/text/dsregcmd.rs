//! `dsregcmd /status` in the states and versions a case meets.
//!
//! Source: Microsoft's documentation of the command and public samples of its output.

use std::fmt::Write as _;

use crate::identity::Identity;
use crate::moment::Moment;

type Section = (String, Vec<(String, String)>);

/// The output under construction: sections of fields.
#[derive(Debug, Clone, Default)]
pub struct Dsregcmd {
    sections: Vec<Section>,
}

const DEVICE_STATE: &str = "Device State";
const DIAGNOSTIC: &str = "Diagnostic Data";

impl Dsregcmd {
    /// No section yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field, making section and field at the end if there are none.
    #[must_use]
    pub fn set(mut self, section: &str, name: &str, value: &str) -> Self {
        let at = self
            .sections
            .iter()
            .position(|(title, _)| title == section)
            .unwrap_or_else(|| {
                self.sections.push((section.to_owned(), vec![]));
                self.sections.len() - 1
            });
        let fields = &mut self.sections[at].1;
        match fields.iter_mut().find(|(n, _)| n == name) {
            Some(field) => field.1 = value.to_owned(),
            None => fields.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Sets several fields of one section.
    #[must_use]
    pub fn all(self, section: &str, fields: &[(&str, &str)]) -> Self {
        fields
            .iter()
            .fold(self, |s, (name, value)| s.set(section, name, value))
    }

    /// Removes a section.
    #[must_use]
    pub fn without(mut self, section: &str) -> Self {
        self.sections.retain(|(title, _)| title != section);
        self
    }

    /// Removes a field.
    #[must_use]
    pub fn unset(mut self, section: &str, name: &str) -> Self {
        for (_, fields) in self.sections.iter_mut().filter(|(title, _)| title == section) {
            fields.retain(|(n, _)| n != name);
        }
        self
    }

    fn device_state(id: &Identity, entra: bool) -> Self {
        Self::new().all(
            DEVICE_STATE,
            &[
                ("AzureAdJoined", if entra { "YES" } else { "NO" }),
                ("EnterpriseJoined", "NO"),
                ("DomainJoined", "YES"),
                ("DomainName", &id.netbios),
                ("Virtual Desktop", "NOT SET"),
                ("Device Name", &id.fqdn()),
            ],
        )
    }

    /// A healthy hybrid joined device, seen from the user's session at `at` (Windows 11 23H2).
    pub fn hybrid(id: &Identity, at: Moment) -> Self {
        let tenant = &id.tenant_id;
        let valid = format!(
            "[ {} -- {} ]",
            at.plus_s(-8_640_000).dsregcmd(),
            at.plus_s(310_000_000).dsregcmd()
        );
        let drs = "https://enterpriseregistration.windows.net";
        Self::device_state(id, true)
            .all(
                "Device Details",
                &[
                    ("DeviceId", &id.device_id),
                    ("Thumbprint", &id.thumbprint),
                    ("DeviceCertificateValidity", &valid),
                    ("KeyContainerId", "11112222-bbbb-3333-cccc-4444dddd5555"),
                    ("KeyProvider", "Microsoft Platform Crypto Provider"),
                    ("TpmProtected", "YES"),
                    ("DeviceAuthStatus", "SUCCESS"),
                ],
            )
            .all(
                "Tenant Details",
                &[
                    ("TenantName", &id.tenant_name),
                    ("TenantId", tenant),
                    (
                        "AuthCodeUrl",
                        &format!("https://login.microsoftonline.com/{tenant}/oauth2/authorize"),
                    ),
                    (
                        "AccessTokenUrl",
                        &format!("https://login.microsoftonline.com/{tenant}/oauth2/token"),
                    ),
                    ("MdmUrl", ""),
                    ("JoinSrvVersion", "2.0"),
                    ("JoinSrvUrl", &format!("{drs}/EnrollmentServer/device/")),
                    ("JoinSrvId", "urn:ms-drs:enterpriseregistration.windows.net"),
                    ("KeySrvUrl", &format!("{drs}/EnrollmentServer/key/")),
                ],
            )
            .user_state("YES", true)
            .sso(id, at)
            .joined_diagnostics(id)
            .ngc_ready()
    }

    fn user_state(self, ngc: &str, wam: bool) -> Self {
        let s = self.all("User State", &[("NgcSet", ngc), ("WorkplaceJoined", "NO")]);
        if !wam {
            return s.set("User State", "WamDefaultSet", "NO");
        }
        s.all(
            "User State",
            &[
                ("NgcKeyId", "{22223333-CCCC-4444-DDDD-5555EEEE6666}"),
                ("CanReset", "DestructiveAndNonDestructive"),
                ("WamDefaultSet", "YES"),
                ("WamDefaultAuthority", "organizations"),
                ("WamDefaultId", "https://login.microsoft.com"),
                (
                    "WamDefaultGUID",
                    "{B16898C6-A148-4967-9171-64D755DA8520} (AzureAd)",
                ),
            ],
        )
    }

    fn sso(self, id: &Identity, at: Moment) -> Self {
        self.all(
            "SSO State",
            &[
                ("AzureAdPrt", "YES"),
                ("AzureAdPrtUpdateTime", &at.plus_s(-5_400).dsregcmd()),
                ("AzureAdPrtExpiryTime", &at.plus_s(1_204_200).dsregcmd()),
                (
                    "AzureAdPrtAuthority",
                    &format!("https://login.microsoftonline.com/{}", id.tenant_id),
                ),
                ("EnterprisePrt", "NO"),
                ("EnterprisePrtAuthority", ""),
                ("OnPremTgt", "NO"),
                ("CloudTgt", "YES"),
            ],
        )
    }

    fn joined_diagnostics(self, id: &Identity) -> Self {
        self.all(
            DIAGNOSTIC,
            &[
                ("AadRecoveryEnabled", "NO"),
                (
                    "Executing Account Name",
                    &format!(r"{}\user1, {}", id.netbios, id.upn),
                ),
                ("KeySignTest", "PASSED"),
                ("DisplayNameUpdated", "YES"),
                ("OsVersionUpdated", "YES"),
                ("HostNameUpdated", "YES"),
            ],
        )
        .proxies(id, "", "", "DIRECT")
    }

    /// Proxy sections: system account's PAC URL and list, and the WinHTTP default (`DIRECT` or a proxy).
    #[must_use]
    pub fn proxies(self, id: &Identity, pac: &str, list: &str, winhttp: &str) -> Self {
        let s = self.all(
            "IE Proxy Config for System Account",
            &[
                ("Auto Detect Settings", "YES"),
                ("Auto-Configuration URL", pac),
                ("Proxy Server List", list),
                ("Proxy Bypass List", ""),
            ],
        );
        let s = s.set(
            "URL Specific Proxy Config",
            "Executing Account Name",
            &format!(r"{0}\{1}$, {1}$@{2}", id.netbios, id.computer, id.domain),
        );
        if winhttp == "DIRECT" {
            return s.set("WinHttp Default Proxy Config", "Access Type", "DIRECT");
        }
        s.all(
            "WinHttp Default Proxy Config",
            &[
                ("Access Type", "NAMED_PROXY"),
                ("Proxy Server List", winhttp),
                ("Proxy Bypass List", "<local>"),
            ],
        )
    }

    fn ngc_ready(self) -> Self {
        self.all(
            "Ngc Prerequisite Check",
            &[
                ("IsDeviceJoined", "YES"),
                ("IsUserAzureAD", "YES"),
                ("PolicyEnabled", "YES"),
                ("PostLogonEnabled", "YES"),
                ("DeviceEligible", "YES"),
                ("SessionIsNotRemote", "YES"),
                ("CertEnrollment", "none"),
                ("PreReqResult", "WillProvision"),
            ],
        )
    }

    /// A domain joined device whose automatic registration failed, seen by SYSTEM. Tests are given as
    /// `(name, result)` and error fields as they are printed.
    pub fn not_registered(
        id: &Identity,
        at: Moment,
        tests: &[(&str, &str)],
        errors: &[(&str, &str)],
    ) -> Self {
        let head = [
            ("Diagnostics Reference", "www.microsoft.com/aadjerrors"),
            ("User Context", "SYSTEM"),
            ("Client Time", &at.dsregcmd()),
            ("AD Connectivity Test", "PASS"),
            ("AD Configuration Test", "PASS"),
            ("DRS Discovery Test", "PASS"),
            ("DRS Connectivity Test", "PASS"),
            ("Token acquisition Test", "PASS"),
            ("Fallback to Sync-Join", "ENABLED"),
        ];
        Self::device_state(id, false)
            .user_state("NO", false)
            .all(
                "SSO State",
                &[
                    ("AzureAdPrt", "NO"),
                    ("AzureAdPrtAuthority", "NO"),
                    ("EnterprisePrt", "NO"),
                    ("EnterprisePrtAuthority", "NO"),
                ],
            )
            .all(DIAGNOSTIC, &head)
            .all(DIAGNOSTIC, tests)
            .all(DIAGNOSTIC, errors)
            .proxies(id, "", "", "DIRECT")
            .all(
                "Ngc Prerequisite Check",
                &[
                    ("IsDeviceJoined", "NO"),
                    ("IsUserAzureAD", "NO"),
                    ("PolicyEnabled", "NO"),
                    ("PostLogonEnabled", "YES"),
                    ("DeviceEligible", "YES"),
                    ("SessionIsNotRemote", "YES"),
                    ("CertEnrollment", "none"),
                    ("PreReqResult", "WillNotProvision"),
                ],
            )
    }

    /// Adds the diagnostics of a failed request for the cloud's PRT to SSO State. They stand below its own fields and
    /// above the federation server's.
    #[must_use]
    pub fn prt_failure(mut self, kind: &str, fields: &[(&str, &str)]) -> Self {
        self = self.set("SSO State", "AzureAdPrt", "NO");
        let Some((_, sso)) = self.sections.iter_mut().find(|(title, _)| title == "SSO State") else {
            return self;
        };
        let at = sso
            .iter()
            .position(|(name, _)| name == "AzureAdPrtAuthority")
            .map_or(sso.len(), |i| i + 1);
        let owned = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut block = vec![owned(kind, "PRESENT")];
        block.extend(fields.iter().map(|(name, value)| owned(name, value)));
        sso.splice(at..at, block);
        self
    }

    /// The printed output, lines ending in LF.
    pub fn text(&self) -> String {
        let rule = format!("+{}+", "-".repeat(70));
        let mut out = String::from("\n");
        for (title, fields) in &self.sections {
            // Writing into a String can't fail.
            let _ = write!(out, "{rule}\n| {title:<69}|\n{rule}\n\n");
            for (name, value) in fields {
                let _ = writeln!(out, "{name:>26} : {value}");
            }
            out.push('\n');
        }
        out.push_str("For more information, please visit https://www.microsoft.com/aadjerrors\n");
        out
    }

    /// The output as Windows 10 1607–1703 printed it: one column, no blank before the colon.
    pub fn old_text(&self) -> String {
        let mut out = String::from(
            "+----------------------------------------------------------------------+\n| Device State                                                         |\n+----------------------------------------------------------------------+\n",
        );
        for (name, value) in self.sections.iter().flat_map(|(_, fields)| fields) {
            let _ = writeln!(out, "{name}: {value}");
        }
        out
    }
}
