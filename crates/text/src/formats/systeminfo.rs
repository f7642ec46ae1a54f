//! `systeminfo`, `osinfo.txt`, `Win32_OperatingSystem` lists and `tzutil /g`: which computer, system and zone.

use std::sync::LazyLock;

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;
use crate::table::Labels;
use crate::zone::iana;

static LABELS: LazyLock<Labels> = LazyLock::new(|| Labels::of("systeminfo"));

pub(crate) fn detect(head: &Head) -> u8 {
    let known = head.count(|line| LABELS.field(line).is_some());
    let hint = ["systeminfo", "osinfo", "tzutil", "timezone"]
        .iter()
        .any(|part| head.named(part));
    match known {
        4.. => score::LIKELY + 20,
        2.. if hint => score::LIKELY,
        _ if hint && head.first(1).any(|line| iana(line).is_some()) => score::LIKELY,
        _ if head.lines.len() <= 3
            && head
                .first(1)
                .any(|line| iana(line.trim_end_matches("_dstoff")).is_some()) =>
        {
            score::LIKELY
        }
        _ => score::NO,
    }
}

pub(crate) fn starts(text: &str) -> bool {
    (text.starts_with("OS Name:") || text.starts_with("OS 名:")) && text.len() > 20
        || text.starts_with("Host Name:  ")
        || text.starts_with("ホスト名:  ")
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(SystemInfo)
}

struct SystemInfo;

impl Machine for SystemInfo {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if let Some(iana) = iana(text.trim_end_matches("_dstoff")) {
            out.config(
                line.number,
                "timezone",
                text,
                &[("iana", iana), ("from", "tzutil")],
            );
            return;
        }
        // Sub-items of network cards and hotfixes are indented.
        let Some((name, value)) = LABELS.field(line.text).filter(|_| !line.text.starts_with("   ")) else {
            return;
        };
        if value.is_empty() {
            return;
        }
        match name {
            "os_version" => version(line.number, value, out),
            "timezone_minutes" => {
                if let Ok(minutes) = value.parse::<i32>() {
                    let sign = if minutes < 0 { '-' } else { '+' };
                    let zone = format!("UTC{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
                    out.config(line.number, "timezone", &zone, &[("from", "systeminfo")]);
                }
            }
            "computer_name" => {
                out.inspection.host = Some(value.into());
                out.config(line.number, name, value, &[("from", "systeminfo")]);
            }
            _ => out.config(line.number, name, value, &[("from", "systeminfo")]),
        }
    }

    fn end(&mut self, _: &mut Output<'_>) {}
}

/// `10.0.19045 N/A Build 19045` (ja: `10.0.19045 N/A ビルド 19045`)
fn version(line: u64, value: &str, out: &mut Output<'_>) {
    out.config(line, "os_version", value, &[("from", "systeminfo")]);
    let build = value
        .rsplit(' ')
        .next()
        .filter(|word| word.bytes().all(|b| b.is_ascii_digit()));
    let build = build.or_else(|| value.split(' ').next()?.split('.').nth(2));
    if let Some(build) = build {
        out.config(line, "os_build", build, &[("from", "systeminfo")]);
    }
}
