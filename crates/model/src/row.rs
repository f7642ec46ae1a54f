//! One observed fact and the closed vocabularies of its columns.

use crate::Text;

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The spelling in every output.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
            /// The reverse of [`Self::as_str`].
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

vocabulary! {
    /// What sort of artifact a fact was read from.
    Source {
        /// A packet capture.
        Pcap = "pcap",
        /// An event trace log, its packets included.
        Etl = "etl",
        /// An event log.
        Evtx = "evtx",
        /// Any text log or tool output.
        Text = "text",
        /// A registry export or `reg query` dump.
        Registry = "registry",
        /// A Fiddler archive or HAR.
        Saz = "saz",
        /// A sign-in log export.
        Signin = "signin",
    }
}

vocabulary! {
    /// How the time of a row is known.
    TsSource {
        /// Written by the source in UTC, or with its offset.
        Exact = "exact",
        /// Computed from something else in the source (a clock base, the line before).
        Derived = "derived",
        /// Local time without a zone; the zone was taken from the bundle.
        LocalAssumed = "local_assumed",
        /// The source carries no time.
        None = "none",
    }
}

vocabulary! {
    /// Severity of an event as its provider sees it.
    Level {
        /// 1.
        Critical = "critical",
        /// 2.
        Error = "error",
        /// 3.
        Warning = "warning",
        /// 4 and provider-defined levels.
        Info = "info",
        /// 5.
        Verbose = "verbose",
    }
}

impl Level {
    /// Maps a Windows event level; 0 ("always") and the provider-defined ones from 16 count as information.
    pub fn from_windows(level: u8) -> Self {
        match level {
            1 => Self::Critical,
            2 => Self::Error,
            3 => Self::Warning,
            5..=15 => Self::Verbose,
            _ => Self::Info,
        }
    }
}

vocabulary! {
    /// How it ended.
    Outcome {
        /// It worked.
        Success = "success",
        /// It failed for a reason given in the row.
        Failure = "failure",
        /// No answer came.
        Timeout = "timeout",
        /// The other side (or something between) reset the connection.
        Reset = "reset",
        /// Refused at once.
        Refused = "refused",
        /// The source does not show the end.
        Unknown = "unknown",
    }
}

vocabulary! {
    /// On whose behalf something ran; decides which proxy settings and credentials were used.
    Context {
        /// SYSTEM or another service account.
        System = "system",
        /// An interactive user.
        User = "user",
    }
}

/// A column's value while visiting a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Nothing known.
    Null,
    /// Text.
    Str(&'a str),
    /// Any unsigned number.
    U64(u64),
    /// A signed number.
    I64(i64),
    /// Nanoseconds since 1970, to be shown as a time.
    TimeNs(i64),
}

macro_rules! rust_type {
    (text) => { Option<Text> };
    (req_text) => { Text };
    (string) => { String };
    (ts_source) => { TsSource };
    (source) => { Source };
    (level) => { Option<Level> };
    (outcome) => { Option<Outcome> };
    (context) => { Option<Context> };
    (req_u64) => { u64 };
    ($num:ident) => { Option<$num> };
}

macro_rules! column_value {
    (text, $v:expr) => {
        $v.as_deref().map_or(Value::Null, Value::Str)
    };
    (req_text, $v:expr) => {
        Value::Str($v.as_str())
    };
    (string, $v:expr) => {
        Value::Str($v.as_str())
    };
    (ts_source, $v:expr) => {
        Value::Str($v.as_str())
    };
    (source, $v:expr) => {
        Value::Str($v.as_str())
    };
    (level, $v:expr) => {
        $v.map_or(Value::Null, |x| Value::Str(x.as_str()))
    };
    (outcome, $v:expr) => {
        $v.map_or(Value::Null, |x| Value::Str(x.as_str()))
    };
    (context, $v:expr) => {
        $v.map_or(Value::Null, |x| Value::Str(x.as_str()))
    };
    (req_u64, $v:expr) => {
        Value::U64($v)
    };
    (i64, $v:expr) => {
        $v.map_or(Value::Null, Value::I64)
    };
    ($num:ident, $v:expr) => {
        $v.map_or(Value::Null, |x| Value::U64(u64::from(x)))
    };
}

