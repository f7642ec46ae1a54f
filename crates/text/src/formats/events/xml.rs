//! Event records rendered as XML (`wevtutil qe /f:xml`, the Event Viewer, `Get-WinEvent … ToXml`), with or without a root element.
//!
//! Data are named as in the rows of an .evtx: `Data` by its name, else `Data`, `Data_2`…; everything else by its path below
//! EventData or UserData, attributes as `PATH/@NAME`.

use casetrace_model::{Level, Text, TsSource, normalise_guid, time};

use super::record::Event;
use crate::format::{Head, score};
use crate::formats::xml::leaves::{Leaves, Step};
use crate::lines::Utf8;
use crate::output::Output;

pub(crate) fn detect(head: &Head) -> u8 {
    let start = head.start(2000);
    let event = start.contains("<Event xmlns=") || start.contains("<Event>");
    if event && start.starts_with('<') && head.text.contains("<System>") {
        score::CERTAIN
    } else {
        score::NO
    }
}

/// Data items of one event.
const MAX_DATA: usize = 300;

/// An event while it is read.
#[derive(Default)]
struct Open {
    event: Option<Event>,
    /// What the open element is called in the row, until its text or the first element in it comes.
    name: Option<String>,
    /// It has no attributes but its name.
    bare: bool,
}

/// Hands on the rows of a whole file.
pub(crate) fn read(text: &mut Utf8<'_>, out: &mut Output<'_>) {
    each(text, out, |event, out| event.emit(out));
}

/// The first event of `mark_up`, if there is one.
pub(super) fn one(mark_up: &str, out: &mut Output<'_>) -> Option<Event> {
    if mark_up.trim().is_empty() {
        return None;
    }
    let mut first = None;
    let mut input = mark_up.as_bytes();
    each(&mut Utf8::new(&mut input), out, |event, _| {
        first.get_or_insert(event);
    });
    first
}

fn each(text: &mut Utf8<'_>, out: &mut Output<'_>, mut deliver: impl FnMut(Event, &mut Output<'_>)) {
    let mut leaves = Leaves::new(text);
    let mut open = Open::default();
    while let Some(step) = leaves.next(out) {
        match step {
            Step::Open(attributes) => {
                let line = leaves.line();
                open.element(leaves.path(), &attributes, line);
            }
            Step::Leaf(value) => open.leaf(leaves.path(), &value),
            Step::Close(name) if name == "Event" => {
                if let Some(event) = std::mem::take(&mut open).event {
                    deliver(event, out);
                }
            }
            Step::Close(_) => open.close(),
        }
    }
    if let Some(event) = open.event {
        deliver(event, out);
    }
}

/// The elements below the event's data section.
fn below_data(path: &[String]) -> Option<&[String]> {
    let event = path.iter().rposition(|name| name == "Event")?;
    let (section, below) = path.get(event + 1..)?.split_first()?;
    (!matches!(section.as_str(), "System" | "RenderingInfo") && !below.is_empty()).then_some(below)
}

impl Open {
    /// An element without anything is a datum, too: those behind it are counted by their place.
    fn close(&mut self) {
        if let (Some(name), Some(event)) = (self.name.take(), &mut self.event)
            && self.bare
            && event.data.len() < MAX_DATA
        {
            event.data.push((name, String::new()));
        }
    }

    fn element(&mut self, path: &[String], attributes: &[(String, String)], line: u64) {
        let get = |name: &str| {
            attributes
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        let Some(last) = path.last() else { return };
        if last == "Event" {
            self.event = Some(Event::new(line));
        }
        let Some(event) = &mut self.event else { return };
        if let Some(below) = below_data(path) {
            let path = below.join("/");
            let is_named = path == "Data";
            let told = |name: &str| !(is_named && name == "Name");
            self.bare = attributes.iter().all(|(name, _)| !told(name));
            for (name, value) in attributes {
                if told(name) && event.data.len() < MAX_DATA {
                    event.data.push((format!("{path}/@{name}"), value.clone()));
                }
            }
            let name = get("Name").filter(|_| is_named).map_or(path, str::to_owned);
            self.name = Some(name);
            return;
        }
        // RenderingInfo has elements of the same names.
        if path.iter().rev().nth(1).is_none_or(|parent| parent != "System") {
            return;
        }
        let row = &mut event.row;
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
            "Security" => row.user_sid = get("UserID").filter(|sid| !sid.is_empty()).map(Text::from),
            _ => {}
        }
    }

    fn leaf(&mut self, path: &[String], value: &str) {
        let (Some(event), [.., parent, last]) = (&mut self.event, path) else {
            return;
        };
        if let Some(below) = below_data(path) {
            let name = self.name.take().unwrap_or_else(|| below.join("/"));
            if event.data.len() < MAX_DATA {
                event.data.push((name, value.to_owned()));
            }
            return;
        }
        let row = &mut event.row;
        match (parent.as_str(), last.as_str()) {
            ("System", "EventID") => row.event_id = value.parse().ok(),
            ("System", "Version") => row.event_version = value.parse().ok(),
            ("System", "Level") => row.level = value.parse().ok().map(Level::from_windows),
            ("System", "Task") => row.task = Some(value).filter(|task| *task != "0").map(Text::from),
            ("System", "Opcode") => {
                row.opcode = value.parse().ok().map(|opcode| {
                    casetrace_events::opcode_name(opcode).map_or_else(|| Text::from(value), Text::new_static)
                });
            }
            ("System", "Channel") => row.channel = Some(Text::from(value)),
            ("System", "Computer") => row.host = Some(Text::from(value)),
            ("System", "EventRecordID") => row.record = value.parse().unwrap_or(row.record),
            ("System", "Keywords") => {
                row.keywords = u64::from_str_radix(value.trim_start_matches("0x"), 16).ok();
            }
            ("RenderingInfo", "Task") => row.task = Some(Text::from(value)),
            ("RenderingInfo", "Opcode") => row.opcode = Some(Text::from(value)),
            ("RenderingInfo", "Message") => value.clone_into(&mut event.rendered),
            _ => {}
        }
    }
}
