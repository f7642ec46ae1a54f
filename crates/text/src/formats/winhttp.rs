//! Proxy settings: `netsh winhttp show proxy` and `show advproxy`, `bitsadmin /util /getieproxy`, in English and
//! Japanese.

use std::sync::LazyLock;

use casetrace_model::Context;

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;
use crate::table::Labels;

static LABELS: LazyLock<Labels> = LazyLock::new(|| Labels::of("winhttp"));

pub(crate) fn detect(head: &Head) -> u8 {
    if head.any(starts) {
        score::LIKELY + 5
    } else if head.named("proxy") && head.any(|line| LABELS.field(line).is_some()) {
        score::WEAK
    } else {
        score::NO
    }
}

pub(crate) fn starts(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("Current WinHTTP proxy settings")
        || text.starts_with("Current WinHTTP advanced proxy settings")
        || (text.starts_with("現在の WinHTTP") && text.contains("プロキシ"))
        || text.starts_with("Internet proxy settings for")
        || text.starts_with("Current Internet proxy settings")
        || (text.starts_with("Proxy usage:") && text.len() < 80)
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Proxy::default())
}

#[derive(Default)]
struct Proxy {
    bits: bool,
    account: Option<String>,
    found: Vec<(&'static str, String)>,
    line: u64,
}

impl Machine for Proxy {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if starts(text) && LABELS.field(text).is_none() {
            self.emit(out);
            self.bits = text.contains("Internet proxy");
        }
        if let Some(account) = account_in(text) {
            self.account = Some(account.to_owned());
        }
        if self.line == 0 && !text.is_empty() {
            self.line = line.number;
        }
        if is_direct(text) {
            self.found.push(("proxy", "DIRECT".to_owned()));
        } else if let Some((name, value)) = json_setting(text) {
            self.set(name, value);
        } else if let Some((name, value)) = LABELS.field(text) {
            self.bits |= name == "usage";
            if name == "usage" && self.found.iter().any(|(known, _)| *known == "usage") {
                self.emit(out);
                self.bits = true;
            }
            self.set(name, value);
        }
        if !self.found.is_empty() && self.line == 0 {
            self.line = line.number;
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.emit(out);
    }
}

impl Proxy {
    fn set(&mut self, name: &'static str, value: &str) {
        self.found.push((name, value.trim().to_owned()));
    }

    fn emit(&mut self, out: &mut Output<'_>) {
        let found = std::mem::take(&mut self.found);
        let line = std::mem::take(&mut self.line).max(1);
        let get = |name: &str| {
            found
                .iter()
                .find(|(known, _)| *known == name)
                .map_or("", |(_, value)| value.as_str())
        };
        if found.is_empty() {
            return;
        }
        if !self.bits {
            let details = [
                ("bypass", get("bypass")),
                ("pac", get("pac")),
                ("autodetect", get("autodetect")),
                ("from", "netsh"),
            ];
            let value = if get("proxy").is_empty() {
                "DIRECT"
            } else {
                get("proxy")
            };
            out.config_in(Some(Context::System), line, "winhttp_proxy", value, &details);
            return;
        }
        let account = self
            .account
            .take()
            .unwrap_or_else(|| file_account(&out.options.name).to_owned());
        let list = if get("list").is_empty() {
            get("proxy")
        } else {
            get("list")
        };
        let details = [
            ("account", account.as_str()),
            ("list", list),
            ("bypass", get("bypass")),
            ("pac", get("pac")),
            ("from", "bitsadmin"),
        ];
        out.config_in(Some(Context::System), line, "bits_proxy", get("usage"), &details);
    }
}

fn is_direct(text: &str) -> bool {
    text.starts_with("Direct access (no proxy server)") || text.starts_with("直接アクセス")
}

/// `"Proxy": "host:8080",` of `show advproxy`.
fn json_setting(text: &str) -> Option<(&'static str, &str)> {
    let (name, value) = text.trim_end_matches(',').split_once(':')?;
    let name = match name.trim().trim_matches('"') {
        "Proxy" if text.starts_with('"') => "proxy",
        "ProxyBypass" => "bypass",
        "AutoconfigUrl" | "AutoConfigUrl" => "pac",
        "AutoDetect" => "autodetect",
        _ => return None,
    };
    Some((name, value.trim().trim_matches('"')))
}

fn account_in(text: &str) -> Option<&'static str> {
    let upper = text.to_ascii_uppercase();
    ["LOCALSYSTEM", "NETWORKSERVICE", "LOCALSERVICE"]
        .into_iter()
        .find(|name| upper.contains(name))
}

/// The account that a collector wrote into the file name.
fn file_account(name: &str) -> &'static str {
    let upper = name.to_ascii_uppercase().replace(['_', ' '], "");
    account_in(&upper).unwrap_or("")
}
