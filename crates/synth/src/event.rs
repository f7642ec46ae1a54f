//! One Windows event, which the trace writer and the log writer both take.
//!
//! Field names and types of real events: the manifest dumps this project's event tables are made from.

use crate::bytes::{Bytes, guid_bytes};
use crate::moment::Moment;

/// A field's value in its manifest type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// UTF-16 text, NUL-terminated in traces.
    Text(String),
    /// 8-bit text, NUL-terminated in traces.
    Ansi(String),
    /// Text whose length is an earlier field: written without a terminator.
    TextCounted(String),
    /// 8-bit text whose length is an earlier field.
    AnsiCounted(String),
    /// 8 bit.
    U8(u8),
    /// 16 bit.
    U16(u16),
    /// Signed 32 bit; HRESULTs of User Device Registration are of this type.
    I32(i32),
    /// 32 bit.
    U32(u32),
    /// 64 bit.
    U64(u64),
    /// 32 bit, shown as hex.
    Hex32(u32),
    /// 64 bit, shown as hex.
    Hex64(u64),
    /// A pointer of the writing process (64 bit here).
    Pointer(u64),
    /// Four-byte boolean.
    Bool(bool),
    /// A GUID.
    Guid(String),
    /// A security identifier as `S-1-…`.
    Sid(String),
    /// A FILETIME.
    Time(Moment),
    /// Bytes whose length is an earlier field.
    Binary(Vec<u8>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::U32(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::I32(number)
    }
}

impl Value {
    /// Appends the value as an ETW payload has it.
    pub fn pack(&self, out: &mut Bytes) {
        match self {
            Self::Text(t) => out.utf16z(t),
            Self::Ansi(t) => out.asciiz(t),
            Self::TextCounted(t) => out.utf16(t),
            Self::AnsiCounted(t) => out.raw(t.as_bytes()),
            Self::U8(v) => out.u8(*v),
            Self::U16(v) => out.u16(*v),
            Self::I32(v) => out.u32(*v as u32),
            Self::U32(v) | Self::Hex32(v) => out.u32(*v),
            Self::U64(v) | Self::Hex64(v) | Self::Pointer(v) => out.u64(*v),
            Self::Bool(v) => out.u32(u32::from(*v)),
            Self::Guid(t) => out.raw(&guid_bytes(t)),
            Self::Sid(t) => out.raw(&sid_bytes(t)),
            Self::Time(t) => out.u64(t.filetime()),
            Self::Binary(b) => out.raw(b),
        };
    }
}

/// The binary form of `S-1-…`.
pub fn sid_bytes(text: &str) -> Vec<u8> {
    let parts: Vec<u64> = text.split('-').skip(1).filter_map(|p| p.parse().ok()).collect();
    let subs = parts.get(2..).unwrap_or_default();
    let mut b = Bytes::new();
    b.u8(parts.first().copied().unwrap_or(1) as u8)
        .u8(subs.len() as u8);
    b.raw(&parts.get(1).copied().unwrap_or(5).to_be_bytes()[2..]);
    for sub in subs {
        b.u32(*sub as u32);
    }
    b.take()
}

/// Element of an event's UserData, as XML has it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Element {
    /// Tag name.
    pub name: String,
    /// Attributes in order.
    pub attributes: Vec<(String, String)>,
    /// Child elements.
    pub children: Vec<Element>,
    /// Text content, if there are no children.
    pub text: Option<String>,
}

impl Element {
    /// An empty element.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attr(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a child.
    #[must_use]
    pub fn child(mut self, child: Element) -> Self {
        self.children.push(child);
        self
    }

    /// Sets the text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }
}

/// A provider: name, GUID (empty for classic event sources), and the channel its events go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider {
    /// Name as in the manifest.
    pub name: &'static str,
    /// GUID, lower case, bare.
    pub guid: &'static str,
    /// Channel of the event log.
    pub channel: &'static str,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Who writes it.
    pub provider: Provider,
    /// Event id.
    pub id: u16,
    /// Layout version.
    pub version: u8,
    /// 1 critical … 5 verbose.
    pub level: u8,
    /// Opcode number.
    pub opcode: u8,
    /// Task number.
    pub task: u16,
    /// Keyword bits.
    pub keywords: u64,
    /// When.
    pub at: Moment,
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// Processor whose buffer gets it (traces only).
    pub cpu: u16,
    /// Activity GUID.
    pub activity: Option<String>,
    /// Account of the writer, `S-1-…`.
    pub user: Option<String>,
    /// Named fields; an empty name stands for a classic event's unnamed data.
    pub fields: Vec<(String, Value)>,
    /// UserData instead of EventData (logs only).
    pub user_data: Option<Element>,
}

impl Event {
    /// An informational event without fields, written by process 712.
    pub fn new(provider: Provider, id: u16, at: Moment) -> Self {
        Self {
            provider,
            id,
            version: 0,
            level: 4,
            opcode: 0,
            task: 0,
            keywords: 0x8000_0000_0000_0000,
            at,
            pid: 712,
            tid: 1044,
            cpu: 0,
            activity: None,
            user: None,
            fields: vec![],
            user_data: None,
        }
    }

    /// Sets the level.
    #[must_use]
    pub fn level(mut self, level: u8) -> Self {
        self.level = level;
        self
    }

    /// Sets the layout version.
    #[must_use]
    pub fn version(mut self, version: u8) -> Self {
        self.version = version;
        self
    }

    /// Sets the keyword bits.
    #[must_use]
    pub fn keywords(mut self, bits: u64) -> Self {
        self.keywords = bits;
        self
    }

    /// Sets process and thread.
    #[must_use]
    pub fn process(mut self, pid: u32, tid: u32) -> Self {
        (self.pid, self.tid) = (pid, tid);
        self
    }

    /// Sets the processor.
    #[must_use]
    pub fn cpu(mut self, cpu: u16) -> Self {
        self.cpu = cpu;
        self
    }

    /// Sets the activity.
    #[must_use]
    pub fn activity(mut self, guid: &str) -> Self {
        self.activity = Some(guid.to_owned());
        self
    }

    /// Sets the account.
    #[must_use]
    pub fn user(mut self, sid: &str) -> Self {
        self.user = Some(sid.to_owned());
        self
    }

    /// Adds a named field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// Adds an unnamed data item, as classic sources have.
    #[must_use]
    pub fn data(self, text: &str) -> Self {
        self.field("", text)
    }

    /// Uses UserData.
    #[must_use]
    pub fn user_data(mut self, element: Element) -> Self {
        self.user_data = Some(element);
        self
    }

    /// The payload of a trace record.
    pub fn payload(&self) -> Vec<u8> {
        let mut out = Bytes::new();
        for (_, value) in &self.fields {
            value.pack(&mut out);
        }
        out.take()
    }
}
