//! One event between the container and the timeline: the System part by name, the rest as fields.
//!
//! Filled by element and attribute callbacks, whichever reader makes them. Fields follow these rules: `Data` with a
//! name goes under it, `Data` without one under `Data`, `Data_2`…; everything else under its path below EventData,
//! UserData or ProcessingErrorData, attributes as `PATH/@NAME`. Source: the event schema (MS-EVEN6 2.2.17).

use std::borrow::Cow;

use casetrace_events::Fields;
use casetrace_model::{code, time};

/// Elements below one another that are followed.
pub(crate) const MAX_DEPTH: usize = 64;
/// Fields of one event.
pub(crate) const MAX_FIELDS: usize = 4_096;

/// The parts of `System` that have a column, as the record spells them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct System<'a> {
    pub(crate) provider: Option<Cow<'a, str>>,
    pub(crate) provider_guid: Option<Cow<'a, str>>,
    pub(crate) event_id: Option<u32>,
    pub(crate) version: Option<u8>,
    pub(crate) level: Option<u8>,
    pub(crate) task: Option<u16>,
    pub(crate) opcode: Option<u8>,
    pub(crate) keywords: Option<u64>,
    pub(crate) time_ns: Option<i64>,
    pub(crate) record_id: Option<u64>,
    pub(crate) activity_id: Option<Cow<'a, str>>,
    pub(crate) pid: Option<u32>,
    pub(crate) tid: Option<u32>,
    pub(crate) channel: Option<Cow<'a, str>>,
    pub(crate) computer: Option<Cow<'a, str>>,
    pub(crate) user_sid: Option<Cow<'a, str>>,
    pub(crate) qualifiers: Option<u16>,
}

/// The event's texts as its own machine rendered them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Rendered {
    pub(crate) message: Option<String>,
    pub(crate) task: Option<String>,
    pub(crate) opcode: Option<String>,
}

/// Which child of `Event` is being read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Section {
    #[default]
    None,
    System,
    Data,
    Rendering,
}

/// One event while and after it is read.
#[derive(Debug, Default)]
pub(crate) struct Event<'a> {
    pub(crate) system: System<'a>,
    pub(crate) fields: Fields<'a>,
    pub(crate) rendered: Rendered,
    /// The event did not fit its template; its fields are Windows' report on that.
    pub(crate) processing_error: bool,
    /// Fields beyond the limit were left out.
    pub(crate) cut: bool,
    section: Section,
    depth: usize,
    path: String,
    open: Vec<Open>,
}

/// An element that is being read, below a section.
#[derive(Debug)]
struct Open {
    /// Length of the path without this element.
    parent: usize,
    /// `Data/@Name`, if it is a named `Data`.
    data_name: Option<String>,
    /// It has children or attributes, so that its own empty text says nothing.
    has_parts: bool,
}

impl<'a> Event<'a> {
    /// An event whose System part is known; so many fields are to be added.
    pub(crate) fn of(system: System<'a>, fields: usize) -> Self {
        Self {
            system,
            fields: Fields::with_capacity(fields),
            ..Self::default()
        }
    }

    /// The qualifiers of a classic event, which are a field of their own.
    pub(crate) fn qualifiers_field(&self) -> Option<u16> {
        let field = self
            .fields
            .iter()
            .find(|(name, _)| *name == "System/EventID/@Qualifiers");
        field.and_then(|(_, value)| value.trim().parse().ok())
    }

    /// An element begins.
    pub(crate) fn start(&mut self, name: &str) {
        self.depth += 1;
        match self.depth {
            0 | 1 => {}
            2 => self.section = self.section_of(name),
            3..=MAX_DEPTH => {
                if let Some(parent) = self.open.last_mut() {
                    parent.has_parts = true;
                }
                let parent = self.path.len();
                if !self.path.is_empty() {
                    self.path.push('/');
                }
                self.path.push_str(name);
                self.open.push(Open {
                    parent,
                    data_name: None,
                    has_parts: false,
                });
            }
            _ => self.cut = true,
        }
    }

    fn section_of(&mut self, name: &str) -> Section {
        match name {
            "System" => Section::System,
            "RenderingInfo" => Section::Rendering,
            "ProcessingErrorData" => {
                self.processing_error = true;
                Section::Data
            }
            _ => Section::Data,
        }
    }

