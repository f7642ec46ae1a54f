//! `netsh wfp show netevents` and `show state`: what the filtering platform dropped, and who filters.

use std::collections::BTreeMap;

use casetrace_model::{Context, JsonObject, Outcome, Row, Source, Text, TsSource, time};

use super::leaves::{Leaves, Step};
use crate::format::{Head, score};
use crate::lines::Utf8;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    let start = head.start(600);
    let roots = [
        "<netEvents",
        "<netevents",
        "<wfpstate",
        "<wfpdiag",
        "<filters",
        "<wfpState",
    ];
    if roots.iter().any(|root| start.contains(root)) {
        score::CERTAIN
    } else {
        score::NO
    }
}

/// One net event being read.
struct Item {
    /// Elements around it, itself included.
    depth: usize,
    line: u64,
    values: Vec<(String, String)>,
}

pub(crate) fn read(text: &mut Utf8<'_>, out: &mut Output<'_>) {
    let mut leaves = Leaves::new(text);
    let mut item: Option<Item> = None;
    let mut providers: BTreeMap<String, u64> = BTreeMap::new();
    let mut filters = 0_u64;
    while let Some(step) = leaves.next(out) {
        let depth = leaves.path().len();
        let line = leaves.line();
        match step {
            Step::Open(_) if opens_event(leaves.path()) => {
                item = Some(Item {
                    depth,
                    line,
                    values: Vec::new(),
                })
            }
            Step::Open(_) => {
                filters += u64::from(
                    leaves
                        .path()
                        .ends_with(&["filters".to_owned(), "item".to_owned()]),
                )
            }
            Step::Leaf(value) => match &mut item {
                Some(Item { depth, values, .. }) if values.len() < 80 => {
                    let name = leaves.path().get(*depth..).unwrap_or_default().join(".");
                    values.push((name, value));
                }
                _ => provider(leaves.path(), value, &mut providers),
            },
            Step::Close(name) if name == "item" => {
                if item.as_ref().is_some_and(|item| depth < item.depth)
                    && let Some(item) = item.take()
                {
                    emit(item.line, &item.values, out);
                }
            }
            Step::Close(_) => {}
        }
    }
    if filters > 0 || !providers.is_empty() {
        let names: Vec<_> = providers.keys().map(String::as_str).collect();
        let count = filters.to_string();
        out.config(1, "wfp_providers", &names.join("; "), &[("filters", &count)]);
    }
}

/// An `item` under `netEvents`.
fn opens_event(path: &[String]) -> bool {
    matches!(path, [.., parent, last] if last == "item" && parent.eq_ignore_ascii_case("netevents"))
}

/// Names of providers that are not Windows' own.
fn provider(path: &[String], value: String, providers: &mut BTreeMap<String, u64>) {
    let [.., list, item, display, name] = path else {
        return;
    };
    let wanted = list == "providers" && item == "item" && display == "displayData" && name == "name";
    if wanted && !value.starts_with("Microsoft Corporation") && providers.len() < 200 {
        *providers.entry(value).or_default() += 1;
    }
}

fn emit(line: u64, values: &[(String, String)], out: &mut Output<'_>) {
    let get = |name: &str| {
        values
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    let mut row = Row::new(Source::Text, "wfp.event", line);
    if let Some(ts_ns) = get("header.timeStamp").and_then(time::from_rfc3339) {
        (row.ts_ns, row.ts_source) = (Some(ts_ns), TsSource::Exact);
    }
    row.src_ip = get("header.localAddrV4")
        .or_else(|| get("header.localAddrV6"))
        .map(Text::from);
    row.dst_ip = get("header.remoteAddrV4")
        .or_else(|| get("header.remoteAddrV6"))
        .map(Text::from);
    row.src_port = get("header.localPort").and_then(|port| port.parse().ok());
    row.dst_port = get("header.remotePort").and_then(|port| port.parse().ok());
    row.transport = match get("header.ipProtocol") {
        Some("6") => Some(Text::new_static("tcp")),
        Some("17") => Some(Text::new_static("udp")),
        Some("1" | "58") => Some(Text::new_static("icmp")),
        _ => None,
    };
    row.process = get("header.appId.asString").map(|path| Text::from(application(path)));
    row.user_sid = get("header.userId").map(Text::from);
    row.context = row.user_sid.as_deref().map(|sid| {
        if sid == "S-1-5-18" {
            Context::System
        } else {
            Context::User
        }
    });
    let kind = get("type")
        .unwrap_or("unknown")
        .trim_start_matches("FWPM_NET_EVENT_TYPE_");
    row.outcome = kind.contains("DROP").then_some(Outcome::Failure);
    let to = row.dst_ip.as_deref().unwrap_or("?");
    let port = row.dst_port.unwrap_or_default();
    row.message = format!(
        "Filtering platform: {kind} {} to {to}:{port}",
        row.process.as_deref().unwrap_or("?")
    );
    let mut fields = JsonObject::new();
    for (name, value) in values.iter().filter(|(name, _)| name != "header.appId.data") {
        fields.push_str(name, &out.value(value));
    }
    row.fields = fields.finish();
    out.row(row);
}

/// `\.d.e.v.i.c.e.\.x...e.x.e...`: UTF-16 printed byte by byte, with dots for NUL.
fn application(printed: &str) -> String {
    let chars: Vec<char> = printed.chars().collect();
    let spread = chars.len() > 6 && chars.iter().skip(1).step_by(2).all(|c| *c == '.');
    let plain: String = if spread {
        chars.iter().step_by(2).collect()
    } else {
        printed.to_owned()
    };
    let plain = plain.trim_end_matches('.').to_owned();
    plain.rsplit('\\').next().unwrap_or(&plain).to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn application_ids_are_unspread() {
        assert_eq!(super::application("\\.d.e.v.\\.a...e.x.e..."), "a.exe");
        assert_eq!(super::application("C:\\x\\b.exe"), "b.exe");
    }
}