macro_rules! set_column {
    (text, $slot:expr, $v:expr) => {
        $slot = text_of($v).map(Text::from)
    };
    (req_text, $slot:expr, $v:expr) => {
        $slot = text_of($v).map_or_else(|| Text::new_static(""), Text::from)
    };
    (string, $slot:expr, $v:expr) => {
        $slot = text_of($v).unwrap_or_default().to_owned()
    };
    (ts_source, $slot:expr, $v:expr) => {
        $slot = text_of($v).and_then(TsSource::parse).unwrap_or(TsSource::None)
    };
    (source, $slot:expr, $v:expr) => {
        $slot = text_of($v).and_then(Source::parse).unwrap_or(Source::Text)
    };
    (level, $slot:expr, $v:expr) => {
        $slot = text_of($v).and_then(Level::parse)
    };
    (outcome, $slot:expr, $v:expr) => {
        $slot = text_of($v).and_then(Outcome::parse)
    };
    (context, $slot:expr, $v:expr) => {
        $slot = text_of($v).and_then(Context::parse)
    };
    (req_u64, $slot:expr, $v:expr) => {
        $slot = number_of($v).unwrap_or(0)
    };
    (i64, $slot:expr, $v:expr) => {
        $slot = match $v {
            Value::I64(v) | Value::TimeNs(v) => Some(v),
            _ => None,
        }
    };
    ($num:ident, $slot:expr, $v:expr) => {
        $slot = number_of($v).and_then(|v| $num::try_from(v).ok())
    };
}

fn text_of(value: Value<'_>) -> Option<&str> {
    match value {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

fn number_of(value: Value<'_>) -> Option<u64> {
    match value {
        Value::U64(number) => Some(number),
        _ => None,
    }
}

macro_rules! define_row {
    (ts, ts, $m0:literal, $e0:literal, $c0:literal; $($name:ident, $kind:ident, $meaning:literal, $example:literal, $ecs:literal;)*) => {
        /// One observed fact. Fields are the columns of the contract; unknown ones stay `None`.
        ///
        /// Decoders leave `artifact` empty (the pipeline knows the logical path) and set `host` only where
        /// the record itself names a computer. `fields` is a JSON object made with
        /// [`JsonObject`](crate::JsonObject); empty means `{}`.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Row { $(#[doc = $meaning] pub $name: rust_type!($kind),)* }

        impl Row {
            /// Calls `f` with each column's name and value, in output order.
            pub fn for_each<'a>(&'a self, mut f: impl FnMut(&'static str, Value<'a>)) {
                f("ts", self.ts_ns.map_or(Value::Null, Value::TimeNs));
                $(f(stringify!($name), column_value!($kind, self.$name));)*
            }

            /// The value of one column by its name; `None` if there is no such column.
            pub fn value(&self, column: &str) -> Option<Value<'_>> {
                Some(match column {
                    "ts" => self.ts_ns.map_or(Value::Null, Value::TimeNs),
                    $(stringify!($name) => column_value!($kind, self.$name),)*
                    _ => return None,
                })
            }

            /// The reverse of [`Self::value`]: a value that does not fit the column empties it. `ts` follows `ts_ns`.
            pub fn set(&mut self, column: &str, value: Value<'_>) {
                match column {
                    $(stringify!($name) => set_column!($kind, self.$name, value),)*
                    _ => {}
                }
            }
        }
    };
}

crate::with_columns!(define_row);

macro_rules! empty_value {
    (req_text) => {
        Text::new_static("")
    };
    (string) => {
        String::new()
    };
    (ts_source) => {
        TsSource::None
    };
    (source) => {
        Source::Text
    };
    (req_u64) => {
        0
    };
    ($other:ident) => {
        None
    };
}

macro_rules! empty_again {
    (string, $slot:expr) => {
        empty_text(&mut $slot)
    };
    ($kind:ident, $slot:expr) => {
        $slot = empty_value!($kind)
    };
}

