//! The wlan and firewall reports of a netsh trace cabinet, and `netsh` output like them: state of wireless
//! interfaces, firewall profiles, and rules that block outbound traffic.

use std::sync::LazyLock;

use casetrace_model::{JsonObject, Row, Source};

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;
use crate::table::Labels;

static WLAN: LazyLock<Labels> = LazyLock::new(|| Labels::of("wlan"));
static FIREWALL: LazyLock<Labels> = LazyLock::new(|| Labels::of("firewall"));

pub(crate) fn detect_wlan(head: &Head) -> u8 {
    let wlan = head.any(|line| {
        let line = line.trim();
        line.starts_with("Wireless System Information")
            || line.starts_with("Show Interfaces")
            || line.starts_with("There is 1 interface on the system")
            || line.starts_with("SHOW INTERFACES")
            || line.contains("システムに 1 インターフェイスがあります")
    });
    match (wlan, head.named("wlan")) {
        (true, _) => score::LIKELY + 10,
        (false, true) if head.any(|line| WLAN.field(line).is_some()) => score::WEAK,
        _ => score::NO,
    }
}

pub(crate) fn make_wlan() -> Box<dyn Machine> {
    Box::new(Blocks {
        kind: Kind::Wlan,
        fields: Vec::new(),
        line: 0,
        title: String::new(),
        last: String::new(),
    })
}

pub(crate) fn detect_firewall(head: &Head) -> u8 {
    let profile = head.any(|line| is_profile(line.trim()));
    let rules = head.any(|line| FIREWALL.field(line).is_some_and(|(name, _)| name == "rule"));
    if profile || rules {
        score::LIKELY + 10
    } else {
        score::NO
    }
}

pub(crate) fn make_firewall() -> Box<dyn Machine> {
    Box::new(Blocks {
        kind: Kind::Firewall,
        fields: Vec::new(),
        line: 0,
        title: String::new(),
        last: String::new(),
    })
}

fn is_profile(text: &str) -> bool {
    text.ends_with("Profile Settings:")
        || text.ends_with("プロファイル設定:")
        || text.ends_with("プロファイルの設定:")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wlan,
    Firewall,
}

/// Blocks of `label : value` lines, ended by an empty line or the next block's first label.
struct Blocks {
    kind: Kind,
    fields: Vec<(String, String)>,
    line: u64,
    /// Title of the block, for firewall profiles.
    title: String,
    last: String,
}

impl Machine for Blocks {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if is_profile(text) {
            self.close(out);
            text.trim_end_matches(':').clone_into(&mut self.title);
            self.line = line.number;
        } else if let Some((name, value)) = self.field(text) {
            let first = matches!(name.as_str(), "rule" | "name");
            if first && !self.fields.is_empty() {
                self.close(out);
            }
            if self.fields.is_empty() {
                self.line = line.number;
            }
            if self.fields.len() < 80 {
                self.fields.push((name, value));
            }
        } else if text.is_empty() && self.kind == Kind::Wlan {
            self.close(out);
        }
        text.clone_into(&mut self.last);
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl Blocks {
    fn field(&self, text: &str) -> Option<(String, String)> {
        let labels = if self.kind == Kind::Wlan { &WLAN } else { &FIREWALL };
        if let Some((name, value)) = labels.field(text) {
            return Some((name.to_owned(), value.to_owned()));
        }
        if !self.title.is_empty() && self.kind == Kind::Firewall {
            // Profiles print `State                                 ON` without a colon.
            let (label, value) = text.split_once("  ")?;
            return Some((
                labels.name(label).unwrap_or(label).to_owned(),
                value.trim().to_owned(),
            ));
        }
        let (label, value) = text.split_once(" : ")?;
        (!self.fields.is_empty() && label.len() < 50)
            .then(|| (label.trim().to_owned(), value.trim().to_owned()))
    }

    fn close(&mut self, out: &mut Output<'_>) {
        let fields = std::mem::take(&mut self.fields);
        let title = std::mem::take(&mut self.title);
        let get = |name: &str| {
            fields
                .iter()
                .find(|(known, _)| known == name)
                .map_or("", |(_, value)| value.as_str())
        };
        if fields.is_empty() {
            return;
        }
        let (kind, name, value) = match self.kind {
            Kind::Wlan if get("state").is_empty() => return,
            Kind::Wlan => (
                "config",
                "wlan_interface",
                format!("{} {}", get("name"), get("state")),
            ),
            Kind::Firewall if !title.is_empty() => ("config", "firewall_profile", title),
            Kind::Firewall if !blocks_outbound(&get) => return,
            Kind::Firewall => ("firewall.rule", "firewall_rule", get("rule").to_owned()),
        };
        let mut row = Row::new(Source::Text, kind, self.line).message(format!("{name} = {value}"));
        let mut json = JsonObject::new().str("name", name).str("value", &value);
        for (label, value) in fields.iter().filter(|(label, _)| label != "name") {
            json.push_str(label, &out.value(value));
        }
        row.fields = json.finish();
        out.row(row);
    }
}

/// Hundreds of rules allow; the few that block what a client sends are the ones to look at.
fn blocks_outbound<'a>(get: &impl Fn(&str) -> &'a str) -> bool {
    let yes = |text: &str| text.is_empty() || text.starts_with("Yes") || text.starts_with("はい");
    let out = get("direction").starts_with("Out") || get("direction").starts_with('送');
    let block = get("action").starts_with("Block") || get("action").starts_with("ブロック");
    out && block && yes(get("enabled"))
}
