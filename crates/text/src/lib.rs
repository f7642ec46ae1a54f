//! Text logs of a diagnostic bundle to timeline rows.
//!
//! [`detect`] tells a file's format from its first block (the name is a hint only), [`decode`] reads it in one
//! pass and hands rows and diagnostics to a [`Sink`](casetrace_model::Sink). Every format is one module under
//! `formats`; what the tables under `pipelines/text` list (labels, phrases, settings) is data. Input of any size
//! is read in blocks; lines beyond the limit are cut with a diagnostic. Nothing here knows paths, clocks or
//! the environment, and no damage makes a file fail as a whole.
//!
//! ```
//! use casetrace_model::Collected;
//! use casetrace_text::{Options, decode};
//!
//! let text = "\r\n| Device State |\r\n+----+\r\n\r\n     AzureAdJoined : NO\r\n      DomainJoined : YES\r\n";
//! let options = Options { name: "dsregcmd.txt".to_owned(), ..Options::default() };
//! let mut out = Collected::default();
//! let result = decode(&mut text.as_bytes(), &options, &mut out);
//! assert_eq!(result.format.name(), "dsregcmd");
//! assert_eq!(result.encoding, "ascii");
//! assert!(!out.rows.is_empty());
//! ```

mod blocks;
mod clock;
mod codes;
mod csv;
mod encoding;
mod format;
mod formats;
mod lines;
mod output;
mod phrases;
mod read;
mod secrets;
mod table;
mod telling;
mod zone;

use casetrace_model::{Inspection, Limits, Text};
use jiff::tz::TimeZone;

pub use format::{Format, detect};
pub use read::decode;
pub use zone::zone;

/// What the caller knows about a file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Ceilings; `max_line_bytes`, `max_value_bytes` and `max_diagnostics` matter here.
    pub limits: Limits,
    /// Zone of wall-clock times in this file; without one they get no instant.
    pub zone: Option<TimeZone>,
    /// Where the zone is known from (`script-info.txt`, `systeminfo`…), for [`Inspection::clock`].
    pub zone_note: Option<Text>,
    /// File name; a hint where content does not decide.
    pub name: String,
    /// Year in which the collection ended, for logs that print none (netlogon.log, LSA traces, MSAL lines).
    pub year_hint: Option<i16>,
    /// When the collection ended, for outputs that print ages but no time of their own (dsregcmd of a joined device).
    pub collected_ns: Option<i64>,
}

/// What was learnt about a file while its rows went to the sink.
#[derive(Debug, Clone)]
pub struct TextResult {
    /// Counts, span, clock and format facts.
    pub inspection: Inspection,
    /// What the file was read as.
    pub format: Format,
    /// `utf-16le-bom`, `utf-16le`, `utf-16be`, `utf-8-bom`, `utf-8`, `cp932`, `cp850`, `cp1252`, `ascii`, `mixed`, `binary`.
    pub encoding: &'static str,
    /// Lines in the file.
    pub lines: u64,
    /// True if rows depend on the zone or year of [`Options`]; else other hints give the same rows.
    pub hinted: bool,
}
