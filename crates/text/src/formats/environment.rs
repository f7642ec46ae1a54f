//! Environment variables (`set`, `Get-ChildItem env:`): proxies and certificate bundles that command line tools obey.

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

/// Variables that decide how tools reach the network or who they are.
const LISTED: [&str; 15] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "ADAL_PYTHON_SSL_NO_VERIFY",
    "AZURE_CLI_DISABLE_CONNECTION_VERIFICATION",
    "AZURE_AUTHORITY_HOST",
    "AZURE_TENANT_ID",
    "COMPUTERNAME",
    "USERDOMAIN",
    "USERNAME",
    "USERDNSDOMAIN",
];

pub(crate) fn detect(head: &Head) -> u8 {
    let known = head.count(|line| variable(line).is_some());
    let windows = head.any(|line| variable(line).is_some_and(|(name, _)| name == "COMPUTERNAME"));
    let hint = head.named("env");
    match known {
        2.. if windows => score::LIKELY,
        1.. if hint => score::WEAK,
        _ => score::NO,
    }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Environment)
}

/// `NAME=value` or `NAME    value` of a listed variable.
fn variable(text: &str) -> Option<(&'static str, &str)> {
    let end = text.find(['=', ' ', '\t'])?;
    let (name, rest) = text.split_at_checked(end)?;
    let name = LISTED
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name))?;
    let value = rest.strip_prefix('=').unwrap_or(rest).trim();
    (!value.is_empty()).then_some((name, value))
}

struct Environment;

impl Machine for Environment {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let Some((name, value)) = variable(line.text) else {
            return;
        };
        if name == "COMPUTERNAME" {
            out.inspection.host.get_or_insert_with(|| value.into());
            out.config(line.number, "computer_name", value, &[("from", "environment")]);
        } else {
            let setting = format!("env_{}", name.to_ascii_lowercase());
            out.config(line.number, &setting, value, &[("from", "environment")]);
        }
    }

    fn end(&mut self, _: &mut Output<'_>) {}
}
