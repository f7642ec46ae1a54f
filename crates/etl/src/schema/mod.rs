//! What the fields of an event are called and how they lie in its payload, from whichever source knows.

pub(crate) mod builtin;
pub(crate) mod classic;
pub(crate) mod eventsource;
pub(crate) mod manifest;
pub(crate) mod metadata;
pub(crate) mod resolve;
pub(crate) mod tmf;
pub(crate) mod tracelogging;

use std::sync::Arc;

use casetrace_model::Text;

use crate::value::Names;

/// Where a layout was learned; later ones are used only if the earlier ones know nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// The event itself.
    TraceLogging,
    /// EVENT_METADATA records of the same file.
    Embedded,
    /// The manifest an EventSource sent along.
    EventSource,
    /// A manifest the user gave.
    Manifest,
    /// Registered on the Windows that reads the trace.
    #[cfg_attr(not(windows), expect(dead_code, reason = "made by the Windows backend"))]
    Registered,
    /// The built-in table, for exactly this version.
    Builtin,
    /// The built-in table, for an older version: fields are usually only appended.
    BuiltinGuess,
}

impl Origin {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TraceLogging => "tracelogging",
            Self::Embedded => "embedded",
            Self::EventSource => "eventsource",
            Self::Manifest => "manifest",
            Self::Registered => "registered",
            Self::Builtin => "builtin",
            Self::BuiltinGuess => "builtin_older_version",
        }
    }
}

/// Layout of one kind of event.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    pub(crate) origin: Origin,
    pub(crate) provider: Option<Text>,
    /// Name of the event, where it has one.
    pub(crate) name: Option<Text>,
    pub(crate) task: Option<Text>,
    pub(crate) opcode: Option<Text>,
    pub(crate) channel: Option<Text>,
    /// Sentence with `%1` … for the fields.
    pub(crate) message: Option<String>,
    /// Top-level fields first, members of structures behind them.
    pub(crate) fields: Vec<Field>,
    pub(crate) top_level: usize,
    /// Which top-level fields are secret as a whole; filled by [`Schema::finish`].
    pub(crate) secret: Vec<bool>,
    /// Names of the top-level fields; filled by [`Schema::finish`].
    pub(crate) names: Arc<Names>,
}

impl Schema {
    /// Works out what depends on the fields' names, once for all events.
    pub(crate) fn finish(mut self) -> Self {
        self.secret = self
            .fields
            .iter()
            .take(self.top_level)
            .map(|field| crate::mask::is_secret_field(&field.name))
            .collect();
        let names = self.fields.iter().take(self.top_level);
        self.names = Arc::new(names.map(|field| field.name.clone()).collect());
        self
    }

    pub(crate) fn empty(origin: Origin) -> Self {
        Self {
            origin,
            provider: None,
            name: None,
            task: None,
            opcode: None,
            channel: None,
            message: None,
            fields: Vec::new(),
            top_level: 0,
            secret: Vec::new(),
            names: Arc::default(),
        }
    }
}

/// One field, or a structure of fields.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: Text,
    pub(crate) kind: FieldKind,
    pub(crate) count: Count,
}

#[derive(Debug, Clone)]
pub(crate) enum FieldKind {
    Value(ValueType),
    Struct { first: usize, members: usize },
}

/// How one value is stored and shown.
#[derive(Debug, Clone)]
pub(crate) struct ValueType {
    pub(crate) input: In,
    pub(crate) output: Out,
    pub(crate) length: Length,
    pub(crate) map: Option<Arc<ValueMap>>,
}

/// How many of a field there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    One,
    Fixed(u16),
    /// In an earlier field.
    Field(u16),
    /// In two bytes in front of the values (TraceLogging).
    Prefixed,
}

/// How long a text or blob is; texts without length end in NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    None,
    Fixed(u16),
    /// In an earlier field.
    Field(u16),
}

