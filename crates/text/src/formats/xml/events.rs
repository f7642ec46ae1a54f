//! Event records rendered as XML (`wevtutil qe /f:xml`, `Get-WinEvent … ToXml`), with or without a root element.

use casetrace_model::{JsonObject, Level, Row, Source, Text, TsSource, normalise_guid, time};

use super::leaves::{Leaves, Step};
use crate::codes::Codes;
use crate::format::{Head, score};
use crate::lines::Utf8;
use crate::output::{Output, correlation, push_codes};

pub(crate) fn detect(head: &Head) -> u8 {
    let start = head.start(2000);
    let event = start.contains("<Event xmlns=") || start.contains("<Event>");
    if event && head.text.contains("<System>") {
        score::CERTAIN
    } else {
        score::NO
    }
}

#[derive(Default)]
struct Record {
    line: u64,
    row: Option<Row>,
    data: Vec<(String, String)>,
    name: String,
    rendered: String,
}

/// Data items of one event.
const MAX_DATA: usize = 300;

pub(crate) fn read(text: &mut Utf8<'_>, out: &mut Output<'_>) {
    let mut leaves = Leaves::new(text);
    let mut record = Record::default();
    while let Some(step) = leaves.next(out) {
        match step {
            Step::Open(attributes) => {
                let line = leaves.line();
                record.open(leaves.path(), &attributes, line);
            }
            Step::Leaf(value) => record.leaf(leaves.path(), &value),
            Step::Close(name) if name == "Event" => std::mem::take(&mut record).emit(out),
            Step::Close(_) => {}
        }
    }
    if record.row.is_some() {
        record.emit(out);
    }
}

impl Record {
    fn open(&mut self, path: &[String], attributes: &[(String, String)], line: u64) {
        let get = |name: &str| {
            attributes
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        let Some(last) = path.last() else { return };
        if last == "Event" {
            self.line = line;
            self.row = Some(Row::new(Source::Text, "event", line));
        }
        let Some(row) = &mut self.row else { return };
        match last.as_str() {
            "Provider" => row.provider = get("Name").map(Text::from),
            "TimeCreated" => {
                if let Some(ts_ns) = get("SystemTime").and_then(time::from_rfc3339) {
                    (row.ts_ns, row.ts_source) = (Some(ts_ns), TsSource::Exact);
                }
            }
            "Correlation" => row.activity_id = get("ActivityID").and_then(normalise_guid),
            "Execution" => {
                row.pid = get("ProcessID").and_then(|id| id.parse().ok());
                row.tid = get("ThreadID").and_then(|id| id.parse().ok());
            }
            "Security" => row.user_sid = get("UserID").map(Text::from),
            "Data" => get("Name").unwrap_or_default().clone_into(&mut self.name),
            _ => {}
        }
    }

    fn leaf(&mut self, path: &[String], value: &str) {
        let (Some(row), [.., parent, last]) = (&mut self.row, path) else {
            return;
        };
        match (parent.as_str(), last.as_str()) {
            ("System", "EventID") => row.event_id = value.parse().ok(),
            ("System", "Version") => row.event_version = value.parse().ok(),
            ("System", "Level") => row.level = value.parse().ok().map(Level::from_windows),
            ("System", "Task") => row.task = Some(Text::from(value)),
            ("System", "Opcode") => row.opcode = Some(Text::from(value)),
            ("System", "Channel") => row.channel = Some(Text::from(value)),
            ("System", "Computer") => row.host = Some(Text::from(value)),
            ("System", "EventRecordID") => row.record = value.parse().unwrap_or(self.line),
            ("System", "Keywords") => {
                row.keywords = u64::from_str_radix(value.trim_start_matches("0x"), 16).ok();
            }
            ("RenderingInfo", "Message") => value.clone_into(&mut self.rendered),
            ("System" | "RenderingInfo" | "Keywords", _) => {}
            (_, name) if self.data.len() < MAX_DATA => {
                let name = if name == "Data" && !self.name.is_empty() {
                    std::mem::take(&mut self.name)
                } else {
                    name.to_owned()
                };
                self.data.push((name, value.to_owned()));
            }
            _ => {}
        }
    }

    fn emit(self, out: &mut Output<'_>) {
        let Some(mut row) = self.row else { return };
        let mut fields = JsonObject::new();
        let mut seen: Vec<String> = Vec::new();
        let mut codes = Codes::default();
        let mut all = String::new();
        for (name, value) in &self.data {
            let repeats = seen.iter().filter(|known| *known == name).count();
            let key = if repeats > 0 {
                format!("{name}#{}", repeats + 1)
            } else {
                name.clone()
            };
            fields.push_str(&key, &out.value(value));
            seen.push(name.clone());
            codes.add(value);
            all.push_str(name);
            all.push_str(": ");
            all.push_str(value);
            all.push(' ');
        }
        row.error_code = codes.best().cloned();
        row.correlation_id = correlation(&all);
        push_codes(&mut fields, &codes);
        let provider = row.provider.as_deref().unwrap_or("unknown provider");
        let id = row.event_id.unwrap_or_default();
        let said = if self.rendered.is_empty() {
            all.trim()
        } else {
            self.rendered.as_str()
        };
        row.message = format!("{provider} {id}: {said}");
        row.fields = fields.finish();
        out.row(row);
    }
}
