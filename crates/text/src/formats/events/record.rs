//! One event as text, whatever the form, and the row it becomes.

use std::borrow::Cow;
use std::sync::LazyLock;

use casetrace_events::{FieldSource, Fields, promote};
use casetrace_model::{JsonObject, Level, Outcome, Row, Source, Text, normalise_guid};

use super::messages;
use crate::clock::{self, Moment, Order};
use crate::codes::Codes;
use crate::output::{Output, correlation, push_codes};
use crate::table::Labels;

static LEVELS: LazyLock<Labels> = LazyLock::new(|| Labels::of("event_level"));
static WORDS: LazyLock<Labels> = LazyLock::new(|| Labels::of("event_word"));

/// Bits of `keywords` that say how an audited operation ended (winmeta.xml).
const AUDIT_FAILURE: u64 = 0x0010_0000_0000_0000;
const AUDIT_SUCCESS: u64 = 0x0020_0000_0000_0000;

/// Bytes of a message that are kept while it is gathered.
pub(super) const MESSAGE_LIMIT: usize = 64 << 10;

/// An event on its way to a row.
pub(super) struct Event {
    /// The columns that the form gives; `fields` and `message` are made at the end.
    pub(super) row: Row,
    /// The event's own data by name; where the form has none, they are read out of the message.
    pub(super) data: Vec<(String, String)>,
    /// The sentence as the log's machine rendered it.
    pub(super) rendered: String,
    /// Members of `fields` that are no data of the event.
    pub(super) extra: JsonObject,
}

impl Event {
    pub(super) fn new(line: u64) -> Self {
        Self {
            row: Row::new(Source::Text, "event", line.max(1)),
            data: Vec::new(),
            rendered: String::new(),
            extra: JsonObject::new(),
        }
    }

    /// True if there is more than a header.
    pub(super) fn is_event(&self) -> bool {
        self.row.event_id.is_some() || !self.rendered.is_empty()
    }

    /// Takes a value of one of the names of `pipelines/text/labels.tsv`, formats `event` and `event_list`; `false` for others.
    pub(super) fn set(&mut self, name: &str, value: &str, out: &mut Output<'_>) -> bool {
        let value = value.trim();
        if value.is_empty() {
            return true;
        }
        let row = &mut self.row;
        match name {
            "log" => row.channel = Some(Text::from(value)),
            "source" => row.provider = Some(Text::from(value)),
            "date" => self.stamp(value, Order::MonthFirst, out),
            "day_first_date" => self.stamp(value, Order::DayFirst, out),
            "id" => row.event_id = value.parse().ok(),
            // The lower half is what the Event Viewer shows.
            "instance" if row.event_id.is_none() => {
                row.event_id = value
                    .parse::<u64>()
                    .ok()
                    .and_then(|id| u32::try_from(id & 0xffff).ok());
            }
            "level" => {
                if let Some(level) = level(value) {
                    row.level = Some(level);
                }
            }
            "level_number" if row.level.is_none() => row.level = level(value),
            "version" => row.event_version = value.parse().ok(),
            "host" => row.host = Some(Text::from(value)),
            "user" => self.user(value),
            "task" if !is_nothing(value) => row.task = Some(Text::from(value)),
            "opcode" if !is_nothing(value) => row.opcode = Some(Text::from(value)),
            "keywords" => row.keywords = audit(value),
            "pid" => row.pid = value.parse().ok(),
            "tid" => row.tid = value.parse().ok(),
            "record" => row.record = value.parse().unwrap_or(row.record),
            "activity" => row.activity_id = normalise_guid(value),
            "description" => value.clone_into(&mut self.rendered),
            "instance" | "task" | "opcode" | "level_number" | "ignored" => {}
            _ => return false,
        }
        true
    }

    fn stamp(&mut self, value: &str, order: Order, out: &mut Output<'_>) {
        let Some((moment, _)) = clock::ordered(value, order) else {
            return;
        };
        out.stamp(&mut self.row, moment);
        if let (None, Moment::Local(at)) = (self.row.ts_ns, moment) {
            self.extra.push_str("local_time", &at.to_string());
        }
    }

