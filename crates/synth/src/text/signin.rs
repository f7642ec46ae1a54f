//! The sign-in log as the Entra portal exports it (CSV, UTF-8 with byte order mark).
//!
//! Source: a public copy of an export's header, oddities included: blanks behind two names, two blanks inside one,
//! one name twice.

use crate::bytes::guid_for;
use crate::identity::Identity;
use crate::moment::Moment;

const COLUMNS: [&str; 57] = [
    "Date (UTC)",
    "Request ID",
    "User agent",
    "Correlation ID",
    "User ID",
    "User",
    "Username",
    "User type",
    "Cross tenant access type",
    "Incoming token type",
    "Authentication Protocol",
    "Unique token identifier",
    "Original transfer method",
    "Client credential type",
    "Token Protection - Sign In Session",
    "Token Protection - Sign In Session StatusCode",
    "Application",
    "Application ID ",
    "App owner tenant ID",
    "Resource",
    "Resource ID ",
    "Resource tenant ID",
    "Resource owner tenant ID",
    "Home tenant ID",
    "Home tenant name",
    "IP address",
    "Location",
    "Status",
    "Sign-in error code",
    "Failure reason",
    "Client app",
    "Device ID",
    "Browser",
    "Operating System",
    "Compliant",
    "Managed",
    "Join Type",
    "Multifactor authentication result",
    "Multifactor authentication auth method",
    "Multifactor authentication auth detail",
    "Authentication requirement",
    "Sign-in identifier",
    "Session ID",
    "IP address (seen by resource)",
    "Through Global Secure Access",
    "Global Secure Access IP address",
    "Autonomous system  number",
    "Flagged for review",
    "Token issuer type",
    "Incoming token type",
    "Token issuer name",
    "Latency",
    "Conditional Access",
    "Managed Identity type",
    "Associated Resource Id",
    "Federated Token Id",
    "Federated Token Issuer",
];

/// One sign-in.
#[derive(Debug, Clone)]
pub struct SignIn {
    at: Moment,
    correlation: String,
    user: String,
    tenant: String,
    device: String,
    application: String,
    code: u32,
    reason: String,
}

impl SignIn {
    /// A successful interactive sign-in to the Azure CLI.
    pub fn new(at: Moment, id: &Identity, correlation: &str) -> Self {
        Self {
            at,
            correlation: correlation.to_owned(),
            user: id.upn.clone(),
            tenant: id.tenant_id.clone(),
            device: id.device_id.clone(),
            application: "Microsoft Azure CLI".into(),
            code: 0,
            reason: "Other.".into(),
        }
    }

    /// Makes it a failure with an AADSTS number.
    #[must_use]
    pub fn failed(mut self, code: u32, reason: &str) -> Self {
        (self.code, self.reason) = (code, reason.to_owned());
        self
    }

    /// Names the application.
    #[must_use]
    pub fn application(mut self, name: &str) -> Self {
        self.application = name.to_owned();
        self
    }

    fn cell(&self, column: &str) -> String {
        match column.trim() {
            "Date (UTC)" => self.at.iso(),
            "Request ID" => guid_for(&format!("request {} {}", self.correlation, self.at.0)),
            "Correlation ID" => self.correlation.clone(),
            "User ID" => guid_for(&self.user),
            "User" => "User 1".into(),
            "Username" | "Sign-in identifier" => self.user.clone(),
            "User type" => "Member".into(),
            "Application" => self.application.clone(),
            "Application ID" => guid_for(&self.application),
            "Resource" => "Windows Azure Service Management API".into(),
            "Resource tenant ID" | "Home tenant ID" => self.tenant.clone(),
            "IP address" => "198.51.100.200".into(),
            "Status" => (if self.code == 0 { "Success" } else { "Failure" }).into(),
            "Sign-in error code" => {
                if self.code == 0 {
                    "None".into()
                } else {
                    self.code.to_string()
                }
            }
            "Failure reason" => self.reason.clone(),
            "Client app" => "Mobile Apps and Desktop clients".into(),
            "Device ID" => self.device.clone(),
            "Operating System" => "Windows10".into(),
            "Join Type" => "Hybrid Azure AD joined".into(),
            "Conditional Access" => "Not Applied".into(),
            _ => String::new(),
        }
    }
}

/// The file, newest row first.
pub fn export(rows: &[SignIn]) -> Vec<u8> {
    let mut sorted: Vec<&SignIn> = rows.iter().collect();
    sorted.sort_by_key(|r| std::cmp::Reverse(r.at));
    let mut text = COLUMNS.join(",");
    for row in sorted {
        let cells: Vec<String> = COLUMNS
            .iter()
            .map(|c| format!("\"{}\"", row.cell(c).replace('"', "\"\"")))
            .collect();
        text.push('\n');
        text.push_str(&cells.join(","));
    }
    text.push('\n');
    super::Encoding::Utf8Bom.encode(&text)
}