    /// An attribute of the element that began last.
    pub(crate) fn attribute(&mut self, name: &str, value: Cow<'a, str>) {
        if self.depth < 3 || self.depth > MAX_DEPTH || name.starts_with("xmlns") {
            return;
        }
        match self.section {
            Section::System => self.system_attribute(name, value),
            Section::Data => {
                let Some(open) = self.open.last_mut() else { return };
                if name == "Name" && self.path == "Data" {
                    open.data_name = Some(value.into_owned());
                    return;
                }
                open.has_parts = true;
                self.add(format!("{}/@{name}", self.path), value);
            }
            Section::Rendering | Section::None => {}
        }
    }

    /// The element that began last ends; `text` is what stood in it.
    pub(crate) fn end(&mut self, text: Cow<'a, str>) {
        if self.depth > 2 && self.depth <= MAX_DEPTH {
            match self.section {
                Section::System => self.system_text(text),
                Section::Data => self.data_text(text),
                Section::Rendering => self.rendering_text(&text),
                Section::None => {}
            }
            if let Some(open) = self.open.pop() {
                self.path.truncate(open.parent);
            }
        } else if self.depth == 2 {
            // An EventData with text of its own holds a payload without a template.
            if self.section == Section::Data && !text.trim().is_empty() {
                self.add("Data".to_owned(), text);
            }
            if self.section == Section::System {
                self.system.qualifiers = self.qualifiers_field();
            }
            self.section = Section::None;
        }
        self.depth = self.depth.saturating_sub(1);
    }

    fn data_text(&mut self, text: Cow<'a, str>) {
        let Some(open) = self.open.last_mut() else { return };
        let named = open.data_name.take();
        if open.has_parts && text.trim().is_empty() {
            return;
        }
        match named.filter(|name| !name.is_empty()) {
            Some(name) => self.add(name, text),
            None => self.add(self.path.clone(), text),
        }
    }

    fn add(&mut self, name: String, value: Cow<'a, str>) {
        if self.fields.len() < MAX_FIELDS {
            self.fields.push_numbered(name, value);
        } else {
            self.cut = true;
        }
    }

    fn system_attribute(&mut self, name: &str, value: Cow<'a, str>) {
        let system = &mut self.system;
        match (self.path.as_str(), name) {
            ("Provider", "Name") => system.provider = some(value),
            ("Provider", "Guid") => system.provider_guid = some(value),
            ("TimeCreated", "SystemTime") => system.time_ns = time::from_rfc3339(value.trim()),
            ("Correlation", "ActivityID") => system.activity_id = some(value),
            ("Execution", "ProcessID") => system.pid = value.trim().parse().ok(),
            ("Execution", "ThreadID") => system.tid = value.trim().parse().ok(),
            ("Security", "UserID") => system.user_sid = some(value),
            _ => self.system_extra(name, value),
        }
    }

    /// What has no column stays under its path, `System/Correlation/@RelatedActivityID`.
    fn system_extra(&mut self, name: &str, value: Cow<'a, str>) {
        if !value.is_empty() {
            self.add(format!("System/{}/@{name}", self.path), value);
        }
    }

    fn system_text(&mut self, text: Cow<'a, str>) {
        let system = &mut self.system;
        let bare = text.trim();
        match self.path.as_str() {
            "EventID" => system.event_id = bare.parse().ok(),
            "Version" => system.version = bare.parse().ok(),
            "Level" => system.level = bare.parse().ok(),
            "Task" => system.task = bare.parse().ok(),
            "Opcode" => system.opcode = bare.parse().ok(),
            "Keywords" => system.keywords = keywords(bare),
            "EventRecordID" => system.record_id = bare.parse().ok(),
            "Channel" => system.channel = some(text),
            "Computer" => system.computer = some(text),
            _ if !bare.is_empty() => self.add(format!("System/{}", self.path), text),
            _ => {}
        }
    }

    fn rendering_text(&mut self, text: &str) {
        let text = text.trim();
        let slot = match self.path.as_str() {
            "Message" => &mut self.rendered.message,
            "Task" => &mut self.rendered.task,
            "Opcode" => &mut self.rendered.opcode,
            _ => return,
        };
        if !text.is_empty() {
            *slot = Some(text.to_owned());
        }
    }
}

fn some(value: Cow<'_, str>) -> Option<Cow<'_, str>> {
    (!value.trim().is_empty()).then_some(value)
}

/// `0x8000000000000001`, or decimal.
fn keywords(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text
            .parse()
            .ok()
            .or_else(|| code::parse_number(text).map(u64::from)),
    }
}
