//! `nltest /sc_query`, `/dsgetdc`, `/domain_trusts`: the secure channel and the domain controller in use.

use casetrace_model::{Outcome, Text};

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    head.if_any(starts, score::LIKELY)
}

pub(crate) fn starts(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with("Trusted DC Name")
        || text.starts_with("I_NetLogonControl failed")
        || text.starts_with("Getting DC name failed")
        || text.starts_with("List of domain trusts")
        || text.starts_with("DsGetDcName failed")
        || text.starts_with("Enumerating domain trusts failed")
        || text.starts_with("ドメインの信頼の一覧")
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Nltest)
}

struct Nltest;

impl Machine for Nltest {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if text.is_empty() || text.starts_with("The command completed") {
            return;
        }
        let mut row = out.log_row(line.number, "nltest", text, None);
        if let Some((number, name)) = status(text) {
            row.outcome = Some(if number == 0 {
                Outcome::Success
            } else {
                Outcome::Failure
            });
            row.error_code = (number != 0).then(|| win32(number));
            let value = if number == 0 { "ok" } else { "failed" };
            let number = number.to_string();
            let details = [("status", number.as_str()), ("symbol", name), ("from", "nltest")];
            out.row(row);
            out.config(line.number, "secure_channel", value, &details);
            return;
        }
        if let Some(name) = text
            .strip_prefix("Trusted DC Name")
            .map(|rest| rest.trim().trim_start_matches('\\'))
        {
            row.server_name = Some(Text::from(name.to_ascii_lowercase())).filter(|name| !name.is_empty());
        }
        out.row(row);
    }

    fn end(&mut self, _: &mut Output<'_>) {}
}

/// `… Status = 1355 0x54b ERROR_NO_SUCH_DOMAIN`
fn status(text: &str) -> Option<(u32, &str)> {
    let (_, rest) = text.rsplit_once("Status = ")?;
    let mut words = rest.split_whitespace();
    let number = words.next()?.parse().ok()?;
    Some((number, words.last().unwrap_or_default()))
}

/// A Win32 error as the HRESULT that stands for it.
pub(crate) fn win32(number: u32) -> Text {
    let code = if number < 0x1_0000 {
        0x8007_0000 | number
    } else {
        number
    };
    casetrace_model::code::normalise(code)
}
