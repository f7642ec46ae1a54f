//! Events as PowerShell prints them with `Format-List`: `TimeCreated : …`, `ProviderName : …`, `Id : …`, `Message : …`.
//!
//! The time is the culture's and local; a message goes on in indented lines.

use casetrace_model::{JsonObject, Level, Row, Source, Text};

use crate::blocks::Machine;
use crate::clock;
use crate::format::{Head, score};
use crate::lines::Line;
use crate::output::{Output, annotate};

pub(crate) fn detect(head: &Head) -> u8 {
    let has = |name: &str| head.any(|line| field(line).is_some_and(|(known, _)| known == name));
    if has("TimeCreated") && has("Message") {
        score::LIKELY + 20
    } else {
        score::NO
    }
}

pub(crate) fn make() -> Box<dyn Machine> {
    Box::new(List::default())
}

/// Members of an event record that the list may print.
const NAMES: [&str; 14] = [
    "TimeCreated",
    "ProviderName",
    "ProviderId",
    "Id",
    "Level",
    "LevelDisplayName",
    "LogName",
    "MachineName",
    "Message",
    "ProcessId",
    "ThreadId",
    "RecordId",
    "TaskDisplayName",
    "UserId",
];

fn field(text: &str) -> Option<(&'static str, &str)> {
    let (name, value) = text.split_once(':')?;
    let name = NAMES.into_iter().find(|known| *known == name.trim_end())?;
    Some((name, value.trim()))
}

#[derive(Default)]
struct List {
    line: u64,
    fields: Vec<(&'static str, String)>,
}

/// Bytes of one message.
const MESSAGE_LIMIT: usize = 64 << 10;

impl Machine for List {
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>) {
        if let Some((name, value)) = field(line.text) {
            if self.fields.iter().any(|(known, _)| *known == name) {
                self.close(out);
            }
            if self.fields.is_empty() {
                self.line = line.number;
            }
            self.fields.push((name, value.to_owned()));
        } else if let Some((_, value)) = self.fields.last_mut()
            && value.len() < MESSAGE_LIMIT
            && !line.text.trim().is_empty()
        {
            value.push('\n');
            value.push_str(line.text.trim());
        }
    }

    fn end(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}

impl List {
    fn close(&mut self, out: &mut Output<'_>) {
        let fields = std::mem::take(&mut self.fields);
        let get = |name: &str| {
            fields
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.as_str())
        };
        if get("Message").is_none() && get("Id").is_none() {
            return;
        }
        let mut row = Row::new(Source::Text, "event", self.line.max(1));
        let mut json = JsonObject::new();
        if let Some((moment, _)) = get("TimeCreated").and_then(clock::leading) {
            out.stamp(&mut row, moment);
        }
        row.provider = get("ProviderName").map(Text::from);
        row.channel = get("LogName").map(Text::from);
        row.host = get("MachineName").map(Text::from);
        row.event_id = get("Id").and_then(|id| id.parse().ok());
        row.pid = get("ProcessId").and_then(|id| id.parse().ok());
        row.tid = get("ThreadId").and_then(|id| id.parse().ok());
        row.user_sid = get("UserId").map(Text::from);
        row.level = match get("LevelDisplayName") {
            Some("Error" | "エラー") => Some(Level::Error),
            Some("Critical" | "重大") => Some(Level::Critical),
            Some("Warning" | "警告") => Some(Level::Warning),
            Some("Information" | "情報") => Some(Level::Info),
            _ => get("Level")
                .and_then(|level| level.parse().ok())
                .map(Level::from_windows),
        };
        let message = get("Message").unwrap_or_default();
        annotate(&mut row, &mut json, message);
        for (name, value) in fields.iter().filter(|(name, _)| *name != "Message") {
            json.push_str(name, &out.value(value));
        }
        let provider = row.provider.as_deref().unwrap_or("unknown provider");
        row.message = format!("{provider} {}: {message}", row.event_id.unwrap_or_default());
        row.fields = json.finish();
        out.row(row);
    }
}