    fn user(&mut self, value: &str) {
        let sid = match WORDS.name(value) {
            Some("system") => "S-1-5-18",
            Some("local_service") => "S-1-5-19",
            Some("network_service") => "S-1-5-20",
            Some(_) => return,
            None => value,
        };
        if sid.starts_with("S-1-") {
            self.row.user_sid = Some(Text::from(sid));
        } else if sid.contains(['\\', '@']) {
            self.row.user = Some(Text::from(sid));
        }
    }

    /// Hands on the row.
    pub(super) fn emit(mut self, out: &mut Output<'_>) {
        if let Some(provider) = &self.row.provider {
            self.row.provider = Some(full_name(provider, self.row.channel.as_deref()));
        }
        let told = self.data.is_empty() && !self.rendered.is_empty();
        if told {
            self.data = messages::read(&self.row, &self.rendered);
        }
        let mut fields = Fields::with_capacity(self.data.len());
        for (name, value) in &self.data {
            fields.push_numbered(name.as_str(), out.value(value));
        }
        let mut row = self.row;
        let mut json = JsonObject::new();
        fields.write_json(&mut json);
        if !self.rendered.is_empty() && self.data.iter().all(|(_, value)| *value != self.rendered) {
            json.push_str("rendered", &out.value(&self.rendered));
        }
        json.append(&self.extra);
        row.fields = json.finish();
        row.message = self.rendered.split_whitespace().collect::<Vec<_>>().join(" ");
        if told {
            promote(&mut row, &Told(&fields));
            complete(&mut row, &self.rendered);
        } else {
            // The data are all there: the row is that of the same event in an .evtx.
            promote(&mut row, &fields);
        }
        out.row(row);
    }
}

/// Data out of a message. Codes are looked for in the whole of it, so promotion shall not list those of the data.
struct Told<'f>(&'f Fields<'f>);

impl FieldSource for Told<'_> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "codes" => Some(Cow::Borrowed("")),
            _ => self.0.get(name),
        }
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.0.each(visit);
    }
}

/// What no table of the event names: the codes and the id anywhere in its message, and that an error is a failure.
fn complete(row: &mut Row, rendered: &str) {
    if row.correlation_id.is_none() {
        row.correlation_id = correlation(rendered);
    }
    if row.outcome.is_none() && matches!(row.level, Some(Level::Error | Level::Critical)) {
        row.outcome = Some(Outcome::Failure);
    }
    // The code of the promoted datum comes first where several are equally near to the cause.
    let mut codes = Codes::of(row.error_code.as_deref().unwrap_or_default());
    codes.add(rendered);
    if let Some(best) = codes.best() {
        row.error_code = Some(best.clone());
    }
    if codes.all().len() > 1 {
        let mut json = JsonObject::reopen(std::mem::take(&mut row.fields));
        push_codes(&mut json, &codes);
        row.fields = json.finish();
    }
}

/// The Event Viewer's list and those who copy from it leave out the first words of a provider's name.
fn full_name(source: &str, channel: Option<&str>) -> Text {
    let long = format!("Microsoft-Windows-{source}");
    let in_channel = channel.is_some_and(|channel| {
        channel
            .strip_prefix(long.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
    });
    if in_channel || (casetrace_events::is_known(&long) && !casetrace_events::is_known(source)) {
        Text::from(long)
    } else {
        Text::from(source)
    }
}

fn level(value: &str) -> Option<Level> {
    if let Ok(number) = value.parse() {
        return Some(Level::from_windows(number));
    }
    match LEVELS.name(value)? {
        "critical" => Some(Level::Critical),
        "error" => Some(Level::Error),
        "warning" => Some(Level::Warning),
        "info" => Some(Level::Info),
        "verbose" => Some(Level::Verbose),
        _ => None,
    }
}

fn audit(value: &str) -> Option<u64> {
    if let Some(hex) = value.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok();
    }
    match WORDS.name(value)? {
        "audit_failure" => Some(AUDIT_FAILURE),
        "audit_success" => Some(AUDIT_SUCCESS),
        _ => None,
    }
}

/// True for the words that stand where there is no task or user.
fn is_nothing(value: &str) -> bool {
    value == "-" || value == "(0)" || matches!(WORDS.name(value), Some("nothing"))
}