/// Bytes of a text whose memory is kept for the next row.
const KEPT: usize = 4096;

fn empty_text(text: &mut String) {
    if text.capacity() > KEPT {
        *text = String::new();
    } else {
        text.clear();
    }
}

macro_rules! define_new {
    (ts, ts, $m0:literal, $e0:literal, $c0:literal; $($name:ident, $kind:ident, $meaning:literal, $example:literal, $ecs:literal;)*) => {
        impl Row {
            /// An otherwise empty row; `kind` is one of the documented dotted names.
            // Inlined, so that it is made where the caller wants it: it is large.
            #[inline]
            pub fn new(source: Source, kind: &'static str, record: u64) -> Self {
                // Filled in place: a row is large, and updating one into another would copy it.
                let mut row = Self { $($name: empty_value!($kind),)* };
                (row.source, row.record) = (source, record);
                row.kind = Text::new_static(kind);
                row
            }

            /// Makes another row of it, as [`Self::new`] does; its long texts keep their memory.
            pub fn renew(&mut self, source: Source, kind: &'static str, record: u64) {
                $(empty_again!($kind, self.$name);)*
                (self.source, self.record) = (source, record);
                self.kind = Text::new_static(kind);
            }
        }
    };
}

crate::with_columns!(define_new);

impl Row {
    /// Sets an exact time in nanoseconds since 1970.
    // Inlined, as the next one, so that the row is not copied there and back.
    #[inline]
    #[must_use]
    pub fn at(mut self, ts_ns: i64) -> Self {
        self.ts_ns = Some(ts_ns);
        self.ts_source = TsSource::Exact;
        self
    }

    /// Sets the readable line.
    #[inline]
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn visits_every_column_in_order() {
        let mut row = Row::new(Source::Pcap, "dns.query", 7).at(5);
        row.dst_port = Some(53);
        let mut names = Vec::new();
        let mut port = Value::Null;
        row.for_each(|name, value| {
            names.push(name);
            if name == "dst_port" {
                port = value;
            }
        });
        assert_eq!(names, crate::COLUMNS.iter().map(|c| c.name).collect::<Vec<_>>());
        assert_eq!(port, Value::U64(53));
        assert_eq!(row.value("dst_port"), Some(Value::U64(53)));
        assert_eq!(row.value("ts"), Some(Value::TimeNs(5)));
        assert_eq!(row.value("nothing"), None);
    }

    #[test]
    fn nothing_of_the_row_before_shows() {
        let mut row = Row::new(Source::Pcap, "dns.query", 7).at(5).message("asked");
        for column in crate::COLUMNS {
            row.set(column.name, Value::Str("success"));
            row.set(column.name, Value::U64(9));
        }
        (row.fields, row.message) = ("{}".repeat(KEPT), "short".into());
        row.renew(Source::Etl, "event", 8);
        assert_eq!(row, Row::new(Source::Etl, "event", 8));
        assert!(row.message.capacity() > 0 && row.fields.capacity() == 0);
    }

    #[test]
    fn a_row_is_made_again_of_its_values() {
        let mut row = Row::new(Source::Evtx, "event", 7).at(5).message("it failed");
        row.host = Some("PC1".into());
        row.artifact = "a.zip!/b.evtx".into();
        row.dst_port = Some(443);
        row.keywords = Some(u64::MAX);
        (row.level, row.outcome) = (Some(Level::Error), Some(Outcome::Failure));
        row.context = Some(Context::System);
        row.fields = "{}".to_owned();
        let mut copy = Row::new(Source::Text, "", 0);
        row.for_each(|name, value| copy.set(name, value));
        assert_eq!(copy, row);
        copy.set("dst_port", Value::U64(70_000));
        copy.set("level", Value::Str("loud"));
        assert_eq!((copy.dst_port, copy.level), (None, None));
    }

    #[test]
    fn vocabularies_round_trip() {
        assert_eq!(Outcome::parse(Outcome::Reset.as_str()).unwrap(), Outcome::Reset);
        assert_eq!(Level::from_windows(16), Level::Info);
        assert_eq!(Level::from_windows(2), Level::Error);
    }
}
