//! Reachability tests: `Test-DeviceRegConnectivity` and `Test-NetConnection` outputs, one row per endpoint.

use std::sync::LazyLock;

use casetrace_model::{Context, JsonObject, Outcome, Row, Source, Text};
use regex::Regex;

use crate::blocks::Machine;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::Output;

/// `Connection to login.microsoftonline.com .............. Succeeded.`, `… failed`, `… True`.
static VERDICT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(?:https?://)?(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|net|cn|us|de|local))(?P<path>/[^\s:]*)?\s*[\s.:>-]+\s*(?P<word>succeeded|success|passed|ok|true|failed|failure|false|not accessible|成功|失敗)\b?",
    )
    .ok()
});

pub(crate) fn detect(head: &Head) -> u8 {
    let named = head.named("deviceregconnectivity");
    let title = head.any(|line| {
        line.contains("Test-DeviceRegConnectivity")
            || line.contains("Testing Device Registration")
            || line.contains("device registration endpoints")
    });
    let verdicts = head.count(|line| verdict(line).is_some());
    match (named || title, verdicts) {
        (true, 1..) => score::LIKELY + 20,
        (true, 0) => score::WEAK,
        (false, 3..) if verdicts * 2 >= head.lines.len() => score::LIKELY,
        _ => score::NO,
    }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(Test)
}

struct Test;

fn verdict(text: &str) -> Option<(&str, bool)> {
    let found = VERDICT.as_ref()?.captures(text)?;
    let word = found.name("word")?.as_str().to_ascii_lowercase();
    let good = matches!(
        word.as_str(),
        "succeeded" | "success" | "passed" | "ok" | "true" | "成功"
    );
    Some((found.name("host")?.as_str(), good))
}

impl Machine for Test {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        let text = line.text.trim();
        if text.is_empty() {
            return;
        }
        let Some((host, good)) = verdict(text) else {
            return out.log_line(line.number, "connectivity", text, None);
        };
        let mut row = Row::new(Source::Text, "connectivity.test", line.number).message(text);
        row.server_name = Some(Text::from(host.to_ascii_lowercase()));
        row.outcome = Some(if good { Outcome::Success } else { Outcome::Failure });
        // The script runs its probes as SYSTEM through a scheduled task.
        row.context = Some(Context::System);
        row.fields = JsonObject::new().str("test", "device_registration").finish();
        out.row(row);
    }

    fn end(&mut self, _: &mut Output<'_>) {}
}
