//! The XML shape of an event: a tree whose leaves are literal texts or numbered substitutions.

use crate::bytes::{Bytes, guid_bytes};
use crate::event::{Element, Event, Value, sid_bytes};

/// BinXML value types.
pub(super) mod kind {
    pub(crate) const NULL: u8 = 0;
    pub(crate) const TEXT: u8 = 1;
    pub(crate) const ANSI: u8 = 2;
    pub(crate) const U8: u8 = 4;
    pub(crate) const U16: u8 = 6;
    pub(crate) const I32: u8 = 7;
    pub(crate) const U32: u8 = 8;
    pub(crate) const U64: u8 = 10;
    pub(crate) const BOOL: u8 = 13;
    pub(crate) const BINARY: u8 = 14;
    pub(crate) const GUID: u8 = 15;
    pub(crate) const FILETIME: u8 = 17;
    pub(crate) const SID: u8 = 19;
    pub(crate) const HEX32: u8 = 20;
    pub(crate) const HEX64: u8 = 21;
}

/// What stands in an attribute or as content.
#[derive(Debug, Clone)]
pub(super) enum Leaf {
    Literal(String),
    /// Slot number, value type, optional.
    Slot(u16, u8, bool),
}

/// An element of the template.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, Leaf)>,
    pub(super) content: Option<Leaf>,
    pub(super) children: Vec<Node>,
}

impl Node {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    fn attr(mut self, name: &str, leaf: Leaf) -> Self {
        self.attributes.push((name.to_owned(), leaf));
        self
    }

    fn content(mut self, leaf: Leaf) -> Self {
        self.content = Some(leaf);
        self
    }
}

/// A template and the values of one record.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) slots: Vec<(u8, Vec<u8>)>,
    pub(super) root: Node,
}

impl Shape {
    fn slot(&mut self, kind: u8, bytes: Vec<u8>, optional: bool) -> Leaf {
        self.slots.push((kind, bytes));
        Leaf::Slot(self.slots.len() as u16 - 1, kind, optional)
    }

    fn optional(&mut self, kind_of: u8, bytes: Option<Vec<u8>>) -> Leaf {
        let filled = if bytes.is_some() { kind_of } else { kind::NULL };
        self.slots.push((filled, bytes.unwrap_or_default()));
        Leaf::Slot(self.slots.len() as u16 - 1, kind_of, true)
    }

    /// The shape of an event with its record number and computer.
    pub(super) fn of(event: &Event, record_id: u64, computer: &str) -> Self {
        let mut shape = Self::default();
        let system = shape.system(event, record_id, computer);
        let literal = |t: &str| Leaf::Literal(t.to_owned());
        let mut root = Node::new("Event").attr(
            "xmlns",
            literal("http://schemas.microsoft.com/win/2004/08/events/event"),
        );
        root.children.push(system);
        root.children.push(match &event.user_data {
            Some(element) => {
                let inner = shape.element(element);
                Node {
                    name: "UserData".into(),
                    children: vec![inner],
                    ..Node::default()
                }
            }
            None => shape.event_data(event),
        });
        shape.root = root;
        shape
    }