/// How a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum In {
    Null,
    Utf16,
    Ansi,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    Bool32,
    Binary,
    Guid,
    Pointer,
    FileTime,
    SystemTime,
    Sid,
    Hex32,
    Hex64,
    /// Texts and blobs behind a two-byte length in bytes.
    CountedUtf16,
    CountedAnsi,
    CountedBinary,
    /// As above with the length in network order (MOF).
    ReversedUtf16,
    ReversedAnsi,
    /// Texts to the end of the payload (MOF).
    RestUtf16,
    RestAnsi,
    Char16,
    Char8,
    /// A blob behind a four-byte length (MOF).
    HexDump,
    /// Two pointers and a SID, or four zero bytes (MOF).
    TokenUser,
}

/// How a value wants to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Out {
    Default,
    Hex,
    Text,
    Boolean,
    Port,
    Ipv4,
    Ipv6,
    SocketAddress,
    HResult,
    NtStatus,
    Win32,
    FileTime,
    Signed,
    Unsigned,
    Utf8,
}

/// Names of numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ValueMap {
    /// Several bits may be set at a time.
    pub(crate) bits: bool,
    pub(crate) entries: Vec<(u32, String)>,
}

impl ValueMap {
    /// The text for a number; `None` if the map does not know it.
    pub(crate) fn text(&self, value: u64) -> Option<String> {
        let value = u32::try_from(value).ok()?;
        if let Some((_, text)) = self.entries.iter().find(|(key, _)| *key == value) {
            return Some(text.clone());
        }
        if !self.bits || value == 0 {
            return None;
        }
        let mut left = value;
        let mut names: Vec<&str> = Vec::new();
        for (bit, text) in &self.entries {
            if *bit != 0 && value & bit == *bit {
                names.push(text);
                left &= !bit;
            }
        }
        let mut text = names.join("|");
        if names.is_empty() {
            return None;
        }
        if left != 0 {
            text.push_str(&format!("|{left:#x}"));
        }
        Some(text)
    }
}

impl In {
    /// TDH numbers, shared by manifests, embedded metadata and MOF (etl-format §5.2).
    pub(crate) fn from_tdh(number: u16) -> Option<Self> {
        Some(match number {
            0 => Self::Null,
            1 => Self::Utf16,
            2 => Self::Ansi,
            3 => Self::I8,
            4 => Self::U8,
            5 => Self::I16,
            6 => Self::U16,
            7 => Self::I32,
            8 => Self::U32,
            9 => Self::I64,
            10 => Self::U64,
            11 => Self::F32,
            12 => Self::F64,
            13 => Self::Bool32,
            14 => Self::Binary,
            15 => Self::Guid,
            16 | 308 => Self::Pointer,
            17 => Self::FileTime,
            18 => Self::SystemTime,
            19 => Self::Sid,
            20 => Self::Hex32,
            21 => Self::Hex64,
            22 | 300 => Self::CountedUtf16,
            23 | 301 => Self::CountedAnsi,
            25 => Self::CountedBinary,
            302 => Self::ReversedUtf16,
            303 => Self::ReversedAnsi,
            304 => Self::RestUtf16,
            305 => Self::RestAnsi,
            306 => Self::Char16,
            307 => Self::Char8,
            309 => Self::HexDump,
            310 => Self::TokenUser,
            _ => return None,
        })
    }
}

impl Out {
    /// TDH numbers.
    pub(crate) fn from_tdh(number: u16) -> Self {
        match number {
            1 => Self::Text,
            2 | 38 => Self::FileTime,
            3 | 5 | 7 | 9 => Self::Signed,
            4 | 6 | 8 | 10 | 20 | 21 => Self::Unsigned,
            13 => Self::Boolean,
            15..=19 | 37 => Self::Hex,
            22 => Self::Port,
            23 => Self::Ipv4,
            24 => Self::Ipv6,
            25 => Self::SocketAddress,
            30 => Self::Win32,
            31 => Self::NtStatus,
            32 => Self::HResult,
            28 | 34 | 35 | 36 => Self::Utf8,
            _ => Self::Default,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_name_values_and_bits() {
        let mut map = ValueMap {
            bits: false,
            entries: vec![(1, "One".into()), (4, "Four".into())],
        };
        assert_eq!(map.text(4).as_deref(), Some("Four"));
        assert_eq!(map.text(5), None);
        map.bits = true;
        assert_eq!(map.text(5).as_deref(), Some("One|Four"));
        assert_eq!(map.text(13).as_deref(), Some("One|Four|0x8"));
        assert_eq!(map.text(8), None);
    }
}