    fn system(&mut self, event: &Event, record_id: u64, computer: &str) -> Node {
        let literal = |t: &str| Leaf::Literal(t.to_owned());
        let mut provider = Node::new("Provider").attr("Name", literal(event.provider.name));
        if !event.provider.guid.is_empty() {
            provider = provider.attr("Guid", literal(&format!("{{{}}}", event.provider.guid)));
        }
        let mut id = Node::new("EventID");
        if event.provider.guid.is_empty() {
            let qualifiers = self.slot(kind::U16, 0u16.to_le_bytes().to_vec(), false);
            id = id.attr("Qualifiers", qualifiers);
        }
        let id = id.content(self.slot(kind::U16, event.id.to_le_bytes().to_vec(), false));
        let mut system = Node::new("System");
        system.children.push(provider);
        system.children.push(id);
        let numbers: [(&str, u8, Vec<u8>); 5] = [
            ("Version", kind::U8, vec![event.version]),
            ("Level", kind::U8, vec![event.level]),
            ("Task", kind::U16, event.task.to_le_bytes().to_vec()),
            ("Opcode", kind::U8, vec![event.opcode]),
            ("Keywords", kind::HEX64, event.keywords.to_le_bytes().to_vec()),
        ];
        for (name, kind, bytes) in numbers {
            let leaf = self.slot(kind, bytes, false);
            system.children.push(Node::new(name).content(leaf));
        }
        let time = self.slot(kind::FILETIME, event.at.filetime().to_le_bytes().to_vec(), false);
        system
            .children
            .push(Node::new("TimeCreated").attr("SystemTime", time));
        let id = self.slot(kind::U64, record_id.to_le_bytes().to_vec(), false);
        system.children.push(Node::new("EventRecordID").content(id));
        let activity = self.optional(
            kind::GUID,
            event.activity.as_deref().map(|g| guid_bytes(g).to_vec()),
        );
        system
            .children
            .push(Node::new("Correlation").attr("ActivityID", activity));
        let pid = self.slot(kind::U32, event.pid.to_le_bytes().to_vec(), false);
        let tid = self.slot(kind::U32, event.tid.to_le_bytes().to_vec(), false);
        system.children.push(
            Node::new("Execution")
                .attr("ProcessID", pid)
                .attr("ThreadID", tid),
        );
        system
            .children
            .push(Node::new("Channel").content(literal(event.provider.channel)));
        let computer = self.slot(kind::TEXT, utf16(computer), false);
        system.children.push(Node::new("Computer").content(computer));
        let user = self.optional(kind::SID, event.user.as_deref().map(sid_bytes));
        system.children.push(Node::new("Security").attr("UserID", user));
        system
    }

    fn event_data(&mut self, event: &Event) -> Node {
        let mut data = Node::new("EventData");
        for (name, value) in &event.fields {
            let (kind, bytes) = value_bytes(value);
            let leaf = self.slot(kind, bytes, false);
            let mut item = Node::new("Data").content(leaf);
            if !name.is_empty() {
                item = item.attr("Name", Leaf::Literal(name.clone()));
            }
            data.children.push(item);
        }
        data
    }

    fn element(&mut self, element: &Element) -> Node {
        let mut node = Node::new(&element.name);
        for (name, value) in &element.attributes {
            let leaf = if name == "xmlns" {
                Leaf::Literal(value.clone())
            } else {
                self.slot(kind::TEXT, utf16(value), false)
            };
            node.attributes.push((name.clone(), leaf));
        }
        node.children = element.children.iter().map(|c| self.element(c)).collect();
        if let Some(text) = &element.text {
            node.content = Some(self.slot(kind::TEXT, utf16(text), false));
        }
        node
    }
}

fn utf16(text: &str) -> Vec<u8> {
    Bytes::new().utf16(text).take()
}

fn value_bytes(value: &Value) -> (u8, Vec<u8>) {
    match value {
        Value::Text(t) | Value::TextCounted(t) => (kind::TEXT, utf16(t)),
        Value::Ansi(t) | Value::AnsiCounted(t) => (kind::ANSI, t.as_bytes().to_vec()),
        Value::U8(v) => (kind::U8, vec![*v]),
        Value::U16(v) => (kind::U16, v.to_le_bytes().to_vec()),
        Value::I32(v) => (kind::I32, v.to_le_bytes().to_vec()),
        Value::U32(v) => (kind::U32, v.to_le_bytes().to_vec()),
        Value::U64(v) => (kind::U64, v.to_le_bytes().to_vec()),
        Value::Hex32(v) => (kind::HEX32, v.to_le_bytes().to_vec()),
        Value::Hex64(v) | Value::Pointer(v) => (kind::HEX64, v.to_le_bytes().to_vec()),
        Value::Bool(v) => (kind::BOOL, u32::from(*v).to_le_bytes().to_vec()),
        Value::Binary(b) => (kind::BINARY, b.clone()),
        Value::Guid(g) => (kind::GUID, guid_bytes(g).to_vec()),
        Value::Time(t) => (kind::FILETIME, t.filetime().to_le_bytes().to_vec()),
        Value::Sid(s) => (kind::SID, sid_bytes(s)),
    }
}
